//! One kill: servers that accept jobs, their end, what was at stake, the servers again, and the books.

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use contract::{
    kills::{Books, House, Kill, Orders, Told},
    process::Server,
};
use in_process::Point;
use tokio::{task::spawn_blocking, time::sleep};

use super::{Blow, Keeping, Place, Subject, Trial};
use crate::{
    lanes::{Quarters, text},
    record::Arm,
};

/// Between two comments.
pub(super) const PAUSE: Duration = Duration::from_millis(25);

/// How long jobs are accepted where nobody is killed.
const ACCEPTED_FOR: Duration = Duration::from_millis(300);

/// How long servers that were started again may take until nothing is left to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at the books.
const LOOK: Duration = Duration::from_millis(20);

/// How the servers of one subject are started.
#[derive(Clone, Debug)]
pub struct Launcher {
    /// Whose.
    pub subject: Subject,
    /// The program that accepts jobs, and does them.
    pub binary: PathBuf,
    /// Where its servers live.
    pub quarters: Quarters,
}

impl Launcher {
    /// Starts all servers: whoever accepts jobs first, then the worker, if it is one of its own.
    async fn start(&self, kill: Option<Kill>) -> anyhow::Result<Vec<Server>> {
        let Subject { arm, keeping, place } = self.subject;
        let orders = Orders {
            kill,
            finish_first: arm == Arm::Planted,
            only_in_memory: keeping == Keeping::Spawn,
            ticks: matches!(
                kill,
                Some(Kill::At(Point::TickBeforeCommit | Point::TickAfterCommit, _))
            ),
        };
        let lab = self.quarters.directory.join("lab.json");
        fs::write(&lab, orders.file().to_string()).with_context(|| lab.display().to_string())?;
        let jobs = match (keeping, place) {
            (Keeping::Queue, Place::Inside) => "inside",
            _ => "off",
        };
        let (lab, quarters) = (["--lab", text(&lab)?], &self.quarters);
        let serve = [&lab[..], &["--jobs", jobs]].concat();
        let mut commands = vec![quarters.with_database(&self.binary, "serve", &serve)?];
        if place == Place::Apart {
            commands.push(quarters.with_database(&self.binary, "work", &lab)?);
        }
        quarters.start(commands).await
    }
}

/// What a client knows of one trial's jobs.
struct Promise<'a> {
    house: &'a House,
    accepted: BTreeSet<i64>,
}

impl Promise<'_> {
    /// Accepted jobs without an effect so far.
    async fn kept(&self) -> anyhow::Result<u64> {
        let effects = self.house.effects().await?;
        Ok(Books::compare(&self.accepted, &effects).lost.len() as u64)
    }

    /// Waits until nothing is left to do; how long it took until every accepted job had its effect.
    async fn kept_at_last(&self, since: Instant) -> anyhow::Result<Option<f64>> {
        let mut kept = None;
        loop {
            if kept.is_none() && self.kept().await? == 0 {
                kept = Some(since.elapsed().as_secs_f64());
            }
            // A job that is not in the table comes from memory, or never.
            let open = self.house.app().open_jobs().await?;
            if open == 0 {
                // It may have ended between the two looks.
                let late = kept.is_none() && self.kept().await? == 0;
                return Ok(kept.or_else(|| late.then(|| since.elapsed().as_secs_f64())));
            }
            ensure!(since.elapsed() < PATIENCE, "{open} jobs were not done after {PATIENCE:?}");
            sleep(LOOK).await;
        }
    }
}

/// Carries out one kill. It never fails: what went wrong stands in the trial.
pub async fn trial(launcher: &Launcher, house: &mut House, blow: Blow) -> Trial {
    let mut trial = Trial {
        subject: launcher.subject,
        blow,
        accepted: 0,
        at_stake: 0,
        lost: 0,
        twice: 0,
        unasked: 0,
        unanswered: 0,
        unanswered_lost: 0,
        recovered: None,
        trouble: None,
        void: None,
    };
    match accepted_until_the_end(launcher, house, blow).await {
        Ok(accepted) => {
            trial.accepted = accepted.len() as u64;
            let promise = Promise { house, accepted };
            if let Err(error) = after_the_end(launcher, &promise, &mut trial).await {
                trial.trouble = Some(format!("{error:#}"));
            }
            if let Err(error) = settle(&promise, &mut trial).await {
                // Of what nobody can look up nothing is known to be done.
                trial.lost = trial.at_stake;
                trial.trouble.get_or_insert(format!("{error:#}"));
            }
        }
        Err(error) => trial.void = Some(format!("{error:#}")),
    }
    trial
}

/// Everything up to the moment at which all servers are dead: the jobs that were accepted by then.
async fn accepted_until_the_end(
    launcher: &Launcher,
    house: &mut House,
    blow: Blow,
) -> anyhow::Result<BTreeSet<i64>> {
    house.clear().await.context("what was left of the last trial")?;
    let needed = |point| {
        matches!(
            point,
            Point::FinishBeforeCommit
                | Point::FinishAfterCommit
                | Point::FailureBeforeCommit
                | Point::FailureAfterCommit
                | Point::ReclaimAfterCommit
        )
    };
    let kill = match blow {
        Blow::None => Kill::After(ACCEPTED_FOR),
        Blow::After(millis) => Kill::After(Duration::from_millis(millis)),
        Blow::At(point, times) => {
            if needed(point) {
                house.plant().await?;
            }
            Kill::At(point, times as usize)
        }
    };
    let ordered = matches!(blow, Blow::At(..)).then_some(kill);
    let mut servers = match launcher.start(ordered).await {
        Ok(servers) => servers,
        // It died before it was ready, and nothing was accepted.
        Err(_) if ordered.is_some() => return Ok(BTreeSet::new()),
        Err(error) => return Err(error),
    };
    let client = house.client().clone();
    let busy = move || {
        let told = client.keep_busy(&mut servers, kill, PAUSE);
        (told, servers)
    };
    let (Told { accepted, died }, servers) = spawn_blocking(busy).await?;
    match blow {
        Blow::None => wait_without_a_kill(&Promise { house, accepted: accepted.clone() }).await?,
        Blow::At(..) if !died => bail!("nobody got to the point"),
        Blow::After(_) if died => bail!("a server died by itself"),
        _ => {}
    }
    // With SIGKILL, all of them.
    spawn_blocking(move || drop(servers)).await?;
    Ok(accepted)
}

/// Until all is done; if that never comes about, what is missing shows in the books.
async fn wait_without_a_kill(promise: &Promise<'_>) -> anyhow::Result<()> {
    let begin = Instant::now();
    while promise.kept().await? > 0 && begin.elapsed() < PATIENCE {
        sleep(LOOK).await;
    }
    Ok(())
}

/// What was at stake, and what servers that are started again make of it.
async fn after_the_end(
    launcher: &Launcher,
    promise: &Promise<'_>,
    trial: &mut Trial,
) -> anyhow::Result<()> {
    trial.at_stake = promise.kept().await?;
    if trial.blow == Blow::None {
        return Ok(());
    }
    let since = Instant::now();
    let servers = launcher.start(None).await.context("started again")?;
    trial.recovered = promise.kept_at_last(since).await?;
    spawn_blocking(move || drop(servers)).await?;
    Ok(())
}

/// What the books say in the end.
async fn settle(promise: &Promise<'_>, trial: &mut Trial) -> anyhow::Result<()> {
    let comments = promise.house.comments().await?;
    let effects = promise.house.effects().await?;
    let books = Books::compare(&(&comments | &promise.accepted), &effects);
    let was_accepted = |number: &&i64| promise.accepted.contains(*number);
    trial.lost = books.lost.iter().filter(was_accepted).count() as u64;
    trial.unanswered_lost = books.lost.len() as u64 - trial.lost;
    trial.twice = books.twice.len() as u64;
    trial.unasked = books.unasked.len() as u64;
    trial.unanswered = comments.difference(&promise.accepted).count() as u64;
    Ok(())
}
