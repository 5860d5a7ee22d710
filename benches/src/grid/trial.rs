//! What is kept of a grid: its cells, and everything that was observed on them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Cell, Reads};
use crate::{link::Achieved, probe::Waiting, record::Histogram, relay::Balancing};

/// A grid that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cells {
    /// The cells.
    pub cells: Vec<Cell>,
    /// Every trial in the order in which it was measured; none is ever left out.
    pub trials: Vec<Trial>,
    /// What stood in front of several replicas, where there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balancing: Option<Balancing>,
}

/// A short stretch in which one cell was asked, again and again, with everything observed during it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Which server start this belongs to: what intervals rest on.
    pub round: u32,
    /// Which cell.
    pub cell: String,
    /// Requests that were sent, and answered rightly: one wrong answer ends the run.
    pub requests: u64,
    /// How long it took, seconds.
    pub seconds: f64,
    /// From a request's start to the last byte of its answer.
    pub latency: Histogram,
    /// Process → CPU, user and system, milliseconds; as in [`Slice`](crate::record::Slice).
    pub cpu_ms: BTreeMap<String, f64>,
    /// Process → resident memory at the end, MiB.
    pub resident_mib: BTreeMap<String, f64>,
    /// CPU used by anyone else on the machine, as a share of all cores.
    pub foreign_cpu: f64,
    /// Time stolen by the hypervisor, as a share of all cores.
    pub steal: f64,
    /// How the servers' threads waited meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// What the link between frontend and backend really added, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Achieved>,
    /// What reading came to, on several servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<Reads>,
    /// Why the trial counts for nothing, if it does not. It was measured anew then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void: Option<String>,
}
