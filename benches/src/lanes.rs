//! Experiments whose trials are mostly waiting: for a job, a lease, a tick. Each system has a lane with
//! data of its own, in which one trial follows the other, and all lanes go on beside each other.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;
use contract::{
    dataset::Size,
    process::{Server, command},
};
use futures_util::future::try_join_all;
use indicatif::ProgressBar;
use serde::{Serialize, de::DeserializeOwned};
use tokio::task::spawn_blocking;

use crate::{
    affinity,
    databases::{Database, Engine},
    ledger::{Known, Ledger},
    load::Generator,
    machine, progress,
    record::{Arm, Layout, Pilot, Run},
    run::Order,
    scaling::{measure::before, worth_going_on},
    site::{self, Site},
    visitors::Visitors,
};

/// A time that hardly ever comes: no job of the app's own may fall into a trial.
const NEVER: &str = "0 0 29 2 *";

/// One lane on its way.
pub(crate) struct Track<'a> {
    ledger: &'a Ledger,
    number: usize,
    /// Shows how far all of them are.
    pub(crate) bar: &'a ProgressBar,
}

impl Track<'_> {
    /// The lane's trial with this number, unless it has been measured already.
    pub(crate) async fn trial<T: Serialize + DeserializeOwned>(
        &self,
        number: usize,
        measure: impl Future<Output = T>,
    ) -> anyhow::Result<T> {
        let trial = self.ledger.part(&self.name(number), async { Ok(measure.await) }).await?;
        self.bar.inc(1);
        Ok(trial)
    }

    /// Whether to go on after that trial: see [`worth_going_on`]. In turn, why each came to nothing, if
    /// it did.
    pub(crate) fn worth_going_on<'a>(
        &self,
        number: usize,
        voids: impl DoubleEndedIterator<Item = Option<&'a str>>,
    ) -> anyhow::Result<()> {
        if self.ledger.knows(&self.name(number)) { Ok(()) } else { worth_going_on(voids) }
    }

    fn name(&self, number: usize) -> String {
        format!("lane {}, trial {number}", self.number)
    }
}

/// Carries out the trials of all lanes, and returns the run with the folder where it is kept. What is
/// `doing` for so many trials is told meanwhile; `prepare` makes the lanes, `all` carries out one of
/// them, `keep` puts their trials into the record.
///
/// # Errors
/// One line: what could not be had; or trial after trial came to nothing.
pub(crate) async fn measure<L, T>(
    order: &Order,
    engine: &Engine,
    mut ledger: Ledger,
    (doing, trials): (&str, u64),
    prepare: impl AsyncFnOnce(&mut Site) -> anyhow::Result<Vec<L>>,
    all: impl AsyncFn(&L, &Track<'_>) -> anyhow::Result<Vec<T>>,
    keep: impl FnOnce(Run, Vec<T>) -> Run,
) -> anyhow::Result<(PathBuf, Run)> {
    let machine = machine::machine()?;
    let mut layout = affinity::layout(&affinity::cores()?);
    // What becomes of jobs does not hang on how much data there is.
    let size = Size { users: 20, articles: 100, tags: 10, ..Size::default() };
    let mut site = Site::with(engine, layout.clone(), size).await?;
    let instrument = (Generator::start()?, Visitors::of(&site.dataset)?);
    let (parity, mut found) = before(&mut site, order, &instrument, ledger.found()).await?;
    // Nothing is planted that takes time.
    found.pilot = Pilot { planted_ms: 0.0, waiting_ms: 0.0, ..found.pilot };
    layout.fallbacks.extend(found.remark.clone());
    let dataset = site::rows(&site.dataset);
    ledger.begin(Known { order, engine, machine, layout, site: &site, dataset, parity, found })?;
    let bar = progress::bar(doing, trials);
    let lanes = prepare(&mut site).await?;
    let tracks: Vec<Track<'_>> =
        (0..lanes.len()).map(|number| Track { ledger: &ledger, number, bar: &bar }).collect();
    let trials = try_join_all(lanes.iter().zip(&tracks).map(|(lane, at)| all(lane, at))).await;
    bar.finish_and_clear();
    let trials = trials?.into_iter().flatten().collect();
    ledger.finish(|run| keep(run, trials))
}

/// Where the servers of one lane live.
#[derive(Clone, Debug)]
pub struct Quarters {
    /// Their data.
    pub database: Database,
    /// The secret that signs tokens.
    pub token_secret: PathBuf,
    /// Where lab files and logs go: a directory of its own.
    pub directory: PathBuf,
    /// The environment variable that marks a process as this run's.
    pub mark: (&'static str, String),
    /// Who runs where.
    pub layout: Layout,
}

impl Quarters {
    /// Those of the lane with this number, for servers of this arm.
    pub(crate) async fn of(site: &mut Site, arm: Arm, number: usize) -> anyhow::Result<Self> {
        let databases =
            site.seeded.copies(&format!("lane{number}"), &[arm], &mut site.guardian).await?;
        let directory = site.dir.join("lanes").join(number.to_string());
        fs::create_dir_all(&directory)?;
        Ok(Self {
            database: databases.of(arm)?.clone(),
            token_secret: site.rig.token_secret.clone(),
            directory,
            mark: site.rig.mark.clone(),
            layout: site.rig.layout.clone(),
        })
    }

    /// How a server with the database is started: what it does, and more flags.
    pub(crate) fn with_database(
        &self,
        binary: &Path,
        what: &str,
        flags: &[&str],
    ) -> anyhow::Result<Command> {
        let (data, secret) = (text(&self.database.data_dir)?, text(&self.token_secret)?);
        let mut all = vec!["--data-dir", data, "--token-secret-file", secret];
        all.extend(["--digest-missed", "skip", "--digest-schedule", NEVER]);
        all.extend(["--db-connections", "4"]);
        all.extend(flags);
        let mut command = self.without(binary, what, &all)?;
        command.envs(self.database.url.as_ref().map(|url| ("DATABASE_URL", url.expose())));
        Ok(command)
    }

    /// The same for a server without one.
    pub(crate) fn without(
        &self,
        binary: &Path,
        what: &str,
        flags: &[&str],
    ) -> anyhow::Result<Command> {
        let args = [&[what, "--listen", "127.0.0.1:0", "--log", "off"], flags].concat();
        let mut command = command(text(binary)?, &args, &[(self.mark.0, &self.mark.1)]);
        // Of every start only the last words are kept: why it did not come up.
        command.stderr(File::create(self.directory.join(format!("{what}.log")))?);
        Ok(command)
    }

    /// Starts servers on their cores, one after the other.
    pub(crate) async fn start(&self, commands: Vec<Command>) -> anyhow::Result<Vec<Server>> {
        let Layout { server_cores, load_cores, .. } = self.layout.clone();
        spawn_blocking(move || {
            affinity::elsewhere(&server_cores, &load_cores, || {
                commands.into_iter().map(Server::start).collect()
            })?
        })
        .await?
    }
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path in UTF-8")
}
