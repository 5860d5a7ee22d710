//! The report of a grid: a bar or a line for its cells, its figures against their limits.

use askama::Template;

use super::{
    caching,
    charts::{self, Row, Rows},
    curves::{Curve, Curves},
    finding::{self, Sentence},
    frame::Frame,
    latency,
    svg::{Anchor, Scale, Svg},
    terminal,
};
use crate::{
    experiment::{Card, Preset},
    grid::{Cell, Grid, Picture},
    judge::{
        FOREIGN_LIMIT,
        summary::{Figures, Finding, Metric, Summary},
    },
    record::Run,
    stats::Estimate,
    words,
};

#[derive(Template)]
#[template(path = "grid.html")]
struct Page<'a> {
    frame: Frame<'a>,
    controls: Option<Sentence>,
    bars: Rows,
    lines: Option<String>,
    table: Vec<[String; 5]>,
    limits: Rows,
    conduct: String,
    gated: Vec<[String; 4]>,
    foreign_limit: String,
    rounds: usize,
}

/// The whole page.
pub(super) fn html(
    run: &Run,
    card: &Card,
    summary: &Summary,
    grid: fn(Preset, &str) -> Grid,
) -> anyhow::Result<String> {
    let grid = grid(run.preset.parse()?, &run.database);
    if matches!(grid.picture, Picture::Ladder | Picture::Calls) {
        return latency::html(run, card, summary, &grid);
    }
    if grid.picture == Picture::Replicas {
        return caching::html(run, card, summary);
    }
    let page = Page {
        frame: Frame::of(run, card, summary, "", sentences(summary))?,
        controls: finding::controls(summary),
        bars: charts::cells(summary),
        lines: (grid.picture == Picture::Lines).then(|| lines(&grid, summary)),
        table: table(summary),
        limits: limits(summary),
        conduct: terminal::trials(summary),
        gated: summary.findings.iter().filter_map(gated).collect(),
        foreign_limit: format!("{}\u{a0}%", FOREIGN_LIMIT * 100.0),
        rounds: summary.findings.first().map_or(0, |finding| finding.rounds),
    };
    Ok(page.render()?)
}

/// The three figures that matter most, in words.
pub(super) fn sentences(summary: &Summary) -> Vec<Sentence> {
    let sentence = |finding: &Finding| {
        let claim = finding.claim.clone();
        finding.found.map(|_| Sentence::of(&claim, &finding.in_words()))
    };
    summary.findings.iter().take(3).filter_map(sentence).collect()
}

/// Cell, CPU of servers and database, median latency, requests.
pub(super) fn table(summary: &Summary) -> Vec<[String; 5]> {
    let row = |figures: &Figures| {
        let of = |metric: Metric| {
            let found = figures.metrics.get(&metric);
            found.map_or_else(String::new, |level| words::level_with_interval(metric, *level))
        };
        [
            figures.cell.clone(),
            of(Metric::CpuServers),
            of(Metric::CpuDatabase),
            of(Metric::P50),
            words::count(figures.requests),
        ]
    };
    summary.figures.iter().map(row).collect()
}

pub(super) fn gated(finding: &Finding) -> Option<[String; 4]> {
    let shown = |found: Option<Estimate>| {
        found.map_or_else(
            || "too little is left".to_owned(),
            |Estimate { value, low, high }| format!("{value:.3} [{low:.3}, {high:.3}]"),
        )
    };
    (finding.quiet_rounds < finding.rounds).then(|| {
        [
            finding.claim.clone(),
            shown(finding.found),
            shown(finding.gated),
            format!("{} of {}", finding.quiet_rounds, finding.rounds),
        ]
    })
}

/// Height of a row, pixels.
const ROW: f64 = 30.0;

/// Every figure divided by its limit.
pub(super) fn limits(summary: &Summary) -> Rows {
    let of_limit = |finding: &Finding| Some(finding.found?.map(|x| (x / finding.limit).max(0.01)));
    let shares: Vec<_> = summary.findings.iter().filter_map(|f| Some((f, of_limit(f)?))).collect();
    let ends = shares.iter().flat_map(|(_, share)| [share.low, share.high]);
    let [low, high] = ends.fold([0.8f64, 1.25], |[low, high], x| [low.min(x), high.max(x)]);
    let scale = Scale::new([low.ln(), high.ln()], [3.0, 97.0]);
    let at = |share: f64| scale.at(share.ln());
    let row = |(finding, share): &(&Finding, Estimate)| {
        let middle = ROW / 2.0;
        let mut svg = Svg::new(ROW);
        svg.rect("band", [0.0, at(1.0)], 0.0, ROW);
        svg.line("same", [at(1.0); 2], [0.0, ROW]);
        svg.line("interval control", [at(share.low), at(share.high)], [middle; 2]);
        svg.dot("dot control", at(share.value), middle, 4.5);
        let found = finding.found.unwrap_or(*share);
        Row {
            label: finding.claim.clone(),
            note: String::new(),
            svg: svg.finish(None),
            number: format!("{:.2} of {} {}", found.value, finding.limit, finding.unit),
        }
    };
    let rows = shares.iter().map(row).collect();
    let mut axis = Svg::new(20.0);
    axis.text("tick", (at(1.0), 14.0), 0.0, Anchor::Middle, "the most");
    Rows { groups: vec![("Figure divided by its limit".to_owned(), rows)], axis: axis.finish(None) }
}

/// A line for each kind of page: CPU of all processes over the number of articles, both on the
/// logarithm.
fn lines(grid: &Grid, summary: &Summary) -> String {
    let controls = [&grid.controls.twin, &grid.controls.planted];
    let mut curves: Vec<Curve> = Vec::new();
    for cell in grid.cells.iter().filter(|cell| !controls.contains(&&cell.name)) {
        let Some(level) = total(cell, summary) else { continue };
        let point = (cell.articles as f64, level);
        let number = curves.len() + 1;
        match curves.iter_mut().find(|curve| curve.name == cell.view.name()) {
            Some(curve) => curve.points.push(point),
            None => curves.push(Curve {
                name: cell.view.name().to_owned(),
                class: format!("series-{number}"),
                points: vec![point],
            }),
        }
    }
    let description = "CPU of all processes per page over the number of articles; the table below \
                       has the numbers.";
    let ratios = true;
    let (unit, across) = ("ms", "articles");
    Curves { curves, theory: Vec::new(), ratios, unit, across, description }.draw()
}

fn total(cell: &Cell, summary: &Summary) -> Option<Estimate> {
    let figures = summary.figures.iter().find(|figures| figures.cell == cell.name)?;
    let metric = [Metric::CpuTotal, Metric::CpuServers];
    metric.into_iter().find_map(|metric| figures.metrics.get(&metric)).copied()
}
