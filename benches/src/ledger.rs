//! What a run that is measured part by part has measured already. A part is whatever stands by itself: a
//! round of a grid, a trial, a kill. It is written down as soon as it is there, and a run that goes on
//! takes the same way as before, but finds those parts instead of measuring them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    circumstances::Circumstances,
    databases::Engine,
    journal::{Begun, Entry, Progress},
    machine,
    pilot::Found,
    progress,
    record::{Layout, Machine, Parity, Resumption, Run},
    run::Order,
    site::Site,
    store::{self, Folder},
};

/// What is known before the first part.
pub(crate) struct Known<'a> {
    pub(crate) order: &'a Order,
    pub(crate) engine: &'a Engine,
    pub(crate) machine: Machine,
    pub(crate) layout: Layout,
    pub(crate) site: &'a Site,
    /// How many rows of what.
    pub(crate) dataset: BTreeMap<String, u64>,
    pub(crate) parity: Parity,
    pub(crate) found: Found,
}

impl Known<'_> {
    fn begun(self, started: DateTime<Utc>) -> anyhow::Result<Begun> {
        let Self { order, engine, machine, layout, site, dataset, parity, found } = self;
        let circumstances = Circumstances {
            machine,
            build: machine::build(&site.rig.binaries)?,
            layout,
            database: engine.kind().to_owned(),
            dataset,
            composition: None,
        };
        let programs = site.rig.binaries.fingerprints()?;
        Ok(Begun::new(order, started, circumstances, programs, (parity, found)))
    }
}

/// The folder of a run that is measured part by part.
#[derive(Debug)]
pub struct Ledger {
    /// When measuring began.
    pub started: DateTime<Utc>,
    folder: Mutex<Folder>,
    path: PathBuf,
    /// What it was begun with, where it goes on.
    begun: Option<Begun>,
    /// Name → what was measured before the interruption.
    known: BTreeMap<String, Value>,
    resumed: Vec<Resumption>,
    /// Time spent before, and since when there is more of it.
    before: f64,
    clock: Instant,
}

impl Ledger {
    /// That of a run that starts now.
    ///
    /// # Errors
    /// The file system's.
    pub fn new(order: &Order) -> anyhow::Result<Self> {
        let started = Utc::now();
        Ok(Self::of(Folder::create(&store::root()?, started, order.seed)?, started))
    }

    fn of(folder: Folder, started: DateTime<Utc>) -> Self {
        Self {
            started,
            path: folder.path.clone(),
            folder: Mutex::new(folder),
            begun: None,
            known: BTreeMap::new(),
            resumed: Vec::new(),
            before: 0.0,
            clock: Instant::now(),
        }
    }

    /// That of a run that goes on.
    ///
    /// # Errors
    /// When the journal is that of a run with slices.
    pub fn again(mut folder: Folder, begun: Begun, entries: Vec<Entry>) -> anyhow::Result<Self> {
        let (mut known, mut resumed, mut before) = (BTreeMap::new(), Vec::new(), 0.0);
        let resumption = |at, restart| Resumption { at, restart, dropped: Vec::new() };
        for entry in entries {
            match entry {
                Entry::Part { name, seconds, measured } => {
                    known.insert(name, measured);
                    before = seconds;
                }
                Entry::Resumed { at, restart, .. } => resumed.push(resumption(at, restart)),
                Entry::Complete { .. } => bail!("the journal is of another kind of run"),
            }
        }
        let (at, restart) = (Utc::now(), u32::try_from(known.len())?);
        folder.enter(&Entry::Resumed { at, restart, slices: 0 })?;
        resumed.push(resumption(at, restart));
        progress::say("Resuming", &format!("after {restart} parts"));
        let started = begun.started;
        Ok(Self { begun: Some(begun), known, resumed, before, ..Self::of(folder, started) })
    }

    /// The run's folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was found before the first part, where that is known already.
    pub fn found(&self) -> Option<Found> {
        self.begun.as_ref().map(|begun| begun.found.clone())
    }

    /// Writes down what is known before the first part, and starts the clock; where the run goes on, makes
    /// sure that it is what it was.
    ///
    /// # Errors
    /// One line: the machine, the source or the data are others now.
    pub(crate) fn begin(&mut self, known: Known<'_>) -> anyhow::Result<()> {
        self.hold(known.begun(self.started)?)
    }

    fn hold(&mut self, now: Begun) -> anyhow::Result<()> {
        if let Some(begun) = &self.begun {
            begun.refuse_others(&now.circumstances)?;
            let same = begun.programs == now.programs && begun.command == now.command;
            ensure!(same, "the run was begun with another source, on top of the same commit");
        } else {
            self.folder().begin(&now)?;
            self.begun = Some(now);
        }
        self.clock = Instant::now();
        Ok(())
    }

    /// The part of that name, which no other part of the run has: as it was measured before the run was
    /// interrupted, or else as `measure` measures it now.
    ///
    /// # Errors
    /// What `measure` fails with; it is not there then. And the file system's.
    pub async fn part<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        measure: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        if let Some(known) = self.known.get(name) {
            let context = || format!("{name} of the interrupted run can't be read");
            return serde_json::from_value(known.clone()).with_context(context);
        }
        let measured = measure.await?;
        let (name, seconds) = (name.to_owned(), self.seconds());
        let value = serde_json::to_value(&measured)?;
        self.folder().enter(&Entry::Part { name, seconds, measured: value })?;
        Ok(measured)
    }

    /// Whether the part of that name was measured before the interruption. Whatever stopped the run then,
    /// such as part after part that came to nothing, is no reason to stop it again.
    pub fn knows(&self, name: &str) -> bool {
        self.known.contains_key(name)
    }

    /// Writes the whole run. `complete` adds to the frame what was measured.
    ///
    /// # Errors
    /// The file system's.
    pub fn finish(self, complete: impl FnOnce(Run) -> Run) -> anyhow::Result<(PathBuf, Run)> {
        let seconds = self.seconds();
        let begun = self.begun.context("a run that was never begun")?;
        let mut folder = self.folder.into_inner().unwrap_or_else(PoisonError::into_inner);
        let progress = Progress { seconds, resumed: self.resumed, ..Progress::default() };
        let run = complete(begun.record(folder.id.clone(), progress));
        folder.finish(&run)?;
        Ok((self.path, run))
    }

    fn folder(&self) -> MutexGuard<'_, Folder> {
        self.folder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time spent on measuring, interruptions left out.
    fn seconds(&self) -> f64 {
        self.before + self.clock.elapsed().as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{experiment::Preset, journal, synthetic::Truth};

    /// A run that was begun, in a folder below `root`.
    fn begun(root: &Path) -> Ledger {
        let run = Truth { preset: Preset::Smoke, ..Truth::default() }.run();
        let folder = Folder::create(root, run.started, run.seed).unwrap();
        let mut ledger = Ledger::of(folder, run.started);
        ledger.hold(journal::tests::begun(&run)).unwrap();
        ledger
    }

    /// The run that was interrupted, going on.
    fn again(root: &Path, id: &str) -> Ledger {
        let (folder, begun, _, entries) = Folder::reopen(root, id).unwrap();
        let mut ledger = Ledger::again(folder, begun.clone(), entries).unwrap();
        ledger.hold(begun).unwrap();
        ledger
    }

    fn id(ledger: &Ledger) -> String {
        ledger.path().file_name().unwrap().to_str().unwrap().to_owned()
    }

    async fn measured(ledger: &Ledger, name: &str, value: f64) -> f64 {
        ledger.part(name, async { Ok(value) }).await.unwrap()
    }

    #[tokio::test]
    async fn what_was_measured_before_the_interruption_is_not_measured_again() {
        let root = tempfile::tempdir().unwrap();
        let ledger = begun(root.path());
        assert_eq!(measured(&ledger, "one", 0.1 + 0.2).await.to_bits(), (0.1_f64 + 0.2).to_bits());
        let failed = ledger.part::<f64>("two", async { bail!("the server died") }).await;
        assert!(failed.unwrap_err().to_string().contains("the server died"));
        let id = id(&ledger);
        drop(ledger);

        let ledger = again(root.path(), &id);
        assert_eq!(["one", "two"].map(|name| ledger.knows(name)), [true, false]);
        assert_eq!(measured(&ledger, "one", 7.0).await.to_bits(), (0.1_f64 + 0.2).to_bits());
        assert!((measured(&ledger, "two", 2.0).await - 2.0).abs() < 1e-12);
        let before = ledger.before;
        drop(ledger);

        let ledger = again(root.path(), &id);
        assert!(ledger.before > before, "time adds up");
        assert!((measured(&ledger, "two", 7.0).await - 2.0).abs() < 1e-12);
        let (_, run) = ledger.finish(|run| run).unwrap();
        let parts: Vec<u32> = run.resumed.iter().map(|it| it.restart).collect();
        assert_eq!(parts, [1, 2]);
        assert!(Folder::reopen(root.path(), &id).is_err(), "it is complete");
    }

    #[tokio::test]
    async fn another_machine_or_other_programs_are_refused_and_nothing_is_lost() {
        let root = tempfile::tempdir().unwrap();
        let ledger = begun(root.path());
        measured(&ledger, "one", 1.0).await;
        let id = id(&ledger);
        drop(ledger);
        let refused = |change: &dyn Fn(&mut Begun)| {
            let (folder, begun, _, entries) = Folder::reopen(root.path(), &id).unwrap();
            let mut now = begun.clone();
            change(&mut now);
            let mut ledger = Ledger::again(folder, begun, entries).unwrap();
            ledger.hold(now).unwrap_err().to_string()
        };
        let machine = refused(&|now| now.circumstances.machine.cpu = "Another".into());
        assert!(machine.contains("another machine"), "{machine}");
        let programs = refused(&|now| now.programs = [("monolith".to_owned(), 8)].into());
        assert!(programs.contains("another source"), "{programs}");
        assert!((measured(&again(root.path(), &id), "one", 7.0).await - 1.0).abs() < 1e-12);
    }
}
