use std::{
    future::{pending, ready},
    pin::pin,
    sync::atomic::AtomicU32,
};

use conduit::{RequestId, Token};
use futures_util::FutureExt;
use tokio::sync::oneshot;

use super::*;

fn store() -> Store {
    Store::new(CacheArgs { cache_entries: 10, cache_seconds: 3_600 }).unwrap()
}

fn guest() -> Caller {
    Caller::new(None, RequestId::parse("cache-1").unwrap(), Duration::from_secs(60))
}

fn hurried() -> Caller {
    Caller::new(None, RequestId::parse("cache-2").unwrap(), Duration::ZERO)
}

fn tags(tag: &str) -> Vec<String> {
    vec![tag.to_owned()]
}

/// What the tags are in this store, where the port would say `now`.
async fn read(store: &Store, now: &str) -> Vec<String> {
    store.read(&store.tags, (), &guest(), || ready(Ok(tags(now)))).await.unwrap()
}

#[tokio::test]
async fn what_is_kept_is_not_asked_again_until_it_is_out_of_date() {
    let store = store();
    assert_eq!(read(&store, "old").await, ["old"]);
    assert_eq!(read(&store, "new").await, ["old"]);
    store.invalidate();
    assert_eq!(read(&store, "new").await, ["new"]);
}

/// The race that a cache has to win: what a read found before a write arrives after it.
#[tokio::test]
async fn an_answer_from_before_a_write_is_not_kept_after_it() {
    let store = store();
    let (send, answer) = oneshot::channel();
    let (answer, caller) = (answer.shared(), guest());
    let ask = || answer.clone().map(|found| Ok(found.unwrap()));
    let mut late = pin!(store.read(&store.tags, (), &caller, ask));
    assert!(late.as_mut().now_or_never().is_none(), "it has asked, and waits");

    store.invalidate();
    // Nor does anybody who asks from now on wait for it.
    assert_eq!(read(&store, "new").await, ["new"]);
    send.send(tags("old")).unwrap();
    assert_eq!(late.await.unwrap(), ["old"], "whoever asked before the write may be told so");
    assert_eq!(read(&store, "newer").await, ["new"]);
}

/// The same, if nobody asked in between.
#[tokio::test]
async fn an_answer_from_before_a_write_is_not_found_after_it() {
    let store = store();
    let (send, answer) = oneshot::channel();
    let (answer, caller) = (answer.shared(), guest());
    let ask = || answer.clone().map(|found| Ok(found.unwrap()));
    let mut late = pin!(store.read(&store.tags, (), &caller, ask));
    assert!(late.as_mut().now_or_never().is_none());
    store.invalidate();
    send.send(tags("old")).unwrap();
    late.await.unwrap();
    assert_eq!(read(&store, "new").await, ["new"]);
}

#[tokio::test]
async fn one_question_is_asked_once_however_many_wait_for_it() {
    let store = store();
    let (send, answer) = oneshot::channel();
    let (answer, caller, asked) = (answer.shared(), guest(), AtomicU32::new(0));
    let ask = || {
        asked.fetch_add(1, Ordering::Relaxed);
        answer.clone().map(|found| Ok(found.unwrap()))
    };
    let mut all: Vec<_> =
        (0..5).map(|_| Box::pin(store.read(&store.tags, (), &caller, ask))).collect();
    for one in &mut all {
        assert!(one.as_mut().now_or_never().is_none());
    }
    send.send(tags("one")).unwrap();
    for one in all {
        assert_eq!(one.await.unwrap(), ["one"]);
    }
    assert_eq!(asked.into_inner(), 1);
}

#[tokio::test]
async fn whoever_waits_for_an_answer_that_fails_asks_on_their_own() {
    let store = store();
    let (send, failure) = oneshot::channel::<Error>();
    let (failure, caller) = (failure.shared(), guest());
    let fail = || failure.clone().map(|error| Err(error.unwrap()));
    let mut first = pin!(store.read(&store.tags, (), &caller, fail));
    assert!(first.as_mut().now_or_never().is_none());
    let mut second = pin!(store.read(&store.tags, (), &caller, || ready(Ok(tags("fine")))));
    assert!(second.as_mut().now_or_never().is_none(), "it waits for the first");
    let late = Error::Unavailable(Outcome::NotDone);
    send.send(late.clone()).unwrap();
    assert_eq!(first.await.unwrap_err(), late);
    assert_eq!(second.await.unwrap(), ["fine"]);
    assert_eq!(read(&store, "kept").await, ["kept"], "a failure is not kept");
}

#[tokio::test]
async fn whoever_goes_away_leaves_the_question_to_the_others() {
    let store = store();
    let caller = guest();
    let mut first = Box::pin(store.read(&store.tags, (), &caller, pending));
    assert!(first.as_mut().now_or_never().is_none());
    let mut second = pin!(store.read(&store.tags, (), &caller, || ready(Ok(tags("fine")))));
    assert!(second.as_mut().now_or_never().is_none());
    drop(first);
    assert_eq!(second.await.unwrap(), ["fine"]);
}

#[tokio::test]
async fn nobody_waits_longer_than_their_own_time() {
    let store = store();
    let caller = guest();
    let mut first = pin!(store.read(&store.tags, (), &caller, pending));
    assert!(first.as_mut().now_or_never().is_none());
    let caller = hurried();
    let second = store.read(&store.tags, (), &caller, || ready(Ok(tags("fine"))));
    assert_eq!(second.await.unwrap_err(), Error::Unavailable(Outcome::NotDone));
}

#[test]
fn only_what_everybody_without_an_account_is_shown_is_kept() {
    let list = ListArticles::default();
    let tag = ListArticles { tag: Some("rust".into()), offset: 40, ..list.clone() };
    assert!(is_kept(&guest(), &list) && is_kept(&guest(), &tag));
    let someone = Caller { token: Some(Token::new("any")), ..guest() };
    assert!(!is_kept(&someone, &list), "whose view it is, only the token's reader knows");
    let long = ListArticles { limit: DEFAULT_LIMIT + 1, ..list.clone() };
    let by = ListArticles { author: Some("anna".into()), ..list.clone() };
    let liked = ListArticles { favorited: Some("anna".into()), ..list };
    for other in [long, by, liked] {
        assert!(!is_kept(&guest(), &other), "{other:?}");
    }
}

#[test]
fn without_entries_there_is_no_store() {
    assert!(Store::new(CacheArgs { cache_entries: 0, cache_seconds: 1 }).is_none());
}
