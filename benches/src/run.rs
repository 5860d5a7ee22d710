//! One run from beginning to end: testbed, parity, pilot, plan, record. It may be interrupted while the
//! plan is carried out, and go on another time.

use std::{path::PathBuf, time::Instant};

use anyhow::{Context, bail, ensure};
use chrono::Utc;
use indicatif::ProgressBar;

use crate::{
    circumstances::Circumstances,
    databases::Engine,
    deploys, durability,
    executor::{self, Executor},
    experiment::{Design, Experiment, Preset},
    fleet::System,
    grid, jobs,
    journal::{Begun, Entry, Progress},
    ledger::Ledger,
    load::Generator,
    machine,
    noise::{self, Noise},
    parity,
    pilot::{Found, Look},
    plan::{Plan, Restart},
    progress::{self, ms},
    record::{Arm, Comparison, Page, Parity, Resumption, Run},
    relay::Balancing,
    scaling,
    store::{self, Folder},
    testbed::{Place, Testbed},
    ticks,
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
    /// What stands in front of replicas, where there are any.
    pub balancing: Balancing,
}

impl Order {
    /// The command that repeats the run.
    pub(crate) fn command(&self) -> String {
        let Self { experiment, preset, place, seed, balancing } = self;
        let (id, place) = (experiment.card.id, place.flag());
        let balancer = match balancing {
            Balancing::Relay => String::new(),
            other => format!(" --balancer {other}"),
        };
        format!("cargo lab run {id} --preset {preset} {place} --seed {seed}{balancer}")
    }

    /// How long the pilot looks at each page, seconds.
    pub(crate) fn pilot_seconds(&self) -> f64 {
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
/// until then stays in the folder, and [`resume`] goes on with it; all processes have ended.
pub async fn run(order: &Order) -> anyhow::Result<(PathBuf, Run)> {
    match (order.experiment.design, &order.place) {
        (Design::Contrast { plan, .. } | Design::Families { plan, .. }, _) => {
            contrast(order, plan).await
        }
        (_, Place::Processes(engine)) => in_parts(order, engine, Ledger::new(order)?).await,
        (Design::Scaling(scaling), Place::Composition) => {
            scaling::measure_composition(order, &scaling(order.preset)?).await
        }
        (Design::Interference(design), Place::Composition) => {
            jobs::measure_composition(order, design(order.preset)).await
        }
        (_, Place::Composition) => bail!(
            "{}: needs servers of the lab's own; leave out --compose",
            order.experiment.card.id
        ),
    }
}

/// All designs whose runs consist of parts, from the first one that is missing.
async fn in_parts(
    order: &Order,
    engine: &Engine,
    ledger: Ledger,
) -> anyhow::Result<(PathBuf, Run)> {
    let preset = order.preset;
    match order.experiment.design {
        Design::Contrast { .. } | Design::Families { .. } => {
            bail!("{}: consists of restarts", order.experiment.card.id)
        }
        Design::Grid(cells) => {
            grid::measure(order, engine, &cells(preset, engine.kind()), ledger).await
        }
        Design::Replicas(cells) => {
            grid::replicas::measure(order, engine, &cells(preset, engine.kind()), ledger).await
        }
        Design::Scaling(design) => scaling::measure(order, engine, &design(preset)?, ledger).await,
        Design::Interference(design) => jobs::measure(order, engine, &design(preset), ledger).await,
        Design::Durability(design) => {
            durability::measure(order, engine, &design(preset), ledger).await
        }
        Design::Deploys(design) => deploys::measure(order, engine, &design(preset), ledger).await,
        Design::Ticks(design) => ticks::measure(order, engine, &design(preset), ledger).await,
    }
}

/// Two arms against each other under open load.
async fn contrast(order: &Order, plan: fn(Preset, u64) -> Plan) -> anyhow::Result<(PathBuf, Run)> {
    let started = Utc::now();
    let machine = machine::machine()?;
    let mut testbed = Testbed::prepare(&order.place).await?;
    let plan = order.plan(plan, &testbed)?;
    let instrument = Instrument::at(&testbed)?;
    let folder = Folder::create(&store::root()?, started, order.seed)?;
    let clock = Instant::now();
    let (parity, mut found) = instrument.before(&mut testbed, order, None).await?;
    let arms = plan.arms();
    if !arms.contains(&Arm::Planted) {
        found.pilot.planted_ms = 0.0;
    }
    if !arms.contains(&Arm::Waiting) {
        found.pilot.waiting_ms = 0.0;
    }
    testbed.equip(&arms, &found.pilot).await?;
    found.pilot.noise = instrument.noise(&testbed, order, &found).await?;
    let plan = plan.suited_to(&found.pilot);
    let mut circumstances = testbed.circumstances(machine).await?;
    circumstances.layout.fallbacks.extend(found.remark.clone());
    let programs = testbed.fingerprints()?;
    let before = (parity, found);
    let begun = Begun::new(order, started, circumstances, programs, before);
    let begun = Begun { plan, ..begun };
    folder.begin(&begun)?;
    let measuring = Measuring { instrument, begun, folder, progress: Progress::default(), clock };
    measuring.finish(&testbed).await
}

/// Goes on with a run that was interrupted. Restarts, or parts, that were complete are kept; the one that
/// was cut short is measured anew, on freshly started servers. `engine` names the database's server again
/// where the run was on one of its own.
///
/// # Errors
/// One line: there is nothing to go on with, or machine, source or data are not what they were; and
/// what [`run`] says.
pub async fn resume(run: &str, engine: Option<Engine>) -> anyhow::Result<(PathBuf, Run)> {
    let context = || format!("--resume {run}");
    let (mut folder, begun, slices, entries) =
        Folder::reopen(&store::root()?, run).with_context(context)?;
    let order = begun.order(engine).with_context(context)?;
    if let (false, Place::Processes(engine)) = (order.experiment.design.has_plan(), &order.place) {
        let ledger = Ledger::again(folder, begun, entries).with_context(context)?;
        return in_parts(&order, engine, ledger).await.with_context(context);
    }
    let (mut progress, dropped) = Progress::replay(slices, entries).with_context(context)?;
    let machine = machine::machine()?;
    // Before minutes of building, what can be seen without.
    let mut seen = Circumstances { machine: machine.clone(), ..begun.circumstances.clone() };
    if seen.composition.is_none() {
        seen.build.commit = machine::commit();
    }
    begun.refuse_others(&seen).with_context(context)?;

    let mut testbed = Testbed::prepare(&order.place).await?;
    begun.refuse_others(&testbed.circumstances(machine).await?).with_context(context)?;
    let plan = match order.experiment.design {
        Design::Contrast { plan, .. } | Design::Families { plan, .. } => plan,
        _ => bail!("--resume {run}: a composition is measured in one piece"),
    };
    let plan = order.plan(plan, &testbed)?.suited_to(&begun.found.pilot);
    let same = testbed.fingerprints()? == begun.programs && plan == begun.plan;
    ensure!(
        same,
        "--resume {run}: the run was begun with another source, on top of the same commit"
    );

    let instrument = Instrument::at(&testbed)?;
    let found = Some(begun.found.clone());
    // Proven again, since these servers were started anew; what the gate counted is the same.
    instrument.before(&mut testbed, &order, found).await?;
    testbed.equip(&begun.plan.arms(), &begun.found.pilot).await?;

    let (at, restart) = (Utc::now(), progress.restarts);
    folder.enter(&Entry::Resumed { at, restart, slices: folder.written() })?;
    progress::say("Resuming", &format!("with restart {restart} of {}", begun.plan.restarts.len()));
    progress.resumed.push(Resumption { at, restart, dropped });
    let clock = Instant::now();
    Measuring { instrument, begun, folder, progress, clock }.finish(&testbed).await
}

/// What requests are sent with, and to where.
pub(crate) struct Instrument {
    pub(crate) generator: Generator,
    pub(crate) visitors: Visitors,
}

impl Instrument {
    pub(crate) fn at(testbed: &Testbed) -> anyhow::Result<Self> {
        Ok(Self { generator: Generator::start()?, visitors: Visitors::of(testbed.dataset())? })
    }

    /// Parity gate and, unless it is known already what that found, pilot; on servers of their own
    /// where that is possible.
    pub(crate) async fn before(
        &self,
        testbed: &mut Testbed,
        order: &Order,
        known: Option<Found>,
    ) -> anyhow::Result<(Parity, Found)> {
        let mut fleet = testbed.gate().await?;
        let (monolith, split) = (fleet.system(Arm::Monolith)?, fleet.system(Arm::Split)?);
        let gate = async {
            progress::say("Comparing", "both architectures, request by request");
            let (dataset, extent) = (testbed.dataset(), testbed.extent());
            let parity = parity::gate(&monolith, &split, dataset, extent).await?;
            if let Some(known) = known {
                return Ok((parity, known));
            }
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

    /// How much identical monoliths differ; nothing where there can't be two, or is no time.
    async fn noise(
        &self,
        testbed: &Testbed,
        order: &Order,
        found: &Found,
    ) -> anyhow::Result<Option<Noise>> {
        let twins = Comparison::Null.arms();
        let can_be_had = twins.iter().all(|twin| testbed.arms().contains(twin));
        if !can_be_had || !Noise::is_asked(order.preset) {
            return Ok(None);
        }
        let mut fleet = testbed.start(&twins, "noise").await?;
        let [first, second] = [fleet.system(twins[0])?, fleet.system(twins[1])?];
        let trial = noise::Trial {
            sender: &self.generator,
            visitors: &self.visitors,
            twins: [&first, &second],
            rate: found.rates.get(&Page::Home).copied().context("no rate for the home page")?,
            seed: order.seed,
        };
        let noise = fleet.unless_one_dies(trial.of(order.preset)).await?;
        fleet.stop().await?;
        Ok(Some(noise))
    }
}

/// A run while its plan is carried out.
struct Measuring {
    instrument: Instrument,
    begun: Begun,
    folder: Folder,
    progress: Progress,
    /// Runs since this process began to measure.
    clock: Instant,
}

impl Measuring {
    /// All restarts that are left, each on freshly started servers; then the record.
    async fn finish(mut self, testbed: &Testbed) -> anyhow::Result<(PathBuf, Run)> {
        let first = self.progress.restarts as usize;
        let left = self.begun.plan.restarts.iter().skip(first).cloned().collect();
        let left = Plan { restarts: left };
        let bar = progress::bar("Measuring", ms(executor::duration(&left)));
        let before = self.progress.seconds;
        let mut measured = Ok(());
        for restart in &left.restarts {
            measured = self.restart(testbed, restart, &bar).await;
            if measured.is_err() {
                break;
            }
            self.progress.seconds = before + self.clock.elapsed().as_secs_f64();
            self.complete()?;
        }
        bar.finish_and_clear();
        measured?;
        let Self { begun, mut folder, progress, .. } = self;
        let run = begun.record(folder.id.clone(), progress);
        folder.finish(&run)?;
        Ok((folder.path.clone(), run))
    }

    async fn restart(
        &mut self,
        testbed: &Testbed,
        restart: &Restart,
        bar: &ProgressBar,
    ) -> anyhow::Result<()> {
        let (number, all) = (self.progress.restarts, self.begun.plan.restarts.len());
        let mut fleet = testbed.start(&restart.arms, &format!("restart-{number}")).await?;
        self.progress.starts.extend(fleet.starts(number));
        let systems: anyhow::Result<Vec<_>> =
            restart.arms.iter().map(|arm| fleet.system(*arm)).collect();
        let systems = systems?;
        systems.iter().try_for_each(System::park)?;
        let mut executor = Executor {
            generator: &self.instrument.generator,
            visitors: &self.instrument.visitors,
            found: &self.begun.found,
            beside: testbed.beside(),
            restart: number,
            systems,
            bar,
            folder: &mut self.folder,
            slices: &mut self.progress.slices,
        };
        let run = async {
            let context = || format!("restart {} of {all}", number + 1);
            executor.run(restart).await.with_context(context)
        };
        fleet.unless_one_dies(run).await?;
        fleet.stop().await
    }

    /// Writes down that a restart has been measured to its end.
    fn complete(&mut self) -> anyhow::Result<()> {
        let Progress { starts, seconds, restarts, .. } = &mut self.progress;
        let restart = *restarts;
        *restarts += 1;
        self.folder.enter(&Entry::Complete {
            restart,
            starts: starts.iter().filter(|start| start.restart == restart).cloned().collect(),
            seconds: *seconds,
            slices: self.folder.written(),
        })
    }
}
