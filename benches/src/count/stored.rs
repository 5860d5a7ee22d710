//! The figures that are in force, in a file that is part of the source: whoever makes a page dearer
//! has to say so there, and why.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    fs,
    path::PathBuf,
    str::FromStr,
};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Beside, Cost, Growth, How, Misses, Replay, Spans, Syscalls, Upkeep};
use crate::{servers, words};

/// By how much a figure may grow before it counts as grown.
const TOLERANCE: f64 = 1.05;

/// Replay → process → what one page takes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Counts(pub BTreeMap<Replay, BTreeMap<String, Cost>>);

/// Something that was tried to make pages cheaper, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What was done.
    pub what: String,
    /// Whether it stayed, and what spoke for or against it.
    pub kept: bool,
    /// Why, in a sentence.
    pub why: String,
    /// `sqlite` or `postgres`.
    pub database: String,
    /// Before it.
    pub before: Counts,
    /// With it.
    pub after: Counts,
    /// What was measured besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<Figure>,
}

/// What a change did to something that is not counted in instructions: CPU time side by side, the
/// size of a program, how long it takes to build.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// Without the change.
    pub before: f64,
    /// With it.
    pub after: f64,
    /// The unit of both.
    pub unit: String,
}

impl FromStr for Figure {
    type Err = anyhow::Error;

    /// As on the command line: `WHAT=BEFORE..AFTER UNIT`.
    fn from_str(text: &str) -> anyhow::Result<Self> {
        const FORM: &str = "expected something like `size of the monolith=19.2..17.5 MB`";
        let (what, rest) = text.split_once('=').context(FORM)?;
        let (values, unit) = rest.split_once(' ').context(FORM)?;
        let (before, after) = values.split_once("..").context(FORM)?;
        let number = |text: &str| text.parse::<f64>().context(FORM);
        let (before, after) = (number(before)?, number(after)?);
        Ok(Self { what: what.to_owned(), before, after, unit: unit.to_owned() })
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, before, after, unit } = self;
        write!(f, "{what}: {before} → {after} {unit}")
    }
}

/// Everything in the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// Database → the figures in force.
    pub counts: BTreeMap<String, Counts>,
    /// What was tried, in order.
    pub changes: Vec<Change>,
    /// What a page takes with more and more data.
    #[serde(default)]
    pub growth: Vec<Growth>,
    /// What servers take by being there.
    #[serde(default)]
    pub upkeep: Vec<Upkeep>,
    /// What a page misses in the caches of a processor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caches: Vec<Misses>,
    /// What a page asks of the kernel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub syscalls: Vec<Syscalls>,
    /// Where the time of a page goes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Spans>,
    /// The lab's load generator beside others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub generators: Vec<Beside>,
}

/// A figure beside the one in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What is compared, in words.
    pub what: String,
    /// The figure in force; `None` if there is none.
    pub stored: Option<f64>,
    /// The new one.
    pub counted: f64,
}

/// What a comparison comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// As it should be.
    Same,
    /// Dearer than it may be.
    Grown,
    /// So much cheaper that the figure in force guards nothing any more.
    Shrunk,
}

impl Comparison {
    /// How the new figure stands to the one in force.
    pub fn judgement(&self) -> Judgement {
        match self.stored {
            None => Judgement::Grown,
            Some(stored) if self.counted > stored * TOLERANCE => Judgement::Grown,
            Some(stored) if self.counted * TOLERANCE < stored => Judgement::Shrunk,
            Some(_) => Judgement::Same,
        }
    }
}

impl Counts {
    /// Compares what must not grow with the figures in force. (How often threads wait is not among
    /// it: that depends on what else runs on the machine.)
    pub fn against(&self, stored: &Self) -> Vec<Comparison> {
        let mut comparisons = Vec::new();
        for (replay, processes) in &self.0 {
            for (process, cost) in processes {
                let before = stored.0.get(replay).and_then(|of| of.get(process));
                let figures = [
                    (
                        "instructions",
                        cost.instructions as f64,
                        before.map(|b| b.instructions as f64),
                    ),
                    ("statements", cost.statements, before.map(|b| b.statements)),
                    ("backend calls", cost.backend_calls, before.map(|b| b.backend_calls)),
                ];
                comparisons.extend(figures.map(|(name, counted, stored)| Comparison {
                    what: format!("{}, {process}: {name}", replay.name()),
                    stored,
                    counted,
                }));
            }
        }
        comparisons
    }

    /// One line per replay and process.
    pub fn table(&self) -> String {
        let mut text = String::from(
            "replay  process            instructions   waits  statements  backend calls\n",
        );
        for (replay, processes) in &self.0 {
            for (process, cost) in processes {
                let Cost { instructions, waits, statements, backend_calls } = cost;
                let instructions = words::count(*instructions);
                let name = replay.name();
                // Writing to a String can't fail.
                let _ = writeln!(
                    text,
                    "{name:<7} {process:<18} {instructions:>12} {waits:>7.2} {statements:>11.2} \
                     {backend_calls:>14.2}"
                );
            }
        }
        text
    }
}

impl Replay {
    /// As in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::Mix => "mix",
            Self::Article => "article",
            Self::Tag => "tag",
            Self::Profile => "profile",
            Self::Feed => "own feed",
            Self::Lists => "lists",
            Self::List => "JSON list",
            Self::Calls(_) => "calls",
            Self::Text { .. } => "text",
        }
    }
}

impl How {
    /// As in results, and as the servers know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sequential => "sequential",
            Self::Concurrent => "concurrent",
            Self::Batched => "batched",
        }
    }
}

/// Where the figures are kept.
pub(super) fn path() -> anyhow::Result<PathBuf> {
    Ok(servers::workspace()?.join("docs").join("performance.json"))
}

impl Stored {
    /// Reads the file; nothing is in force where there is none.
    pub fn read() -> anyhow::Result<Self> {
        let path = path()?;
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        parse(&text).with_context(|| path.display().to_string())
    }

    /// Writes the file.
    pub fn write(&self) -> anyhow::Result<()> {
        let path = path()?;
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(&path, text).with_context(|| path.display().to_string())
    }
}

impl Stored {
    /// Compares with what is in force on a database.
    ///
    /// # Errors
    /// When anything has grown: each of them, by how much, and what to do about it.
    pub fn check(&self, database: &str, counts: &Counts) -> anyhow::Result<()> {
        let in_force = self.counts.get(database).cloned().unwrap_or_default();
        let mut grown = Vec::new();
        for comparison in counts.against(&in_force) {
            let Comparison { what, stored, counted } = &comparison;
            let line = match stored {
                Some(stored) => format!("{what}: {counted} instead of {stored}"),
                None => format!("{what}: {counted}, and no figure is in force"),
            };
            match comparison.judgement() {
                Judgement::Grown => grown.push(line),
                Judgement::Shrunk => println!("cheaper: {line}"),
                Judgement::Same => {}
            }
        }
        if grown.is_empty() {
            return Ok(());
        }
        bail!(
            "pages have become dearer; if that is meant, say so by `--kept CHANGE --why REASON`:\n{}",
            grown.join("\n")
        )
    }

    /// Notes what was tried. If it is kept, its figures are in force from now on.
    pub fn tried(mut self, tried: Tried, database: &str, after: Counts) -> Self {
        let Tried { what, kept, why, figures } = tried;
        let before = self.counts.get(database).cloned().unwrap_or_default();
        if kept {
            self.counts.insert(database.to_owned(), after.clone());
        }
        let database = database.to_owned();
        self.changes.push(Change { what, kept, why, database, before, after, figures });
        self
    }
}

/// What somebody has to say of a change.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried {
    /// What was done.
    pub what: String,
    /// Whether it stays.
    pub kept: bool,
    /// Why.
    pub why: String,
    /// What was measured besides instructions.
    pub figures: Vec<Figure>,
}

fn parse<T: DeserializeOwned>(text: &str) -> anyhow::Result<T> {
    Ok(serde_json::from_str(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(instructions: u64, statements: f64) -> Counts {
        let cost = Cost { instructions, statements, ..Cost::default() };
        let of_home = BTreeMap::from([("monolith".to_owned(), cost)]);
        Counts(BTreeMap::from([(Replay::Home, of_home)]))
    }

    #[test]
    fn a_page_may_grow_by_a_twentieth_and_no_more() {
        let judge = |now: Counts, stored: &Counts| -> Vec<Judgement> {
            now.against(stored).iter().map(Comparison::judgement).collect()
        };
        use Judgement::{Grown, Same, Shrunk};
        let stored = counts(1_000, 2.0);
        assert_eq!(judge(counts(1_040, 2.0), &stored), [Same, Same, Same]);
        assert_eq!(judge(counts(1_060, 2.0), &stored), [Grown, Same, Same]);
        assert_eq!(judge(counts(1_000, 3.0), &stored), [Same, Grown, Same]);
        assert_eq!(judge(counts(900, 2.0), &stored), [Shrunk, Same, Same]);
        assert_eq!(judge(counts(1_000, 2.0), &Counts::default()), [Grown, Grown, Grown]);
    }
    #[test]
    fn a_figure_is_read_as_it_is_written_on_the_command_line() {
        let figure: Figure = "CPU of both servers=1.2..0.9 ms a page".parse().unwrap();
        assert_eq!(figure.to_string(), "CPU of both servers: 1.2 → 0.9 ms a page");
        for bad in ["", "size", "size=1..2", "size=1-2 MB", "size=one..2 MB"] {
            assert!(bad.parse::<Figure>().is_err(), "{bad}");
        }
    }
}
