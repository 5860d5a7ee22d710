//! The same searches on a running composition: its servers get more and more containers, one kind of
//! server at a time, and each time the goodput is looked for at the published ports.
//!
//! There is nothing to tune: every container has what the compose file gives it. So all trials are those
//! of a ladder, and as a composition has no twin they give figures and no verdict.

use std::{collections::BTreeMap, mem, path::PathBuf, time::Instant};

use anyhow::{Context, ensure};
use chrono::Utc;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use super::{
    Goodput, Measured, Mix, Scaling, Setup, Stage, Trial, setups,
    steps::{Observer, Steps},
    trials::{AGAIN, FIRST, worth},
    worth_going_on,
};
use crate::{
    capacity::Modelled,
    composition::{Composition, Replicas, Scaled, Standing},
    experiment::Preset,
    fleet::{
        budget::Budget,
        topology::{Role, Tier},
    },
    journal::{Begun, Progress},
    load::Target,
    machine,
    pilot::Found,
    progress,
    record::{Arm, Machine, Pilot, Run},
    relay::Balancing,
    run::{Instrument, Order},
    stats::shuffle,
    store::{self, Folder},
    testbed::Testbed,
};

/// What is different from the card's experiment, beside what is different in every composition.
const REMARK: &str = "every container has what the compose file gives it, so setups have different \
                      budgets: the figures say what one more container brings here, and not how a budget \
                      is best spent; jobs are left out";

/// One step of the ladder.
struct Rung {
    arm: Arm,
    replicas: Replicas,
    setup: Setup,
}

/// All trials of a run.
struct Ladder<'a> {
    design: &'a Scaling,
    rounds: u32,
    rungs: &'a [Rung],
    instrument: &'a Instrument,
    found: &'a Found,
    slo_ms: f64,
    /// Cores of the machine.
    cores: f64,
    rng: ChaCha8Rng,
    /// What was found last, by mix and setup.
    last: BTreeMap<(String, String), f64>,
    done: Vec<Trial>,
}

/// Climbs the ladder on the composition that runs, and returns the run with the folder where it is kept.
/// However it ends, there is one container of each server then.
///
/// # Errors
/// One line: what is missing, or what Docker says. A container that ends costs its trial and nothing
/// else.
pub async fn measure_composition(
    order: &Order,
    design: &Scaling,
) -> anyhow::Result<(PathBuf, Run)> {
    let own_balancers = order.balancing == Balancing::default();
    ensure!(own_balancers, "--balancer: a composition has balancers of its own");
    let started = Utc::now();
    let machine = machine::machine()?;
    let mut testbed = Testbed::prepare(&order.place).await?;
    let instrument = Instrument::at(&testbed)?;
    // What can't be scaled is not worth a look at.
    drop(Scaled::of(composition(&testbed)?)?);
    let (parity, mut found) = instrument.before(&mut testbed, order, None).await?;
    // Nothing is planted here.
    found.pilot = Pilot { planted_ms: 0.0, waiting_ms: 0.0, ..found.pilot };
    let rungs = rungs(&design.units, &each(composition(&testbed)?, &machine)?);
    let mut circumstances = testbed.circumstances(machine).await?;
    circumstances.layout.fallbacks.extend(found.remark.clone());
    circumstances.layout.fallbacks.push(REMARK.to_owned());
    let mut folder = Folder::create(&store::root()?, started, order.seed)?;
    let clock = Instant::now();
    let ladder = Ladder {
        design,
        // Containers take seconds to come and to go.
        rounds: if order.preset == Preset::Smoke { 1 } else { design.climbing },
        rungs: &rungs,
        instrument: &instrument,
        found: &found,
        slo_ms: order.experiment.card.slo_ms,
        cores: f64::from(circumstances.machine.cores),
        rng: ChaCha8Rng::seed_from_u64(order.seed),
        last: BTreeMap::new(),
        done: Vec::new(),
    };
    let mut scaled = Scaled::of(composition(&testbed)?)?;
    let trials = ladder.climb(&mut scaled).await;
    let seconds = clock.elapsed().as_secs_f64();
    let put_back = scaled.put_back().await;
    let measured = measured(design, rungs, trials?)?;
    let programs = testbed.fingerprints()?;
    let begun = Begun::new(order, started, circumstances, programs, (parity, found));
    let progress = Progress { seconds, ..Progress::default() };
    let run = Run { scaling: Some(measured), ..begun.record(folder.id.clone(), progress) };
    folder.finish(&run)?;
    put_back.map(|()| (folder.path.clone(), run))
}

fn composition(testbed: &Testbed) -> anyhow::Result<&Composition> {
    match testbed {
        Testbed::Composition(composition) => Ok(composition),
        Testbed::Processes(_) => anyhow::bail!("this is no composition"),
    }
}

/// What one container of each server may use.
fn each(composition: &Composition, machine: &Machine) -> anyhow::Result<Vec<Tier>> {
    let roles = [Role::Monolith, Role::SplitFrontend, Role::SplitBackend];
    roles.into_iter().map(|role| composition.each(role, machine)).collect()
}

/// For the record.
fn measured(design: &Scaling, rungs: Vec<Rung>, trials: Vec<Trial>) -> anyhow::Result<Measured> {
    let setups: Vec<Setup> = rungs.into_iter().map(|rung| rung.setup).collect();
    // There is no budget that all setups have. This is that of one monolith.
    let unit = Budget::of(&setups.first().context("there is nothing to scale")?.topology);
    Ok(Measured {
        mixes: design.mixes_of_pages().cloned().collect(),
        budget: unit,
        unit,
        setups,
        enforcement: None,
        balancing: Balancing::Haproxy,
        trials,
        modelled: Modelled::default(),
        shifts: Vec::new(),
    })
}

/// From one of each server on: more monoliths; more frontends beside one backend; more backends behind
/// one frontend. `each` is what one of a server may use.
fn rungs(units: &[u32], each: &[Tier]) -> Vec<Rung> {
    let more = |role: Role| units.iter().filter(|n| **n > 1).map(move |n| (role, *n));
    let monoliths = [(Role::Monolith, 1)].into_iter().chain(more(Role::Monolith));
    let splits = [(Role::SplitFrontend, 1)].into_iter();
    let splits = splits.chain(more(Role::SplitFrontend)).chain(more(Role::SplitBackend));
    let rung = |(scaled, containers): (Role, u32)| {
        let arm = if scaled == Role::Monolith { Arm::Monolith } else { Arm::Split };
        let replicas = |role: Role| if role == scaled { containers } else { 1 };
        let is_of_arm = |tier: &&Tier| (tier.role == Role::Monolith) == (arm == Arm::Monolith);
        let tiers = each.iter().filter(is_of_arm);
        let tiers = tiers.map(|tier| Tier { replicas: replicas(tier.role), ..*tier });
        Rung {
            arm,
            setup: setups::of_containers(tiers.collect()),
            replicas: each.iter().map(|tier| (tier.role, replicas(tier.role))).collect(),
        }
    };
    monoliths.chain(splits).map(rung).collect()
}

impl Ladder<'_> {
    /// Every round tries each rung once, in an order of its own, on all mixes.
    ///
    /// # Errors
    /// One line, when there is no point in going on.
    async fn climb(mut self, scaled: &mut Scaled<'_>) -> anyhow::Result<Vec<Trial>> {
        let all = self.rungs.len() * self.design.mixes_of_pages().count() * self.rounds as usize;
        let bar = progress::bar("Measuring", all as u64);
        for round in 0..self.rounds {
            let mut order: Vec<&Rung> = self.rungs.iter().collect();
            shuffle(&mut self.rng, &mut order);
            // The same visitors for all, and others in every round.
            let seed = self.rng.next_u64();
            for rung in order {
                bar.set_message(format!("{}, {}", rung.arm.name(), rung.setup.name()));
                let mut standing = scaled.to(rung.arm, &rung.replicas).await;
                for mix in self.design.mixes_of_pages() {
                    let mut trial = empty(rung, mix, round);
                    match &mut standing {
                        Ok(standing) => self.search(standing, rung, mix, (seed, &mut trial)).await,
                        Err(error) => trial.void = Some(format!("{error:#}")),
                    }
                    self.done.push(trial);
                    bar.inc(1);
                }
                worth_going_on(self.done.iter().map(|trial| trial.void.as_deref()))?;
            }
        }
        bar.finish_and_clear();
        Ok(self.done)
    }

    async fn search(
        &mut self,
        standing: &mut Standing,
        rung: &Rung,
        mix: &Mix,
        (seed, trial): (u64, &mut Trial),
    ) {
        let Standing { view, added, fleet, shares } = standing;
        // They came up once, whatever is asked for afterwards.
        trial.servers = mem::take(added);
        let Instrument { generator, visitors } = self.instrument;
        let target = Target { server: view.front, paths: visitors.mixed(mix.home, mix.article) };
        let (view, slo_ms) = (view.clone(), self.slo_ms);
        let steps = Steps {
            at: Observer { generator, target: target.clone(), beside: None, view },
            labour: None,
            slo_ms,
            number: self.design.steps,
            seconds: self.design.seconds,
            seed,
        };
        let key = (mix.name.clone(), trial.setup.clone());
        let cores = Budget::of(&rung.setup.topology).cpu.cores().min(self.cores);
        let (guess, stride) = match self.last.get(&key) {
            Some(last) => (*last, AGAIN),
            None => (FIRST.0 * worth(cores, mix, self.found), FIRST.1),
        };
        let searched = fleet.unless_one_dies(async {
            shares.settle(generator, &target).await?;
            steps.at.warm_up().await?;
            steps.search(guess, stride, &mut trial.steps).await
        });
        trial.void = searched.await.err().map(|error| format!("{error:#}"));
        if let (None, Goodput::Found(rate)) = (&trial.void, trial.goodput(slo_ms)) {
            self.last.insert(key, rate);
        }
    }
}

/// A trial in which nothing has happened yet.
fn empty(rung: &Rung, mix: &Mix, round: u32) -> Trial {
    Trial {
        stage: Stage::Climbing,
        round,
        mix: mix.name.clone(),
        arm: rung.arm,
        setup: rung.setup.name().to_owned(),
        servers: Vec::new(),
        steps: Vec::new(),
        loads: Vec::new(),
        void: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::quota::{Cpu, Millicores};

    fn each() -> Vec<Tier> {
        let roles = [Role::Monolith, Role::SplitFrontend, Role::SplitBackend];
        let tier = |role: Role| {
            let db_connections = if role == Role::SplitFrontend { 0 } else { 8 };
            let cpu = Cpu::Quota(Millicores(1_000));
            Tier { role, replicas: 1, cpu, memory_mib: 512, db_connections }
        };
        roles.map(tier).into()
    }

    /// Everything of which there are several, by the setup's name.
    fn several(units: &[u32]) -> Vec<(String, Vec<(Role, u32)>)> {
        let more = |rung: Rung| {
            let more = rung.replicas.into_iter().filter(|(_, n)| *n > 1).collect();
            (rung.setup.name().to_owned(), more)
        };
        rungs(units, &each()).into_iter().map(more).collect()
    }

    #[test]
    fn one_server_at_a_time_has_several_containers() {
        let named = |name: &str, more: &[(Role, u32)]| (name.to_owned(), more.to_vec());
        let found = several(&[1, 2]);
        assert_eq!(
            found,
            [
                named("1 monolith", &[]),
                named("2 monoliths", &[(Role::Monolith, 2)]),
                named("1 frontend + 1 backend", &[]),
                named("2 frontends + 1 backend", &[(Role::SplitFrontend, 2)]),
                named("1 frontend + 2 backends", &[(Role::SplitBackend, 2)]),
            ]
        );
        assert_eq!(several(&[1, 2, 3, 4]).len(), 4 + 7);
        assert!(several(&[1, 2, 3, 4]).iter().all(|(_, more)| more.len() <= 1));
    }

    #[test]
    fn every_setup_says_what_its_containers_may_use() {
        for rung in rungs(&[1, 2], &each()) {
            rung.setup.topology.check().unwrap();
            let of_arm: u32 = rung.setup.topology.tiers.iter().map(|tier| tier.replicas).sum();
            let cpu = Budget::of(&rung.setup.topology).cpu;
            assert_eq!(cpu, Millicores(1_000 * of_arm), "{}", rung.setup.name());
            // What is said of an architecture is done to the whole composition.
            assert_eq!(rung.replicas.len(), 3);
        }
    }
}
