//! Runs of x6 made up from what is true, judged.

use super::{super::summarise_with, *};
use crate::{
    durability::{Durability, Group},
    experiment::{self, Design},
    judge::summary::Summary,
    record::{Parity, Pilot, Run},
    synthetic::Truth,
};

/// What is true of a made-up run.
#[derive(Clone, Copy)]
struct Facts {
    preset: Preset,
    /// Whether this kill of a subject, the how-manieth it is, loses jobs.
    loses: fn(Subject, u64) -> bool,
    /// What is missing without any kill.
    amiss: u64,
    /// How often a job is done twice.
    twice: fn(Subject, u64) -> bool,
}

/// As it should be: what is only in memory goes, and so does what ended too early.
const SOUND: Facts = Facts {
    preset: Preset::Standard,
    loses: |it, _| it.keeping == Keeping::Spawn || it.arm == Arm::Planted,
    amiss: 0,
    twice: |_, _| false,
};

/// A run that nothing is wrong with.
pub(crate) fn durability_of(preset: Preset) -> Run {
    made_up(Facts { preset, ..SOUND })
}

fn trial(subject: Subject, blow: Blow, number: u64, facts: Facts) -> Trial {
    let killed = blow != Blow::None;
    let loses = killed && (facts.loses)(subject, number);
    // Every tenth kill meets nothing.
    let at_stake = if killed && !number.is_multiple_of(10) { 7 } else { 0 };
    let lost = if loses { at_stake } else { 0 };
    Trial {
        subject,
        blow,
        accepted: 10,
        at_stake,
        lost: if killed { lost } else { facts.amiss },
        twice: u64::from(killed && (facts.twice)(subject, number)),
        unasked: 0,
        unanswered: u64::from(killed),
        unanswered_lost: 0,
        recovered: (killed && lost == 0).then_some(1.0 + (number % 5) as f64 / 10.0),
        trouble: None,
        void: None,
    }
}

fn made_up(facts: Facts) -> Run {
    let Design::Durability(design) = experiment::find("x6").unwrap().design else { panic!() };
    let Durability { groups } = design(facts.preset);
    let mut trials = Vec::new();
    for Group { subject, points, times, random } in groups {
        let named = points.iter().flat_map(|point| (0..times).map(|_| Blow::At(*point, 2)));
        let blows = [Blow::None].into_iter().chain(named);
        let blows = blows.chain((0..u64::from(random)).map(|n| Blow::After(50 + n)));
        let each = blows.zip(0..).map(|(blow, number)| trial(subject, blow, number, facts));
        trials.extend(each);
    }
    Run {
        id: "20260101T000000Z-6".to_owned(),
        experiment: "x6".to_owned(),
        preset: facts.preset.to_string(),
        command: format!("cargo lab run x6 --preset {} --db sqlite --seed 6", facts.preset),
        parity: Parity::default(),
        pilot: Pilot::default(),
        slices: Vec::new(),
        starts: Vec::new(),
        durability: Some(Measured { job_ms: 250, lease_ms: 600, pause_ms: 25, trials }),
        ..Truth { preset: facts.preset, ..Truth::default() }.run()
    }
}

fn judged(run: &Run) -> Summary {
    summarise_with(run, 1).unwrap()
}

fn outcomes(facts: Facts) -> Vec<Option<Outcome>> {
    judged(&made_up(facts)).verdicts.iter().map(|verdict| verdict.outcome).collect()
}

const SUPPORTED: Option<Outcome> = Some(Outcome::Supported);
const REFUTED: Option<Outcome> = Some(Outcome::Refuted);
const OPEN: Option<Outcome> = Some(Outcome::Inconclusive);

#[test]
fn a_queue_that_keeps_its_jobs_and_spawns_that_do_not_are_told_apart() {
    for preset in [Preset::Quick, Preset::Standard, Preset::Full] {
        let facts = Facts { preset, ..SOUND };
        assert_eq!(outcomes(facts), [SUPPORTED; 5], "{preset}");
    }
    let summary = judged(&made_up(SOUND));
    assert!(summary.certificate.certified, "{:#?}", summary.certificate);
    let because = &summary.verdicts[1].because;
    assert!(because.starts_with("0 of 2,835 jobs at stake in 405 kills were lost."), "{because}");
    assert_eq!(summary.findings.len(), QUESTIONS.len());
}

#[test]
fn one_lost_job_refutes_whatever_the_interval_says() {
    // In one place, and then only in the twin, which is a queue as well.
    let apart: fn(Subject, u64) -> bool = |it, n| {
        (SOUND.loses)(it, n) || (it.place == Place::Apart && it.arm == Arm::Split && n == 9)
    };
    let found = outcomes(Facts { loses: apart, ..SOUND });
    assert_eq!(found, [REFUTED, SUPPORTED, REFUTED, SUPPORTED, SUPPORTED]);
    let twin: fn(Subject, u64) -> bool =
        |it, n| (SOUND.loses)(it, n) || (it.arm == Arm::Twin && n == 9);
    let found = outcomes(Facts { loses: twin, ..SOUND });
    assert_eq!(found, [REFUTED, REFUTED, SUPPORTED, SUPPORTED, SUPPORTED]);
}

#[test]
fn few_kills_decide_nothing_although_nothing_was_lost() {
    let mut run = made_up(SOUND);
    let measured = run.durability.as_mut().unwrap();
    let mut kept = 0;
    measured.trials.retain(|trial| {
        let apart = trial.subject.place == Place::Apart && trial.blow != Blow::None;
        kept += u64::from(apart && trial.at_stake > 0);
        !apart || kept < 58
    });
    let verdicts = judged(&run).verdicts;
    let found: Vec<_> = verdicts.iter().map(|verdict| verdict.outcome).collect();
    assert_eq!(found, [OPEN, SUPPORTED, OPEN, SUPPORTED, SUPPORTED]);
    assert!(verdicts[2].because.contains("59 such kills"), "{}", verdicts[2].because);
}

#[test]
fn spawns_that_survive_refute_and_some_that_do_leave_it_open() {
    let never: fn(Subject, u64) -> bool = |it, _| it.arm == Arm::Planted;
    assert_eq!(outcomes(Facts { loses: never, ..SOUND })[3], REFUTED);
    let in_split: fn(Subject, u64) -> bool =
        |it, _| it.arm == Arm::Planted || (it.keeping == Keeping::Spawn && it.arm == Arm::Split);
    assert_eq!(outcomes(Facts { loses: in_split, ..SOUND })[3], Some(Outcome::Depends));
    let rarely: fn(Subject, u64) -> bool =
        |it, n| it.arm == Arm::Planted || (it.keeping == Keeping::Spawn && n % 20 == 1);
    assert_eq!(outcomes(Facts { loses: rarely, ..SOUND })[3], OPEN);
}

#[test]
fn what_is_done_twice_is_seen() {
    let facts = Facts { twice: |it, n| it.place == Place::Apart && n == 3, ..SOUND };
    assert_eq!(outcomes(facts), [SUPPORTED, SUPPORTED, SUPPORTED, SUPPORTED, REFUTED]);
}

#[test]
fn without_its_controls_a_run_says_nothing() {
    let caught: fn(Subject, u64) -> bool = |it, _| it.keeping == Keeping::Spawn;
    let twins: fn(Subject, u64) -> bool = |it, n| (SOUND.loses)(it, n) || it.arm == Arm::Twin;
    for (which, facts) in [
        Facts { amiss: 1, ..SOUND },
        Facts { loses: twins, ..SOUND },
        Facts { loses: caught, ..SOUND },
    ]
    .into_iter()
    .enumerate()
    {
        let summary = judged(&made_up(facts));
        let failed: Vec<usize> = summary
            .certificate
            .checks
            .iter()
            .enumerate()
            .filter(|(_, check)| check.passed == Some(false))
            .map(|(number, _)| number)
            .collect();
        assert_eq!(failed, [which]);
        assert!(!summary.certificate.certified);
        assert!(summary.verdicts.iter().all(|verdict| verdict.outcome.is_none()));
    }
    assert_eq!(outcomes(Facts { preset: Preset::Smoke, ..SOUND }), [None; 5]);
}

#[test]
fn a_kill_that_never_was_does_not_count_and_is_named() {
    let mut run = made_up(SOUND);
    let trials = &mut run.durability.as_mut().unwrap().trials;
    let trial = trials.iter_mut().find(|trial| trial.blow != Blow::None && trial.at_stake > 0);
    let trial = trial.unwrap();
    (trial.void, trial.lost) = (Some("nobody got to the point".to_owned()), 7);
    let summary = judged(&run);
    let endured = summary.endured.unwrap();
    assert_eq!(summary.verdicts[0].outcome, SUPPORTED);
    assert_eq!(endured.void.len(), 1);
    assert_eq!(endured.rows[0].tally.kills + 1, endured.rows[1].tally.kills);
}
