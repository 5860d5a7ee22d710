//! Runs of x7 made up from what is true, judged.

use super::{super::summarise_with, *};
use crate::{
    deploys::{Deploys, Release},
    durability::Place,
    experiment::{self, Design},
    judge::summary::Summary,
    record::{Parity, Pilot, Run},
    synthetic::Truth,
};

/// What is true of a made-up run.
#[derive(Clone, Copy)]
struct Facts {
    preset: Preset,
    /// Whether this deploy of a subject, the how-manieth it is, interrupts jobs; the longest takes so
    /// many milliseconds.
    interrupts: fn(Subject, u32, u32) -> bool,
    /// What is interrupted without any deploy.
    restless: u64,
    /// Whether a job is lost.
    loses: fn(Subject, u32) -> bool,
}

/// As it should be: jobs are interrupted where their process is restarted and does not wait for them.
const SOUND: Facts = Facts {
    preset: Preset::Standard,
    interrupts: |it, _, longest_ms| {
        (it.restarts_jobs() || it.arm == Arm::Planted) && it.grace_s * 1_000 < longest_ms
    },
    restless: 0,
    loses: |_, _| false,
};

/// A run that nothing is wrong with.
pub(crate) fn deploys_of(preset: Preset) -> Run {
    made_up(Facts { preset, ..SOUND })
}

fn trial(subject: Subject, number: u32, longest_ms: u32, facts: Facts) -> Trial {
    let deployed = number > 0;
    let hit = deployed && (facts.interrupts)(subject, number, longest_ms);
    let interrupted = if hit { 3 } else { 0 };
    let asked_ms = 1_000.0 + f64::from(number % 7);
    let again_ms = if hit { 200.0 + f64::from(number % 5) } else { 0.0 };
    Trial {
        subject,
        number,
        jobs: 30,
        running: 5,
        interrupted: if deployed { interrupted } else { facts.restless },
        lost: u64::from(deployed && (facts.loses)(subject, number)),
        twice: 0,
        asked_ms,
        used_ms: 1.05 * asked_ms + again_ms,
        drained: deployed.then_some(f64::from(subject.grace_s) / 2.0 + 0.5),
        trouble: None,
        void: None,
    }
}

fn made_up(facts: Facts) -> Run {
    let Design::Deploys(design) = experiment::find("x7").unwrap().design else { panic!() };
    let Deploys { subjects, deploys, longest_ms } = design(facts.preset);
    let each = |subject| (0..=deploys).map(move |n| trial(subject, n, longest_ms, facts));
    let trials = subjects.into_iter().flat_map(each).collect();
    Run {
        id: "20260101T000000Z-7".to_owned(),
        experiment: "x7".to_owned(),
        preset: facts.preset.to_string(),
        command: format!("cargo lab run x7 --preset {} --db sqlite --seed 7", facts.preset),
        parity: Parity::default(),
        pilot: Pilot::default(),
        slices: Vec::new(),
        starts: Vec::new(),
        deploys: Some(Measured { lengths_ms: [100, longest_ms], computes: 0.01, trials }),
        ..Truth { preset: facts.preset, ..Truth::default() }.run()
    }
}

fn judged(run: &Run) -> Summary {
    summarise_with(run, 200).unwrap()
}

fn outcomes(facts: Facts) -> Vec<Option<Outcome>> {
    judged(&made_up(facts)).verdicts.iter().map(|verdict| verdict.outcome).collect()
}

const SUPPORTED: Option<Outcome> = Some(Outcome::Supported);
const REFUTED: Option<Outcome> = Some(Outcome::Refuted);
const OPEN: Option<Outcome> = Some(Outcome::Inconclusive);

#[test]
fn restarts_that_interrupt_and_workers_that_go_on_are_told_apart() {
    for preset in [Preset::Quick, Preset::Standard, Preset::Full] {
        assert_eq!(outcomes(Facts { preset, ..SOUND }), [SUPPORTED; 5], "{preset}");
    }
    let summary = judged(&made_up(SOUND));
    assert!(summary.certificate.certified, "{:#?}", summary.certificate);
    assert_eq!(summary.findings.len(), QUESTIONS.len());
    let deployed = summary.deployed.unwrap();
    let cpu = |which: fn(Subject) -> bool| {
        let row = deployed.rows.iter().find(|row| which(row.subject)).unwrap();
        row.tally.cpu.unwrap()
    };
    // What is done again shows in the CPU, and in nothing else.
    assert!(cpu(Subject::restarts_jobs).low > 1.2);
    let left = cpu(|it| !it.restarts_jobs() && it.arm == Arm::Monolith);
    assert!(left.contains(1.05) && left.high < 1.06, "{left:?}");
}

#[test]
fn one_job_that_is_interrupted_behind_a_workers_back_refutes_that_it_is_spared() {
    let once: fn(Subject, u32, u32) -> bool = |it, n, ms| {
        let here = it.arm == Arm::Split && it.place == Place::Apart && n == 9;
        (SOUND.interrupts)(it, n, ms) || here
    };
    let found = outcomes(Facts { interrupts: once, ..SOUND });
    assert_eq!(found, [REFUTED, SUPPORTED, REFUTED, SUPPORTED, SUPPORTED]);
}

#[test]
fn it_is_the_architecture_after_all_where_one_of_them_is_never_interrupted() {
    let monolith_only: fn(Subject, u32, u32) -> bool =
        |it, n, ms| (SOUND.interrupts)(it, n, ms) && it.arm != Arm::Split;
    let found = outcomes(Facts { interrupts: monolith_only, ..SOUND });
    assert_eq!(found, [REFUTED, Some(Outcome::Depends), SUPPORTED, SUPPORTED, SUPPORTED]);
}

#[test]
fn a_drain_that_is_cut_short_and_a_lost_job_are_seen() {
    let impatient: fn(Subject, u32, u32) -> bool = |it, n, ms| {
        (SOUND.interrupts)(it, n, ms) || (it.arm == Arm::Split && it.grace_s > 0 && n == 3)
    };
    let found = outcomes(Facts { interrupts: impatient, ..SOUND });
    assert_eq!(found, [SUPPORTED, SUPPORTED, SUPPORTED, REFUTED, SUPPORTED]);
    let loses: fn(Subject, u32) -> bool = |it, n| it.release == Release::Everything && n == 2;
    let found = outcomes(Facts { loses, ..SOUND });
    assert_eq!(found, [SUPPORTED, SUPPORTED, SUPPORTED, SUPPORTED, REFUTED]);
}

#[test]
fn few_deploys_decide_nothing_although_nothing_was_interrupted() {
    let mut run = made_up(SOUND);
    let trials = &mut run.deploys.as_mut().unwrap().trials;
    trials.retain(|it| {
        it.subject.arm == Arm::Planted || it.subject.restarts_jobs() || it.number < 29
    });
    // Of the split there are two such systems.
    trials
        .retain(|it| it.subject.arm != Arm::Split || it.subject.restarts_jobs() || it.number < 15);
    let verdicts = judged(&run).verdicts;
    let found: Vec<_> = verdicts.iter().map(|verdict| verdict.outcome).collect();
    assert_eq!(found, [OPEN, SUPPORTED, OPEN, SUPPORTED, SUPPORTED]);
    assert!(verdicts[2].because.contains("29 such deploys"), "{}", verdicts[2].because);
}

#[test]
fn without_its_controls_a_run_says_nothing() {
    let twins: fn(Subject, u32, u32) -> bool =
        |it, n, ms| it.arm != Arm::Twin && (SOUND.interrupts)(it, n, ms);
    let unnoticed: fn(Subject, u32, u32) -> bool =
        |it, n, ms| it.arm != Arm::Planted && (SOUND.interrupts)(it, n, ms);
    for (which, facts) in [
        Facts { restless: 1, ..SOUND },
        Facts { interrupts: twins, ..SOUND },
        Facts { interrupts: unnoticed, ..SOUND },
    ]
    .into_iter()
    .enumerate()
    {
        let summary = judged(&made_up(facts));
        let checks = summary.certificate.checks.iter().enumerate();
        let failed: Vec<usize> =
            checks.filter(|(_, check)| check.passed == Some(false)).map(|(n, _)| n).collect();
        assert_eq!(failed, [which]);
        assert!(summary.verdicts.iter().all(|verdict| verdict.outcome.is_none()));
    }
    assert_eq!(outcomes(Facts { preset: Preset::Smoke, ..SOUND }), [None; 5]);
}

#[test]
fn a_deploy_that_never_was_does_not_count_and_is_named() {
    let mut run = made_up(SOUND);
    let trials = &mut run.deploys.as_mut().unwrap().trials;
    let trial = trials.iter_mut().find(|it| it.number > 0 && it.subject.restarts_jobs()).unwrap();
    (trial.void, trial.lost) =
        (Some("the deploy: the new page was answered with 500".to_owned()), 7);
    let summary = judged(&run);
    assert_eq!(summary.verdicts[4].outcome, SUPPORTED);
    let deployed = summary.deployed.unwrap();
    assert_eq!((deployed.void.len(), deployed.rows[0].tally.deploys), (1, 35));
}
