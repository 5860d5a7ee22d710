//! Experiments on what becomes of accepted jobs when servers are killed.
//!
//! A *group* is one architecture that keeps its jobs in one way and runs them in one place. Each of its
//! trials starts the servers on a cleared job table, has them accept jobs, kills all of them at a named
//! point of the code or at a random moment, counts what was at stake, starts them again, and waits until
//! nothing is left to do. Then every accepted job either has had its effect, once, or it has not.
//!
//! Here is the design as plain data; `trial` carries out one kill, `measure` all of them, the groups
//! beside each other. The servers that die and the books are [`contract::kills`], which the test of the
//! queue uses too. [`crate::judge`] says what it comes to.

mod measure;
mod trial;

use in_process::Point;
use serde::{Deserialize, Serialize};

pub use self::{
    measure::{Lane, measure},
    trial::{Launcher, trial},
};
use crate::record::Arm;

/// How jobs are kept until they are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keeping {
    /// Written down in the transaction that causes them.
    Queue,
    /// Spawned after the answer, in memory.
    Spawn,
}

/// Where they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// In the process that accepts them.
    Inside,
    /// In a worker process of its own.
    Apart,
}

/// How servers end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blow {
    /// Not before all jobs are done: then nothing may be missing.
    None,
    /// By themselves at a point of the code, when they get there for this time.
    At(Point, u32),
    /// By SIGKILL, so many milliseconds after they were ready.
    After(u64),
}

/// One architecture that keeps its jobs in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subject {
    /// Which system. The twin is the monolith once more; in the planted one jobs count as done before
    /// they have had their effect.
    pub arm: Arm,
    /// How it keeps jobs.
    pub keeping: Keeping,
    /// Where it runs them.
    pub place: Place,
}

/// What is done to one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The subject.
    pub subject: Subject,
    /// The points at which it dies,
    pub points: Vec<Point>,
    /// how often at each,
    pub times: u32,
    /// and how often at a random moment.
    pub random: u32,
}

/// Everything that is done.
#[derive(Clone, Debug)]
pub struct Durability {
    /// Beside each other.
    pub groups: Vec<Group>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// How long a job takes until its effect, milliseconds.
    pub job_ms: u32,
    /// How long a worker has a job without a word from it, milliseconds.
    pub lease_ms: u32,
    /// Between two jobs, milliseconds.
    pub pause_ms: u32,
    /// Every trial, group by group in its order; none is ever left out.
    pub trials: Vec<Trial>,
}

/// One kill and what became of the jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Whose.
    #[serde(flatten)]
    pub subject: Subject,
    /// How it ended.
    pub blow: Blow,
    /// Jobs that were accepted: their client was answered so.
    pub accepted: u64,
    /// Accepted jobs without an effect when all servers were dead.
    pub at_stake: u64,
    /// Accepted jobs that never had one.
    pub lost: u64,
    /// Jobs that had their effect more than once, accepted or not.
    pub twice: u64,
    /// Effects without a job's cause in the database.
    pub unasked: u64,
    /// Jobs whose cause is in the database although their client never got an answer,
    pub unanswered: u64,
    /// and those of them that never had an effect. Nobody was promised any.
    pub unanswered_lost: u64,
    /// From starting servers again until every accepted job had its effect, seconds; absent where one
    /// never had, and where nobody was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<f64>,
    /// What went wrong after the kill: servers that did not come back, jobs that nobody ended. Whatever
    /// had no effect by then counts as lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Why the trial counts for nothing, if it does: there was no such kill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void: Option<String>,
}

impl Keeping {
    /// As in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Spawn => "spawn",
        }
    }
}

impl Place {
    /// As in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inside => "inside",
            Self::Apart => "apart",
        }
    }
}

impl Blow {
    /// As in results; without which time it was, and which moment.
    pub fn name(self) -> String {
        match self {
            Self::None => "no kill".to_owned(),
            Self::At(point, _) => point_name(point),
            Self::After(_) => "random moment".to_owned(),
        }
    }
}

/// A point as in the lab's file.
fn point_name(point: Point) -> String {
    let name = serde_json::to_value(point).ok();
    name.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().replace('-', " ")
}

impl Subject {
    /// As in results.
    pub fn name(self) -> String {
        let Self { arm, keeping, place } = self;
        format!("{}, {}, {}", arm.name(), keeping.name(), place.name())
    }
}

impl Group {
    /// How many trials it has: one without a kill comes first.
    pub fn trials(&self) -> u64 {
        1 + self.points.len() as u64 * u64::from(self.times) + u64::from(self.random)
    }
}

impl Durability {
    /// How many there are in all.
    pub fn trials(&self) -> u64 {
        self.groups.iter().map(Group::trials).sum()
    }
}
