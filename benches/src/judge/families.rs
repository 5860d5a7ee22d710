//! What the certificate comes to: the same comparison many times, and how often its interval excluded
//! "no difference".

use std::collections::{BTreeMap, BTreeSet};

use super::{
    measure::{self, Method},
    summary::{Certificate, Check, Effect, Family, Metric, Outcome, Reading, Verdict},
};
use crate::{
    experiment::Preset,
    record::{Comparison, Page, Run},
    stats::rounded,
    words,
};

/// Which comparison is looked at by which metric.
const FAMILIES: [(Comparison, Metric); 4] = [
    (Comparison::Null, Metric::CpuServers),
    (Comparison::Null, Metric::P50),
    (Comparison::Planted, Metric::CpuServers),
    (Comparison::Waiting, Metric::P50),
];

/// Half-width beyond which an interval counts as nothing found.
const WIDEST: f64 = 0.10;

/// How probable it may be that chance alone brings more alarms than the limit.
const CHANCE: f64 = 0.02;

/// Judges all families of a run, of which `restarts` server starts make one comparison.
pub(super) fn judge(run: &Run, restarts: usize, method: Method) -> Vec<Family> {
    // Each once, however many families look at it.
    let readings: Vec<BTreeMap<Comparison, Reading>> = groups(run, restarts)
        .iter()
        .map(|group| {
            let comparisons: BTreeSet<Comparison> =
                FAMILIES.iter().map(|family| family.0).collect();
            let read = |comparison| {
                let reading = measure::reading(group, comparison, Page::Home, method)?;
                Some((comparison, reading))
            };
            comparisons.into_iter().filter_map(read).collect()
        })
        .collect();
    let family = |(comparison, metric): (Comparison, Metric)| {
        let effects = readings.iter().filter_map(|of| of.get(&comparison)?.effect(metric));
        let intervals: Vec<Effect> = effects.copied().collect();
        let truth = truth(run, comparison, &intervals);
        let excludes = |effect: &&Effect| !effect.ratio.contains(1.0);
        let narrow = |effect: &&Effect| effect.ratio.relative_half_width() <= WIDEST;
        let alarms = comparison == Comparison::Null;
        let hits = intervals.iter().filter(excludes).filter(|e| alarms || narrow(e)).count();
        let n = intervals.len();
        let limit = if alarms { most_alarms(n) } else { least_finds(n) };
        Family { comparison, metric, truth: rounded(truth), intervals, hits, limit }
    };
    FAMILIES.into_iter().map(family).collect()
}

/// The run cut into comparisons.
fn groups(run: &Run, restarts: usize) -> Vec<Run> {
    let frame = Run { slices: Vec::new(), starts: Vec::new(), ..run.clone() };
    let last = run.slices.iter().map(|slice| slice.restart).max().map_or(0, |last| last + 1);
    let group = |first: usize| {
        let ours = first as u32..(first + restarts) as u32;
        let slices = run.slices.iter().filter(|slice| ours.contains(&slice.restart));
        Run { slices: slices.cloned().collect(), ..frame.clone() }
    };
    (0..last as usize).step_by(restarts).map(group).collect()
}

/// The ratio that is true by construction.
fn truth(run: &Run, comparison: Comparison, effects: &[Effect]) -> f64 {
    let planted = match comparison {
        Comparison::Planted => run.pilot.planted_ms,
        Comparison::Waiting => run.pilot.waiting_ms,
        _ => return 1.0,
    };
    let n = effects.len().max(1) as f64;
    1.0 + planted / (effects.iter().map(|effect| effect.levels[0].value).sum::<f64>() / n)
}

/// The smallest number of alarms that `n` comparisons without any difference exceed in at most
/// [`CHANCE`] of runs, at 5 % each: 3 of 20, 10 of 100.
fn most_alarms(n: usize) -> usize {
    let mut at_most = 0.0;
    // The binomial distribution, term by term.
    let mut term = 0.95f64.powi(n as i32);
    for k in 0..n {
        at_most += term;
        if 1.0 - at_most <= CHANCE {
            return k;
        }
        term *= (n - k) as f64 / (k + 1) as f64 * 0.05 / 0.95;
    }
    n
}

/// Nine of ten; of a hundred and more, 95 of 100.
fn least_finds(n: usize) -> usize {
    let share = if n >= 100 { 95 } else { 90 };
    (n * share).div_ceil(100)
}

impl Family {
    /// Whether it came out as it should.
    pub fn passed(&self) -> bool {
        match self.comparison {
            Comparison::Null => self.hits <= self.limit,
            _ => self.hits >= self.limit,
        }
    }

    /// In words: what was counted, and its limit.
    pub fn in_words(&self) -> String {
        let (hits, n, limit) = (self.hits, self.intervals.len(), self.limit);
        match self.comparison {
            Comparison::Null => {
                let alarms = if hits == 1 { "alarm" } else { "alarms" };
                format!("{hits} {alarms} in {n} comparisons; at most {limit}")
            }
            _ => format!("found in {hits} of {n} comparisons; at least {limit}"),
        }
    }

    /// The claim that is about it.
    pub fn claim(&self) -> String {
        let metric = words::metric(self.metric);
        match self.comparison {
            Comparison::Null => format!("Between identical monoliths nothing is found in {metric}"),
            _ => {
                let change = words::change(self.truth);
                format!("In {metric} {change} are found where they were planted")
            }
        }
    }
}

/// Whether the instrument is certified, family by family.
pub(super) fn certificate(families: &[Family]) -> Certificate {
    let check = |family: &Family| Check {
        comparison: family.comparison,
        metric: family.metric,
        passed: (!family.intervals.is_empty()).then(|| family.passed()),
        truth: family.truth,
        found: None,
        sentence: words::capitalised(&family.in_words()) + ".",
    };
    let checks: Vec<Check> = families.iter().map(check).collect();
    let certified = checks.iter().all(|check| check.passed == Some(true));
    Certificate { certified, confidence: 0.95, checks }
}

/// One verdict for each family.
pub(super) fn verdicts(preset: Preset, families: &[Family]) -> Vec<Verdict> {
    let verdict = |family: &Family| {
        let outcome = if family.passed() { Outcome::Supported } else { Outcome::Refuted };
        let (outcome, because) = match preset {
            Preset::Smoke => (None, "Smoke only shows that everything works.".to_owned()),
            _ => (Some(outcome), words::capitalised(&family.in_words()) + "."),
        };
        Verdict { question: family.claim(), outcome, because }
    };
    families.iter().map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{experiments::certificate, judge::summarise_with, synthetic::Truth};

    /// What a certificate says of an instrument with such a truth behind it.
    fn outcomes(truth: Truth) -> Vec<Option<Outcome>> {
        let truth = Truth { preset: Preset::Standard, ..truth };
        let run = truth.run_of(&certificate::plan(truth.preset, truth.seed), "certificate");
        let summary = summarise_with(&run, 400).unwrap();
        assert!(summary.families.iter().all(|family| family.intervals.len() == 20));
        summary.verdicts.iter().map(|verdict| verdict.outcome).collect()
    }

    #[test]
    fn a_sound_instrument_is_certified() {
        assert_eq!(outcomes(Truth::default()), [Some(Outcome::Supported); 4]);
    }

    #[test]
    fn twins_that_differ_are_noticed() {
        let found = outcomes(Truth { twin: 1.03, ..Truth::default() });
        assert_eq!(found[..2], [Some(Outcome::Refuted); 2]);
    }

    #[test]
    fn what_was_planted_and_does_nothing_is_noticed() {
        let found = outcomes(Truth { planted: 0.0, ..Truth::default() });
        assert_eq!(found[2], Some(Outcome::Refuted));
    }

    #[test]
    fn too_much_noise_finds_nothing() {
        let found = outcomes(Truth { noise: [0.05, 0.05], ..Truth::default() });
        assert_eq!(found[2], Some(Outcome::Refuted));
    }

    #[test]
    fn limits_are_those_of_the_card() {
        assert_eq!([20, 100].map(most_alarms), [3, 10]);
        assert_eq!([20, 100].map(least_finds), [18, 95]);
        assert_eq!((most_alarms(5), least_finds(5)), (1 + 1, 5));
    }
}
