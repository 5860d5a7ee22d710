//! What a server takes by being there: a program on the disk, time to start, and memory, which is
//! seen after many pages, when what is kept between requests has grown to its size.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::{Replay, Visitor};
use crate::{
    affinity,
    databases::{Databases, Engine},
    fleet::{Fleet, System},
    probe, progress,
    record::{Arm, Start},
    site::Site,
    stats,
};

/// How often each server is started.
const STARTS: u32 = 20;

/// How many pages are asked for before memory is looked at.
const PAGES: u64 = 10_000;

/// By how many visitors at once.
const VISITORS: u64 = 8;

/// What one server takes by being there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Upkeep {
    /// `sqlite` or `postgres`.
    pub database: String,
    /// Which server.
    pub role: String,
    /// Size of its program, bytes.
    pub program_bytes: u64,
    /// From the start of the process to the first 200, milliseconds: the median of all starts, and
    /// the longest.
    pub first_ok_ms: [f64; 2],
    /// Resident memory after the first answer, MiB: the median of all starts.
    pub started_mib: f64,
    /// Resident memory after so many pages, MiB.
    pub working_mib: f64,
    /// How many pages those were.
    pub pages: u64,
}

/// Measures the servers of both architectures.
///
/// # Errors
/// One line: what could not be had, or which answer was wrong.
pub async fn upkeep(engine: &Engine) -> anyhow::Result<Vec<Upkeep>> {
    let layout = affinity::layout(&affinity::cores()?);
    let mut site = Site::build(engine, layout).await?;
    let arms = [Arm::Monolith, Arm::Split];
    let databases = site.seeded.copies("upkeep", &arms, &mut site.guardian).await?;
    let mut rows = Vec::new();
    for arm in arms {
        let mut starts = Vec::new();
        for number in 1..STARTS {
            progress::say("Starting", &format!("{}, {number} of {STARTS}", arm.name()));
            let fleet = start(&site, &databases, arm).await?;
            starts.extend(fleet.starts(number));
            fleet.stop().await?;
        }
        // The last one stays a while.
        let mut fleet = start(&site, &databases, arm).await?;
        starts.extend(fleet.starts(STARTS));
        let system = fleet.system(arm)?;
        let worked = worked(&site, &system);
        let working = fleet.unless_one_dies(worked).await?;
        fleet.stop().await?;
        let programs = site.rig.binaries.sizes()?;
        for (role, working_mib) in working {
            let program_bytes = *programs.get(&role).context("a server without a program")?;
            rows.push(row(&site.engine, role, program_bytes, &starts, working_mib));
        }
    }
    Ok(rows)
}

async fn start(site: &Site, databases: &Databases, arm: Arm) -> anyhow::Result<Fleet> {
    site.rig.start(databases, &[arm], "upkeep").await
}

/// Role → memory after many pages, MiB.
async fn worked(site: &Site, system: &System) -> anyhow::Result<BTreeMap<String, f64>> {
    progress::say("Asking", &format!("{}: {PAGES} pages", system.arm.name()));
    let addresses = Replay::Mix.addresses(&site.dataset)?;
    let each = PAGES / VISITORS / addresses.len() as u64;
    let rest = (PAGES / VISITORS % addresses.len() as u64) as usize;
    let mut visitors = JoinSet::new();
    for _ in 0..VISITORS {
        let (visitor, addresses) = (Visitor::guest(system), addresses.clone());
        visitors.spawn(async move {
            for _ in 0..each {
                visitor.ask(&addresses).await?;
            }
            visitor.ask(&addresses[..rest]).await
        });
    }
    while let Some(done) = visitors.join_next().await {
        done??;
    }
    probe::resident(&system.watched())
}

fn row(
    database: &str,
    role: String,
    program_bytes: u64,
    starts: &[Start],
    working_mib: f64,
) -> Upkeep {
    let of = |value: fn(&Start) -> f64| -> Vec<f64> {
        starts.iter().filter(|start| start.role == role).map(value).collect()
    };
    let first_ok = of(|start| start.first_ok_ms);
    let longest = first_ok.iter().copied().fold(0.0, f64::max);
    let median = |values| stats::median(values).unwrap_or_default();
    let rounded = |value: f64| (value * 10.0).round() / 10.0;
    Upkeep {
        database: database.to_owned(),
        program_bytes,
        first_ok_ms: [median(first_ok), longest].map(rounded),
        started_mib: rounded(median(of(|start| start.resident_mib))),
        working_mib: rounded(working_mib),
        pages: PAGES,
        role,
    }
}
