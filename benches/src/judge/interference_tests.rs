//! Runs of x5 made up from what is true, judged.

use std::collections::BTreeMap;

use super::{super::summarise_with, *};
use crate::{
    experiment::{self, Design, Preset},
    fleet::quota::{Enforcement, Millicores, Share},
    jobs::{BUDGET, Group, Second},
    judge::summary::{Outcome, Summary},
    record::{Composition, Histogram, Parity, Pilot},
    scaling::Step,
    synthetic::{Noise, Truth},
};

/// What is true of a made-up run.
#[derive(Clone, Copy, Debug)]
struct Facts {
    preset: Preset,
    /// The share of late pages per share of the core that jobs take, place by place.
    late: fn(Arm, Place) -> f64,
    /// By which factor p99 rises at the heaviest load.
    p99: fn(Place) -> f64,
    /// The twin's latency, and what waiting adds, milliseconds.
    twin: f64,
    waits: f64,
    /// How much others use in every second round, and what is late then on top.
    foreign: f64,
    disturbed: f64,
}

/// As theory has it: only the event loop is in the way.
const SOUND: Facts = Facts {
    preset: Preset::Standard,
    late: |_, place| if place == Place::EventLoop { 0.9 } else { 0.0 },
    p99: |place| match place {
        Place::EventLoop => 60.0,
        Place::Inside => 1.6,
        Place::Quota => 4.0,
        _ => 1.02,
    },
    twin: 1.0,
    waits: 2.0,
    foreign: 0.0,
    disturbed: 0.0,
};

/// A run that nothing is wrong with.
pub(crate) fn interference_of(preset: Preset) -> Run {
    made_up(Facts { preset, ..SOUND })
}

fn slice(group: &Group, load: u32, round: u32, facts: Facts, noise: &mut Noise) -> Slice {
    let odd = round % 2 == 1;
    let share = f64::from(load) / 100.0;
    let scheduled = 1_500;
    let wait = if group.arm == Arm::Waiting { facts.waits } else { 0.0 };
    let scale = if group.arm == Arm::Twin { facts.twin } else { 1.0 };
    let shared = 1.0 + ((facts.p99)(group.place) - 1.0) * share / 0.4;
    let late = (facts.late)(group.arm, group.place) * share
        + if odd && load > 0 { facts.disturbed } else { 0.0 };
    let late = (late * scheduled as f64 * (0.05 * noise.normal()).exp()).round() as u64;
    let us = |ms: f64, noise: &mut Noise| {
        ((ms * scale * (0.005 * noise.normal()).exp() + wait) * 1e3) as u64
    };
    let slow = if shared > 10.0 { 20.0 } else { 6.0 * shared };
    let latency = Histogram(vec![
        (us(2.0, noise), scheduled - late - 30),
        (us(slow, noise), 30),
        (200_000, late),
    ]);
    let job = group.job;
    let jobs = job.amount(load, 3.0).0;
    let busy = if group.arm == Arm::Split { 1.0 } else { 0.5 };
    Slice {
        load,
        jobs,
        done: jobs.into(),
        pages: Step {
            rate: 500.0,
            seconds: 3.0,
            seed: 1,
            scheduled,
            completed: scheduled,
            errors: BTreeMap::new(),
            latency,
            lag_p99_ms: 0.1,
            elapsed: 3.0,
            cpu_ms: BTreeMap::new(),
            resident_mib: BTreeMap::new(),
            tiers: BTreeMap::new(),
            foreign_cpu: if odd { facts.foreign } else { 0.0 },
            steal: 0.0,
            pressure: None,
            jobs: None,
            void: None,
        },
        seconds: vec![Second { due: 500, late: late / 2 }; 3],
        cpu_ms: busy * 1_500.0 + f64::from(jobs * job.ms),
        answer_ms: (jobs > 0).then_some(3.0),
        wait_ms: (jobs > 0).then_some(8.0),
        drained_ms: 20.0,
        void: None,
    }
}

fn made_up(facts: Facts) -> Run {
    let Design::Interference(design) = experiment::find("x5").unwrap().design else { panic!() };
    let design = design(facts.preset);
    let mut noise = Noise::new(3);
    let mut trials = Vec::new();
    for round in 0..design.rounds() {
        // One of the other jobs is enough to be shown.
        let shown = |job: Job| job == design.headline || job.ms == 3_000;
        let groups = design.groups.iter().filter(|group| shown(group.job));
        for group in groups.filter(|group| round < group.rounds) {
            let Group { arm, place, job, .. } = *group;
            let loads = group.loads.iter();
            let slices = loads.map(|load| slice(group, *load, round, facts, &mut noise)).collect();
            trials.push(Trial { round, arm, place, job, slices, void: None });
        }
    }
    let share = Share { asked: Millicores(250), achieved: 0.25, throttled: 1.0 };
    Run {
        id: "20260101T000000Z-5".to_owned(),
        experiment: "x5".to_owned(),
        preset: facts.preset.to_string(),
        command: format!("cargo lab run x5 --preset {} --db postgres --seed 5", facts.preset),
        database: "postgres".to_owned(),
        parity: Parity::default(),
        pilot: Pilot::default(),
        slices: Vec::new(),
        starts: Vec::new(),
        interference: Some(Measured {
            budget: Some(BUDGET),
            enforcement: Some(Enforcement::CgroupV1(share)),
            rate: 500.0,
            planted_ms: 2.0,
            trials,
        }),
        ..Truth { preset: facts.preset, ..Truth::default() }.run()
    }
}

/// The same figures as if from a composition, which has one place for the jobs of each architecture.
pub(crate) fn composed_interference(preset: Preset) -> Run {
    let mut run = interference_of(preset);
    run.composition = Some(Composition { engine: "26.1".to_owned(), containers: Vec::new() });
    let Design::Interference(design) = experiment::find("x5").unwrap().design else { panic!() };
    let groups = design(preset).in_composition().groups;
    let measured = run.interference.as_mut().unwrap();
    (measured.budget, measured.enforcement, measured.planted_ms) = (None, None, 0.0);
    measured.trials.retain(|trial| {
        let of = |group: &Group| (group.arm, group.place, group.job);
        groups.iter().any(|group| of(group) == (trial.arm, trial.place, trial.job))
    });
    run
}

fn judged(run: &Run) -> Summary {
    summarise_with(run, 300).unwrap()
}

fn outcomes(facts: Facts) -> Vec<Option<Outcome>> {
    judged(&made_up(facts)).verdicts.iter().map(|verdict| verdict.outcome).collect()
}

#[test]
fn a_place_in_the_serving_process_that_is_sufficient_refutes_the_claim() {
    use Outcome::{Refuted, Supported};
    let summary = judged(&made_up(SOUND));
    let outcomes: Vec<_> = summary.verdicts.iter().map(|it| it.outcome.unwrap()).collect();
    // The claim, the stricter one, then event loop, inside, low priority, weights, quota.
    assert_eq!(outcomes, [Refuted, Refuted, Refuted, Supported, Supported, Supported, Supported]);
    let whole = &summary.verdicts[0].because;
    assert!(whole.contains("Not sufficient: in the request, on an event loop."), "{whole}");
    let strict = &summary.verdicts[1].because;
    assert!(
        strict.contains(
            "Sufficient: on a low-priority thread of the server and in a process of their \
                         own, by weight."
        ),
        "{strict}"
    );
}

#[test]
fn only_where_every_place_in_the_process_is_in_the_way_a_process_is_needed() {
    let apart = |_: Arm, place: Place| if place.is_apart() { 0.0 } else { 0.9 };
    assert_eq!(outcomes(Facts { late: apart, ..SOUND })[0], Some(Outcome::Supported));
    // If nothing is sufficient, neither is what was claimed to be.
    assert_eq!(outcomes(Facts { late: |_, _| 0.9, ..SOUND })[0], Some(Outcome::Refuted));
    // In the split alone is in the way, too.
    let split = |arm: Arm, place: Place| match (arm, place) {
        (Arm::Split, Place::Low | Place::Inside) | (_, Place::EventLoop) => 0.9,
        _ => 0.0,
    };
    let verdicts = judged(&made_up(Facts { late: split, ..SOUND })).verdicts;
    assert_eq!(verdicts[0].outcome, Some(Outcome::Supported));
    assert_eq!(verdicts[4].outcome, Some(Outcome::Depends));
    assert!(verdicts[4].because.contains("It is so for the monolith at 5 %"), "{:?}", verdicts[4]);
}

#[test]
fn what_lies_at_the_limit_is_not_decided() {
    let near = |_: Arm, place: Place| if place == Place::EventLoop { 0.9 } else { 0.025 };
    let verdicts = judged(&made_up(Facts { late: near, ..SOUND })).verdicts;
    assert_eq!(verdicts[0].outcome, Some(Outcome::Inconclusive), "{:?}", verdicts[0]);
}

#[test]
fn an_instrument_that_fails_its_controls_gives_no_verdict() {
    for facts in [Facts { twin: 1.2, ..SOUND }, Facts { waits: 0.5, ..SOUND }] {
        let summary = judged(&made_up(facts));
        assert!(!summary.certificate.certified, "{facts:?}");
        assert!(summary.verdicts.iter().all(|verdict| verdict.outcome.is_none()));
    }
    let smoke = judged(&made_up(Facts { preset: Preset::Smoke, ..SOUND }));
    assert!(smoke.verdicts.iter().all(|verdict| verdict.outcome.is_none()));
    assert!(smoke.verdicts[0].because.starts_with("Smoke"));
}

#[test]
fn an_answer_that_hangs_on_flagged_rounds_is_none() {
    let foreign = Facts { foreign: 0.2, ..SOUND };
    assert_eq!(outcomes(foreign)[0], Some(Outcome::Refuted), "quiet rounds say the same");
    let hanging = judged(&made_up(Facts { disturbed: 0.04, ..foreign }));
    assert_eq!(hanging.verdicts[3].outcome, Some(Outcome::Inconclusive));
    let because = &hanging.verdicts[3].because;
    assert!(because.contains("flagged") || because.contains("would decide"), "{because}");
    assert!(!hanging.interfered.unwrap().flagged.is_empty());
}

#[test]
fn a_slice_without_its_jobs_counts_for_nothing_and_is_told_of() {
    let mut run = made_up(SOUND);
    let trial = &mut run.interference.as_mut().unwrap().trials[0];
    trial.slices[1].void = Some("3 of 4 jobs were done".to_owned());
    let (arm, place, job, load) = (trial.arm, trial.place, trial.job, trial.slices[1].load);
    let found = judged(&run).interfered.unwrap();
    let of = |cell: &&Cell| (cell.arm, cell.place, cell.job, cell.load) == (arm, place, job, load);
    assert_eq!(found.cells.iter().find(of).unwrap().rounds, 7);
    assert_eq!(found.void_slices.len(), 1);
    assert!(found.void_slices[0].trial.ends_with(&format!("{} at {load} %", job.name())));
}

#[test]
fn a_trial_that_was_tried_again_fills_its_round() {
    let mut run = made_up(SOUND);
    let trials = &mut run.interference.as_mut().unwrap().trials;
    let again = trials[0].clone();
    trials[0].slices[1].void = Some("3 of 4 jobs were done".to_owned());
    trials.push(again);
    let before = judged(&made_up(SOUND)).interfered.unwrap();
    let after = judged(&run).interfered.unwrap();
    assert_eq!(after.cells, before.cells);
    assert_eq!((after.trials, after.void_slices.len()), (before.trials + 1, 1));
}

#[test]
fn no_p99_comes_from_few_requests_and_no_share_is_certainly_zero() {
    let found = judged(&made_up(Facts { preset: Preset::Quick, ..SOUND })).interfered.unwrap();
    assert!(found.cells.iter().all(|cell| cell.p99.is_none() && cell.p99_ratio.is_none()));
    let low = found.row(Arm::Monolith, Place::Low, found.headline).last().unwrap();
    let late = low.late.unwrap();
    assert_eq!(late.value, 0.0);
    assert!((late.high - 3.0 / low.requests as f64).abs() < 1e-6, "{late:?}");
}

#[test]
fn theory_is_drawn_from_what_pages_cost_without_jobs() {
    let found = judged(&made_up(SOUND)).interfered.unwrap();
    let of = |arm, place| {
        let mut curves = found.curves.iter();
        let curve = curves.find(|it| (it.arm, it.place) == (arm, place)).unwrap();
        *curve.points.last().unwrap()
    };
    // Half a millisecond a page, 500 a second, jobs at 40 %: see the module's formula.
    let late = of(Arm::Monolith, Place::EventLoop).late.unwrap();
    let busy = Busy { pages: 0.25, jobs: 0.4, job_ms: 300.0 };
    assert!((late - busy.waiting_longer(50.0).unwrap()).abs() < 1e-4, "{late}");
    assert_eq!(of(Arm::Split, Place::Inside).late, None);
    assert!(of(Arm::Split, Place::Inside).p99_ms.unwrap() > 6.0);
}

#[test]
fn a_composition_is_compared_with_itself_without_jobs_and_gets_no_verdict() {
    for preset in [Preset::Smoke, Preset::Standard] {
        let summary = judged(&composed_interference(preset));
        assert!(summary.certificate.uncontrolled());
        assert!(summary.verdicts.iter().all(|verdict| verdict.outcome.is_none()));
        let found = summary.interfered.unwrap();
        // What theory says is about another machine: one core, and nobody beside.
        assert!(found.curves.is_empty() && found.void_trials.is_empty());
        let places: std::collections::BTreeSet<_> =
            found.cells.iter().map(|cell| (cell.arm, cell.place)).collect();
        assert!(
            places
                .into_iter()
                .eq([Arm::Monolith, Arm::Split].map(|arm| (arm, Place::in_composition(arm))))
        );
        for cell in &found.cells {
            assert!(cell.rounds > 1 && cell.added.is_some(), "{cell:?}");
        }
        let rules: Vec<_> = found.rules(Asked::Late).map(|rule| rule.place).collect();
        assert_eq!(rules, [Place::Inside, Place::Quota]);
    }
    let verdicts = judged(&composed_interference(Preset::Quick)).verdicts;
    assert!(verdicts[0].because.contains("no controls"), "{:?}", verdicts[0]);
}
