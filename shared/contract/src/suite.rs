//! What every implementation of the port must do, whatever stands behind it.
//!
//! One body of tests, generic over the port, run against every wiring there is: in memory, in
//! process on both databases, over one HTTP hop, over two. So none of the tests can know how a call
//! travels, and a wiring that behaves differently fails here before anything is measured.
//!
//! The checks are about meaning: they look at several users and several articles at once, because
//! an implementation with its joins wrong still answers correctly about one user and one article.
//! They panic with a message, like assertions in a test.

mod accounts;
mod articles;
mod known;
mod lists;
mod tokens;

use std::{
    fmt::Debug,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use conduit::{Caller, Conduit, Credentials, Password, RequestId, Result, Token};

use crate::dataset::{Dataset, PASSWORD};
use known::Known;

/// Plenty, also on a machine that is busy with other tests.
const BUDGET: Duration = Duration::from_secs(20);

/// Runs every check. The app behind `port` must hold the rows of `dataset`; the checks add accounts
/// to it, under names of their own, and change nothing else. So they can be repeated.
///
/// # Panics
/// If the implementation does not do what the port promises, or the dataset is too small to tell:
/// it takes 20 users and 100 articles.
pub async fn run<C: Conduit>(port: &C, dataset: &Dataset) {
    let size = dataset.size();
    assert!(size.users >= 20 && size.articles >= 100, "too little data to tell right from wrong");
    let bench = Bench { port, known: Known::new(dataset) };
    lists::check(&bench).await;
    articles::check(&bench).await;
    tokens::check(&bench).await;
    accounts::check(&bench).await;
    port.ready().await.expect("an app that answers is ready");
}

/// What a check works with: the implementation, and what it ought to know.
struct Bench<'a, C> {
    port: &'a C,
    known: Known,
}

impl<C: Conduit> Bench<'_, C> {
    /// Signs in account number `index` of the dataset.
    async fn user(&self, index: usize) -> Caller {
        let email = self.known.users[index].email.clone();
        let credentials = Credentials { email, password: Password::new(PASSWORD) };
        let user = self.port.login(&guest(), credentials).await;
        with_token(user.expect("accounts of the dataset can sign in").token)
    }
}

/// Somebody who is not signed in.
fn guest() -> Caller {
    Caller::new(None, RequestId::parse("suite").expect("harmless"), BUDGET)
}

/// Somebody with this token.
fn with_token(token: Token) -> Caller {
    Caller { token: Some(token), ..guest() }
}

/// A name that nobody has had before, in this process or another.
fn fresh(prefix: &str) -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos());
    format!("{prefix}-{nanos:x}-{number}")
}

/// Says what was asked when the answer is not the expected one.
#[track_caller]
fn expect_answer<T: Debug + PartialEq>(answer: Result<T>, expected: Result<T>, question: &str) {
    assert!(answer == expected, "{question}\n expected: {expected:#?}\n answered: {answer:#?}");
}
