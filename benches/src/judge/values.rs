//! Figures of a grid's cells, and what follows from them, with intervals.

use std::collections::BTreeMap;

use super::{
    measure::BESIDE,
    summary::{Figures, Metric},
};
use crate::{
    databases::POSTGRES,
    grid::{Quantity, Reads, Series},
    link::Achieved,
    record::{Cells, Histogram, Trial},
    stats::{Estimate, Merged, Resamples, rounded, weighted_mean},
};

/// What a grid tells about each cell.
const METRICS: [Metric; 7] = [
    Metric::CpuServers,
    Metric::CpuDatabase,
    Metric::CpuTotal,
    Metric::P50,
    Metric::Statements,
    Metric::Hits,
    Metric::Staleness,
];

/// A figure as a function of how often each round counts.
type Statistic<'a> = Box<dyn Fn(&[u32]) -> f64 + 'a>;

/// Cell → what was observed, round by round.
pub(super) struct Values<'a> {
    pub(super) rounds: usize,
    cells: BTreeMap<&'a str, CellValues<'a>>,
    resamples: Resamples,
}

#[derive(Default)]
struct CellValues<'a> {
    requests: u64,
    /// One map a round: process → CPU per request, milliseconds.
    cpu_ms: Vec<BTreeMap<&'a str, f64>>,
    latency: Vec<Vec<&'a Histogram>>,
    /// What the link has added, milliseconds; nothing where there is none.
    delay_ms: Vec<f64>,
    /// How often threads of the servers waited, and for how long for a core, per request; nothing where
    /// nobody looked.
    waits: Vec<f64>,
    queued_ms: Vec<f64>,
    /// SQL statements per request, share of hits, and milliseconds until a write shows; nothing where
    /// there is none of it.
    reads: BTreeMap<Metric, Vec<f64>>,
}

impl<'a> Values<'a> {
    /// The rounds that are to be kept. One in which a cell has no trial that counts is none of them.
    pub(super) fn of(
        cells: &'a Cells,
        seed: u64,
        resamples: u32,
        keep: fn(&[&Trial]) -> bool,
    ) -> Self {
        let mut by_round: BTreeMap<u32, Vec<&Trial>> = BTreeMap::new();
        for trial in cells.trials.iter().filter(|trial| trial.void.is_none()) {
            by_round.entry(trial.round).or_default().push(trial);
        }
        let has_all = |trials: &[&Trial]| {
            cells.cells.iter().all(|cell| trials.iter().any(|trial| trial.cell == cell.name))
        };
        by_round.retain(|_, trials| keep(trials) && has_all(trials));
        let mut of_cells: BTreeMap<&str, CellValues> = BTreeMap::new();
        for trials in by_round.values() {
            for cell in &cells.cells {
                let here: Vec<&&Trial> = trials.iter().filter(|t| t.cell == cell.name).collect();
                let requests: u64 = here.iter().map(|trial| trial.requests).sum();
                let mut cpu_ms: BTreeMap<&str, f64> = BTreeMap::new();
                for (process, ms) in here.iter().flat_map(|trial| &trial.cpu_ms) {
                    *cpu_ms.entry(process.as_str()).or_default() += ms / requests as f64;
                }
                let values = of_cells.entry(cell.name.as_str()).or_default();
                values.requests += requests;
                values.cpu_ms.push(cpu_ms);
                values.latency.push(here.iter().map(|trial| &trial.latency).collect());
                let added = here.iter().filter_map(|trial| trial.link.as_ref());
                let added: f64 = added.map(Achieved::median_ms).sum();
                values.delay_ms.push(added / here.len() as f64);
                let waiting = || here.iter().filter_map(|trial| trial.waiting.as_ref());
                let per_request = |sum: f64| sum / requests as f64;
                if waiting().next().is_some() {
                    values.waits.push(per_request(waiting().map(|w| w.times as f64).sum()));
                    values.queued_ms.push(per_request(waiting().map(|w| w.queued_ms).sum()));
                }
                for reads in here.iter().filter_map(|trial| trial.reads.as_ref()) {
                    for (metric, value) in of_reads(reads, requests) {
                        values.reads.entry(metric).or_default().push(value);
                    }
                }
            }
        }
        let rounds = by_round.len();
        Self { rounds, cells: of_cells, resamples: Resamples::new(seed, rounds, resamples) }
    }

    /// A statistic of one cell, as a function of how often each round counts; `None` for a cell that
    /// there is not.
    fn statistic(&self, metric: Metric, cell: &str) -> Option<Statistic<'_>> {
        let cell = self.cells.get(cell)?;
        if metric == Metric::P50 {
            let merged = Merged::new(cell.latency.iter().cloned());
            return Some(Box::new(move |weights| merged.quantile(0.5, weights) / 1e3));
        }
        if matches!(metric, Metric::Statements | Metric::Hits | Metric::Staleness) {
            let values = cell.reads.get(&metric).filter(|values| values.len() == self.rounds)?;
            return Some(Box::new(|weights| weighted_mean(values, weights)));
        }
        let counts = |process: &str| match metric {
            Metric::CpuDatabase => process == POSTGRES,
            Metric::CpuTotal => process == POSTGRES || !BESIDE.contains(&process),
            _ => !BESIDE.contains(&process),
        };
        let sum = |round: &BTreeMap<&str, f64>| -> f64 {
            round.iter().filter(|(process, _)| counts(process)).map(|(_, ms)| ms).sum()
        };
        let values: Vec<f64> = cell.cpu_ms.iter().map(sum).collect();
        Some(Box::new(move |weights| weighted_mean(&values, weights)))
    }

    pub(super) fn quantity(&self, quantity: &Quantity, confidence: f64) -> Option<Estimate> {
        let of = |metric: &Metric, cell: &String| self.statistic(*metric, cell);
        let estimate = |statistic: &dyn Fn(&[u32]) -> f64| {
            let found = self.resamples.intervals(confidence, |weights| [statistic(weights)]);
            found.map(|[estimate]| estimate.map(rounded))
        };
        match quantity {
            Quantity::Level(metric, cell) => estimate(&of(metric, cell)?),
            Quantity::Ratio(metric, [cell, to]) => {
                let (cell, to) = (of(metric, cell)?, of(metric, to)?);
                // On the logarithm, where a ratio's error is symmetric.
                let log = |weights: &[u32]| (cell(weights) / to(weights)).ln();
                let found = self.resamples.intervals(confidence, |weights| [log(weights)]);
                found.map(|[log]| log.map(f64::exp).map(rounded))
            }
            Quantity::Added(metric, [a, b, c, d]) => {
                let (a, b) = (of(metric, a)?, of(metric, b)?);
                let (c, d) = (of(metric, c)?, of(metric, d)?);
                estimate(&|weights| (a(weights) - b(weights)) / (c(weights) - d(weights)))
            }
            Quantity::Difference(metric, [a, b]) => {
                let (a, b) = (of(metric, a)?, of(metric, b)?);
                estimate(&|weights| a(weights) - b(weights))
            }
            Quantity::PerCall { at, home } => estimate(&self.slope(at, home)?),
            Quantity::Overhead { at, home } => {
                let (slope, delay) = (self.slope(at, home)?, self.delay(at)?);
                estimate(&|weights| slope(weights) - delay(weights))
            }
            Quantity::OfTheory { at, near, home } => {
                let (far, far_delay) = (self.slope(at, home)?, self.delay(at)?);
                let (near_by, near_delay) = (self.slope(near, home)?, self.delay(near)?);
                estimate(&|weights| {
                    let overhead = near_by(weights) - near_delay(weights);
                    far(weights) / (far_delay(weights) + overhead)
                })
            }
            Quantity::OfWhole { at, near } => {
                let (whole, base) = (of(&Metric::P50, at)?, of(&Metric::P50, near)?);
                let (far, close) = (self.delay_of(at)?, self.delay_of(near)?);
                estimate(&|weights| {
                    (base(weights) - close(weights) + far(weights)) / whole(weights)
                })
            }
        }
    }

    /// The slope of the straight line through what `at` takes more than `home`, over the number of
    /// calls: least squares on medians.
    fn slope(&self, at: &Series, home: &Series) -> Option<Statistic<'_>> {
        let mut points = Vec::new();
        for ((n, cell), (_, home)) in at.iter().zip(home) {
            let [cell, home] = [cell, home].map(|name| self.statistic(Metric::P50, name));
            points.push((f64::from(*n), cell?, home?));
        }
        let mean = points.iter().map(|(n, ..)| n).sum::<f64>() / points.len() as f64;
        let spread: f64 = points.iter().map(|(n, ..)| (n - mean).powi(2)).sum();
        Some(Box::new(move |weights| {
            let share = |(n, cell, home): &(f64, Statistic<'_>, Statistic<'_>)| {
                (n - mean) * (cell(weights) - home(weights))
            };
            points.iter().map(share).sum::<f64>() / spread
        }))
    }

    /// What the link of these cells has added, on average.
    fn delay(&self, series: &Series) -> Option<Statistic<'_>> {
        let delays: Option<Vec<_>> = series.iter().map(|(_, cell)| self.delay_of(cell)).collect();
        let delays = delays?;
        Some(Box::new(move |weights| {
            delays.iter().map(|delay| delay(weights)).sum::<f64>() / delays.len() as f64
        }))
    }

    fn delay_of(&self, cell: &str) -> Option<Statistic<'_>> {
        let cell = self.cells.get(cell)?;
        Some(Box::new(|weights| weighted_mean(&cell.delay_ms, weights)))
    }

    pub(super) fn figures(&self, name: &str) -> Figures {
        let cell = self.cells.get(name);
        let has_database = cell.is_some_and(|cell| {
            cell.cpu_ms.iter().any(|round| round.get(POSTGRES).is_some_and(|ms| *ms > 0.0))
        });
        let metrics = METRICS.into_iter().filter(|metric| {
            has_database || !matches!(metric, Metric::CpuDatabase | Metric::CpuTotal)
        });
        let estimate = |metric| {
            let level = Quantity::Level(metric, name.to_owned());
            Some((metric, self.quantity(&level, 0.95)?))
        };
        let mean = |values: for<'b> fn(&'b CellValues<'a>) -> &'b Vec<f64>| {
            let values = values(cell?);
            if values.len() < self.rounds || values.iter().all(|value| *value == 0.0) {
                return None;
            }
            let mean = |weights: &[u32]| [weighted_mean(values, weights)];
            self.resamples.intervals(0.95, mean).map(|[mean]| mean.map(rounded))
        };
        Figures {
            cell: name.to_owned(),
            delay: mean(|cell| &cell.delay_ms),
            waits: mean(|cell| &cell.waits),
            queued_ms: mean(|cell| &cell.queued_ms),
            requests: cell.map_or(0, |cell| cell.requests),
            processes: cell.map(processes).unwrap_or_default(),
            metrics: metrics.filter_map(estimate).collect(),
        }
    }
}

/// What there is to say about reading in a trial of so many requests.
fn of_reads(reads: &Reads, requests: u64) -> Vec<(Metric, f64)> {
    let Reads { statements, hits, misses, stale_ms, .. } = reads;
    let mut values = vec![(Metric::Statements, *statements as f64 / requests as f64)];
    if hits + misses > 0 {
        values.push((Metric::Hits, *hits as f64 / (hits + misses) as f64));
    }
    if !stale_ms.is_empty() {
        values.push((Metric::Staleness, stale_ms.iter().sum::<f64>() / stale_ms.len() as f64));
    }
    values
}

/// CPU per request of each process, milliseconds, on average over the rounds.
fn processes(cell: &CellValues) -> BTreeMap<String, f64> {
    let mut means: BTreeMap<String, f64> = BTreeMap::new();
    for (process, ms) in cell.cpu_ms.iter().flatten() {
        *means.entry((*process).to_owned()).or_default() += ms / cell.cpu_ms.len() as f64;
    }
    means.into_iter().map(|(process, ms)| (process, rounded(ms))).collect()
}

#[cfg(test)]
#[path = "values_tests.rs"]
pub(super) mod tests;
