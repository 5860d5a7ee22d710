//! The report of a grid: a bar or a line for its cells, its figures against their limits.

use askama::Template;

use super::{
    charts::{self, Row, Rows},
    explain,
    finding::{self, Notice, Sentence},
    page::{self, Answer, CheckLine},
    svg::{Anchor, Scale, Svg},
    terminal,
};
use crate::{
    count::Replay,
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
    css: &'static str,
    title: &'static str,
    id: &'static str,
    when: String,
    run: &'a Run,
    notice: Option<Notice>,
    resamples: String,
    verdicts: Vec<Answer<'a>>,
    finding: Vec<Sentence>,
    controls: Option<Sentence>,
    bars: Rows,
    lines: Option<String>,
    table: Vec<[String; 5]>,
    limits: Rows,
    checks: Vec<CheckLine>,
    conduct: String,
    gated: Vec<[String; 4]>,
    foreign_limit: String,
    rounds: usize,
    card: Vec<(&'static str, Vec<String>)>,
    facts: Vec<(&'static str, String)>,
    json: String,
}

/// The whole page.
pub(super) fn html(
    run: &Run,
    card: &Card,
    summary: &Summary,
    grid: fn(Preset, &str) -> Grid,
) -> anyhow::Result<String> {
    let grid = grid(run.preset.parse()?, &run.database);
    let page = Page {
        css: page::CSS,
        title: card.title,
        id: card.id,
        when: page::when(run),
        run,
        notice: finding::notice(run, summary),
        resamples: words::count(u64::from(summary.resamples)),
        verdicts: summary.verdicts.iter().map(page::answer).collect(),
        finding: sentences(summary),
        controls: finding::controls(summary),
        bars: charts::cells(summary),
        lines: (grid.picture == Picture::Lines).then(|| lines(&grid, summary)),
        table: table(summary),
        limits: limits(summary),
        checks: summary.certificate.checks.iter().map(page::check_line).collect(),
        conduct: terminal::trials(summary),
        gated: summary.findings.iter().filter_map(gated).collect(),
        foreign_limit: format!("{}\u{a0}%", FOREIGN_LIMIT * 100.0),
        rounds: summary.findings.first().map_or(0, |finding| finding.rounds),
        card: explain::sections(card),
        facts: page::facts(run),
        json: page::embedded(summary)?,
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

fn gated(finding: &Finding) -> Option<[String; 4]> {
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
fn limits(summary: &Summary) -> Rows {
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

/// Height of the chart, and where its axis lies, pixels.
const LINES: (f64, f64) = (300.0, 256.0);

/// From where to where the lines run, per cent.
const ACROSS: [f64; 2] = [11.0, 80.0];

/// A line for each kind of page: CPU of all processes over the number of articles, both on the
/// logarithm.
fn lines(grid: &Grid, summary: &Summary) -> String {
    let controls = [&grid.controls.twin, &grid.controls.planted];
    let mut lines: Vec<(Replay, Vec<(f64, Estimate)>)> = Vec::new();
    for cell in grid.cells.iter().filter(|cell| !controls.contains(&&cell.name)) {
        let Some(level) = total(cell, summary) else { continue };
        let point = (cell.articles as f64, level);
        match lines.iter_mut().find(|(view, _)| *view == cell.view) {
            Some((_, points)) => points.push(point),
            None => lines.push((cell.view, vec![point])),
        }
    }
    let points = || lines.iter().flat_map(|(_, points)| points);
    let xs: Vec<f64> = points().map(|(x, _)| *x).collect();
    let (first, last) = xs.iter().fold((f64::MAX, 1.0), |(low, high), x| (x.min(low), x.max(high)));
    let (low, high) = points().fold((f64::MAX, f64::MIN_POSITIVE), |(low, high), (_, level)| {
        (level.low.max(1e-3).min(low), level.high.max(high))
    });
    let (low, high) = (low / 1.3, high * 1.3);
    let (height, floor) = LINES;
    let across = Scale::new([first.log10(), last.max(first * 1.01).log10()], ACROSS);
    let up = Scale::new([low.ln(), high.ln()], [floor, 14.0]);

    let mut svg = Svg::new(height);
    for mark in marks(low, high) {
        let y = up.at(mark.ln());
        svg.line("grid", ACROSS, [y, y]);
        svg.text("tick", (ACROSS[0], y + 4.0), -7.0, Anchor::End, &format!("{mark} ms"));
    }
    let mut articles: Vec<u64> = xs.iter().map(|x| *x as u64).collect();
    articles.sort_unstable();
    articles.dedup();
    for number in articles {
        let x = across.at((number as f64).log10());
        svg.line("grid", [x, x], [floor, floor + 5.0]);
        svg.text("tick", (x, floor + 20.0), 0.0, Anchor::Middle, &words::count(number));
    }
    let middle = f64::midpoint(ACROSS[0], ACROSS[1]);
    svg.text("tick", (middle, floor + 40.0), 0.0, Anchor::Middle, "articles");
    let mut ends = Vec::new();
    for (number, (view, points)) in lines.iter().enumerate() {
        let class = format!("series-{}", number + 1);
        let place = |(x, level): &(f64, Estimate)| (across.at(x.log10()), up.at(level.value.ln()));
        let line: Vec<_> = points.iter().map(place).collect();
        svg.curve(&format!("curve {class}"), &line);
        for ((x, y), (_, level)) in line.iter().zip(points) {
            let bar = [level.low.max(1e-3), level.high].map(|ms| up.at(ms.ln()));
            svg.line(&format!("interval {class}"), [*x, *x], bar);
            svg.dot(&format!("dot {class}"), *x, *y, 3.5);
        }
        ends.extend(line.last().map(|(x, y)| (*x, *y, view.name(), class)));
    }
    // Names at the lines' ends, pushed apart where they would overlap.
    ends.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut free = 0.0;
    for (x, y, name, class) in ends {
        let y = (y + 4.0).max(free);
        svg.text(&format!("end {class}"), (x, y), 9.0, Anchor::Start, name);
        free = y + 16.0;
    }
    svg.finish(Some(
        "CPU of all processes per page over the number of articles; the table below \
                     has the numbers.",
    ))
}

fn total(cell: &Cell, summary: &Summary) -> Option<Estimate> {
    let figures = summary.figures.iter().find(|figures| figures.cell == cell.name)?;
    let metric = [Metric::CpuTotal, Metric::CpuServers];
    metric.into_iter().find_map(|metric| figures.metrics.get(&metric)).copied()
}

/// 1, 2 and 5 times powers of ten between two positive numbers.
fn marks(low: f64, high: f64) -> Vec<f64> {
    let powers = (low.log10().floor() as i32)..=(high.log10().ceil() as i32);
    let all = powers.flat_map(|power| {
        // Dividing keeps 0.2 what it is.
        [1.0, 2.0, 5.0].map(|factor| match power {
            0.. => factor * 10f64.powi(power),
            _ => factor / 10f64.powi(-power),
        })
    });
    all.filter(|mark| (low..=high).contains(mark)).collect()
}
