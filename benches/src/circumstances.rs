//! Under which circumstances a result is true: on what it was measured, from what source, with which
//! data. Two measurements can be put together only where these are alike, and compared only by somebody
//! who knows how they differ.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::{Build, Composition, Layout, Machine, Run};
use crate::words;

/// Under which name the commit stands in [`Circumstances::named`].
pub const COMMIT: &str = "commit";

/// The circumstances of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Circumstances {
    /// Where it ran.
    pub machine: Machine,
    /// What ran.
    pub build: Build,
    /// How the cores were shared out.
    pub layout: Layout,
    /// Kind of database.
    pub database: String,
    /// How many rows of what, and the seed they were made from.
    pub dataset: BTreeMap<String, u64>,
    /// The containers, where a composition was measured.
    pub composition: Option<Composition>,
}

impl Circumstances {
    /// Those of a run.
    pub fn of(run: &Run) -> Self {
        Self {
            machine: run.machine.clone(),
            build: run.build.clone(),
            layout: run.layout.clone(),
            database: run.database.clone(),
            dataset: run.dataset.clone(),
            composition: run.composition.clone(),
        }
    }

    /// Everything that bears on a result, by name, as text. Load before the run and fallbacks do not:
    /// they change from hour to hour.
    pub fn named(&self) -> Vec<(&'static str, String)> {
        let Machine { cpu, cores, memory_mib, kernel, os, load_before: _ } = &self.machine;
        let listed = |map: &BTreeMap<String, u64>| {
            let parts: Vec<String> =
                map.iter().map(|(what, n)| format!("{what} {}", words::count(*n))).collect();
            parts.join(", ")
        };
        let containers = self.composition.iter().flat_map(|composition| {
            composition.containers.iter().map(|c| {
                let limits = (c.cpus, &c.cores, c.memory_mib);
                format!("{} {} {limits:?}", c.service, c.image_id)
            })
        });
        let layout = &self.layout;
        vec![
            ("machine", format!("{cpu}, {cores} cores, {} MiB", words::count(*memory_mib))),
            ("system", format!("{os}, Linux {kernel}")),
            ("cores", format!("servers {:?}, load {:?}", layout.server_cores, layout.load_cores)),
            (COMMIT, self.build.commit.clone()),
            ("compiler", self.build.rustc.clone()),
            ("programs", listed(&self.build.binary_bytes)),
            ("database", self.database.clone()),
            ("dataset", listed(&self.dataset)),
            ("containers", containers.collect::<Vec<_>>().join("; ")),
        ]
    }

    /// The first thing in which others differ from these: its name, and both.
    pub fn difference(&self, other: &Self) -> Option<(&'static str, [String; 2])> {
        let mut pairs = self.named().into_iter().zip(other.named());
        let ((name, one), (_, two)) = pairs.find(|((_, one), (_, two))| one != two)?;
        Some((name, [one, two]))
    }
}
