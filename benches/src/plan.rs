//! What is to be measured, in which order, decided before anything runs. A plan is plain data: the
//! same preset and seed always give the same plan.

use serde::{Deserialize, Serialize};

use crate::record::{Arm, Comparison, Page};

/// A whole run: each restart brings up fresh servers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// In order.
    pub restarts: Vec<Restart>,
}

/// Everything that is measured on one set of freshly started servers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Restart {
    /// The systems to start.
    pub arms: Vec<Arm>,
    /// In order.
    pub blocks: Vec<Block>,
}

/// Slices that belong together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Block {
    /// Adjacent slices at the steady rate: one per entry of `order` (ABBA or BAAB), with the same
    /// arrival times and addresses in each.
    Steady {
        /// Which question.
        comparison: Comparison,
        /// Which page.
        page: Page,
        /// The arms, slice by slice.
        order: Vec<Arm>,
        /// Length of a slice, seconds.
        seconds: f64,
        /// Seed of arrival times and addresses.
        seed: u64,
    },
    /// For each arm a bisection, in turns, for the highest rate that keeps the SLO.
    Capacity {
        /// Which question.
        comparison: Comparison,
        /// Which page.
        page: Page,
        /// The arms; they take turns step by step.
        arms: Vec<Arm>,
        /// Bisection steps per arm.
        steps: u32,
        /// Length of a step, seconds.
        seconds: f64,
        /// p99 of latency that must be kept, milliseconds.
        slo_ms: f64,
        /// Seed of arrival times and addresses.
        seed: u64,
    },
}
