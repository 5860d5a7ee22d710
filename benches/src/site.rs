//! Everything that has to stand before a server can be started: programs, data, and the guardian
//! who clears it all away.

use std::{collections::BTreeMap, fs, path::PathBuf};

use contract::dataset::{Dataset, Size};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::{
    affinity,
    databases::{Engine, Seeded},
    fleet::Rig,
    guardian::Guardian,
    progress,
    record::{Arm, Layout},
    servers,
};

/// Seed of the data that is measured on. Always the same: another seed of a run means other
/// visitors, not another site.
pub const DATASET_SEED: u64 = 1;

/// A site that is ready to be served. Its parts go in this order, so that what uses something goes
/// before it.
pub struct Site {
    /// Starts servers.
    pub rig: Rig,
    /// The filled database.
    pub seeded: Seeded,
    /// The kind of database.
    pub engine: String,
    /// What it was filled with.
    pub dataset: Dataset,
    /// A directory of one's own, removed at the end.
    pub dir: PathBuf,
    /// Ends everything when it goes.
    pub guardian: Guardian,
}

impl Site {
    /// Builds the servers, starts PostgreSQL if that is wanted, fills a database. `layout` shares
    /// out the cores from here on.
    ///
    /// # Errors
    /// One line that says what could not be had.
    pub async fn build(engine: &Engine, layout: Layout) -> anyhow::Result<Self> {
        Self::with(engine, layout, Size::default()).await
    }

    /// The same with another amount of data.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub async fn with(engine: &Engine, layout: Layout, size: Size) -> anyhow::Result<Self> {
        engine.check()?;
        let mut guardian = Guardian::start()?;
        let (name, value) = guardian.mark();
        let mark = (name, value.to_owned());
        progress::say("Building", "the servers, in release mode");
        let binaries = servers::build(&mark)?;

        // Everything of ours, and a database that we start, stays on these cores.
        affinity::move_to(&layout.load_cores)?;
        raise_file_limit()?;

        let dir = guardian.temporary_directory()?;
        let logs = dir.join("logs");
        fs::create_dir(&logs)?;
        let token_secret = dir.join(in_process::SECRET_FILE);
        let dataset = Dataset::new(size, DATASET_SEED);
        let what = format!("{} articles into {}", dataset.size().articles, engine.kind());
        progress::say("Seeding", &what);
        let ignore = |_, _| {};
        let seeded =
            Seeded::prepare(engine, &dataset, &dir, &token_secret, &mut guardian, ignore).await?;
        let rig = Rig {
            binaries,
            under: Vec::new(),
            jobs: "off",
            layout,
            mark,
            token_secret,
            planted: BTreeMap::new(),
            lab_file: None,
            env: Vec::new(),
            logs,
        };
        Ok(Self { rig, seeded, engine: engine.kind().to_owned(), dataset, dir, guardian })
    }
}

impl Site {
    /// Has the planted arm burn so much CPU on top of each request, and the waiting one wait so long,
    /// both in milliseconds.
    ///
    /// # Errors
    /// The file system's.
    pub fn plant(&mut self, spin_ms: f64, wait_ms: f64) -> anyhow::Result<()> {
        let calls = self.rig.lab_file.is_some();
        let spin = serde_json::json!({ "spin_us_per_request": spin_ms * 1e3, "calls": calls });
        let wait = serde_json::json!({ "wait_us_per_request": wait_ms * 1e3, "calls": calls });
        for (arm, what) in [(Arm::Planted, spin), (Arm::Waiting, wait)] {
            let file = self.dir.join(format!("{}.json", arm.name()));
            fs::write(&file, what.to_string())?;
            self.rig.planted.insert(arm, file);
        }
        Ok(())
    }
}

impl Site {
    /// Gives servers with pages those that only the lab asks for, from their next start on.
    ///
    /// # Errors
    /// The file system's.
    pub fn offer_calls(&mut self) -> anyhow::Result<()> {
        let file = self.dir.join("calls.json");
        fs::write(&file, serde_json::json!({ "calls": true }).to_string())?;
        self.rig.lab_file = Some(file);
        Ok(())
    }
}

/// How many rows of what there are, and the seed they were made from.
pub fn rows(dataset: &Dataset) -> BTreeMap<String, u64> {
    let Size { users, articles, tags, .. } = dataset.size();
    let rows = [
        ("users", users),
        ("articles", articles),
        ("tags", tags),
        ("rows in all", dataset.rows()),
        ("seed", dataset.seed()),
    ];
    rows.map(|(name, number)| (name.to_owned(), number)).into()
}

/// Open load may need a connection for every visitor of several seconds. Servers inherit the limit.
pub fn raise_file_limit() -> anyhow::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}
