//! What is to be measured, in which order, decided before anything runs. A plan is plain data: the
//! same preset and seed always give the same plan.

use rand_chacha::{ChaCha8Rng, rand_core::Rng};
use serde::{Deserialize, Serialize};

use crate::{
    noise::Noise,
    record::{Arm, Comparison, Page, Pilot},
    stats::shuffle,
};

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

    /// The plan where two arms are put beside each other as suits the machine, by what the pilot found.
    pub fn suited_to(self, pilot: &Pilot) -> Self {
        let at_once = pilot.noise.as_ref().is_some_and(Noise::favours_duets);
        if at_once { self.with_duets() } else { self }
    }

    /// The plan where CPU is read off two arms that run at once. A control that is about nothing else has
    /// them do it in place of turns, for as long and with as many visitors. Elsewhere latencies still come from turns, and
    /// beside each block of these there is one half as long.
    pub fn with_duets(mut self) -> Self {
        for restart in &mut self.restarts {
            let blocks = restart.blocks.iter();
            restart.blocks = blocks.flat_map(Block::with_duet).collect();
        }
        self
    }

    /// What is left of the plan where only some arms can be had: the restarts that need no other.
    pub fn with_arms(mut self, arms: &[Arm]) -> Self {
        self.restarts.retain(|restart| restart.arms.iter().all(|arm| arms.contains(arm)));
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

impl Restart {
    /// Two arms against each other: on each page so many blocks of slices of so many seconds. The order
    /// of blocks is drawn, and so is whether a block runs ABBA or BAAB: drift of the machine then falls
    /// on both arms alike.
    ///
    /// The servers of one comparison serve no other. One that has shown articles takes a few percent more
    /// CPU for a home page from then on, so of two that are compared both have to have led the same life.
    pub fn duel(
        comparison: Comparison,
        pages: &[(Page, usize)],
        seconds: f64,
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let [a, b] = comparison.arms();
        let mut blocks: Vec<Block> = Vec::new();
        for (page, number) in pages {
            for _ in 0..*number {
                let order = if rng.next_u64() & 1 == 0 { [a, b, b, a] } else { [b, a, a, b] };
                let (page, seed) = (*page, rng.next_u64());
                blocks.push(Block::Steady { comparison, page, order: order.into(), seconds, seed });
            }
        }
        shuffle(rng, &mut blocks);
        Self { arms: vec![a, b], blocks }
    }
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
    /// Both arms at once, each at half the steady rate: two stretches, with the arms of the first
    /// exchanged in the second. For CPU alone, since they wait for each other.
    Duet {
        /// Which question.
        comparison: Comparison,
        /// Which page.
        page: Page,
        /// Length of a stretch, seconds.
        seconds: f64,
        /// Seed of arrival times and addresses; the second schedule has the next one.
        seed: u64,
    },
}

impl Block {
    /// The question that it belongs to.
    pub fn comparison(&self) -> Comparison {
        let (Self::Steady { comparison, .. }
        | Self::Capacity { comparison, .. }
        | Self::Duet { comparison, .. }) = self;
        *comparison
    }

    /// What becomes of it where CPU is read off arms that run at once.
    fn with_duet(&self) -> Vec<Self> {
        let Self::Steady { comparison, page, seconds, seed, .. } = *self else {
            return vec![self.clone()];
        };
        let duet = |seconds| Self::Duet { comparison, page, seconds, seed: !seed };
        match comparison {
            Comparison::Waiting => vec![self.clone()],
            Comparison::Planted => vec![duet(2.0 * seconds)],
            Comparison::Boundary | Comparison::Null => vec![duet(seconds), self.clone()],
        }
    }
}
