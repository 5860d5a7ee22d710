//! Work of a known size, for experiments: only the lab's file brings such jobs about.
//!
//! **Twice is harmless** because nobody needs what it does. It counts its effects, so that a test can
//! tell how often it had one: together with the job's end, so once.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::Task;
use crate::{
    InProcess,
    db::{Tx, in_tx, on_read},
    jobs::{
        Load, NewJob, enqueue,
        run::{Failure, Finished, Run},
    },
};

/// How long a computation goes on before it lets others in, where nothing else is said.
const SLICE_MS: u32 = 50;

/// What there is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Synthetic {
    /// Under which number its effects are counted. Without one it has none.
    pub(crate) number: Option<i64>,
    /// Whether its attempts are counted too, as they begin: under the negative of its number.
    pub(crate) counts_attempts: bool,
    #[serde(flatten)]
    pub(crate) load: Load,
    /// Fails in each attempt, or panics.
    pub(crate) fails: Option<Poison>,
}

/// How a job is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Poison {
    /// It ends with an error.
    Error,
    /// It panics.
    Panic,
}

impl Synthetic {
    /// The job of a tick: its effects are counted under the tick's time.
    pub(crate) fn tick(tick: DateTime<Utc>) -> Self {
        Self { number: Some(tick.timestamp()), ..Self::default() }
    }
}

/// The job that comes with a new comment, if the lab's file wants one; its effects are counted under
/// the comment's number.
pub(crate) async fn with_comment(
    app: &InProcess,
    tx: &mut Tx,
    comment: i64,
    request_id: &str,
) -> sqlx::Result<()> {
    let Some(load) = app.jobs.lab.with_each_comment.clone() else { return Ok(()) };
    let task = Task::Synthetic(Synthetic { number: Some(comment), load, ..Synthetic::default() });
    enqueue(app, tx, NewJob { task, unique_key: None, account: None, request_id }).await
}

pub(crate) async fn run(run: &Run<'_>, task: Synthetic) -> Result<Finished, Failure> {
    if let Some(number) = task.number.filter(|_| task.counts_attempts) {
        let tx = count(run, -number).await?;
        run.commit(tx).await?;
    }
    let load = &task.load;
    for _ in 0..load.rounds.unwrap_or(1) {
        compute(run, load.cpu_ms, load.slice_ms, || Spin).await;
        // To sleep for no time takes a millisecond: a timer goes off at the next one.
        if load.sleep_ms > 0 {
            tokio::time::sleep(millis(load.sleep_ms)).await;
        }
        read(run, load.database_ms).await?;
        let mebibytes = load.memory_mib;
        compute(run, load.memory_ms, load.slice_ms, move || Walk::new(mebibytes)).await;
    }
    match task.fails {
        Some(Poison::Error) => return Err(Failure::Retry("as it was told to".into())),
        Some(Poison::Panic) => panic!("as it was told to"),
        None => {}
    }
    let Some(number) = task.number else { return Ok(Finished::NotYet) };
    let tx = count(run, number).await?;
    run.commit_and_finish(tx).await
}

/// Counts one more under this number, in a transaction that is still to be committed.
async fn count(run: &Run<'_>, number: i64) -> Result<Tx, Failure> {
    const COUNT: &str = "
        insert into synthetic_effect (number, times) values ($1, 1)
        on conflict (number) do update set times = synthetic_effect.times + 1";
    let mut tx = run.begin().await?;
    in_tx!(&mut tx, db => sqlx::query(COUNT).bind(number).execute(db).await.map(drop))?;
    Ok(tx)
}

fn millis(number: u32) -> Duration {
    Duration::from_millis(number.into())
}

/// Something that keeps a core busy, a little at a time.
trait Busy: Send + 'static {
    fn go_on(&mut self);
}

/// Uses so much CPU time, in slices. Time that passes while others have the core does not count: a
/// job is as much work wherever it runs.
async fn compute<B: Busy>(
    run: &Run<'_>,
    ms: u32,
    slice_ms: Option<u32>,
    begin: impl FnOnce() -> B + Send + 'static,
) {
    if ms == 0 {
        return;
    }
    let (total, slice) = (millis(ms), millis(slice_ms.unwrap_or(SLICE_MS).max(1)));
    let compute = &run.app.jobs.compute;
    let first = slice.min(total);
    // To begin may be work as well.
    let (mut work, mut spent) = compute
        .run(move || {
            let from = cpu_time();
            let mut work = begin();
            keep_busy(&mut work, from, first);
            (work, cpu_time().saturating_sub(from))
        })
        .await;
    while spent < total {
        let slice = slice.min(total - spent);
        let (same, used) = compute
            .run(move || {
                let from = cpu_time();
                keep_busy(&mut work, from, slice);
                (work, cpu_time().saturating_sub(from))
            })
            .await;
        (work, spent) = (same, spent + used);
    }
}

/// Goes on until this thread has used so much CPU time since `from`.
fn keep_busy(work: &mut impl Busy, from: Duration, slice: Duration) {
    while cpu_time().saturating_sub(from) < slice {
        work.go_on();
    }
}

/// The CPU time that this thread has used; where the system keeps no account of it, the time of day.
fn cpu_time() -> Duration {
    let clock = [ClockId::CLOCK_THREAD_CPUTIME_ID, ClockId::CLOCK_MONOTONIC];
    let time = clock.into_iter().find_map(|clock| clock_gettime(clock).ok());
    time.map(Duration::from).unwrap_or_default()
}

struct Spin;

impl Busy for Spin {
    fn go_on(&mut self) {
        for _ in 0..1_000 {
            std::hint::spin_loop();
        }
    }
}

/// Walks through memory so that each step depends on the one before.
struct Walk {
    next: Vec<u32>,
    at: u32,
}

impl Walk {
    fn new(mebibytes: u32) -> Self {
        let length = (mebibytes.clamp(1, 1_024) * 1024 * 1024) / 4;
        // A full cycle through a power of two (Hull and Dobell): odd increment, factor 4k + 1.
        let length = length.next_power_of_two();
        let step = |at: u32| at.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) % length;
        Self { next: (0..length).map(step).collect(), at: 0 }
    }
}

impl Busy for Walk {
    fn go_on(&mut self) {
        for _ in 0..1_000 {
            self.at = self.next[self.at as usize];
        }
    }
}

/// Keeps the database busy: reads texts, the newest of which are in nobody's way.
async fn read(run: &Run<'_>, ms: u32) -> Result<(), Failure> {
    const READ: &str = "
        select coalesce(sum(length(body)), 0) from
        (select body from article order by created_at desc, id desc limit 500) newest";
    let end = Instant::now() + millis(ms);
    while ms > 0 && Instant::now() < end {
        let _letters: i64 =
            on_read!(&run.app.db, db => sqlx::query_scalar(READ).fetch_one(db).await)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_is_the_time_on_the_core() {
        let from = cpu_time();
        std::thread::park_timeout(Duration::from_millis(1));
        keep_busy(&mut Spin, from, Duration::from_millis(5));
        assert!(cpu_time() - from >= Duration::from_millis(5));
    }
}
