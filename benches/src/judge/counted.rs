//! What all judgements share that count trials in which something happened, with exact intervals of
//! their share.

use super::summary::{Certificate, Check, Finding, Outcome, Verdict};
use crate::{
    binomial::CONFIDENCE, experiment::Preset, grid::Bound, record::Comparison, stats::Estimate,
    words,
};

/// The probability below which two counts from one share are a surprise.
pub(super) const SURPRISING: f64 = 0.05;

/// A question, its answer, and what the answer rests on.
pub(super) struct Answer {
    pub(super) question: &'static str,
    pub(super) outcome: Outcome,
    pub(super) because: String,
    /// The trials that count,
    pub(super) cases: u64,
    /// and in which share of them it happened.
    pub(super) share: Option<Estimate>,
    pub(super) bound: Bound,
}

impl Answer {
    /// The figure that it rests on, as a share of such trials.
    pub(super) fn finding(&self, limit: f64, trials: &str) -> Finding {
        let rounds = self.cases as usize;
        Finding {
            claim: self.question.to_owned(),
            limit,
            bound: self.bound,
            unit: format!("share of {trials}"),
            rounds,
            found: self.share,
            gated: None,
            quiet_rounds: rounds,
        }
    }
}

/// The verdicts, where any may be given.
pub(super) fn verdicts(
    answers: Vec<Answer>,
    preset: Preset,
    certificate: &Certificate,
) -> Vec<Verdict> {
    let none = if preset == Preset::Smoke {
        Some("Smoke only shows that everything works.")
    } else {
        (!certificate.certified).then_some("The controls did not certify this run's instrument.")
    };
    let verdict = |Answer { question, outcome, because, .. }: Answer| Verdict {
        question: question.to_owned(),
        outcome: none.is_none().then_some(outcome),
        because: none.map_or(because, str::to_owned),
    };
    answers.into_iter().map(verdict).collect()
}

/// Whether something that must never happen does not; a single time is enough.
pub(super) fn never(happened: u64, share: Option<Estimate>, limit: f64) -> Outcome {
    match share {
        _ if happened > 0 => Outcome::Refuted,
        Some(share) if share.high <= limit => Outcome::Supported,
        _ => Outcome::Inconclusive,
    }
}

/// Whether a share lies above a limit; nothing where that can't be told.
pub(super) fn beyond(share: Option<Estimate>, limit: f64) -> Option<bool> {
    match share {
        Some(share) if share.low > limit => Some(true),
        Some(share) if share.high <= limit => Some(false),
        _ => None,
    }
}

/// What is asked of each of several, as far as all agree.
pub(super) fn all_alike(sides: &[Option<bool>]) -> Outcome {
    let all = |which| !sides.is_empty() && sides.iter().all(|side| *side == Some(which));
    if all(true) {
        Outcome::Supported
    } else if all(false) {
        Outcome::Refuted
    } else if sides.contains(&None) || sides.is_empty() {
        Outcome::Inconclusive
    } else {
        Outcome::Depends
    }
}

/// What follows from several answers together: all have to hold, and none may be wrong.
pub(super) fn together(outcomes: &[Outcome]) -> Outcome {
    if outcomes.contains(&Outcome::Refuted) {
        Outcome::Refuted
    } else if outcomes.iter().all(|outcome| *outcome == Outcome::Supported) {
        Outcome::Supported
    } else {
        Outcome::Inconclusive
    }
}

/// One of the controls.
pub(super) fn check(
    metric: super::summary::Metric,
    comparison: Comparison,
    passed: Option<bool>,
    found: Option<Estimate>,
    sentence: String,
) -> Check {
    Check { comparison, metric, passed, truth: 1.0, found, sentence }
}

/// All of them.
pub(super) fn certificate(checks: Vec<Check>) -> Certificate {
    let certified = checks.iter().all(|check| check.passed == Some(true));
    Certificate { certified, confidence: CONFIDENCE, checks }
}

/// A share as it stands in a sentence, without its interval.
pub(super) fn percent(share: f64) -> String {
    format!("{:.2}\u{a0}%", 100.0 * share)
}

/// A share with its interval, where there is one.
pub(super) fn interval(share: Option<Estimate>) -> String {
    share.map_or_else(|| "–".to_owned(), words::share_with_interval)
}
