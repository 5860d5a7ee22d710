//! What it takes to claim a job must not depend on how many wait.
//!
//! Counted is what the database does, which is the same on a busy machine as on a quiet one: steps of
//! SQLite's virtual machine; pages that PostgreSQL looks at, and the processor time of the process
//! that does it. (An index of a million rows is a level deeper than one of a thousand, so there are a
//! few pages more, and each takes a fraction of a microsecond.) The time is held to a limit only where
//! CONDUIT_WAITING asks for a measurement, with as many jobs as it says:
//!
//! ```text
//! CONDUIT_WAITING=1000000 cargo test --release -p in-process --test claims -- --nocapture
//! ```

#![expect(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{SecondsFormat, Utc};
use contract::databases::{self, TestDatabase};
use in_process::{Db, InProcess};
use sqlx::AssertSqlSafe;

/// How many wait in the small queue.
const FEW: u32 = 1_000;

/// How many claims are compared, of one job each.
const CLAIMS: usize = 100;

/// A queue in which some jobs wait.
struct Waiting {
    app: InProcess,
    /// SQLite's steps.
    steps: Arc<AtomicU64>,
    /// The number of PostgreSQL's process for the one connection, where that runs on this machine.
    backend: Option<i32>,
    /// Of each claim, how long it took, and how much processor time in that process.
    took: Vec<(Duration, Duration)>,
    _database: TestDatabase,
}

impl Waiting {
    async fn new(mut database: TestDatabase, jobs: u32) -> Self {
        // All that is done is done on one connection.
        database.args.db_connections = 1;
        let app = database.connect().await;
        let steps = Arc::new(AtomicU64::new(0));
        if let Db::Sqlite { write, .. } = app.db() {
            let count = steps.clone();
            let mut connection = write.acquire().await.unwrap();
            connection.lock_handle().await.unwrap().set_progress_handler(1, move || {
                count.fetch_add(1, Ordering::Relaxed);
                true
            });
        }
        let backend = backend(&app).await;
        let queue = Self { app, steps, backend, took: Vec::new(), _database: database };
        // As a worker does that was there before the jobs were. What is planned now is planned for
        // an empty table, and nobody tells the database that it is not empty any more.
        for _ in 0..20 {
            queue.app.enqueue_synthetic(1).await.unwrap();
            let taken = queue.app.take_synthetic(1).await.unwrap();
            queue.app.finish_synthetic(&taken).await.unwrap();
        }
        queue.execute("vacuum", "vacuum (analyze) job").await;
        for _ in 0..20 {
            queue.app.take_synthetic(1).await.unwrap();
        }
        queue.fill(jobs).await;
        queue
    }

    async fn execute(&self, on_sqlite: &str, on_postgres: &str) {
        let text = match self.app.db() {
            Db::Sqlite { .. } => on_sqlite,
            Db::Postgres(_) => on_postgres,
        };
        let statement = AssertSqlSafe(text.to_owned());
        match self.app.db() {
            Db::Sqlite { write, .. } => {
                sqlx::query(statement).execute(write).await.map(drop).unwrap();
            }
            Db::Postgres(pool) => sqlx::query(statement).execute(pool).await.map(drop).unwrap(),
        }
    }

    async fn fill(&self, jobs: u32) {
        let now = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, false);
        let insert = format!(
            "insert into job (kind, task, state, due_at, priority, max_attempts, request_id, created_at)
            with recursive n (i) as (select 1 union all select i + 1 from n where i < {jobs})
            select 'synthetic', cast('{{}}' as JSON), 'ready', cast('{now}' as TIME), 100, 3, 'test',
                cast('{now}' as TIME) from n"
        );
        let on_sqlite = insert.replace("JSON", "text").replace("TIME", "text");
        let on_postgres = insert.replace("JSON", "jsonb").replace("TIME", "timestamptz");
        self.execute(&on_sqlite, &on_postgres).await;
        // Otherwise each page that a claim looks for takes the place of one that has to be written
        // first, and the claims pay for the filling.
        self.execute("select 1", "checkpoint").await;
    }

    /// What the database has done so far.
    async fn done(&self) -> u64 {
        const PAGES: &str = "
            select (heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit)::bigint
            from pg_statio_user_tables where relname = 'job'";
        match self.app.db() {
            Db::Sqlite { .. } => self.steps.load(Ordering::Relaxed),
            Db::Postgres(pool) => {
                // Otherwise a connection tells what it did once in a while.
                sqlx::query("select pg_stat_force_next_flush()").execute(pool).await.unwrap();
                let pages: i64 = sqlx::query_scalar(PAGES).fetch_one(pool).await.unwrap();
                pages.unsigned_abs()
            }
        }
    }

    /// Takes one job.
    async fn claim(&mut self) {
        let (begin, before) = (Instant::now(), self.backend.and_then(processor_time));
        let taken = self.app.take_synthetic(1).await.unwrap();
        let after = self.backend.and_then(processor_time);
        let processor = after.zip(before).map_or(Duration::ZERO, |(after, before)| after - before);
        self.took.push((begin.elapsed(), processor));
        assert_eq!(taken.len(), 1);
    }

    /// How long a claim takes, and how much processor time.
    fn medians(&self) -> (Duration, Duration) {
        let (mut time, mut processor): (Vec<_>, Vec<_>) = self.took.iter().copied().unzip();
        time.sort_unstable();
        processor.sort_unstable();
        (time[time.len() / 2], processor[processor.len() / 2])
    }
}

/// The process that serves the one connection to PostgreSQL.
async fn backend(app: &InProcess) -> Option<i32> {
    let Db::Postgres(pool) = app.db() else { return None };
    let backend = sqlx::query_scalar("select pg_backend_pid()").fetch_one(pool).await.unwrap();
    processor_time(backend).map(|_| backend)
}

/// The processor time that a process of one thread has used; exact while it waits. See proc(5).
fn processor_time(process: i32) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{process}/schedstat")).ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

#[tokio::test]
async fn a_claim_costs_the_same_however_many_wait() {
    let asked = std::env::var("CONDUIT_WAITING").ok();
    let many: u32 = asked.as_deref().map_or(100_000, |text| text.parse().unwrap());
    let (small, large) = (databases::empty().await, databases::empty().await);
    for (small, large) in small.into_iter().zip(large) {
        let on = small.engine;
        let mut small = Waiting::new(small, FEW).await;
        let mut large = Waiting::new(large, many).await;
        let (few_before, many_before) = (small.done().await, large.done().await);
        // In turn: what the machine does meanwhile is on nobody's side.
        for _ in 0..CLAIMS {
            small.claim().await;
            large.claim().await;
        }
        let few = small.done().await - few_before;
        let many_ = large.done().await - many_before;
        let ratio = many_ as f64 / few as f64;
        let (small, large) = (small.medians(), large.medians());
        println!(
            "{on}: {CLAIMS} claims with {FEW} waiting: {few} steps, median and processor {small:?}; \
             with {many}: {many_} steps, {large:?}; ratio of steps {ratio:.2}"
        );
        assert!(few > 0, "{on}: nothing was counted");
        assert!(ratio <= if on == "sqlite" { 1.2 } else { 1.5 }, "{on}: {ratio}");
        let processor = large.1.as_secs_f64() / small.1.as_secs_f64();
        if processor.is_finite() {
            println!("{on}: ratio of processor time {processor:.2}");
            // A time is a figure for whoever asked for a measurement. On a busy machine it says how
            // cold the caches were, so it fails nobody's tests.
            assert!(asked.is_none() || processor <= 1.2, "{on}: {processor}");
        }
    }
}
