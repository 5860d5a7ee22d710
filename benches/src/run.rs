//! One run from beginning to end: testbed, parity, pilot, plan, record.

use std::{path::PathBuf, time::Instant};

use anyhow::{Context, bail, ensure};
use chrono::Utc;

use crate::{
    executor::{self, Executor},
    experiment::{Design, Experiment, Preset},
    fleet::System,
    grid,
    load::Generator,
    machine, parity,
    pilot::{Found, Look},
    plan::Plan,
    progress::{self, ms},
    record::{Arm, Parity, Run, SCHEMA, Slice, Start},
    store::{self, Folder},
    testbed::{Place, Testbed},
    visitors::Visitors,
};

/// What is to be run.
#[derive(Clone)]
pub struct Order {
    /// What is asked.
    pub experiment: Experiment,
    /// How much is measured.
    pub preset: Preset,
    /// On what.
    pub place: Place,
    /// Seed of everything that is left to chance.
    pub seed: u64,
}

impl Order {
    /// The command that repeats the run.
    pub(crate) fn command(&self) -> String {
        let Self { experiment, preset, place, seed } = self;
        let (id, place) = (experiment.card.id, place.flag());
        format!("cargo lab run {id} --preset {preset} {place} --seed {seed}")
    }

    /// How long the pilot looks at each page, seconds.
    fn pilot_seconds(&self) -> f64 {
        if self.preset == Preset::Smoke { 0.3 } else { 1.0 }
    }

    /// What of the experiment can be measured on this testbed.
    fn plan(&self, plan: fn(Preset, u64) -> Plan, testbed: &Testbed) -> anyhow::Result<Plan> {
        let plan = plan(self.preset, self.seed).with_arms(testbed.arms());
        let id = self.experiment.card.id;
        ensure!(!plan.restarts.is_empty(), "{id} needs servers that can't be had here");
        Ok(plan)
    }
}

/// Carries out a run, and returns it with the folder where it is kept.
///
/// # Errors
/// One line: what could not be had, which server died, or where the arms differ. What was measured
/// until then stays in the folder; all processes have ended.
pub async fn run(order: &Order) -> anyhow::Result<(PathBuf, Run)> {
    match (order.experiment.design, &order.place) {
        (Design::Contrast { plan, .. } | Design::Families { plan, .. }, _) => {
            contrast(order, plan).await
        }
        (Design::Grid(cells), Place::Processes(engine)) => {
            grid::measure(order, engine, &cells(order.preset, engine.kind())).await
        }
        (Design::Grid(_), Place::Composition) => bail!(
            "{}: needs servers of the lab's own; leave out --compose",
            order.experiment.card.id
        ),
    }
}

/// Two arms against each other under open load.
async fn contrast(order: &Order, plan: fn(Preset, u64) -> Plan) -> anyhow::Result<(PathBuf, Run)> {
    let started = Utc::now();
    let machine = machine::machine()?;
    let mut testbed = Testbed::prepare(&order.place).await?;
    let plan = order.plan(plan, &testbed)?;
    let mut measuring = Measuring {
        generator: Generator::start()?,
        visitors: Visitors::of(testbed.dataset())?,
        folder: Folder::create(&store::root()?, started, order.seed)?,
        slices: Vec::new(),
        starts: Vec::new(),
    };
    let clock = Instant::now();
    let (parity, mut found) = measuring.before(&mut testbed, order).await?;
    let arms = plan.arms();
    if !arms.contains(&Arm::Planted) {
        found.pilot.planted_ms = 0.0;
    }
    if !arms.contains(&Arm::Waiting) {
        found.pilot.waiting_ms = 0.0;
    }
    testbed.equip(&arms, &found.pilot).await?;
    measuring.restarts(&testbed, &plan, &found).await?;
    let seconds = clock.elapsed().as_secs_f64();

    let mut layout = testbed.layout()?;
    layout.fallbacks.extend(found.remark);
    let run = Run {
        schema: SCHEMA,
        id: measuring.folder.id.clone(),
        experiment: order.experiment.card.id.to_owned(),
        started,
        seconds,
        command: order.command(),
        preset: order.preset.to_string(),
        seed: order.seed,
        machine,
        build: testbed.build()?,
        layout,
        database: testbed.database().to_owned(),
        composition: testbed.composition().await?,
        dataset: testbed.rows(),
        parity,
        pilot: found.pilot,
        slices: measuring.slices,
        starts: measuring.starts,
        grid: None,
    };
    measuring.folder.finish(&run)?;
    Ok((measuring.folder.path.clone(), run))
}

/// What is needed, and what comes together, while measuring.
struct Measuring {
    generator: Generator,
    visitors: Visitors,
    folder: Folder,
    slices: Vec<Slice>,
    starts: Vec<Start>,
}

impl Measuring {
    /// Parity gate and pilot, on servers of their own where that is possible.
    async fn before(
        &mut self,
        testbed: &mut Testbed,
        order: &Order,
    ) -> anyhow::Result<(Parity, Found)> {
        let mut fleet = testbed.gate().await?;
        let (monolith, split) = (fleet.system(Arm::Monolith)?, fleet.system(Arm::Split)?);
        let gate = async {
            progress::say("Comparing", "both architectures, request by request");
            let (dataset, extent) = (testbed.dataset(), testbed.extent());
            let parity = parity::gate(&monolith, &split, dataset, extent).await?;
            progress::say("Piloting", "what a page costs here");
            split.park()?;
            let look = Look {
                generator: &self.generator,
                visitors: &self.visitors,
                beside: testbed.beside(),
                seconds: order.pilot_seconds(),
                seed: order.seed,
            };
            Ok((parity, look.at(&monolith).await?))
        };
        let (parity, found) = fleet.unless_one_dies(gate).await?;
        fleet.stop().await?;
        for (page, rate) in &found.rates {
            progress::say("", &format!("{} page: {rate:.0} visitors a second", page.name()));
        }
        Ok((parity, found))
    }

    /// All restarts of the plan, each on freshly started servers.
    async fn restarts(
        &mut self,
        testbed: &Testbed,
        plan: &Plan,
        found: &Found,
    ) -> anyhow::Result<()> {
        let bar = progress::bar("Measuring", ms(executor::duration(plan)));
        let measured = self.each_restart(testbed, plan, found, &bar).await;
        bar.finish_and_clear();
        measured
    }

    async fn each_restart(
        &mut self,
        testbed: &Testbed,
        plan: &Plan,
        found: &Found,
        bar: &indicatif::ProgressBar,
    ) -> anyhow::Result<()> {
        let all = plan.restarts.len();
        for (number, restart) in (0_u32..).zip(&plan.restarts) {
            let mut fleet = testbed.start(&restart.arms, &format!("restart-{number}")).await?;
            self.starts.extend(fleet.starts(number));
            let systems: anyhow::Result<Vec<_>> =
                restart.arms.iter().map(|arm| fleet.system(*arm)).collect();
            let systems = systems?;
            systems.iter().try_for_each(System::park)?;
            let mut executor = Executor {
                generator: &self.generator,
                visitors: &self.visitors,
                found,
                beside: testbed.beside(),
                restart: number,
                systems,
                bar,
                folder: &mut self.folder,
                slices: &mut self.slices,
            };
            let run = async {
                let context = || format!("restart {} of {all}", number + 1);
                executor.run(restart).await.with_context(context)
            };
            fleet.unless_one_dies(run).await?;
            fleet.stop().await?;
        }
        Ok(())
    }
}
