//! Service demands: what each tier does for each kind of page, by the utilisation law. A tier's CPU in
//! a slice is what it uses when nothing comes, times its length, and what each page takes, times
//! their number; many slices of different mixes tell these apart.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{CLASSES, Sample};
use crate::{
    model::regression::{condition, non_negative},
    record::Arm,
    stats::{Estimate, Resamples, rounded},
};

/// A condition number of the slices from which on they can't tell the kinds of pages apart (Belsley,
/// Kuh & Welsch 1980).
pub const IDENTIFIABLE: f64 = 30.0;

/// What a process does, with 95 % intervals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Demand {
    /// The system.
    pub arm: Arm,
    /// The process: a role, `postgres`, `balancer`, `inner-balancer` or `generator`.
    pub process: String,
    /// CPU when nothing comes, milliseconds a second.
    pub idle: Estimate,
    /// CPU for each kind of page, milliseconds.
    pub pages: [Estimate; CLASSES],
    /// Slices behind it.
    pub samples: usize,
}

/// The demands of all tiers of all arms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// By arm and process.
    pub demands: Vec<Demand>,
    /// How badly the slices could tell the kinds of pages apart; below [`IDENTIFIABLE`] they can.
    pub condition: f64,
}

impl Fitted {
    /// What a process of an arm does.
    pub fn of(&self, arm: Arm, process: &str) -> Option<&Demand> {
        self.demands.iter().find(|it| it.arm == arm && it.process == process)
    }
}

/// Demands from slices that count. `None` where they are too few, or too much alike.
pub fn demands(samples: &[Sample], seed: u64, resamples: u32) -> Option<Fitted> {
    let counted: Vec<&Sample> = samples.iter().filter(|it| it.step.void.is_none()).collect();
    let rows: Vec<_> = counted.iter().map(|sample| row(sample)).collect();
    let arms: BTreeSet<Arm> = counted.iter().map(|sample| sample.arm).collect();
    let mut demands = Vec::new();
    for arm in arms {
        let of_arm = || counted.iter().filter(move |sample| sample.arm == arm);
        let processes: BTreeSet<&String> = of_arm().flat_map(|it| it.step.cpu_ms.keys()).collect();
        for process in processes {
            // A balancer is only where there are replicas.
            let there: Vec<&Sample> =
                of_arm().filter(|it| it.step.cpu_ms.contains_key(process)).copied().collect();
            demands.push(of_process(&there, arm, process, (seed, resamples))?);
        }
    }
    let condition = rounded(condition(&rows));
    (condition < IDENTIFIABLE).then_some(Fitted { demands, condition })
}

/// Seconds, and how many pages of each kind were answered.
fn row(sample: &Sample) -> [f64; 1 + CLASSES] {
    let Sample { asked: [home, article], step, .. } = sample;
    let answered = step.completed as f64 / step.scheduled.max(1) as f64;
    [step.elapsed, *home as f64 * answered, *article as f64 * answered]
}

fn of_process(
    samples: &[&Sample],
    arm: Arm,
    process: &str,
    (seed, resamples): (u64, u32),
) -> Option<Demand> {
    let rows: Vec<_> = samples.iter().map(|sample| row(sample)).collect();
    let cpu = |sample: &&Sample| sample.step.cpu_ms.get(process).copied().unwrap_or_default();
    let values: Vec<f64> = samples.iter().map(cpu).collect();
    // What it used varies about as the number of pages does.
    let scale: Vec<f64> = values.iter().map(|ms| 1.0 / ms.max(1.0)).collect();
    let fit = |counts: &[u32]| {
        let weights: Vec<f64> = scale.iter().zip(counts).map(|(w, n)| w * f64::from(*n)).collect();
        non_negative(&rows, &values, &weights)
    };
    let whole = fit(&vec![1; rows.len()])?;
    // A draw of slices that happen to be all alike says what all slices say.
    let draws = Resamples::new(seed, rows.len(), resamples);
    let found = draws.intervals(0.95, |counts| fit(counts).unwrap_or(whole))?;
    let [idle, home, article] =
        found.map(|it| Estimate { low: it.low.max(0.0), ..it }.map(rounded));
    let (process, samples) = (process.to_owned(), samples.len());
    Some(Demand { arm, process, idle, pages: [home, article], samples })
}
