//! How workers learn of jobs, and how they stop.

use std::time::Duration;

use chrono::Utc;
use conduit::Conduit;
use contract::sql::number;
use in_process::Options;

use super::{Worker, article, insert, until};
use crate::fixture;

#[tokio::test]
async fn a_worker_that_stops_hands_back_what_does_not_end_in_time() {
    for fixture in &fixture::all().await {
        let (app, on) = (&fixture.app, fixture.on());
        insert(app, "synthetic", "{\"number\": 1, \"sleep_ms\": 60000}", Utc::now()).await;
        let worker = Worker::start(app, Duration::ZERO);
        until(app, "state = 'running'").await;
        worker.stop().await;
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
        let worker = Worker::start(app, Duration::from_secs(20));
        until(app, "state = 'running'").await;
        worker.stop().await;
        assert_eq!(number(app, "select count(*) from job").await, 0, "{on}");
        assert_eq!(number(app, "select number from synthetic_effect").await, 1, "{on}");
        // From then on it takes none.
        insert(app, "synthetic", "{\"number\": 2}", Utc::now()).await;
        Worker::start(app, Duration::from_secs(20)).stop().await;
        assert_eq!(number(app, "select count(*) from job where state = 'ready'").await, 1, "{on}");
    }
}

/// The signal comes from a process that shares nothing but the database (and the data directory).
#[tokio::test]
async fn a_worker_is_woken_from_another_process() {
    for fixture in &fixture::all().await {
        let on = fixture.on();
        let elsewhere = fixture.again(Options::default()).await;
        let worker = Worker::start(&elsewhere, Duration::ZERO);
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
        worker.stop().await;
    }
}
