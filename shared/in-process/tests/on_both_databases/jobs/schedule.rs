//! Jobs by the clock, and by clocks that differ.

use std::time::Duration;

use chrono::TimeDelta;
use contract::sql::{number, numbers, until};
use in_process::{InProcess, Options};

use super::{Time, Worker, at, insert, lab};
use crate::fixture;

/// Waits until each of two workers has looked at the clock since this was called. A look ends with
/// the clock, and begins with writing down what was done: so who has written twice has looked.
async fn both_look(app: &InProcess) {
    const DONE: &str =
        "select cast(sum(done) as bigint) from job_tally group by worker order by worker";
    for _ in 0..2 {
        let before = numbers(app, DONE).await;
        let went_on = |now: &[i64]| {
            let index_grew = |index: usize| now[index] > *before.get(index).unwrap_or(&0);
            now.len() == 2 && (0..2).all(index_grew)
        };
        while !went_on(&numbers(app, DONE).await) {
            insert(app, "synthetic", "{\"number\": 1}", fixture::time(0)).await;
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_tick_happens_once_and_not_early_whatever_clocks_the_replicas_have() {
    for fixture in &fixture::all().await {
        let on = fixture.on();
        let time = Time::new();
        let ahead = lab(r#"{"tick_seconds": 10, "clock_offset_ms": 2000}"#);
        let options = |lab| Options { lab, ..at(&time) };
        let one = fixture.again(options(lab(r#"{"tick_seconds": 10}"#))).await;
        let two = fixture.again(options(ahead)).await;
        let workers = [&one, &two].map(|app| Worker::start(app, Duration::ZERO));
        both_look(&one).await;
        // A tenth of a second before the first tick; one of the two clocks is past it.
        time.pass(TimeDelta::milliseconds(4_222));
        both_look(&one).await;
        assert_eq!(number(&one, "select count(*) from tick").await, 0, "{on}");
        for expected in 1..=3 {
            time.pass(TimeDelta::seconds(10));
            until(&one, expected, "select count(*) from tick").await;
        }
        both_look(&one).await;
        for worker in workers {
            worker.stop().await;
        }
        one.drain_jobs().await.unwrap();
        assert_eq!(number(&one, "select count(*) from tick").await, 3, "{on}");
        let effects =
            numbers(&one, "select times from synthetic_effect where number > 1 order by number");
        assert_eq!(effects.await, [1, 1, 1], "{on}");
    }
}

#[tokio::test]
async fn the_first_tick_of_all_is_taken_by_the_next_process_if_the_first_one_dies_before() {
    for fixture in &fixture::all().await {
        let on = fixture.on();
        let time = Time::new();
        let every_ten = || Options { lab: lab(r#"{"tick_seconds": 10}"#), ..at(&time) };
        let first = fixture.again(every_ten()).await;
        let worker = Worker::start(&first, Duration::ZERO);
        until(&first, 2, "select count(*) from schedule").await;
        worker.stop().await;
        assert_eq!(number(&first, "select count(*) from tick").await, 0, "{on}");
        // Nobody is there when it is due.
        time.pass(TimeDelta::seconds(12));
        let next = fixture.again(every_ten()).await;
        let worker = Worker::start(&next, Duration::ZERO);
        until(&next, 1, "select count(*) from tick").await;
        worker.stop().await;
    }
}
