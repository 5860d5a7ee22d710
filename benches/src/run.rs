//! One run from beginning to end: site, parity, pilot, plan, record.

use std::{fs, path::PathBuf, time::Instant};

use anyhow::Context;
use chrono::Utc;

use crate::{
    affinity,
    databases::{Databases, Engine},
    executor::{self, Executor},
    experiment::{Experiment, Preset},
    fleet::System,
    load::Generator,
    machine, parity,
    pilot::{Found, Look},
    plan::Plan,
    progress::{self, ms},
    record::{Arm, Parity, Pilot, Run, SCHEMA, Slice, Start},
    site::Site,
    store::{self, Folder},
    visitors::Visitors,
};

/// What is to be run.
#[derive(Clone)]
pub struct Order {
    /// What is asked.
    pub experiment: Experiment,
    /// How much is measured.
    pub preset: Preset,
    /// On which database.
    pub engine: Engine,
    /// Seed of everything that is left to chance.
    pub seed: u64,
}

impl Order {
    /// The command that repeats the run.
    fn command(&self) -> String {
        let Self { experiment, preset, engine, seed } = self;
        let (id, db) = (experiment.card.id, engine.flag());
        format!("cargo lab run {id} --preset {preset} --db {db} --seed {seed}")
    }

    /// How long the pilot looks at each page, seconds.
    fn pilot_seconds(&self) -> f64 {
        if self.preset == Preset::Smoke { 0.3 } else { 1.0 }
    }
}

/// Carries out a run, and returns it with the folder where it is kept.
///
/// # Errors
/// One line: what could not be had, which server died, or where the arms differ. What was measured
/// until then stays in the folder; all processes have ended.
pub async fn run(order: &Order) -> anyhow::Result<(PathBuf, Run)> {
    let started = Utc::now();
    let machine = machine::machine()?;
    let mut site = Site::build(&order.engine, affinity::layout(&affinity::cores()?)).await?;
    let plan = (order.experiment.plan)(order.preset, order.seed);
    let mut measuring = Measuring {
        generator: Generator::start()?,
        visitors: Visitors::of(&site.dataset)?,
        folder: Folder::create(&store::root()?, started, order.seed)?,
        slices: Vec::new(),
        starts: Vec::new(),
    };
    let clock = Instant::now();
    let (parity, found) = measuring.before(&mut site, order).await?;
    plant(&mut site, &found.pilot)?;
    measuring.restarts(&mut site, &plan, &found).await?;
    let seconds = clock.elapsed().as_secs_f64();

    let mut layout = site.rig.layout.clone();
    layout.fallbacks.extend(unwatched(order, &site).into_iter().chain(found.remark));
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
        build: machine::build(&site.rig.binaries)?,
        layout,
        database: order.engine.kind().to_owned(),
        dataset: site.rows(),
        parity,
        pilot: found.pilot,
        slices: measuring.slices,
        starts: measuring.starts,
    };
    measuring.folder.finish(&run)?;
    Ok((measuring.folder.path.clone(), run))
}

/// What can't be measured on a database that the lab did not start.
fn unwatched(order: &Order, site: &Site) -> Option<String> {
    let unwatched = order.engine != Engine::Sqlite && site.seeded.watched().is_none();
    unwatched.then(|| {
        "PostgreSQL is not the lab's own: its CPU is not measured, it has whatever cores it has, \
         and it counts as foreign where it runs on this machine"
            .to_owned()
    })
}

/// Writes down what the planted arm has to burn.
fn plant(site: &mut Site, pilot: &Pilot) -> anyhow::Result<()> {
    let file = site.dir.join("planted.json");
    let text = serde_json::json!({ "spin_us_per_request": pilot.planted_ms * 1e3 });
    fs::write(&file, text.to_string())?;
    site.rig.planted = Some(file);
    Ok(())
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
    /// Parity gate and pilot, on servers and copies of the data of their own: the gate registers
    /// accounts, which must not be in the data that is measured on.
    async fn before(&mut self, site: &mut Site, order: &Order) -> anyhow::Result<(Parity, Found)> {
        const ARMS: [Arm; 2] = [Arm::Monolith, Arm::Split];
        let databases = site.seeded.copies("gate", &ARMS, &mut site.guardian).await?;
        let mut fleet = site.rig.start(&databases, &ARMS, "gate").await?;
        let (monolith, split) = (fleet.system(Arm::Monolith)?, fleet.system(Arm::Split)?);
        let gate = async {
            progress::say("Comparing", "both architectures, request by request");
            let parity = parity::gate(&monolith, &split, &site.dataset).await?;
            progress::say("Piloting", "what a page costs here");
            split.park()?;
            let look = Look {
                generator: &self.generator,
                visitors: &self.visitors,
                database: site.seeded.watched(),
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

    /// All restarts of the plan, each on fresh processes. The copies of the data stay: pages only
    /// read.
    async fn restarts(
        &mut self,
        site: &mut Site,
        plan: &Plan,
        found: &Found,
    ) -> anyhow::Result<()> {
        let mut arms: Vec<Arm> = plan.restarts.iter().flat_map(|r| r.arms.clone()).collect();
        arms.sort_unstable();
        arms.dedup();
        let databases = site.seeded.copies("arm", &arms, &mut site.guardian).await?;
        let bar = progress::bar("Measuring", ms(executor::duration(plan)));
        let measured = self.each_restart(site, plan, found, &databases, &bar).await;
        bar.finish_and_clear();
        measured
    }

    async fn each_restart(
        &mut self,
        site: &Site,
        plan: &Plan,
        found: &Found,
        databases: &Databases,
        bar: &indicatif::ProgressBar,
    ) -> anyhow::Result<()> {
        let all = plan.restarts.len();
        for (number, restart) in (0_u32..).zip(&plan.restarts) {
            let name = format!("restart-{number}");
            let mut fleet = site.rig.start(databases, &restart.arms, &name).await?;
            self.starts.extend(fleet.starts(number));
            let systems: anyhow::Result<Vec<_>> =
                restart.arms.iter().map(|arm| fleet.system(*arm)).collect();
            let systems = systems?;
            systems.iter().try_for_each(System::park)?;
            let mut executor = Executor {
                generator: &self.generator,
                visitors: &self.visitors,
                found,
                database: site.seeded.watched(),
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
