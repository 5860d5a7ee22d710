//! The report of where a cache is: what a page costs, how much is found in memory, and how long a write
//! takes to show, over the number of replicas.

use askama::Template;

use super::{
    charts::Rows,
    curves::{Curve, Curves},
    finding::{self, Sentence},
    frame::Frame,
    grid, terminal,
};
use crate::{
    experiment::Card,
    experiments::x3::{PLACES, Place, REPLICAS, name},
    grid::replicas::PAGES_PER_WRITE,
    judge::{
        FOREIGN_LIMIT,
        summary::{Figures, Metric, Summary},
    },
    record::Run,
    stats::Estimate,
    words,
};

/// What only this page needs of style.
const STYLE: &str = include_str!("../../templates/caching.css");

/// The heads of [`table`].
pub(super) const HEADS: [&str; 7] = [
    "What",
    "CPU, servers",
    "CPU, PostgreSQL",
    "Latency p50",
    "Statements",
    "In memory",
    "Until a write shows",
];

#[derive(Template)]
#[template(path = "caching.html")]
struct Page<'a> {
    frame: Frame<'a>,
    controls: Option<Sentence>,
    panels: Vec<(&'static str, String)>,
    heads: [&'static str; 7],
    table: Vec<[String; 7]>,
    limits: Rows,
    conduct: String,
    gated: Vec<[String; 4]>,
    foreign_limit: String,
    rounds: usize,
    per_write: usize,
    balancing: &'static str,
}

/// The whole page.
pub(super) fn html(run: &Run, card: &Card, summary: &Summary) -> anyhow::Result<String> {
    let page = Page {
        frame: Frame::of(run, card, summary, STYLE, grid::sentences(summary))?,
        controls: finding::controls(summary),
        panels: panels(summary),
        heads: HEADS,
        table: table(summary),
        limits: grid::limits(summary),
        conduct: terminal::trials(summary),
        gated: summary.findings.iter().filter_map(grid::gated).collect(),
        foreign_limit: format!("{}\u{a0}%", FOREIGN_LIMIT * 100.0),
        rounds: summary.findings.first().map_or(0, |finding| finding.rounds),
        per_write: PAGES_PER_WRITE,
        balancing: balancing(run),
    };
    Ok(page.render()?)
}

/// Runs that don't say what balanced had the lab's relay.
fn balancing(run: &Run) -> &'static str {
    run.grid.as_ref().and_then(|grid| grid.balancing).unwrap_or_default().described()
}

/// A row for each cell.
pub(super) fn table(summary: &Summary) -> Vec<[String; 7]> {
    let row = |figures: &Figures| {
        let of = |metric: Metric| {
            let found = figures.metrics.get(&metric);
            found.map_or_else(String::new, |level| words::level_with_interval(metric, *level))
        };
        let [servers, database, p50] =
            [Metric::CpuServers, Metric::CpuDatabase, Metric::P50].map(of);
        let [statements, hits, stale] =
            [Metric::Statements, Metric::Hits, Metric::Staleness].map(of);
        [figures.cell.clone(), servers, database, p50, statements, hits, stale]
    };
    summary.figures.iter().map(row).collect()
}

/// A line for each place, over the number of replicas. On a database that the lab can't watch there is
/// the CPU of the servers alone.
fn panels(summary: &Summary) -> Vec<(&'static str, String)> {
    let watched = summary.figures.iter().any(|it| it.metrics.contains_key(&Metric::CpuTotal));
    let cost = if watched {
        ("CPU of servers and PostgreSQL per page", Metric::CpuTotal)
    } else {
        ("CPU of the servers per page", Metric::CpuServers)
    };
    let panels = [
        cost,
        ("Questions that a cache had the answer to", Metric::Hits),
        ("Until a write shows everywhere, on average", Metric::Staleness),
    ];
    panels.map(|(title, metric)| (title, panel(summary, metric, title))).into()
}

fn panel(summary: &Summary, metric: Metric, description: &str) -> String {
    let shown = |level: Estimate| match metric {
        Metric::Hits => level.map(|share| share * 100.0),
        _ => level,
    };
    let curve = |(index, place): (usize, &Place)| Curve {
        name: place.short.to_owned(),
        class: format!("series-{}", index + 1),
        points: REPLICAS
            .into_iter()
            .filter_map(|replicas| {
                let figures = summary.cell(&name(*place, replicas))?;
                Some((f64::from(replicas), shown(*figures.metrics.get(&metric)?)))
            })
            .collect(),
    };
    let curves = PLACES.iter().enumerate().map(curve);
    Curves {
        curves: curves.filter(|curve| !curve.points.is_empty()).collect(),
        theory: Vec::new(),
        ratios: false,
        unit: words::unit(metric),
        across: "replicas",
        description: &format!(
            "{description}, over the number of replicas; the table has the numbers."
        ),
    }
    .draw()
}

#[cfg(test)]
#[path = "caching_tests.rs"]
mod tests;
