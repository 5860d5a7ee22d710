//! The order in which the queues do it: in turn, round by round, each in its own database.

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::{
    cpu,
    queue::{self, Queue},
};

/// How many jobs are enqueued at a time where nobody measures it.
const FILL: u32 = 1_000;

/// How much is measured, and what the queues are set to.
#[derive(Args, Clone, Debug, Serialize)]
pub(crate) struct Plan {
    /// Rounds; in each every queue has its turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Jobs a round that are enqueued one after the other, each in a transaction of its own.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) enqueues: u32,
    /// How many jobs wait when a worker begins, which then runs them all; separated by commas.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000])]
    pub(crate) backlogs: Vec<u32>,
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
    #[arg(long, default_value_t = 1)]
    pub(crate) apalis_connections: u32,
    /// graphile_worker: how many jobs it takes at a time; 0: one.
    #[arg(long, default_value_t = 100)]
    pub(crate) graphile_fetch: usize,
    /// graphile_worker: for how many milliseconds it gathers finished jobs; 0: not at all.
    #[arg(long, default_value_t = 5)]
    pub(crate) graphile_complete_ms: u64,
    /// graphile_worker: connections.
    #[arg(long, default_value_t = 8)]
    pub(crate) graphile_connections: u32,
}

/// What one queue did in one round.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Turn {
    /// How long it took to enqueue one, in microseconds.
    pub(crate) enqueue_p50: f64,
    pub(crate) enqueue_p99: f64,
    pub(crate) drains: Vec<Drain>,
}

/// All jobs that wait are run.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Drain {
    pub(crate) backlog: u32,
    /// Jobs a second, from the worker's start until the database knows that all are finished.
    pub(crate) throughput: f64,
    /// Processor time for each, in microseconds: this process's and the server's.
    pub(crate) cpu: f64,
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

/// Has both do it; `server` is the number of the database server's first process.
pub(crate) async fn compare(
    database: &'static str,
    server: Option<u32>,
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
    let warm_up = Plan { enqueues: 20, backlogs: vec![500], ..plan.clone() };
    turn(&mut ours, server, &warm_up).await?;
    turn(&mut peer, server, &warm_up).await?;
    for round in 0..plan.rounds {
        // Who is first changes, so that what drifts is on nobody's side.
        if round % 2 == 0 {
            comparison.ours.turns.push(turn(&mut ours, server, plan).await?);
        }
        comparison.peer.turns.push(turn(&mut peer, server, plan).await?);
        if round % 2 == 1 {
            comparison.ours.turns.push(turn(&mut ours, server, plan).await?);
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

async fn turn<Q: Queue>(queue: &mut Q, server: Option<u32>, plan: &Plan) -> Result<Turn> {
    let mut enqueue = Histogram::<u64>::new(3)?;
    for _ in 0..plan.enqueues {
        let begin = Instant::now();
        queue.enqueue().await?;
        enqueue.record(nanos(begin.elapsed()))?;
    }
    queue.clear().await?;
    let mut drains = Vec::new();
    for &backlog in &plan.backlogs {
        drains.push(drain(queue, server, backlog).await?);
        queue.clear().await?;
    }
    let micros = |quantile| enqueue.value_at_quantile(quantile) as f64 / 1e3;
    Ok(Turn { enqueue_p50: micros(0.5), enqueue_p99: micros(0.99), drains })
}

async fn drain<Q: Queue>(queue: &mut Q, server: Option<u32>, backlog: u32) -> Result<Drain> {
    let mut left = backlog;
    while left > 0 {
        let some = left.min(FILL);
        queue.fill(some as usize).await?;
        left -= some;
    }
    queue.settle().await?;
    let cpu = cpu::used(server)?;
    let begin = Instant::now();
    let mut took = Duration::ZERO;
    let done = async {
        queue::all_done(queue, backlog.into()).await?;
        took = begin.elapsed();
        Ok(())
    };
    queue.work(done).await?;
    let cpu = cpu::used(server)?.saturating_sub(cpu);
    let jobs = f64::from(backlog);
    Ok(Drain {
        backlog,
        throughput: jobs / took.as_secs_f64(),
        cpu: cpu.as_secs_f64() * 1e6 / jobs,
    })
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
