//! Our queue, as a server has it.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, anyhow};
use contract::postgres::PrivateServer;
use in_process::{DatabaseArgs, Db, IdentityArgs, InProcess, Options, Placement};
use metrics::{
    Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

use crate::queue::Queue;

/// The worker's own counter of jobs that have ended.
static RAN: AtomicU64 = AtomicU64::new(0);

/// Our queue on one database.
pub(crate) struct Ours {
    app: InProcess,
}

impl Ours {
    pub(crate) async fn on_sqlite(folder: &Path) -> Result<Self> {
        Self::on(DatabaseArgs::in_data_dir(folder)).await
    }

    pub(crate) async fn on_postgres(server: &PrivateServer, folder: &Path) -> Result<Self> {
        let mut database = DatabaseArgs::in_data_dir(folder);
        database.database_url = Some(server.create_database("ours").await?.into());
        Self::on(database).await
    }

    async fn on(database: DatabaseArgs) -> Result<Self> {
        in_process::migrate(&database).await?;
        let identity = IdentityArgs::default();
        let app = InProcess::connect(&database, &identity, Options::default()).await?;
        Ok(Self { app })
    }
}

impl Queue for Ours {
    fn name(&self) -> String {
        "ours".into()
    }

    async fn durability(&self) -> Result<String> {
        match self.app.db() {
            Db::Sqlite { write, .. } => crate::apalis_sqlite::durability(write).await,
            Db::Postgres(pool) => crate::graphile::durability(pool).await,
        }
    }

    async fn enqueue(&mut self) -> Result<()> {
        Ok(self.app.enqueue_synthetic(1).await?)
    }

    async fn fill(&mut self, jobs: usize) -> Result<()> {
        Ok(self.app.enqueue_synthetic(jobs).await?)
    }

    async fn work(&self, done: impl Future<Output = Result<()>>) -> Result<()> {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let stopped = async { drop(stopped.await) };
        let app = self.app.clone();
        let worker =
            tokio::spawn(app.run_jobs(Placement::Inside, stopped, Duration::from_secs(10)));
        let done = done.await;
        drop(stop);
        worker.await?;
        done
    }

    fn ran(&self) -> &AtomicU64 {
        &RAN
    }

    async fn has_open(&self) -> Result<bool> {
        const OPEN: &str = "select exists (select 1 from job)";
        Ok(match self.app.db() {
            Db::Sqlite { read, .. } => sqlx::query_scalar(OPEN).fetch_one(read).await?,
            Db::Postgres(pool) => sqlx::query_scalar(OPEN).fetch_one(pool).await?,
        })
    }

    async fn settle(&self) -> Result<()> {
        match self.app.db() {
            Db::Sqlite { write, .. } => crate::apalis_sqlite::settle(write).await,
            Db::Postgres(pool) => crate::graphile::settle(pool).await,
        }
    }

    async fn clear(&self) -> Result<()> {
        const CLEAR: &str = "delete from job";
        match self.app.db() {
            Db::Sqlite { write, .. } => sqlx::query(CLEAR).execute(write).await.map(drop)?,
            Db::Postgres(pool) => sqlx::query(CLEAR).execute(pool).await.map(drop)?,
        }
        Ok(())
    }
}

/// From now on the worker's counter counts.
pub(crate) fn count_jobs() -> Result<()> {
    metrics::set_global_recorder(OneCounter).map_err(|error| anyhow!("{error}"))
}

/// Keeps the counter of jobs that have ended, and nothing else.
struct OneCounter;

struct Ended;

impl CounterFn for Ended {
    fn increment(&self, by: u64) {
        RAN.fetch_add(by, Ordering::Relaxed);
    }

    fn absolute(&self, value: u64) {
        RAN.store(value, Ordering::Relaxed);
    }
}

impl Recorder for OneCounter {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        if key.name() == "conduit_jobs_total" {
            Counter::from_arc(Arc::new(Ended))
        } else {
            Counter::noop()
        }
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
