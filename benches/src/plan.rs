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

impl Plan {
    /// All arms that some restart needs, each once.
    pub fn arms(&self) -> Vec<Arm> {
        let mut arms: Vec<Arm> = self.restarts.iter().flat_map(|r| r.arms.clone()).collect();
        arms.sort_unstable();
        arms.dedup();
        arms
    }

    /// What is left of the plan where only some arms can be had: the blocks that need no other. Where
    /// a twin stood in for the monolith, the monolith itself can.
    pub fn with_arms(mut self, arms: &[Arm]) -> Self {
        let can_be_had = |arm: &Arm| arms.contains(arm);
        for restart in &mut self.restarts {
            restart.arms.retain(can_be_had);
            for block in &mut restart.blocks {
                let (Block::Steady { comparison, order: needed, .. }
                | Block::Capacity { comparison, arms: needed, .. }) = block;
                let stand_ins = needed.iter_mut().filter(|arm| **arm == Arm::Twin);
                if *comparison != Comparison::Null && !can_be_had(&Arm::Twin) {
                    stand_ins.for_each(|arm| *arm = Arm::Monolith);
                }
            }
            restart.blocks.retain(|block| match block {
                Block::Steady { order: needed, .. } | Block::Capacity { arms: needed, .. } => {
                    needed.iter().all(can_be_had)
                }
            });
        }
        self.restarts.retain(|restart| !restart.blocks.is_empty());
        self
    }
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
