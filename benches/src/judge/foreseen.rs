//! The verdicts on predictions, by the card's rule.

use super::{
    foretold::{Foretold, Point, What, mean_of},
    summary::{Finding, Outcome, Verdict},
};
use crate::{
    experiment::Preset,
    grid::Bound,
    record::Run,
    scaling::PREDICTIONS,
    stats::{Estimate, Resamples, rounded, weighted_mean},
};

/// Of all intervals of 90 %, so many have to hold what was measured.
const COVERED: f64 = 0.80;

/// By what factor predictions may be off: pages per CPU-second, and mean times.
const OFF: (f64, f64) = (1.10, 1.15);

/// How far off the model is as a share of how far off a rival is: below 1 it is the better one.
fn against(run: &Run, resamples: u32, rival: usize, points: &[&Point]) -> Option<Estimate> {
    let gain = |it: &&Point| Some(it.off(it.predicted.value) - it.off(it.rivals?[rival]));
    let values: Vec<f64> = points.iter().filter_map(gain).collect();
    let draws = Resamples::new(run.seed, values.len(), resamples);
    let [mean] = draws.intervals(0.95, |weights| [weighted_mean(&values, weights)])?;
    Some(mean.map(f64::exp).map(rounded))
}

/// What the questions of [`verdicts`] are called.
pub(super) const QUESTIONS: [&str; 5] = ["knee", "knee.linear", "knee.law", "latency", "coverage"];

/// What the rules are about, and the answers, in the same order.
pub(super) fn verdicts(run: &Run, resamples: u32, it: &Foretold) -> Vec<(Finding, Verdict)> {
    let of = |what, quiet: bool| -> Vec<&Point> {
        let those = it.points.iter().filter(|point| point.what == what);
        those.filter(|point| !quiet || !point.flagged).collect()
    };
    let off = |points: &[&Point]| {
        let values: Vec<f64> = points.iter().map(|it| it.off(it.predicted.value)).collect();
        mean_of(run, resamples, &values).map(|mean| mean.map(f64::exp).map(rounded))
    };
    let against = |rival| move |points: &[&Point]| against(run, resamples, rival, points);
    let rule = |claim: &str, limit, what, figure: &dyn Fn(&[&Point]) -> Option<Estimate>| {
        let (all, quiet) = (of(what, false), of(what, true));
        let finding = Finding {
            claim: claim.to_owned(),
            limit,
            bound: Bound::AtMost,
            unit: "×".to_owned(),
            rounds: all.len(),
            found: figure(&all),
            gated: (quiet.len() < all.len()).then(|| figure(&quiet)).flatten(),
            quiet_rounds: quiet.len(),
        };
        let floor = it.scores.iter().find(|score| score.what == what).and_then(|it| it.floor);
        let floor = floor.filter(|_| limit > 1.0);
        let mut verdict = answer(run, it, &finding, |found| off_by(found, limit, floor));
        if let (Some(floor), None) = (floor, withheld(run, it)) {
            verdict.because += &format!(
                " Right predictions would be off by {floor:.3}\u{a0}×, as the means are that \
                 they are held against."
            );
        }
        (finding, verdict)
    };
    vec![
        rule(
            "Pages per CPU-second at the knee are predicted within 10 %, of setups that were not tried \
             before",
            OFF.0,
            What::PerCpu,
            &off,
        ),
        rule(
            "They are predicted better than by as many times what one unit does",
            1.0,
            What::PerCpu,
            &against(0),
        ),
        rule(
            "They are predicted better than by the Universal Scalability Law alone",
            1.0,
            What::PerCpu,
            &against(1),
        ),
        rule(
            "Mean times of a page are predicted within 15 % below 80 % of the knee",
            OFF.1,
            What::Latency,
            &off,
        ),
        coverage(run, it),
    ]
}

/// Of intervals of 90 % at least 80 % have to hold.
fn coverage(run: &Run, it: &Foretold) -> (Finding, Verdict) {
    let (points, quiet): (Vec<&Point>, Vec<&Point>) =
        (it.points.iter().collect(), it.points.iter().filter(|point| !point.flagged).collect());
    let share = |those: &[&Point]| {
        let held = those.iter().filter(|point| point.holds()).count();
        (!those.is_empty()).then(|| wilson(held, those.len()))
    };
    let finding = Finding {
        claim: "At least 80 % of the 90 % intervals hold what was measured".to_owned(),
        limit: COVERED,
        bound: Bound::MoreThan,
        unit: "×".to_owned(),
        rounds: points.len(),
        found: share(&points),
        gated: (quiet.len() < points.len()).then(|| share(&quiet)).flatten(),
        quiet_rounds: quiet.len(),
    };
    let mut verdict = answer(run, it, &finding, |share| match share {
        Estimate { low, .. } if low >= COVERED => Outcome::Supported,
        Estimate { high, .. } if high < COVERED => Outcome::Refuted,
        _ => Outcome::Inconclusive,
    });
    if let (Some(found), None) = (finding.found, withheld(run, it)) {
        let held = points.iter().filter(|point| point.holds()).count();
        let (n, [low, high]) = (points.len(), [found.low, found.high].map(|it| it * 100.0));
        verdict.because = format!("{held} of {n} do, in per cent [{low:.1}, {high:.1}].");
    }
    (finding, verdict)
}

/// What follows from how far off predictions are. Where they are held against means that are off
/// themselves, that only adds to it on average; so an interval below the limit is enough for the
/// claim. Against it is only what lies beyond the limit with all of that taken off: no more than
/// the sum of the two can be seen, as in any triangle.
fn off_by(found: Estimate, limit: f64, floor: Option<f64>) -> Outcome {
    match found {
        Estimate { high, .. } if high <= limit => Outcome::Supported,
        Estimate { low, .. } if low / floor.unwrap_or(1.0) > limit => Outcome::Refuted,
        _ => Outcome::Inconclusive,
    }
}

/// A share with its 95 % interval (Wilson 1927).
fn wilson(held: usize, n: usize) -> Estimate {
    const Z: f64 = 1.959_964;
    let (n, share) = (n as f64, held as f64 / n as f64);
    let middle = (share + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    Estimate { value: share, low: middle - half, high: middle + half }.map(rounded)
}

/// What is said of all predictions of a run alike, whatever their figures: why these decide nothing.
fn withheld(run: &Run, it: &Foretold) -> Option<(Option<Outcome>, String)> {
    if run.preset == Preset::Smoke.to_string() {
        return Some((None, "Smoke only shows that everything works.".into()));
    }
    if it.sound != [true; 3] {
        return Some((None, format!("{PREDICTIONS} is not what was sealed.")));
    }
    let pace = it.pace.filter(|pace| !pace.kept())?;
    Some((Some(Outcome::Inconclusive), format!("The machine changed its pace: {pace}.")))
}

/// The answer to a question where one can be given, by what `side` says of its figure.
fn answer(
    run: &Run,
    it: &Foretold,
    finding: &Finding,
    side: impl Fn(Estimate) -> Outcome,
) -> Verdict {
    let verdict = |outcome, because| Verdict { question: finding.claim.clone(), outcome, because };
    if let Some((outcome, because)) = withheld(run, it) {
        return verdict(outcome, because);
    }
    let Some(found) = finding.found else {
        return verdict(Some(Outcome::Inconclusive), "Too few predictions were tried.".into());
    };
    let Estimate { value, low, high } = found;
    let numbers = format!("Off by {value:.3}\u{a0}× [{low:.3}, {high:.3}]");
    let numbers = if finding.limit == 1.0 { numbers + " of what that is off by" } else { numbers };
    let outcome = side(found);
    let hangs = finding.quiet_rounds < finding.rounds
        && finding.gated.map(&side) != Some(outcome)
        && outcome != Outcome::Inconclusive;
    if hangs {
        let flagged = finding.rounds - finding.quiet_rounds;
        let because = format!(
            "{numbers}. {flagged} of {} predictions were tried while others used the CPU, and without \
             those the answer is another.",
            finding.rounds
        );
        return verdict(Some(Outcome::Inconclusive), because);
    }
    verdict(Some(outcome), format!("{numbers}, in {} predictions.", finding.rounds))
}
