//! Measures a grid whose cells have several servers each, on one PostgreSQL database. For every trial
//! the servers of one cell are started anew, with nothing in their memory; every round tries each cell
//! once, in an order of its own.
//!
//! A visitor reads lists, waiting for each answer, and after so many pages somebody likes the newest
//! article, which every list that holds it shows. Then, apart from that, it is watched how long it takes
//! until all servers with pages show such a write.

use std::{
    path::PathBuf,
    sync::LazyLock,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use boot::{CACHE_HITS, CACHE_INVALIDATIONS, CACHE_MISSES};
use bytes::Bytes;
use futures_util::future::try_join_all;
use http::Uri;
use indicatif::ProgressBar;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use tokio::time::sleep;

use super::{
    Cell, Cells, Grid, Reads, Trial,
    measure::LOOK,
    writer::{Writer, page},
};
use crate::{
    affinity,
    databases::{Database, Engine},
    fleet::{
        deployment::{self, Deployment, Ground, View},
        quota::Quotas,
        topology::Role,
    },
    intermediary::Program,
    ledger::{Known, Ledger},
    load::{Connections, Times},
    machine,
    parity::{STATEMENTS, counter, metrics},
    pilot::Found,
    probe::{self, Watched},
    progress,
    record::{Arm, Parity, Run, Start},
    relay::{Balancing, Policy},
    run::Order,
    servers::MONOLITH,
    site::{Site, rows},
    stats::{rounded, shuffle},
};

/// Pages that are read for each write.
pub const PAGES_PER_WRITE: usize = 50;

/// Lists that may be kept, more than there are; and for how long, in seconds: as long as a page may be
/// out of date where nobody says that it is.
const CACHE: [&str; 4] = ["--cache-entries", "1000", "--cache-seconds", "1"];

/// Blocks of pages and a write before what counts: every connection has to have seen every statement.
const WARM_UP: usize = 2;

/// How many writes are watched in each trial.
const WATCHED: usize = 2;

/// How long a write may take to show everywhere, before the run ends: far longer than anything is kept.
const LIMIT: Duration = Duration::from_secs(30);

/// What is watched: it shows the newest article.
static HOME: LazyLock<Uri> = LazyLock::new(|| Uri::from_static("/"));

/// What every trial needs.
struct Bench<'a> {
    ground: Ground<'a>,
    site: &'a Site,
    database: &'a Database,
    writer: &'a Writer,
}

/// What keeps servers to their cores, and stands in front of them.
struct Given<'a> {
    quotas: &'a Quotas,
    program: &'a Program,
    balancing: Balancing,
}

impl<'a> Given<'a> {
    fn bench(&self, site: &'a Site, database: &'a Database, writer: &'a Writer) -> Bench<'a> {
        let Self { quotas, program, balancing } = *self;
        let ground = Ground { rig: &site.rig, quotas, program, balancing, directory: &site.dir };
        Bench { ground, site, database, writer }
    }
}

/// One trial that is about to be measured.
struct Asked<'a> {
    bench: &'a Bench<'a>,
    cell: &'a Cell,
    view: View,
    front: Connections,
    /// Everything that counts.
    servers: Vec<Connections>,
    /// Those that have pages.
    pages: Vec<Connections>,
    /// Whether the article is liked now.
    liked: bool,
}

/// Carries out a grid of deployments, and returns the run with the folder where it is kept.
///
/// # Errors
/// One line: what could not be had, which server died, or which answer was wrong.
pub async fn measure(
    order: &Order,
    engine: &Engine,
    grid: &Grid,
    mut ledger: Ledger,
) -> anyhow::Result<(PathBuf, Run)> {
    ensure!(
        *engine != Engine::Sqlite,
        "{}: several servers share one database here, which is for PostgreSQL: --db postgres",
        order.experiment.card.id
    );
    order.balancing.check().context("--balancer")?;
    let machine = machine::machine()?;
    let layout = affinity::layout(&affinity::cores()?);
    let mut site = Site::build(engine, layout.clone()).await?;
    let writer = Writer::of(&site).await?;
    // One for all: writes leave traces in it, and they have to be the same for everybody.
    let databases = site.seeded.copies("grid", &[Arm::Monolith], &mut site.guardian).await?;
    let database = databases.of(Arm::Monolith)?;
    let quotas = Quotas::open(&site.rig.mark.1);
    site.guardian.remove_groups_at_end(&quotas)?;
    let program = Program::this((site.rig.mark.0, &site.rig.mark.1))?;
    let given = Given { quotas: &quotas, program: &program, balancing: order.balancing };
    let planted_ms = match ledger.found() {
        Some(found) => found.pilot.planted_ms,
        None => given.bench(&site, database, &writer).planted(grid).await?,
    };
    site.plant(planted_ms, 0.0)?;
    ledger.begin(Known {
        order,
        engine,
        machine,
        layout,
        site: &site,
        dataset: rows(&site.dataset),
        parity: Parity::default(),
        found: Found::planted(planted_ms),
    })?;
    let bar = progress::bar("Measuring", (grid.rounds * grid.cells.len()) as u64);
    let bench = given.bench(&site, database, &writer);
    let measured = bench.rounds(grid, order.seed, &ledger, &bar).await;
    bar.finish_and_clear();
    let (trials, starts) = measured?;
    let balancing = Some(order.balancing);
    let cells = Cells { cells: grid.cells.clone(), trials, balancing };
    ledger.finish(|run| Run { grid: Some(cells), starts, ..run })
}

impl Bench<'_> {
    /// What the plain cell costs, and so how much CPU is planted per request, milliseconds.
    async fn planted(&self, grid: &Grid) -> anyhow::Result<f64> {
        progress::say("Piloting", "what a page costs here");
        let plain = grid.cell(&grid.controls.plain).context("no plain cell")?;
        let (trial, _) = self.trial(plain, 0, "look", LOOK).await?;
        let cpu_ms = trial.cpu_ms.get(MONOLITH).copied().unwrap_or_default();
        Ok(rounded(grid.controls.effect * cpu_ms / trial.requests as f64))
    }

    async fn rounds(
        &self,
        grid: &Grid,
        seed: u64,
        ledger: &Ledger,
        bar: &ProgressBar,
    ) -> anyhow::Result<(Vec<Trial>, Vec<Start>)> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut trials, mut starts) = (Vec::new(), Vec::new());
        for round in 0..u32::try_from(grid.rounds)? {
            let mut order: Vec<_> = grid.cells.iter().enumerate().collect();
            shuffle(&mut rng, &mut order);
            for (index, cell) in order {
                bar.set_message(cell.name.clone());
                let name = format!("round-{round}-{index}");
                let measured = self.trial(cell, round, &name, grid.requests);
                let (trial, started): (Trial, Vec<Start>) = ledger.part(&name, measured).await?;
                trials.push(trial);
                starts.extend(started);
                bar.inc(1);
            }
        }
        Ok((trials, starts))
    }

    /// On servers of its own.
    async fn trial(
        &self,
        cell: &Cell,
        round: u32,
        name: &str,
        pages: usize,
    ) -> anyhow::Result<(Trial, Vec<Start>)> {
        let deployed = cell.deployed.with_context(|| format!("{}: no servers", cell.name))?;
        let topology = deployed.topology(cell.arm);
        let cache = CACHE.map(str::to_owned).to_vec();
        let flags = deployed.cache.map(|role| (role, cache)).into_iter().collect();
        let order = deployment::Order {
            topology: &topology,
            policy: Policy::RoundRobin,
            database: self.database,
            arm: cell.arm,
            name,
            flags: &flags,
        };
        let mut deployment = self.ground.start(order).await?;
        let starts = starts(&deployment, round);
        let asked = Asked::of(self, cell, &deployment);
        let trial = deployment.unless_one_dies(asked.measured(round, pages)).await?;
        deployment.stop().await?;
        Ok((trial, starts))
    }
}

fn starts(deployment: &Deployment, round: u32) -> Vec<Start> {
    let start = |replica: &deployment::Replica| Start {
        role: replica.role.name().to_owned(),
        arm: replica.server.arm,
        restart: round,
        ready_ms: replica.server.ready.as_secs_f64() * 1e3,
        first_ok_ms: replica.server.first_ok.as_secs_f64() * 1e3,
        resident_mib: replica.server.resident_mib,
    };
    deployment.replicas().iter().map(start).collect()
}

impl<'a> Asked<'a> {
    fn of(bench: &'a Bench<'a>, cell: &'a Cell, deployment: &Deployment) -> Self {
        let view = deployment.view();
        let replicas = || deployment.replicas().iter();
        let to = |replica: &deployment::Replica| Connections::new(replica.server.address);
        Self {
            bench,
            cell,
            front: Connections::new(view.front),
            view,
            servers: replicas().map(to).collect(),
            pages: replicas().filter(|it| it.role != Role::SplitBackend).map(to).collect(),
            liked: false,
        }
    }

    async fn measured(mut self, round: u32, pages: usize) -> anyhow::Result<Trial> {
        let site = self.bench.site;
        let addresses = self.cell.view.addresses(&site.dataset)?;
        // From here on each write changes something.
        self.like(false).await?;
        let warm_up = WARM_UP * PAGES_PER_WRITE;
        self.read_and_write(&addresses, warm_up, &mut Times::new()).await?;

        let mut watched = self.view.watched.clone();
        let me = Watched::generator();
        watched.extend(site.seeded.watched().into_iter().chain([me]));
        let counted = self.counted().await?;
        let before = probe::read(&watched)?;
        let (begun, mut latency) = (Instant::now(), Times::new());
        let requests = self.read_and_write(&addresses, pages, &mut latency).await?;
        let seconds = begun.elapsed().as_secs_f64();
        let usage = before.until(&probe::read(&watched)?);
        let now = self.counted().await?;
        let [statements, hits, misses, invalidations] =
            [0, 1, 2, 3].map(|i| now[i].saturating_sub(counted[i]));
        let mut stale_ms = Vec::new();
        for _ in 0..WATCHED {
            stale_ms.push(rounded(self.watch_a_write().await?));
        }
        Ok(Trial {
            round,
            cell: self.cell.name.clone(),
            requests: requests as u64,
            seconds: rounded(seconds),
            latency: latency.to_record(),
            cpu_ms: usage.cpu_ms,
            resident_mib: probe::resident(&watched)?,
            foreign_cpu: usage.foreign_cpu,
            steal: usage.steal,
            waiting: None,
            link: None,
            reads: Some(Reads { statements, hits, misses, invalidations, stale_ms }),
            void: None,
        })
    }

    /// At least so many pages, in whole blocks of [`PAGES_PER_WRITE`] with a write after each. Gives
    /// their number.
    async fn read_and_write(
        &mut self,
        addresses: &[Uri],
        pages: usize,
        latency: &mut Times,
    ) -> anyhow::Result<usize> {
        let mut addresses = addresses.iter().cycle();
        let blocks = pages.div_ceil(PAGES_PER_WRITE);
        for _ in 0..blocks {
            for address in addresses.by_ref().take(PAGES_PER_WRITE) {
                let asked = Instant::now();
                page(&self.front, address).await?;
                latency.record(asked.elapsed());
            }
            self.like(!self.liked).await?;
        }
        Ok(blocks * PAGES_PER_WRITE)
    }

    async fn like(&mut self, wanted: bool) -> anyhow::Result<()> {
        self.bench.writer.like(&self.front, self.view.front, wanted).await?;
        self.liked = wanted;
        Ok(())
    }

    /// Statements, hits, misses and invalidations of all servers so far.
    async fn counted(&self) -> anyhow::Result<[u64; 4]> {
        const NAMES: [&str; 4] = [STATEMENTS, CACHE_HITS, CACHE_MISSES, CACHE_INVALIDATIONS];
        let mut sums = [0; 4];
        for server in &self.servers {
            let text = metrics(server).await?;
            for (sum, name) in sums.iter_mut().zip(NAMES) {
                *sum += counter(&text, name);
            }
        }
        Ok(sums)
    }

    /// Milliseconds from the answer to a write until it is asked for what then shows it, on the server
    /// with pages that takes longest. Each has just answered the same question, and so has the answer
    /// in memory, if it has any.
    async fn watch_a_write(&mut self) -> anyhow::Result<f64> {
        let before = self.agreed().await?;
        self.like(!self.liked).await?;
        let written = Instant::now();
        let shown = self.pages.iter().map(|server| async {
            loop {
                let asked = written.elapsed();
                if page(server, &HOME).await? != before {
                    return anyhow::Ok(asked);
                }
                self.wait(written).await?;
            }
        });
        let shown = try_join_all(shown).await?;
        Ok(shown.into_iter().max().unwrap_or_default().as_secs_f64() * 1e3)
    }

    /// The home page, as soon as all servers show the same: the one that the last write went through
    /// shows that, so none is behind any more. A page that still shows an earlier state would look like
    /// the next one.
    async fn agreed(&self) -> anyhow::Result<Bytes> {
        let begun = Instant::now();
        loop {
            let pages = self.pages.iter().map(|server| page(server, &HOME));
            let pages = try_join_all(pages).await?;
            match pages.split_first() {
                Some((first, others)) if others.iter().all(|other| other == first) => {
                    return Ok(first.clone());
                }
                _ => self.wait(begun).await?,
            }
        }
    }

    /// Between two questions: the servers and the database need the cores too.
    async fn wait(&self, since: Instant) -> anyhow::Result<()> {
        ensure!(since.elapsed() < LIMIT, "{}: a write never shows", self.cell.name);
        sleep(Duration::from_millis(1)).await;
        Ok(())
    }
}
