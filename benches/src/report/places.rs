//! The report of jobs in several places: how many pages are late, and how late, over what jobs take of
//! the core; for somebody who has to decide this week where to run theirs.

use askama::Template;

use super::{
    finding::Sentence,
    frame::Frame,
    places_charts::{late, p99},
};
use crate::{
    experiment::Card,
    judge::{
        FOREIGN_LIMIT, LAG_LIMIT_MS,
        interfered::{Asked, Cell, Interfered, Rule},
        scaled::Remark,
        summary::{Conduct, Finding, Metric, Summary},
    },
    record::{Arm, Comparison, Run},
    stats::Estimate,
    words,
};

/// What these pictures need beside the style sheet of all reports.
const STYLE: &str = include_str!("../../templates/places.css");

/// The architectures.
const ARMS: [Arm; 2] = [Arm::Monolith, Arm::Split];

#[derive(Template)]
#[template(path = "places.html")]
struct Page<'a> {
    frame: Frame<'a>,
    controls: Option<Sentence>,
    budget: Option<String>,
    slo_ms: f64,
    rate: String,
    job: String,
    panels: Vec<Panel>,
    head: [&'static str; 7],
    rows: Vec<[String; 7]>,
    others: Vec<[String; 7]>,
    gated: Vec<[String; 4]>,
    limits: [String; 2],
    conduct: String,
    remarks: Vec<(&'static str, Vec<String>)>,
}

/// The pictures of one architecture.
struct Panel {
    arm: String,
    late: String,
    p99: Option<String>,
}

/// The whole page.
///
/// # Errors
/// When it holds no such measurements.
pub(super) fn html(run: &Run, card: &Card, summary: &Summary) -> anyhow::Result<String> {
    let (Some(found), Some(measured)) = (&summary.interfered, &run.interference) else {
        anyhow::bail!("{} has no jobs in several places", run.id);
    };
    let of_arm = |arm: Arm| {
        found.cells.iter().any(|cell| cell.arm == arm).then(|| Panel {
            arm: words::capitalised(arm.name()),
            late: late(found, arm),
            p99: p99(found, arm),
        })
    };
    let page = Page {
        frame: Frame::of(run, card, summary, STYLE, sentences(run, summary))?,
        controls: controls(summary),
        budget: measured.budget.map(|budget| budget.to_string()),
        slo_ms: card.slo_ms,
        rate: words::count(found.rate.round() as u64),
        job: words::job(found.headline),
        panels: ARMS.into_iter().filter_map(of_arm).collect(),
        head: HEAD,
        rows: rows(found),
        others: others(found),
        gated: gated(found),
        limits: [
            format!("{}\u{a0}%", (FOREIGN_LIMIT * 100.0).round()),
            words::milliseconds(LAG_LIMIT_MS),
        ],
        conduct: conduct(summary),
        remarks: remarks(found),
    };
    Ok(page.render()?)
}

/// What the worst load does to pages, place by place.
pub(super) fn sentences(run: &Run, summary: &Summary) -> Vec<Sentence> {
    let Some(found) = &summary.interfered else { return Vec::new() };
    // A composition is not kept to one.
    let core = if run.composition.is_some() { "a core" } else { "the core" };
    ARMS.into_iter().filter_map(|arm| of_arm(found, arm, core)).collect()
}

fn of_arm(found: &Interfered, arm: Arm, core: &str) -> Option<Sentence> {
    let cells = || found.cells.iter().filter(|it| (it.arm, it.job) == (arm, found.headline));
    let most = cells().map(|cell| cell.load).max().filter(|most| *most > 0)?;
    let mut sentence = Sentence::new().plain(format!(
        "Beside jobs of {} that take {most} % of {core}, so many of the {}'s pages are late: ",
        words::job(found.headline),
        arm.name()
    ));
    let late = |cell: &Cell| Some((cell.place, cell.late?));
    let worst: Vec<_> = cells().filter(|cell| cell.load == most).filter_map(late).collect();
    for (number, (place, share)) in worst.iter().enumerate() {
        let lead = if number > 0 { "; " } else { "" };
        let text = words::share_with_interval(*share);
        let (share, interval) = text.split_at(text.find('[').unwrap_or(text.len()));
        sentence = sentence.plain(lead).strong(share).plain(interval);
        sentence = sentence.plain(format!(" with jobs {}", words::place(*place)));
    }
    (!worst.is_empty()).then(|| sentence.plain("."))
}

/// What the controls found, in one sentence.
pub(super) fn controls(summary: &Summary) -> Option<Sentence> {
    let of =
        |comparison| summary.certificate.checks.iter().find(|check| check.comparison == comparison);
    let (twin, wait) = (of(Comparison::Null)?, of(Comparison::Waiting)?);
    let sentence = Sentence::new()
        .plain("Between two identical monoliths without jobs the same instrument finds a difference in p50 of ")
        .estimate(twin.found?)
        .plain(", and of ")
        .estimate(wait.found?)
        .plain(format!(" where {} was planted.", words::change(wait.truth)));
    Some(sentence)
}

/// How the run went, in one sentence.
pub(super) fn conduct(summary: &Summary) -> String {
    let Conduct { slices, requests, errors, worst_lag_ms, .. } = &summary.conduct;
    let Some(found) = &summary.interfered else { return String::new() };
    format!(
        "{} requests in {slices} slices of {} trials, {errors} of them not answered rightly; {} trials \
         and {} slices void, {} slices flagged; the generator was at most {worst_lag_ms:.2} ms late \
         (p99 of the worst slice).",
        words::count(*requests),
        found.trials,
        found.void_trials.len(),
        found.void_slices.len(),
        found.flagged.len()
    )
}

/// What was void or suspicious, and why.
pub(super) fn remarks(found: &Interfered) -> Vec<(&'static str, Vec<String>)> {
    let list = |remarks: &[Remark]| -> Vec<String> {
        remarks.iter().map(|Remark { trial, why }| format!("{trial}: {why}")).collect()
    };
    let all = [
        ("Void trials, which count for nothing", list(&found.void_trials)),
        ("Void slices, which count for nothing", list(&found.void_slices)),
        ("Flagged slices, which count under suspicion", list(&found.flagged)),
    ];
    all.into_iter().filter(|(_, remarks)| !remarks.is_empty()).collect()
}

/// The head of [`rows`].
pub(super) const HEAD: [&str; 7] = [
    "Where jobs run",
    "Pages late",
    "Latency p50",
    "Latency p99",
    "Late in the worst second",
    "A job waits",
    "Its client waits",
];

/// The job that verdicts are about, at every load.
pub(super) fn rows(found: &Interfered) -> Vec<[String; 7]> {
    let cells = found.cells.iter().filter(|cell| cell.job == found.headline);
    cells.map(|cell| row(cell, &format!("{} %", cell.load))).collect()
}

/// All other jobs, without what stands beside them without any.
pub(super) fn others(found: &Interfered) -> Vec<[String; 7]> {
    let cells = found.cells.iter().filter(|cell| cell.job != found.headline && cell.load > 0);
    let named = |cell: &Cell| format!("{} at {} %", words::job(cell.job), cell.load);
    let mut cells: Vec<&Cell> = cells.collect();
    cells.sort_by_key(|cell| (cell.arm, cell.job, cell.load, cell.place));
    cells.into_iter().map(|cell| row(cell, &named(cell))).collect()
}

fn row(cell: &Cell, jobs: &str) -> [String; 7] {
    let level = |metric, found: Option<Estimate>| {
        found.map_or_else(|| "–".to_owned(), |it| words::level_with_interval(metric, it))
    };
    let ms = |ms: Option<f64>| ms.map_or_else(|| "–".to_owned(), words::milliseconds);
    [
        format!("{}, jobs {}, {jobs}", cell.arm.name(), words::place(cell.place)),
        cell.late.map_or_else(|| "–".to_owned(), words::share_with_interval),
        level(Metric::P50, cell.p50),
        level(Metric::P99, cell.p99),
        format!("{:.0}\u{a0}%", cell.worst_second * 100.0),
        ms(cell.wait_ms),
        ms(cell.answer_ms),
    ]
}

/// Findings with and without flagged rounds, where there are any.
fn gated(found: &Interfered) -> Vec<[String; 4]> {
    let shown = |asked, found: Option<Estimate>| match (asked, found) {
        (_, None) => "too little".to_owned(),
        (Asked::Late, Some(found)) => words::points_with_interval(found),
        (Asked::P99, Some(found)) => words::change_with_interval(found),
    };
    let of_rule = |rule: &Rule| {
        let asked = rule.asked;
        let flagged = rule.findings.iter().filter(|it| it.quiet_rounds < it.rounds);
        let line = |it: &Finding| {
            [
                it.claim.clone(),
                shown(asked, it.found),
                shown(asked, it.gated),
                format!("{} of {}", it.quiet_rounds, it.rounds),
            ]
        };
        flagged.map(line).collect::<Vec<_>>()
    };
    found.rules.iter().flat_map(of_rule).collect()
}

/// Markdown for the README: verdicts, and what the worst load does.
pub(super) fn readme(run: &Run, summary: &Summary) -> Option<String> {
    let found = summary.interfered.as_ref()?;
    let mut text = String::new();
    for verdict in &summary.verdicts {
        let outcome = words::capitalised(words::outcome(verdict.outcome));
        text += &format!("- **{outcome}:** {}.\n", verdict.question);
    }
    let cells = || found.cells.iter().filter(|cell| cell.job == found.headline);
    let most = cells().map(|cell| cell.load).max()?;
    text += &format!(
        "\n| jobs of {} ms, {most} % of a core | pages over {:.0} ms | p50 | p99 |\n|---|--:|--:|--:|\n",
        found.headline.ms,
        crate::experiment::find(&run.experiment).ok()?.card.slo_ms
    );
    for cell in cells().filter(|cell| cell.load == most) {
        let [what, late, p50, p99, ..] = row(cell, "");
        let what = what.trim_end_matches(", ");
        text += &format!("| {what} | {late} | {p50} | {p99} |\n");
    }
    Some(text)
}

#[cfg(test)]
#[path = "places_tests.rs"]
mod tests;
