//! Runs of c2 made up from what is true, judged.

use std::collections::BTreeMap;

use super::super::{scaled::Confirmed, summarise_with};
use crate::{
    capacity::Modelled,
    experiment::{self, Design, Preset},
    fleet::quota::{Enforcement, Share},
    judge::summary::{Outcome, Summary},
    record::{Histogram, Page, PageCost, Parity, Pilot, Run},
    relay::Balancing,
    scaling::{Done, Jobs, Mix, Server, Tier as Groups},
    servers::{BACKEND, FRONTEND, WORK},
    synthetic::{Noise, Truth},
};

use super::*;

/// What is true of a made-up run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    preset: Preset,
    /// Goodput of the best split and of the twin, against the monolith's.
    split: f64,
    twin: f64,
    /// How much rounds differ.
    noise: f64,
    /// How busy the other core is at the goodput.
    beside: f64,
    /// How much others use in every second round.
    foreign: f64,
    /// By which factor the split does better in those rounds.
    disturbed: f64,
}

const SOUND: Facts = Facts {
    preset: Preset::Quick,
    split: 0.6,
    twin: 1.0,
    noise: 0.02,
    beside: 0.6,
    foreign: 0.0,
    disturbed: 1.0,
};

/// A run that nothing is wrong with.
pub(crate) fn sound_scaling() -> Run {
    made_up(SOUND)
}

/// One step: everybody is served in 10 ms below the goodput, and in 80 ms above. Where there are jobs
/// it is these alone that are late.
fn step(
    (rate, goodput): (f64, f64),
    roles: &[&str],
    jobs: Option<Jobs>,
    facts: Facts,
    foreign_cpu: f64,
) -> Step {
    let scheduled = rate.round() as u64;
    let keeps = rate <= goodput;
    let us = if keeps || jobs.is_some() { 10_000 } else { 80_000 };
    let done = |jobs: Jobs| {
        let asked = jobs.number(rate, 1.0);
        let in_time = u64::from(asked) - u64::from(!keeps);
        Done { asked, accepted: asked.into(), in_time, drained_ms: 20.0, wait_ms: 12.0 }
    };
    let groups = Groups { cpu_ms: 200.0, throttled: 0.4, stopped_ms: 90.0 };
    let servers = roles.iter().map(|role| ((*role).to_owned(), groups.cpu_ms));
    let beside = [("postgres".to_owned(), facts.beside * 1e3)];
    Step {
        rate,
        seconds: 1.0,
        seed: 1,
        scheduled,
        completed: scheduled,
        errors: BTreeMap::new(),
        latency: Histogram(vec![(us, scheduled)]),
        lag_p99_ms: 0.1,
        elapsed: 1.0,
        cpu_ms: servers.chain(beside).collect(),
        resident_mib: roles.iter().map(|role| ((*role).to_owned(), 20.0)).collect(),
        tiers: roles.iter().map(|role| ((*role).to_owned(), groups)).collect(),
        foreign_cpu,
        steal: 0.0,
        pressure: Some(0.2),
        jobs: jobs.map(done),
        void: None,
    }
}

/// A trial whose search ends in a bracket of 1 % around `goodput`.
fn trial(
    (stage, round): (Stage, u32),
    mix: &Mix,
    arm: Arm,
    setup: &Setup,
    goodput: f64,
    facts: Facts,
) -> Trial {
    let roles: Vec<&str> = setup.topology.tiers.iter().map(|tier| tier.role.name()).collect();
    let foreign = if round % 2 == 1 { facts.foreign } else { 0.0 };
    let server =
        |role: &&str| Server { role: (*role).to_owned(), first_ok_ms: 120.0, resident_mib: 15.0 };
    let rates = [0.5, 1.3, 0.995, 1.005].map(|share| share * goodput);
    Trial {
        stage,
        round,
        mix: mix.name.clone(),
        arm,
        setup: setup.name().to_owned(),
        servers: roles.iter().map(server).collect(),
        steps: rates.map(|rate| step((rate, goodput), &roles, mix.jobs, facts, foreign)).into(),
        loads: Vec::new(),
        void: None,
    }
}

/// Every setup that is tried, and all trials.
fn trials(design: &Scaling, facts: Facts) -> (Vec<Setup>, Vec<Trial>) {
    let mut noise = Noise::new(7);
    let mut setups: Vec<Setup> =
        design.ways.all().chain(design.ways_with_jobs.all()).cloned().collect();
    let mut trials = Vec::new();
    for mix in &design.mixes {
        let of_arm = |arm| match arm {
            Arm::Split => facts.split,
            Arm::Twin => facts.twin,
            _ => 1.0,
        };
        for round in 0..design.tuning {
            for arm in ARMS {
                // The second setup is the best one, and the others are much worse.
                for (number, setup) in design.setups(arm, mix).iter().enumerate() {
                    let off = if number == 1 { 1.0 } else { 0.7 };
                    let goodput = 1000.0 * of_arm(arm) * off;
                    let of = (Stage::Tuning, round);
                    trials.push(trial(of, mix, arm, setup, goodput, facts));
                }
            }
        }
        for round in 0..design.confirming {
            for arm in ARMS {
                let disturbed = arm == Arm::Split && round % 2 == 1;
                let off = if disturbed { facts.disturbed } else { 1.0 };
                let goodput = 1000.0 * of_arm(arm) * off * (facts.noise * noise.normal()).exp();
                let best = &design.setups(arm, mix)[1];
                trials.push(trial((Stage::Confirming, round), mix, arm, best, goodput, facts));
            }
        }
        // Nobody climbs with jobs.
        for units in design.units.iter().filter(|_| mix.jobs.is_none()) {
            for arm in [Arm::Monolith, Arm::Split] {
                let best = &design.setups(arm, mix)[1];
                let setup = crate::scaling::ladder(design.unit, *units, best).unwrap();
                let goodput = 600.0 * of_arm(arm) * f64::from(*units);
                trials.push(trial((Stage::Climbing, 0), mix, arm, &setup, goodput, facts));
                if setups.iter().all(|known| known.name() != setup.name()) {
                    setups.push(setup);
                }
            }
        }
    }
    (setups, trials)
}

fn made_up(facts: Facts) -> Run {
    let Design::Scaling(design) = experiment::find("c2").unwrap().design else { panic!("c2") };
    let design = design(facts.preset).unwrap();
    let (setups, trials) = trials(&design, facts);
    let share = Share { asked: Millicores(250), achieved: 0.25, throttled: 1.0 };
    Run {
        id: "20260101T000000Z-7".to_owned(),
        experiment: "c2".to_owned(),
        preset: facts.preset.to_string(),
        command: format!("cargo lab run c2 --preset {} --db postgres --seed 7", facts.preset),
        database: "postgres".to_owned(),
        parity: Parity::default(),
        pilot: Pilot::default(),
        slices: Vec::new(),
        starts: Vec::new(),
        scaling: Some(Measured {
            mixes: design.mixes.clone(),
            budget: design.budget,
            unit: design.unit,
            setups,
            enforcement: Some(Enforcement::CgroupV1(share)),
            balancing: Balancing::Relay,
            trials,
            modelled: Modelled::default(),
            shifts: Vec::new(),
        }),
        ..Truth { preset: facts.preset, ..Truth::default() }.run()
    }
}

fn judged(run: &Run) -> Summary {
    summarise_with(run, 300).unwrap()
}

fn outcomes(facts: Facts) -> Vec<Option<Outcome>> {
    judged(&made_up(facts)).verdicts.iter().map(|verdict| verdict.outcome).collect()
}

#[test]
fn the_rule_alone_decides() {
    use Outcome::{Inconclusive, Refuted, Supported};
    assert_eq!(outcomes(SOUND), [Some(Refuted); 4]);
    assert_eq!(outcomes(Facts { split: 1.2, ..SOUND }), [Some(Supported); 4]);
    // As good, and not better by what matters.
    assert_eq!(outcomes(Facts { split: 1.0, noise: 0.005, ..SOUND }), [Some(Refuted); 4]);
    assert_eq!(outcomes(Facts { split: 1.05, ..SOUND }), [Some(Inconclusive); 4]);
    let whole = judged(&made_up(SOUND)).verdicts.remove(0);
    assert!(whole.question.contains("at least 5 %") && whole.because == "It is so on no mix.");
}

#[test]
fn a_search_that_finds_a_difference_between_twins_gives_no_verdict() {
    let summary = judged(&made_up(Facts { twin: 1.15, ..SOUND }));
    assert!(!summary.certificate.certified);
    assert!(summary.verdicts.iter().all(|verdict| verdict.outcome.is_none()));
    assert_eq!(outcomes(Facts { preset: Preset::Smoke, ..SOUND }), [None; 3]);
}

#[test]
fn where_another_core_was_full_nothing_is_decided() {
    let summary = judged(&made_up(Facts { beside: 0.95, ..SOUND }));
    let verdict = &summary.verdicts[1];
    assert_eq!(verdict.outcome, Some(Outcome::Inconclusive));
    assert!(verdict.because.contains("95 % busy"), "{}", verdict.because);
}

#[test]
fn an_answer_that_hangs_on_disturbed_rounds_is_none() {
    let quiet = Facts { split: 1.3, noise: 0.001, ..SOUND };
    let disturbed = Facts { foreign: 0.2, ..quiet };
    assert_eq!(outcomes(disturbed)[1], Some(Outcome::Supported), "the quiet rounds say the same");
    let hanging = Facts { split: 0.99, disturbed: 1.7, noise: 0.001, foreign: 0.2, ..SOUND };
    let summary = judged(&made_up(hanging));
    assert_eq!(summary.verdicts[1].outcome, Some(Outcome::Inconclusive));
    let scaled = summary.scaled.unwrap();
    let ratios = scaled.mixes[0].ratios;
    assert_eq!((ratios.rounds, ratios.quiet_rounds), (5, 3));
    assert!(ratios.split_gated.unwrap().high < 1.05);
    assert!(scaled.flagged.iter().any(|remark| remark.why == "others used 20.0 % of the CPU"));
}

#[test]
fn a_generator_that_is_late_by_more_than_a_tenth_of_the_slo_is_a_doubt() {
    let rounds = |lag_p99_ms: f64| {
        let mut run = made_up(SOUND);
        let trials = run.scaling.iter_mut().flat_map(|it| &mut it.trials);
        trials.flat_map(|it| &mut it.steps).for_each(|step| step.lag_p99_ms = lag_p99_ms);
        let summary = judged(&run);
        let Ratios { rounds, quiet_rounds, .. } = summary.scaled.unwrap().mixes[0].ratios;
        (summary.verdicts[1].outcome, rounds, quiet_rounds)
    };
    assert_eq!(rounds(4.9), (Some(Outcome::Refuted), 5, 5));
    assert_eq!(rounds(5.1), (Some(Outcome::Inconclusive), 5, 0));
}

#[test]
fn what_tuning_found_chooses_and_says_nothing_more() {
    let mut run = made_up(SOUND);
    let before = judged(&run).scaled.unwrap().mixes.remove(0);
    let chosen: Vec<&str> =
        before.tuned.iter().filter(|it| it.chosen).map(|it| it.setup.as_str()).collect();
    let measured = run.scaling.as_mut().unwrap();
    let confirmed: Vec<&str> = before.confirmed.iter().map(|it| it.setup.as_str()).collect();
    assert_eq!(chosen, confirmed);
    // Twice as good in tuning, and no better afterwards.
    for trial in measured.trials.iter_mut().filter(|it| it.stage == Stage::Tuning) {
        trial.steps.iter_mut().for_each(|step| step.rate *= 2.0);
    }
    let after = judged(&run).scaled.unwrap().mixes.remove(0);
    assert_eq!(before.ratios, after.ratios);
    assert_eq!(before.confirmed, after.confirmed);
}

#[test]
fn a_void_trial_costs_its_round_and_is_told_of() {
    let mut run = made_up(SOUND);
    let measured = run.scaling.as_mut().unwrap();
    let victim =
        measured.trials.iter_mut().find(|it| it.is(Stage::Confirming, "data-heavy", Arm::Split));
    victim.unwrap().void = Some("split-backend died during the run (signal: 9)".to_owned());
    let step = &mut measured.trials[0].steps[0];
    step.void = Some("the clock jumped by 3.0s".to_owned());
    let summary = judged(&run);
    assert_eq!(summary.verdicts[0].outcome, Some(Outcome::Refuted), "the run goes on");
    let scaled = summary.scaled.unwrap();
    assert_eq!(scaled.mixes[0].ratios.rounds, 5);
    assert_eq!(scaled.mixes[1].ratios.rounds, 4);
    let void = &scaled.void_trials[0];
    assert!(
        void.trial.starts_with("confirming, data-heavy, round 0, split frontend 1 × "),
        "{void:?}"
    );
    assert_eq!(scaled.void_steps.len(), 1);
}

#[test]
fn figures_come_with_what_went_on_beside_them() {
    let scaled = judged(&made_up(SOUND)).scaled.unwrap();
    let split: &Confirmed =
        scaled.mixes[0].confirmed.iter().find(|it| it.arm == Arm::Split).unwrap();
    assert_eq!(split.around.throttled, [(BACKEND, 0.4), (FRONTEND, 0.4)].map(owned).into());
    assert_eq!((split.around.beside, split.around.pressure), (0.6, Some(0.2)));
    assert!((split.frontend.unwrap() - 0.5).abs() < 1e-9);
    let replica = scaled.replicas.iter().find(|it| it.role == FRONTEND).unwrap();
    assert_eq!(
        (replica.db_connections, replica.first_ok_ms, replica.started_mib),
        (0, 120.0, 15.0)
    );
    let cpus: Vec<f64> = scaled.mixes[0].climbed.iter().map(|it| it.cpu).collect();
    assert_eq!(cpus, [0.25, 0.25, 0.5, 0.5]);
}

/// Above the goodput pages are as fast as below: it ends where jobs are not done in time.
#[test]
fn jobs_that_do_not_keep_up_are_what_gives_way() {
    let scaled = judged(&made_up(SOUND)).scaled.unwrap();
    let [.., with_jobs] = &scaled.mixes[..] else { panic!("no mixes") };
    assert_eq!(with_jobs.jobs.unwrap().each.ms, 20);
    assert!(with_jobs.climbed.is_empty() && with_jobs.laws.is_empty());
    assert_eq!(with_jobs.tuned.len(), 9);
    for best in &with_jobs.confirmed {
        let jobs = best.around.jobs.unwrap();
        assert_eq!((jobs.pages_late, jobs.jobs_late, jobs.trials), (0, 5, 5), "{best:?}");
        assert_eq!(jobs.wait_ms, 12.0);
        // Each tier of these uses 200 ms in a step.
        let tiers = best.around.throttled.len() as f64;
        let made_of = 20.0 * (best.goodput.unwrap().value / 120.0);
        assert!((jobs.share * 200.0 * tiers / made_of - 1.0).abs() < 0.1, "{best:?}");
    }
    assert!(scaled.mixes.iter().rev().skip(1).all(|mix| mix.confirmed[0].around.jobs.is_none()));
    let worker = scaled.replicas.iter().find(|it| it.role == WORK).unwrap();
    assert_eq!((worker.db_connections, worker.cpu), (6, 0.12));
    let others = scaled.replicas.iter().filter(|it| it.role != WORK);
    assert!(others.clone().count() > 0 && others.clone().all(|it| it.db_connections != 14));
}

fn owned((name, value): (&str, f64)) -> (String, f64) {
    (name.to_owned(), value)
}

/// A run with predictions, of a world whose demands are known, in which measurements differ by so
/// much.
pub(crate) fn foretold_scaling(noise: f64) -> Run {
    use crate::capacity::{
        Sealed, Setting, predict,
        tests::{World, mix},
    };
    let mut world = World::new(noise);
    let mut run = made_up(Facts { preset: Preset::Quick, ..SOUND });
    let mixes: Vec<Mix> = world.mixes.iter().cloned().chain([mix("even", 1, 1)]).collect();
    let setups = world.setups[6..].to_vec();
    let cells: Vec<(usize, &Mix)> =
        (0..setups.len()).flat_map(|setup| mixes.iter().map(move |mix| (setup, mix))).collect();
    let settings = cells.iter().map(|(setup, mix)| {
        let arm = if setup % 2 == 0 { Arm::Monolith } else { Arm::Split };
        Setting { arm, setup: &setups[*setup], units: 4, mix }
    });
    run.seed = 1;
    let measured = run.scaling.as_mut().unwrap();
    measured.trials.retain(|trial| trial.stage != Stage::Climbing);
    // First of all that was known.
    let mut trials = world.trials.clone();
    trials.append(&mut measured.trials);
    world.trials = trials;
    let predictions = predict(world.facts(), &settings.collect::<Vec<_>>()).unwrap();
    for (cell, (setup, mix)) in predictions.cells.iter().zip(&cells) {
        let loads: Vec<f64> = cell.loads.iter().map(|load| load.rate).collect();
        let trial = world.trial(Stage::HeldOut, &setups[*setup], mix, &loads);
        measured.trials.push(trial);
    }
    let (sealed, _) = Sealed::now(predictions, world.trials.len()).unwrap();
    measured.trials.splice(0..0, world.trials);
    for setup in &world.setups {
        if measured.setups.iter().all(|known| known.name() != setup.name()) {
            measured.setups.push(setup.clone());
        }
    }
    measured.modelled = Modelled { samples: world.samples, sealed: Some(sealed) };
    run.layout.load_cores = vec![0];
    for (page, backend_calls) in [(Page::Home, 2), (Page::Article, 3)] {
        run.parity.per_page.insert(page, PageCost { statements: 1, backend_calls });
    }
    run
}
