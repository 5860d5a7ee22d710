//! Both versions of HTTP beside each other.

use super::level;
use crate::{
    experiments::ladder,
    judge::summary::{Metric, Summary},
    words,
};

/// The heads of [`table`].
pub(super) const HEADS: [&str; 7] = [
    "Sent",
    "CPU by HTTP/1.1",
    "by HTTP/2",
    "Change",
    "Latency p50 by HTTP/1.1",
    "by HTTP/2",
    "Change",
];

/// A row for everything that was sent by both versions. Nothing where a run has none of it.
pub(super) fn table(summary: &Summary) -> Vec<[String; 7]> {
    let row = |(what, [one, two]): (String, [String; 2])| {
        let of = |metric: Metric| {
            let [one, two] = [&one, &two].map(|cell| level(summary, cell, metric));
            let change = summary.derived(&ladder::by_http2(metric, &what));
            Some([
                words::level_with_interval(metric, one?),
                words::level_with_interval(metric, two?),
                change.map_or_else(String::new, words::change_with_interval),
            ])
        };
        let [a, b, c] = of(Metric::CpuServers)?;
        let [d, e, f] = of(Metric::P50)?;
        Some([words::capitalised(&what), a, b, c, d, e, f])
    };
    ladder::by_both_versions().into_iter().filter_map(row).collect()
}
