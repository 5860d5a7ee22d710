//! Trial after trial: fresh servers, load after load, and on to the next, whatever became of the last.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Context;
use in_process::DatabaseUrl;
use indicatif::ProgressBar;
use rand_chacha::{ChaCha8Rng, rand_core::Rng};

use super::{
    Group, Interference, arrivals,
    desk::Desk,
    places,
    trial::{Slice, Trial, by_second},
};
use crate::{
    databases::{Databases, Seeded, running_since},
    fleet::deployment::{self, Deployment, Ground},
    guardian::Guardian,
    load::Generator,
    probe,
    record::{Arm, Page},
    relay::Policy,
    scaling::{steps::Observer, worth_going_on},
    stats::shuffle,
    visitors::Visitors,
};

/// The arms, each with data of its own: the second is the first once more, the third lets visitors
/// wait.
pub(super) const ARMS: [Arm; 4] = [Arm::Monolith, Arm::Twin, Arm::Waiting, Arm::Split];

/// What all trials of a run are given.
pub(super) struct Trials<'a> {
    pub(super) ground: Ground<'a>,
    pub(super) design: &'a Interference,
    pub(super) dataset: &'a contract::dataset::Dataset,
    pub(super) seeded: &'a Seeded,
    pub(super) guardian: &'a mut Guardian,
    pub(super) databases: Databases,
    /// The database's server.
    pub(super) server: DatabaseUrl,
    pub(super) generator: &'a Generator,
    pub(super) visitors: &'a Visitors,
    pub(super) slo_ms: f64,
    /// Visitors a second.
    pub(super) rate: f64,
    /// How long the planted arm lets each wait, milliseconds.
    pub(super) planted_ms: f64,
    pub(super) rng: ChaCha8Rng,
    pub(super) done: Vec<Trial>,
}

impl Trials<'_> {
    /// Round after round, each with its groups in an order of its own.
    ///
    /// # Errors
    /// One line, when there is no point in going on.
    pub(super) async fn all(mut self, bar: &ProgressBar) -> anyhow::Result<Vec<Trial>> {
        let design = self.design;
        for round in 0..design.rounds() {
            let groups: Vec<&Group> =
                design.groups.iter().filter(|group| round < group.rounds).collect();
            let order = shuffled(&mut self.rng, groups.len());
            // The same visitors and times for all, and others in every round.
            let seed = self.rng.next_u64();
            for group in order.into_iter().filter_map(|index| groups.get(index)) {
                let Group { arm, place, job, .. } = group;
                let what = format!("{}, {}, {}", arm.name(), place.name(), job.name());
                bar.set_message(what);
                self.trial(group, round, seed).await?;
                bar.inc(1);
            }
        }
        Ok(self.done)
    }

    async fn trial(&mut self, group: &Group, round: u32, seed: u64) -> anyhow::Result<()> {
        let Group { arm, place, job, .. } = *group;
        let mut trial = Trial { round, arm, place, job, slices: Vec::new(), void: None };
        let since = running_since(&self.server).await?;
        let name = format!("trial-{}", self.done.len());
        let topology = places::topology(arm, place);
        let flags = places::flags(place, &self.lab_file(group)?);
        let started = self.ground.start(deployment::Order {
            topology: &topology,
            policy: Policy::RoundRobin,
            database: self.databases.of(arm)?,
            arm,
            name: &name,
            flags: &flags,
        });
        let loads = shuffled(&mut self.rng, group.loads.len());
        match started.await {
            Ok(deployment) => {
                let loads = loads.into_iter().filter_map(|index| group.loads.get(index).copied());
                self.loads(deployment, loads.collect(), seed, &mut trial).await;
            }
            Err(error) => trial.void = Some(format!("{error:#}")),
        }
        // Whatever else went wrong then, this is why.
        if running_since(&self.server).await? != since {
            trial.void = Some("the database was restarted".to_owned());
        }
        trial.check();
        // Jobs that are left over would be done in the next trial.
        if trial.void.is_some() {
            let again = format!("again_{}", self.done.len());
            self.databases = self.seeded.copies(&again, &ARMS, self.guardian).await?;
        }
        self.done.push(trial);
        worth_going_on(self.done.iter().map(|trial| trial.void.as_deref()))
    }

    /// The lab file of a group's servers.
    fn lab_file(&self, group: &Group) -> anyhow::Result<PathBuf> {
        let wait_ms = if group.arm == Arm::Waiting { self.planted_ms } else { 0.0 };
        let file = self.ground.directory.join("jobs.json");
        let text = places::lab_file(group.place, group.job, wait_ms).to_string();
        fs::write(&file, text).with_context(|| file.display().to_string())?;
        Ok(file)
    }

    async fn loads(
        &self,
        mut deployment: Deployment,
        loads: Vec<u32>,
        seed: u64,
        trial: &mut Trial,
    ) {
        let view = deployment.view();
        let at = Observer {
            generator: self.generator,
            target: self.visitors.to(Page::Home, view.front),
            beside: self.seeded.watched(),
            view,
        };
        let desk = Desk::open(&deployment, self.dataset).await;
        let measured = deployment.unless_one_dies(async {
            let desk = desk?;
            at.warm_up().await?;
            for load in loads {
                let slice = self.slice(&at, &desk, trial, load, seed).await?;
                trial.slices.push(slice);
            }
            Ok(())
        });
        let measured = measured.await;
        let ended = deployment.stop().await;
        trial.void = measured.and(ended).err().map(|error| format!("{error:#}"));
    }

    /// Visitors for some time, and so many jobs beside them; then until the last of these is done.
    async fn slice(
        &self,
        at: &Observer<'_>,
        desk: &Desk,
        trial: &Trial,
        load: u32,
        seed: u64,
    ) -> anyhow::Result<Slice> {
        let (jobs, seconds) = trial.job.amount(load, self.design.seconds);
        // Other visitors at every load, the same for all groups.
        let seed = seed.wrapping_add(load.into());
        let times = arrivals::times(trial.job, jobs, seconds, seed);
        let books = desk.books().await?;
        let before = probe::read(&at.view.watched)?;
        let ((pages, visits), answers) =
            tokio::try_join!(at.step(self.rate, seconds, seed), desk.bring_about(&times))?;
        let last = Instant::now();
        let work = Duration::from_millis(u64::from(jobs * trial.job.ms));
        let books = desk.until_done(books, jobs.into(), work).await?;
        let drained_ms = last.elapsed().as_secs_f64() * 1e3;
        let used = before.until(&probe::read(&at.view.watched)?).cpu_ms;
        let mean = |sum: f64| (jobs > 0).then(|| sum * 1e3 / f64::from(jobs));
        Ok(Slice {
            load,
            jobs,
            done: books.done,
            pages,
            seconds: by_second(&visits, seconds, self.slo_ms),
            cpu_ms: used.values().sum(),
            answer_ms: mean(answers.iter().map(Duration::as_secs_f64).sum()),
            wait_ms: mean(books.waited),
            drained_ms,
            void: None,
        })
    }
}

/// The numbers below `n` in an order of chance.
fn shuffled(rng: &mut ChaCha8Rng, n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    shuffle(rng, &mut order);
    order
}
