//! Experiments on what a deploy of the interface does to jobs that run meanwhile.
//!
//! A *subject* is one architecture with its jobs in one place, and a habit of releasing: either only
//! what has the pages is replaced, or all of its servers. In each trial jobs of many lengths come in,
//! as drawn from the trial's number, the same for all subjects. When as many run as ever will, a deploy
//! begins: the new servers are started and asked for a page, the old ones get SIGTERM and their time to
//! drain. Then all jobs are waited for, and the books are closed.
//!
//! What is deployed is the same program again. Here is the design as plain data; `cases` draws the
//! jobs, `system` has the servers, `trial` carries out one deploy, `measure` all of them.
//! [`crate::judge`] says what it comes to.

mod cases;
mod measure;
mod system;
mod trial;

use serde::{Deserialize, Serialize};

pub use self::{
    cases::{Case, Job},
    measure::measure,
    system::{Launcher, Programs},
    trial::trial,
};
use crate::{durability::Place, record::Arm};

/// What a deploy replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Release {
    /// The server with the pages.
    Interface,
    /// All servers, as where they are one release.
    Everything,
}

/// Who deploys how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subject {
    /// Which system. The twin is the monolith once more; the planted one restarts its worker as well,
    /// and does not say so.
    pub arm: Arm,
    /// Where its jobs run: in the server that has the database, or in a process of their own.
    pub place: Place,
    /// What it replaces.
    pub release: Release,
    /// How long what runs in a server gets to finish, seconds.
    pub grace_s: u32,
}

/// Everything that is done.
#[derive(Clone, Debug)]
pub struct Deploys {
    /// Beside each other.
    pub subjects: Vec<Subject>,
    /// So many deploys each.
    pub deploys: u32,
    /// The longest job, milliseconds.
    pub longest_ms: u32,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The shortest and the longest job, milliseconds.
    pub lengths_ms: [u32; 2],
    /// The share of a job's time in which it computes.
    pub computes: f64,
    /// Every trial, subject by subject in its order; none is ever left out.
    pub trials: Vec<Trial>,
}

/// One deploy and what became of the jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Whose.
    #[serde(flatten)]
    pub subject: Subject,
    /// Which of the subject's trials; those with one number have the same jobs. In the first one
    /// nothing is deployed.
    pub number: u32,
    /// Jobs that came in.
    pub jobs: u64,
    /// Those that ran when the deploy began.
    pub running: u64,
    /// Attempts at a job that were begun and had to be begun again.
    pub interrupted: u64,
    /// Jobs without an effect in the end.
    pub lost: u64,
    /// Jobs with more than one.
    pub twice: u64,
    /// CPU time that the jobs are made of, milliseconds.
    pub asked_ms: f64,
    /// CPU time of the processes that ran them, from when each was ready to its end, or to when all
    /// was done, milliseconds.
    pub used_ms: f64,
    /// From SIGTERM until the last server that was replaced had ended, seconds; absent where none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drained: Option<f64>,
    /// What went wrong after the deploy; what had no effect by then counts as lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Why the trial counts for nothing, if it does: there was no such deploy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void: Option<String>,
}

impl Release {
    /// As in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interface => "interface",
            Self::Everything => "everything",
        }
    }
}

impl Subject {
    /// As in results.
    pub fn name(self) -> String {
        let Self { arm, place, release, grace_s } = self;
        let (arm, place, release) = (arm.name(), place.name(), release.name());
        format!("{arm}, {place}, {release}, {grace_s} s")
    }

    /// Whether its deploy restarts the process that runs jobs, by what it says itself.
    pub fn restarts_jobs(self) -> bool {
        let together = self.arm != Arm::Split && self.place == Place::Inside;
        together || self.release == Release::Everything
    }
}

impl Deploys {
    /// How many trials there are in all: one without a deploy comes first.
    pub fn trials(&self) -> u64 {
        self.subjects.len() as u64 * (1 + u64::from(self.deploys))
    }
}
