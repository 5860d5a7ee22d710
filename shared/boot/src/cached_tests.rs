use std::{future::pending, pin::pin, time::Duration};

use conduit::{RequestId, Resource, Unauthorized};
use contract::{
    dataset::{Dataset, Size},
    in_memory::InMemory,
};
use futures_util::FutureExt;

use super::*;

const ON: CacheArgs = CacheArgs { cache_entries: 10, cache_seconds: 3_600 };

fn port() -> Cached<InMemory> {
    let dataset = Dataset::new(Size { users: 5, articles: 20, ..Size::default() }, 1);
    Cached::new(InMemory::new(&dataset), ON)
}

fn guest() -> Caller {
    Caller::new(None, RequestId::parse("cached-1").unwrap(), Duration::from_secs(60))
}

/// Whether something that happens makes the tags of this port out of date.
async fn forgets(port: &Cached<InMemory>, happens: impl AsyncFnOnce()) -> bool {
    let before = port.tags(&guest()).await.unwrap();
    let store = port.store.as_ref().unwrap();
    happens().await;
    // What is kept is what was there before, unless it is out of date.
    let ask = || async { Ok(vec!["asked anew".to_owned()]) };
    let forgot = store.read(&store.tags, (), &guest(), ask).await.unwrap() != before;
    store.invalidate();
    forgot
}

#[tokio::test]
async fn a_write_makes_everything_out_of_date_if_it_may_have_been_done() {
    let port = port();
    let ends = async |result: Result<()>| {
        forgets(&port, async || drop(port.write(async { result }).await)).await
    };
    assert!(ends(Ok(())).await);
    assert!(ends(Err(Error::Unavailable(Outcome::Unknown))).await);
    assert!(ends(Err(Error::Internal("lost its way".into()))).await);
    for refused in [
        Error::Unauthorized(Unauthorized::Missing),
        Error::NotFound(Resource::Article),
        Error::Forbidden(Resource::Article),
        Error::Unavailable(Outcome::NotDone),
    ] {
        assert!(!ends(Err(refused.clone())).await, "{refused}");
    }
}

#[tokio::test]
async fn a_write_that_nobody_waits_for_any_more_counts_as_done() {
    let port = port();
    let abandoned = async || {
        let mut write = pin!(port.write(pending::<Result<()>>()));
        assert!(write.as_mut().now_or_never().is_none());
    };
    assert!(forgets(&port, abandoned).await);
}

#[tokio::test]
async fn what_somebody_else_says_is_heard_by_all_clones() {
    let port = port();
    let mut told = None;
    let subscribe = |changed| {
        told = Some(changed);
        Ok::<_, ()>(())
    };
    port.clone().follow(subscribe).unwrap();
    assert!(forgets(&port, async || told.unwrap()()).await);
}

#[tokio::test]
async fn switched_off_it_listens_to_nobody() {
    let off = CacheArgs { cache_entries: 0, ..ON };
    let port = Cached::new(port().inner, off);
    port.follow(|_| Err("nobody is to be asked")).unwrap();
    assert_eq!(port.tags(&guest()).await.unwrap(), port.inner.tags(&guest()).await.unwrap());
}
