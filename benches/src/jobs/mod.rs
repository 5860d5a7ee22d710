//! Experiments on where jobs run: what pages feel of them, with one budget for all.
//!
//! A *group* is one architecture with its jobs in one place and one kind of job. Each of its trials
//! starts the servers anew and measures all job loads of the group one after the other in a random
//! order, none at all among them: so every load has its own "without jobs" right beside it, on the
//! same servers. A round has one trial of each group; all of them have the same visitors and the same
//! times at which jobs are brought about.
//!
//! Here is the design as plain data; `schedule` puts it into an order, `places` says what servers a place
//! needs, `arrivals` when jobs come, `desk` brings them about and sees whether they were done, `slices`
//! measures one load, `trial` is what one trial leaves behind and when it counts, `trials` and `measure`
//! carry all of it out. `composed` does so on a running composition, whose two architectures have a place
//! for their jobs each. `model` has what theory says of it. [`crate::judge`] says what it comes to.

mod arrivals;
mod composed;
mod desk;
mod measure;
pub mod model;
mod places;
mod schedule;
mod slices;
mod trial;
mod trials;

use serde::{Deserialize, Serialize};

pub(crate) use self::{
    arrivals::times,
    desk::Desk,
    places::{flags, lab_file},
};
pub use self::{
    composed::measure_composition,
    measure::measure,
    places::{BUDGET, topology},
    trial::{Second, Slice, Trial},
};
use crate::{
    composition,
    fleet::{budget::Budget, quota::Enforcement},
    record::Arm,
};

/// Where jobs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// In the request that causes them, on the one thread that serves all others too.
    EventLoop,
    /// The same, cut into pieces of [`PIECE_MS`], between which others have their turn.
    Pieces,
    /// In the serving process, on a thread beside those of requests.
    Inside,
    /// In the serving process, on threads of the lowest priority.
    Low,
    /// In a process of its own on the same core, which gets the time that the servers leave.
    Weights,
    /// In a process of its own with a part of the core for itself, and none of the rest.
    Quota,
}

/// How long a job that was cut into pieces computes before others have their turn, milliseconds.
pub const PIECE_MS: u32 = 10;

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Uses CPU time.
    Cpu,
    /// Waits.
    Sleep,
    /// Keeps the database busy.
    Database,
    /// Uses CPU time to walk through more memory than caches hold.
    Memory,
}

/// A kind of job and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Job {
    /// What it does.
    pub kind: Kind,
    /// For how long, milliseconds: of CPU time where it computes, else of time.
    pub ms: u32,
}

/// One architecture with its jobs in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Which system.
    pub arm: Arm,
    /// Where its jobs run.
    pub place: Place,
    /// What they do.
    pub job: Job,
    /// Loads, per cent of a core, ascending; the first is zero.
    pub loads: Vec<u32>,
    /// In how many rounds it is measured.
    pub rounds: u32,
}

/// Everything that is measured.
#[derive(Clone, Debug)]
pub struct Interference {
    /// What is measured in each round, in any order.
    pub groups: Vec<Group>,
    /// The job that the verdicts are about; all others are shown beside it.
    pub headline: Job,
    /// How long visitors come in each slice, seconds, unless that is too short for a single job.
    pub seconds: f64,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// What each topology had in all; absent for a composition, where every container has its own limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// What kept the servers to it, tried out before; absent for containers, whose limits are Docker's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<Enforcement>,
    /// Visitors a second, the same everywhere.
    pub rate: f64,
    /// How long the planted arm lets each visitor wait, milliseconds.
    pub planted_ms: f64,
    /// Every trial in the order in which it was measured; none is ever left out.
    pub trials: Vec<Trial>,
}

impl Place {
    /// All of them, from the nearest to the farthest.
    pub const ALL: [Self; 6] =
        [Self::EventLoop, Self::Pieces, Self::Inside, Self::Low, Self::Weights, Self::Quota];

    /// As in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::EventLoop => "event-loop",
            Self::Pieces => "pieces",
            Self::Inside => "inside",
            Self::Low => "low-priority",
            Self::Weights => "weights",
            Self::Quota => "quota",
        }
    }

    /// Where an architecture has its jobs in a composition: the monolith does them itself, and the split
    /// has a worker, which its container limits.
    pub fn in_composition(arm: Arm) -> Self {
        if arm == Arm::Split { Self::Quota } else { Self::Inside }
    }

    /// Whether jobs have a process of their own.
    pub fn is_apart(self) -> bool {
        matches!(self, Self::Weights | Self::Quota)
    }
}

impl Kind {
    /// As in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Sleep => "sleep",
            Self::Database => "database",
            Self::Memory => "memory",
        }
    }

    /// Whether its length is CPU time of the servers.
    pub fn computes(self) -> bool {
        matches!(self, Self::Cpu | Self::Memory)
    }
}

impl Job {
    /// The name of both.
    pub fn name(self) -> String {
        format!("{} {} ms", self.kind.name(), self.ms)
    }

    /// How many of them make this load, per cent of a core, in so many seconds, and for how many
    /// seconds that is to be looked at: where a single one would be more, for as long as it takes.
    pub fn amount(self, load: u32, seconds: f64) -> (u32, f64) {
        if load == 0 {
            return (0, seconds);
        }
        // One job alone makes the load in so many seconds.
        let each = f64::from(self.ms) / (10.0 * f64::from(load));
        let jobs = (seconds / each + 1e-9).floor().max(1.0);
        (jobs as u32, jobs * each)
    }
}

impl Interference {
    /// What of it can be measured on a composition: the job that verdicts are about, in the place that
    /// each architecture has for it.
    pub fn in_composition(self) -> Self {
        let Self { mut groups, headline, seconds } = self;
        groups.retain(|Group { arm, place, job, .. }| {
            composition::ARMS.contains(arm)
                && (*place, *job) == (Place::in_composition(*arm), headline)
        });
        Self { groups, headline, seconds }
    }

    /// How many trials there are in all.
    pub fn trials(&self) -> u64 {
        self.groups.iter().map(|group| u64::from(group.rounds)).sum()
    }

    /// How many rounds there are.
    pub fn rounds(&self) -> u32 {
        self.groups.iter().map(|group| group.rounds).max().unwrap_or_default()
    }
}

impl Measured {
    /// Slices that count: of one group, at one load, with their rounds.
    pub fn slices(
        &self,
        (arm, place, job): (Arm, Place, Job),
        load: u32,
    ) -> impl Iterator<Item = (u32, &Slice)> {
        let trials = self.trials.iter().filter(move |trial| {
            trial.void.is_none() && (trial.arm, trial.place, trial.job) == (arm, place, job)
        });
        trials.flat_map(move |trial| {
            let slices = trial.slices.iter();
            slices
                .filter(move |slice| slice.load == load && slice.void().is_none())
                .map(move |slice| (trial.round, slice))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_made_of_whole_jobs_in_the_time_that_they_need_for_it() {
        let job = |ms| Job { kind: Kind::Cpu, ms };
        assert_eq!(job(300).amount(5, 6.0), (1, 6.0));
        assert_eq!(job(300).amount(40, 6.0), (8, 6.0));
        assert_eq!(job(300).amount(0, 6.0), (0, 6.0));
        // A single job of three seconds is a fifth of fifteen.
        assert_eq!(job(3_000).amount(20, 6.0), (1, 15.0));
        for (ms, load, seconds) in [(50, 7, 6.0), (300, 33, 2.0), (3_000, 10, 4.0)] {
            let (jobs, seconds) = job(ms).amount(load, seconds);
            let made = f64::from(jobs * ms) / 1e3 / seconds;
            assert!((made - f64::from(load) / 100.0).abs() < 1e-9, "{ms} ms, {load} %: {made}");
        }
    }
}
