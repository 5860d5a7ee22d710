//! Runs of x8 made up from what is true, judged.

use super::{super::summarise_with, *};
use crate::{
    experiment::{self, Design},
    judge::summary::Summary,
    record::{Parity, Pilot, Run},
    synthetic::Truth,
    ticks::Ticks,
};

/// How often a tick happens, and how many seconds after its time.
type Happens = fn(Subject, Trouble, u32) -> (u64, f64);

/// What is true of a made-up run.
#[derive(Clone, Copy)]
struct Facts {
    preset: Preset,
    happens: Happens,
}

/// As it should be: rows keep their schedule, timers keep one each.
const SOUND: Facts = Facts { preset: Preset::Standard, happens: sound };

fn sound(it: Subject, trouble: Trouble, number: u32) -> (u64, f64) {
    match (it.arm, it.timer, trouble) {
        (Arm::Planted, ..) => (2, 0.5),
        (_, Timer::Row, _) => (1, 2.5),
        (_, Timer::Bare, Trouble::Skew) => (it.replicas.into(), -1.5),
        // One that dies is not always there in time.
        (_, Timer::Bare, Trouble::Kill) if number.is_multiple_of(3) => {
            (u64::from(it.replicas) - 1, 0.5)
        }
        (_, Timer::Bare, _) => (it.replicas.into(), 0.5),
    }
}

/// A run that nothing is wrong with.
pub(crate) fn ticks_of(preset: Preset) -> Run {
    made_up(Facts { preset, ..SOUND })
}

fn made_up(facts: Facts) -> Run {
    let Design::Ticks(design) = experiment::find("x8").unwrap().design else { panic!() };
    let Ticks { groups, ticks } = design(facts.preset);
    let mut all = Vec::new();
    for group in groups {
        for trouble in group.troubles {
            all.extend((0..ticks).map(|number| {
                let (fired, after) = (facts.happens)(group.subject, trouble, number);
                let after = (fired > 0).then_some(after);
                Tick { subject: group.subject, trouble, number, fired, after, void: None }
            }));
        }
    }
    Run {
        id: "20260101T000000Z-8".to_owned(),
        experiment: "x8".to_owned(),
        preset: facts.preset.to_string(),
        command: format!("cargo lab run x8 --preset {} --db postgres --seed 8", facts.preset),
        database: "postgres".to_owned(),
        parity: Parity::default(),
        pilot: Pilot::default(),
        slices: Vec::new(),
        starts: Vec::new(),
        ticks: Some(Measured { every_s: 5, pause_ms: 2_500, skew_ms: 2_000, ticks: all }),
        ..Truth { preset: facts.preset, ..Truth::default() }.run()
    }
}

fn judged(run: &Run) -> Summary {
    summarise_with(run, 1).unwrap()
}

fn outcomes(facts: Facts) -> Vec<Option<Outcome>> {
    judged(&made_up(facts)).verdicts.iter().map(|verdict| verdict.outcome).collect()
}

/// Most replicas, with rows.
const EIGHT: Subject = Subject { arm: Arm::Monolith, timer: Timer::Row, replicas: 8 };

const SUPPORTED: Option<Outcome> = Some(Outcome::Supported);
const REFUTED: Option<Outcome> = Some(Outcome::Refuted);
const OPEN: Option<Outcome> = Some(Outcome::Inconclusive);

#[test]
fn rows_that_happen_once_and_timers_that_do_not_are_told_apart() {
    for preset in [Preset::Quick, Preset::Standard, Preset::Full] {
        assert_eq!(outcomes(Facts { preset, ..SOUND }), [SUPPORTED; 4], "{preset}");
    }
    let summary = judged(&made_up(SOUND));
    assert!(summary.certificate.certified, "{:#?}", summary.certificate);
    assert_eq!(summary.findings.len(), QUESTIONS.len());
    let ticked = summary.ticked.unwrap();
    let of = |timer, replicas| {
        let subject = Subject { arm: Arm::Monolith, timer, replicas };
        ticked.rows.iter().find(|row| row.subject == subject).unwrap().tally.clone()
    };
    let (alone, eight) = (of(Timer::Bare, 1), of(Timer::Bare, 8));
    assert_eq!((alone.ticks, alone.missed, alone.doubled, alone.early), (100, 9, 0, 25));
    assert_eq!((eight.missed, eight.doubled, eight.early, eight.most), (0, 100, 25, 8));
    assert_eq!(alone.amiss, 34, "who is missed can't be early");
}

#[test]
fn one_tick_of_a_row_that_goes_wrong_refutes_whatever_the_interval_says() {
    let with = |happens: Happens| outcomes(Facts { happens, ..SOUND });
    let missed = |it, trouble, n| {
        if (it, trouble, n) == (EIGHT, Trouble::Pause, 7) {
            (0, 0.0)
        } else {
            sound(it, trouble, n)
        }
    };
    let doubled = |it, trouble, n| {
        if (it, trouble, n) == (EIGHT, Trouble::Pause, 7) {
            (2, 2.5)
        } else {
            sound(it, trouble, n)
        }
    };
    let early = |it, trouble, n| {
        if (it, trouble, n) == (EIGHT, Trouble::Skew, 7) {
            (1, -0.1)
        } else {
            sound(it, trouble, n)
        }
    };
    assert_eq!(with(missed), [REFUTED, SUPPORTED, SUPPORTED, SUPPORTED]);
    assert_eq!(with(doubled), [REFUTED, SUPPORTED, SUPPORTED, SUPPORTED]);
    assert_eq!(with(early), [SUPPORTED, REFUTED, SUPPORTED, SUPPORTED]);
}

#[test]
fn timers_that_keep_out_of_each_others_way_refute_and_few_ticks_decide_nothing() {
    let polite = |it: Subject, trouble, n| match (it.arm, it.timer) {
        (Arm::Monolith | Arm::Twin, Timer::Bare) => (1, 0.5),
        _ => sound(it, trouble, n),
    };
    let found = outcomes(Facts { happens: polite, preset: Preset::Full });
    assert_eq!(found, [SUPPORTED, SUPPORTED, REFUTED, REFUTED]);
    let mut run = made_up(SOUND);
    let ticks = &mut run.ticks.as_mut().unwrap().ticks;
    ticks.retain(|tick| tick.subject.arm != Arm::Monolith || tick.number < 6);
    let verdicts = judged(&run).verdicts;
    let found: Vec<_> = verdicts.iter().map(|verdict| verdict.outcome).collect();
    // 96 of rows, where 99 would do.
    assert_eq!(found, [OPEN, OPEN, SUPPORTED, SUPPORTED]);
    assert!(verdicts[0].because.contains("99 such ticks"), "{}", verdicts[0].because);
}

#[test]
fn without_its_controls_a_run_says_nothing() {
    let restless = |it: Subject, trouble, n| {
        let calm = it.replicas == 1 && trouble == Trouble::None && it.timer == Timer::Row;
        if calm && n == 3 { (0, 0.0) } else { sound(it, trouble, n) }
    };
    let twins = |it: Subject, trouble, n| {
        if it.arm == Arm::Twin && trouble != Trouble::None {
            (2, 0.5)
        } else {
            sound(it, trouble, n)
        }
    };
    let unnoticed = |it: Subject, trouble, n| {
        if it.arm == Arm::Planted { (1, 2.5) } else { sound(it, trouble, n) }
    };
    let all: [Happens; 3] = [restless, twins, unnoticed];
    for (which, happens) in all.into_iter().enumerate() {
        let summary = judged(&made_up(Facts { happens, ..SOUND }));
        let checks = summary.certificate.checks.iter().enumerate();
        let failed: Vec<usize> =
            checks.filter(|(_, check)| check.passed == Some(false)).map(|(n, _)| n).collect();
        assert_eq!(failed, [which]);
        assert!(summary.verdicts.iter().all(|verdict| verdict.outcome.is_none()));
    }
    assert_eq!(outcomes(Facts { preset: Preset::Smoke, ..SOUND }), [None; 4]);
}

#[test]
fn a_round_that_never_was_does_not_count_and_is_named() {
    let mut run = made_up(SOUND);
    let ticks = &mut run.ticks.as_mut().unwrap().ticks;
    let of_round = |it: &&mut Tick| it.subject == EIGHT && it.trouble == Trouble::Kill;
    for tick in ticks.iter_mut().filter(of_round) {
        (tick.void, tick.fired, tick.after) = (Some("a replica has died".to_owned()), 0, None);
    }
    let summary = judged(&run);
    assert_eq!(summary.verdicts[0].outcome, SUPPORTED);
    assert_eq!(summary.ticked.unwrap().void.len(), 25);
}
