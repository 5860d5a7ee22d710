//! The HTML page: what the template needs, prepared as text. The template only places it.

use askama::Template;

use super::charts::{self, Rows};
use super::finding::{self, Notice, Sentence};
use super::{explain, families, grid, scaling, terminal};
use crate::experiment::{self, Design};
use crate::judge::summary::{Check, Contrast, Measured, Metric, Outcome, Remark, Summary, Verdict};
use crate::judge::{FOREIGN_LIMIT, LAG_LIMIT_MS};
use crate::record::{Arm, Comparison, Container, Run};
use crate::words;

/// The style sheet, set into the page: it has to work without any network.
pub(super) const CSS: &str = include_str!("../../templates/report.css");

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    css: &'static str,
    title: &'static str,
    id: &'static str,
    when: String,
    run: &'a Run,
    summary: &'a Summary,
    notice: Option<Notice>,
    resamples: String,
    verdicts: Vec<Answer<'a>>,
    finding: Vec<Sentence>,
    controls: Option<Sentence>,
    table: Vec<Line>,
    forest: Rows,
    cost: Rows,
    latency: Vec<Panel>,
    goodput: Rows,
    slo_ms: f64,
    checks: Vec<CheckLine>,
    conduct: String,
    limits: [String; 2],
    gated: Vec<GatedLine>,
    remarks: Vec<(&'static str, Vec<String>)>,
    card: Vec<(&'static str, Vec<String>)>,
    footprint: Vec<[String; 6]>,
    parity: Vec<[String; 3]>,
    facts: Vec<(&'static str, String)>,
    json: String,
}

/// A verdict with its name and the class that colours it.
pub(super) struct Answer<'a> {
    pub(super) name: String,
    pub(super) class: &'static str,
    pub(super) verdict: &'a Verdict,
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

/// A control, and how it came out.
pub(super) struct CheckLine {
    pub(super) what: String,
    pub(super) truth: String,
    pub(super) found: String,
    pub(super) passed: Option<bool>,
    pub(super) sentence: String,
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
        Design::Families { restarts, .. } => {
            return families::html(run, &card, summary, restarts);
        }
        Design::Grid(grid) => return grid::html(run, &card, summary, grid),
        Design::Scaling(_) => return scaling::html(run, &card, summary),
    };
    let percent = |share: f64| format!("{}\u{a0}%", share * 100.0);
    let page = Page {
        css: CSS,
        title: card.title,
        id: card.id,
        when: when(run),
        run,
        summary,
        notice: finding::notice(run, summary),
        resamples: words::count(u64::from(summary.resamples)),
        verdicts: summary.verdicts.iter().map(answer).collect(),
        finding: finding::finding(run, &card, summary),
        controls: finding::controls(summary),
        table: summary.contrasts.iter().flat_map(lines).collect(),
        forest: charts::forest(summary, questions),
        cost: charts::cost(summary),
        latency: panels(run, summary),
        goodput: charts::goodput(summary),
        slo_ms: card.slo_ms,
        checks: summary.certificate.checks.iter().map(check_line).collect(),
        conduct: terminal::conduct(&summary.conduct),
        limits: [words::milliseconds(LAG_LIMIT_MS), percent(FOREIGN_LIMIT)],
        gated: summary.contrasts.iter().flat_map(gated_lines).collect(),
        remarks: remarks(summary),
        card: explain::sections(&card),
        footprint: footprint(run, summary),
        parity: parity(run),
        facts: facts(run),
        json: embedded(summary)?,
    };
    Ok(page.render()?)
}

/// When the run began.
pub(super) fn when(run: &Run) -> String {
    run.started.format("%-d %B %Y, %H:%M UTC").to_string()
}

/// All estimates, as they stand in the page: a `<` in a string must not end the script element that
/// holds them.
pub(super) fn embedded(summary: &Summary) -> anyhow::Result<String> {
    Ok(serde_json::to_string(summary)?.replace('<', "\\u003c"))
}

pub(super) fn answer(verdict: &Verdict) -> Answer<'_> {
    let class = match verdict.outcome {
        Some(Outcome::Supported | Outcome::Refuted | Outcome::Depends | Outcome::Proxied) => "firm",
        Some(Outcome::Inconclusive) => "open",
        None => "none",
    };
    Answer { name: words::capitalised(words::outcome(verdict.outcome)), class, verdict }
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

pub(super) fn check_line(check: &Check) -> CheckLine {
    CheckLine {
        what: format!("{}: {}", words::comparison(check.comparison), words::metric(check.metric)),
        truth: if check.truth == 1.0 { "same".into() } else { words::change(check.truth) },
        found: check.found.map_or_else(|| "–".into(), words::change_with_interval),
        passed: check.passed,
        sentence: check.sentence.clone(),
    }
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

/// Under which circumstances all of it is true.
pub(super) fn facts(run: &Run) -> Vec<(&'static str, String)> {
    let cores = |cores: &[u32]| {
        let cores: Vec<String> = cores.iter().map(ToString::to_string).collect();
        words::list(&cores)
    };
    let rows: Vec<String> =
        run.dataset.iter().map(|(what, n)| format!("{} {what}", words::count(*n))).collect();
    let machine = &run.machine;
    let mut facts = vec![
        (
            "Machine",
            format!(
                "{}, {} cores, {} MiB",
                machine.cpu,
                machine.cores,
                words::count(machine.memory_mib)
            ),
        ),
        ("System", format!("{}, Linux {}", machine.os, machine.kernel)),
        ("Load before", format!("{:.2}", machine.load_before)),
        (
            "Layout",
            match &run.composition {
                Some(_) => {
                    format!("no core is set apart: all share {}", cores(&run.layout.load_cores))
                }
                None => format!(
                    "servers on core {}, generator and database on core {}",
                    cores(&run.layout.server_cores),
                    cores(&run.layout.load_cores)
                ),
            },
        ),
        ("Commit", run.build.commit.clone()),
        ("Compiler", run.build.rustc.clone()),
        ("Database", run.database.clone()),
        ("Data", rows.join(", ")),
        ("Measured for", format!("{:.0}\u{a0}s", run.seconds)),
        ("Seed", run.seed.to_string()),
        ("Run", run.id.clone()),
    ];
    if let Some(composition) = &run.composition {
        facts.push(("Docker engine", composition.engine.clone()));
        let containers = composition.containers.iter();
        facts.extend(containers.map(|container| ("Container", contained(container))));
    }
    facts.extend(finding::resumptions(run).into_iter().map(|how| ("Interruption", how)));
    let fallbacks = run.layout.fallbacks.iter();
    facts.extend(fallbacks.map(|fallback| ("Fallback", fallback.clone())));
    facts
}

/// A container in words: what is in it, and what it may use.
fn contained(container: &Container) -> String {
    let Container { service, image, image_id, image_bytes, cpus, cores, memory_mib } = container;
    let limits: Vec<String> = [
        cpus.map(|cpus| format!("at most {cpus} cores")),
        cores.as_ref().map(|cores| format!("on core {cores} only")),
        memory_mib.map(|mib| format!("at most {} MiB", words::count(mib))),
    ]
    .into_iter()
    .flatten()
    .collect();
    let limits = if limits.is_empty() { "no limit".to_owned() } else { words::list(&limits) };
    let size = words::count(image_bytes / 1_000_000);
    format!("{service}: image {image} of {size}\u{a0}MB ({image_id}), {limits}")
}
