//! The order in which the queues do it: in turn, round by round, each in its own database.

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::queue::{self, Queue};

/// How many jobs are enqueued at a time where nobody measures it.
const FILL: usize = 1_000;

/// How much is measured, and what the queues are set to.
#[derive(Args, Clone, Debug, Serialize)]
pub(crate) struct Plan {
    /// Rounds; in each every queue has its turn.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Jobs a round that are enqueued one after the other, each in a transaction of its own.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) enqueues: u32,
    /// Jobs a round that a worker then runs, those among them.
    #[arg(long, default_value_t = 30_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) jobs: u32,
    /// How many jobs a peer runs at a time. (Ours: what the kind says.)
    #[arg(long, default_value_t = 64)]
    pub(crate) slots: usize,
    /// apalis: how many jobs it takes at a time.
    #[arg(long, default_value_t = 100)]
    pub(crate) apalis_batch: usize,
    /// apalis: it locks each job once more before it runs it.
    #[arg(long)]
    pub(crate) apalis_lock: bool,
    /// apalis: connections.
    #[arg(long, default_value_t = 8)]
    pub(crate) apalis_connections: u32,
    /// graphile_worker: how many jobs it takes at a time; 0: one.
    #[arg(long, default_value_t = 100)]
    pub(crate) graphile_fetch: usize,
    /// graphile_worker: for how many milliseconds it gathers finished jobs; 0: not at all.
    #[arg(long, default_value_t = 1)]
    pub(crate) graphile_complete_ms: u64,
    /// graphile_worker: connections.
    #[arg(long, default_value_t = 8)]
    pub(crate) graphile_connections: u32,
}

/// What one queue did in one round.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Turn {
    /// Jobs a second, from the worker's start until the database knows that all are finished.
    pub(crate) throughput: f64,
    /// How long it took to enqueue one, in microseconds.
    pub(crate) enqueue_p50: f64,
    pub(crate) enqueue_p99: f64,
}

/// One queue's part.
#[derive(Serialize)]
pub(crate) struct Arm {
    pub(crate) name: String,
    pub(crate) durability: String,
    pub(crate) turns: Vec<Turn>,
}

/// Two queues on one database.
#[derive(Serialize)]
pub(crate) struct Comparison {
    pub(crate) database: &'static str,
    pub(crate) ours: Arm,
    pub(crate) peer: Arm,
}

pub(crate) async fn compare(
    database: &'static str,
    mut ours: impl Queue,
    mut peer: impl Queue,
    plan: &Plan,
) -> Result<Comparison> {
    let mut comparison =
        Comparison { database, ours: Arm::of(&ours).await?, peer: Arm::of(&peer).await? };
    anyhow::ensure!(
        comparison.ours.durability == comparison.peer.durability,
        "not the same durability: {} and {}",
        comparison.ours.durability,
        comparison.peer.durability
    );
    // Files are made, connections opened, statements prepared.
    turn(&mut ours, 20, 500).await?;
    turn(&mut peer, 20, 500).await?;
    for round in 0..plan.rounds {
        // Who is first changes, so that what drifts is on nobody's side.
        if round % 2 == 0 {
            comparison.ours.turns.push(turn(&mut ours, plan.enqueues, plan.jobs).await?);
        }
        comparison.peer.turns.push(turn(&mut peer, plan.enqueues, plan.jobs).await?);
        if round % 2 == 1 {
            comparison.ours.turns.push(turn(&mut ours, plan.enqueues, plan.jobs).await?);
        }
        eprintln!("{database}: round {} of {}", round + 1, plan.rounds);
    }
    Ok(comparison)
}

impl Arm {
    async fn of(queue: &impl Queue) -> Result<Self> {
        let durability = queue.durability().await?;
        Ok(Self { name: queue.name(), durability, turns: Vec::new() })
    }
}

async fn turn<Q: Queue>(queue: &mut Q, enqueues: u32, jobs: u32) -> Result<Turn> {
    let mut enqueue = Histogram::<u64>::new(3)?;
    for _ in 0..enqueues {
        let begin = Instant::now();
        queue.enqueue().await?;
        enqueue.record(nanos(begin.elapsed()))?;
    }
    let mut left = jobs.saturating_sub(enqueues) as usize;
    while left > 0 {
        let some = left.min(FILL);
        queue.fill(some).await?;
        left -= some;
    }
    queue.settle().await?;
    let jobs = jobs.max(enqueues);
    let begin = Instant::now();
    let mut took = Duration::ZERO;
    let done = async {
        queue::all_done(queue, jobs.into()).await?;
        took = begin.elapsed();
        Ok(())
    };
    queue.work(done).await?;
    queue.clear().await?;
    let micros = |quantile| enqueue.value_at_quantile(quantile) as f64 / 1e3;
    Ok(Turn {
        throughput: f64::from(jobs) / took.as_secs_f64(),
        enqueue_p50: micros(0.5),
        enqueue_p99: micros(0.99),
    })
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
