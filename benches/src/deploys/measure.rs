//! Carries out [`Deploys`]: all subjects beside each other, each on data of its own.

use std::path::PathBuf;

use super::{
    Case, Deploys, Measured, Programs, Subject, Trial,
    cases::{CPU_MS, ROUND_MS, SHORTEST_MS},
    system::Launcher,
    trial,
};
use crate::{
    databases::Engine,
    lanes::{self, Quarters, Track},
    ledger::Ledger,
    record::Run,
    run::Order,
    site::Site,
};

/// Carries out all deploys, and returns the run with the folder where it is kept.
///
/// # Errors
/// One line: what could not be had; or deploy after deploy came to nothing. What goes wrong after a
/// deploy costs the jobs that were not done by then, and the run goes on.
pub async fn measure(
    order: &Order,
    engine: &Engine,
    design: &Deploys,
    ledger: Ledger,
) -> anyhow::Result<(PathBuf, Run)> {
    let prepare = async |site: &mut Site| {
        let mut lanes = Vec::new();
        for (number, subject) in design.subjects.iter().copied().enumerate() {
            let quarters = Quarters::of(site, subject.arm, number).await?;
            let programs = Programs::of(subject.arm, &site.rig.binaries)?;
            lanes.push(Launcher { subject, programs, quarters });
        }
        Ok(lanes)
    };
    let cases: Vec<Case> = (0..=design.deploys)
        .map(|number| Case::new(order.seed, number, design.longest_ms))
        .collect();
    let all = async |launcher: &Launcher, track: &Track<'_>| lane(launcher, &cases, track).await;
    let keep = |run, trials| {
        let lengths_ms = [SHORTEST_MS, design.longest_ms];
        let computes = f64::from(CPU_MS) / f64::from(ROUND_MS);
        Run { deploys: Some(Measured { lengths_ms, computes, trials }), ..run }
    };
    let doing = ("Deploying", design.trials());
    lanes::measure(order, engine, ledger, doing, prepare, all, keep).await
}

/// All deploys of one subject, one after the other.
async fn lane(
    launcher: &Launcher,
    cases: &[Case],
    track: &Track<'_>,
) -> anyhow::Result<Vec<Trial>> {
    let Quarters { database, token_secret, .. } = &launcher.quarters;
    let app = database.open(token_secret).await?;
    let mut done = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        track.bar.set_message(Subject::name(launcher.subject));
        done.push(track.trial(number, trial(launcher, &app, case)).await?);
        track.worth_going_on(number, done.iter().map(|trial| trial.void.as_deref()))?;
    }
    app.close().await;
    Ok(done)
}
