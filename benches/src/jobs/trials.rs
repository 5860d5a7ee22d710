//! Trial after trial: fresh servers, load after load, and on to the next, whatever became of the last.

use std::{fs, path::PathBuf};

use anyhow::Context;
use in_process::DatabaseUrl;
use indicatif::ProgressBar;

use super::{
    Group, Interference, desk::Desk, places, schedule::Planned, slices::Slices, trial::Trial,
};
use crate::{
    databases::{Databases, Seeded, running_since},
    fleet::deployment::{self, Deployment, Ground},
    guardian::Guardian,
    ledger::Ledger,
    load::Generator,
    record::{Arm, Page},
    relay::Policy,
    scaling::{
        steps::{ATTEMPTS_AT_TIMES, Observer, attempts},
        worth_going_on,
    },
    visitors::Visitors,
};

/// The arms, each with data of its own: the second is the first once more, the third lets visitors
/// wait.
pub(super) const ARMS: [Arm; 4] = [Arm::Monolith, Arm::Twin, Arm::Waiting, Arm::Split];

/// What share of all slices may come to nothing before none is tried again any more, and how many may in
/// any case: where the hypervisor never leaves the machine alone, a run takes half as long again, and is
/// under suspicion.
const IN_VAIN: (f64, usize) = (1.0 / 3.0, 20);

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
    /// What has been measured already.
    pub(super) ledger: &'a Ledger,
    pub(super) done: Vec<Trial>,
}

impl Trials<'_> {
    /// Trial after trial, as planned.
    ///
    /// # Errors
    /// One line, when there is no point in going on.
    pub(super) async fn all(
        mut self,
        planned: Vec<Planned<'_>>,
        bar: &ProgressBar,
    ) -> anyhow::Result<Vec<Trial>> {
        for planned in planned {
            bar.set_message(planned.name());
            let is_whole = self.trial(&planned).await?;
            if !is_whole {
                // What counts of both trials fills the round.
                self.trial(&planned).await?;
            }
            bar.inc(1);
        }
        Ok(self.done)
    }

    /// Whether all of it counts.
    async fn trial(&mut self, planned: &Planned<'_>) -> anyhow::Result<bool> {
        let name = format!("trial-{}", self.done.len());
        let trial: Trial = self.ledger.part(&name, self.tried(planned, &name)).await?;
        // Jobs that are left over would be done in the next trial.
        if trial.void.is_some() {
            let again = format!("again_{}", self.done.len());
            self.databases = self.seeded.copies(&again, &ARMS, self.guardian).await?;
        }
        let is_whole = trial.is_whole(&planned.loads);
        self.done.push(trial);
        if !self.ledger.knows(&name) {
            worth_going_on(self.done.iter().map(|trial| trial.void.as_deref()))?;
        }
        Ok(is_whole)
    }

    async fn tried(&self, planned: &Planned<'_>, name: &str) -> anyhow::Result<Trial> {
        let Group { arm, place, .. } = *planned.group;
        let mut trial = planned.empty();
        let since = running_since(&self.server).await?;
        let topology = places::topology(arm, place);
        let flags = places::flags(place, &self.lab_file(planned.group)?);
        let started = self.ground.start(deployment::Order {
            topology: &topology,
            policy: Policy::RoundRobin,
            database: self.databases.of(arm)?,
            arm,
            name,
            flags: &flags,
        });
        match started.await {
            Ok(deployment) => self.loads(deployment, planned, &mut trial).await,
            Err(error) => trial.void = Some(format!("{error:#}")),
        }
        // Whatever else went wrong then, this is why.
        if running_since(&self.server).await? != since {
            trial.void = Some("the database was restarted".to_owned());
        }
        trial.check();
        Ok(trial)
    }

    /// The lab file of a group's servers.
    fn lab_file(&self, group: &Group) -> anyhow::Result<PathBuf> {
        let wait_ms = if group.arm == Arm::Waiting { self.planted_ms } else { 0.0 };
        let file = self.ground.directory.join("jobs.json");
        let text = places::lab_file(group.place, group.job, wait_ms).to_string();
        fs::write(&file, text).with_context(|| file.display().to_string())?;
        Ok(file)
    }

    async fn loads(&self, mut deployment: Deployment, planned: &Planned<'_>, trial: &mut Trial) {
        let view = deployment.view();
        let servers = view.watched.clone();
        let at = Observer {
            generator: self.generator,
            target: self.visitors.to(Page::Home, view.front),
            beside: self.seeded.watched(),
            view,
        };
        let desk = Desk::of(&deployment, self.dataset).await;
        let most = patience(&self.done);
        let measured = deployment.unless_one_dies(async {
            let desk = &desk?;
            let (rate, seconds, slo_ms) = (self.rate, self.design.seconds, self.slo_ms);
            at.warm_up().await?;
            let slices = Slices { at: &at, desk, servers: &servers, rate, seconds, slo_ms };
            let job = trial.job;
            for load in &planned.loads {
                let attempt = async || slices.slice(job, *load, planned.seed).await;
                attempts(most, &mut trial.slices, attempt).await?;
            }
            Ok(())
        });
        let measured = measured.await;
        let ended = deployment.stop().await;
        trial.void = measured.and(ended).err().map(|error| format!("{error:#}"));
    }
}

/// How often a load is tried, after these trials.
fn patience(done: &[Trial]) -> u32 {
    let slices = || done.iter().flat_map(|trial| &trial.slices);
    let in_vain = slices().filter(|slice| slice.void().is_some()).count();
    let (share, least) = IN_VAIN;
    let too_many = in_vain > least && in_vain as f64 > share * slices().count() as f64;
    if too_many { 1 } else { ATTEMPTS_AT_TIMES }
}

#[cfg(test)]
mod tests {
    use super::{super::trial::tests::slice, *};
    use crate::jobs::{Job, Kind, Place, trial::Slice};

    /// A trial with so many slices that count, and so many that don't.
    fn trial(counting: usize, in_vain: usize) -> Trial {
        let void = Slice { void: Some("the hypervisor".into()), ..slice(0, 0.0) };
        let slices = std::iter::repeat_n(slice(0, 0.0), counting);
        Trial {
            round: 0,
            arm: Arm::Monolith,
            place: Place::Inside,
            job: Job { kind: Kind::Cpu, ms: 300 },
            slices: slices.chain(std::iter::repeat_n(void, in_vain)).collect(),
            void: None,
        }
    }

    #[test]
    fn where_too_much_comes_to_nothing_nothing_is_tried_again() {
        assert_eq!(patience(&[]), ATTEMPTS_AT_TIMES);
        assert_eq!(patience(&[trial(1, 20)]), ATTEMPTS_AT_TIMES, "a bad beginning");
        assert_eq!(patience(&[trial(1, 20), trial(41, 1)]), ATTEMPTS_AT_TIMES, "a third");
        assert_eq!(patience(&[trial(1, 20), trial(40, 1)]), 1);
    }
}
