//! A world whose demands are known, sampled with noise: is it found again, and is what was not tried
//! predicted?

use std::collections::BTreeMap;

use super::network::Machine;
use super::*;
use crate::{
    fleet::{
        budget::Budget,
        deployment::BALANCER,
        quota::{Cpu, Millicores},
        topology::Topology,
    },
    model::network,
    record::Histogram,
    relay::Policy,
    scaling::{Setup, Stage, Trial, ladder, monoliths, splits},
    servers::{BACKEND, FRONTEND, MONOLITH},
    stats::Estimate,
    synthetic::Noise,
};

const UNIT: Budget = Budget { cpu: Millicores(250), memory_mib: 320, db_connections: 12 };
const BUDGET: Budget = Budget { cpu: Millicores(400), memory_mib: 640, db_connections: 20 };

/// The share of the knee up to which the SLO is kept.
const KEPT: f64 = 0.93;

/// Milliseconds of each page that are no CPU.
const DELAY: [f64; CLASSES] = [0.4, 0.9];

pub(crate) fn mix(name: &str, home: usize, article: usize) -> Mix {
    Mix { name: name.to_owned(), home, article, jobs: None }
}

/// Milliseconds of home and article.
fn truth() -> Fitted {
    let exactly = |value: f64| Estimate { value, low: value, high: value };
    let demand = |arm, process: &str, pages: [f64; CLASSES]| Demand {
        arm,
        process: process.to_owned(),
        idle: exactly(0.5),
        pages: pages.map(exactly),
        samples: 0,
    };
    let (a, b) = (Arm::Monolith, Arm::Split);
    let demands = vec![
        demand(a, MONOLITH, [0.4, 0.7]),
        demand(a, "postgres", [0.15, 0.3]),
        demand(a, BALANCER, [0.05, 0.05]),
        demand(b, FRONTEND, [0.35, 0.3]),
        demand(b, BACKEND, [0.25, 0.65]),
        demand(b, "postgres", [0.15, 0.3]),
    ];
    Fitted { demands, condition: 2.0 }
}

/// The world, with what everybody sees of it.
pub(crate) struct World {
    pub(crate) setups: Vec<Setup>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) trials: Vec<Trial>,
    pub(crate) mixes: Vec<Mix>,
    noise: f64,
    random: Noise,
    fitted: Fitted,
}

impl World {
    /// One in which measurements differ by so much, and one and two units are known.
    pub(crate) fn new(noise: f64) -> Self {
        Self::of(noise, truth(), &[1, 2])
    }

    /// One with these demands, of which so many units are known.
    fn of(noise: f64, fitted: Fitted, known: &[u32]) -> Self {
        let best = [
            monoliths(BUDGET, &[(2, Policy::RoundRobin)]).unwrap().remove(0),
            splits(BUDGET, &[50]).unwrap().remove(0),
        ];
        let setups = [1, 2, 3, 4]
            .into_iter()
            .flat_map(|units| best.iter().map(move |best| ladder(UNIT, units, best).unwrap()));
        let mixes = vec![mix("render-heavy", 3, 1), mix("data-heavy", 1, 3)];
        let mut world = Self {
            setups: setups.collect(),
            samples: Vec::new(),
            trials: Vec::new(),
            mixes,
            noise,
            random: Noise::new(5),
            fitted,
        };
        let known = known.iter().flat_map(|units| [2 * units - 2, 2 * units - 1]);
        for number in known.map(|number| number as usize) {
            let setup = &world.setups[number].clone();
            for sample in 0..9 {
                let mix = mix("random", sample + 1, 9 - sample);
                let rate = world.knee(setup, &mix) * (0.25 + 0.05 * ((sample * 5) % 9) as f64);
                let seed = (number * 100 + sample) as u64;
                let step = world.step(setup, &mix, rate, seed);
                let asked =
                    mix.shares().map(|share| (share * step.scheduled as f64).round() as u64);
                let (arm, setup) = (arm(&setup.topology), setup.name().to_owned());
                world.samples.push(Sample { arm, setup, mix, asked, step });
            }
            for mix in world.mixes.clone() {
                let trial = world.trial(Stage::Climbing, setup, &mix, &[]);
                world.trials.push(trial);
            }
        }
        world
    }

    fn machine(&self) -> Machine<'_> {
        Machine { fitted: &self.fitted, load_cores: 1, calls: [2.0, 3.0] }
    }

    fn off(&mut self) -> f64 {
        (self.noise * self.random.normal()).exp()
    }

    /// The true knee.
    pub(crate) fn knee(&self, setup: &Setup, mix: &Mix) -> f64 {
        let setting = Setting { arm: arm(&setup.topology), setup, units: 1, mix };
        let stations = self.machine().stations(setting).unwrap();
        network::knee(&stations.into_iter().map(|(_, it)| it).collect::<Vec<_>>())
    }

    fn step(&mut self, setup: &Setup, mix: &Mix, rate: f64, seed: u64) -> Step {
        let arm = arm(&setup.topology);
        let setting = Setting { arm, setup, units: 1, mix };
        let mean_ms =
            self.machine().mean_ms(setting, rate, |_| 1.0, DELAY, (300, seed)).unwrap_or(99.0);
        let mut step = crate::scaling::step_of(rate, 1);
        let pages = step.scheduled as f64;
        let us = (mean_ms * self.off() * 1e3) as u64;
        step.latency = Histogram(vec![(us, step.scheduled)]);
        step.cpu_ms = BTreeMap::new();
        step.tiers = BTreeMap::new();
        for demand in self.fitted.demands.clone() {
            let there = demand.process != BALANCER || setup.topology.needs_balancer(ROLE);
            if demand.arm == arm && there {
                let each = network::mixed(&demand.pages.map(|it| it.value), &mix.shares());
                let ms = (0.5 + pages * each) * self.off();
                step.cpu_ms.insert(demand.process.clone(), ms);
                let is_server =
                    setup.topology.tiers.iter().any(|it| it.role.name() == demand.process);
                if is_server {
                    let tier = crate::scaling::Tier { cpu_ms: ms, throttled: 0.5, stopped_ms: 9.0 };
                    step.tiers.insert(demand.process.clone(), tier);
                }
            }
        }
        step
    }

    /// A search that ends at what is true, and before it the rates whose latency was predicted.
    pub(crate) fn trial(&mut self, stage: Stage, setup: &Setup, mix: &Mix, loads: &[f64]) -> Trial {
        let goodput = KEPT * self.knee(setup, mix) * self.off();
        let mut steps = Vec::new();
        for (factor, ms) in [(0.995, 10_000), (1.005, 80_000)] {
            let mut step = self.step(setup, mix, factor * goodput, 1);
            step.latency = Histogram(vec![(ms, step.scheduled)]);
            steps.push(step);
        }
        Trial {
            stage,
            round: 0,
            mix: mix.name.clone(),
            arm: arm(&setup.topology),
            setup: setup.name().to_owned(),
            servers: Vec::new(),
            steps,
            loads: loads.iter().map(|rate| self.step(setup, mix, *rate, 77)).collect(),
            void: None,
        }
    }

    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts {
            samples: &self.samples,
            setups: &self.setups,
            trials: &self.trials,
            mixes: &self.mixes,
            unit: UNIT,
            slo_ms: 50.0,
            load_cores: 1,
            calls: [2.0, 3.0],
            seed: 1,
        }
    }
}

const ROLE: crate::fleet::topology::Role = crate::fleet::topology::Role::Monolith;

fn arm(topology: &Topology) -> Arm {
    if topology.replicas(ROLE) > 0 { Arm::Monolith } else { Arm::Split }
}

#[test]
fn demands_are_found_in_what_many_mixes_took() {
    let world = World::new(0.02);
    let fitted = demands(&world.samples, 1, 200).unwrap();
    assert!(fitted.condition < IDENTIFIABLE, "{}", fitted.condition);
    for truth in &truth().demands {
        let found = fitted.of(truth.arm, &truth.process).unwrap();
        for (found, truth) in found.pages.iter().zip(&truth.pages) {
            assert!((found.value / truth.value - 1.0).abs() < 0.1, "{found:?} {truth:?}");
            assert!(found.low < found.value && found.value < found.high);
        }
    }
}

#[test]
fn samples_of_one_mix_can_not_tell_pages_apart() {
    let mut world = World::new(0.0);
    for sample in &mut world.samples {
        sample.asked = [3 * sample.step.scheduled / 4, sample.step.scheduled / 4];
    }
    assert_eq!(demands(&world.samples, 1, 50), None);
}

#[test]
fn more_replicas_and_another_mix_are_predicted_and_better_than_by_straight_lines() {
    let mut world = World::new(0.01);
    let even = mix("even", 1, 1);
    let mixes = [world.mixes[0].clone(), world.mixes[1].clone(), even];
    let wanted: Vec<(Setup, u32)> = world.setups[4..].iter().cloned().zip([3, 3, 4, 4]).collect();
    let settings: Vec<Setting<'_>> = wanted
        .iter()
        .flat_map(|(setup, units)| {
            let arm = arm(&setup.topology);
            mixes.iter().map(move |mix| Setting { arm, setup, units: *units, mix })
        })
        .collect();
    let predictions = predict(world.facts(), &settings).unwrap();
    let (mut covered, mut off) = (0, [0.0; 3]);
    for (cell, setting) in predictions.cells.iter().zip(&settings) {
        let truth = KEPT * world.knee(setting.setup, setting.mix);
        let Predicted { model, linear, law } = cell.goodput;
        covered += usize::from(model.contains(truth));
        for (sum, said) in off.iter_mut().zip([model.value, linear, law]) {
            *sum += (said / truth - 1.0).abs() / settings.len() as f64;
        }
        assert!(cell.per_cpu.model.low < cell.per_cpu.model.high);
        for load in &cell.loads {
            let rate = load.rate;
            let mean = world.machine().mean_ms(*setting, rate, |_| 1.0, DELAY, (4_000, 9)).unwrap();
            assert!((load.mean_ms.value / mean - 1.0).abs() < 0.15, "{load:?} {mean}");
        }
    }
    assert!(covered >= settings.len() * 4 / 5, "{covered} of {}", settings.len());
    assert!(off[0] < 0.03 && off[0] < off[1] && off[0] < off[2], "{off:?}");
    // The same facts say the same again.
    assert_eq!(predict(world.facts(), &settings).unwrap(), predictions);
    world.trials.clear();
    assert_eq!(predict(world.facts(), &settings[..1]), None, "no goodput is known");
}

/// A database that gets more done behind servers that are busy first than where it is itself.
#[test]
fn what_a_tier_does_where_it_is_busy_itself_is_not_taken_from_where_another_is() {
    const BURSTS: f64 = 1.5;
    let mut fitted = truth();
    for demand in fitted.demands.iter_mut().filter(|it| it.process == "postgres") {
        demand.pages = demand.pages.map(|it| it.map(|ms| 4.0 * ms));
    }
    let mut world = World::of(0.01, fitted, &[1, 2, 4]);
    // Twice each, so that it is known how much they scatter.
    for trial in world.trials.clone() {
        let setup = world.setups.iter().find(|setup| setup.name() == trial.setup).unwrap().clone();
        let mix = world.mixes.iter().find(|mix| mix.name == trial.mix).unwrap().clone();
        let again = world.trial(Stage::Climbing, &setup, &mix, &[]);
        world.trials.push(again);
    }
    let of_mix = world.mixes[0].clone();
    let [two, three, four] = [2, 4, 6].map(|number| world.setups[number].clone());
    let binds = |world: &World, setup: &Setup, units| {
        let setting = Setting { arm: Arm::Monolith, setup, units, mix: &of_mix };
        predict(world.facts(), &[setting]).unwrap().cells.remove(0)
    };
    assert_eq!(binds(&world, &two, 2).binds, MONOLITH);
    assert_eq!(binds(&world, &four, 4).binds, BESIDE);
    for trial in &mut world.trials {
        let setup = world.setups.iter().find(|setup| setup.name() == trial.setup).unwrap();
        if units(setup, UNIT) < 4 {
            for step in &mut trial.steps {
                let cpu = step.cpu_ms.iter_mut().filter(|(name, _)| *name == "postgres");
                cpu.for_each(|(_, ms)| *ms /= BURSTS);
            }
        }
    }
    let cell = binds(&world, &three, 3);
    let truth = KEPT * world.knee(&three, &of_mix);
    assert_eq!(cell.binds, BESIDE);
    assert!((cell.goodput.model.value / truth - 1.0).abs() < 0.05, "{cell:?} {truth}");
}

#[test]
fn what_binds_first_is_the_tier_with_the_highest_demand_per_cpu() {
    let world = World::new(0.01);
    let setup = &world.setups[1];
    let of = |mix: &Mix| {
        let setting = Setting { arm: Arm::Split, setup, units: 1, mix };
        predict(world.facts(), &[setting]).unwrap().cells[0].binds.clone()
    };
    assert_eq!(of(&mix("homes", 9, 1)), FRONTEND);
    assert_eq!(of(&mix("articles", 1, 9)), BACKEND);
    let Cpu::Quota(front) = setup.topology.tiers[0].cpu else { panic!("{setup:?}") };
    assert_eq!(front, Millicores(125));
}
