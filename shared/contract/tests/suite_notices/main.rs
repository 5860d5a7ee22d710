//! The suite, tested: implementations that are wrong in one way each. A suite that lets one of them
//! through would let the same mistake through in SQL.
//!
//! Most of these mistakes pass all the public test suites of the contract.

mod faulty;
mod writing;

use contract::{
    dataset::{Dataset, Size},
    in_memory::InMemory,
    suite,
};
use faulty::{ALL, Fault, Faulty};

/// What the suite says to an implementation with this fault; `None` if it finds nothing.
async fn verdict(fault: Option<Fault>) -> Option<String> {
    let dataset = Dataset::new(Size { users: 20, articles: 100, ..Size::default() }, 5);
    let port = Faulty { right: InMemory::new(&dataset), fault };
    // On the thread of this test, so that what the suite prints is shown only if the test fails.
    let run = tokio::spawn(async move { suite::run(&port, &dataset).await });
    let panic = run.await.err()?.into_panic();
    let text = panic.downcast_ref::<String>().cloned();
    Some(text.unwrap_or_else(|| "a panic without a text".to_owned()))
}

#[tokio::test]
async fn an_implementation_without_fault_passes() {
    assert_eq!(verdict(None).await, None);
}

#[tokio::test]
async fn every_fault_is_noticed() {
    let mut missed = Vec::new();
    for fault in ALL {
        if verdict(Some(fault)).await.is_none() {
            missed.push(fault);
        }
    }
    assert!(missed.is_empty(), "the suite lets through {missed:?}");
}
