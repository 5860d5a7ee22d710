//! The same on a running composition: its servers are given the lab's file, which has each comment bring a
//! job along, and loaded at the published ports; in the end they are as they were, and the comments are
//! gone.
//!
//! The monolith does its jobs itself, the split has a worker in a container of its own. These are all the
//! places that there are, and they have different budgets. There is no twin either, and nothing is
//! planted, so there are figures and no verdict.

use std::{
    net::SocketAddr,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail, ensure};
use chrono::Utc;
use contract::dataset::Dataset;
use indicatif::ProgressBar;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use tokio::{runtime, time::sleep};

use super::{
    Interference, Measured, Place,
    desk::Desk,
    measure::RATE,
    places,
    schedule::{Planned, schedule},
    slices::Slices,
    trial::Trial,
};
use crate::{
    composition::{self, Composition, Equipped, Fresh},
    journal::{Begun, Progress},
    machine, progress,
    record::{Arm, Page, Pilot, Run},
    run::{Instrument, Order},
    scaling::{steps::Observer, worth_going_on},
    store::{self, Folder},
    testbed::Testbed,
};

/// What is different from the card's experiment, beside what is different in every composition.
const REMARKS: [&str; 3] = [
    "every container has what the compose file gives it: the jobs of the monolith share the limit of its \
     container with its pages, and those of the split have one more container, so the split has more CPU in \
     all, and the figures say what jobs do to pages here and not where they are better done",
    "while this was measured, the servers with a database had the lab's file: they were made anew with it, \
     and afterwards without it",
    "the comments that brought jobs along were deleted afterwards; what is left of them is a count for each \
     job in the table synthetic_effect, which nothing shows",
];

/// For how long everybody has to be answered rightly before anything is measured: longer than balancers
/// take to find a server again, which they let begin with less.
const STEADY: Duration = Duration::from_secs(3);

/// How long that may take.
const SETTLED: Duration = Duration::from_secs(30);

/// How long comments may resist being taken away: servers have to be found again first.
const GONE: Duration = Duration::from_secs(30);

/// How often it is tried.
const AGAIN: Duration = Duration::from_millis(200);

/// Carries out all trials on the composition that runs, and returns the run with the folder where it is
/// kept. However it ends, the composition is what it was then.
///
/// # Errors
/// One line: what is missing, or what Docker says. A container that ends costs its trial and nothing
/// else.
pub async fn measure_composition(
    order: &Order,
    design: Interference,
) -> anyhow::Result<(PathBuf, Run)> {
    let started = Utc::now();
    let machine = machine::machine()?;
    let design = design.in_composition();
    let lab_file = places::lab_file(Place::Inside, design.headline, 0.0);
    let mut testbed = Testbed::prepare(&order.place).await?;
    let instrument = Instrument::at(&testbed)?;
    // What can't be given the file is not worth a look at.
    drop(Equipped::of(composition(&testbed)?, &lab_file).await?);
    let (parity, mut found) = instrument.before(&mut testbed, order, None).await?;
    // Nothing is planted here.
    found.pilot = Pilot { planted_ms: 0.0, waiting_ms: 0.0, ..found.pilot };
    let rate = found.rates.get(&Page::Home).copied().context("the pilot has no rate")? * RATE;
    let mut circumstances = testbed.circumstances(machine).await?;
    let layout = &mut circumstances.layout;
    layout.fallbacks.extend(found.remark.clone());
    layout.fallbacks.extend(REMARKS.map(str::to_owned));
    let mut folder = Folder::create(&store::root()?, started, order.seed)?;
    let clock = Instant::now();
    let composition = composition(&testbed)?;
    // Goes after the servers have been put back, also when the lab is told to stop.
    let written = Written::in_composition(composition)?;
    let mut equipped = Equipped::of(composition, &lab_file).await?;
    if let Some(record) = &mut circumstances.composition {
        record.containers.push(equipped.record_of_worker().await?);
    }
    let trials = Trials {
        design: &design,
        dataset: &composition.dataset,
        instrument: &instrument,
        apis: written.apis.clone(),
        slo_ms: order.experiment.card.slo_ms,
        rate: rate.round(),
        done: Vec::new(),
    };
    let rate = trials.rate;
    let planned = schedule(&design, &mut ChaCha8Rng::seed_from_u64(order.seed));
    let bar = progress::bar("Measuring", design.trials());
    let trials = trials.all(&mut equipped, planned, &bar).await;
    bar.finish_and_clear();
    let seconds = clock.elapsed().as_secs_f64();
    let put_back = equipped.put_back().await;
    let as_it_was = put_back.and(written.take_back().await);
    let (budget, enforcement, planted_ms) = (None, None, 0.0);
    let measured = Measured { budget, enforcement, rate, planted_ms, trials: trials? };
    let programs = testbed.fingerprints()?;
    let begun = Begun::new(order, started, circumstances, programs, (parity, found));
    let progress = Progress { seconds, ..Progress::default() };
    let run = Run { interference: Some(measured), ..begun.record(folder.id.clone(), progress) };
    folder.finish(&run)?;
    as_it_was.map(|()| (folder.path.clone(), run))
}

fn composition(testbed: &Testbed) -> anyhow::Result<&Composition> {
    match testbed {
        Testbed::Composition(composition) => Ok(composition),
        Testbed::Processes(_) => bail!("this is no composition"),
    }
}

/// What all trials of a run are given.
struct Trials<'a> {
    design: &'a Interference,
    dataset: &'a Dataset,
    instrument: &'a Instrument,
    /// Where comments are written, by architecture.
    apis: Vec<(Arm, SocketAddr)>,
    slo_ms: f64,
    /// Visitors a second.
    rate: f64,
    done: Vec<Trial>,
}

impl Trials<'_> {
    /// Trial after trial, as planned.
    ///
    /// # Errors
    /// One line, when there is no point in going on.
    async fn all(
        mut self,
        equipped: &mut Equipped<'_>,
        planned: Vec<Planned<'_>>,
        bar: &ProgressBar,
    ) -> anyhow::Result<Vec<Trial>> {
        progress::say("Equipping", "the servers with the lab's file");
        equipped.begin().await?;
        for planned in planned {
            bar.set_message(planned.name());
            let mut trial = planned.empty();
            let measured = match equipped.restarted(trial.arm).await {
                Ok(fresh) => self.loads(fresh, &planned, &mut trial).await,
                Err(error) => Err(error),
            };
            trial.void = measured.err().map(|error| format!("{error:#}"));
            trial.check();
            self.done.push(trial);
            bar.inc(1);
            worth_going_on(self.done.iter().map(|trial| trial.void.as_deref()))?;
        }
        Ok(self.done)
    }

    async fn loads(
        &self,
        fresh: Fresh,
        planned: &Planned<'_>,
        trial: &mut Trial,
    ) -> anyhow::Result<()> {
        let Fresh { view, servers, mut fleet, worker } = fresh;
        let Instrument { generator, visitors } = self.instrument;
        let target = visitors.to(Page::Home, view.front);
        let at = Observer { generator, target, view, beside: None };
        let api = self.apis.iter().find(|(arm, _)| *arm == trial.arm);
        let (_, api) = *api.context("an architecture without an API")?;
        let measured = fleet.unless_one_dies(async {
            let desk = &Desk::open(api, &[worker], self.dataset).await?;
            let (rate, seconds, slo_ms) = (self.rate, self.design.seconds, self.slo_ms);
            settled(&at).await?;
            let slices = Slices { at: &at, desk, servers: &servers, rate, seconds, slo_ms };
            for load in &planned.loads {
                trial.slices.push(slices.slice(trial.job, *load, planned.seed).await?);
            }
            Ok(())
        });
        measured.await
    }
}

/// Asks for pages, as many at once as a server may have to answer, until all were answered rightly for a
/// while.
async fn settled(at: &Observer<'_>) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut since = start;
    while since.elapsed() < STEADY {
        let errors = at.generator.crowd(at.target.clone()).await?.errors;
        ensure!(start.elapsed() < SETTLED, "pages still fail after {SETTLED:?}: {errors:?}");
        if !errors.is_empty() {
            since = Instant::now();
        }
    }
    Ok(())
}

/// What the lab has written into a composition's data. It is taken away when this value goes.
struct Written {
    apis: Vec<(Arm, SocketAddr)>,
    dataset: Dataset,
    is_gone: bool,
}

impl Written {
    fn in_composition(composition: &Composition) -> anyhow::Result<Self> {
        let apis = composition::ARMS.into_iter().map(|arm| Ok((arm, composition.api(arm)?)));
        let apis = apis.collect::<anyhow::Result<_>>()?;
        Ok(Self { apis, dataset: composition.dataset, is_gone: false })
    }

    /// Takes it away.
    ///
    /// # Errors
    /// One line: who does not let it.
    async fn take_back(mut self) -> anyhow::Result<()> {
        let done = take_back(&self.apis, &self.dataset).await;
        // It was tried for long enough.
        self.is_gone = true;
        done
    }
}

impl Drop for Written {
    /// Whoever lets this value go may be in the middle of something else that waits, so that this has a
    /// thread of its own.
    fn drop(&mut self) {
        if self.is_gone {
            return;
        }
        let taking = || -> anyhow::Result<()> {
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(take_back(&self.apis, &self.dataset))
        };
        let taken = thread::scope(|scope| scope.spawn(taking).join());
        if let Err(error) = taken.unwrap_or_else(|_| Err(anyhow!("comments may be left"))) {
            progress::say("Failed", &format!("{error:#}"));
        }
    }
}

/// Takes away what desks have written at these addresses, as soon as servers are there that let it.
async fn take_back(apis: &[(Arm, SocketAddr)], dataset: &Dataset) -> anyhow::Result<()> {
    progress::say("Deleting", "the comments that brought jobs along");
    for (arm, api) in apis {
        let deadline = Instant::now() + GONE;
        loop {
            let taken = async { Desk::open(*api, &[], dataset).await?.take_back().await };
            match taken.await {
                Ok(()) => break,
                Err(error) if Instant::now() > deadline => {
                    let left = format!("comments of the lab may be left in the {}", arm.name());
                    return Err(error.context(left));
                }
                Err(_) => sleep(AGAIN).await,
            }
        }
    }
    Ok(())
}
