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
mod authoring;
mod favorites;
mod following;
mod known;
mod later;
mod lists;
mod remarks;
mod rules;
mod settings;
mod tokens;

use std::{
    fmt::Debug,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use conduit::{
    Article, Caller, Conduit, Credentials, ListArticles, NewArticle, Password, Registration,
    RequestId, Result, Token,
};

use crate::dataset::{Dataset, PASSWORD};
use known::Known;

/// Plenty, also on a machine that is busy with other tests.
const BUDGET: Duration = Duration::from_secs(20);

/// Runs every check. The app behind `port` must hold the rows of `dataset`. The checks leave accounts
/// behind, under names of their own; whatever else they make they take away. So they can be repeated.
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
    settings::check(&bench).await;
    authoring::check(&bench).await;
    favorites::check(&bench).await;
    following::check(&bench).await;
    remarks::check(&bench).await;
    rules::check(&bench).await;
    later::check(&bench).await;
    // What the checks made is gone: everything is listed as it was in the beginning.
    lists::check(&bench).await;
    articles::check(&bench).await;
    port.ready().await.expect("an app that answers is ready");
}

/// Runs the checks of what is done later. Somebody must do it: a worker, wherever.
///
/// # Panics
/// If the implementation does not do what the port promises, or nobody does the jobs.
pub async fn run_with_workers<C: Conduit>(port: &C, dataset: &Dataset) {
    let bench = Bench { port, known: Known::new(dataset) };
    later::check(&bench).await;
    later::with_workers(&bench).await;
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

    /// Somebody who has just opened an account: their name, and them as a caller.
    async fn newcomer(&self) -> (String, Caller) {
        let username = fresh("newcomer");
        let email = format!("{username}@example.com");
        let new =
            Registration { username: username.clone(), email, password: Password::new(PASSWORD) };
        let user = self.port.register(&guest(), new).await.expect("a name that is free");
        (username, with_token(user.token))
    }

    /// An article that has just been published, with tags of these names.
    async fn published(&self, author: &Caller, tags: &[&str]) -> Article {
        let new = NewArticle { tag_list: owned(tags), ..draft() };
        self.port.create_article(author, new).await.expect("a sound article")
    }

    /// Takes articles away again.
    async fn clear(&self, author: &Caller, slugs: &[&str]) {
        for slug in slugs {
            self.port.delete_article(author, slug).await.expect("their own article");
        }
    }

    /// The slugs of somebody's articles, newest first.
    async fn written_by(&self, author: &str) -> Vec<String> {
        let list = ListArticles { author: Some(author.to_owned()), ..ListArticles::default() };
        let page = self.port.articles(&guest(), &list).await.expect("a list");
        assert_eq!(page.articles.len() as u64, page.articles_count, "all on one page");
        page.articles.into_iter().map(|article| article.slug).collect()
    }
}

/// An article that lacks nothing, without tags.
fn draft() -> NewArticle {
    NewArticle {
        title: "A draft: 50 % größer & <b>bold</b>".to_owned(),
        description: "What it is about".to_owned(),
        body: "# Heading\r\n\r\nText.\n".to_owned(),
        tag_list: Vec::new(),
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
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
