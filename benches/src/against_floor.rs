//! `lab floor`: how far above the floor the app stands, in CPU time and latency. Four systems answer
//! the home page: the hand-written page alone and over its hop, the monolith and the split.
//!
//! Every round starts fresh servers; within it all four are asked in a random order and once more in
//! the opposite one, while the others are frozen, so that whatever drifts falls on all of them alike.
//! One visitor asks, and waits for each answer: nothing queues, and a page's latency is its own.
//!
//! Measured here ([`measure`]), judged in [`judge`]: nothing else passes between them but [`Record`].

use std::{collections::BTreeMap, time::Instant};

use anyhow::{Context, ensure};
use http::{Request, StatusCode, Uri};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use serde::{Deserialize, Serialize};

use crate::{
    affinity,
    databases::{Engine, POSTGRES},
    fleet::System,
    load::{Body, Connections},
    probe, progress,
    record::Arm,
    site::Site,
    stats::{Estimate, RESAMPLES, Resamples, below, rounded, weighted_mean},
};

/// The systems.
pub const ARMS: [Arm; 4] = [Arm::Floor, Arm::Hop, Arm::Monolith, Arm::Split];

/// Requests before each stretch, not counted.
const WARM_UP: usize = 60;

/// How much above the hand-written page the monolith may be.
const ABOVE_FLOOR: f64 = 1.15;

/// How much more CPU than two bare hops the split may add to a page with two calls.
const ABOVE_HOP: f64 = 1.25;

/// How much more latency than one bare hop the split may add to a page whose calls run concurrently.
const LATER_THAN_HOP: f64 = 1.5;

/// Everything that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// `sqlite` or `postgres`.
    pub database: String,
    /// Of the order, and of the resampling.
    pub seed: u64,
    /// Requests in each stretch.
    pub requests: usize,
    /// System → what it took, round by round.
    pub rounds: Vec<BTreeMap<Arm, Taken>>,
}

/// What one view of the page took of a system, on average over a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Taken {
    /// CPU of all its servers, user and system, milliseconds.
    pub servers_ms: f64,
    /// CPU of PostgreSQL, milliseconds.
    pub database_ms: f64,
    /// The median time until the answer was there, milliseconds.
    pub p50_ms: f64,
}

/// Measures.
///
/// # Errors
/// One line: what could not be had, or which answer was wrong.
pub async fn measure(
    engine: &Engine,
    rounds: usize,
    requests: usize,
    seed: u64,
) -> anyhow::Result<Record> {
    let mut site = Site::build(engine, affinity::layout(&affinity::cores()?)).await?;
    let databases = site.seeded.copies("floor", &ARMS, &mut site.guardian).await?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut record = Record { database: site.engine.clone(), seed, requests, rounds: Vec::new() };
    let bar = progress::bar("Measuring", rounds as u64);
    for round in 0..rounds {
        let mut fleet = site.rig.start(&databases, &ARMS, &format!("round-{round}")).await?;
        let systems: anyhow::Result<Vec<System>> =
            ARMS.iter().map(|arm| fleet.system(*arm)).collect();
        let systems = systems?;
        systems.iter().try_for_each(System::park)?;
        // Fisher and Yates.
        let mut order: Vec<usize> = (0..systems.len()).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, below(&mut rng, last + 1));
        }
        let there_and_back = order.iter().chain(order.iter().rev());
        let mut taken: BTreeMap<Arm, Taken> = BTreeMap::new();
        let stretches = async {
            for index in there_and_back {
                let system = &systems[*index];
                let half = stretch(system, &site, requests).await?;
                let sum = taken.entry(system.arm).or_default();
                sum.servers_ms += half.servers_ms / 2.0;
                sum.database_ms += half.database_ms / 2.0;
                sum.p50_ms += half.p50_ms / 2.0;
            }
            Ok(())
        };
        fleet.unless_one_dies(stretches).await?;
        fleet.stop().await?;
        record.rounds.push(taken);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(record)
}

/// Thaws a system, warms it up, asks it, freezes it.
async fn stretch(system: &System, site: &Site, requests: usize) -> anyhow::Result<Taken> {
    let mut watched = system.watched();
    let servers: Vec<String> = watched.iter().map(|server| server.name.clone()).collect();
    watched.extend(site.seeded.watched());
    system.resume()?;
    let visitor = Connections::new(system.front);
    for _ in 0..WARM_UP {
        ask(&visitor).await?;
    }
    let before = probe::read(&watched)?;
    let mut times = Vec::with_capacity(requests);
    for _ in 0..requests {
        let asked = Instant::now();
        ask(&visitor).await?;
        times.push(asked.elapsed().as_secs_f64() * 1e3);
    }
    let used = before.until(&probe::read(&watched)?).cpu_ms;
    system.park()?;
    times.sort_by(f64::total_cmp);
    let of = |name: &str| used.get(name).copied().unwrap_or_default() / requests as f64;
    Ok(Taken {
        servers_ms: servers.iter().map(|name| of(name)).sum(),
        database_ms: of(POSTGRES),
        p50_ms: times.get(requests / 2).copied().context("nothing was asked")?,
    })
}

async fn ask(visitor: &Connections) -> anyhow::Result<()> {
    let mut request = Request::new(Body::default());
    *request.uri_mut() = Uri::from_static("/");
    let answer = visitor.send(request).await?;
    ensure!(answer.status == StatusCode::OK, "the home page was answered by {}", answer.status);
    Ok(())
}

/// A figure that has a target.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What it is.
    pub what: &'static str,
    /// The figure, with its 95 % interval.
    pub found: Estimate,
    /// What it should be at most.
    pub target: f64,
    /// `×` or `ms`.
    pub unit: &'static str,
}

impl Finding {
    /// Whether the target is reached, as far as the interval tells.
    pub fn reached(&self) -> &'static str {
        match self.found {
            Estimate { high, .. } if high <= self.target => "reached",
            Estimate { low, .. } if low > self.target => "missed",
            _ => "open: the interval holds the target",
        }
    }
}

/// What the rounds come to; `None` from fewer than two of them.
pub fn judge(record: &Record) -> Option<Vec<Finding>> {
    let of = |arm: Arm, value: fn(&Taken) -> f64| -> Vec<f64> {
        let taken = record.rounds.iter().filter_map(|round| round.get(&arm));
        taken.map(value).collect()
    };
    let servers = ARMS.map(|arm| of(arm, |taken| taken.servers_ms));
    let totals = ARMS.map(|arm| of(arm, |taken| taken.servers_ms + taken.database_ms));
    let latencies = ARMS.map(|arm| of(arm, |taken| taken.p50_ms));
    let resamples = Resamples::new(record.seed, record.rounds.len(), RESAMPLES);
    let found = resamples.intervals(0.95, |weights| {
        let means = |of: &[Vec<f64>; 4]| of.each_ref().map(|values| weighted_mean(values, weights));
        let [floor, hop, monolith, split] = means(&servers);
        let [_, _, together, _] = means(&totals);
        let [floor_p50, hop_p50, monolith_p50, split_p50] = means(&latencies);
        [
            monolith / floor,
            (split - monolith) / (hop - floor),
            (split_p50 - monolith_p50) / (hop_p50 - floor_p50),
            together,
        ]
    })?;
    let together = if record.database == POSTGRES { 0.8 } else { 0.35 };
    let targets = [
        ("CPU of the monolith's home page against the floor's, servers only", ABOVE_FLOOR, "×"),
        ("CPU that the split adds to it, against that of the bare hops", ABOVE_HOP, "×"),
        ("p50 that the split adds to it, against that of the bare hops", LATER_THAN_HOP, "×"),
        ("CPU of the monolith's home page, servers and database together", together, "ms"),
    ];
    let finding = |((what, target, unit), found): ((&'static str, f64, &'static str), Estimate)| {
        Finding { what, found: found.map(rounded), target, unit }
    };
    Some(targets.into_iter().zip(found).map(finding).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds in which every system takes so much, give or take what differs from round to round.
    fn record(servers_ms: [f64; 4]) -> Record {
        let round = |number: usize| {
            let drift = 1.0 + 0.02 * (number % 3) as f64;
            let taken = |ms: f64| Taken { servers_ms: ms * drift, database_ms: 0.0, p50_ms: ms };
            ARMS.into_iter().zip(servers_ms.map(taken)).collect()
        };
        Record {
            database: "sqlite".to_owned(),
            seed: 1,
            requests: 1,
            rounds: (0..12).map(round).collect(),
        }
    }

    #[test]
    fn a_target_is_reached_or_missed_by_the_whole_interval() {
        let verdicts = |ms| -> Vec<&'static str> {
            judge(&record(ms)).unwrap().iter().map(Finding::reached).collect()
        };
        // 0.21 of 0.20; the split adds 0.12 where the bare hops add 0.10.
        let good = verdicts([0.20, 0.30, 0.21, 0.33]);
        assert_eq!(good, ["reached"; 4]);
        // 0.26 of 0.20; 0.20 where they add 0.10; more than 0.35 in all.
        let bad = verdicts([0.40, 0.50, 0.52, 0.72]);
        assert_eq!(bad, ["missed"; 4]);
    }

    #[test]
    fn one_round_says_nothing() {
        let mut record = record([0.2; 4]);
        record.rounds.truncate(1);
        assert_eq!(judge(&record), None);
    }
}
