//! What only experiments switch on, from the lab's file: points at which the process dies, work of a
//! known size, arms that do it wrong on purpose. A server in production refuses the file.

use std::sync::atomic::{AtomicU32, Ordering};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::Clock;

/// The section `jobs` of the lab's file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lab {
    /// Die at this point,
    crash_at: Option<Point>,
    /// when it is passed for this time; the first is 1.
    crash_on: u32,
    #[serde(skip)]
    passed: AtomicU32,
    /// Milliseconds by which this process's clock is ahead of the machine's.
    pub clock_offset_ms: i64,
    /// How long a lease is, instead of as long as it is otherwise.
    pub lease_ms: Option<u32>,
    /// A synthetic job that each new comment brings along.
    pub with_each_comment: Option<Load>,
    /// Ways to do jobs that don't survive, for comparison.
    pub naive: Option<Naive>,
    /// A planted bug: jobs count as done before they have had their effect.
    pub finish_first: bool,
    /// Seconds between two ticks of a schedule of synthetic jobs.
    pub tick_seconds: Option<u32>,
}

/// What a synthetic job does, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Load {
    /// Keeps a core busy for so many milliseconds of CPU time.
    pub cpu_ms: u32,
    /// Waits.
    pub sleep_ms: u32,
    /// Reads through the corpus for so long.
    pub database_ms: u32,
    /// Walks through this many MiB of memory, in steps that no cache foresees, for as long as
    /// `memory_ms` says.
    pub memory_mib: u32,
    /// For how long.
    pub memory_ms: u32,
    /// For how many milliseconds it computes before others on its thread have their turn, instead of
    /// as long as usual.
    pub slice_ms: Option<u32>,
    /// How often it does all of that; once, where nothing is said.
    pub rounds: Option<u32>,
}

/// How not to do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Naive {
    /// Spawned after the commit, in memory: gone when the process goes.
    Spawn,
    /// A timer in each process, without a row: each replica has its own ticks, by its own clock.
    Timer,
}

/// The places where a process may be made to die.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Point {
    /// The job is written, its transaction is not committed.
    EnqueueBeforeCommit,
    /// Committed, and nobody was woken.
    EnqueueAfterCommit,
    /// Jobs are taken, which is not committed.
    ClaimBeforeCommit,
    /// Taken, and none has begun.
    ClaimAfterCommit,
    /// A job is about to begin.
    RunBegins,
    /// Its effect is written, and not committed.
    EffectBeforeCommit,
    /// Its effect is committed, the job is still there.
    EffectAfterCommit,
    /// It is deleted, which is not committed.
    FinishBeforeCommit,
    /// It is gone.
    FinishAfterCommit,
    /// The lease is about to be renewed,
    RenewBefore,
    /// and has been.
    RenewAfter,
    /// A failed attempt is written down, and not committed.
    FailureBeforeCommit,
    /// A failed attempt is written down.
    FailureAfterCommit,
    /// A lost lease has been given back.
    ReclaimAfterCommit,
    /// A tick is taken, which is not committed.
    TickBeforeCommit,
    /// A tick is taken, and its job is written.
    TickAfterCommit,
    /// A mail is in the ledger and was not sent.
    LedgerBeforeSend,
    /// A mail was sent, and the ledger does not know.
    LedgerAfterSend,
}

impl Point {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::EnqueueBeforeCommit,
        Self::EnqueueAfterCommit,
        Self::ClaimBeforeCommit,
        Self::ClaimAfterCommit,
        Self::RunBegins,
        Self::EffectBeforeCommit,
        Self::EffectAfterCommit,
        Self::FinishBeforeCommit,
        Self::FinishAfterCommit,
        Self::RenewBefore,
        Self::RenewAfter,
        Self::FailureBeforeCommit,
        Self::FailureAfterCommit,
        Self::ReclaimAfterCommit,
        Self::TickBeforeCommit,
        Self::TickAfterCommit,
        Self::LedgerBeforeSend,
        Self::LedgerAfterSend,
    ];
}

impl Lab {
    /// The same clock, set wrong.
    pub(crate) fn shift(&self, clock: Clock) -> Clock {
        if self.clock_offset_ms == 0 {
            return clock;
        }
        let offset = TimeDelta::milliseconds(self.clock_offset_ms);
        Clock::new(move || clock.now() + offset)
    }

    /// Dies here, if that is what the file says: at once, without a word, as by `kill -9`.
    pub(crate) fn pass(&self, point: Point) {
        if self.crash_at == Some(point) {
            let times = self.passed.fetch_add(1, Ordering::Relaxed) + 1;
            if times >= self.crash_on.max(1) {
                std::process::abort();
            }
        }
    }
}
