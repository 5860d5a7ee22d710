//! What a page asks of the kernel, on each rung of x1-ladder: which rung takes what is told by the
//! calls that it adds. Counted in a run of its own, because who counts calls makes them dearer.

use std::{collections::BTreeMap, fs};

use serde::{Deserialize, Serialize};

use super::{
    PAGES, Replay, Visitor, WARM_UP,
    tracer::{Calls, Tracer},
};
use crate::{
    affinity,
    databases::{Databases, Engine},
    experiments::ladder,
    fleet::System,
    progress,
    record::Arm,
    site::Site,
};

/// What one process asks of the kernel for one page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Syscalls {
    /// `sqlite` or `postgres`.
    pub database: String,
    /// What was asked for: a rung, or the home page of an arm.
    pub what: String,
    /// Which process.
    pub process: String,
    /// System call → how often per page, on average.
    pub calls: BTreeMap<String, f64>,
    /// How many pages were asked for, one after the other.
    pub pages: u64,
    /// What counted: `perf` or `strace`.
    pub tracer: String,
}

impl Syscalls {
    /// All kinds together.
    pub fn total(&self) -> f64 {
        self.calls.values().sum()
    }
}

/// Arms whose home page is counted besides.
const HOMES: [Arm; 4] = [Arm::Floor, Arm::Hop, Arm::Monolith, Arm::Split];

/// What each rung of the ladder and each home page is called, its arm, and what that is asked for; and
/// all arms once.
pub(super) fn subjects(homes: &[Arm]) -> (Vec<(String, Arm, Replay)>, Vec<Arm>) {
    let home = |arm: &Arm| (format!("home page, {}", arm.name()), *arm, Replay::Home);
    let subjects: Vec<_> = ladder::next_door().into_iter().chain(homes.iter().map(home)).collect();
    let mut arms: Vec<Arm> = subjects.iter().map(|(_, arm, _)| *arm).collect();
    arms.sort_unstable();
    arms.dedup();
    (subjects, arms)
}

/// Counts everything, on one database.
///
/// # Errors
/// One line: what could not be had, or which answer was wrong.
pub async fn syscalls(engine: &Engine) -> anyhow::Result<Vec<Syscalls>> {
    let tracer = Tracer::find()?;
    let mut site = Site::build(engine, affinity::layout(&affinity::cores()?)).await?;
    site.offer_calls()?;
    let (subjects, arms) = subjects(&HOMES);
    let databases = site.seeded.copies("syscalls", &arms, &mut site.guardian).await?;
    let mut rows = Vec::new();
    for (what, arm, replay) in subjects {
        progress::say("Counting", &format!("{what}: {PAGES} pages, by {}", tracer.name()));
        for (process, calls) in counted(&site, &databases, tracer, (arm, replay)).await? {
            let per_page = |(name, count): (String, u64)| {
                (name, (count as f64 / PAGES as f64 * 100.0).round() / 100.0)
            };
            let mut calls: BTreeMap<String, f64> = calls.into_iter().map(per_page).collect();
            calls.retain(|_, often| *often > 0.0);
            rows.push(Syscalls {
                database: site.engine.clone(),
                what: what.clone(),
                process,
                calls,
                pages: PAGES as u64,
                tracer: tracer.name().to_owned(),
            });
        }
    }
    Ok(rows)
}

/// Role → the system calls of all pages, on servers of its own.
async fn counted(
    site: &Site,
    databases: &Databases,
    tracer: Tracer,
    (arm, replay): (Arm, Replay),
) -> anyhow::Result<Vec<(String, Calls)>> {
    let addresses = replay.addresses(&site.dataset)?;
    let mut fleet = site.rig.start(databases, &[arm], "syscalls").await?;
    let system: System = fleet.system(arm)?;
    let dir = tempfile::tempdir_in(&site.dir)?;
    let counted = async {
        let visitor = Visitor::guest(&system);
        visitor.ask(&addresses[..WARM_UP]).await?;
        let mut tracings = Vec::new();
        for process in &system.processes {
            let tracing = tracer.begin(process.pid()?, dir.path(), site.guardian.mark()).await?;
            tracings.push((process.role.to_owned(), tracing));
        }
        visitor.ask(&addresses).await?;
        let mut counts = Vec::new();
        for (role, tracing) in tracings {
            counts.push((role, tracing.end().await?));
        }
        anyhow::Ok(counts)
    };
    let counts = fleet.unless_one_dies(counted).await?;
    fleet.stop().await?;
    fs::remove_dir_all(dir.path())?;
    Ok(counts)
}
