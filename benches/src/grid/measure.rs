//! Measures a grid: round by round, cell by cell.

use std::{path::PathBuf, time::Instant};

use anyhow::{Context, ensure};
use chrono::Utc;
use contract::dataset::Size;
use indicatif::ProgressBar;
use nix::unistd::getpid;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{Cell, Grid};
use crate::{
    affinity,
    count::{Replay, Visitor, signed_in},
    databases::{Databases, Engine},
    executor::GENERATOR,
    fleet::{Fleet, System},
    load::Times,
    machine,
    probe::{self, Scope, Watched},
    progress,
    record::{Arm, Cells, Layout, Parity, Pilot, Run, SCHEMA, Start, Trial},
    run::Order,
    site::Site,
    stats::{below, rounded},
    store::{self, Folder},
};

/// Requests before each stretch, not counted.
const WARM_UP: usize = 60;

/// Requests by which the pilot learns what the plain cell costs.
const LOOK: usize = 200;

/// Size of the planted effect, as a share of the plain cell's CPU.
const PLANTED: f64 = 0.05;

/// So much data, and the databases of the systems that run on it.
struct Place {
    site: Site,
    databases: Databases,
    arms: Vec<Arm>,
    articles: u64,
}

/// Carries out a grid, and returns the run with the folder where it is kept.
///
/// # Errors
/// One line: what could not be had, which server died, or which answer was wrong.
pub async fn measure(
    order: &Order,
    engine: &Engine,
    grid: &Grid,
) -> anyhow::Result<(PathBuf, Run)> {
    let started = Utc::now();
    let machine = machine::machine()?;
    let layout = affinity::layout(&affinity::cores()?);
    let mut places = places(engine, &layout, grid).await?;
    let planted_ms = plant(&mut places, grid).await?;
    let mut folder = Folder::create(&store::root()?, started, order.seed)?;
    let clock = Instant::now();
    let bar = progress::bar("Measuring", (grid.rounds * grid.cells.len() * 2) as u64);
    let measured = rounds(&places, grid, order.seed, &bar).await;
    bar.finish_and_clear();
    let (trials, starts) = measured?;
    let first = places.first().context("a grid without cells")?;
    let run = Run {
        schema: SCHEMA,
        id: folder.id.clone(),
        experiment: order.experiment.card.id.to_owned(),
        started,
        seconds: clock.elapsed().as_secs_f64(),
        command: order.command(),
        preset: order.preset.to_string(),
        seed: order.seed,
        machine,
        build: machine::build(&first.site.rig.binaries)?,
        layout,
        database: engine.kind().to_owned(),
        composition: None,
        dataset: places.iter().map(|p| ("articles".to_owned(), p.articles)).collect(),
        parity: Parity::default(),
        pilot: Pilot { planted_ms: rounded(planted_ms), ..Pilot::default() },
        slices: Vec::new(),
        starts,
        grid: Some(Cells { cells: grid.cells.clone(), trials }),
        scaling: None,
        resumed: Vec::new(),
    };
    folder.finish(&run)?;
    Ok((folder.path.clone(), run))
}

async fn places(engine: &Engine, layout: &Layout, grid: &Grid) -> anyhow::Result<Vec<Place>> {
    let mut places = Vec::new();
    for (articles, users, arms) in grid.sizes() {
        let size = Size { articles, users, ..Size::default() };
        let mut site = Site::with(engine, layout.clone(), size).await?;
        let databases = site.seeded.copies("grid", &arms, &mut site.guardian).await?;
        places.push(Place { site, databases, arms, articles });
    }
    Ok(places)
}

/// Looks what the plain cell costs, and has the planted arm burn a share of it on top: so much CPU
/// per request, in milliseconds.
async fn plant(places: &mut [Place], grid: &Grid) -> anyhow::Result<f64> {
    let plain = grid.cell(&grid.controls.plain).context("no plain cell")?;
    let place = places.iter_mut().find(|place| place.articles == plain.articles);
    let place = place.context("the plain cell has no data")?;
    let mut fleet = place.site.rig.start(&place.databases, &[plain.arm], "look").await?;
    let system = fleet.system(plain.arm)?;
    let look = async {
        let stretch = Stretch { cell: plain, system: &system, site: &place.site };
        stretch.ask(0, LOOK).await
    };
    let trial = fleet.unless_one_dies(look).await?;
    fleet.stop().await?;
    let of_servers = |(name, ms): (&String, &f64)| {
        let server = system.processes.iter().any(|process| process.role == name.as_str());
        server.then_some(*ms)
    };
    let cpu_ms: f64 = trial.cpu_ms.iter().filter_map(of_servers).sum();
    let planted_ms = PLANTED * cpu_ms / LOOK as f64;
    place.site.plant(planted_ms, 0.0)?;
    Ok(planted_ms)
}

/// All rounds, each on freshly started servers.
async fn rounds(
    places: &[Place],
    grid: &Grid,
    seed: u64,
    bar: &ProgressBar,
) -> anyhow::Result<(Vec<Trial>, Vec<Start>)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut trials, mut starts) = (Vec::new(), Vec::new());
    for round in 0..u32::try_from(grid.rounds)? {
        // Fisher and Yates.
        let mut order: Vec<usize> = (0..grid.cells.len()).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, below(&mut rng, last + 1));
        }
        let mut fleets = Vec::new();
        for place in places {
            let name = format!("round-{round}");
            fleets.push(place.site.rig.start(&place.databases, &place.arms, &name).await?);
        }
        for fleet in &fleets {
            starts.extend(fleet.starts(round));
        }
        let there_and_back = order.iter().chain(order.iter().rev());
        let cells = there_and_back.filter_map(|index| grid.cells.get(*index));
        trials.extend(one_round(places, &mut fleets, cells, (round, grid.requests), bar).await?);
        for fleet in fleets {
            fleet.stop().await?;
        }
    }
    Ok((trials, starts))
}

async fn one_round<'a>(
    places: &[Place],
    fleets: &mut [Fleet],
    cells: impl Iterator<Item = &'a Cell>,
    (round, requests): (u32, usize),
    bar: &ProgressBar,
) -> anyhow::Result<Vec<Trial>> {
    let systems: anyhow::Result<Vec<Vec<System>>> = places
        .iter()
        .zip(&*fleets)
        .map(|(place, fleet)| place.arms.iter().map(|arm| fleet.system(*arm)).collect())
        .collect();
    let systems = systems?;
    systems.iter().flatten().try_for_each(System::park)?;
    let mut trials = Vec::new();
    for cell in cells {
        let here = places.iter().position(|place| place.articles == cell.articles);
        let here = here.with_context(|| format!("{}: there is no such data", cell.name))?;
        let system = systems[here].iter().find(|system| system.arm == cell.arm);
        let system = system.with_context(|| format!("{} does not run", cell.arm.name()))?;
        bar.set_message(cell.name.clone());
        let stretch = Stretch { cell, system, site: &places[here].site };
        trials.push(fleets[here].unless_one_dies(stretch.measured(round, requests)).await?);
        bar.inc(1);
    }
    Ok(trials)
}

/// One cell that is about to be asked.
struct Stretch<'a> {
    cell: &'a Cell,
    system: &'a System,
    site: &'a Site,
}

impl Stretch<'_> {
    /// Thaws the system, asks it, freezes it.
    async fn measured(&self, round: u32, requests: usize) -> anyhow::Result<Trial> {
        self.system.resume()?;
        let trial = self.ask(round, requests).await?;
        self.system.park()?;
        Ok(trial)
    }

    async fn ask(&self, round: u32, requests: usize) -> anyhow::Result<Trial> {
        let Self { cell, system, site } = self;
        let visitor = match cell.view {
            Replay::Feed => signed_in(system, &site.dataset).await?,
            _ => Visitor::guest(system),
        };
        let addresses = cell.view.addresses(&site.dataset)?;
        ensure!(requests <= addresses.len(), "there are only {} addresses", addresses.len());
        visitor.ask(&addresses[..WARM_UP]).await?;
        let mut watched = system.watched();
        let me = Watched { name: GENERATOR.to_owned(), pid: getpid(), scope: Scope::Process };
        watched.extend(site.seeded.watched().into_iter().chain([me]));
        let before = probe::read(&watched)?;
        let begun = Instant::now();
        let mut latency = Times::new();
        for address in &addresses[..requests] {
            let asked = Instant::now();
            visitor.ask(std::slice::from_ref(address)).await?;
            latency.record(asked.elapsed());
        }
        let seconds = begun.elapsed().as_secs_f64();
        let usage = before.until(&probe::read(&watched)?);
        Ok(Trial {
            round,
            cell: cell.name.clone(),
            requests: requests as u64,
            seconds: rounded(seconds),
            latency: latency.to_record(),
            cpu_ms: usage.cpu_ms,
            resident_mib: probe::resident(&watched)?,
            foreign_cpu: usage.foreign_cpu,
            steal: usage.steal,
        })
    }
}
