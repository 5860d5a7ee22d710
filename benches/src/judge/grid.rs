//! What a grid comes to: each cell's figures, the figures that its rules are about, the controls,
//! and verdicts. Rounds are what is drawn again, as restarts are elsewhere.

use std::collections::BTreeMap;

use super::{
    FOREIGN_LIMIT,
    controls::{self, found_nothing, found_planted},
    measure::BESIDE,
    summary::{Certificate, Check, Figures, Finding, Metric, Outcome, Verdict},
};
use crate::{
    databases::POSTGRES,
    experiment::Preset,
    grid::{Grid, Quantity, Rule},
    record::{Cells, Comparison, Histogram, Run, Trial},
    stats::{Estimate, Merged, Resamples, restarts_needed, rounded, weighted_mean},
    words,
};

/// What a grid tells about each cell.
const METRICS: [Metric; 4] =
    [Metric::CpuServers, Metric::CpuDatabase, Metric::CpuTotal, Metric::P50];

/// Everything that was judged of a grid.
pub(super) struct Judged {
    pub(super) figures: Vec<Figures>,
    pub(super) findings: Vec<Finding>,
    pub(super) certificate: Certificate,
    pub(super) verdicts: Vec<Verdict>,
}

/// Judges the cells of a run.
pub(super) fn judge(run: &Run, cells: &Cells, grid: &Grid, resamples: u32) -> Judged {
    let confidence = controls::confidence_of(CONTROLS);
    let all = Values::of(cells, run.seed, resamples, |_| true);
    let quiet = Values::of(cells, run.seed, resamples, is_quiet);
    let figures = grid.cells.iter().map(|cell| all.figures(&cell.name)).collect();
    let certificate = certificate(run, &all, grid, confidence);
    let mut findings = Vec::new();
    let mut verdicts = Vec::new();
    for rule in &grid.rules {
        let finding = Finding {
            claim: rule.claim.clone(),
            limit: rule.limit,
            unit: rule.quantity.unit().to_owned(),
            rounds: all.rounds,
            found: all.quantity(&rule.quantity, 0.95),
            gated: (quiet.rounds < all.rounds)
                .then(|| quiet.quantity(&rule.quantity, 0.95))
                .flatten(),
            quiet_rounds: quiet.rounds,
        };
        verdicts.push(verdict(run, rule, &finding, &certificate));
        findings.push(finding);
    }
    Judged { figures, findings, certificate, verdicts }
}

/// Whether others left the CPU alone in a round. One trial is too short to tell: the machine's busy
/// time is counted in steps of 10 ms.
fn is_quiet(trials: &[&Trial]) -> bool {
    let seconds: f64 = trials.iter().map(|trial| trial.seconds).sum();
    let foreign: f64 = trials.iter().map(|trial| trial.foreign_cpu * trial.seconds).sum();
    foreign <= FOREIGN_LIMIT * seconds
}

/// Twins on two metrics, and what was planted.
const CONTROLS: usize = 3;

fn certificate(run: &Run, values: &Values, grid: &Grid, confidence: f64) -> Certificate {
    let controls = &grid.controls;
    let ratio = |metric, cell: &String| {
        let quantity = Quantity::Ratio(metric, [cell.clone(), controls.plain.clone()]);
        values.quantity(&quantity, confidence)
    };
    let twins = [Metric::CpuServers, Metric::P50].map(|metric| {
        let found = ratio(metric, &controls.twin);
        let (passed, sentence) = found_nothing(found);
        let comparison = Comparison::Null;
        Check { comparison, metric, passed, truth: 1.0, found, sentence: sentence.into() }
    });
    let metric = Metric::CpuServers;
    let plain = values.quantity(&Quantity::Level(metric, controls.plain.clone()), confidence);
    let truth = plain.map_or(f64::NAN, |plain| 1.0 + run.pilot.planted_ms / plain.value);
    let found = ratio(metric, &controls.planted);
    let (passed, sentence) = found_planted(found, truth);
    let planted = Check {
        comparison: Comparison::Planted,
        metric,
        passed,
        truth: if truth.is_nan() { 1.0 } else { rounded(truth) },
        found,
        sentence: sentence.into(),
    };
    let checks: Vec<Check> = twins.into_iter().chain([planted]).collect();
    let certified = checks.iter().all(|check| check.passed == Some(true));
    Certificate { certified, confidence: rounded(confidence), checks }
}

fn verdict(run: &Run, rule: &Rule, finding: &Finding, certificate: &Certificate) -> Verdict {
    let verdict =
        |outcome, because: String| Verdict { question: rule.claim.clone(), outcome, because };
    if run.preset == Preset::Smoke.to_string() {
        return verdict(None, "Smoke only shows that everything works.".into());
    }
    if !certificate.certified {
        return verdict(None, "The controls did not certify this run's instrument.".into());
    }
    let Some(found) = finding.found else {
        return verdict(Some(Outcome::Inconclusive), "Needs more rounds.".into());
    };
    let numbers = finding.in_words();
    let place = |found: Estimate| match found {
        Estimate { high, .. } if high <= rule.limit => Outcome::Supported,
        Estimate { low, .. } if low > rule.limit => Outcome::Refuted,
        _ => Outcome::Inconclusive,
    };
    let outcome = place(found);
    if outcome == Outcome::Inconclusive {
        let half = (found.high - found.low) / 2.0;
        let n = restarts_needed(finding.rounds, half, (found.value - rule.limit).abs());
        let more = match n {
            Some(n) => format!("about {n} rounds instead of {} would decide", finding.rounds),
            None => "it is as large as the limit".into(),
        };
        return verdict(Some(outcome), format!("{numbers}. The interval holds the limit; {more}."));
    }
    if finding.quiet_rounds < finding.rounds {
        let gated = finding.gated.map(place);
        if gated != Some(outcome) {
            let why = format!(
                "{numbers}. In {} of {} rounds others used the CPU, and without those the answer \
                 is another",
                finding.rounds - finding.quiet_rounds,
                finding.rounds
            );
            return verdict(Some(Outcome::Inconclusive), why + ".");
        }
    }
    verdict(Some(outcome), numbers + ".")
}

/// A figure as a function of how often each round counts.
type Statistic<'a> = Box<dyn Fn(&[u32]) -> f64 + 'a>;

/// Cell → what was observed, round by round.
struct Values<'a> {
    rounds: usize,
    cells: BTreeMap<&'a str, CellValues<'a>>,
    resamples: Resamples,
}

#[derive(Default)]
struct CellValues<'a> {
    requests: u64,
    /// One map a round: process → CPU per request, milliseconds.
    cpu_ms: Vec<BTreeMap<&'a str, f64>>,
    latency: Vec<Vec<&'a Histogram>>,
}

impl<'a> Values<'a> {
    /// The rounds that are to be kept.
    fn of(cells: &'a Cells, seed: u64, resamples: u32, keep: fn(&[&Trial]) -> bool) -> Self {
        let mut by_round: BTreeMap<u32, Vec<&Trial>> = BTreeMap::new();
        for trial in &cells.trials {
            by_round.entry(trial.round).or_default().push(trial);
        }
        by_round.retain(|_, trials| keep(trials));
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

    fn quantity(&self, quantity: &Quantity, confidence: f64) -> Option<Estimate> {
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
        }
    }

    fn figures(&self, name: &str) -> Figures {
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
        Figures {
            cell: name.to_owned(),
            requests: cell.map_or(0, |cell| cell.requests),
            processes: cell.map(processes).unwrap_or_default(),
            metrics: metrics.filter_map(estimate).collect(),
        }
    }
}

/// CPU per request of each process, milliseconds, on average over the rounds.
fn processes(cell: &CellValues) -> BTreeMap<String, f64> {
    let mut means: BTreeMap<String, f64> = BTreeMap::new();
    for (process, ms) in cell.cpu_ms.iter().flatten() {
        *means.entry((*process).to_owned()).or_default() += ms / cell.cpu_ms.len() as f64;
    }
    means.into_iter().map(|(process, ms)| (process, rounded(ms))).collect()
}

impl Finding {
    /// The figure, its interval and its limit.
    pub fn in_words(&self) -> String {
        let Self { limit, unit, .. } = self;
        let Some(Estimate { value, low, high }) = self.found else {
            return "needs more rounds".to_owned();
        };
        let text = format!(
            "{value:.3}\u{a0}{unit} [{low:.3},\u{a0}{high:.3}], and {limit}\u{a0}{unit} is the most"
        );
        words::capitalised(&text)
    }
}

#[cfg(test)]
#[path = "grid_tests.rs"]
pub(super) mod tests;
