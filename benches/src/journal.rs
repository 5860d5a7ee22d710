//! What a run writes down as it goes, so that it can go on after an interruption.
//!
//! Slices are appended to one file as they are measured, and never changed there. A second file says what
//! became of them: an [`Entry`] stands for all slices since the entry before it. So an interruption,
//! wherever it falls, leaves at worst some slices without an entry: those of the restart that was cut
//! short, which is then measured anew.

use std::mem;

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    circumstances::Circumstances,
    databases::Engine,
    experiment,
    pilot::Found,
    plan::Plan,
    record::{Parity, Resumption, Run, SCHEMA, Slice, Start},
    relay::Balancing,
    run::Order,
    servers::Fingerprints,
    testbed::Place,
};

/// What is known when the first slice is about to be measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Begun {
    /// [`crate::record::SCHEMA`] at the time of writing.
    pub schema: u32,
    /// Which experiment.
    pub experiment: String,
    /// How much of it.
    pub preset: String,
    /// The seed.
    pub seed: u64,
    /// Where, as on the command line; without the address of a database, which may hold a password.
    pub place: String,
    /// What stands in front of replicas, where there are any.
    pub balancing: Balancing,
    /// The command that repeats the run.
    pub command: String,
    /// When measuring began.
    pub started: DateTime<Utc>,
    /// Machine, source, data.
    pub circumstances: Circumstances,
    /// The programs' contents: sources that differ from a commit don't say which they are.
    pub programs: Fingerprints,
    /// What is to be measured.
    pub plan: Plan,
    /// What the parity gate compared.
    pub parity: Parity,
    /// What the pilot found, rates among it.
    pub found: Found,
}

/// What became of the slices since the entry before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// They are all slices of a restart.
    Complete {
        /// Which.
        restart: u32,
        /// How its servers came up.
        starts: Vec<Start>,
        /// Time spent on measuring until here, interruptions left out, seconds.
        seconds: f64,
        /// Slices in the file until here.
        slices: usize,
    },
    /// A part of a run that has no restarts: see [`crate::ledger`].
    Part {
        /// What it is.
        name: String,
        /// Time spent on measuring until here, as above.
        seconds: f64,
        /// What was measured.
        measured: Value,
    },
    /// They are what there was of a restart when the run was interrupted.
    Resumed {
        /// When the run went on.
        at: DateTime<Utc>,
        /// The restart that was cut short; in a run of parts, how many there were.
        restart: u32,
        /// Slices in the file until here.
        slices: usize,
    },
}

/// What has been measured so far.
#[derive(Debug, Default, PartialEq)]
pub struct Progress {
    /// The slices that count.
    pub slices: Vec<Slice>,
    /// Server starts.
    pub starts: Vec<Start>,
    /// Earlier interruptions.
    pub resumed: Vec<Resumption>,
    /// Complete restarts.
    pub restarts: u32,
    /// Time spent on them, seconds.
    pub seconds: f64,
}

impl Progress {
    /// Sorts the slices of an interrupted run by its journal. Returned beside the progress are those of
    /// the restart that was cut short last.
    ///
    /// # Errors
    /// When the two files don't belong together.
    pub fn replay(slices: Vec<Slice>, entries: Vec<Entry>) -> anyhow::Result<(Self, Vec<Slice>)> {
        let mut progress = Self::default();
        let (mut left, mut seen) = (slices, 0);
        for entry in entries {
            let until = match &entry {
                Entry::Complete { slices, .. } | Entry::Resumed { slices, .. } => slices,
                Entry::Part { .. } => bail!("the journal is of another kind of run"),
            };
            let count = until.checked_sub(seen).filter(|count| *count <= left.len());
            let count = count.context("the journal speaks of slices that are not there")?;
            let rest = left.split_off(count);
            progress.take(entry, mem::replace(&mut left, rest))?;
            seen += count;
        }
        progress.only_of_next(&left)?;
        Ok((progress, left))
    }

    fn take(&mut self, entry: Entry, slices: Vec<Slice>) -> anyhow::Result<()> {
        self.only_of_next(&slices)?;
        match entry {
            Entry::Complete { restart, starts, seconds, .. } => {
                ensure!(restart == self.restarts, "restart {restart} is out of order");
                self.slices.extend(slices);
                self.starts.extend(starts);
                self.restarts += 1;
                self.seconds = seconds;
            }
            Entry::Part { .. } => {}
            Entry::Resumed { at, restart, .. } => {
                self.resumed.push(Resumption { at, restart, dropped: slices });
            }
        }
        Ok(())
    }

    fn only_of_next(&self, slices: &[Slice]) -> anyhow::Result<()> {
        let strange = slices.iter().find(|slice| slice.restart != self.restarts);
        match strange {
            Some(slice) => bail!("a slice of restart {} is out of order", slice.restart),
            None => Ok(()),
        }
    }
}

impl Begun {
    /// What is known of a run before its first slice or part; a plan there may be besides.
    pub fn new(
        order: &Order,
        started: DateTime<Utc>,
        circumstances: Circumstances,
        programs: Fingerprints,
        (parity, found): (Parity, Found),
    ) -> Self {
        Self {
            schema: SCHEMA,
            experiment: order.experiment.card.id.to_owned(),
            preset: order.preset.to_string(),
            seed: order.seed,
            place: order.place.flag(),
            balancing: order.balancing,
            command: order.command(),
            started,
            circumstances,
            programs,
            plan: Plan { restarts: Vec::new() },
            parity,
            found,
        }
    }

    /// The order that the run was started with. An `engine` has to be named again where the address of
    /// a database is not known any more.
    ///
    /// # Errors
    /// One line: this program doesn't know the experiment, or the database is another.
    pub fn order(&self, engine: Option<Engine>) -> anyhow::Result<Order> {
        Ok(Order {
            experiment: experiment::find(&self.experiment)?,
            preset: self.preset.parse()?,
            place: Place::again(&self.place, engine)?,
            seed: self.seed,
            balancing: self.balancing,
        })
    }

    /// Refuses circumstances that are not those under which the run was begun.
    ///
    /// # Errors
    /// One line: what differs, then and now.
    pub fn refuse_others(&self, now: &Circumstances) -> anyhow::Result<()> {
        match self.circumstances.difference(now) {
            None => Ok(()),
            Some((what, [then, now])) => {
                bail!("the run was begun with another {what}: {then} then, {now} now")
            }
        }
    }

    /// The whole run, when everything has been measured.
    pub fn record(self, id: String, progress: Progress) -> Run {
        let Circumstances { machine, build, layout, database, dataset, composition } =
            self.circumstances;
        Run {
            schema: self.schema,
            id,
            experiment: self.experiment,
            started: self.started,
            seconds: progress.seconds,
            command: self.command,
            preset: self.preset,
            seed: self.seed,
            machine,
            build,
            layout,
            database,
            composition,
            dataset,
            parity: self.parity,
            pilot: self.found.pilot,
            slices: progress.slices,
            starts: progress.starts,
            grid: None,
            scaling: None,
            interference: None,
            durability: None,
            deploys: None,
            ticks: None,
            resumed: progress.resumed,
        }
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
pub(crate) mod tests;
