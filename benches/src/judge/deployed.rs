//! What deploys did to jobs, as plain data: the numbers of the report.

use serde::{Deserialize, Serialize};

use super::scaled::Remark;
use crate::{deploys::Subject, stats::Estimate};

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deployed {
    /// Subject by subject, all deploys together.
    pub rows: Vec<Row>,
    /// All subjects together, where nothing was deployed.
    pub undisturbed: Tally,
    /// Trials.
    pub trials: usize,
    /// Those that count for nothing: there was no such deploy.
    pub void: Vec<Remark>,
    /// Those in which something went wrong after it; they count.
    pub troubled: Vec<Remark>,
}

/// Deploys of one subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Which.
    pub subject: Subject,
    /// What came of it.
    pub tally: Tally,
}

/// Several trials together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// All of them.
    pub deploys: u64,
    /// Those that met a running job: only these could interrupt one.
    pub met: u64,
    /// Those that did.
    pub interrupting: u64,
    /// The share of these among those that could, with its exact 95 % interval.
    pub share: Option<Estimate>,
    /// Jobs that came in,
    pub jobs: u64,
    /// that ran when the deploy began,
    pub running: u64,
    /// that were interrupted, once for each time,
    pub interrupted: u64,
    /// that never had an effect,
    pub lost: u64,
    /// and that had more than one.
    pub twice: u64,
    /// Deploys after which a job was lost or done twice.
    pub amiss: u64,
    /// CPU time of the processes that ran the jobs, as a multiple of what the jobs are made of, with a
    /// 95 % interval over deploys; absent with fewer than two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Estimate>,
    /// From SIGTERM until the last server that was replaced had ended, seconds: the median and the
    /// longest time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drained: Option<[f64; 2]>,
}
