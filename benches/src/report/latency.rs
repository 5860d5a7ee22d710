//! The report of what the boundary takes: rung by rung, or call by call. Both are one story, which has
//! to be readable without the other.

mod text;
mod versions;

use askama::Template;

use super::{
    charts::{Row, Rows},
    curves::{Curve, Curves},
    finding::{self, Sentence},
    frame::Frame,
    grid,
    svg::{Scale, Svg},
    terminal,
};
use crate::{
    count::How,
    experiment::Card,
    experiments::{ladder, x2},
    grid::{Grid, Picture},
    judge::{
        FOREIGN_LIMIT,
        summary::{Metric, Summary},
    },
    record::Run,
    stats::Estimate,
    words,
};

pub(super) use self::text::{markdown, readme};

/// What only this page needs of style.
const STYLE: &str = include_str!("../../templates/latency.css");

/// What the calculator does.
const CALCULATOR: &str = include_str!("../../templates/calculator.js");

#[derive(Template)]
#[template(path = "latency.html")]
struct Page<'a> {
    frame: Frame<'a>,
    controls: Option<Sentence>,
    ladder: Option<Ladder>,
    calls: Option<Calls>,
    links: Vec<[String; 4]>,
    table: Vec<[String; 5]>,
    conduct: String,
    gated: Vec<[String; 4]>,
    foreign_limit: String,
    rounds: usize,
}

/// Rung by rung.
struct Ladder {
    latency: Rows,
    cpu: Rows,
    texts: String,
    why: Vec<[String; 5]>,
    crowds: [Crowds; 2],
    versions: Vec<[String; 7]>,
}

/// What a page takes while 1, 8 and 64 visitors ask: rung by rung, of one kind.
struct Crowds {
    what: &'static str,
    rows: Vec<[String; 4]>,
}

/// Call by call.
struct Calls {
    panels: Vec<(String, String)>,
    rule: Option<Sentence>,
    /// What the calculator is made of, if everything could be told.
    script: Option<&'static str>,
}

/// The whole page.
pub(super) fn html(
    run: &Run,
    card: &Card,
    summary: &Summary,
    grid: &Grid,
) -> anyhow::Result<String> {
    let page = Page {
        frame: Frame::of(run, card, summary, STYLE, grid::sentences(summary))?,
        controls: finding::controls(summary),
        ladder: (grid.picture == Picture::Ladder).then(|| rungs(summary)),
        calls: (grid.picture == Picture::Calls).then(|| calls(summary)),
        links: links(grid, run, summary),
        table: grid::table(summary),
        conduct: terminal::trials(summary),
        gated: summary.findings.iter().filter_map(grid::gated).collect(),
        foreign_limit: format!("{}\u{a0}%", FOREIGN_LIMIT * 100.0),
        rounds: summary.findings.first().map_or(0, |finding| finding.rounds),
    };
    Ok(page.render()?)
}

fn level(summary: &Summary, cell: &str, metric: Metric) -> Option<Estimate> {
    summary.cell(cell)?.metrics.get(&metric).copied()
}

/// Height of a rung, pixels.
const RUNG: f64 = 30.0;

fn rungs(summary: &Summary) -> Ladder {
    let rungs = ladder::rungs();
    let near = rungs.iter().take(5).cloned().collect::<Vec<_>>();
    let far = &rungs[4..];
    let latency = [
        ("On one machine, median latency", waterfall(summary, Metric::P50, &near)),
        ("At a distance, on another scale", waterfall(summary, Metric::P50, far)),
    ];
    let cpu = [("CPU of the servers per page", waterfall(summary, Metric::CpuServers, &near[..4]))];
    let rows = |groups: &mut dyn Iterator<Item = (&str, Vec<Row>)>| Rows {
        groups: groups.map(|(name, rows)| (name.to_owned(), rows)).collect(),
        axis: String::new(),
    };
    Ladder {
        latency: rows(&mut latency.into_iter()),
        cpu: rows(&mut cpu.into_iter()),
        texts: texts(summary),
        why: why_all(summary),
        crowds: [
            crowds(summary, "CPU of the servers per page", Metric::CpuServers),
            crowds(summary, "Latency p50", Metric::P50),
        ],
        versions: versions::table(summary),
    }
}

/// What a rung is called beside its bar, where it stands on the one below.
fn adds(rung: &str, below: &str) -> String {
    let length = |link: &str| link.strip_prefix("link of ").map(str::to_owned);
    match (rung, length(rung), length(below)) {
        (_, Some(longer), Some(shorter)) => format!("{longer} instead of {shorter}"),
        ("JSON", ..) => "writing and reading JSON".to_owned(),
        ("Unix socket", ..) => "another process, HTTP, a Unix socket".to_owned(),
        ("TCP", ..) => "TCP instead of the Unix socket".to_owned(),
        _ => "the link itself, without a delay".to_owned(),
    }
}

/// Rungs that stand on each other, and the whole below them.
fn waterfall(summary: &Summary, metric: Metric, rungs: &[String]) -> Vec<Row> {
    let Some((first, rest)) = rungs.split_first() else { return Vec::new() };
    let whole = rungs.last().and_then(|last| level(summary, last, metric));
    let (Some(base), Some(whole)) = (level(summary, first, metric), whole) else {
        return Vec::new();
    };
    let mut steps: Vec<(String, [f64; 2], Estimate)> = Vec::new();
    let mut sum = base.value;
    for (rung, below) in rest.iter().zip(rungs) {
        let Some(added) = summary.derived(&ladder::added(metric, rung)) else { continue };
        steps.push((format!("+ {}", adds(rung, below)), [sum, sum + added.value], added));
        sum += added.value;
    }
    let ends =
        steps.iter().flat_map(|(_, [from, _], added)| [*from + added.high, from + added.low]);
    let longest = ends.chain([base.high, whole.high]).fold(f64::MIN_POSITIVE, f64::max);
    let scale = Scale::new([0.0, longest], [0.0, 98.0]);
    let bar = |class: &str, [from, to]: [f64; 2], interval: [f64; 2]| {
        let mut svg = Svg::new(RUNG);
        svg.rect(class, [scale.at(from.min(to)), scale.at(from.max(to))], 6.0, 18.0);
        // One that is wider than the chart ends with it.
        let ends = interval.map(|x| scale.at(x.clamp(0.0, longest)));
        svg.line("whisker", ends, [15.0, 15.0]);
        for x in ends {
            svg.line("whisker", [x, x], [11.0, 19.0]);
        }
        svg.finish(None)
    };
    let row = |label: String, svg, number| Row { label, note: String::new(), svg, number };
    let of = |estimate: Estimate| words::level_with_interval(metric, estimate);
    let total = |label: String, found: Estimate| {
        row(label, bar("part monolith", [0.0, found.value], [found.low, found.high]), of(found))
    };
    let mut rows = vec![total(words::capitalised(first), base)];
    rows.extend(steps.into_iter().map(|(label, ends, added)| {
        let interval = [added.low, added.high].map(|x| ends[0] + x);
        row(label, bar("part rung", ends, interval), words::difference(metric, added))
    }));
    rows.extend(rungs.last().map(|last| total(format!("= {last}, measured"), whole)));
    rows
}

/// CPU over the length of the text.
fn texts(summary: &Summary) -> String {
    let names = ladder::rungs();
    let curve = |(number, rung): (usize, &String)| Curve {
        // Short enough for a telephone.
        name: rung.trim_end_matches(" call").trim_end_matches(" socket").to_owned(),
        class: format!("series-{}", number + 1),
        points: ladder::TEXTS_KIB
            .iter()
            .filter_map(|kib| {
                let cell = ladder::text(rung, *kib);
                Some((f64::from(*kib), level(summary, &cell, Metric::CpuServers)?))
            })
            .collect(),
    };
    Curves {
        curves: names.iter().take(4).enumerate().map(curve).collect(),
        theory: Vec::new(),
        ratios: true,
        unit: "ms",
        across: "KiB of text",
        description: "CPU of the servers per page over the length of the text; the table below has \
                      the numbers.",
    }
    .draw()
}

/// The heads of [`why_all`].
const WHY: [&str; 5] =
    ["Per page", "Latency p50", "CPU, servers", "Waiting for a core", "Hand-overs"];

/// What a page takes on each rung, and by HTTP/2.
fn why_all(summary: &Summary) -> Vec<[String; 5]> {
    let cells = ladder::rungs().into_iter().chain([ladder::HTTP2.to_owned()]);
    cells.filter_map(|cell| why(summary, &cell)).collect()
}

/// What a page on a rung takes: latency, CPU of the servers, time without a core, hand-overs.
fn why(summary: &Summary, rung: &str) -> Option<[String; 5]> {
    let cell = summary.cell(rung)?;
    let ms = |found: Option<Estimate>| {
        found.map_or_else(String::new, |found| words::level_with_interval(Metric::P50, found))
    };
    let times =
        |Estimate { value, low, high }| format!("{value:.1}\u{a0}[{low:.1},\u{a0}{high:.1}]");
    Some([
        words::capitalised(rung),
        ms(cell.metrics.get(&Metric::P50).copied()),
        ms(cell.metrics.get(&Metric::CpuServers).copied()),
        ms(cell.queued_ms),
        cell.waits.map_or_else(String::new, times),
    ])
}

fn crowds(summary: &Summary, what: &'static str, metric: Metric) -> Crowds {
    let row = |rung: &String| {
        let [few, many] = ladder::CROWDS;
        let cells = [rung.clone(), ladder::crowd(rung, few), ladder::crowd(rung, many)];
        let [one, few, many] = cells.map(|cell| {
            let found = level(summary, &cell, metric);
            found.map_or_else(String::new, |found| words::level_with_interval(metric, found))
        });
        [words::capitalised(rung), one, few, many]
    };
    Crowds { what, rows: ladder::rungs().iter().take(4).map(row).collect() }
}

fn calls(summary: &Summary) -> Calls {
    let mut panels = vec![panel(summary, x2::NEXT_DOOR, "Next door, nothing in between", x2::H)];
    for rtt_us in &x2::RTTS_US[1..] {
        let title = format!("Over a link of {} ms", f64::from(*rtt_us) / 1e3);
        panels.push(panel(summary, &x2::link(*rtt_us), &title, x2::H_OVER_LINK));
    }
    let whole = [x2::H, x2::AT_ONCE].iter().all(|name| summary.derived(name).is_some());
    Calls { panels, rule: rule(summary), script: whole.then_some(CALCULATOR) }
}

/// Latency over the number of calls, in one place.
fn panel(summary: &Summary, place: &str, title: &str, h: &str) -> (String, String) {
    let curve = |name: &str, number: u32, place: &str, how| Curve {
        name: name.to_owned(),
        class: format!("series-{number}"),
        points: x2::series(place, how)
            .into_iter()
            .filter_map(|(n, cell)| Some((f64::from(n), level(summary, &cell, Metric::P50)?)))
            .collect(),
    };
    let home = curve("monolith", 1, x2::HOME, How::Sequential);
    let delay = summary.cell(&x2::name(place, How::Sequential, 12)).and_then(|cell| cell.delay);
    let delay = delay.map_or(0.0, |delay| delay.value);
    let theory = summary.derived(h).map_or_else(Vec::new, |h| {
        let at = |(n, level): &(f64, Estimate)| (*n, level.value + n * (delay + h.value));
        home.points.iter().map(at).collect()
    });
    let curves = Curves {
        curves: vec![
            home,
            curve("in turn", 2, place, How::Sequential),
            curve("at once", 3, place, How::Concurrent),
            curve("in one call", 4, place, How::Batched),
        ],
        theory,
        ratios: false,
        unit: "ms",
        across: "articles on the page",
        description: "Median latency over the number of articles, which need a call each or one call \
                      for all; the table below has the numbers.",
    };
    (title.to_owned(), curves.draw())
}

/// The rule of thumb, as far as this run supports it.
fn rule(summary: &Summary) -> Option<Sentence> {
    let h = summary.derived(x2::H)?;
    let last = x2::CALLS.last()?;
    let farthest = f64::from(*x2::RTTS_US.last()?) / 1e3;
    let figures = format!(
        "n calls in turn cost n × (RTT + h), and h is {}",
        words::level_with_interval(Metric::P50, h)
    );
    Some(Sentence::of(
        &format!("Rule of thumb, for up to {last} calls and up to {farthest} ms, on this machine"),
        &figures,
    ))
}

/// For each cell over a link: what was asked of the link, what it added, how steady it was.
fn links(grid: &Grid, run: &Run, summary: &Summary) -> Vec<[String; 4]> {
    let trials = || run.grid.iter().flat_map(|cells| &cells.trials);
    let row = |cell: &crate::grid::Cell| {
        let asked = f64::from(cell.rtt_us?) / 1e3;
        let delay = summary.cell(&cell.name)?.delay?;
        let here = || trials().filter(|trial| trial.cell == cell.name);
        let void = here().filter(|trial| trial.void.is_some()).count();
        Some([
            cell.name.clone(),
            format!("{asked}\u{a0}ms"),
            words::level_with_interval(Metric::P50, delay),
            format!("{void} of {}", here().count()),
        ])
    };
    grid.cells.iter().filter_map(row).collect()
}

#[cfg(test)]
#[path = "latency_tests.rs"]
pub(super) mod tests;
