//! What taking a job costs when many wait.

use std::time::{Duration, Instant};

use chrono::Utc;
use contract::sql::{execute, number};
use in_process::Db;

use super::Worker;
use crate::fixture::{self, Fixture};

/// How long the first 2,000 jobs take when so many wait.
async fn first_jobs(fixture: &Fixture, waiting: u32) -> Duration {
    const MANY: &str = "
        insert into job (kind, task, state, due_at, priority, max_attempts, request_id, created_at)
        with recursive n (i) as (select 1 union all select i + 1 from n where i < LAST)
        select 'synthetic', '{\"number\": 1}', 'ready', 'NOW', 100, 3, 'test', 'NOW' from n";
    let app = &fixture.app;
    let now = Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, false);
    let task = match app.db() {
        Db::Sqlite { .. } => MANY.to_owned(),
        Db::Postgres(_) => MANY
            .replace("'{\"number\": 1}'", "'{\"number\": 1}'::jsonb")
            .replace("'NOW'", "'NOW'::timestamptz"),
    };
    execute(app, &task.replace("LAST", &waiting.to_string()).replace("NOW", &now)).await;
    let settle = match app.db() {
        Db::Sqlite { .. } => "pragma wal_checkpoint(truncate)",
        Db::Postgres(_) => "analyze job",
    };
    execute(app, settle).await;
    let begin = Instant::now();
    let worker = Worker::start(app, Duration::from_secs(20));
    let done = "select coalesce(max(times), 0) from synthetic_effect";
    while number(app, done).await < 2_000 {
        tokio::task::yield_now().await;
    }
    let took = begin.elapsed();
    worker.stop().await;
    took
}

/// By hand, on a quiet machine:
/// `cargo test --release -p in-process --test on_both_databases -- --ignored --nocapture however_many`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute, and a quiet machine"]
async fn taking_a_job_costs_the_same_however_many_wait() {
    for index in 0..2 {
        let mut took = Vec::new();
        for waiting in [3_000, 1_000_000] {
            let fixtures = fixture::all().await;
            let Some(fixture) = fixtures.get(index) else { return };
            took.push(first_jobs(fixture, waiting).await);
            println!("{}: {waiting} waiting: 2,000 jobs in {:?}", fixture.on(), took.last());
        }
        let ratio = took[1].as_secs_f64() / took[0].as_secs_f64();
        assert!(ratio < 1.2, "{ratio}");
    }
}
