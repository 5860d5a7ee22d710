//! How much a setup can do, said before it is tried. What each tier does for each kind of page is
//! found from many mixes at moderate rates (`demands`); from that, and from a few goodputs that are
//! known, follow those of setups and mixes that were not tried yet, and how long a page takes there
//! (`predict`, with `efficiency` for what no law tells). The predictions are written down and hashed, and only then held against
//! measurements ([`Sealed`]).
//!
//! Pure functions of what was measured: the judgement computes all of it again.

mod demands;
mod efficiency;
mod network;
mod predict;
mod seal;

use serde::{Deserialize, Serialize};

pub use self::{
    demands::{Demand, Fitted, IDENTIFIABLE, demands},
    efficiency::measured_per_cpu,
    network::Setting,
    predict::{Cell, Facts, LOADS, Load, Predicted, Predictions, predict, units},
    seal::Sealed,
};
use crate::{
    record::Arm,
    scaling::{Mix, Step},
};

/// What a tier of the model that is no server of an arm is called: database, generator and balancers,
/// who share the other core.
pub const BESIDE: &str = "the core beside";

/// Kinds of pages: home and article.
pub const CLASSES: usize = 2;

/// One rate for some time, moderate enough that nobody waits long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The system.
    pub arm: Arm,
    /// The setup's name.
    pub setup: String,
    /// What visitors asked for.
    pub mix: Mix,
    /// How many asked for a home page, and for an article.
    pub asked: [u64; CLASSES],
    /// What came of it.
    pub step: Step,
}

/// What the model was made of, and what it said.
#[derive(Clone, Default, Debug, PartialEq, Serialize, Deserialize)]
pub struct Modelled {
    /// Moderate rates of random mixes: what demands are found from.
    pub samples: Vec<Sample>,
    /// What was predicted then; absent where there was too little to predict anything from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Sealed>,
}

impl Mix {
    /// The shares of the kinds of pages.
    pub fn shares(&self) -> [f64; CLASSES] {
        let all = (self.home + self.article) as f64;
        [self.home as f64 / all, self.article as f64 / all]
    }
}

#[cfg(test)]
#[path = "capacity_tests.rs"]
pub(crate) mod tests;
