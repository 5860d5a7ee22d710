//! What searches for the best way to spend a budget came to, as plain data: the numbers of the
//! report.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{foretold::Foretold, shifted::Shifted};
use crate::{record::Arm, scaling::Jobs, stats::Estimate};

/// Everything that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaled {
    /// Mix by mix.
    pub mixes: Vec<OfMix>,
    /// CPU of one unit, cores: the size of one more replica.
    pub unit: f64,
    /// What one more replica costs, by role and quota.
    pub replicas: Vec<Replica>,
    /// Trials that count for nothing, and why.
    pub void_trials: Vec<Remark>,
    /// Steps that count for nothing, and why; they were tried again.
    pub void_steps: Vec<Remark>,
    /// Trials in which others used the CPU, or the generator was late. They count, and the verdicts
    /// are held against what is left without them.
    pub flagged: Vec<Remark>,
    /// Trials that found no goodput among the rates they tried.
    pub unsettled: Vec<Remark>,
    /// How many trials there were.
    pub trials: usize,
    /// What was predicted, and what came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foretold: Option<Foretold>,
    /// What became of divisions when the mix shifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shifted: Option<Shifted>,
}

/// Something to know about a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remark {
    /// Which trial, in words.
    pub trial: String,
    /// What is to be known.
    pub why: String,
}

/// What was found on one mix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfMix {
    /// The mix.
    pub mix: String,
    /// The jobs that visitors bring along, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<Jobs>,
    /// Every setup that was tried before the best ones were chosen. Enters no verdict.
    pub tuned: Vec<Tuned>,
    /// The best setup of each arm, in trials of its own.
    pub confirmed: Vec<Confirmed>,
    /// Goodput of the best split / that of the best monolith, and the same between the monoliths.
    pub ratios: Ratios,
    /// More and more units of the budget.
    pub climbed: Vec<Climbed>,
    /// The Universal Scalability Law through them, where there are enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub laws: Vec<OfLaw>,
}

/// What more and more units come to, as a law, with 95 % intervals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfLaw {
    /// The system.
    pub arm: Arm,
    /// What one unit comes to, pages a second.
    pub gamma: Estimate,
    /// Contention.
    pub sigma: Estimate,
    /// Coherency.
    pub kappa: Estimate,
    /// Units beyond which more of them come to less; absent where it is not certain that there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak: Option<f64>,
    /// Trials behind it.
    pub points: usize,
}

/// What is compared on one mix. Each is absent where there is too little to tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ratios {
    /// Split / monolith, with its 95 % interval.
    pub split: Option<Estimate>,
    /// The same without the rounds that are flagged.
    pub split_gated: Option<Estimate>,
    /// Twin / monolith, on the confidence of the controls.
    pub twin: Option<Estimate>,
    /// Rounds behind the first.
    pub rounds: usize,
    /// How many of them are not flagged.
    pub quiet_rounds: usize,
}

/// One setup in its tuning trials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tuned {
    /// The system.
    pub arm: Arm,
    /// The setup.
    pub setup: String,
    /// The share of the CPU that the frontend had, in the split.
    pub frontend: Option<f64>,
    /// The mean of the goodputs, and the lowest and the highest of them: no interval.
    pub goodput: Option<Estimate>,
    /// Trials that found one.
    pub trials: usize,
    /// Whether it was the best of its arm.
    pub chosen: bool,
    /// What went on at the goodput.
    pub around: Around,
}

/// The best setup of an arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Confirmed {
    /// The system.
    pub arm: Arm,
    /// The setup.
    pub setup: String,
    /// The share of the CPU that the frontend had, in the split.
    pub frontend: Option<f64>,
    /// Its goodput with the 95 % interval; absent below two trials that found one.
    pub goodput: Option<Estimate>,
    /// Trials that found one.
    pub trials: usize,
    /// What went on at the goodput.
    pub around: Around,
}

/// One step of the ladder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Climbed {
    /// CPU of all servers, cores.
    pub cpu: f64,
    /// The system.
    pub arm: Arm,
    /// The setup.
    pub setup: String,
    /// As in [`Tuned`].
    pub goodput: Option<Estimate>,
    /// Trials that found one.
    pub trials: usize,
    /// What went on at the goodput.
    pub around: Around,
}

/// What went on at the highest rate that kept the SLO: means over trials.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Around {
    /// Process → CPU per request, milliseconds.
    pub processes: BTreeMap<String, f64>,
    /// Role → share of the periods in which its quota stopped it.
    pub throttled: BTreeMap<String, f64>,
    /// How busy database, generator and balancers were: as a share of the cores that they have.
    pub beside: f64,
    /// CPU used by anyone else, as a share of all cores.
    pub foreign_cpu: f64,
    /// Time stolen by the hypervisor, as a share of all cores.
    pub steal: f64,
    /// Share of the time in which something waited for a core, where the kernel says.
    pub pressure: Option<f64>,
    /// What became of jobs, where there were some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<OfJobs>,
}

/// What became of jobs: at the highest rate that was kept, means over trials; and what gave way at the
/// lowest that was not.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfJobs {
    /// The share of the servers' CPU that jobs are made of.
    pub share: f64,
    /// From a job's creation to its beginning, milliseconds.
    pub wait_ms: f64,
    /// Trials in which pages were not in time where something gave way.
    pub pages_late: usize,
    /// Trials in which jobs were not.
    pub jobs_late: usize,
    /// Trials in which something gave way.
    pub trials: usize,
}

/// What one more replica of a kind costs: medians over its starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replica {
    /// What it does.
    pub role: String,
    /// Its CPU, cores.
    pub cpu: f64,
    /// Database connections that it may open.
    pub db_connections: u32,
    /// From spawning to the first right answer, milliseconds.
    pub first_ok_ms: f64,
    /// Resident memory after it, MiB.
    pub started_mib: f64,
    /// Resident memory under load, MiB.
    pub working_mib: Option<f64>,
    /// How often it was started.
    pub starts: usize,
}
