//! The HTML page: what the template needs, prepared as text. The template only places it.

use askama::Template;

use super::charts::{self, Rows};
use super::finding::{self, Sentence};
use super::frame::Frame;
use super::{deploys, durability, families, grid, places, scaling, terminal, ticks};
use crate::experiment::{self, Design};
use crate::judge::summary::{Contrast, Measured, Metric, Remark, Summary};
use crate::judge::{FOREIGN_LIMIT, LAG_LIMIT_MS};
use crate::record::{Arm, Comparison, Run};
use crate::words;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    frame: Frame<'a>,
    summary: &'a Summary,
    controls: Option<Sentence>,
    table: Vec<Line>,
    forest: Rows,
    cost: Rows,
    latency: Vec<Panel>,
    goodput: Rows,
    slo_ms: f64,
    conduct: String,
    limits: [String; 2],
    gated: Vec<GatedLine>,
    remarks: Vec<(&'static str, Vec<String>)>,
    footprint: Vec<[String; 6]>,
    parity: Vec<[String; 3]>,
}

/// A line of the table of results.
pub(super) struct Line {
    pub(super) page: &'static str,
    pub(super) metric: &'static str,
    pub(super) levels: [String; 2],
    pub(super) change: String,
    pub(super) difference: String,
}

/// The latency chart of one page.
struct Panel {
    title: String,
    rate: String,
    svg: String,
}

/// An estimate with and without flagged slices.
struct GatedLine {
    what: String,
    all: String,
    gated: String,
    starts: String,
}

/// The whole page.
///
/// # Errors
/// When the run names an experiment that this program doesn't know.
pub(super) fn html(run: &Run, summary: &Summary) -> anyhow::Result<String> {
    let experiment = experiment::find(&run.experiment)?;
    let card = experiment.card;
    let questions = match experiment.design {
        Design::Contrast { questions, .. } => questions,
        Design::Families { .. } => return families::html(run, &card, summary),
        Design::Grid(grid) | Design::Replicas(grid) => {
            return grid::html(run, &card, summary, grid);
        }
        Design::Scaling(_) => return scaling::html(run, &card, summary),
        Design::Interference(_) => return places::html(run, &card, summary),
        Design::Durability(_) => return durability::html(run, &card, summary),
        Design::Deploys(_) => return deploys::html(run, &card, summary),
        Design::Ticks(_) => return ticks::html(run, &card, summary),
    };
    let percent = |share: f64| format!("{}\u{a0}%", share * 100.0);
    let page = Page {
        frame: Frame::of(run, &card, summary, "", finding::finding(run, &card, summary))?,
        summary,
        controls: finding::controls(summary),
        table: summary.contrasts.iter().flat_map(lines).collect(),
        forest: charts::forest(summary, questions),
        cost: charts::cost(summary),
        latency: panels(run, summary),
        goodput: charts::goodput(summary),
        slo_ms: card.slo_ms,
        conduct: terminal::conduct(&summary.conduct),
        limits: [words::milliseconds(LAG_LIMIT_MS), percent(FOREIGN_LIMIT)],
        gated: summary.contrasts.iter().flat_map(gated_lines).collect(),
        remarks: remarks(summary),
        footprint: footprint(run, summary),
        parity: parity(run),
    };
    Ok(page.render()?)
}

/// The table of results: the question itself, metric by metric.
pub(super) fn lines(contrast: &Contrast) -> Vec<Line> {
    if contrast.comparison != Comparison::Boundary {
        return Vec::new();
    }
    let line = |(metric, measured): (&Metric, &Measured)| {
        let (levels, change, difference) = match measured {
            Measured::Effect(effect) => (
                effect.levels.map(|l| words::level(*metric, l.value)),
                words::change_with_interval(effect.ratio),
                words::difference(*metric, effect.difference),
            ),
            Measured::MoreRequests(n) => (
                [String::new(), String::new()],
                format!("needs {} more requests per arm", words::count(*n)),
                String::new(),
            ),
            Measured::MoreRestarts(_) => {
                ([String::new(), String::new()], "needs more restarts".into(), String::new())
            }
        };
        let page = words::page(contrast.page);
        Line { page, metric: words::metric(*metric), levels, change, difference }
    };
    contrast.all.metrics.iter().map(line).collect()
}

fn panels(run: &Run, summary: &Summary) -> Vec<Panel> {
    let panel = |page| {
        let contrast = summary.contrast(Comparison::Boundary, page)?;
        let requests = contrast.all.requests.map(words::count);
        Some(Panel {
            title: words::capitalised(words::page(page)),
            rate: format!(
                "{} requests a second; {} answers from the monolith, {} from the split",
                words::count(contrast.rate.round() as u64),
                requests[0],
                requests[1]
            ),
            svg: charts::latency(run, summary, page),
        })
    };
    summary.pages().filter_map(panel).collect()
}

/// Both estimates of everything that flagged slices have a part in.
fn gated_lines(contrast: &Contrast) -> Vec<GatedLine> {
    let Some(gated) = &contrast.gated else { return Vec::new() };
    let shown = |measured: Option<&Measured>| match measured {
        Some(Measured::Effect(effect)) => words::change_with_interval(effect.ratio),
        Some(Measured::MoreRequests(n)) => format!("needs {} more requests", words::count(*n)),
        _ => "too little is left".into(),
    };
    let starts = |measured: Option<&Measured>| match measured {
        Some(Measured::Effect(effect)) => effect.restarts.to_string(),
        _ => "–".into(),
    };
    let what =
        format!("{}, {}", words::comparison(contrast.comparison), words::page(contrast.page));
    let line = |metric: &Metric| GatedLine {
        what: format!("{what}: {}", words::metric(*metric)),
        all: shown(contrast.all.metrics.get(metric)),
        gated: shown(gated.metrics.get(metric)),
        starts: format!(
            "{} of {}",
            starts(gated.metrics.get(metric)),
            starts(contrast.all.metrics.get(metric))
        ),
    };
    contrast.all.metrics.keys().map(line).collect()
}

/// Everything that there is to say about single slices and searches.
pub(super) fn remarks(summary: &Summary) -> Vec<(&'static str, Vec<String>)> {
    let conduct = &summary.conduct;
    let sentence = |remark: &Remark| {
        let Remark { restart, block, comparison, page, arm, why } = remark;
        let (comparison, page) = (words::comparison(*comparison), words::page(*page));
        format!("restart {restart}, block {block}, {comparison}, {page}, {}: {why}", arm.name())
    };
    let list = |remarks: &[Remark]| remarks.iter().map(sentence).collect::<Vec<_>>();
    let all = [
        ("Void slices, which count for nothing", list(&conduct.void)),
        ("Flagged slices, which count under suspicion", list(&conduct.flagged)),
        ("Searches for the goodput that found none", list(&conduct.unsettled)),
    ];
    all.into_iter().filter(|(_, remarks)| !remarks.is_empty()).collect()
}

/// Role, size of the program, start-up, memory. Twin and planted arm are monoliths too, and left out.
fn footprint(run: &Run, summary: &Summary) -> Vec<[String; 6]> {
    let ours = summary.footprint.iter().filter(|f| matches!(f.arm, Arm::Monolith | Arm::Split));
    let mib = |x: f64| format!("{x:.1}\u{a0}MiB");
    ours.map(|f| {
        let bytes = run.build.binary_bytes.get(&f.role);
        [
            f.role.clone(),
            words::milliseconds(f.ready_ms),
            words::milliseconds(f.first_ok_ms),
            mib(f.started_mib),
            f.working_mib.map_or_else(|| "–".into(), mib),
            bytes.map_or_else(|| "–".into(), |b| mib(*b as f64 / f64::from(1 << 20))),
        ]
    })
    .collect()
}

fn parity(run: &Run) -> Vec<[String; 3]> {
    let row = |(page, cost): (&crate::record::Page, &crate::record::PageCost)| {
        [words::page(*page).into(), cost.statements.to_string(), cost.backend_calls.to_string()]
    };
    run.parity.per_page.iter().map(row).collect()
}
