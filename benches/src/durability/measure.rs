//! Carries out a [`Durability`]: what has to stand before, then all groups beside each other. Most of a
//! trial is waiting, for a job, a lease or a worker's next look, so they are hardly in each other's way.

use std::{fs, path::PathBuf, time::Instant};

use chrono::Utc;
use contract::{
    dataset::Size,
    kills::{House, JOB_MS, LEASE_MS},
};
use futures_util::future::try_join_all;
use in_process::Point;
use indicatif::ProgressBar;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{Blow, Durability, Group, Launcher, Measured, Trial, trial, trial::PAUSE};
use crate::{
    affinity,
    databases::Engine,
    load::Generator,
    machine, progress,
    record::{Arm, Pilot, Run},
    run::Order,
    scaling::{
        measure::{Around, before},
        worth_going_on,
    },
    servers::{BACKEND, MONOLITH},
    site::Site,
    stats::{below, shuffle},
    store::{self, Folder},
    visitors::Visitors,
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
) -> anyhow::Result<(PathBuf, Run)> {
    let started = Utc::now();
    let machine = machine::machine()?;
    let mut layout = affinity::layout(&affinity::cores()?);
    // What becomes of jobs does not hang on how much data there is.
    let size = Size { users: 20, articles: 100, tags: 10, ..Size::default() };
    let mut site = Site::with(engine, layout.clone(), size).await?;
    let instrument = (Generator::start()?, Visitors::of(&site.dataset)?);
    let (parity, mut found) = before(&mut site, order, &instrument).await?;
    // Nothing is planted that takes time.
    found.pilot = Pilot { planted_ms: 0.0, waiting_ms: 0.0, ..found.pilot };
    layout.fallbacks.extend(found.remark.clone());
    let mut folder = Folder::create(&store::root()?, started, order.seed)?;
    let clock = Instant::now();
    let bar = progress::bar("Killing", design.trials());
    let mut lanes = Vec::new();
    for (number, group) in design.groups.iter().enumerate() {
        lanes.push(Lane {
            launcher: launcher(&mut site, group, number).await?,
            email: site.dataset.user(0).email,
            group: group.clone(),
            seed: order.seed.wrapping_add(number as u64),
        });
    }
    let trials = try_join_all(lanes.iter().map(|lane| lane.all(&bar))).await;
    bar.finish_and_clear();
    let measured = Measured {
        job_ms: JOB_MS,
        lease_ms: LEASE_MS,
        pause_ms: PAUSE.as_millis() as u32,
        trials: trials?.concat(),
    };
    let around = Around { order, engine, started, machine, layout, site: &site, parity, found };
    let run = Run { durability: Some(measured), ..around.record(&folder, clock)? };
    folder.finish(&run)?;
    Ok((folder.path.clone(), run))
}

/// How the servers of a group are started, on data of their own.
async fn launcher(site: &mut Site, group: &Group, number: usize) -> anyhow::Result<Launcher> {
    let arm = group.subject.arm;
    let databases =
        site.seeded.copies(&format!("lane{number}"), &[arm], &mut site.guardian).await?;
    let directory = site.dir.join("kills").join(number.to_string());
    fs::create_dir_all(&directory)?;
    let rig = &site.rig;
    // The frontend of the split neither accepts jobs nor does them.
    let program = if arm == Arm::Split { BACKEND } else { MONOLITH };
    Ok(Launcher {
        subject: group.subject,
        binary: rig.binaries.path(program)?.to_owned(),
        database: databases.of(arm)?.clone(),
        token_secret: rig.token_secret.clone(),
        directory,
        mark: rig.mark.clone(),
        layout: rig.layout.clone(),
    })
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
    pub async fn all(&self, bar: &ProgressBar) -> anyhow::Result<Vec<Trial>> {
        let app = self.launcher.database.open(&self.launcher.token_secret).await?;
        let mut house = House::open(app.clone(), self.email.clone()).await?;
        let mut done = Vec::new();
        for blow in self.blows() {
            bar.set_message(format!("{}: {}", self.group.subject.name(), blow.name()));
            done.push(trial(&self.launcher, &mut house, blow).await);
            bar.inc(1);
            worth_going_on(done.iter().map(|trial| trial.void.as_deref()))?;
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
            // Not always the first time that it gets there, where it gets there often.
            blows.extend((0..*times).map(|n| Blow::At(*point, if rare { 1 } else { 2 + n % 3 })));
        }
        let [first, last] = MOMENTS;
        let span = (last - first) as usize;
        blows.extend((0..*random).map(|_| Blow::After(first + below(&mut rng, span) as u64)));
        shuffle(&mut rng, &mut blows);
        blows.insert(0, Blow::None);
        blows
    }
}
