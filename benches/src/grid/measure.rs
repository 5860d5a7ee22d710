//! Measures a grid, round by round, each on servers that were just started.

use std::{collections::BTreeMap, path::PathBuf, time::Instant};

use anyhow::Context;
use chrono::Utc;
use contract::dataset::Size;
use indicatif::ProgressBar;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{
    Cells, Grid, Trial,
    frame::Frame,
    laps::{self, Amount},
    texts,
};
use crate::{
    affinity,
    databases::{Databases, Engine},
    machine, progress,
    record::{Arm, Layout, Run, Start},
    run::Order,
    site::Site,
    store::{self, Folder},
};

/// Requests by which the pilot learns what the plain cell costs.
pub(super) const LOOK: usize = 200;

/// So much data, and the databases of the systems that run on it.
pub(super) struct Place {
    pub(super) site: Site,
    databases: Databases,
    pub(super) arms: Vec<Arm>,
    pub(super) articles: u64,
    /// Texts of a known length: KiB → what the article is called in addresses.
    pub(super) texts: BTreeMap<u32, String>,
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
    let bar = progress::bar("Measuring", (grid.rounds * grid.cells.len()) as u64);
    let measured = rounds(&places, grid, order.seed, &bar).await;
    bar.finish_and_clear();
    let (trials, starts) = measured?;
    let first = places.first().context("a grid without cells")?;
    let build = machine::build(&first.site.rig.binaries)?;
    let dataset = places.iter().map(|p| ("articles".to_owned(), p.articles)).collect();
    let frame = Frame { order, engine, started, machine, build, layout, dataset, planted_ms };
    let cells = Cells { cells: grid.cells.clone(), trials };
    let run = frame.record(folder.id.clone(), clock.elapsed().as_secs_f64(), cells, starts);
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
    let look = fleet.unless_one_dies(laps::look(plain, place, &system, LOOK)).await;
    let planted_ms = grid.controls.effect * look?;
    fleet.stop().await?;
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
    let amount = Amount { requests: grid.requests, seconds: grid.seconds };
    let (mut trials, mut starts) = (Vec::new(), Vec::new());
    for round in 0..u32::try_from(grid.rounds)? {
        let mut fleets = Vec::new();
        for place in places {
            let name = format!("round-{round}");
            fleets.push(place.site.rig.start(&place.databases, &place.arms, &name).await?);
        }
        for fleet in &fleets {
            starts.extend(fleet.starts(round));
        }
        let measured =
            laps::round(places, &mut fleets, &grid.cells, (round, amount), &mut rng, bar).await?;
        trials.extend(measured);
        for fleet in fleets {
            fleet.stop().await?;
        }
    }
    Ok((trials, starts))
}
