//! The queue: what is enqueued, by whom it is run, and what becomes of it when things go wrong. What
//! the kinds do stands in `kinds`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use conduit::{ArticleUpdate, Conduit, NewArticle};
use contract::postgres::PrivateServer;
use in_process::{Clock, DatabaseArgs, Db, IdentityArgs, InProcess, Lab, Options, Placement};

use crate::fixture::{self, Fixture};

/// A time that a test moves.
#[derive(Clone)]
pub(crate) struct Time(Arc<AtomicI64>);

impl Time {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(fixture::time(0).timestamp_millis())))
    }

    pub(crate) fn clock(&self) -> Clock {
        let time = self.0.clone();
        Clock::new(move || {
            DateTime::<Utc>::from_timestamp_millis(time.load(Ordering::SeqCst)).unwrap()
        })
    }

    pub(crate) fn pass(&self, duration: TimeDelta) {
        self.0.fetch_add(duration.num_milliseconds(), Ordering::SeqCst);
    }
}

pub(crate) fn at(time: &Time) -> Options {
    Options { clock: time.clock(), ..Options::default() }
}

fn lab(json: &str) -> Arc<Lab> {
    Arc::new(serde_json::from_str(json).unwrap())
}

/// Runs a statement of the test's own.
pub(crate) async fn execute(app: &InProcess, statement: &str) {
    let statement = sqlx::AssertSqlSafe(statement.to_owned());
    match app.db() {
        Db::Sqlite { write, .. } => {
            sqlx::query(statement).execute(write).await.map(drop).unwrap();
        }
        Db::Postgres(pool) => sqlx::query(statement).execute(pool).await.map(drop).unwrap(),
    }
}

/// A number that a query of the test's own finds.
pub(crate) async fn number(app: &InProcess, query: &str) -> i64 {
    let query = sqlx::AssertSqlSafe(query.to_owned());
    match app.db() {
        Db::Sqlite { read, .. } => sqlx::query_scalar(query).fetch_one(read).await.unwrap(),
        Db::Postgres(pool) => sqlx::query_scalar(query).fetch_one(pool).await.unwrap(),
    }
}

pub(crate) async fn texts(app: &InProcess, query: &str) -> Vec<String> {
    let query = sqlx::AssertSqlSafe(query.to_owned());
    match app.db() {
        Db::Sqlite { read, .. } => sqlx::query_scalar(query).fetch_all(read).await.unwrap(),
        Db::Postgres(pool) => sqlx::query_scalar(query).fetch_all(pool).await.unwrap(),
    }
}

/// Enqueues a job as a producer of some other version might.
pub(crate) async fn insert(app: &InProcess, kind: &str, task: &str, due: DateTime<Utc>) {
    let due = due.to_rfc3339_opts(chrono::SecondsFormat::Micros, false);
    let insert = format!(
        "insert into job (kind, task, state, due_at, priority, max_attempts, request_id, created_at)
        values ('{kind}', '{task}', 'ready', '{due}', 100, 3, 'test', '{due}')"
    );
    execute(app, &insert).await;
}

async fn until(app: &InProcess, condition: &str) {
    let query = format!("select count(*) from job where {condition}");
    let there = async {
        while number(app, &query).await == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), there).await.expect(condition);
}

fn article(title: &str) -> NewArticle {
    let text = || "About queues and workers".to_owned();
    NewArticle { title: title.into(), description: text(), body: text(), tag_list: Vec::new() }
}

#[tokio::test]
async fn a_job_comes_with_what_causes_it_and_not_without() {
    for Fixture { app, database, .. } in &fixture::all().await {
        let on = database.engine;
        let ada = Fixture::sign_in(app, "ada").await;
        app.create_article(&ada, article("")).await.unwrap_err();
        assert_eq!(number(app, "select count(*) from job").await, 0, "{on}");
        let slug = app.create_article(&ada, article("Queues")).await.unwrap().slug;
        assert_eq!(number(app, "select count(*) from job").await, 1, "{on}");

        // One that waits is enough for what comes until it begins.
        let body = Some("Other words".to_owned());
        app.update_article(&ada, &slug, ArticleUpdate { body, ..Default::default() })
            .await
            .unwrap();
        assert_eq!(number(app, "select count(*) from job").await, 1, "{on}");
        assert_eq!(app.drain_jobs().await.unwrap(), 1, "{on}");
        assert_eq!(number(app, "select count(*) from job").await, 0, "{on}");

        app.delete_article(&ada, &slug).await.unwrap();
        assert_eq!(app.drain_jobs().await.unwrap(), 1, "{on}");
    }
}

#[tokio::test]
async fn what_is_enqueued_while_a_job_runs_is_not_lost() {
    for fixture in &fixture::all().await {
        let (app, on) = (&fixture.app, fixture.on());
        let key = "update job set unique_key = 'k', task = '{\"number\": 1, \"sleep_ms\": 200}'";
        insert(app, "synthetic", "{}", Utc::now()).await;
        execute(app, key).await;
        let worker = tokio::spawn({
            let app = app.clone();
            async move { app.drain_jobs().await.unwrap() }
        });
        until(app, "state = 'running'").await;
        // Accepted, although its like runs: that one may not have seen what this one is about.
        insert(app, "synthetic", "{\"number\": 1}", Utc::now()).await;
        execute(app, "update job set unique_key = 'k' where state = 'ready'").await;
        assert_eq!(worker.await.unwrap(), 2, "{on}");
        assert_eq!(number(app, "select times from synthetic_effect").await, 2, "{on}");
    }
}

#[tokio::test]
async fn what_this_program_does_not_know_is_parked_until_one_does() {
    for fixture in &fixture::all().await {
        let (app, on) = (&fixture.app, fixture.on());
        for (kind, task) in
            [("a-new-one", "{}"), ("newer", "{}"), ("zzz", "{}"), ("related", "{\"what\": 1}")]
        {
            insert(app, kind, task, Utc::now()).await;
        }
        insert(app, "synthetic", "{\"number\": 5}", Utc::now()).await;
        app.drain_jobs().await.unwrap();
        assert_eq!(number(app, "select times from synthetic_effect").await, 1, "{on}");
        let parked =
            "select kind from job where state = 'parked' and reason is not null order by kind";
        assert_eq!(texts(app, parked).await, ["a-new-one", "newer", "related", "zzz"], "{on}");
        execute(app, "update job set kind = 'synthetic', task = '{\"number\": 5}'").await;
        app.drain_jobs().await.unwrap();
        assert_eq!(number(app, "select times from synthetic_effect").await, 5, "{on}");
        assert_eq!(number(app, "select count(*) from job").await, 0, "{on}");
    }
}

#[tokio::test]
async fn a_poisonous_job_dies_after_its_attempts_and_others_go_on() {
    for fixture in &fixture::all().await {
        let time = Time::new();
        let (app, on) = (&fixture.again(at(&time)).await, fixture.on());
        insert(app, "synthetic", "{\"fails\": \"panic\"}", fixture::time(0)).await;
        insert(app, "synthetic", "{\"fails\": \"error\"}", fixture::time(0)).await;
        insert(app, "synthetic", "{\"number\": 7}", fixture::time(0)).await;
        assert_eq!(app.drain_jobs().await.unwrap(), 3, "{on}");
        assert_eq!(number(app, "select times from synthetic_effect").await, 1, "{on}");
        // The waits stand in the rows, and nothing happens before they are over.
        for (attempt, wait) in [(1, 1_000), (2, 2_000)] {
            let delayed = format!(
                "select count(*) from job where state = 'delayed' and attempts = {attempt}"
            );
            assert_eq!(number(app, &delayed).await, 2, "{on}: {attempt}");
            time.pass(TimeDelta::milliseconds(wait * 9 / 10 - 1));
            assert_eq!(app.drain_jobs().await.unwrap(), 0, "{on}: {attempt}");
            time.pass(TimeDelta::milliseconds(wait * 2 / 10 + 2));
            assert_eq!(app.drain_jobs().await.unwrap(), 2, "{on}: {attempt}");
        }
        let reasons = texts(app, "select reason from job where state = 'dead' order by id").await;
        assert_eq!(reasons, ["panicked: as it was told to", "as it was told to"], "{on}");
    }
}

#[tokio::test]
async fn a_job_that_takes_its_workers_with_it_dies_too() {
    for fixture in &fixture::all().await {
        let time = Time::new();
        let (app, on) = (&fixture.again(at(&time)).await, fixture.on());
        insert(app, "synthetic", "{\"number\": 1}", fixture::time(0)).await;
        // As if each of its workers had vanished.
        execute(app, "update job set state = 'running', attempts = 3, fence = 3").await;
        time.pass(TimeDelta::seconds(1));
        app.drain_jobs().await.unwrap();
        assert_eq!(number(app, "select count(*) from synthetic_effect").await, 0, "{on}");
        let reasons = texts(app, "select reason from job where state = 'dead'").await;
        assert_eq!(reasons, ["its worker vanished"], "{on}");
    }
}

#[tokio::test]
async fn who_has_lost_a_job_writes_nothing_any_more() {
    for fixture in &fixture::all().await {
        let (app, on) = (&fixture.app, fixture.on());
        insert(app, "synthetic", "{\"number\": 1, \"sleep_ms\": 300}", Utc::now()).await;
        let frozen = tokio::spawn({
            let app = app.clone();
            async move { app.drain_jobs().await.unwrap() }
        });
        until(app, "state = 'running'").await;
        // Its lease ended while it was frozen, and another worker has the job now.
        execute(app, "update job set fence = fence + 1").await;
        frozen.await.unwrap();
        assert_eq!(number(app, "select count(*) from synthetic_effect").await, 0, "{on}");
        assert_eq!(
            number(app, "select count(*) from job where state = 'running'").await,
            1,
            "{on}"
        );
    }
}

#[tokio::test]
async fn a_job_of_a_dead_worker_is_anybodys_when_its_lease_ends() {
    for fixture in &fixture::all().await {
        let time = Time::new();
        let (app, on) = (&fixture.again(at(&time)).await, fixture.on());
        insert(app, "synthetic", "{\"number\": 1}", fixture::time(0)).await;
        let lease = "update job set state = 'running', attempts = 1, fence = 1, due_at = ";
        let end = (fixture::time(0) + TimeDelta::seconds(10)).to_rfc3339();
        execute(app, &format!("{lease}'{end}'")).await;
        time.pass(TimeDelta::seconds(9));
        assert_eq!(app.drain_jobs().await.unwrap(), 0, "{on}: still somebody's");
        time.pass(TimeDelta::milliseconds(1_001));
        assert_eq!(app.drain_jobs().await.unwrap(), 1, "{on}");
        assert_eq!(number(app, "select times from synthetic_effect").await, 1, "{on}");
    }
}

#[tokio::test]
async fn a_worker_that_stops_hands_back_what_does_not_end_in_time() {
    for fixture in &fixture::all().await {
        let (app, on) = (&fixture.app, fixture.on());
        insert(app, "synthetic", "{\"number\": 1, \"sleep_ms\": 60000}", Utc::now()).await;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let worker = tokio::spawn(app.clone().run_jobs(
            Placement::Inside,
            async { drop(stopped.await) },
            Duration::ZERO,
        ));
        until(app, "state = 'running'").await;
        stop.send(()).unwrap();
        worker.await.unwrap();
        // At once, and it does not count as an attempt.
        let back = "select count(*) from job where state = 'ready' and attempts = 0 and fence = 2";
        assert_eq!(number(app, back).await, 1, "{on}");
    }
}

#[tokio::test]
async fn a_worker_that_stops_lets_end_what_does_end_in_time() {
    for fixture in &fixture::all().await {
        let (app, on) = (&fixture.app, fixture.on());
        insert(app, "synthetic", "{\"number\": 1, \"sleep_ms\": 300}", Utc::now()).await;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let stopped = async { drop(stopped.await) };
        let worker = app.clone().run_jobs(Placement::Inside, stopped, Duration::from_secs(20));
        let worker = tokio::spawn(worker);
        until(app, "state = 'running'").await;
        stop.send(()).unwrap();
        insert(app, "synthetic", "{\"number\": 2}", Utc::now()).await;
        worker.await.unwrap();
        assert_eq!(number(app, "select count(*) from job where state = 'ready'").await, 1, "{on}");
        assert_eq!(number(app, "select number from synthetic_effect").await, 1, "{on}");
    }
}

/// The signal comes from a process that shares nothing but the database (and the data directory).
#[tokio::test]
async fn a_worker_is_woken_from_another_process() {
    for fixture in &fixture::all().await {
        let on = fixture.on();
        let elsewhere = fixture.again(Options::default()).await;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let stopped = async { drop(stopped.await) };
        let worker = tokio::spawn(elsewhere.run_jobs(Placement::Inside, stopped, Duration::ZERO));
        let ada = fixture.signed_in("ada").await;
        // Faster than five looks would be, so they were not looks.
        let all = async {
            for number_ in 0..20 {
                let title = format!("Number {number_}");
                fixture.app.create_article(&ada, article(&title)).await.unwrap();
                while number(&fixture.app, "select count(*) from job").await > 0 {
                    tokio::task::yield_now().await;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), all).await.expect(on);
        stop.send(()).unwrap();
        worker.await.unwrap();
    }
}

#[tokio::test]
async fn inline_jobs_are_done_when_the_request_is() {
    for fixture in &fixture::all().await {
        let options = Options { placement: Placement::Inline, ..Options::default() };
        let (app, on) = (&fixture.again(options).await, fixture.on());
        let ada = Fixture::sign_in(app, "ada").await;
        app.create_article(&ada, article("Queues")).await.unwrap();
        assert_eq!(number(app, "select count(*) from job").await, 0, "{on}");
        assert!(number(app, "select count(*) from article_term").await > 0, "{on}");
    }
}

#[tokio::test]
async fn a_tick_happens_once_whatever_clocks_the_replicas_have() {
    for fixture in &fixture::all().await {
        let on = fixture.on();
        let time = Time::new();
        let ahead = lab(r#"{"tick_seconds": 10, "clock_offset_ms": 2000}"#);
        let options = |lab| Options { lab, ..at(&time) };
        let one = fixture.again(options(lab(r#"{"tick_seconds": 10}"#))).await;
        let two = fixture.again(options(ahead)).await;
        let mut stops = Vec::new();
        let mut workers = Vec::new();
        for app in [&one, &two] {
            let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
            let stopped = async { drop(stopped.await) };
            let worker = app.clone().run_jobs(Placement::Inside, stopped, Duration::ZERO);
            stops.push(stop);
            workers.push(tokio::spawn(worker));
        }
        // Both have begun to look.
        while number(&one, "select count(*) from job_tally").await < 2 {
            insert(&one, "synthetic", "{\"number\": 1}", fixture::time(0)).await;
            tokio::task::yield_now().await;
        }
        for expected in 1..=3 {
            time.pass(TimeDelta::seconds(10));
            let ticks = async {
                while number(&one, "select count(*) from tick").await < expected {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(20), ticks).await.expect(on);
        }
        for stop in stops {
            stop.send(()).unwrap();
        }
        for worker in workers {
            worker.await.unwrap();
        }
        one.drain_jobs().await.unwrap();
        let twice = "select count(*) from synthetic_effect where number > 1 and times <> 1";
        assert_eq!(number(&one, twice).await, 0, "{on}");
        let all = "select count(*) from synthetic_effect where number > 1";
        assert_eq!(number(&one, all).await, 3, "{on}");
    }
}

/// For as many seconds as `CONDUIT_OUTAGE_SECONDS` says; without it, for a moment.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_while_the_database_is_away() {
    let started = tokio::task::spawn_blocking(PrivateServer::start).await.unwrap().unwrap();
    let Some(server) = started.filter(PrivateServer::is_private) else {
        println!("ignored: needs PostgreSQL that can be stopped");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut args = DatabaseArgs::in_data_dir(folder.path());
    args.database_url = Some(server.create_database("away").await.unwrap().into());
    in_process::migrate(&args).await.unwrap();
    let app =
        &InProcess::connect(&args, &IdentityArgs::default(), Options::default()).await.unwrap();
    for number in 1..=400 {
        let task = format!("{{\"number\": {number}, \"sleep_ms\": 50}}");
        insert(app, "synthetic", &task, Utc::now()).await;
    }
    execute(app, "update job set max_attempts = 2").await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopped = async { drop(stopped.await) };
    let worker = app.clone().run_jobs(Placement::Inside, stopped, Duration::from_secs(5));
    let worker = tokio::spawn(worker);
    while number(app, "select count(*) from synthetic_effect").await == 0 {
        tokio::task::yield_now().await;
    }
    server.stop().unwrap();
    let seconds = std::env::var("CONDUIT_OUTAGE_SECONDS").ok().and_then(|text| text.parse().ok());
    tokio::time::sleep(Duration::from_secs(seconds.unwrap_or(2))).await;
    server.start_again().unwrap();
    let all = async {
        while texts_if_there(app, "select kind from job").await != Some(Vec::new()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("work goes on");
    stop.send(()).unwrap();
    worker.await.unwrap();
    let once = "select count(*) from synthetic_effect where times = 1";
    assert_eq!(number(app, once).await, 400);
}

/// What a query finds, if the database is back.
async fn texts_if_there(app: &InProcess, query: &'static str) -> Option<Vec<String>> {
    let Db::Postgres(pool) = app.db() else { return None };
    sqlx::query_scalar(query).fetch_all(pool).await.ok()
}
