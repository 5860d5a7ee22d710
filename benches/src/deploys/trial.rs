//! One deploy: servers with jobs that come in and run, the new servers, the end of the old ones, and the
//! books.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use in_process::InProcess;
use tokio::time::{sleep, sleep_until};

use super::{
    Case, Trial,
    system::{Launcher, System},
};

/// How often a job may be begun.
const ATTEMPTS: i64 = 1_000;

/// How much longer than two of the longest jobs it may take until all are done.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at the books.
const LOOK: Duration = Duration::from_millis(50);

/// Carries out one deploy, or none in the case of number 0. It never fails: what went wrong stands in
/// the trial.
pub async fn trial(launcher: &Launcher, app: &InProcess, case: &Case) -> Trial {
    let mut trial = Trial {
        subject: launcher.subject,
        number: case.number,
        jobs: case.jobs.len() as u64,
        running: 0,
        interrupted: 0,
        lost: 0,
        twice: 0,
        asked_ms: case.cpu_ms(),
        used_ms: 0.0,
        drained: None,
        trouble: None,
        void: None,
    };
    match until_deployed(launcher, app, case, &mut trial).await {
        Ok(system) => {
            if let Err(error) = until_done(&system, app, case, &mut trial).await {
                trial.trouble.get_or_insert(format!("{error:#}"));
            }
            // With SIGKILL: there is nothing left to do.
            drop(system);
            if let Err(error) = settle(app, case, &mut trial).await {
                // Of what nobody can look up nothing is known to be done.
                trial.lost = trial.jobs;
                trial.trouble.get_or_insert(format!("{error:#}"));
            }
        }
        Err(error) => trial.void = Some(format!("{error:#}")),
    }
    trial
}

/// Everything up to the moment at which the old servers have ended.
async fn until_deployed<'a>(
    launcher: &'a Launcher,
    app: &InProcess,
    case: &Case,
    trial: &mut Trial,
) -> anyhow::Result<System<'a>> {
    // There is no comment without a word.
    app.forget_jobs("").await.context("what was left of the last trial")?;
    let mut system = System::start(launcher).await?;
    let begun = tokio::time::Instant::now();
    for (job, number) in case.jobs.iter().zip(1..) {
        sleep_until(begun + Duration::from_millis(job.at_ms.into())).await;
        app.plant_job("synthetic", job.task(number), "ready", ATTEMPTS).await?;
    }
    sleep_until(begun + Duration::from_millis(case.deploy_ms.into())).await;
    trial.running = app.running_jobs().await?.try_into()?;
    if case.number > 0 {
        let new = system.bring().await.context("the deploy")?;
        match system.replace(new).await {
            Ok(drained) => trial.drained = Some(drained),
            Err(error) => trial.trouble = Some(format!("{error:#}")),
        }
    }
    Ok(system)
}

/// Until no job is left, and what that took.
async fn until_done(
    system: &System<'_>,
    app: &InProcess,
    case: &Case,
    trial: &mut Trial,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    let longest = case.jobs.iter().map(|job| job.length_ms()).max().unwrap_or_default();
    let limit = 2 * Duration::from_millis(longest.into()) + PATIENCE;
    loop {
        let open = app.open_jobs().await?;
        if open == 0 {
            trial.used_ms = system.used_ms()?;
            return Ok(());
        }
        ensure!(begun.elapsed() < limit, "{open} jobs were not done after {limit:?}");
        sleep(LOOK).await;
    }
}

/// What the books say in the end.
async fn settle(app: &InProcess, case: &Case, trial: &mut Trial) -> anyhow::Result<()> {
    let effects = app.synthetic_effects().await?;
    let times = |number: i64| effects.get(&number).copied().unwrap_or_default();
    for number in (1..).take(case.jobs.len()) {
        trial.lost += u64::from(times(number) == 0);
        trial.twice += u64::from(times(number) > 1);
        // Of one that was never done all attempts were in vain, but those count as lost already.
        trial.interrupted += u64::try_from((times(-number) - 1).max(0))?;
    }
    Ok(())
}
