//! Steps in which visitors bring jobs along.
//!
//! Jobs may wait, but they have to keep up with the visitors. What is left over after a short step says
//! little about that, and servers that catch up when no visitors come any more would get time that
//! others don't. So all jobs of a step come in its first half, at random times, and all have to be done
//! when its time is over; visitors come until then. A rate that is kept like this could go on: within the
//! step everything is done that the step has brought, wherever the jobs run.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use contract::dataset::Dataset;
use serde::{Deserialize, Serialize};
use tokio::time::sleep_until;

use super::{
    steps::Observer,
    trial::{Done, Step},
};
use crate::{
    fleet::{
        deployment::Deployment,
        topology::{Role, Topology},
    },
    jobs::{Desk, Job, Place, flags, lab_file, times},
};

/// A job for every so many visits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jobs {
    /// The job.
    pub each: Job,
    /// How many visits there are for each.
    pub visits: u32,
}

impl Jobs {
    /// How many come along with visitors at this rate in so many seconds: at least one.
    pub fn number(self, rate: f64, seconds: f64) -> u32 {
        (rate * seconds / f64::from(self.visits)).round().max(1.0) as u32
    }

    /// What they are made of, for each visit: seconds of CPU.
    pub fn seconds_of_visit(self) -> f64 {
        f64::from(self.each.ms) / 1e3 / f64::from(self.visits)
    }

    /// What the servers of a setup are told: where jobs run, and what `file` says, which is written here.
    /// Where there is no worker they run inside, at a low priority.
    pub(super) fn flags(
        self,
        topology: &Topology,
        file: &Path,
    ) -> anyhow::Result<BTreeMap<Role, Vec<String>>> {
        let place = if topology.replicas(Role::Work) > 0 { Place::Quota } else { Place::Low };
        let text = lab_file(place, self.each, 0.0).to_string();
        fs::write(file, text).with_context(|| file.display().to_string())?;
        Ok(flags(place, file))
    }
}

/// Brings jobs about beside the visitors of servers that run.
pub(super) struct Labour {
    jobs: Jobs,
    desk: Desk,
}

impl Labour {
    /// Signs in.
    pub(super) async fn begin(
        jobs: Jobs,
        deployment: &Deployment,
        dataset: &Dataset,
    ) -> anyhow::Result<Self> {
        Ok(Self { jobs, desk: Desk::of(deployment, dataset).await? })
    }

    /// Tries a rate for so many seconds, and waits until its jobs are done.
    ///
    /// # Errors
    /// As [`Observer::step`]; and when jobs are not done long after they should be.
    pub(super) async fn step(
        &self,
        at: &Observer<'_>,
        rate: f64,
        seconds: f64,
        seed: u64,
    ) -> anyhow::Result<Step> {
        let Self { jobs: Jobs { each, .. }, desk } = self;
        let asked = self.jobs.number(rate, seconds);
        let times = times(*each, asked, seconds / 2.0, seed);
        let before = desk.books().await?;
        let over = Instant::now() + Duration::from_secs_f64(seconds);
        let when_over = async {
            sleep_until(over.into()).await;
            desk.books().await
        };
        let (step, accepted, when_over) =
            tokio::join!(at.step(rate, seconds, seed), desk.accepted(&times), when_over);
        let ((step, _), in_time) = (step?, when_over?.done - before.done);
        let work = Duration::from_millis(u64::from(asked * each.ms));
        let after = desk.until_done(before, accepted, work).await?;
        let jobs = Done {
            asked,
            accepted,
            in_time,
            drained_ms: over.elapsed().as_secs_f64() * 1e3,
            wait_ms: after.waited * 1e3 / accepted.max(1) as f64,
        };
        // Of an earlier step, or done twice: then this is not the load that was asked for.
        let more = after.done > accepted;
        let void = more.then(|| format!("{} jobs were done of {accepted}", after.done));
        Ok(Step { jobs: Some(jobs), void: step.void.or(void), ..step })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fleet::{budget::Budget, quota::Millicores},
        jobs::Kind,
        scaling::{Setup, splits_with_jobs},
    };

    const JOBS: Jobs = Jobs { each: Job { kind: Kind::Cpu, ms: 20 }, visits: 120 };

    #[test]
    fn jobs_are_in_proportion_to_visits() {
        assert_eq!(JOBS.number(800.0, 1.5), 10);
        assert_eq!(JOBS.number(1_600.0, 1.5), 20);
        assert_eq!(JOBS.number(10.0, 1.0), 1, "a step without jobs would say nothing of them");
        assert!((JOBS.seconds_of_visit() - 0.02 / 120.0).abs() < 1e-12);
    }

    #[test]
    fn servers_are_told_where_jobs_run_by_whether_there_is_a_worker() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jobs.json");
        let budget = Budget { cpu: Millicores(400), memory_mib: 640, db_connections: 20 };
        let setups = splits_with_jobs(budget, &[(40, 0), (30, 30)]).unwrap();
        let told = |setup: &Setup, role: Role| {
            JOBS.flags(&setup.topology, &file).unwrap().remove(&role).unwrap().join(" ")
        };
        let inside = told(&setups[0], Role::SplitBackend);
        assert!(inside.contains("--jobs inside --job-priority low"), "{inside}");
        assert!(told(&setups[1], Role::SplitBackend).contains("--jobs off"));
        assert!(told(&setups[1], Role::Work).contains("--lab "), "it does what comments brought");
        assert_eq!(told(&setups[1], Role::SplitFrontend), "");
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(r#""with_each_comment":{"cpu_ms":20}"#), "{text}");
    }
}
