use super::*;
use crate::{
    fleet::{budget::Budget, quota::Millicores},
    relay::Policy,
    scaling::{Measured, monoliths},
};

/// A step at `rate` of which every answer took `ms`, on a server that needs a millisecond for each.
pub(crate) fn step(rate: f64, ms: u64) -> Step {
    let scheduled = rate as u64;
    let cpu_ms = [("monolith", rate), ("postgres", rate / 2.0), ("generator", rate / 4.0)];
    let tier = Tier { cpu_ms: rate, throttled: 0.25, stopped_ms: 30.0 };
    Step {
        rate,
        seconds: 1.0,
        seed: 1,
        scheduled,
        completed: scheduled,
        errors: BTreeMap::new(),
        latency: Histogram(vec![(ms * 1000, scheduled)]),
        lag_p99_ms: 0.1,
        elapsed: 1.0,
        cpu_ms: cpu_ms.map(|(name, ms)| (name.to_owned(), ms)).into(),
        resident_mib: [("monolith".to_owned(), 20.0)].into(),
        tiers: [("monolith".to_owned(), tier)].into(),
        foreign_cpu: 0.0,
        steal: 0.0,
        pressure: None,
        jobs: None,
        void: None,
    }
}

/// A trial with these steps.
pub(crate) fn trial(steps: Vec<Step>) -> Trial {
    Trial {
        stage: Stage::Tuning,
        round: 0,
        mix: "render-heavy".to_owned(),
        arm: Arm::Monolith,
        setup: "1 × 0.400 CPU".to_owned(),
        servers: Vec::new(),
        steps,
        loads: Vec::new(),
        void: None,
    }
}

#[test]
fn the_goodput_lies_between_what_kept_the_slo_and_what_did_not() {
    let found = trial(vec![step(100.0, 10), step(200.0, 80), step(121.0, 20)]);
    let Goodput::Found(rate) = found.goodput(50.0) else { panic!("{found:?}") };
    assert!((rate - (121.0f64 * 200.0).sqrt()).abs() < 1e-9);
    assert_eq!(found.at_goodput(50.0).unwrap().rate, 121.0);
    assert_eq!(found.goodput(100.0), Goodput::Above(200.0));
    assert_eq!(found.goodput(5.0), Goodput::Below(100.0));
    assert_eq!(trial(Vec::new()).goodput(50.0), Goodput::Nothing);
}

#[test]
fn a_rate_at_which_jobs_do_not_keep_up_is_not_kept() {
    let with_jobs = |rate, ms, in_time| {
        let jobs = Done { asked: 9, accepted: 9, in_time, drained_ms: 80.0, wait_ms: 30.0 };
        Step { jobs: Some(jobs), ..step(rate, ms) }
    };
    let found =
        trial(vec![with_jobs(100.0, 10, 9), with_jobs(121.0, 10, 8), with_jobs(144.0, 80, 9)]);
    let Goodput::Found(rate) = found.goodput(50.0) else { panic!("{found:?}") };
    assert!((rate - 110.0).abs() < 1e-9, "pages were in time at 121 a second, and a job was not");
    let gave_way = found.gave_way(50.0).unwrap();
    assert!(gave_way.pages_in_time(50.0) && !gave_way.jobs_in_time());
    assert_eq!(found.at_goodput(50.0).unwrap().rate, 100.0);
    // A job that was never accepted was not done either.
    let refused = Done { asked: 9, accepted: 8, in_time: 8, drained_ms: 0.0, wait_ms: 0.0 };
    assert!(!Step { jobs: Some(refused), ..step(100.0, 10) }.keeps(50.0));
}

#[test]
fn a_step_that_is_void_says_nothing_about_the_goodput() {
    let mut steps = vec![step(100.0, 10), step(200.0, 80)];
    steps[1].void = Some("the clock jumped".to_owned());
    assert_eq!(trial(steps).goodput(50.0), Goodput::Above(100.0));
}

#[test]
fn an_answer_that_never_came_is_late() {
    let mut lost = step(100.0, 10);
    lost.latency.0[0].1 = 98;
    assert!(!lost.keeps(50.0));
    lost.latency.0[0].1 = 99;
    assert!(lost.keeps(50.0));
}

#[test]
fn the_cpu_of_servers_is_told_from_that_of_everybody_else() {
    let step = step(100.0, 10);
    assert_eq!((step.cpu_of(true), step.cpu_of(false)), (100.0, 75.0));
}

#[test]
fn of_setups_that_were_tried_to_the_end_the_best_is_chosen() {
    let budget = Budget { cpu: Millicores(400), memory_mib: 640, db_connections: 20 };
    let ways = [1, 2, 4].map(|replicas| (replicas, Policy::RoundRobin));
    let setups = monoliths(budget, &ways).unwrap();
    let tried = |round, index: usize, rate: f64| {
        let steps = vec![step(rate, 10), step(1.01 * rate, 80)];
        Trial { round, setup: setups[index].name().to_owned(), ..trial(steps) }
    };
    let ranked = |trials: &[Trial]| -> Vec<String> {
        let ranked = Measured::ranked(&setups, trials, "render-heavy", Arm::Monolith, 50.0);
        ranked.into_iter().map(|setup| setup.name().to_owned()).collect()
    };
    let names = |order: &[usize]| -> Vec<_> {
        order.iter().map(|index| setups[*index].name().to_owned()).collect()
    };
    let mut trials = vec![tried(0, 0, 90.0), tried(0, 1, 120.0), tried(0, 2, 100.0)];
    assert_eq!(ranked(&trials), names(&[1, 2, 0]));
    // The first was not tried again. That the others fell behind it since says nothing about it.
    trials.extend([tried(1, 1, 40.0), tried(1, 2, 70.0)]);
    assert_eq!(ranked(&trials), names(&[2, 1]));
    assert_eq!(ranked(&[]), names(&[]));
}
