//! Experiments on schedules: does each tick happen once, over several replicas, some of which die, stop
//! for a while, or have a clock that goes wrong?
//!
//! A *subject* is so many replicas of the monolith that keep a schedule in one way. In a *round* they all
//! run, and the same kind of trouble befalls one of them around each tick. A tick brings a job, whose
//! effects are counted under the tick's time; when the last one is over, and no job is left to do, each
//! tick has had one effect, or it has not.
//!
//! Here is the design as plain data; `round` carries out one round, `measure` all of them.
//! [`crate::judge`] says what it comes to.

mod measure;
mod round;

use serde::{Deserialize, Serialize};

pub use self::{
    measure::measure,
    round::{Launcher, Round, round},
};
use crate::record::Arm;

/// How replicas keep a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Timer {
    /// A tick is a row that can be inserted only once, together with its job.
    Row,
    /// Each has a timer of its own, and knows of no other.
    Bare,
}

/// What befalls replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// Nothing.
    None,
    /// Around each tick one is killed, and started again a second later.
    Kill,
    /// Around each tick one is stopped where it is, and goes on after a while.
    Pause,
    /// Their clocks differ, from two seconds behind to two seconds ahead.
    Skew,
}

/// Who keeps a schedule how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subject {
    /// Which system. The twin is the monolith once more; in the planted one a replica has a bare timer
    /// beside others that have not.
    pub arm: Arm,
    /// How it keeps its schedule.
    pub timer: Timer,
    /// How many there are.
    pub replicas: u32,
}

/// What is done to one subject, one round after the other.
#[derive(Clone, Debug)]
pub struct Group {
    /// The subject.
    pub subject: Subject,
    /// The trouble of each round.
    pub troubles: Vec<Trouble>,
}

/// Everything that is done.
#[derive(Clone, Debug)]
pub struct Ticks {
    /// Beside each other.
    pub groups: Vec<Group>,
    /// Ticks of each round.
    pub ticks: u32,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Between two ticks, seconds.
    pub every_s: u32,
    /// How long a replica is stopped, milliseconds.
    pub pause_ms: u32,
    /// How far the clocks of replicas are from the right time at most, milliseconds.
    pub skew_ms: u32,
    /// Every tick, group by group in its order; none is ever left out.
    pub ticks: Vec<Tick>,
}

/// One tick and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tick {
    /// Whose.
    #[serde(flatten)]
    pub subject: Subject,
    /// In which kind of round.
    pub trouble: Trouble,
    /// Which of the round's ticks, from 0.
    pub number: u32,
    /// How often its job had its effect.
    pub fired: u64,
    /// From the tick's time until its effect was first seen, seconds; less than nothing where it had one
    /// too early, absent where it never had any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<f64>,
    /// Why it counts for nothing, if it does: there was no such round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void: Option<String>,
}

impl Timer {
    /// As in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Row => "row",
            Self::Bare => "bare",
        }
    }
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::None, Self::Kill, Self::Pause, Self::Skew];

    /// As in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "no trouble",
            Self::Kill => "kills",
            Self::Pause => "pauses",
            Self::Skew => "skew",
        }
    }
}

impl Subject {
    /// As in results.
    pub fn name(self) -> String {
        format!("{}, {}, {} replicas", self.arm.name(), self.timer.name(), self.replicas)
    }
}

impl Tick {
    /// Whether it happened before its time.
    pub fn early(&self) -> bool {
        self.after.is_some_and(|after| after < 0.0)
    }
}

impl Ticks {
    /// How many rounds there are in all.
    pub fn rounds(&self) -> u64 {
        self.groups.iter().map(|group| group.troubles.len() as u64).sum()
    }
}
