//! Random sequences of what several people do, sent to the monolith and to the split on both
//! databases: every answer, and every page looked at afterwards, has to be the same.
//!
//! When one is not, the sequence is made as short as possible before it is shown.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has to stop")]

#[path = "../architecture/mod.rs"]
mod architecture;
#[path = "../suite_notices/faulty.rs"]
#[expect(dead_code, reason = "a few of the faults are enough here")]
mod faulty;
mod history;
mod masked;
#[path = "../served/mod.rs"]
mod served;
mod step;
#[path = "../suite_notices/writing.rs"]
mod writing;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use architecture::{Architecture, monolith, split};
use chrono::DateTime;
use contract::{
    databases,
    dataset::{Dataset, Size},
    in_memory::InMemory,
    parity::Visitors,
};
use faulty::{Fault, Faulty};
use history::{Pair, run};
use in_process::Clock;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use step::{Step, everyone, step};
use tokio::runtime::Runtime;

/// Three people, who have written a little.
fn dataset() -> Dataset {
    let size = Size {
        users: 3,
        articles: 4,
        tags: 3,
        tags_per_article: 1,
        favorites_per_article: 1,
        comments_per_article: 1,
        follows_per_user: 1,
    };
    Dataset::new(size, 5)
}

/// A time that passes only when it is told to, the same for everyone.
#[derive(Clone, Default)]
struct Hours(Arc<AtomicI64>);

impl Hours {
    fn pass(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn clock(&self) -> Clock {
        /// 2026-01-01T00:00:00Z, after everything in the dataset.
        const START: i64 = 1_767_225_600;
        let hours = self.clone();
        Clock::new(move || {
            let seconds = START + 3_600 * hours.0.load(Ordering::Relaxed);
            DateTime::from_timestamp(seconds, 123_456_000).unwrap()
        })
    }
}

async fn visitors(architecture: Architecture) -> Visitors<Architecture> {
    Visitors::sign_in(architecture, &dataset(), &everyone()).await.unwrap()
}

/// Both architectures on fresh copies of the dataset, on each database there is.
async fn on_both_databases(hours: &Hours) -> Vec<Pair> {
    let ones = databases::with(&dataset()).await;
    let others = databases::with(&dataset()).await;
    let mut pairs = Vec::new();
    for (one, other) in ones.into_iter().zip(others) {
        let left = visitors(monolith(one.connect_at(hours.clock()).await)).await;
        let right = visitors(split(other.connect_at(hours.clock()).await).await).await;
        pairs.push(Pair::new(one.engine, left, right, vec![one, other]));
    }
    pairs
}

/// The shortest sequence found that `differs`, and how; `None` if none does.
fn shortest(
    cases: u32,
    differs: impl Fn(&[Step]) -> Result<(), String>,
) -> Option<(Vec<Step>, String)> {
    let config =
        Config { cases, max_shrink_iters: 300, failure_persistence: None, ..Config::default() };
    let steps = proptest::collection::vec(step(), 1..16);
    let verdict =
        TestRunner::new(config).run(&steps, |steps| differs(&steps).map_err(TestCaseError::fail));
    match verdict {
        Ok(()) => None,
        Err(TestError::Fail(reason, steps)) => {
            Some(without_the_needless(steps, reason.message().to_owned(), differs))
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

/// Leaves out each step without which there is a difference, too. The search tries that only before it
/// makes the steps themselves simpler, and a step that was needed then may not be any more.
fn without_the_needless(
    mut steps: Vec<Step>,
    mut difference: String,
    differs: impl Fn(&[Step]) -> Result<(), String>,
) -> (Vec<Step>, String) {
    let mut last = steps.len();
    while last > 0 {
        last -= 1;
        let mut fewer = steps.clone();
        fewer.remove(last);
        if let Err(found) = differs(&fewer) {
            // What stands behind it may be needless without it.
            (last, steps, difference) = (fewer.len(), fewer, found);
        }
    }
    (steps, difference)
}

#[test]
fn whatever_people_do_both_architectures_do_the_same() {
    let runtime = Runtime::new().unwrap();
    let found = shortest(12, |steps| {
        runtime.block_on(async {
            let hours = Hours::default();
            run(&mut on_both_databases(&hours).await, &hours, steps).await
        })
    });
    if let Some((steps, difference)) = found {
        panic!("{difference}\nafter {steps:#?}");
    }
}

/// The search itself, tested: one architecture with one thing wrong is found out, by few steps.
#[test]
fn a_mistake_in_one_of_them_is_found_and_the_way_to_it_is_short() {
    let runtime = Runtime::new().unwrap();
    for fault in [Fault::MarkIsASwitch, Fault::NoTagsMeansNoChange, Fault::UnknownCommentMayGo] {
        let found = shortest(400, |steps| {
            runtime.block_on(async {
                let hours = Hours::default();
                let port = || InMemory::at(&dataset(), hours.clock());
                let left = visitors(monolith(port())).await;
                let wrong = Faulty { right: port(), fault: Some(fault) };
                let right = visitors(monolith(wrong)).await;
                let pair = Pair::new("in memory", left, right, Vec::new());
                run(&mut [pair], &hours, steps).await
            })
        });
        let (steps, difference) = found.unwrap_or_else(|| panic!("{fault:?} was not found"));
        println!("{fault:?}: {steps:?}\n{difference}");
        assert!(steps.len() <= 3, "{fault:?} takes no more than three steps: {steps:#?}");
    }
}
