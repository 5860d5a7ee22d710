//! What a grid comes to: each cell's figures, the figures that its rules are about, the controls,
//! and verdicts. Rounds are what is drawn again, as restarts are elsewhere.

use super::{
    FOREIGN_LIMIT,
    controls::{self, found_nothing, found_planted},
    summary::{Certificate, Check, Derived, Figures, Finding, Metric, Outcome, Verdict},
    values::Values,
};
use crate::{
    experiment::Preset,
    grid::{Bound, Grid, Quantity, Rule},
    record::{Cells, Comparison, Run, Trial},
    stats::{Estimate, restarts_needed, rounded},
    words,
};

/// Everything that was judged of a grid.
pub(super) struct Judged {
    pub(super) figures: Vec<Figures>,
    pub(super) findings: Vec<Finding>,
    pub(super) derived: Vec<Derived>,
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
            bound: rule.bound,
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
    let derived = grid.derived.iter().map(|(name, quantity)| Derived {
        name: name.clone(),
        unit: quantity.unit().to_owned(),
        found: all.quantity(quantity, 0.95),
    });
    Judged { figures, findings, derived: derived.collect(), certificate, verdicts }
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
    let place = |found| rule.place(found);
    let outcome = place(found);
    if outcome == Outcome::Inconclusive {
        let half = (found.high - found.low) / 2.0;
        let n = restarts_needed(finding.rounds, half, rule.distance(found.value));
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

impl Rule {
    fn place(&self, found: Estimate) -> Outcome {
        let Estimate { low, high, .. } = found;
        let [least, most] = self.bound.range(self.limit);
        match self.bound {
            Bound::MoreThan if low > least => Outcome::Supported,
            Bound::MoreThan if high <= least => Outcome::Refuted,
            Bound::MoreThan => Outcome::Inconclusive,
            _ if low >= least && high <= most => Outcome::Supported,
            _ if high < least || low > most => Outcome::Refuted,
            _ => Outcome::Inconclusive,
        }
    }

    /// How far a figure is from where the answer changes.
    fn distance(&self, value: f64) -> f64 {
        let ends = self.bound.range(self.limit).map(|end| (value - end).abs());
        ends.into_iter().fold(f64::INFINITY, f64::min)
    }
}

impl Finding {
    /// The figure, its interval and its limit.
    pub fn in_words(&self) -> String {
        let unit = &self.unit;
        let Some(Estimate { value, low, high }) = self.found else {
            return "needs more rounds".to_owned();
        };
        let claimed = self.bound.in_words(self.limit, unit);
        let text = format!("{value:.3}\u{a0}{unit} [{low:.3},\u{a0}{high:.3}], and {claimed}");
        words::capitalised(&text)
    }
}

#[cfg(test)]
#[path = "grid_tests.rs"]
pub(super) mod tests;
