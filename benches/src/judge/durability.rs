//! What kills did to accepted jobs: exact intervals of shares of kills, and verdicts by the card's rule
//! alone.
//!
//! What is counted is kills and not jobs. Jobs that wait or run together when a server dies share their
//! fate, so a thousand of them may know no more than one; kills, one after the other on fresh servers,
//! know nothing of each other.

use super::{
    counted::{
        self, Answer, SURPRISING, all_alike, beyond, check, interval, never, percent, together,
    },
    endured::{Endured, Row, Tally},
    scaled::Remark,
    summary::{Certificate, Finding, Metric, Outcome, Verdict},
};
use crate::{
    binomial::{cases_for, same_share, share},
    durability::{Blow, Keeping, Measured, Place, Subject, Trial},
    experiment::Preset,
    experiments::x6::LIMIT,
    grid::Bound,
    record::{Arm, Comparison},
    stats::{median, rounded},
    words,
};

/// What the verdicts are called in files, in their order.
pub(super) const QUESTIONS: [&str; 5] =
    ["lost.anywhere", "lost.inside", "lost.apart", "spawned.lost", "twice"];

/// Everything that was judged.
pub(super) struct Judged {
    pub(super) endured: Endured,
    pub(super) findings: Vec<Finding>,
    pub(super) certificate: Certificate,
    pub(super) verdicts: Vec<Verdict>,
}

/// Judges a run.
pub(super) fn judge(measured: &Measured, preset: Preset) -> Judged {
    let trials = &measured.trials;
    let certificate = certificate(trials);
    let answers = answers(trials);
    let findings = answers.iter().map(|answer| answer.finding(LIMIT, "kills")).collect();
    let verdicts = counted::verdicts(answers, preset, &certificate);
    Judged { endured: endured(trials), findings, certificate, verdicts }
}

fn endured(trials: &[Trial]) -> Endured {
    let mut rows: Vec<Row> = Vec::new();
    let mut cells: Vec<Row> = Vec::new();
    for trial in trials {
        let subject = trial.subject;
        if !rows.iter().any(|row| row.subject == subject) {
            rows.push(Row { subject, blow: None, tally: tally(trials, |it| it == subject) });
        }
    }
    for row in &rows {
        let of = |trial: &&Trial| trial.subject == row.subject && counts(trial);
        let mut blows: Vec<Blow> = trials.iter().filter(of).map(|trial| trial.blow).collect();
        // In the order in which the code gets there.
        blows.sort_by_key(|blow| match blow {
            Blow::At(point, _) => in_process::Point::ALL.iter().position(|it| it == point),
            _ => Some(usize::MAX),
        });
        blows.dedup_by_key(|blow| blow.name());
        for name in blows.into_iter().map(Blow::name) {
            let those = trials.iter().filter(of).filter(|trial| trial.blow.name() == name);
            let tally = sum(those);
            cells.push(Row { subject: row.subject, blow: Some(name), tally });
        }
    }
    let remarks = |why: fn(&Trial) -> Option<String>| -> Vec<Remark> {
        let remark = |trial: &Trial| {
            let what = format!("{}, {}", trial.subject.name(), trial.blow.name());
            Some(Remark { trial: what, why: why(trial)? })
        };
        trials.iter().filter_map(remark).collect()
    };
    Endured {
        rows,
        cells,
        trials: trials.len(),
        void: remarks(|trial| trial.void.clone()),
        troubled: remarks(|trial| trial.trouble.clone()),
    }
}

/// Whether somebody was killed.
fn counts(trial: &Trial) -> bool {
    trial.void.is_none() && trial.blow != Blow::None
}

/// All kills of these subjects.
fn tally(trials: &[Trial], of: impl Fn(Subject) -> bool) -> Tally {
    sum(trials.iter().filter(|trial| of(trial.subject) && counts(trial)))
}

fn sum<'a>(trials: impl Iterator<Item = &'a Trial>) -> Tally {
    let mut tally = Tally::default();
    let mut recovered = Vec::new();
    for trial in trials {
        tally.kills += 1;
        tally.met += u64::from(trial.at_stake > 0);
        tally.lossy += u64::from(trial.lost > 0);
        tally.accepted += trial.accepted;
        tally.at_stake += trial.at_stake;
        tally.lost += trial.lost;
        tally.twice += trial.twice + trial.unasked;
        tally.repeated += u64::from(trial.twice + trial.unasked > 0);
        recovered.extend(trial.recovered.filter(|_| trial.at_stake > 0));
    }
    tally.share = share(tally.lossy, tally.met);
    let longest = recovered.iter().copied().fold(0.0, f64::max);
    tally.recovered = median(recovered).map(|middle| [middle, rounded(longest)]);
    tally
}

/// Those whose queue has to keep its promise: the twin is a monolith too.
fn queue(subject: Subject) -> bool {
    subject.keeping == Keeping::Queue && subject.arm != Arm::Planted
}

fn answers(trials: &[Trial]) -> Vec<Answer> {
    let of_place = |place| tally(trials, |it| queue(it) && it.place == place);
    let places = [Place::Inside, Place::Apart].map(of_place);
    let outcomes = [&places[0], &places[1]].map(|it| never(it.lost, it.share, LIMIT));
    let all = tally(trials, queue);
    let once = share(all.repeated, all.met);
    let [inside, apart] = places;
    let keeps = |question, outcome, tally: &Tally| Answer {
        question,
        outcome,
        because: because(outcome, tally.lost, "were lost", tally),
        cases: tally.met,
        share: tally.share,
        bound: Bound::AtMost,
    };
    let [of_inside, of_apart] = outcomes;
    let anywhere = together(&outcomes);
    let of_once = never(all.twice, once, LIMIT);
    vec![
        keeps("The queue loses no accepted job, wherever its worker runs", anywhere, &all),
        keeps("It loses none with its worker in the serving process", of_inside, &inside),
        keeps("It loses none with its worker in a process of its own", of_apart, &apart),
        spawned(trials),
        Answer {
            question: "No job of the queue has its effect twice, where effect and end are one",
            outcome: of_once,
            because: because(
                of_once,
                all.twice,
                "had their effect twice, or one without a cause",
                &all,
            ),
            cases: all.met,
            share: once,
            bound: Bound::AtMost,
        },
    ]
}

fn because(outcome: Outcome, happened: u64, how: &str, tally: &Tally) -> String {
    let Tally { met, at_stake, share, .. } = tally;
    let (happened, at_stake) = (words::count(happened), words::count(*at_stake));
    let mut parts = vec![format!("{happened} of {at_stake} jobs at stake in {met} kills {how}")];
    match (outcome, share) {
        (Outcome::Refuted, _) | (_, None) => {}
        (Outcome::Supported, Some(share)) => parts.push(format!(
            "at 95 % confidence fewer than {} of such kills do it",
            percent(share.high)
        )),
        (_, Some(_)) => {
            parts.push(format!("{} such kills in each place would decide", cases_for(LIMIT)));
        }
    }
    words::sentences(parts.into_iter())
}

/// Do spawned jobs go with their process, in both architectures?
fn spawned(trials: &[Trial]) -> Answer {
    let spawns = |it: Subject| it.keeping == Keeping::Spawn;
    let of = |arm| tally(trials, |it| spawns(it) && it.arm == arm);
    let each: Vec<(Arm, Tally)> = [Arm::Monolith, Arm::Split]
        .map(|arm| (arm, of(arm)))
        .into_iter()
        .filter(|it| it.1.kills > 0)
        .collect();
    let sides: Vec<Option<bool>> =
        each.iter().map(|(_, tally)| beyond(tally.share, LIMIT)).collect();
    let part = |(arm, tally): &(Arm, Tally)| {
        let share = interval(tally.share);
        let Tally { lossy, met, lost, accepted, .. } = tally;
        let (lost, accepted) = (words::count(*lost), words::count(*accepted));
        let arm = arm.name();
        format!(
            "{arm}: {lossy} of {met} kills lost jobs, {share}; {lost} of {accepted} accepted jobs"
        )
    };
    let all = tally(trials, spawns);
    Answer {
        question: "Jobs that are spawned after the answer are lost with their process",
        outcome: all_alike(&sides),
        because: words::sentences(each.iter().map(part)),
        cases: all.met,
        share: all.share,
        bound: Bound::MoreThan,
    }
}

/// Nothing may be missing where nobody was killed, twins must agree, and the planted bug must be found.
fn certificate(trials: &[Trial]) -> Certificate {
    let check =
        |comparison, passed, found, text| check(Metric::Losses, comparison, passed, found, text);
    let unharmed: Vec<&Trial> = trials.iter().filter(|trial| trial.blow == Blow::None).collect();
    let whole = |trial: &&Trial| {
        let amiss = trial.lost + trial.twice + trial.unasked + trial.unanswered;
        trial.void.is_none() && trial.accepted > 0 && amiss == 0
    };
    let (good, of) = (unharmed.iter().copied().filter(whole).count(), unharmed.len());
    let accepted: u64 = unharmed.iter().map(|trial| trial.accepted).sum();
    let sentence = format!(
        "Where nobody is killed, {good} of {of} systems do each of their jobs once; {accepted} jobs in all."
    );
    let no_kill = check(Comparison::Boundary, (of > 0).then_some(good == of), None, sentence);

    let inside = |arm| {
        let it = Subject { arm, keeping: Keeping::Queue, place: Place::Inside };
        tally(trials, |subject| subject == it)
    };
    let [monolith, twin, planted] = [Arm::Monolith, Arm::Twin, Arm::Planted].map(inside);
    let enough = monolith.met > 0 && twin.met > 0;
    let chance = same_share(
        [monolith.lossy, monolith.met.max(monolith.lossy)],
        [twin.lossy, twin.met.max(twin.lossy)],
    );
    let sentence = format!(
        "{} of {} and {} of {} kills lost a job: as far apart with probability {chance}, if they are alike.",
        monolith.lossy, monolith.met, twin.lossy, twin.met
    );
    let null = check(Comparison::Null, enough.then_some(chance > SURPRISING), twin.share, sentence);
    let sentence = format!(
        "{} of {} kills of a queue whose jobs count as done before their effect lost jobs, {} in all.",
        planted.lossy, planted.met, planted.lost
    );
    let caught = (planted.met > 0).then_some(planted.lossy > 0);
    let planted = check(Comparison::Planted, caught, planted.share, sentence);
    counted::certificate(vec![no_kill, null, planted])
}

#[cfg(test)]
#[path = "durability_tests.rs"]
pub(super) mod tests;
