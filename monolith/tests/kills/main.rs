//! Jobs and `kill -9`: the server dies at every named point, and at any moment, again and again; and
//! then every job that was accepted has had its effect, and none twice that promises once.
//!
//! The short form runs with all the tests. The long form:
//!
//! ```text
//! CONDUIT_KILLS=20 CONDUIT_RANDOM_KILLS=200 cargo test --release -p monolith --test kills
//! ```

#![expect(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

mod house;
mod smtp;

use std::time::Duration;

use contract::{
    databases,
    kills::{Kill, RARE},
};
use house::House;
use in_process::Point;

/// A number from the environment.
fn setting(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[tokio::test(flavor = "multi_thread")]
async fn at_every_named_point() {
    let times = setting("CONDUIT_KILLS", 2);
    for database in databases::all().await {
        let mut house = House::new(database).await;
        for point in Point::ALL {
            let mut reached = 0;
            for round in 1..=times {
                // Not always the first time that it gets there, where it gets there often.
                let time = if RARE.contains(&point) { 1 } else { 1 + round % 3 };
                reached += usize::from(house.kill(Kill::At(point, time)).await);
            }
            assert!(reached == times, "{}: {point:?} was reached {reached} times", house.on());
        }
        let after = house.settle().await;
        assert_eq!(after, Ok(()), "{}", house.on());
        println!(
            "{}: {} points x {times} kills: {}",
            house.on(),
            Point::ALL.len(),
            house.sum().await
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_any_moment() {
    let times = setting("CONDUIT_RANDOM_KILLS", 8);
    for database in databases::all().await {
        let mut house = House::new(database).await;
        // Numbers that look like chance, the same each time (Knuth's MMIX).
        let mut random = 42_u64;
        for _ in 0..times {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            house.kill(Kill::After(Duration::from_millis(5 + (random >> 33) % 400))).await;
        }
        let after = house.settle().await;
        assert_eq!(after, Ok(()), "{}", house.on());
        println!("{}: {times} kills at any moment: {}", house.on(), house.sum().await);
    }
}

/// Who says that the test would notice?
#[tokio::test(flavor = "multi_thread")]
async fn a_bug_is_noticed() {
    for database in databases::all().await {
        let mut house = House::new(database).await;
        house.finish_first = true;
        for _ in 0..2 {
            house.kill(Kill::At(Point::RunBegins, 40)).await;
        }
        let after = house.settle().await;
        assert!(after.is_err(), "{}: jobs that end before their effect", house.on());
    }
}
