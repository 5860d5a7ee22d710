//! What a list of articles takes to be found: the port in this process, on both databases. Where
//! PostgreSQL is not installed, on SQLite alone.
//!
//! `cargo bench --bench queries`

use std::{hint::black_box, time::Duration};

use conduit::{Caller, Conduit, ListArticles, RequestId};
use contract::{
    databases,
    dataset::{Dataset, Size},
};
use criterion::{Criterion, criterion_group, criterion_main};
use tokio::runtime::Runtime;

fn caller() -> Caller {
    let id = RequestId::parse("bench").expect("a harmless number");
    Caller::new(None, id, Duration::from_secs(30))
}

fn queries(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let dataset = Dataset::new(Size::default(), 1);
    let first = ListArticles { limit: 10, ..ListArticles::default() };
    let lists = [
        ("first page", first.clone()),
        ("page 50", ListArticles { offset: 490, ..first.clone() }),
        ("of a tag", ListArticles { tag: Some(dataset.tag(0)), ..first.clone() }),
        ("of an author", ListArticles { author: Some(dataset.user(3).username), ..first }),
    ];
    for database in runtime.block_on(databases::with(&dataset)) {
        let app = runtime.block_on(database.connect());
        let mut group = criterion.benchmark_group(format!("list on {}", database.engine));
        for (name, list) in &lists {
            group.bench_function(*name, |b| {
                b.to_async(&runtime).iter(|| async {
                    app.articles(&caller(), black_box(list)).await.expect("a list")
                });
            });
        }
        group.finish();
        runtime.block_on(app.close());
    }
}

criterion_group!(benches, queries);
criterion_main!(benches);
