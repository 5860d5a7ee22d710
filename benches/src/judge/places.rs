//! The verdicts on places for jobs, by the card's rule alone.

use super::{
    controls::{UNCONTROLLED, found_nothing},
    interfered::{Asked, Rule},
    summary::{Certificate, Check, Finding, Metric, Outcome, Verdict},
};
use crate::{
    experiment::Preset,
    jobs::Place,
    record::{Arm, Comparison, Run},
    stats::{Estimate, restarts_needed, rounded},
    words,
};

/// By how much what was found may be off a planted wait: the kernel wakes nobody too early, and often a
/// little late.
const PLANTED: [f64; 2] = [0.97, 1.05];

/// On which side of the limit a finding lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Below,
    Above,
    Open,
}

/// How a place stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Below the limit everywhere.
    Sufficient,
    /// Above it somewhere.
    Not,
    /// Not known.
    Open,
}

/// Twins must not differ in p50, and a planted wait must be found in it.
pub(super) fn certificate(
    [twin, waiting]: [Option<Estimate>; 2],
    truth: f64,
    confidence: f64,
) -> Certificate {
    let (passed, sentence) = found_nothing(twin);
    let metric = Metric::P50;
    let null = Check {
        comparison: Comparison::Null,
        metric,
        passed,
        truth: 1.0,
        found: twin,
        sentence: sentence.to_owned(),
    };
    let [least, most] = PLANTED.map(|off| off * truth);
    let found = waiting.map(|it| it.low > 1.0 && it.low <= most && it.high >= least);
    let sentence = match found {
        Some(true) => "The wait that was planted was found, in its true size.",
        Some(false) => "The wait that was planted was not found in its true size.",
        None => "Not measured.",
    };
    let planted = Check {
        comparison: Comparison::Waiting,
        metric,
        passed: found,
        truth: if truth.is_finite() { rounded(truth) } else { 1.0 },
        found: waiting,
        sentence: sentence.to_owned(),
    };
    let checks = vec![null, planted];
    let certified = checks.iter().all(|check| check.passed == Some(true));
    Certificate { certified, confidence: rounded(confidence), checks }
}

/// The claim as a whole, then the stricter one, then each place.
pub(super) fn verdicts(run: &Run, rules: &[Rule], certificate: &Certificate) -> Vec<Verdict> {
    let of = |asked| rules.iter().filter(move |rule| rule.asked == asked);
    let mut verdicts = vec![
        necessary(&of(Asked::Late).collect::<Vec<_>>(), Asked::Late),
        necessary(&of(Asked::P99).collect::<Vec<_>>(), Asked::P99),
    ];
    verdicts.extend(of(Asked::Late).map(on_place));
    let none = if run.preset == Preset::Smoke.to_string() {
        Some("Smoke only shows that everything works.")
    } else if certificate.uncontrolled() {
        Some(UNCONTROLLED)
    } else {
        (!certificate.certified).then_some("The controls did not certify this run's instrument.")
    };
    if let Some(why) = none {
        for verdict in &mut verdicts {
            (verdict.outcome, verdict.because) = (None, why.to_owned());
        }
    }
    verdicts
}

/// Is a process of their own what jobs need?
fn necessary(rules: &[&Rule], asked: Asked) -> Verdict {
    let question = match asked {
        Asked::Late => {
            "Jobs need a process of their own: nowhere else do they make less than one page of 100 late"
        }
        Asked::P99 => {
            "Jobs need a process of their own: nowhere else do they leave p99 within 10 % of what it \
             is without them"
        }
    };
    let standing: Vec<(Place, Standing)> =
        rules.iter().map(|rule| (rule.place, standing(rule))).collect();
    let has = |apart: bool, which: Standing| {
        standing.iter().any(|(place, it)| place.is_apart() == apart && *it == which)
    };
    let outcome = if has(false, Standing::Sufficient) {
        Outcome::Refuted
    } else if has(false, Standing::Open) {
        Outcome::Inconclusive
    } else if has(true, Standing::Sufficient) {
        Outcome::Supported
    } else if has(true, Standing::Open) || standing.is_empty() {
        Outcome::Inconclusive
    } else {
        // Not even that is enough.
        Outcome::Refuted
    };
    let named = |which: Standing| -> Vec<String> {
        let those = standing.iter().filter(|(_, it)| *it == which);
        those.map(|(place, _)| words::place(*place).to_owned()).collect()
    };
    let part = |what: &str, which| {
        let named = named(which);
        (!named.is_empty()).then(|| format!("{what}: {}", words::list(&named)))
    };
    let parts = [
        part("sufficient", Standing::Sufficient),
        part("not sufficient", Standing::Not),
        part("undecided", Standing::Open),
    ];
    let because = words::sentences(parts.into_iter().flatten());
    Verdict { question: question.to_owned(), outcome: Some(outcome), because }
}

pub(super) fn standing(rule: &Rule) -> Standing {
    let sides: Vec<Side> = rule.findings.iter().map(side).collect();
    if sides.contains(&Side::Above) {
        Standing::Not
    } else if sides.contains(&Side::Open) || sides.is_empty() {
        Standing::Open
    } else {
        Standing::Sufficient
    }
}

/// Do pages stay as they are with jobs in this place?
fn on_place(rule: &Rule) -> Verdict {
    let question =
        format!("With jobs {}, less than one page of 100 more is late", words::place(rule.place));
    let sides: Vec<Side> = rule.findings.iter().map(side).collect();
    let all = |which: Side| sides.iter().all(|side| *side == which);
    let outcome = if sides.is_empty() || sides.contains(&Side::Open) {
        Outcome::Inconclusive
    } else if all(Side::Below) {
        Outcome::Supported
    } else if all(Side::Above) {
        Outcome::Refuted
    } else {
        Outcome::Depends
    };
    let mut parts = worst(rule);
    if outcome == Outcome::Depends {
        let those = rule.at.iter().zip(&sides).filter(|(_, side)| **side == Side::Below);
        let named: Vec<String> =
            those.map(|((arm, load), _)| format!("{} at {load} %", arm.name())).collect();
        parts.push(format!("it is so for the {}", words::list(&named)));
    }
    parts.extend(rule.findings.iter().filter(|it| side(it) == Side::Open).map(open));
    Verdict { question, outcome: Some(outcome), because: words::sentences(parts.into_iter()) }
}

/// Of each architecture what is worst.
fn worst(rule: &Rule) -> Vec<String> {
    let mut worst: Vec<(Arm, u32, Estimate)> = Vec::new();
    for ((arm, load), finding) in rule.at.iter().zip(&rule.findings) {
        let Some(found) = finding.found else { continue };
        match worst.iter_mut().find(|known| known.0 == *arm) {
            Some(known) if known.2.value >= found.value => {}
            Some(known) => *known = (*arm, *load, found),
            None => worst.push((*arm, *load, found)),
        }
    }
    let text = |(arm, load, found): (Arm, u32, Estimate)| {
        let points = words::points_with_interval(found);
        format!("{}, at worst, with jobs at {load} %: {points}", arm.name())
    };
    worst.into_iter().map(text).collect()
}

/// Why a finding decides nothing.
fn open(finding: &Finding) -> String {
    let Finding { claim, limit, rounds, found, gated, quiet_rounds, .. } = finding;
    let Some(found) = found else { return format!("{claim}: needs more requests") };
    if found.contains(*limit) {
        let half = (found.high - found.low) / 2.0;
        let more = restarts_needed(*rounds, half, (found.value - limit).abs());
        return match more {
            Some(n) => format!("{claim}: about {n} rounds instead of {rounds} would decide"),
            None => format!("{claim}: it is as large as the limit"),
        };
    }
    let flagged = rounds - quiet_rounds;
    let why = if gated.is_some() { "another answer" } else { "too little left" };
    format!("{claim}: {flagged} of {rounds} rounds are flagged, and there is {why} without those")
}

fn side(finding: &Finding) -> Side {
    let of = |found: Option<Estimate>| match found {
        Some(Estimate { low, .. }) if low > finding.limit => Side::Above,
        Some(Estimate { high, .. }) if high < finding.limit => Side::Below,
        _ => Side::Open,
    };
    let side = of(finding.found);
    if finding.quiet_rounds < finding.rounds && of(finding.gated) != side {
        return Side::Open;
    }
    side
}
