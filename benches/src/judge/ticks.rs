//! What became of ticks: exact intervals of shares of ticks, and verdicts by the card's rule alone.

use super::{
    counted::{self, Answer, SURPRISING, all_alike, beyond, check, interval, never, percent},
    scaled::Remark,
    summary::{Certificate, Finding, Metric, Outcome, Verdict},
    ticked::{Row, Tally, Ticked},
};
use crate::{
    binomial::{cases_for, same_share, share},
    experiment::Preset,
    experiments::x8::LIMIT,
    grid::Bound,
    record::{Arm, Comparison},
    stats::{Estimate, median, rounded},
    ticks::{Measured, Subject, Tick, Timer, Trouble},
    words,
};

/// What the verdicts are called in files, in their order.
pub(super) const QUESTIONS: [&str; 4] = ["row.once", "row.early", "bare.doubled", "bare.alone"];

/// Everything that was judged.
pub(super) struct Judged {
    pub(super) ticked: Ticked,
    pub(super) findings: Vec<Finding>,
    pub(super) certificate: Certificate,
    pub(super) verdicts: Vec<Verdict>,
}

/// Judges a run.
pub(super) fn judge(measured: &Measured, preset: Preset) -> Judged {
    let ticks = &measured.ticks;
    let certificate = certificate(ticks);
    let answers = answers(ticks);
    let findings = answers.iter().map(|answer| answer.finding(LIMIT, "ticks")).collect();
    let verdicts = counted::verdicts(answers, preset, &certificate);
    Judged { ticked: ticked(ticks), findings, certificate, verdicts }
}

fn ticked(ticks: &[Tick]) -> Ticked {
    let mut subjects: Vec<Subject> = ticks.iter().map(|tick| tick.subject).collect();
    subjects.dedup();
    let mut all: Vec<Subject> = Vec::new();
    for subject in subjects {
        if !all.contains(&subject) {
            all.push(subject);
        }
    }
    let mut rows = Vec::new();
    let mut cells = Vec::new();
    for subject in all {
        let tally = tally(ticks, |it| it.subject == subject);
        rows.push(Row { subject, trouble: None, tally });
        for trouble in Trouble::ALL {
            let tally = self::tally(ticks, |it| it.subject == subject && it.trouble == trouble);
            if tally.ticks > 0 {
                cells.push(Row { subject, trouble: Some(trouble), tally });
            }
        }
    }
    let remark = |tick: &Tick| {
        let Tick { subject, trouble, number, .. } = tick;
        let trial = format!("{}, {}, tick {number}", subject.name(), trouble.name());
        Some(Remark { trial, why: tick.void.clone()? })
    };
    let void = ticks.iter().filter_map(remark).collect();
    Ticked { rows, cells, ticks: ticks.len(), void }
}

/// All ticks like these.
fn tally(ticks: &[Tick], which: impl Fn(&Tick) -> bool) -> Tally {
    let mut tally = Tally::default();
    let mut after = Vec::new();
    for tick in ticks.iter().filter(|tick| tick.void.is_none() && which(tick)) {
        tally.ticks += 1;
        tally.missed += u64::from(tick.fired == 0);
        tally.doubled += u64::from(tick.fired > 1);
        tally.early += u64::from(tick.early());
        tally.amiss += u64::from(tick.fired != 1 || tick.early());
        tally.most = tally.most.max(tick.fired);
        after.extend(tick.after);
    }
    tally.share = share(tally.amiss, tally.ticks);
    let longest = after.iter().copied().fold(f64::MIN, f64::max);
    tally.after = median(after).map(|middle| [rounded(middle), rounded(longest)]);
    tally
}

/// Those of the monolith itself, without controls.
fn of(ticks: &[Tick], timer: Timer, replicas: impl Fn(u32) -> bool) -> Tally {
    tally(ticks, |it| {
        let Subject { arm, timer: its, replicas: count } = it.subject;
        arm == Arm::Monolith && its == timer && replicas(count)
    })
}

fn answers(ticks: &[Tick]) -> Vec<Answer> {
    let rows = of(ticks, Timer::Row, |_| true);
    let several = of(ticks, Timer::Bare, |replicas| replicas > 1);
    let alone = of(ticks, Timer::Bare, |replicas| replicas == 1);
    let not_once = rows.missed + rows.doubled;
    let never = |question, happened: u64, how: String| {
        let share = share(happened, rows.ticks);
        let outcome = never(happened, share, LIMIT);
        let because = because(outcome, &how, share);
        Answer { question, outcome, because, cases: rows.ticks, share, bound: Bound::AtMost }
    };
    let often = |question, happened: u64, tally: &Tally, how: String| {
        let share = share(happened, tally.ticks);
        let outcome = all_alike(&[beyond(share, LIMIT)]);
        let because = words::sentences([format!("{how}, {}", interval(share))].into_iter());
        Answer { question, outcome, because, cases: tally.ticks, share, bound: Bound::MoreThan }
    };
    let count = words::count;
    vec![
        never(
            "A tick that is a row happens once, whatever befalls replicas and their clocks",
            not_once,
            format!(
                "of {} ticks over 1 to 8 replicas {} were missed and {} happened more than once",
                count(rows.ticks),
                count(rows.missed),
                count(rows.doubled)
            ),
        ),
        never(
            "It never happens before its time",
            rows.early,
            format!("of {} ticks {} were early", count(rows.ticks), count(rows.early)),
        ),
        often(
            "With a timer in each of several replicas ticks happen more than once",
            several.doubled,
            &several,
            format!(
                "{} of {} ticks happened more than once, up to {} times",
                count(several.doubled),
                count(several.ticks),
                several.most
            ),
        ),
        often(
            "With a timer in one process alone ticks are missed, or happen before their time",
            alone.amiss,
            &alone,
            format!(
                "of {} ticks {} were missed and {} were early",
                count(alone.ticks),
                count(alone.missed),
                count(alone.early)
            ),
        ),
    ]
}

fn because(outcome: Outcome, how: &str, share: Option<Estimate>) -> String {
    let mut parts = vec![how.to_owned()];
    match (outcome, share) {
        (Outcome::Supported, Some(share)) => parts.push(format!(
            "at 95 % confidence it befalls fewer than {} of such ticks",
            percent(share.high)
        )),
        (Outcome::Inconclusive, _) => {
            parts.push(format!("{} such ticks would decide", cases_for(LIMIT)));
        }
        _ => {}
    }
    words::sentences(parts.into_iter())
}

/// One replica alone, which nothing befalls, keeps its schedule in either way; twins agree; and a replica
/// that has a timer of its own beside others that have not is noticed.
fn certificate(ticks: &[Tick]) -> Certificate {
    let check =
        |comparison, passed, found, text| check(Metric::Misfires, comparison, passed, found, text);
    let calm = tally(ticks, |it| it.subject.replicas == 1 && it.trouble == Trouble::None);
    let sentence = format!(
        "With one replica, which nothing befalls, {} of {} ticks happen once and in time, whatever brings \
         them about.",
        calm.ticks - calm.amiss,
        calm.ticks
    );
    let passed = (calm.ticks > 0).then_some(calm.amiss == 0);
    let without = check(Comparison::Boundary, passed, calm.share, sentence);

    let twin = tally(ticks, |it| it.subject.arm == Arm::Twin);
    let first = ticks.iter().find(|tick| tick.subject.arm == Arm::Twin);
    let same = first.map(|tick| Subject { arm: Arm::Monolith, ..tick.subject });
    let troubles: Vec<Trouble> =
        ticks.iter().filter(|it| it.subject.arm == Arm::Twin).map(|it| it.trouble).collect();
    let one = tally(ticks, |it| Some(it.subject) == same && troubles.contains(&it.trouble));
    let chance = same_share([one.amiss, one.ticks], [twin.amiss, twin.ticks]);
    let sentence = format!(
        "{} of {} and {} of {} ticks were missed, doubled or early: as far apart with probability \
         {chance}, if they are alike.",
        one.amiss, one.ticks, twin.amiss, twin.ticks
    );
    let enough = one.ticks > 0 && twin.ticks > 0;
    let null = check(Comparison::Null, enough.then_some(chance > SURPRISING), twin.share, sentence);

    let planted = tally(ticks, |it| it.subject.arm == Arm::Planted);
    let Tally { ticks: all, doubled, .. } = planted;
    let sentence = format!(
        "{doubled} of {all} ticks happened twice where one replica has a timer of its own."
    );
    let caught = (all > 0).then_some(doubled > 0);
    let planted = check(Comparison::Planted, caught, share(doubled, all), sentence);
    counted::certificate(vec![without, null, planted])
}

#[cfg(test)]
#[path = "ticks_tests.rs"]
pub(super) mod tests;
