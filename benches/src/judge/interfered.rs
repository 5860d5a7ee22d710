//! What jobs in several places did to pages, as plain data: the numbers of the report.

use serde::{Deserialize, Serialize};

use super::{scaled::Remark, summary::Finding};
use crate::{
    jobs::{Job, Place},
    record::Arm,
    stats::Estimate,
};

/// Everything that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interfered {
    /// Visitors a second.
    pub rate: f64,
    /// The job that the verdicts are about.
    pub headline: Job,
    /// Every architecture, place, job and load.
    pub cells: Vec<Cell>,
    /// What the verdicts follow from, place by place; first on late pages, then on p99.
    pub rules: Vec<Rule>,
    /// What theory says, where it says something.
    pub curves: Vec<Curve>,
    /// Trials that count for nothing, and why.
    pub void_trials: Vec<Remark>,
    /// Slices that count for nothing, and why.
    pub void_slices: Vec<Remark>,
    /// Slices in which others used the CPU, or the generator was late. They count, and the verdicts are
    /// held against what is left without their rounds.
    pub flagged: Vec<Remark>,
    /// How many trials there were.
    pub trials: usize,
}

/// One architecture with its jobs in one place, under one load of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Which system.
    pub arm: Arm,
    /// Where its jobs ran.
    pub place: Place,
    /// What they did.
    pub job: Job,
    /// How much of a core they took, per cent.
    pub load: u32,
    /// Rounds behind it.
    pub rounds: usize,
    /// Visitors behind it.
    pub requests: u64,
    /// The share of them who had no right answer within the SLO.
    pub late: Option<Estimate>,
    /// How much larger that share is than without jobs, on the whole core.
    pub added: Option<Estimate>,
    /// Median latency, milliseconds.
    pub p50: Option<Estimate>,
    /// Latency that 1 % of right answers exceed, milliseconds; absent below 9,500 of them.
    pub p99: Option<Estimate>,
    /// That, as a multiple of what it is without jobs, on the whole core.
    pub p99_ratio: Option<Estimate>,
    /// The share of late visitors in the worst second of all.
    pub worst_second: f64,
    /// For how long whoever brought a job about had to wait for the answer, milliseconds.
    pub answer_ms: Option<f64>,
    /// From a job's creation to its beginning, milliseconds.
    pub wait_ms: Option<f64>,
    /// From the last visitor's answer to the end of the last job, milliseconds.
    pub drained_ms: f64,
}

/// What is asked of pages beside jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// How many more are late.
    Late,
    /// By which factor p99 rises.
    P99,
}

/// All that one place is judged by, architecture by architecture and load by load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// The place.
    pub place: Place,
    /// What is asked.
    pub asked: Asked,
    /// Architecture and load of each finding.
    pub at: Vec<(Arm, u32)>,
    /// The findings.
    pub findings: Vec<Finding>,
}

/// What theory says of one architecture with its jobs in one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Which system.
    pub arm: Arm,
    /// Where its jobs run.
    pub place: Place,
    /// Load by load, per cent of a core.
    pub points: Vec<Point>,
}

/// At one load.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Per cent of a core.
    pub load: u32,
    /// The share of late pages, where theory has something to say of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late: Option<f64>,
    /// p99 of latency, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<f64>,
}

impl Interfered {
    /// The cells of one architecture with its jobs in one place, by load.
    pub fn row(&self, arm: Arm, place: Place, job: Job) -> impl Iterator<Item = &Cell> {
        let of = move |cell: &&Cell| (cell.arm, cell.place, cell.job) == (arm, place, job);
        self.cells.iter().filter(of)
    }

    /// The rules about one question.
    pub fn rules(&self, asked: Asked) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(move |rule| rule.asked == asked)
    }
}
