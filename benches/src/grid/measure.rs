//! Measures a grid: round by round, cell by cell.

use std::{cell::RefCell, collections::BTreeMap, path::PathBuf, time::Instant};

use anyhow::{Context, bail};
use chrono::Utc;
use contract::dataset::Size;
use futures_util::future::try_join_all;
use http::Uri;
use indicatif::ProgressBar;
use nix::unistd::getpid;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{Cell, Cells, Grid, Trial, texts};
use crate::{
    affinity,
    count::{Replay, Visitor, signed_in},
    databases::{Databases, Engine},
    executor::GENERATOR,
    fleet::{Fleet, System},
    link::{self, Achieved, Link},
    load::Times,
    machine,
    probe::{self, Scope, Waiting, Watched},
    progress,
    record::{Arm, Layout, Parity, Pilot, Run, SCHEMA, Start},
    run::Order,
    site::Site,
    stats::{below, rounded},
    store::{self, Folder},
};

/// Requests before each stretch, not counted.
const WARM_UP: usize = 60;

/// Requests by which the pilot learns what the plain cell costs.
const LOOK: usize = 200;

/// The least requests of a stretch, however long they take.
const LEAST: usize = 6;

/// Of the time that a stretch may take, warming up takes at most this much on top.
const WARM_UP_SHARE: f64 = 0.3;

/// How often a trial is measured that does not count. If none does, the whole round counts for
/// nothing.
const TRIES: usize = 3;

/// So much data, and the databases of the systems that run on it.
struct Place {
    site: Site,
    databases: Databases,
    arms: Vec<Arm>,
    articles: u64,
    /// Texts of a known length: KiB → what the article is called in addresses.
    texts: BTreeMap<u32, String>,
}

/// How long a stretch goes on: until one of them is reached.
#[derive(Clone, Copy)]
struct Amount {
    requests: usize,
    seconds: f64,
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
        let texts = texts::write(&site, &grid.texts()).await?;
        if grid.asks_for_calls() {
            site.offer_calls()?;
        }
        let databases = site.seeded.copies("grid", &arms, &mut site.guardian).await?;
        places.push(Place { site, databases, arms, articles, texts });
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
        let stretch = Stretch { cell: plain, system: &system, place };
        stretch.ask(0, Amount { requests: LOOK, seconds: f64::INFINITY }, None).await
    };
    let trial = fleet.unless_one_dies(look).await?;
    fleet.stop().await?;
    let of_servers = |(name, ms): (&String, &f64)| {
        let server = system.processes.iter().any(|process| process.role == name.as_str());
        server.then_some(*ms)
    };
    let cpu_ms: f64 = trial.cpu_ms.iter().filter_map(of_servers).sum();
    let planted_ms = grid.controls.effect * cpu_ms / LOOK as f64;
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
        let amount = Amount { requests: grid.requests, seconds: grid.seconds };
        trials.extend(one_round(places, &mut fleets, cells, (round, amount), bar).await?);
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
    (round, amount): (u32, Amount),
    bar: &ProgressBar,
) -> anyhow::Result<Vec<Trial>> {
    let systems: anyhow::Result<Vec<Vec<System>>> = places
        .iter()
        .zip(&*fleets)
        .map(|(place, fleet)| place.arms.iter().map(|arm| fleet.system(*arm)).collect())
        .collect();
    let systems = systems?;
    systems.iter().flatten().try_for_each(System::park)?;
    let mut links: Vec<Option<Link>> = fleets.iter_mut().map(Fleet::take_link).collect();
    let mut trials = Vec::new();
    for cell in cells {
        let here = places.iter().position(|place| place.articles == cell.articles);
        let here = here.with_context(|| format!("{}: there is no such data", cell.name))?;
        let system = systems[here].iter().find(|system| system.arm == cell.arm);
        let system = system.with_context(|| format!("{} does not run", cell.arm.name()))?;
        bar.set_message(cell.name.clone());
        let stretch = Stretch { cell, system, place: &places[here] };
        for _ in 0..TRIES {
            let measured = stretch.measured(round, amount, links[here].as_mut());
            let trial = fleets[here].unless_one_dies(measured).await?;
            let counts = trial.void.is_none();
            trials.push(trial);
            if counts {
                break;
            }
        }
        bar.inc(1);
    }
    for link in links.into_iter().flatten() {
        link.stop().await?;
    }
    Ok(trials)
}

/// One cell that is about to be asked.
struct Stretch<'a> {
    cell: &'a Cell,
    system: &'a System,
    place: &'a Place,
}

impl Stretch<'_> {
    /// Thaws the system, asks it, freezes it.
    async fn measured(
        &self,
        round: u32,
        amount: Amount,
        link: Option<&mut Link>,
    ) -> anyhow::Result<Trial> {
        self.system.resume()?;
        let trial = self.ask(round, amount, link).await?;
        self.system.park()?;
        Ok(trial)
    }

    async fn ask(
        &self,
        round: u32,
        amount: Amount,
        link: Option<&mut Link>,
    ) -> anyhow::Result<Trial> {
        let Self { cell, system, place: Place { site, .. } } = self;
        let visitor = match cell.view {
            Replay::Feed => signed_in(system, &site.dataset).await?,
            _ => Visitor::guest(system),
        };
        let addresses = self.addresses()?;
        let mut link = match (cell.rtt_us, link) {
            (Some(us), Some(link)) => {
                link.set_rtt_ms(f64::from(us) / 1e3).await?;
                Some(link)
            }
            (Some(_), None) => bail!("{} has no link", cell.arm.name()),
            (None, _) => None,
        };
        let warm_up = Amount { requests: WARM_UP, seconds: WARM_UP_SHARE * amount.seconds };
        self.turns(&visitor, &addresses, warm_up).await?;
        let servers = system.watched();
        let mut watched = servers.clone();
        let me = Watched { name: GENERATOR.to_owned(), pid: getpid(), scope: Scope::Process };
        watched.extend(site.seeded.watched().into_iter().chain([me]));
        watched.extend(link.as_ref().map(|link| Watched {
            name: link::ROLE.to_owned(),
            pid: link.pid(),
            scope: Scope::Process,
        }));
        added(&mut link).await?;
        let waited = Waiting::of(&servers)?;
        let before = probe::read(&watched)?;
        let begun = Instant::now();
        let (asked, latency) = self.turns(&visitor, &addresses, amount).await?;
        let seconds = begun.elapsed().as_secs_f64();
        let usage = before.until(&probe::read(&watched)?);
        let waiting = Waiting::of(&servers)?.since(waited);
        let achieved = added(&mut link).await?;
        let fault = achieved.as_ref().and_then(|achieved| achieved.counts().err());
        Ok(Trial {
            round,
            cell: cell.name.clone(),
            requests: asked as u64,
            seconds: rounded(seconds),
            latency: latency.to_record(),
            cpu_ms: usage.cpu_ms,
            resident_mib: probe::resident(&watched)?,
            foreign_cpu: usage.foreign_cpu,
            steal: usage.steal,
            waiting: Some(waiting),
            link: achieved,
            void: fault.map(|fault| fault.to_string()),
        })
    }

    /// What is asked for, in order.
    fn addresses(&self) -> anyhow::Result<Vec<Uri>> {
        let Place { site, texts, .. } = self.place;
        let Replay::Text { kib, codec } = self.cell.view else {
            return self.cell.view.addresses(&site.dataset);
        };
        let slug = texts.get(&kib).with_context(|| format!("no text has {kib} KiB"))?;
        let address: Uri = format!("/lab/article/{slug}?codec={codec}").parse()?;
        Ok(vec![address])
    }

    /// All visitors ask in turns, each over a connection of their own, until one end of `amount` is
    /// reached. Gives the number of answers and their latencies.
    async fn turns(
        &self,
        visitor: &Visitor,
        addresses: &[Uri],
        amount: Amount,
    ) -> anyhow::Result<(usize, Times)> {
        let begun = Instant::now();
        let least = LEAST.max(self.cell.visitors as usize);
        let state = RefCell::new((0, Times::new()));
        let next = || {
            let asked = &mut state.borrow_mut().0;
            let enough = *asked >= least && begun.elapsed().as_secs_f64() >= amount.seconds;
            (*asked < amount.requests && !enough).then(|| {
                *asked += 1;
                *asked - 1
            })
        };
        let turns = (0..self.cell.visitors).map(|_| async {
            while let Some(number) = next() {
                let asked = Instant::now();
                let address = &addresses[number % addresses.len()];
                visitor.ask(std::slice::from_ref(address)).await?;
                state.borrow_mut().1.record(asked.elapsed());
            }
            anyhow::Ok(())
        });
        try_join_all(turns).await?;
        Ok(state.into_inner())
    }
}

/// What a link has added since this was last asked.
async fn added(link: &mut Option<&mut Link>) -> anyhow::Result<Option<Achieved>> {
    match link {
        Some(link) => link.achieved().await.map(Some),
        None => Ok(None),
    }
}
