//! What becomes of jobs that can't be done, and of those whose worker is gone.

use chrono::{TimeDelta, Utc};
use contract::sql::{execute, number, texts};

use super::{Time, at, insert, until};
use crate::fixture;

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
