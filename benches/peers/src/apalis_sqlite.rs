//! apalis, on SQLite.

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use apalis::prelude::{BackendExt, BoxDynError, TaskSink, WorkerBuilder, WorkerBuilderExt};
use apalis_sqlite::{Config, SqliteStorage};
use serde::{Deserialize, Serialize};
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{queue::Queue, rounds::Plan};

static RAN: AtomicU64 = AtomicU64::new(0);

/// How often its worker looks for jobs when there were none.
const POLL: Duration = Duration::from_millis(10);

#[derive(Debug, Serialize, Deserialize)]
struct Nothing {
    number: u64,
}

async fn run(job: Nothing) -> Result<(), BoxDynError> {
    let Nothing { number: _ } = job;
    RAN.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// apalis on a file of its own.
pub(crate) struct Apalis {
    pool: SqlitePool,
    storage: SqliteStorage<Nothing>,
    slots: usize,
    workers: AtomicU64,
}

impl Apalis {
    pub(crate) async fn new(folder: &Path, plan: &Plan) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(folder.join("apalis.db"))
            .create_if_missing(true)
            .busy_timeout(Duration::from_secs(5))
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal);
        // Its set-up turns `synchronous` off on the connection that it happens to get. So it gets one
        // that is not used for anything else.
        let once =
            SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        SqliteStorage::setup(&once).await?;
        once.close().await;
        let pool = SqlitePoolOptions::new()
            .max_connections(plan.apalis_connections)
            .connect_with(options)
            .await?;
        let config = Config::default()
            .queue("nothing")
            .batch_size(plan.apalis_batch)
            .lock_tasks(plan.apalis_lock);
        let storage = SqliteStorage::new(&pool).with_config(config);
        Ok(Self { pool, storage, slots: plan.slots, workers: AtomicU64::new(0) })
    }
}

impl Queue for Apalis {
    fn name(&self) -> String {
        "apalis 1.0".into()
    }

    async fn durability(&self) -> Result<String> {
        durability(&self.pool).await
    }

    async fn enqueue(&mut self) -> Result<()> {
        self.storage.push(Nothing { number: 1 }).await.map_err(|error| anyhow!("{error}"))
    }

    async fn fill(&mut self, jobs: usize) -> Result<()> {
        let jobs = (0..jobs).map(|_| Nothing { number: 1 }).collect();
        self.storage.push_bulk(jobs).await.map_err(|error| anyhow!("{error}"))
    }

    async fn work(&self, done: impl Future<Output = Result<()>>) -> Result<()> {
        // A name that was used before is refused for a while.
        let number = self.workers.fetch_add(1, Ordering::Relaxed);
        let worker = WorkerBuilder::new(format!("worker-{number}"))
            .backend(self.storage.clone().poll_with_interval(POLL))
            .concurrency(self.slots)
            .build(run);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let worker = tokio::spawn(worker.run_until(async move {
            drop(stopped.await);
            Ok::<(), std::io::Error>(())
        }));
        let done = done.await;
        drop(stop);
        worker.await?.context("apalis's worker")?;
        done
    }

    fn ran(&self) -> &AtomicU64 {
        &RAN
    }

    async fn has_open(&self) -> Result<bool> {
        const OPEN: &str = "select exists (select 1 from Jobs where status <> 'Done')";
        Ok(sqlx::query_scalar(OPEN).fetch_one(&self.pool).await?)
    }

    async fn settle(&self) -> Result<()> {
        settle(&self.pool).await
    }

    async fn clear(&self) -> Result<()> {
        sqlx::query("delete from Jobs").execute(&self.pool).await?;
        Ok(())
    }
}

/// What the connections of a pool say of themselves; one line if all say the same.
pub(crate) async fn durability(pool: &SqlitePool) -> Result<String> {
    let mut connections = Vec::new();
    let mut said = Vec::new();
    for _ in 0..pool.options().get_max_connections() {
        let mut connection = pool.acquire().await?;
        let journal: String =
            sqlx::query_scalar("pragma journal_mode").fetch_one(&mut *connection).await?;
        let synchronous: i64 =
            sqlx::query_scalar("pragma synchronous").fetch_one(&mut *connection).await?;
        said.push(format!("journal_mode={journal} synchronous={synchronous}"));
        connections.push(connection);
    }
    said.dedup();
    Ok(said.join("; "))
}

/// Gathers statistics, and empties the write-ahead log. (Without statistics apalis's statement that
/// notes finished jobs reads all of them each time.)
pub(crate) async fn settle(pool: &SqlitePool) -> Result<()> {
    sqlx::query("analyze").execute(pool).await?;
    sqlx::query("pragma wal_checkpoint(truncate)").execute(pool).await?;
    Ok(())
}
