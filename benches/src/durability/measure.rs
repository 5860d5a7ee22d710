//! Carries out a [`Durability`]: what has to stand before, then all groups beside each other. Most of a
//! trial is waiting, for a job, a lease or a worker's next look, so they are hardly in each other's way.

use std::path::PathBuf;

use contract::kills::{House, JOB_MS, LEASE_MS};
use in_process::Point;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{Blow, Durability, Group, Launcher, Measured, Trial, trial, trial::PAUSE};
use crate::{
    databases::Engine,
    lanes::{self, Quarters, Track},
    ledger::Ledger,
    record::{Arm, Run},
    run::Order,
    servers::{BACKEND, MONOLITH},
    site::Site,
    stats::{below, shuffle},
};

/// Random moments, milliseconds after servers were ready: late enough that something is at stake.
const MOMENTS: [u64; 2] = [50, 450];

/// Carries out all kills, and returns the run with the folder where it is kept.
///
/// # Errors
/// One line: what could not be had; or kill after kill came to nothing. Servers that do not come back
/// after a kill cost the jobs that they had accepted, and the run goes on.
pub async fn measure(
    order: &Order,
    engine: &Engine,
    design: &Durability,
    ledger: Ledger,
) -> anyhow::Result<(PathBuf, Run)> {
    let prepare = async |site: &mut Site| {
        let mut lanes = Vec::new();
        for (number, group) in design.groups.iter().enumerate() {
            lanes.push(Lane {
                launcher: launcher(site, group, number).await?,
                email: site.dataset.user(0).email,
                group: group.clone(),
                seed: order.seed.wrapping_add(number as u64),
            });
        }
        Ok(lanes)
    };
    let keep = |run, trials| {
        let (job_ms, lease_ms, pause_ms) = (JOB_MS, LEASE_MS, PAUSE.as_millis() as u32);
        Run { durability: Some(Measured { job_ms, lease_ms, pause_ms, trials }), ..run }
    };
    let doing = ("Killing", design.trials());
    lanes::measure(order, engine, ledger, doing, prepare, Lane::all, keep).await
}

/// How the servers of a group are started, on data of their own.
async fn launcher(site: &mut Site, group: &Group, number: usize) -> anyhow::Result<Launcher> {
    let subject = group.subject;
    let quarters = Quarters::of(site, subject.arm, number).await?;
    // The frontend of the split neither accepts jobs nor does them.
    let program = if subject.arm == Arm::Split { BACKEND } else { MONOLITH };
    Ok(Launcher { subject, binary: site.rig.binaries.path(program)?.to_owned(), quarters })
}

/// All kills of one group, one after the other.
pub struct Lane {
    /// Starts the servers.
    pub launcher: Launcher,
    /// The address of the client's account.
    pub email: String,
    /// What is to be done.
    pub group: Group,
    /// Seed of the order and of random moments.
    pub seed: u64,
}

impl Lane {
    /// Carries them out.
    ///
    /// # Errors
    /// When the database is out of reach from the beginning, or trial after trial comes to nothing.
    pub(crate) async fn all(&self, track: &Track<'_>) -> anyhow::Result<Vec<Trial>> {
        let Quarters { database, token_secret, .. } = &self.launcher.quarters;
        let app = database.open(token_secret).await?;
        let mut house = House::open(app.clone(), self.email.clone()).await?;
        let mut done = Vec::new();
        for (number, blow) in self.blows().into_iter().enumerate() {
            track.bar.set_message(format!("{}: {}", self.group.subject.name(), blow.name()));
            let killed = trial(&self.launcher, &mut house, blow);
            done.push(track.trial(number, killed).await?);
            track.worth_going_on(number, done.iter().map(|trial| trial.void.as_deref()))?;
        }
        app.close().await;
        Ok(done)
    }

    /// How servers end, one time after the other; the first time they do not.
    fn blows(&self) -> Vec<Blow> {
        let Group { points, times, random, .. } = &self.group;
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut blows = Vec::new();
        for point in points {
            // Ticks are a second apart.
            let rare = contract::kills::RARE.contains(point)
                || matches!(point, Point::TickBeforeCommit | Point::TickAfterCommit);
            // Jobs that end at about the same time are written down together.
            let ends = matches!(point, Point::FinishBeforeCommit | Point::FinishAfterCommit);
            let often = if ends { 2 } else { 3 };
            // Not always the first time that it gets there, where it gets there often.
            let time = |n: u32| if rare { 1 } else { 2 + n % often };
            blows.extend((0..*times).map(|n| Blow::At(*point, time(n))));
        }
        let [first, last] = MOMENTS;
        let span = (last - first) as usize;
        blows.extend((0..*random).map(|_| Blow::After(first + below(&mut rng, span) as u64)));
        shuffle(&mut rng, &mut blows);
        blows.insert(0, Blow::None);
        blows
    }
}
