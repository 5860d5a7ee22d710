//! What a page costs with a cache, and who it spares: the database alone, or the backend as well.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has to stop")]

mod architecture;
mod counted;
mod served;

use architecture::{Architecture, monolith, settings, split};
use boot::{CacheArgs, Cached};
use contract::{
    databases::{self, small_dataset},
    parity::{Request, Target, Visitors, Who},
};
use counted::Counts;
use in_process::InProcess;
use served::{Served, remote};

const ON: CacheArgs = CacheArgs { cache_entries: 1_000, cache_seconds: 3_600 };

/// Statements to the database, and calls of the backend.
type Cost = (u64, u64);

/// A split whose frontend has the cache.
async fn split_with_it_in_front(app: InProcess) -> Architecture {
    let api = api::router(app.clone());
    let backend = Served::api(app).await;
    let pages = pages::router(Cached::new(remote(backend.address), ON), settings());
    Architecture { pages, api, _backend: Some(backend) }
}

/// A page of this list costs a guest, and somebody signed in, this much: at first, and then.
async fn check(arm: Architecture, counts: &Counts, what: &str, costs: [[Cost; 2]; 2]) {
    let like = format!("/article/{}/favorite", small_dataset().article(0).slug);
    let write = Request::form(like, &[]).by(Who::User(0));
    let tag = format!("/tag/{}", small_dataset().tag(0));
    let mut requests = vec![write.clone()];
    for who in [Who::Guest, Who::User(1)] {
        requests.extend(["/", &tag].map(|page| Request::get(Target::Page, page).by(who)));
    }
    let visitors = Visitors::sign_in(arm, &small_dataset(), &requests).await.unwrap();
    // What a write makes out of date is asked for once more, and once only.
    for _ in 0..2 {
        let answer = visitors.ask(&write).await.unwrap();
        assert!(answer.status.is_redirection(), "{what}: {answer:?}");
        for (who, [first, then]) in [Who::Guest, Who::User(1)].into_iter().zip(costs) {
            for wanted in [first, then, then] {
                counts.taken();
                visitors.ask(&Request::get(Target::Page, "/").by(who)).await.unwrap();
                assert_eq!(counts.taken(), wanted, "{what}, {who:?}");
            }
        }
        // Another list, the same tags.
        let page = Request::get(Target::Page, &tag);
        visitors.ask(&page).await.unwrap();
        assert_eq!(counts.taken().0, 1, "{what}, another list");
        visitors.ask(&page).await.unwrap();
        assert_eq!(counts.taken().0, 0, "{what}, another list");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_memory_costs_no_statement() {
    let counts = Counts::begin();
    for database in databases::all().await {
        let engine = database.engine;
        // Each on connections of its own: they belong to the runtime that opened them, and a backend has
        // one of its own, which ends with it.
        let app = async || database.connect().await;
        // A guest: the list and the tags. Somebody signed in: their own list, and who they are.
        let here = monolith(Cached::new(app().await, ON));
        let what = format!("monolith, on {engine}");
        check(here, &counts, &what, [[(2, 0), (0, 0)], [(2, 0), (2, 0)]]).await;

        let in_backend = split(Cached::new(app().await, ON)).await;
        let what = format!("split, cache in the backend, on {engine}");
        check(in_backend, &counts, &what, [[(2, 2), (0, 2)], [(2, 3), (2, 3)]]).await;

        let in_front = split_with_it_in_front(app().await).await;
        let what = format!("split, cache in the frontend, on {engine}");
        check(in_front, &counts, &what, [[(2, 2), (0, 0)], [(2, 2), (2, 2)]]).await;

        let off = CacheArgs { cache_entries: 0, ..ON };
        let off = monolith(Cached::new(app().await, off));
        let page = Request::get(Target::Page, "/");
        let (data, asks) = (small_dataset(), [page.clone()]);
        let visitors = Visitors::sign_in(off, &data, &asks).await.unwrap();
        for _ in 0..3 {
            counts.taken();
            visitors.ask(&page).await.unwrap();
            assert_eq!(counts.taken(), (2, 0), "off, on {engine}");
        }
    }
}
