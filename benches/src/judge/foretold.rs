//! Predictions held against what was measured after they had been sealed: how far off they are, next to
//! what straight lines and a scalability law would have said, and how often their intervals hold.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    LAG_LIMIT_MS,
    pace::Pace,
    scaling::{Bench, suspicion},
};
use crate::{
    capacity::{
        Cell, Demand, Facts, Load, Modelled, Predicted, Predictions, Sealed, Setting,
        measured_per_cpu, predict,
    },
    record::{Arm, Run},
    scaling::{Measured, Stage, Step, Trial, calls},
    stats::{Estimate, Resamples, rounded, weighted_mean},
};

/// What was predicted, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Foretold {
    /// When the predictions were sealed.
    pub at: DateTime<Utc>,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Whether that is the hash of the predictions in the record, whether the raw data give the same
    /// predictions again, and whether nothing that they are about was measured before.
    pub sound: [bool; 3],
    /// How slow the machine was later, against when demands were sampled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<Pace>,
    /// How badly the samples could tell kinds of pages apart.
    pub condition: f64,
    /// What each process does for each kind of page.
    pub demands: Vec<Demand>,
    /// Every prediction that was tried.
    pub points: Vec<Point>,
    /// How far off they are, one entry for each thing that was predicted.
    pub scores: Vec<Score>,
}

/// What was predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Pages a second within the SLO.
    Goodput,
    /// Pages for each CPU-second of the tier that is busy first, at the goodput.
    PerCpu,
    /// Mean time of a page below 80 % of the knee, milliseconds.
    Latency,
}

/// One prediction beside what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// What was predicted.
    pub what: What,
    /// Of which system,
    pub arm: Arm,
    /// in which setup,
    pub setup: String,
    /// with so many units of the budget,
    pub units: u32,
    /// on which mix,
    pub mix: String,
    /// and at which share of the knee; absent for what is about the knee.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<f64>,
    /// What was said to be busy first.
    pub binds: String,
    /// The prediction with its 90 % interval.
    pub predicted: Estimate,
    /// What was measured: mean, lowest and highest.
    pub measured: Estimate,
    /// By how much that mean is off by itself, on the logarithm: half of what two halves of
    /// its measurements differ by. Absent where there is an odd number of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scatter: Option<f64>,
    /// What rivals predicted: as many times one unit, and the scalability law.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rivals: Option<[f64; 2]>,
    /// The share of the periods in which a quota stopped the tier that was said to be busy first.
    pub stopped: f64,
    /// CPU that others used meanwhile, as a share of all cores.
    pub foreign_cpu: f64,
    /// Whether others used too much, or the generator was late.
    pub flagged: bool,
}

/// How far off predictions of one thing are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// What was predicted.
    pub what: What,
    /// How many predictions were tried,
    pub points: usize,
    /// and how many of their 90 % intervals hold what was measured.
    pub covered: usize,
    /// The factor by which they are off, on average, with its 95 % interval.
    pub off: Option<Estimate>,
    /// The same of the rivals.
    pub rivals: [Option<Estimate>; 2],
    /// The same of predictions that are right, because of what measurements differ among themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<f64>,
    /// By what factor intervals have to be wider so that nine of ten hold.
    pub widen: f64,
}

/// Holds a run's predictions against what was measured; `None` where nothing was predicted.
pub(super) fn foretold(bench: &Bench<'_>) -> Option<Foretold> {
    let Bench { run, measured, .. } = bench;
    let Modelled { samples: _, sealed } = &measured.modelled;
    let sealed = sealed.as_ref()?;
    let Predictions { fitted, cells } = &sealed.predictions;
    let points: Vec<Point> = cells.iter().flat_map(|cell| points(bench, cell)).collect();
    let scores = [What::Goodput, What::PerCpu, What::Latency];
    let before = measured.trials.iter().take(sealed.after_trials);
    let in_time = before.filter(|trial| trial.stage == Stage::HeldOut).count() == 0;
    let again = again(bench, sealed).is_some_and(|again| again == sealed.predictions);
    Some(Foretold {
        at: sealed.at,
        sha256: sealed.sha256.clone(),
        sound: [sealed.is_whole(), again, in_time],
        pace: Pace::of(measured, bench.slo_ms),
        condition: fitted.condition,
        demands: fitted.demands.clone(),
        scores: scores.into_iter().map(|what| score(run, bench.resamples, what, &points)).collect(),
        points,
    })
}

/// The predictions once more, from what was known then.
fn again(bench: &Bench<'_>, sealed: &Sealed) -> Option<Predictions> {
    let Bench { run, measured, slo_ms, .. } = bench;
    let Measured { mixes, unit, setups, trials, modelled, .. } = measured;
    let facts = Facts {
        samples: &modelled.samples,
        setups,
        trials: trials.get(..sealed.after_trials)?,
        mixes,
        unit: *unit,
        slo_ms: *slo_ms,
        load_cores: run.layout.load_cores.len(),
        calls: calls(&run.parity),
        seed: run.seed,
    };
    fn setting<'a>(measured: &'a Measured, cell: &'a Cell) -> Option<Setting<'a>> {
        let Cell { arm, setup, units, mix, .. } = cell;
        Some(Setting { arm: *arm, setup: measured.setup(setup)?, units: *units, mix })
    }
    let cells = sealed.predictions.cells.iter();
    let settings: Option<Vec<_>> = cells.map(|cell| setting(measured, cell)).collect();
    predict(facts, &settings?)
}

/// Everything that was predicted of a cell, where a trial says what came of it.
fn points(bench: &Bench<'_>, cell: &Cell) -> Vec<Point> {
    let Cell { arm, setup, units, mix, binds, goodput, per_cpu, loads } = cell;
    let trials = bench.measured.trials(Stage::HeldOut, &mix.name, *arm);
    let trials: Vec<&Trial> = trials.filter(|trial| trial.setup == *setup).collect();
    let searched = trials.iter().any(|trial| bench.doubt(trial).is_some());
    let point = |what, load, predicted, rivals, steps: &[&Step], values: Vec<f64>, flagged| {
        let n = steps.len().max(1) as f64;
        let mean =
            |of: &dyn Fn(&Step) -> f64| rounded(steps.iter().map(|it| of(it)).sum::<f64>() / n);
        Some(Point {
            what,
            arm: *arm,
            setup: setup.clone(),
            units: *units,
            mix: mix.name.clone(),
            load,
            binds: binds.clone(),
            predicted,
            measured: super::scaling::range(&values)?,
            scatter: scatter(&values).map(rounded),
            rivals,
            stopped: mean(&|step| step.tiers.get(binds).map_or(0.0, |tier| tier.throttled)),
            foreign_cpu: mean(&|step| step.foreign_cpu),
            flagged,
        })
    };
    let at: Vec<&Step> = trials.iter().filter_map(|it| it.at_goodput(bench.slo_ms)).collect();
    let found = trials.iter().filter_map(|it| it.goodput(bench.slo_ms).found()).collect();
    let cpu = at.iter().filter_map(|step| measured_per_cpu(step, binds)).collect();
    let rivals = |it: &Predicted| Some([it.linear, it.law]);
    let of_knee = [
        point(What::Goodput, None, goodput.model, rivals(goodput), &at, found, searched),
        point(What::PerCpu, None, per_cpu.model, rivals(per_cpu), &at, cpu, searched),
    ];
    let of_load = |load: &Load| {
        let played = trials.iter().flat_map(|trial| &trial.loads);
        let played: Vec<&Step> =
            played.filter(|step| step.rate == load.rate && step.void.is_none()).collect();
        let times = played.iter().filter_map(|step| step.mean_ms()).collect();
        let flagged = suspicion(&played, LAG_LIMIT_MS).is_some();
        point(What::Latency, Some(load.share), load.mean_ms, None, &played, times, flagged)
    };
    let loads: Vec<Option<Point>> = loads.iter().map(of_load).collect();
    of_knee.into_iter().chain(loads).flatten().collect()
}

/// By how much the mean of measurements is off from what is true, on the logarithm, as far as they tell:
/// half of what the means of their two halves differ by. (For errors that are as often above as below,
/// half of a difference of two is on average as large as the error of their mean.)
fn scatter(values: &[f64]) -> Option<f64> {
    let n = values.len() / 2;
    if n == 0 || !values.len().is_multiple_of(2) {
        return None;
    }
    let (first, second) = values.split_at(n);
    let sum = |half: &[f64]| half.iter().sum::<f64>();
    Some((sum(first) / sum(second)).ln().abs() / 2.0)
}

impl Point {
    /// By how much a figure differs from what was measured, on the logarithm and either way.
    pub(super) fn off(&self, figure: f64) -> f64 {
        (figure / self.measured.value).ln().abs()
    }

    /// Whether the interval holds what was measured.
    pub fn holds(&self) -> bool {
        self.predicted.contains(self.measured.value)
    }

    /// By what factor its interval would have to be wider to hold.
    fn widening(&self) -> f64 {
        let half = (self.predicted.high / self.predicted.low).ln() / 2.0;
        self.off(self.predicted.value) / half.max(f64::MIN_POSITIVE)
    }
}

fn score(run: &Run, resamples: u32, what: What, points: &[Point]) -> Score {
    let those: Vec<&Point> = points.iter().filter(|point| point.what == what).collect();
    let factor = |figure: &dyn Fn(&Point) -> Option<f64>| {
        let off: Option<Vec<f64>> =
            those.iter().map(|point| Some(point.off(figure(point)?))).collect();
        mean_of(run, resamples, &off?).map(|mean| mean.map(f64::exp).map(rounded))
    };
    let mut widenings: Vec<f64> = those.iter().map(|point| point.widening()).collect();
    widenings.sort_by(f64::total_cmp);
    // The smallest that nine of ten do not exceed.
    let ninth = (0.9 * widenings.len() as f64).ceil() as usize;
    let widen = widenings.get(ninth.saturating_sub(1)).copied().unwrap_or(1.0).max(1.0);
    let scatters: Option<Vec<f64>> = those.iter().map(|point| point.scatter).collect();
    let scatters = scatters.filter(|all| !all.is_empty());
    let floor = scatters.map(|all| rounded((all.iter().sum::<f64>() / all.len() as f64).exp()));
    let rival = |which: usize| factor(&|point| point.rivals.map(|rivals| rivals[which]));
    Score {
        what,
        points: those.len(),
        covered: those.iter().filter(|point| point.holds()).count(),
        off: factor(&|point| Some(point.predicted.value)),
        rivals: [rival(0), rival(1)],
        floor,
        widen: rounded(widen),
    }
}

/// The mean over cells with its 95 % interval: they are what is drawn again.
pub(super) fn mean_of(run: &Run, resamples: u32, values: &[f64]) -> Option<Estimate> {
    let draws = Resamples::new(run.seed, values.len(), resamples);
    let [mean] = draws.intervals(0.95, |weights| [weighted_mean(values, weights)])?;
    Some(Estimate { low: mean.low.max(0.0), ..mean })
}

#[cfg(test)]
#[path = "foretold_tests.rs"]
mod tests;
