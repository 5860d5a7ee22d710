//! A short look before measuring: what does a page cost here? From that follow the rates, so that
//! a run loads a slow machine as much as a fast one. Nothing of it enters an estimate.

use std::{collections::BTreeMap, time::Instant};

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use crate::{
    affinity,
    databases::POSTGRES,
    fleet::System,
    load::{Generator, Tally, Target, poisson},
    probe::{self, GENERATOR, Watched},
    record::{Page, Pilot},
    visitors::Visitors,
};

/// Share of the servers' core that the monolith uses at the steady rate. Low enough that the
/// split, whatever its tax, is not near saturation; high enough for narrow intervals.
const SERVERS: f64 = 0.30;

/// Share of the other core that generator and database may use at the steady rate: beyond, answers
/// would wait there, and not in what is measured.
const BESIDE: f64 = 0.40;

/// Bounds of the steady rate, arrivals per second: below, a slice holds too few requests; above,
/// the generator would begin to need its core for itself.
const RATES: (f64, f64) = (20.0, 2_000.0);

/// Size of the planted effect, as a share of the home page's CPU.
const PLANTED: f64 = 0.05;

/// How long the waiting arm waits, milliseconds.
const WAITING_MS: f64 = 0.5;

/// Requests of the first, rough measurement, after as many to warm up.
const ROUGH: usize = 150;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// What goes into the record.
    pub pilot: Pilot,
    /// Page → steady rate, arrivals per second, the same for every arm.
    pub rates: BTreeMap<Page, f64>,
    /// Page → how many a second one core's worth of monolith makes.
    pub one_core: BTreeMap<Page, f64>,
    /// What should be known about runs on this database.
    pub remark: Option<String>,
}

impl Found {
    /// Where no rates are needed: so much CPU burns the planted arm.
    pub fn planted(planted_ms: f64) -> Self {
        let pilot = Pilot { planted_ms, ..Pilot::default() };
        Self { pilot, ..Self::default() }
    }
}

/// CPU of one page, milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Cost {
    servers: f64,
    database: f64,
    generator: f64,
}

impl Cost {
    /// The rate at which neither core is used more than it should be.
    fn steady_rate(self) -> f64 {
        let servers = SERVERS * 1e3 / self.servers;
        let beside = BESIDE * 1e3 / (self.database + self.generator);
        servers.min(beside).clamp(RATES.0, RATES.1)
    }
}

/// Looks at one monolith: roughly first, then for `seconds` at the rate that follows.
#[derive(Debug)]
pub struct Look<'a> {
    /// Sends requests.
    pub generator: &'a Generator,
    /// What is asked for.
    pub visitors: &'a Visitors,
    /// What works beside the servers, as far as it can be seen.
    pub beside: Vec<Watched>,
    /// Length of the second look at each page.
    pub seconds: f64,
    /// Seed of arrivals.
    pub seed: u64,
}

impl Look<'_> {
    /// What one monolith pays per page, and the rates that follow.
    pub async fn at(&self, monolith: &System) -> anyhow::Result<Found> {
        let me = Watched::generator();
        let mut watched = monolith.watched();
        watched.extend(self.beside.iter().cloned().chain([me]));

        let seen = !monolith.watched().is_empty();
        let mut pilot = Pilot::default();
        let (mut rates, mut one_core) = (BTreeMap::new(), BTreeMap::new());
        let mut remark = None;
        for page in [Page::Home, Page::Article] {
            let target = self.visitors.to(page, monolith.front);
            let cost = if seen {
                self.page(target, &watched).await?
            } else {
                self.unseen(target, &watched).await?
            };
            rates.insert(page, cost.steady_rate());
            one_core.insert(page, 1e3 / cost.servers);
            if seen {
                pilot.cpu_ms.insert(page, cost.servers);
            }
            if cost.database > cost.servers {
                remark = Some(format!(
                    "a page costs PostgreSQL more CPU ({:.2} ms) than the monolith ({:.2} ms), and \
                     it shares its core with the generator: goodput is the database's, and so is \
                     much of the latency",
                    cost.database, cost.servers
                ));
            }
        }
        if let Some(home) = pilot.cpu_ms.get(&Page::Home) {
            pilot.planted_ms = PLANTED * home;
            pilot.waiting_ms = WAITING_MS;
        }
        Ok(Found { pilot, rates, one_core, remark })
    }

    /// A bound on what a page costs where the servers' CPU can't be read: as if all cores had worked
    /// for nothing but it. It sets rates that are rather too low than too high.
    async fn unseen(&self, target: Target, watched: &[Watched]) -> anyhow::Result<Cost> {
        self.generator.warm(target.clone(), ROUGH).await?;
        let start = Instant::now();
        let beside = cost(watched, self.generator.warm(target, ROUGH)).await?;
        let cores = affinity::cores()?.len() as f64;
        let all = start.elapsed().as_secs_f64() * 1e3 * cores / ROUGH as f64;
        Ok(Cost { servers: all, ..beside })
    }

    async fn page(&self, target: Target, watched: &[Watched]) -> anyhow::Result<Cost> {
        self.generator.warm(target.clone(), ROUGH).await?;
        let rough = cost(watched, self.generator.warm(target.clone(), ROUGH)).await?;
        let arrivals = poisson(rough.steady_rate(), self.seconds, self.seed, target.paths.len());
        cost(watched, self.generator.open(target, arrivals)).await
    }
}

/// What a page costs under `load`.
async fn cost(
    watched: &[Watched],
    load: impl Future<Output = anyhow::Result<Tally>>,
) -> anyhow::Result<Cost> {
    let before = probe::read(watched)?;
    let tally = load.await?;
    let used = before.until(&probe::read(watched)?).cpu_ms;
    ensure!(tally.completed > 0, "the monolith does not answer: {:?}", tally.errors);
    let mut cost = Cost::default();
    for (name, ms) in used {
        let per_page = ms / tally.completed as f64;
        match name.as_str() {
            POSTGRES => cost.database += per_page,
            GENERATOR => cost.generator += per_page,
            _ => cost.servers += per_page,
        }
    }
    Ok(cost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_costs_a_millisecond_is_asked_for_300_times_a_second() {
        let cost = |servers| Cost { servers, database: 0.0, generator: 0.1 };
        assert!((cost(1.0).steady_rate() - 300.0).abs() < 1e-9);
        assert!((cost(1e-6).steady_rate() - RATES.1).abs() < 1e-9);
        assert!((cost(1e6).steady_rate() - RATES.0).abs() < 1e-9);
    }

    #[test]
    fn a_page_that_is_the_databases_work_does_not_drown_its_core() {
        let cost = Cost { servers: 0.5, database: 1.5, generator: 0.1 };
        assert!((cost.steady_rate() - 250.0).abs() < 1e-9);
    }
}
