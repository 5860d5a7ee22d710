//! Processes that run jobs, from outside: how they end, what becomes of what they had, and whose time
//! they take. How they die stands in `kills`.

#![expect(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

mod export;
mod site;
mod threads;

use std::time::{Duration, Instant};

use contract::{
    process::{Server, eventually},
    sql::{execute, number},
};
use in_process::Load;
use site::{NEVER, Site};

/// The roles of a process that runs jobs. Both may take a minute to drain.
const ROLES: [&[&str]; 2] =
    [&["work", "--grace-seconds", "60"], &["serve", "--jobs", "inside", "--grace-seconds", "60"]];

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    const TERM: fn(&Server) -> anyhow::Result<()> = Server::terminate;
    const INT: fn(&Server) -> anyhow::Result<()> = Server::interrupt;
    for site in Site::all(Load { sleep_ms: 3_600_000, ..Load::default() }).await {
        let on = site.on_engine();
        for (role, [first, second]) in ROLES
            .iter()
            .flat_map(|role| [[TERM, TERM], [TERM, INT], [INT, TERM]].map(|s| (role, s)))
        {
            site.enqueue(1).await;
            let worker = site.start("one", role, NEVER);
            site.job("state = 'running'").await;
            first(&worker.process).unwrap();
            // It drains: it takes no more jobs, and waits for the one that it has.
            worker.says("takes no more jobs");
            assert!(!worker.log().contains("runs no more jobs"), "{on}: {role:?}");
            let begin = Instant::now();
            second(&worker.process).unwrap();
            let (code, log) = worker.end();
            // And not after the minute.
            assert!(begin.elapsed() < Duration::from_secs(30), "{on}: {role:?}");
            assert_eq!(code, Some(1), "{on}: {role:?}");
            assert!(log.contains("error: a second signal cut the draining short"), "{on}: {log}");
            // What it had is anybody's when the lease ends: it is not lost.
            let left = "select count(*) from job where state = 'running' and attempts = 1";
            assert_eq!(number(&site.app, left).await, 1, "{on}: {role:?}");
            execute(&site.app, "delete from job").await;
        }
    }
}

/// Without waiting for the lease, which never ends here.
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_end_in_time_is_taken_by_another_process_at_once() {
    for site in Site::all(Load { sleep_ms: 3_000, ..Load::default() }).await {
        let on = site.on_engine();
        for (index, role) in (1..).zip(["work", "serve"]) {
            let jobs: &[&str] = if role == "serve" { &["--jobs", "inside"] } else { &[] };
            let one =
                site.start("one", &[&[role], jobs, &["--grace-seconds", "0"]].concat(), NEVER);
            site.enqueue(1).await;
            site.job("state = 'running' and fence = 1").await;
            one.process.terminate().unwrap();
            let (code, log) = one.end();
            assert_eq!(code, Some(0), "{on}: {log}");
            assert!(log.contains("handed_back=true"), "{on}: {log}");
            let two = site.start("two", &["work"], NEVER);
            site.effects(index).await;
            site.is_settled(index).await;
            drop(two);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_in_time_ends_before_the_process() {
    for site in Site::all(Load { sleep_ms: 500, ..Load::default() }).await {
        let on = site.on_engine();
        let worker = site.start("one", &["work"], NEVER);
        site.enqueue(3).await;
        site.job("state = 'running'").await;
        worker.process.terminate().unwrap();
        assert!(worker.process.wait().unwrap().0.success(), "{on}");
        let running = "select count(*) from job where state = 'running'";
        assert_eq!(number(&site.app, running).await, 0, "{on}: nothing is left to a lease");
        let done = "select count(*) from synthetic_effect where times = 1";
        assert!(number(&site.app, done).await > 0, "{on}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_frozen_for_longer_than_its_lease_writes_nothing_any_more() {
    for site in Site::all(Load { sleep_ms: 4_000, ..Load::default() }).await {
        let on = site.on_engine();
        let frozen = site.start("frozen", &["work"], 3_000);
        site.enqueue(1).await;
        site.job("state = 'running' and fence = 1").await;
        // In no transaction of its own: there it would hold up everybody, with every database.
        let free = async || {
            frozen.process.freeze().unwrap();
            let touch = execute(&site.app, "update job set priority = priority");
            let free = tokio::time::timeout(Duration::from_secs(1), touch).await.is_ok();
            if !free {
                frozen.process.thaw().unwrap();
            }
            free
        };
        while !free().await {}
        let other = site.start("other", &["work"], 3_000);
        site.job("state = 'running' and fence = 2").await;
        site.effects(1).await;

        frozen.process.thaw().unwrap();
        frozen.says("somebody else has this job by now");
        site.is_settled(1).await;
        // And it is as good as ever.
        other.process.terminate().unwrap();
        assert!(other.process.wait().unwrap().0.success(), "{on}");
        site.enqueue(1).await;
        site.effects(2).await;
        site.is_settled(2).await;
    }
}

/// What `/metrics` shows comes from the database: also what nobody has taken.
#[tokio::test(flavor = "multi_thread")]
async fn the_queue_can_be_seen_from_outside() {
    for site in Site::all(Load::default()).await {
        let on = site.on_engine();
        site.enqueue(1).await;
        execute(&site.app, "update job set state = 'dead'").await;
        for role in ROLES {
            let worker = site.start("one", role, NEVER);
            for line in [
                r#"conduit_job_queue_depth{kind="synthetic",state="dead"} 1"#,
                r#"conduit_job_queue_depth{kind="synthetic",state="ready"} 0"#,
                r#"conduit_job_oldest_ready_seconds{kind="synthetic"} 0"#,
                r#"conduit_jobs_total{kind="related",outcome="failed"} 0"#,
            ] {
                let there =
                    || worker.process.get("/metrics").unwrap().body.lines().any(|l| l == line);
                eventually(&format!("{on}: {role:?}: {line}"), there);
            }
            let metrics = worker.process.get("/metrics").unwrap().body;
            let pages = metrics.lines().find(|line| line.starts_with("conduit_sql_statements"));
            assert!(pages.is_none_or(|line| line.ends_with(" 0")), "{on}: {pages:?}");
        }
        let without = site.start("none", &["serve", "--jobs", "off"], NEVER);
        let metrics = without.process.get("/metrics").unwrap().body;
        assert!(!metrics.contains("conduit_job_queue_depth"), "{on}: no worker, no look");
    }
}
