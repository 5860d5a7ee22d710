//! What became of ticks, as plain data: the numbers of the report.

use serde::{Deserialize, Serialize};

use super::scaled::Remark;
use crate::{
    stats::Estimate,
    ticks::{Subject, Trouble},
};

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ticked {
    /// Subject by subject, all troubles together.
    pub rows: Vec<Row>,
    /// Subject by subject, and what befell it.
    pub cells: Vec<Row>,
    /// Ticks in all.
    pub ticks: usize,
    /// Those that count for nothing: there was no such round.
    pub void: Vec<Remark>,
}

/// Ticks of one subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Which.
    pub subject: Subject,
    /// What befell it; anything, where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
    /// What came of it.
    pub tally: Tally,
}

/// Several ticks together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// All of them.
    pub ticks: u64,
    /// Those that never happened,
    pub missed: u64,
    /// that happened more than once,
    pub doubled: u64,
    /// and that happened before their time.
    pub early: u64,
    /// Those of which any of that is true.
    pub amiss: u64,
    /// The share of these, with its exact 95 % interval.
    pub share: Option<Estimate>,
    /// How often a tick happened at most.
    pub most: u64,
    /// From the tick's time until its effect was seen, seconds: the median and the longest time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<[f64; 2]>,
}
