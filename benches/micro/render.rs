//! What a page takes to be made once its content is at hand: the port behind it is in memory, and
//! there is no socket in front of it.
//!
//! `cargo bench --bench render`

use std::hint::black_box;

use axum::{
    Router,
    body::{Body, to_bytes},
};
use contract::{
    dataset::{Dataset, Size},
    in_memory::InMemory,
};
use criterion::{Criterion, criterion_group, criterion_main};
use http::Request;
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// One view of the page at `path`; its length.
async fn view(pages: &Router, path: &str) -> usize {
    let request = Request::get(path).body(Body::empty()).expect("an address");
    let answer = match pages.clone().oneshot(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    };
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    to_bytes(answer.into_body(), usize::MAX).await.expect("a whole page").len()
}

fn render(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let dataset = Dataset::new(Size::default(), 1);
    let pages = pages::router(InMemory::new(&dataset), pages::Settings::default());
    let mut group = criterion.benchmark_group("render");
    let article = |index| format!("/article/{}", dataset.article(index).slug);
    let with_html = (0..).find(|&index| dataset.article(index).body.contains("<script>"));
    let plain = (0..).find(|&index| !dataset.article(index).body.contains("<script>"));
    for (name, path) in [
        ("home", "/".to_owned()),
        ("article", article(plain.unwrap_or_default())),
        ("article with HTML in it", article(with_html.unwrap_or_default())),
    ] {
        group.bench_function(name, |b| {
            b.to_async(&runtime).iter(|| view(&pages, black_box(&path)));
        });
    }
    group.finish();
}

criterion_group!(benches, render);
criterion_main!(benches);
