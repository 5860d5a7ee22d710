//! What one call of the port costs on each side of the boundary, without a database in the picture:
//! a function call; the same with its answer encoded and decoded; the same over a kept-alive
//! loopback connection.
//!
//! `cargo bench --bench boundary`. It answers "how long does this step take", in one process. What
//! the boundary costs the app, under load and with real processes, is the lab's question.

use std::{hint::black_box, time::Duration};

use axum::Router;
use conduit::{Caller, Conduit, ListArticles, RequestId, wire};
use contract::{
    dataset::{Dataset, Size},
    in_memory::InMemory,
};
use criterion::{Criterion, criterion_group, criterion_main};
use remote::{BackendArgs, Remote};
use tokio::runtime::Runtime;

fn caller() -> Caller {
    let id = RequestId::parse("bench").expect("a harmless number");
    Caller::new(None, id, Duration::from_secs(30))
}

/// An API server on a free port; the port of the app behind it is `app`.
fn serve(runtime: &Runtime, app: InMemory) -> Remote {
    let router = Router::new().nest(wire::API, api::router(app));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("an address");
    runtime.spawn(axum::serve(listener, router).into_future());
    Remote::new(&BackendArgs { backend_url: format!("http://{address}") }).expect("a backend")
}

fn boundary(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let dataset = Dataset::new(Size::default(), 1);
    let slug = dataset.article(17).slug;
    let here = InMemory::new(&dataset);
    let elsewhere = serve(&runtime, here.clone());
    let list = ListArticles { limit: 10, ..ListArticles::default() };

    let mut group = criterion.benchmark_group("article");
    group.bench_function("call", |b| {
        b.to_async(&runtime).iter(|| async { here.article(&caller(), black_box(&slug)).await });
    });
    group.bench_function("codec", |b| {
        b.to_async(&runtime).iter(|| async {
            let article = here.article(&caller(), black_box(&slug)).await.expect("an article");
            let json = serde_json::to_vec(&wire::ArticleBody { article }).expect("JSON");
            serde_json::from_slice::<wire::ArticleBody<conduit::Article>>(&json)
                .expect("an article")
        });
    });
    group.bench_function("loopback", |b| {
        b.to_async(&runtime)
            .iter(|| async { elsewhere.article(&caller(), black_box(&slug)).await });
    });
    group.finish();

    let mut group = criterion.benchmark_group("list of ten");
    group.bench_function("call", |b| {
        b.to_async(&runtime).iter(|| async { here.articles(&caller(), black_box(&list)).await });
    });
    group.bench_function("codec", |b| {
        b.to_async(&runtime).iter(|| async {
            let page = here.articles(&caller(), black_box(&list)).await.expect("a page");
            let json = serde_json::to_vec(&page).expect("JSON");
            serde_json::from_slice::<wire::ArticlesBody>(&json).expect("a page")
        });
    });
    group.bench_function("loopback", |b| {
        b.to_async(&runtime)
            .iter(|| async { elsewhere.articles(&caller(), black_box(&list)).await });
    });
    group.finish();
}

criterion_group!(benches, boundary);
criterion_main!(benches);
