//! What deploys did to running jobs: exact intervals of shares of deploys, and verdicts by the card's
//! rule alone.
//!
//! What is counted is deploys and not jobs: those that run when a process is told to end share its fate.

use super::{
    counted::{
        self, Answer, SURPRISING, all_alike, beyond, check, interval, never, percent, together,
    },
    deployed::{Deployed, Row, Tally},
    scaled::Remark,
    summary::{Certificate, Finding, Metric, Outcome, Verdict},
};
use crate::{
    binomial::{cases_for, same_share, share},
    deploys::{Measured, Subject, Trial},
    experiment::Preset,
    experiments::x7::LIMIT,
    grid::Bound,
    record::{Arm, Comparison},
    stats::{Estimate, Resamples, median, rounded},
    words,
};

/// What the verdicts are called in files, in their order.
pub(super) const QUESTIONS: [&str; 5] = [
    "interrupted.hangs-on-restart",
    "interrupted.restarted",
    "interrupted.left-running",
    "interrupted.waited-for",
    "amiss",
];

/// Everything that was judged.
pub(super) struct Judged {
    pub(super) deployed: Deployed,
    pub(super) findings: Vec<Finding>,
    pub(super) certificate: Certificate,
    pub(super) verdicts: Vec<Verdict>,
}

/// Judges a run, with so many draws for each interval of CPU times.
pub(super) fn judge(measured: &Measured, preset: Preset, seed: u64, resamples: u32) -> Judged {
    let trials = &measured.trials;
    let certificate = certificate(trials);
    let answers = answers(measured);
    let findings = answers.iter().map(|answer| answer.finding(LIMIT, "deploys")).collect();
    let verdicts = counted::verdicts(answers, preset, &certificate);
    Judged { deployed: deployed(trials, seed, resamples), findings, certificate, verdicts }
}

fn deployed(trials: &[Trial], seed: u64, resamples: u32) -> Deployed {
    let cpu = |those: &[&Trial]| cpu(those, seed, resamples);
    let mut rows: Vec<Row> = Vec::new();
    for Trial { subject, .. } in trials {
        if !rows.iter().any(|row| row.subject == *subject) {
            let those = of(trials, |it| it == *subject);
            let tally = Tally { cpu: cpu(&those), ..sum(&those) };
            rows.push(Row { subject: *subject, tally });
        }
    }
    let undisturbed: Vec<&Trial> =
        trials.iter().filter(|trial| trial.void.is_none() && trial.number == 0).collect();
    let remarks = |why: fn(&Trial) -> Option<String>| -> Vec<Remark> {
        let remark = |trial: &Trial| {
            let what = format!("{}, deploy {}", trial.subject.name(), trial.number);
            Some(Remark { trial: what, why: why(trial)? })
        };
        trials.iter().filter_map(remark).collect()
    };
    Deployed {
        rows,
        undisturbed: Tally { cpu: cpu(&undisturbed), ..sum(&undisturbed) },
        trials: trials.len(),
        void: remarks(|trial| trial.void.clone()),
        troubled: remarks(|trial| trial.trouble.clone()),
    }
}

/// All deploys of these subjects.
fn of(trials: &[Trial], which: impl Fn(Subject) -> bool) -> Vec<&Trial> {
    let deploys = trials.iter().filter(|trial| trial.void.is_none() && trial.number > 0);
    deploys.filter(|trial| which(trial.subject)).collect()
}

fn sum(trials: &[&Trial]) -> Tally {
    let mut tally = Tally::default();
    let mut drained = Vec::new();
    for trial in trials {
        // A job may come in and begin while the new servers start, and be interrupted.
        let interrupting = trial.interrupted > 0;
        tally.deploys += 1;
        tally.met += u64::from(trial.running > 0 || interrupting);
        tally.interrupting += u64::from(interrupting);
        tally.jobs += trial.jobs;
        tally.running += trial.running;
        tally.interrupted += trial.interrupted;
        tally.lost += trial.lost;
        tally.twice += trial.twice;
        tally.amiss += u64::from(trial.lost + trial.twice > 0);
        drained.extend(trial.drained);
    }
    tally.share = share(tally.interrupting, tally.met);
    let longest = drained.iter().copied().fold(0.0, f64::max);
    tally.drained = median(drained).map(|middle| [rounded(middle), rounded(longest)]);
    tally
}

/// CPU that was used for a CPU second that was asked for. What nobody could read in the end is left
/// out: there was trouble then, and it is listed.
fn cpu(trials: &[&Trial], seed: u64, resamples: u32) -> Option<Estimate> {
    let read: Vec<&&Trial> = trials.iter().filter(|trial| trial.used_ms > 0.0).collect();
    let ratio = |weights: &[u32]| {
        let total = |of: fn(&Trial) -> f64| -> f64 {
            read.iter().zip(weights).map(|(trial, w)| of(trial) * f64::from(*w)).sum()
        };
        [total(|it| it.used_ms) / total(|it| it.asked_ms)]
    };
    let [ratio] = Resamples::new(seed, read.len(), resamples).intervals(0.95, ratio)?;
    Some(ratio.map(rounded))
}

/// The architectures themselves, without controls.
fn architectures(trials: &[Trial], which: impl Fn(Subject) -> bool) -> Vec<(Arm, Tally)> {
    let of = |arm| sum(&of(trials, |it| it.arm == arm && which(it)));
    let both = [Arm::Monolith, Arm::Split].map(|arm| (arm, of(arm)));
    both.into_iter().filter(|(_, tally)| tally.deploys > 0).collect()
}

/// Whether it waits for as long as the longest job takes.
fn is_patient(subject: Subject, longest_ms: u32) -> bool {
    subject.grace_s.saturating_mul(1_000) >= longest_ms
}

fn answers(measured: &Measured) -> Vec<Answer> {
    let (trials, longest_ms) = (&measured.trials, measured.lengths_ms[1]);
    let at_once = architectures(trials, |it| it.restarts_jobs() && it.grace_s == 0);
    let left = architectures(trials, |it| !it.restarts_jobs());
    let patient = architectures(trials, |it| it.restarts_jobs() && is_patient(it, longest_ms));
    let sides: Vec<_> = at_once.iter().map(|(_, tally)| beyond(tally.share, LIMIT)).collect();
    let restarted = all_alike(&sides);
    let none = |each: &[(Arm, Tally)]| {
        let of = |(_, it): &(Arm, Tally)| never(it.interrupted, it.share, LIMIT);
        let outcomes: Vec<_> = each.iter().map(of).collect();
        if outcomes.is_empty() { Outcome::Inconclusive } else { together(&outcomes) }
    };
    let (untouched, waited) = (none(&left), none(&patient));
    // Where it is true of one architecture only, the architecture matters after all.
    let hangs = match (restarted, untouched) {
        (Outcome::Depends, _) => Outcome::Refuted,
        (restarted, untouched) => together(&[restarted, untouched]),
    };
    let both = [at_once.clone(), left.clone()].concat();
    let answer = |question, outcome, each: &[(Arm, Tally)], bound| {
        let all = pooled(each);
        let because = because(outcome, each, bound);
        Answer { question, outcome, because, cases: all.met, share: all.share, bound }
    };
    vec![
        Answer {
            because: because_of_both(&at_once, &left),
            ..answer(
                "Whether a deploy of the interface interrupts jobs hangs on whether their process is \
                 restarted, in both architectures",
                hangs,
                &both,
                Bound::MoreThan,
            )
        },
        answer(
            "It interrupts jobs where their process is restarted at once",
            restarted,
            &at_once,
            Bound::MoreThan,
        ),
        answer(
            "It interrupts none where their process is left running",
            untouched,
            &left,
            Bound::AtMost,
        ),
        answer(
            "It interrupts none where their process is restarted, and waits for them first",
            waited,
            &patient,
            Bound::AtMost,
        ),
        amiss(trials),
    ]
}

fn pooled(each: &[(Arm, Tally)]) -> Tally {
    let total = |of: fn(&Tally) -> u64| each.iter().map(|(_, tally)| of(tally)).sum::<u64>();
    let (met, interrupting) = (total(|it| it.met), total(|it| it.interrupting));
    Tally { met, interrupting, share: share(interrupting, met), ..Tally::default() }
}

fn part((arm, tally): &(Arm, Tally)) -> String {
    let Tally { met, interrupting, share, running, interrupted, .. } = tally;
    let [interrupted, running] = [interrupted, running].map(|jobs| words::count(*jobs));
    let (arm, share) = (arm.name(), interval(*share));
    format!(
        "{arm}: {interrupting} of {met} deploys interrupted jobs, {share}; {interrupted} jobs, where \
         {running} ran"
    )
}

fn because(outcome: Outcome, each: &[(Arm, Tally)], bound: Bound) -> String {
    let mut parts: Vec<String> = each.iter().map(part).collect();
    if outcome == Outcome::Inconclusive && bound == Bound::AtMost {
        parts.push(format!("{} such deploys of each would decide", cases_for(LIMIT)));
    }
    words::sentences(parts.into_iter())
}

fn because_of_both(restarted: &[(Arm, Tally)], left: &[(Arm, Tally)]) -> String {
    let of = |each: &[(Arm, Tally)]| {
        let part = |(arm, tally): &(Arm, Tally)| {
            let Tally { met, interrupting, .. } = tally;
            format!("{interrupting} of {met} deploys of the {}", arm.name())
        };
        words::list(&each.iter().map(part).collect::<Vec<_>>())
    };
    let parts = [
        format!("restarted at once, jobs were interrupted by {}", of(restarted)),
        format!("left running, by {}", of(left)),
    ];
    words::sentences(parts.into_iter())
}

/// Whether any deploy loses a job, or has it done twice; the planted arm runs the same queue.
fn amiss(trials: &[Trial]) -> Answer {
    let all = sum(&of(trials, |_| true));
    let share = share(all.amiss, all.deploys);
    let outcome = never(all.amiss, share, LIMIT);
    let Tally { lost, twice, jobs, deploys, .. } = all;
    let [lost, twice, jobs] = [lost, twice, jobs].map(words::count);
    let mut parts = vec![format!(
        "of {jobs} jobs in {deploys} deploys {lost} were lost and {twice} had their effect twice"
    )];
    match (outcome, share) {
        (Outcome::Supported, Some(share)) => parts.push(format!(
            "at 95 % confidence fewer than {} of such deploys do it",
            percent(share.high)
        )),
        (Outcome::Inconclusive, _) => {
            parts.push(format!("{} deploys would decide", cases_for(LIMIT)));
        }
        _ => {}
    }
    Answer {
        question: "No deploy loses a job or has its effect happen twice",
        outcome,
        because: words::sentences(parts.into_iter()),
        cases: deploys,
        share,
        bound: Bound::AtMost,
    }
}

/// Nothing may be interrupted where nothing was deployed, twins must agree, and the worker that is
/// restarted although its subject says otherwise must be noticed.
fn certificate(trials: &[Trial]) -> Certificate {
    let check = |comparison, passed, found, text| {
        check(Metric::Interruptions, comparison, passed, found, text)
    };
    let still: Vec<&Trial> = trials.iter().filter(|trial| trial.number == 0).collect();
    let whole = |trial: &&&Trial| {
        let amiss = trial.lost + trial.twice + trial.interrupted;
        trial.void.is_none() && trial.running > 0 && amiss == 0
    };
    let (good, of_all) = (still.iter().filter(whole).count(), still.len());
    let jobs: u64 = still.iter().map(|trial| trial.jobs).sum();
    let sentence = format!(
        "Where nothing is deployed, {good} of {of_all} systems do each of their jobs once and without \
         an interruption; {jobs} jobs in all."
    );
    let without =
        check(Comparison::Boundary, (of_all > 0).then_some(good == of_all), None, sentence);

    let tally = |arm| sum(&of(trials, |it| it.arm == arm));
    let [twin, planted] = [Arm::Twin, Arm::Planted].map(tally);
    let twins = |it: Subject| {
        let twin = trials.iter().find(|trial| trial.subject.arm == Arm::Twin);
        twin.is_some_and(|twin| it == Subject { arm: Arm::Monolith, ..twin.subject })
    };
    let monolith = sum(&of(trials, twins));
    let enough = monolith.met > 0 && twin.met > 0;
    let counts = [&monolith, &twin].map(|it| [it.interrupting, it.met]);
    let chance = same_share(counts[0], counts[1]);
    let sentence = format!(
        "{} of {} and {} of {} deploys interrupted jobs: as far apart with probability {chance}, if \
         they are alike.",
        monolith.interrupting, monolith.met, twin.interrupting, twin.met
    );
    let null = check(Comparison::Null, enough.then_some(chance > SURPRISING), twin.share, sentence);
    let Tally { met, interrupting, interrupted, share, .. } = planted;
    let sentence = format!(
        "{interrupting} of {met} deploys that restarted a worker, and said that they left it running, \
         interrupted jobs, {interrupted} in all."
    );
    let caught = (met > 0).then_some(interrupting > 0);
    let planted = check(Comparison::Planted, caught, share, sentence);
    counted::certificate(vec![without, null, planted])
}

#[cfg(test)]
#[path = "deploys_tests.rs"]
pub(super) mod tests;
