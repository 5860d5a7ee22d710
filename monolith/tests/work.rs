//! Workers as processes of their own: how soon they take up what others bring or leave, and what it
//! costs to wait for it.

#![expect(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use contract::{
    databases::{self, TestDatabase},
    process::{Server, command},
    sql::{execute, number},
};
use in_process::InProcess;

/// How long a lease is in these tests.
const LEASE: Duration = Duration::from_secs(2);

/// Whether there is no job, and whether none waits: 1 or 0.
const NONE: &str = "select 1 - count(*) from (select 1 from job limit 1) one";
const NONE_READY: &str =
    "select 1 - count(*) from (select 1 from job where state = 'ready' limit 1) one";

/// How long something may take that has to happen.
const LIMIT: Duration = Duration::from_secs(20);

/// A worker on a database.
fn worker(database: &TestDatabase, lab: &Path) -> Server {
    let data = database.args.data_dir.to_str().unwrap();
    let url = database.args.database_url.as_ref().map_or("", |url| url.expose());
    let lab = lab.to_str().unwrap();
    let args =
        ["work", "--listen", "127.0.0.1:0", "--data-dir", data, "--lab", lab, "--log", "off"];
    let env = [("DATABASE_URL", url)];
    Server::start(command(env!("CARGO_BIN_EXE_monolith"), &args, &env)).unwrap()
}

/// The lab's file with a short lease.
fn lab(folder: &Path) -> PathBuf {
    let file = folder.join("lab.json");
    let lease = serde_json::json!({ "jobs": { "lease_ms": LEASE.as_millis() } });
    fs::write(&file, lease.to_string()).unwrap();
    file
}

/// Waits until it is so, and says how long that took.
async fn until(app: &InProcess, query: &'static str) -> Duration {
    let begin = Instant::now();
    while number(app, query).await == 0 {
        assert!(begin.elapsed() < LIMIT, "still not: {query}");
        tokio::task::yield_now().await;
    }
    begin.elapsed()
}

/// Enqueues a job that takes longer than any test.
async fn enqueue_long(app: &InProcess) {
    const INSERT: &str = "
        insert into job (kind, task, state, due_at, priority, max_attempts, request_id, created_at)
        values ('synthetic', '{\"sleep_ms\": 600000}', 'ready', '2026-01-01T00:00:00.000000+00:00',
            100, 9, 'test', '2026-01-01T00:00:00.000000+00:00')";
    execute(app, INSERT).await;
}

#[tokio::test]
async fn a_killed_workers_job_begins_again() {
    killed(LIMIT).await;
}

/// On a quiet machine; as below.
#[tokio::test]
#[ignore = "needs a quiet machine"]
async fn a_killed_workers_job_begins_again_within_its_lease_and_two_seconds() {
    killed(LEASE + Duration::from_secs(2)).await;
}

/// Kills a worker that has a job, and sees another one take it within `limit`.
async fn killed(limit: Duration) {
    for database in databases::empty().await {
        let on = database.engine;
        let folder = tempfile::tempdir().unwrap();
        let lab = lab(folder.path());
        let app = database.connect().await;
        enqueue_long(&app).await;
        let first = worker(&database, &lab);
        until(&app, "select count(*) from job where state = 'running' and fence = 1").await;
        let _second = worker(&database, &lab);
        // With SIGKILL.
        drop(first);
        let took =
            until(&app, "select count(*) from job where state = 'running' and fence = 2").await;
        println!("{on}: begun again after {took:?}");
        assert!(took <= limit, "{on}: {took:?}");
    }
}

/// Processor time that a process has used, all of its threads together.
fn processor_time(pid: u32) -> Duration {
    let mut nanos = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        // On the processor, in nanoseconds; waiting; slices. See proc(5).
        let text = fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap();
        nanos += text.split(' ').next().unwrap().parse::<u64>().unwrap();
    }
    Duration::from_nanos(nanos)
}

/// On a quiet machine:
///
/// ```text
/// cargo test --release -p monolith --test work -- --ignored --nocapture
/// ```
#[tokio::test]
#[ignore = "takes half a minute, and a quiet machine"]
async fn an_idle_worker_is_quick_and_costs_next_to_nothing() {
    const JOBS: usize = 200;
    const IDLE: Duration = Duration::from_secs(10);
    for database in databases::empty().await {
        let on = database.engine;
        let folder = tempfile::tempdir().unwrap();
        let app = database.connect().await;
        let worker = worker(&database, &lab(folder.path()));
        // It has begun to listen when a job was taken that it was told of.
        app.enqueue_synthetic(1).await.unwrap();
        until(&app, NONE).await;

        let before = processor_time(worker.pid());
        tokio::time::sleep(IDLE).await;
        let idle = processor_time(worker.pid()) - before;
        let share = idle.as_secs_f64() / IDLE.as_secs_f64();

        let mut took = Vec::new();
        for _ in 0..JOBS {
            let begin = Instant::now();
            app.enqueue_synthetic(1).await.unwrap();
            until(&app, NONE_READY).await;
            took.push(begin.elapsed());
            until(&app, NONE).await;
        }
        took.sort_unstable();
        let (p50, p95) = (took[JOBS / 2], took[JOBS * 95 / 100]);
        println!(
            "{on}: idle {:.3} % of a core; from before the enqueue until another process has the \
             job: p50 {p50:?}, p95 {p95:?}",
            share * 100.0
        );
        assert!(p50 <= Duration::from_millis(5), "{on}: {p50:?}");
        assert!(share <= 0.005, "{on}: {share}");
    }
}
