//! Measures a grid, round by round, each on servers that were just started.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Context;
use contract::dataset::Size;
use indicatif::ProgressBar;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{
    Cells, Grid, Trial,
    laps::{self, Amount},
    texts,
};
use crate::{
    affinity,
    databases::{Databases, Engine},
    ledger::{Known, Ledger},
    machine,
    pilot::Found,
    progress,
    record::{Arm, Layout, Parity, Run, Start},
    run::Order,
    site::Site,
    stats::rounded,
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
    mut ledger: Ledger,
) -> anyhow::Result<(PathBuf, Run)> {
    let machine = machine::machine()?;
    let layout = affinity::layout(&affinity::cores()?);
    let mut places = places(engine, &layout, grid).await?;
    let known = ledger.found().map(|found| found.pilot.planted_ms);
    let planted_ms = plant(&mut places, grid, known).await?;
    let first = places.first().context("a grid without cells")?;
    let dataset = places.iter().map(|p| ("articles".to_owned(), p.articles)).collect();
    ledger.begin(Known {
        order,
        engine,
        machine,
        layout,
        site: &first.site,
        dataset,
        parity: Parity::default(),
        found: Found::planted(planted_ms),
    })?;
    let bar = progress::bar("Measuring", (grid.rounds * grid.cells.len()) as u64);
    let measured = rounds(&places, grid, order.seed, &ledger, &bar).await;
    bar.finish_and_clear();
    let (trials, starts) = measured?;
    let cells = Cells { cells: grid.cells.clone(), trials, balancing: None };
    ledger.finish(|run| Run { grid: Some(cells), starts, ..run })
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

/// Looks what the plain cell costs, where that is not known, and has the planted arm burn a share of it on
/// top: so much CPU per request, in milliseconds.
async fn plant(places: &mut [Place], grid: &Grid, known: Option<f64>) -> anyhow::Result<f64> {
    let plain = grid.cell(&grid.controls.plain).context("no plain cell")?;
    let place = places.iter_mut().find(|place| place.articles == plain.articles);
    let place = place.context("the plain cell has no data")?;
    let planted_ms = match known {
        Some(planted_ms) => planted_ms,
        None => {
            let mut fleet = place.site.rig.start(&place.databases, &[plain.arm], "look").await?;
            let system = fleet.system(plain.arm)?;
            let look = fleet.unless_one_dies(laps::look(plain, place, &system, LOOK)).await;
            fleet.stop().await?;
            rounded(grid.controls.effect * look?)
        }
    };
    place.site.plant(planted_ms, 0.0)?;
    Ok(planted_ms)
}

/// All rounds, each on freshly started servers.
async fn rounds(
    places: &[Place],
    grid: &Grid,
    seed: u64,
    ledger: &Ledger,
    bar: &ProgressBar,
) -> anyhow::Result<(Vec<Trial>, Vec<Start>)> {
    let (mut trials, mut starts) = (Vec::new(), Vec::new());
    for number in 0..u32::try_from(grid.rounds)? {
        // A stream of its own: what a round draws does not hang on whether others were measured.
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(u64::from(number));
        let name = format!("round-{number}");
        let measured = ledger.part(&name, round(places, grid, (number, &name), &mut rng)).await?;
        let (of_round, started): (Vec<Trial>, Vec<Start>) = measured;
        trials.extend(of_round);
        starts.extend(started);
        bar.inc(grid.cells.len() as u64);
    }
    Ok((trials, starts))
}

async fn round(
    places: &[Place],
    grid: &Grid,
    (number, name): (u32, &str),
    rng: &mut ChaCha8Rng,
) -> anyhow::Result<(Vec<Trial>, Vec<Start>)> {
    let amount = Amount { requests: grid.requests, seconds: grid.seconds };
    let mut fleets = Vec::new();
    for place in places {
        fleets.push(place.site.rig.start(&place.databases, &place.arms, name).await?);
    }
    let starts = fleets.iter().flat_map(|fleet| fleet.starts(number)).collect();
    let trials = laps::round(places, &mut fleets, &grid.cells, (number, amount), rng).await?;
    for fleet in fleets {
        fleet.stop().await?;
    }
    Ok((trials, starts))
}
