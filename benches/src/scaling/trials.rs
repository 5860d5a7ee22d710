//! Trial after trial: fresh servers, a search, and on to the next, whatever became of the last.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use contract::dataset::Dataset;
use http::Uri;
use in_process::DatabaseUrl;
use indicatif::ProgressBar;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use super::{
    ARMS, Goodput, Jobs, Measured, Mix, Scaling, Setup, better_half,
    labour::Labour,
    setups,
    shift::Shift,
    steps::{Observer, Steps},
    trial::{Server, Stage, Trial},
    worth_going_on,
};
use crate::{
    capacity::{CLASSES, Modelled},
    databases::{Databases, Seeded, running_since},
    fleet::{
        budget::Budget,
        deployment::{self, Deployment, Ground},
    },
    guardian::Guardian,
    ledger::Ledger,
    load::{Generator, Target},
    pilot::Found,
    probe::Watched,
    record::{Arm, Page},
    run,
    stats::shuffle,
    visitors::Visitors,
};

/// Where the first search of a setup begins: as a share of what its CPU would be worth in
/// monolith's pages; and by which factor it goes on from there.
pub(super) const FIRST: (f64, f64) = (0.55, 1.4);

/// By which factor later searches of the same setup go on from what the one before found.
pub(super) const AGAIN: f64 = 1.12;

/// What all trials of a run are given.
pub(super) struct Given<'a> {
    pub(super) ground: Ground<'a>,
    pub(super) design: &'a Scaling,
    pub(super) order: &'a run::Order,
    pub(super) dataset: &'a Dataset,
    /// Where arms have their data from.
    pub(super) seeded: &'a Seeded,
    pub(super) guardian: &'a mut Guardian,
    pub(super) databases: Databases,
    /// The database's server.
    pub(super) server: DatabaseUrl,
    /// Its processes, where they can be seen.
    pub(super) beside: Option<Watched>,
    pub(super) instrument: &'a (Generator, Visitors),
    pub(super) found: &'a Found,
    /// Calls from frontend to backend for each kind of page.
    pub(super) calls: [f64; CLASSES],
    /// Cores of database, generator and balancers.
    pub(super) load_cores: usize,
    /// What has been measured already.
    pub(super) ledger: &'a Ledger,
}

/// All trials of a run.
pub(super) struct Trials<'a> {
    pub(super) given: Given<'a>,
    pub(super) slo_ms: f64,
    pub(super) rng: ChaCha8Rng,
    /// What was found last, by mix, arm and setup.
    pub(super) last: BTreeMap<(String, Arm, String), f64>,
    /// What was measured.
    pub(super) done: Vec<Trial>,
    /// Every setup that was tried.
    pub(super) setups: Vec<Setup>,
    /// What was predicted.
    pub(super) modelled: Modelled,
    /// What became of divisions when the mix shifted.
    pub(super) shifts: Vec<Shift>,
}

/// What a run leaves behind.
pub(super) struct Played {
    pub(super) setups: Vec<Setup>,
    pub(super) trials: Vec<Trial>,
    pub(super) modelled: Modelled,
    pub(super) shifts: Vec<Shift>,
}

/// One trial that is about to be.
pub(super) struct Next<'a> {
    pub(super) stage: Stage,
    round: u32,
    pub(super) mix: &'a Mix,
    pub(super) arm: Arm,
    pub(super) setup: Setup,
}

impl Given<'_> {
    /// Carries out all trials of the design, and returns every setup that was tried with them.
    ///
    /// # Errors
    /// One line, when there is no point in going on.
    pub(super) async fn measure(self, bar: &ProgressBar) -> anyhow::Result<Played> {
        let Self { design, order, .. } = &self;
        let mut trials = Trials {
            slo_ms: order.experiment.card.slo_ms,
            rng: ChaCha8Rng::seed_from_u64(order.seed),
            last: BTreeMap::new(),
            done: Vec::new(),
            setups: design.ways.all().chain(design.ways_with_jobs.all()).cloned().collect(),
            modelled: Modelled::default(),
            shifts: Vec::new(),
            given: self,
        };
        trials.all(bar).await?;
        let Trials { setups, done: trials, modelled, shifts, .. } = trials;
        Ok(Played { setups, trials, modelled, shifts })
    }
}

impl Trials<'_> {
    /// Tuning, confirming and climbing, mix by mix.
    async fn all(&mut self, bar: &ProgressBar) -> anyhow::Result<()> {
        let design = self.given.design;
        for mix in &design.mixes {
            let each = |arm: Arm| design.setups(arm, mix).iter().map(move |it| (arm, it.clone()));
            let every: Vec<_> = ARMS.into_iter().flat_map(each).collect();
            self.rounds(Stage::Tuning, 0..1, mix, &every, bar).await?;
            let better: Vec<_> = ARMS
                .into_iter()
                .flat_map(|arm| self.better(mix, arm).into_iter().map(move |it| (arm, it)))
                .collect();
            self.rounds(Stage::Tuning, 1..design.tuning, mix, &better, bar).await?;
            let best: Vec<_> =
                ARMS.into_iter().filter_map(|arm| Some((arm, self.best(mix, arm)?))).collect();
            self.rounds(Stage::Confirming, 0..design.confirming, mix, &best, bar).await?;
            if mix.jobs.is_some() {
                // Whoever comes later has nothing to do with all these comments.
                self.renew("after").await?;
                continue;
            }
            for units in design.known_units().0 {
                let mut step = Vec::new();
                for (arm, best) in best.iter().filter(|(arm, _)| *arm != Arm::Twin) {
                    step.push((*arm, self.ladder(*units, best)?));
                }
                self.rounds(Stage::Climbing, 0..design.climbing, mix, &step, bar).await?;
            }
        }
        self.shift(bar).await?;
        self.foretell(bar).await
    }

    /// A number that is left to chance.
    pub(super) fn random(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// What a setup becomes with so many units of the budget.
    pub(super) fn ladder(&mut self, units: u32, best: &Setup) -> anyhow::Result<Setup> {
        let setup = setups::ladder(self.given.design.unit, units, best)?;
        if self.setups.iter().all(|known| known.name() != setup.name()) {
            self.setups.push(setup.clone());
        }
        Ok(setup)
    }

    /// Every round tries each of `all` once, in an order of its own.
    pub(super) async fn rounds(
        &mut self,
        stage: Stage,
        rounds: Range<u32>,
        mix: &Mix,
        all: &[(Arm, Setup)],
        bar: &ProgressBar,
    ) -> anyhow::Result<()> {
        for round in rounds {
            let mut order: Vec<usize> = (0..all.len()).collect();
            shuffle(&mut self.rng, &mut order);
            // The same visitors for all, and others in every round.
            let seed = self.random();
            for (arm, setup) in order.into_iter().filter_map(|index| all.get(index)) {
                bar.set_message(format!("{}, {}, {}", mix.name, arm.name(), setup.name()));
                let next = Next { stage, round, mix, arm: *arm, setup: setup.clone() };
                self.trial(next, seed).await?;
                bar.inc(1);
            }
        }
        Ok(())
    }

    async fn trial(&mut self, next: Next<'_>, seed: u64) -> anyhow::Result<()> {
        let name = format!("trial-{}", self.done.len());
        let tried = self.tried(&next, seed, &name);
        let trial: Trial = self.given.ledger.part(&name, tried).await?;
        // Jobs that are left over would be done in the next trial.
        if trial.void.is_some() && next.mix.jobs.is_some() {
            self.renew("again").await?;
        }
        let key = (trial.mix.clone(), trial.arm, trial.setup.clone());
        if let (None, Goodput::Found(rate)) = (&trial.void, trial.goodput(self.slo_ms)) {
            self.last.insert(key, rate);
        }
        self.done.push(trial);
        if self.given.ledger.knows(&name) {
            return Ok(());
        }
        worth_going_on(self.done.iter().map(|trial| trial.void.as_deref()))
    }

    async fn tried(&self, next: &Next<'_>, seed: u64, name: &str) -> anyhow::Result<Trial> {
        let since = running_since(&self.given.server).await?;
        let mut trial = Trial {
            stage: next.stage,
            round: next.round,
            mix: next.mix.name.clone(),
            arm: next.arm,
            setup: next.setup.name().to_owned(),
            servers: Vec::new(),
            steps: Vec::new(),
            loads: Vec::new(),
            void: None,
        };
        match self.start(next.arm, &next.setup, next.mix.jobs, name).await {
            Ok(deployment) => self.search(deployment, next, seed, &mut trial).await,
            Err(error) => trial.void = Some(format!("{error:#}")),
        }
        // Whatever else went wrong then, this is why.
        if running_since(&self.given.server).await? != since {
            trial.void = Some("the database was restarted".to_owned());
        }
        Ok(trial)
    }

    /// Gives all arms their data anew.
    async fn renew(&mut self, when: &str) -> anyhow::Result<()> {
        let name = format!("{when}_{}", self.done.len());
        let Given { seeded, guardian, databases, .. } = &mut self.given;
        *databases = seeded.copies(&name, &ARMS, guardian).await?;
        Ok(())
    }

    async fn search(
        &self,
        mut deployment: Deployment,
        next: &Next<'_>,
        seed: u64,
        trial: &mut Trial,
    ) {
        trial.servers = deployment.replicas().iter().map(Server::of).collect();
        let key = (next.mix.name.clone(), next.arm, next.setup.name().to_owned());
        let (guess, stride) = match self.last.get(&key) {
            Some(last) => (*last, AGAIN),
            None => (FIRST.0 * self.worth(&next.setup, next.mix), FIRST.1),
        };
        let design = self.given.design;
        let mut steps = self.steps(&deployment, next.mix, design.seconds_of(next.mix), seed);
        let labour = match next.mix.jobs {
            Some(jobs) => Some(Labour::begin(jobs, &deployment, self.given.dataset).await),
            None => None,
        };
        let foretold = self.foretold_rates(next);
        let searched = async {
            steps.labour = labour.transpose()?;
            steps.at.warm_up().await?;
            steps.play(&foretold, design.foretelling.seconds_at_times, &mut trial.loads).await?;
            steps.search(guess, stride, &mut trial.steps).await
        };
        let searched = deployment.unless_one_dies(searched).await;
        let ended = deployment.stop().await;
        trial.void = searched.and(ended).err().map(|error| format!("{error:#}"));
    }

    /// Starts a setup on an arm's data, with these jobs.
    pub(super) async fn start(
        &self,
        arm: Arm,
        setup: &Setup,
        jobs: Option<Jobs>,
        name: &str,
    ) -> anyhow::Result<Deployment> {
        let Given { ground, databases, .. } = &self.given;
        let (topology, policy, database) = (&setup.topology, setup.policy, databases.of(arm)?);
        let file = ground.directory.join("jobs.json");
        let flags = &jobs.map_or_else(|| Ok(BTreeMap::new()), |it| it.flags(topology, &file))?;
        let order = deployment::Order { topology, policy, database, arm, name, flags };
        ground.start(order).await
    }

    /// What rates on running servers are tried with.
    pub(super) fn steps(
        &self,
        deployment: &Deployment,
        mix: &Mix,
        seconds: f64,
        seed: u64,
    ) -> Steps<'_> {
        let view = deployment.view();
        let (generator, visitors) = self.given.instrument;
        let paths: Arc<[Uri]> = match mix.jobs {
            None => visitors.mixed(mix.home, mix.article),
            // The article under which comments bring jobs about grows with every one.
            Some(_) => visitors.without_last().mixed(mix.home, mix.article),
        };
        Steps {
            labour: None,
            at: Observer {
                generator,
                target: Target { server: view.front, paths },
                beside: self.given.beside.clone(),
                view,
            },
            slo_ms: self.slo_ms,
            number: self.given.design.steps,
            seconds,
            seed,
        }
    }

    /// What a setup's CPU would be worth in a monolith's pages.
    pub(super) fn worth(&self, setup: &Setup, mix: &Mix) -> f64 {
        worth(Budget::of(&setup.topology).cpu.cores(), mix, self.given.found)
    }

    /// The setup that an arm's tuning trials speak for.
    pub(super) fn best(&self, mix: &Mix, arm: Arm) -> Option<Setup> {
        self.ranked(mix, arm).into_iter().next()
    }

    /// The better half of an arm's setups.
    fn better(&self, mix: &Mix, arm: Arm) -> Vec<Setup> {
        let all = self.given.design.setups(arm, mix).len();
        self.ranked(mix, arm).into_iter().take(better_half(all)).collect()
    }

    fn ranked(&self, mix: &Mix, arm: Arm) -> Vec<Setup> {
        let ranked = Measured::ranked(&self.setups, &self.done, &mix.name, arm, self.slo_ms);
        ranked.into_iter().cloned().collect()
    }
}

/// What so many cores would be worth if they were a monolith's and all of them went into pages and the
/// jobs that these bring: pages of the mix a second.
pub(super) fn worth(cores: f64, mix: &Mix, found: &Found) -> f64 {
    let Mix { home, article, .. } = mix;
    let seconds = |page, times: usize| {
        let a_second = found.one_core.get(&page).copied().unwrap_or(f64::INFINITY);
        times as f64 / a_second
    };
    let pages = (home + article) as f64;
    let of_jobs = mix.jobs.map_or(0.0, Jobs::seconds_of_visit) * pages;
    let of_mix = seconds(Page::Home, *home) + seconds(Page::Article, *article) + of_jobs;
    cores * pages / of_mix
}

impl Server {
    fn of(replica: &deployment::Replica) -> Self {
        Self {
            role: replica.role.name().to_owned(),
            first_ok_ms: replica.server.first_ok.as_secs_f64() * 1e3,
            resident_mib: replica.server.resident_mib,
        }
    }
}
