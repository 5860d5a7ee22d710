//! What the arithmetic behind predictions takes: a thousand requests played event by event, a law
//! and demands fitted.
//!
//! `cargo bench --bench scaling`

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lab::{
    model::{
        law::Law,
        queues,
        regression::non_negative,
        simulation::{Discipline, Quota, Request, Tier, arrivals, play},
    },
    relay::Policy,
};

/// Requests of one simulation.
const REQUESTS: usize = 1_000;

/// Servers of a quarter of a core each, on one core.
fn tier(replicas: usize, policy: Policy) -> Tier {
    Tier {
        replicas,
        policy,
        discipline: Discipline::Sharing,
        quota: Some(Quota { budget: 0.0025, period: 0.01 }),
        core: Some(0),
    }
}

/// Requests that need half a millisecond at each tier, at 70 % of what a quarter of a core can do.
fn requests(tiers: usize, quarters: usize) -> Vec<Request> {
    let visits: Vec<(usize, f64)> = (0..tiers).map(|tier| (tier, 0.0005)).collect();
    let rate = 0.7 * 0.25 * quarters as f64 / 0.0005;
    let times = arrivals(rate, REQUESTS, 1).into_iter();
    times.map(|at| Request { at, visits: visits.clone() }).collect()
}

fn simulation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scaling");
    group.throughput(Throughput::Elements(REQUESTS as u64));
    for (name, tiers, quarters) in [
        ("monolith, 1 replica", vec![tier(1, Policy::RoundRobin)], 1),
        ("monolith, 4 replicas in turn", vec![tier(4, Policy::RoundRobin)], 4),
        ("monolith, 4 replicas by outstanding", vec![tier(4, Policy::LeastOutstanding)], 4),
        ("split, 1 and 1", vec![tier(1, Policy::RoundRobin), tier(1, Policy::RoundRobin)], 1),
        ("split, 2 and 2", vec![tier(2, Policy::RoundRobin), tier(2, Policy::RoundRobin)], 2),
    ] {
        let requests = requests(tiers.len(), quarters);
        group.bench_function(format!("1,000 requests: {name}"), |b| {
            b.iter(|| play(black_box(&tiers), black_box(&requests)));
        });
    }
    group.finish();
}

fn fits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scaling");
    group.bench_function("waiting at M/M/64", |b| {
        b.iter(|| queues::mmc(black_box(60.0), black_box(1.0), black_box(64)));
    });
    let points: Vec<(f64, f64)> =
        (1..=16).map(|n| (f64::from(n), 500.0 * f64::from(n).powf(0.9))).collect();
    group.bench_function("scalability law of 16 points", |b| {
        b.iter(|| Law::fit(black_box(&points), black_box(&[1; 16])));
    });
    let rows: Vec<[f64; 3]> =
        (1..=64).map(|n| [1.0, f64::from(n % 9 * 50), f64::from(n % 7 * 40)]).collect();
    let values: Vec<f64> = rows.iter().map(|[s, a, b]| 0.5 * s + 0.4 * a + 0.7 * b).collect();
    group.bench_function("demands of 64 samples", |b| {
        b.iter(|| non_negative(black_box(&rows), black_box(&values), black_box(&[1.0; 64])));
    });
    group.finish();
}

criterion_group!(benches, simulation, fits);
criterion_main!(benches);
