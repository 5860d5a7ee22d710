//! Did the machine keep its pace? Predictions are of absolute figures, CPU time and milliseconds, and what
//! they are made from holds for a machine of the same speed only. How fast it is can be seen from whoever
//! does the same all along: the generator, whose CPU for a request hangs on how closely requests follow
//! each other (the busier it is, the less each takes), and on the machine.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    probe::GENERATOR,
    scaling::{Measured, Stage, Step, Trial},
    stats::{median, rounded},
};

/// By what factor the pace may change before predictions are about another machine: as much as they may be
/// off by themselves.
pub(crate) const LIMIT: f64 = 1.10;

/// The generator's CPU for a request in two parts of a run, as a multiple of what the same rate took while
/// demands were sampled.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// While known setups were tried, at their goodputs.
    pub known: f64,
    /// While predicted ones were, at the rates at which the time of a page was predicted.
    pub predicted: f64,
}

/// The generator's CPU for a request over the rate, a straight line on both logarithms.
struct Line {
    level: f64,
    slope: f64,
}

impl Pace {
    /// Of a run; nothing where one of its parts is missing.
    pub(super) fn of(measured: &Measured, slo_ms: f64) -> Option<Self> {
        let line = Line::through(measured.modelled.samples.iter().map(|it| &it.step))?;
        let of_stage = |stage| {
            let trials = measured.trials.iter();
            trials.filter(move |it: &&Trial| it.stage == stage && it.void.is_none())
        };
        let known = of_stage(Stage::Climbing).filter_map(|trial| trial.at_goodput(slo_ms));
        let predicted = of_stage(Stage::HeldOut).flat_map(|trial| &trial.loads);
        Some(Self { known: line.against(known)?, predicted: line.against(predicted)? })
    }

    /// Whether all parts of the run were had from one machine, as it were.
    pub fn kept(&self) -> bool {
        let Self { known, predicted } = *self;
        known.max(predicted).max(1.0) / known.min(predicted).min(1.0) <= LIMIT
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { known, predicted } = self;
        write!(
            f,
            "at the same rate the generator took {known:.2}\u{a0}× the CPU for a request while known setups \
             were tried, and {predicted:.2}\u{a0}× while predicted ones were, of what it took while demands \
             were sampled"
        )
    }
}

impl Line {
    fn through<'a>(steps: impl Iterator<Item = &'a Step>) -> Option<Self> {
        let points: Vec<(f64, f64)> = steps.filter_map(point).collect();
        let n = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
        let (x, y) = (mean(|it| it.0), mean(|it| it.1));
        let squares: f64 = points.iter().map(|it| (it.0 - x).powi(2)).sum();
        let products: f64 = points.iter().map(|it| (it.0 - x) * (it.1 - y)).sum();
        let slope = products / squares;
        slope.is_finite().then_some(Self { level: y - slope * x, slope })
    }

    /// The median of what steps took, as a multiple of what the line says.
    fn against<'a>(&self, steps: impl Iterator<Item = &'a Step>) -> Option<f64> {
        let apart = |(x, y): (f64, f64)| y - self.level - self.slope * x;
        median(steps.filter_map(point).map(apart).collect()).map(|log| rounded(log.exp()))
    }
}

/// Rate, and the generator's CPU for a request, on the logarithm; of steps that count.
fn point(step: &Step) -> Option<(f64, f64)> {
    let each = step.cpu_ms.get(GENERATOR)? / step.completed as f64;
    let point = (step.rate.ln(), each.ln());
    (step.void.is_none() && point.0.is_finite() && point.1.is_finite()).then_some(point)
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
