//! What the steps of a job cost on both databases: enqueued in a transaction of its own, claimed, and
//! finished, one at a time and by the hundred, as a busy worker does it. Where PostgreSQL is not
//! installed, on SQLite alone. (The PostgreSQL of benches does not wait for the disk.)
//!
//! `cargo bench --bench jobs`

use std::time::{Duration, Instant};

use contract::databases;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use in_process::{InProcess, Taken};
use tokio::runtime::Runtime;

/// So many jobs, enqueued and taken.
async fn taken(app: &InProcess, jobs: usize) -> Vec<Taken> {
    app.enqueue_synthetic(jobs).await.expect("enqueued");
    app.take_synthetic(jobs).await.expect("taken")
}

/// How long so many rounds of a step take, each between a preparation and a cleaning that don't count.
async fn timed<T>(rounds: u64, prepare: impl AsyncFn() -> T, step: impl AsyncFn(&T)) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..rounds {
        let prepared = prepare().await;
        let begin = Instant::now();
        step(&prepared).await;
        total += begin.elapsed();
    }
    total
}

fn jobs(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    for database in runtime.block_on(databases::empty()) {
        let app = &runtime.block_on(database.connect());
        for jobs in [1, 100] {
            let name = format!("jobs on {}, {jobs} at a time", database.engine);
            let mut group = criterion.benchmark_group(name);
            group.throughput(Throughput::Elements(jobs as u64));
            // Nothing waits but what a round brings.
            let clear = async || {
                let left = app.take_synthetic(usize::MAX).await.expect("taken");
                app.finish_synthetic(&left).await.expect("finished");
            };
            group.bench_function("enqueue", |b| {
                b.to_async(&runtime).iter_custom(|rounds| {
                    timed(rounds, clear, async |()| {
                        app.enqueue_synthetic(jobs).await.expect("enqueued");
                    })
                });
            });
            runtime.block_on(clear());
            group.bench_function("claim", |b| {
                b.to_async(&runtime).iter_custom(|rounds| {
                    let enqueue = async || app.enqueue_synthetic(jobs).await.expect("enqueued");
                    timed(rounds, enqueue, async |()| {
                        app.take_synthetic(jobs).await.expect("taken");
                    })
                });
            });
            group.bench_function("finish", |b| {
                b.to_async(&runtime).iter_custom(|rounds| {
                    timed(
                        rounds,
                        async || taken(app, jobs).await,
                        async |taken| {
                            app.finish_synthetic(taken).await.expect("finished");
                        },
                    )
                });
            });
            group.finish();
        }
        runtime.block_on(app.close());
    }
}

criterion_group!(benches, jobs);
criterion_main!(benches);
