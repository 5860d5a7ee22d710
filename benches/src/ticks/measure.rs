//! Carries out [`Ticks`]: all subjects beside each other, each on data of its own.

use std::path::PathBuf;

use super::{
    Group, Launcher, Measured, Round, Tick, Ticks, round,
    round::{EVERY_S, PAUSE_MS, SKEW_MS},
};
use crate::{
    databases::Engine,
    lanes::{self, Quarters, Track},
    ledger::Ledger,
    record::Run,
    run::Order,
    servers::MONOLITH,
    site::Site,
};

/// Carries out all rounds, and returns the run with the folder where it is kept.
///
/// # Errors
/// One line: what could not be had; or round after round came to nothing.
pub async fn measure(
    order: &Order,
    engine: &Engine,
    design: &Ticks,
    ledger: Ledger,
) -> anyhow::Result<(PathBuf, Run)> {
    let prepare = async |site: &mut Site| {
        let mut lanes = Vec::new();
        for (number, group) in design.groups.iter().enumerate() {
            let quarters = Quarters::of(site, group.subject.arm, number).await?;
            let binary = site.rig.binaries.path(MONOLITH)?.to_owned();
            let launcher = Launcher { subject: group.subject, binary, quarters };
            let seed = order.seed.wrapping_add(1_000 * number as u64);
            lanes.push(Lane { launcher, group: group.clone(), ticks: design.ticks, seed });
        }
        Ok(lanes)
    };
    let keep = |run, ticks| {
        let (every_s, pause_ms, skew_ms) = (EVERY_S, PAUSE_MS, SKEW_MS);
        Run { ticks: Some(Measured { every_s, pause_ms, skew_ms, ticks }), ..run }
    };
    let doing = ("Ticking", design.rounds());
    lanes::measure(order, engine, ledger, doing, prepare, Lane::all, keep).await
}

/// All rounds of one subject, one after the other.
struct Lane {
    launcher: Launcher,
    group: Group,
    ticks: u32,
    seed: u64,
}

impl Lane {
    async fn all(&self, track: &Track<'_>) -> anyhow::Result<Vec<Tick>> {
        let Quarters { database, token_secret, .. } = &self.launcher.quarters;
        let app = database.open(token_secret).await?;
        let mut done: Vec<Vec<Tick>> = Vec::new();
        for (number, trouble) in self.group.troubles.iter().enumerate() {
            track.bar.set_message(format!("{}, {}", self.group.subject.name(), trouble.name()));
            let seed = self.seed.wrapping_add(number as u64);
            let of_round = Round { trouble: *trouble, ticks: self.ticks, seed };
            done.push(track.trial(number, round(&self.launcher, &app, of_round)).await?);
            let void = |ticks: &Vec<Tick>| ticks.first().and_then(|tick| tick.void.clone());
            let void: Vec<Option<String>> = done.iter().map(void).collect();
            track.worth_going_on(number, void.iter().map(Option::as_deref))?;
        }
        app.close().await;
        Ok(done.concat())
    }
}
