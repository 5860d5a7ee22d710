//! graphile_worker, on PostgreSQL.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use contract::postgres::PrivateServer;
use graphile_worker::{
    IntoTaskHandlerResult, JobSpec, LocalQueueConfig, RawJobSpec, TaskHandler, WorkerContext,
    WorkerOptions, WorkerUtils,
};
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, postgres::PgPoolOptions};

use crate::{queue::Queue, rounds::Plan};

static RAN: AtomicU64 = AtomicU64::new(0);

/// How often its worker looks for jobs that it was not told of.
const POLL: Duration = Duration::from_secs(1);

#[derive(Debug, Serialize, Deserialize)]
struct Nothing {
    number: u64,
}

impl TaskHandler for Nothing {
    const IDENTIFIER: &'static str = "nothing";

    async fn run(self, _: WorkerContext) -> impl IntoTaskHandlerResult {
        RAN.fetch_add(1, Ordering::Relaxed);
        Ok::<(), String>(())
    }
}

/// graphile_worker in a database of its own.
pub(crate) struct Graphile {
    pool: PgPool,
    utils: WorkerUtils,
    options: Tuning,
}

/// What is to be set, and was found by trying.
struct Tuning {
    slots: usize,
    fetch: usize,
    complete: Duration,
}

impl Graphile {
    pub(crate) async fn new(server: &PrivateServer, plan: &Plan) -> Result<Self> {
        let url = server.create_database("graphile").await?;
        let pool =
            PgPoolOptions::new().max_connections(plan.graphile_connections).connect(&url).await?;
        let options = Tuning {
            slots: plan.slots,
            fetch: plan.graphile_fetch,
            complete: Duration::from_millis(plan.graphile_complete_ms),
        };
        // A worker's beginning also brings the schema.
        let worker =
            WorkerOptions::default().pg_pool(pool.clone()).define_job::<Nothing>().init().await?;
        let utils = worker.create_utils();
        Ok(Self { pool, utils, options })
    }
}

impl Queue for Graphile {
    fn name(&self) -> String {
        "graphile_worker 0.14".into()
    }

    async fn durability(&self) -> Result<String> {
        durability(&self.pool).await
    }

    async fn enqueue(&mut self) -> Result<()> {
        self.utils.add_job(Nothing { number: 1 }, JobSpec::default()).await?;
        Ok(())
    }

    async fn fill(&mut self, jobs: usize) -> Result<()> {
        let jobs: Vec<_> = (0..jobs)
            .map(|_| RawJobSpec {
                identifier: Nothing::IDENTIFIER.to_owned(),
                payload: serde_json::json!({ "number": 1 }),
                spec: JobSpec::default(),
            })
            .collect();
        self.utils.add_raw_jobs(&jobs).await?;
        Ok(())
    }

    async fn work(&self, done: impl Future<Output = Result<()>>) -> Result<()> {
        let Tuning { slots, fetch, complete } = self.options;
        let mut options = WorkerOptions::default()
            .pg_pool(self.pool.clone())
            .concurrency(slots)
            .poll_interval(POLL)
            .define_job::<Nothing>();
        if fetch > 0 {
            options = options.local_queue(LocalQueueConfig::default().with_size(fetch));
        }
        if !complete.is_zero() {
            options = options.complete_job_batch_delay(complete);
        }
        let worker = Arc::new(options.init().await?);
        let running = tokio::spawn({
            let worker = worker.clone();
            async move { worker.run().await }
        });
        let done = done.await;
        worker.request_shutdown();
        running.await?.context("graphile_worker's worker")?;
        done
    }

    fn ran(&self) -> &AtomicU64 {
        &RAN
    }

    async fn has_open(&self) -> Result<bool> {
        const OPEN: &str = "select exists (select 1 from graphile_worker._private_jobs)";
        Ok(sqlx::query_scalar(OPEN).fetch_one(&self.pool).await?)
    }

    async fn settle(&self) -> Result<()> {
        settle(&self.pool).await
    }

    async fn clear(&self) -> Result<()> {
        const CLEAR: &str = "delete from graphile_worker._private_jobs";
        sqlx::query(CLEAR).execute(&self.pool).await?;
        Ok(())
    }
}

/// What the server says of the connections of a pool.
pub(crate) async fn durability(pool: &PgPool) -> Result<String> {
    const SETTINGS: &str = "
        select string_agg(name || '=' || setting, ' ' order by name) from pg_settings
        where name in ('fsync', 'full_page_writes', 'synchronous_commit', 'wal_sync_method')";
    Ok(sqlx::query_scalar(SETTINGS).fetch_one(pool).await?)
}

/// Gathers statistics, clears away dead rows, and writes what is in memory alone.
pub(crate) async fn settle(pool: &PgPool) -> Result<()> {
    sqlx::query("vacuum (analyze)").execute(pool).await?;
    sqlx::query("checkpoint").execute(pool).await?;
    Ok(())
}
