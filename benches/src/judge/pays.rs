//! The verdicts on searches for the best way to spend a budget, by the card's rule: does the best
//! split serve so much more than the best monolith that it pays?

use super::{
    controls::found_nothing,
    scaled::{Confirmed, OfMix, Ratios},
    summary::{Certificate, Check, Finding, Metric, Outcome, Verdict},
};
use crate::{
    experiment::Preset,
    grid::Bound,
    record::{Comparison, Run},
    stats::{Estimate, restarts_needed, rounded},
    words,
};

/// How busy the core of database and generator may be at the goodput, before that is what was
/// measured.
pub const CEILING: f64 = 0.90;

/// What the verdict on a mix is about. `limit` is the ratio from which on it pays.
pub(super) fn finding(mix: &OfMix, limit: f64) -> Finding {
    let Ratios { split, split_gated, rounds, quiet_rounds, .. } = mix.ratios;
    Finding {
        claim: format!(
            "On the {} mix the best split serves at least {} % more than the best monolith",
            mix.mix,
            percent(limit)
        ),
        limit,
        bound: Bound::MoreThan,
        unit: "×".to_owned(),
        rounds,
        found: split,
        gated: split_gated,
        quiet_rounds,
    }
}

/// A search for the best of two identical monoliths must find no difference, on any mix.
pub(super) fn certificate(mixes: &[OfMix], confidence: f64) -> Certificate {
    let check = |mix: &OfMix| {
        let found = mix.ratios.twin;
        let (passed, sentence) = found_nothing(found);
        let sentence = format!("{} mix: {sentence}", words::capitalised(&mix.mix));
        let (comparison, metric) = (Comparison::Null, Metric::Goodput);
        Check { comparison, metric, passed, truth: 1.0, found, sentence }
    };
    let checks: Vec<Check> = mixes.iter().map(check).collect();
    let certified = !checks.is_empty() && checks.iter().all(|it| it.passed == Some(true));
    Certificate { certified, confidence: rounded(confidence), checks }
}

/// The answer on one mix.
pub(super) fn verdict(
    run: &Run,
    mix: &OfMix,
    finding: &Finding,
    certificate: &Certificate,
) -> Verdict {
    let verdict = |outcome, because| Verdict { question: finding.claim.clone(), outcome, because };
    let open = |because| verdict(Some(Outcome::Inconclusive), because);
    if run.preset == Preset::Smoke.to_string() {
        return verdict(None, "Smoke only shows that everything works.".into());
    }
    if !certificate.certified {
        return verdict(None, "The controls did not certify this run's instrument.".into());
    }
    let Some(found) = finding.found else { return open("Needs more rounds.".into()) };
    let numbers = words::change_with_interval(found);
    if let Some(ceiling) = ceiling(mix) {
        return open(format!("{numbers}. {ceiling}"));
    }
    let outcome = side(found, finding.limit);
    if outcome == Outcome::Inconclusive {
        let half = (found.high.ln() - found.low.ln()) / 2.0;
        let apart = (found.value / finding.limit).ln().abs();
        let more = match restarts_needed(finding.rounds, half, apart) {
            Some(n) => format!("about {n} rounds instead of {} would decide", finding.rounds),
            None => "it is as large as the limit".into(),
        };
        return open(format!("{numbers}. The interval holds the limit; {more}."));
    }
    let gated = finding.gated.map(|gated| side(gated, finding.limit));
    if finding.quiet_rounds < finding.rounds && gated != Some(outcome) {
        return open(format!(
            "{numbers}. {} of {} rounds are flagged, and without those the answer is another.",
            finding.rounds - finding.quiet_rounds,
            finding.rounds
        ));
    }
    verdict(Some(outcome), numbers + ".")
}

/// One mix is enough, and all have to be against it.
pub(super) fn as_a_whole(verdicts: &[Verdict], limit: f64) -> Verdict {
    let all = |outcome| !verdicts.is_empty() && verdicts.iter().all(|it| it.outcome == outcome);
    let any = |outcome| verdicts.iter().any(|it| it.outcome == Some(outcome));
    let (outcome, because) = if all(None) {
        (None, verdicts.first().map_or_else(String::new, |verdict| verdict.because.clone()))
    } else if any(Outcome::Supported) {
        (Some(Outcome::Supported), "It is so on a mix.".to_owned())
    } else if all(Some(Outcome::Refuted)) {
        (Some(Outcome::Refuted), "It is so on no mix.".to_owned())
    } else {
        (Some(Outcome::Inconclusive), "Not every mix is decided.".to_owned())
    };
    let question = format!(
        "Scaling frontend and backend apart pays: at least {} % more goodput on some mix",
        percent(limit)
    );
    Verdict { question, outcome, because }
}

/// What was measured instead of the servers, if it was.
fn ceiling(mix: &OfMix) -> Option<String> {
    let busiest = mix.confirmed.iter().max_by(|a, b| a.around.beside.total_cmp(&b.around.beside));
    let Confirmed { arm, around, .. } = busiest?;
    (around.beside > CEILING).then(|| {
        format!(
            "At the goodput of the {} the core of database, generator and balancer was {:.0} % busy: \
             that is what was measured.",
            arm.name(),
            around.beside * 100.0
        )
    })
}

fn side(found: Estimate, limit: f64) -> Outcome {
    match found {
        Estimate { low, .. } if low > limit => Outcome::Supported,
        Estimate { high, .. } if high < limit => Outcome::Refuted,
        _ => Outcome::Inconclusive,
    }
}

fn percent(limit: f64) -> f64 {
    ((limit - 1.0) * 100.0).round()
}
