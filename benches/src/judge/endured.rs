//! What became of accepted jobs when servers were killed, as plain data: the numbers of the report.

use serde::{Deserialize, Serialize};

use super::scaled::Remark;
use crate::{durability::Subject, stats::Estimate};

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Endured {
    /// System by system, all kills together.
    pub rows: Vec<Row>,
    /// System by system, and how its servers ended.
    pub cells: Vec<Row>,
    /// Trials.
    pub trials: usize,
    /// Those that count for nothing: there was no such kill.
    pub void: Vec<Remark>,
    /// Those after which something went wrong; they count.
    pub troubled: Vec<Remark>,
}

/// Kills of one system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Which.
    pub subject: Subject,
    /// How its servers ended; in any way, where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blow: Option<String>,
    /// What came of it.
    pub tally: Tally,
}

/// Several kills together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// All of them.
    pub kills: u64,
    /// Those that met an accepted job without its effect: only these could lose one.
    pub met: u64,
    /// Those that lost one.
    pub lossy: u64,
    /// The share of these among those that could, with its exact 95 % interval.
    pub share: Option<Estimate>,
    /// Accepted jobs,
    pub accepted: u64,
    /// those that had not had their effect when servers were dead,
    pub at_stake: u64,
    /// and those that never had one.
    pub lost: u64,
    /// Jobs that had their effect more than once, and effects without a cause.
    pub twice: u64,
    /// Kills with such a one.
    pub repeated: u64,
    /// From starting servers again until all accepted jobs had had their effect, seconds: the median and
    /// the longest time of the kills after which they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<[f64; 2]>,
}
