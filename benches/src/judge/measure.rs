//! From blocks to effects: levels, ratio and difference of two arms, each with its interval.

use std::collections::BTreeMap;

use super::select::{Block, blocks};
use super::summary::{Contrast, Effect, Measured, Metric, Reading};
use crate::fleet::deployment;
use crate::record::{Comparison, Page, Purpose, Run, Slice};
use crate::stats::{Merged, Resamples, rounded, weighted_mean};

/// Requests per arm below which no p99 is printed: with fewer, the 1 % that exceed it are fewer
/// than 95 and known to no better than ± 20 %.
pub const REQUESTS_FOR_P99: u64 = 9_500;

/// Processes that run beside the servers under test; their CPU is no part of a page's cost.
pub(super) const BESIDE: [&str; 5] =
    ["postgres", "generator", deployment::LINK, deployment::BALANCER, deployment::INNER_BALANCER];

/// How intervals of one contrast are to be made.
#[derive(Clone, Copy)]
pub(super) struct Method {
    pub(super) seed: u64,
    pub(super) resamples: u32,
    pub(super) confidence: f64,
    pub(super) slo_ms: f64,
}

/// What was measured of two arms on one page.
struct Blocks<'a> {
    steady: Vec<Block<'a>>,
    duets: Vec<Block<'a>>,
    capacity: Vec<Block<'a>>,
}

impl<'a> Blocks<'a> {
    fn of(run: &'a Run, comparison: Comparison, page: Page) -> Self {
        let of = |purpose| blocks(run, purpose, comparison, page);
        let [steady, duets, capacity] = [Purpose::Steady, Purpose::Duet, Purpose::Capacity].map(of);
        Self { steady, duets, capacity }
    }

    /// The rate at which pages came; `None` where there is nothing.
    fn rate(&self) -> Option<f64> {
        Some(self.steady.first().or(self.duets.first())?.arms[0].first()?.rate)
    }

    /// All metrics, from the blocks that are kept.
    fn read(&self, method: Method, keep: impl Fn(&Block) -> bool) -> Reading {
        let [steady, at_once, capacity]: [Vec<_>; 3] = [&self.steady, &self.duets, &self.capacity]
            .map(|all| all.iter().filter(|block| keep(block)).collect());
        let at_once = (!self.duets.is_empty()).then_some(&at_once[..]);
        read(&steady, at_once, &capacity, method)
    }

    fn any_flagged(&self) -> bool {
        self.steady.iter().chain(&self.duets).chain(&self.capacity).any(|block| block.flagged)
    }
}

/// Everything about two arms on one page; `None` where the run holds nothing of it.
pub(super) fn contrast(
    run: &Run,
    comparison: Comparison,
    page: Page,
    method: Method,
) -> Option<Contrast> {
    let blocks = Blocks::of(run, comparison, page);
    Some(Contrast {
        comparison,
        page,
        arms: comparison.arms(),
        rate: rounded(blocks.rate()?),
        confidence: rounded(method.confidence),
        all: blocks.read(method, |_| true),
        gated: blocks.any_flagged().then(|| {
            // Each metric without what makes it suspicious: see `Flag`.
            let clock = blocks.read(method, |block| !block.flagged);
            let cpu = blocks.read(method, |block| !block.cpu_flagged);
            let mut metrics = clock.metrics;
            metrics.extend(cpu.metrics.into_iter().filter(|(metric, _)| metric.is_cpu()));
            Reading { metrics, processes: cpu.processes, ..clock }
        }),
    })
}

/// All metrics of two arms on one page, from everything that counts; `None` where the run holds nothing
/// of it.
pub(super) fn reading(
    run: &Run,
    comparison: Comparison,
    page: Page,
    method: Method,
) -> Option<Reading> {
    let blocks = Blocks::of(run, comparison, page);
    blocks.rate().map(|_| blocks.read(method, |_| true))
}

/// One reading: all metrics from the given blocks. Where the arms also ran at once, the CPU of their
/// servers is read off there; that of a database they shared, and so it is not.
fn read(
    steady: &[&Block],
    duets: Option<&[&Block]>,
    capacity: &[&Block],
    method: Method,
) -> Reading {
    let restarts = by_restart(steady);
    let at_once = duets.map(by_restart);
    let requests: [u64; 2] = [0, 1]
        .map(|arm| steady.iter().flat_map(|b| &b.arms[arm]).map(|slice| slice.completed).sum());
    let mut metrics = BTreeMap::new();
    let with_database = steady.iter().any(|b| b.arms[0][0].cpu_ms.contains_key("postgres"));
    let mut cpu = |metric, from: &[Vec<&Block>], counts: &dyn Fn(&str) -> bool| {
        let values = from.iter().map(|blocks| cpu_of(blocks, counts)).collect();
        metrics.insert(metric, of_values(values, method));
    };
    let of_servers = at_once.as_ref().unwrap_or(&restarts);
    // Servers that the lab could not see have no cost: that is unknown, and not nothing.
    let of_server =
        |slice: &&Slice| slice.cpu_ms.keys().any(|name| !BESIDE.contains(&name.as_str()));
    let with_servers = steady.iter().flat_map(|b| b.arms.iter().flatten()).all(of_server);
    if with_servers {
        cpu(Metric::CpuServers, of_servers, &|process| !BESIDE.contains(&process));
    }
    if with_servers && with_database {
        cpu(Metric::CpuDatabase, &restarts, &|process| process == "postgres");
        cpu(Metric::CpuTotal, &restarts, &|process| process != "generator");
    }
    metrics.insert(Metric::P50, of_quantile(&restarts, 0.50, method));
    let missing = REQUESTS_FOR_P99.saturating_sub(requests[0].min(requests[1]));
    let p99 = match missing {
        0 => of_quantile(&restarts, 0.99, method),
        missing => Measured::MoreRequests(missing),
    };
    metrics.insert(Metric::P99, p99);
    if !capacity.is_empty() {
        metrics.insert(Metric::Goodput, of_values(goodputs(capacity, method.slo_ms), method));
    }
    let processes = [0, 1].map(|arm| {
        let mut levels = processes(&restarts, arm);
        levels.extend(processes(of_servers, arm));
        levels
    });
    Reading { restarts: restarts.len(), blocks: steady.len(), requests, processes, metrics }
}

/// Per restart and block the goodput of both arms; searches that found none are left out here and
/// listed in [`super::summary::Conduct::unsettled`].
fn goodputs(capacity: &[&Block], slo_ms: f64) -> Vec<Vec<[f64; 2]>> {
    let pair = |block: &&Block| match block.arms.each_ref().map(|steps| search(steps, slo_ms)) {
        [Search::Found(first), Search::Found(second)] => Some([first, second]),
        _ => None,
    };
    let restarts = by_restart(capacity);
    let found = restarts.iter().map(|blocks| blocks.iter().filter_map(pair).collect::<Vec<_>>());
    found.filter(|pairs| !pairs.is_empty()).collect()
}

/// Blocks grouped by server start, in order.
fn by_restart<'a, 'b>(blocks: &[&'b Block<'a>]) -> Vec<Vec<&'b Block<'a>>> {
    let mut grouped: BTreeMap<u32, Vec<&Block>> = BTreeMap::new();
    for block in blocks {
        grouped.entry(block.restart).or_default().push(block);
    }
    grouped.into_values().collect()
}

/// Per block and arm: CPU per page of the processes that count, milliseconds.
fn cpu_of(blocks: &[&Block], counts: &dyn Fn(&str) -> bool) -> Vec<[f64; 2]> {
    blocks.iter().map(|block| [0, 1].map(|arm| cpu_per_page(&block.arms[arm], counts))).collect()
}

fn cpu_per_page(slices: &[&Slice], counts: &dyn Fn(&str) -> bool) -> f64 {
    let completed: u64 = slices.iter().map(|s| s.completed).sum();
    let cpu: f64 = slices
        .iter()
        .flat_map(|s| &s.cpu_ms)
        .filter(|(process, _)| counts(process))
        .map(|(_, ms)| ms)
        .sum();
    cpu / completed as f64
}

/// CPU per page of each process of one arm, weighted as the sum is: restarts alike, and within
/// them blocks alike.
fn processes(restarts: &[Vec<&Block>], arm: usize) -> BTreeMap<String, f64> {
    let names = restarts.iter().flatten().flat_map(|b| &b.arms[arm]).flat_map(|s| s.cpu_ms.keys());
    names
        .map(|name| {
            let per_restart: Vec<f64> = restarts
                .iter()
                .map(|blocks| {
                    mean(blocks.iter().map(|b| cpu_per_page(&b.arms[arm], &|p| p == name)))
                })
                .collect();
            (name.clone(), rounded(mean(per_restart.into_iter())))
        })
        .collect()
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}

/// The effect on something that each block has one value of per arm. Blocks are averaged within
/// their restart, restarts with each other: ratios on the logarithm, differences as they are.
fn of_values(restarts: Vec<Vec<[f64; 2]>>, method: Method) -> Measured {
    let average = |of: &dyn Fn(&[f64; 2]) -> f64| -> Vec<f64> {
        restarts.iter().map(|blocks| mean(blocks.iter().map(of))).collect()
    };
    let first = average(&|pair| pair[0]);
    let second = average(&|pair| pair[1]);
    let logs = average(&|pair| (pair[1] / pair[0]).ln());
    let differences = average(&|pair| pair[1] - pair[0]);
    effect(restarts.len(), method, |weights| {
        [&first, &second, &logs, &differences].map(|values| weighted_mean(values, weights))
    })
}

/// The effect on a percentile of latency: per draw the histograms of an arm are merged, then the
/// percentile is read once. Percentiles themselves are never averaged.
fn of_quantile(restarts: &[Vec<&Block>], q: f64, method: Method) -> Measured {
    let arms = merged(restarts);
    effect(restarts.len(), method, |weights| {
        let [first, second] = arms.each_ref().map(|arm| arm.quantile(q, weights) / 1e3);
        [first, second, (second / first).ln(), second - first]
    })
}

/// The latencies of both arms, restart by restart.
fn merged(restarts: &[Vec<&Block>]) -> [Merged; 2] {
    [0, 1].map(|arm| {
        Merged::new(restarts.iter().map(|blocks| {
            blocks.iter().flat_map(|b| &b.arms[arm]).map(|slice| &slice.latency).collect()
        }))
    })
}

/// The latencies of monolith and split on one page, from every slice that counts.
pub fn latencies(run: &Run, page: Page) -> [Merged; 2] {
    let blocks = blocks(run, Purpose::Steady, Comparison::Boundary, page);
    merged(&by_restart(&blocks.iter().collect::<Vec<_>>()))
}

/// From a function of how often each restart counts to an effect: its first and second level, the
/// logarithm of their ratio, and their difference.
fn effect(n: usize, method: Method, statistics: impl Fn(&[u32]) -> [f64; 4]) -> Measured {
    let resamples = Resamples::new(method.seed, n, method.resamples);
    match resamples.intervals(method.confidence, statistics) {
        None => Measured::MoreRestarts(2 - n),
        Some([first, second, log_ratio, difference]) => Measured::Effect(Effect {
            restarts: n,
            levels: [first.map(rounded), second.map(rounded)],
            ratio: log_ratio.map(f64::exp).map(rounded),
            difference: difference.map(rounded),
        }),
    }
}

/// What a search for the highest rate that keeps the SLO came to.
pub(super) enum Search {
    /// The highest rate of a step that kept the SLO, below one that didn't.
    Found(f64),
    /// There is no such rate among the steps, and why.
    Unsettled(&'static str),
}

/// Judges the steps of one arm's search.
pub(super) fn search(steps: &[&Slice], slo_ms: f64) -> Search {
    let (kept, broken): (Vec<&Slice>, Vec<&Slice>) = steps.iter().partition(|s| s.keeps(slo_ms));
    match kept.iter().map(|step| step.rate).max_by(f64::total_cmp) {
        None => Search::Unsettled("no step kept the SLO: the goodput is below all of them"),
        Some(_) if broken.is_empty() => {
            Search::Unsettled("every step kept the SLO: the goodput may be above all of them")
        }
        Some(rate) => Search::Found(rate),
    }
}
