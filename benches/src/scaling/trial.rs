//! What one search for a goodput leaves behind: every rate that was tried, with everything observed
//! meanwhile.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::{Arm, Histogram};

/// What a trial is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// To choose a setup. Enters no verdict.
    Tuning,
    /// To compare those that were chosen.
    Confirming,
    /// To see what more units of the budget come to.
    Climbing,
    /// The same of what was predicted before.
    HeldOut,
}

/// One search for the goodput of one setup, on freshly started servers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// What it was for.
    pub stage: Stage,
    /// Trials of the same stage, mix and round were adjacent.
    pub round: u32,
    /// What visitors asked for.
    pub mix: String,
    /// Which system.
    pub arm: Arm,
    /// The setup's name.
    pub setup: String,
    /// The servers as they came up; empty where they did not.
    pub servers: Vec<Server>,
    /// Rates that were tried, in order; also those that count for nothing.
    pub steps: Vec<Step>,
    /// Rates at which the time of a page was predicted, tried before the search.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loads: Vec<Step>,
    /// Why the trial counts for nothing, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void: Option<String>,
}

/// How one server came up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// What it does.
    pub role: String,
    /// From spawning to the first 200, under its own quota, milliseconds.
    pub first_ok_ms: f64,
    /// Resident memory right after that, MiB.
    pub resident_mib: f64,
}

/// One rate, for some time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Offered arrivals per second.
    pub rate: f64,
    /// Scheduled length, seconds.
    pub seconds: f64,
    /// Seed of arrival times and addresses.
    pub seed: u64,
    /// Arrivals that the schedule holds.
    pub scheduled: u64,
    /// Answers that were right.
    pub completed: u64,
    /// Kind of failure → how many.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<String, u64>,
    /// From the intended start to the last byte of the answer, right answers only.
    pub latency: Histogram,
    /// The generator's own lateness, p99, milliseconds.
    pub lag_p99_ms: f64,
    /// From the first arrival until the last answer, seconds: what CPU is a share of.
    pub elapsed: f64,
    /// Process → CPU, user and system, milliseconds: servers by role, and beside them `balancer`,
    /// `inner-balancer`, `postgres` and `generator`.
    pub cpu_ms: BTreeMap<String, f64>,
    /// Process → resident memory at the end, MiB.
    pub resident_mib: BTreeMap<String, f64>,
    /// Role → what its control groups say.
    pub tiers: BTreeMap<String, Tier>,
    /// CPU used by anyone else on the machine, as a share of all cores.
    pub foreign_cpu: f64,
    /// Time stolen by the hypervisor, as a share of all cores.
    pub steal: f64,
    /// Share of the time in which something on the machine waited for a core, where the kernel says
    /// (`some` in `/proc/pressure/cpu`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pressure: Option<f64>,
    /// What became of the jobs, where visitors brought some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<Done>,
    /// Why the step counts for nothing, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void: Option<String>,
}

/// What became of a step's jobs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// How many were to be brought about, all of them in the first half of the step.
    pub asked: u32,
    /// How many the servers accepted.
    pub accepted: u64,
    /// How many were done when the step's time was over.
    pub in_time: u64,
    /// From then until all that were accepted were seen to be done, milliseconds.
    pub drained_ms: f64,
    /// From a job's creation to its beginning, milliseconds, on average.
    pub wait_ms: f64,
}

/// What the control groups of one role say, all of them together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tier {
    /// CPU by the groups' own clock, milliseconds.
    pub cpu_ms: f64,
    /// Of the periods in which a replica wanted to run, the share in which its quota stopped it.
    pub throttled: f64,
    /// For how long replicas were stopped, milliseconds.
    pub stopped_ms: f64,
}

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goodput {
    /// Requests a second: between the highest rate that kept the SLO and the lowest that did not, on
    /// the logarithm.
    Found(f64),
    /// All rates kept it: the goodput is above them.
    Above(f64),
    /// None did: it is below them.
    Below(f64),
    /// There is no step that counts.
    Nothing,
}

impl Goodput {
    /// The figure, if there is one.
    pub fn found(self) -> Option<f64> {
        match self {
            Self::Found(rate) => Some(rate),
            _ => None,
        }
    }
}

impl Step {
    /// Whether a rate was kept: pages in time, and all jobs too.
    pub fn keeps(&self, slo_ms: f64) -> bool {
        self.pages_in_time(slo_ms) && self.jobs_in_time()
    }

    /// Whether 99 % of all scheduled requests were answered rightly within `slo_ms`.
    pub fn pages_in_time(&self, slo_ms: f64) -> bool {
        let limit_us = slo_ms * 1e3;
        let in_time = self.latency.0.iter().filter(|(us, _)| *us as f64 <= limit_us);
        in_time.map(|(_, count)| count).sum::<u64>() as f64 >= 0.99 * self.scheduled as f64
    }

    /// Whether every job that visitors were to bring was done when the step's time was over.
    pub fn jobs_in_time(&self) -> bool {
        self.jobs.is_none_or(|jobs| jobs.in_time >= jobs.asked.into())
    }

    /// The mean time of a right answer, milliseconds; `None` without any.
    pub fn mean_ms(&self) -> Option<f64> {
        let sum: u64 = self.latency.0.iter().map(|(us, count)| us * count).sum();
        let count: u64 = self.latency.0.iter().map(|(_, count)| count).sum();
        (count > 0).then(|| sum as f64 / count as f64 / 1e3)
    }

    /// CPU of processes whose names are, or are not, those of servers under test: milliseconds.
    pub fn cpu_of(&self, servers: bool) -> f64 {
        let wanted = |name: &str| self.is_server(name) == servers;
        self.cpu_ms.iter().filter(|(name, _)| wanted(name)).map(|(_, ms)| ms).sum()
    }

    /// Every server has groups; nothing else has.
    fn is_server(&self, name: &str) -> bool {
        self.tiers.contains_key(name)
    }
}

impl Trial {
    /// Whether it counts, and is of this kind.
    pub fn is(&self, stage: Stage, mix: &str, arm: Arm) -> bool {
        self.stage == stage && self.mix == mix && self.arm == arm && self.void.is_none()
    }

    /// The steps that count.
    pub fn counted(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.void.is_none())
    }

    /// What the search came to.
    pub fn goodput(&self, slo_ms: f64) -> Goodput {
        let rates = |keeps: bool| {
            self.counted().filter(move |step| step.keeps(slo_ms) == keeps).map(|step| step.rate)
        };
        match (rates(true).max_by(f64::total_cmp), rates(false).min_by(f64::total_cmp)) {
            (Some(kept), Some(broken)) => Goodput::Found((kept * broken).sqrt()),
            (Some(kept), None) => Goodput::Above(kept),
            (None, Some(broken)) => Goodput::Below(broken),
            (None, None) => Goodput::Nothing,
        }
    }

    /// The lowest rate that was not kept: what gave way first.
    pub fn gave_way(&self, slo_ms: f64) -> Option<&Step> {
        let broken = self.counted().filter(|step| !step.keeps(slo_ms));
        broken.min_by(|a, b| a.rate.total_cmp(&b.rate))
    }

    /// The step nearest to the goodput from below: what the servers did there.
    pub fn at_goodput(&self, slo_ms: f64) -> Option<&Step> {
        let kept = self.counted().filter(|step| step.keeps(slo_ms));
        kept.max_by(|a, b| a.rate.total_cmp(&b.rate))
    }
}

#[cfg(test)]
#[path = "trial_tests.rs"]
pub(crate) mod tests;
