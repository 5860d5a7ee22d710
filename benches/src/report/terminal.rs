//! What `lab run` prints at the end: verdicts, one table, the controls. Plain text, 100 columns.

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle, presets};

use super::{composed, deploys, durability, finding, grid, places, scaling, ticks};
use crate::experiment::{self, Preset};
use crate::judge::deployed::Deployed;
use crate::judge::endured::Endured;
use crate::judge::interfered::Interfered;
use crate::judge::scaled::Scaled;
use crate::judge::summarise;
use crate::judge::summary::{Conduct, Measured, Metric, Summary};
use crate::judge::ticked::Ticked;
use crate::record::{Comparison, Page, Run};
use crate::words;

/// No line is longer.
const WIDTH: u16 = 100;

/// The result of a run.
///
/// # Errors
/// When the run can't be judged.
pub fn terminal(run: &Run) -> anyhow::Result<String> {
    let summary = summarise(run)?;
    let card = experiment::find(&run.experiment)?.card;
    let mut parts = vec![format!("{}  {}", card.id, card.title)];
    let mut text = plain();
    for sentence in finding::sentences(run, &card, &summary) {
        text.add_row([sentence.text()]);
    }
    parts.push(text.to_string());
    if run.grid.is_some() {
        parts.push(figures(&summary).to_string());
    } else if let Some(scaled) = &summary.scaled {
        parts.push(goodputs(scaled).to_string());
    } else if let Some(found) = &summary.interfered {
        parts.push(late(found).to_string());
    } else if let Some(found) = &summary.endured {
        parts.push(losses(found).to_string());
    } else if let Some(found) = &summary.deployed {
        parts.push(interruptions(found).to_string());
    } else if let Some(found) = &summary.ticked {
        parts.push(misfires(found).to_string());
    } else if summary.families.is_empty() {
        parts.push(effects(&summary).to_string());
    }
    let mut verdicts = plain();
    for verdict in &summary.verdicts {
        let why = format!("{}.\n{}", verdict.question, verdict.because);
        verdicts.add_row([words::outcome(verdict.outcome).to_uppercase(), why]);
    }
    parts.push(verdicts.to_string());
    let mut controls = plain();
    // Smoke gives no verdict anyway, and is too short for its controls.
    let uncontrolled = summary.certificate.uncontrolled();
    if uncontrolled && run.composition.is_some() {
        controls.add_row(["A composition, as it ran: without controls, so without a verdict."]);
    } else if !summary.certificate.certified && run.preset != Preset::Smoke.to_string() {
        controls
            .add_row(["NOT CERTIFIED: the controls of this run failed, so it gives no verdict."]);
    }
    if let Some(sentence) = finding::controls(&summary) {
        controls.add_row([sentence.text()]);
    }
    controls.add_row([conduct_of(run, &summary)]);
    for how in finding::resumptions(run) {
        controls.add_row([words::capitalised(&how) + "."]);
    }
    parts.push(controls.to_string());
    Ok(finished(parts))
}

/// Parts below each other, with an empty line between them.
pub(super) fn finished(parts: impl IntoIterator<Item = String>) -> String {
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let lines = parts.iter().flat_map(|part| part.lines().chain([""]));
    let lines: Vec<&str> = lines.map(str::trim_end).collect();
    words::plain(lines.join("\n").trim_end()) + "\n"
}

/// Text without lines around it.
pub(super) fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    table
}

/// A table with a line below its head, of which so many columns from the right hold numbers.
pub(super) fn columns<const N: usize>(head: [&str; N], numbers: usize) -> Table {
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─')));
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    table.set_header(head);
    for column in table.column_iter_mut().skip(N - numbers) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn effects(summary: &Summary) -> Table {
    let mut table = columns(["", "monolith", "split", "change [95 % interval]"], 3);
    for page in summary.pages() {
        for (name, cells) in page_rows(summary, page) {
            let [first, second, change] = cells;
            table.add_row([name, first, second, change]);
        }
    }
    table
}

fn figures(summary: &Summary) -> Table {
    let mut table = columns(["milliseconds", "CPU, servers", "CPU, PostgreSQL", "latency p50"], 3);
    for [cell, figures @ .., _] in grid::table(summary) {
        // The unit stands above, so that three intervals fit beside each other.
        let figures = figures.map(|figure| figure.replace("\u{a0}ms", ""));
        table.add_row([vec![cell], figures.to_vec()].concat());
    }
    table
}

fn goodputs(scaled: &Scaled) -> Table {
    if composed::is_composed(scaled) {
        let mut table =
            columns(["", "containers", "goodput", "CPU per page", "beside", "foreign"], 4);
        table.add_rows(composed::in_short(scaled));
        return table;
    }
    let mut table = columns(["", "setup", "goodput", "stopped", "core beside", "foreign"], 4);
    for [what, setup, goodput, stopped, beside, foreign] in scaling::confirmed(scaled) {
        table.add_row([what, setup, goodput, stopped, beside, foreign]);
    }
    table
}

fn late(found: &Interfered) -> Table {
    let mut table = columns(["", "late", "p50", "p99"], 3);
    for [what, late, p50, p99, ..] in places::rows(found) {
        table.add_row([what, late, p50, p99]);
    }
    table
}

fn losses(found: &Endured) -> Table {
    let mut table = columns(["", "kills", "with a loss", "jobs at stake", "lost"], 4);
    for [what, kills, share, at_stake, lost, ..] in durability::rows(found) {
        table.add_row([what, kills, share, at_stake, lost]);
    }
    table
}

fn interruptions(found: &Deployed) -> Table {
    let mut table = columns(["", "interrupting", "jobs", "CPU"], 3);
    for [what, _, share, jobs, cpu, ..] in deploys::rows(found) {
        table.add_row([what, share, jobs, cpu]);
    }
    table
}

fn misfires(found: &Ticked) -> Table {
    let mut table = columns(["", "ticks", "missed", "doubled", "early", "any of these"], 5);
    for [what, ticks, missed, doubled, early, share, _] in ticks::rows(found) {
        table.add_row([what, ticks, missed, doubled, early, share]);
    }
    table
}

/// How any run went, in one sentence.
pub(super) fn conduct_of(run: &Run, summary: &Summary) -> String {
    match run.grid {
        Some(_) => trials(summary),
        None if summary.scaled.is_some() => scaling::conduct(summary),
        None if summary.interfered.is_some() => places::conduct(summary),
        None if summary.endured.is_some() => durability::conduct(summary),
        None if summary.deployed.is_some() => deploys::conduct(summary),
        None if summary.ticked.is_some() => ticks::conduct(summary),
        None => conduct(&summary.conduct),
    }
}

/// How the run of a grid went, in one sentence.
pub(super) fn trials(summary: &Summary) -> String {
    let Conduct { slices, requests, .. } = &summary.conduct;
    format!(
        "{} requests in {slices} trials, none of them answered wrongly.",
        words::count(*requests)
    )
}

fn page_rows(summary: &Summary, page: Page) -> Vec<(String, [String; 3])> {
    let Some(contrast) = summary.contrast(Comparison::Boundary, page) else { return Vec::new() };
    let row = |(metric, measured): (&Metric, &Measured)| {
        let missing = |what: String| [String::new(), String::new(), what];
        let cells = match measured {
            Measured::Effect(effect) => {
                let [first, second] = effect.levels.map(|l| words::level(*metric, l.value));
                [first, second, words::change_with_interval(effect.ratio)]
            }
            Measured::MoreRequests(n) => {
                missing(format!("needs {} more requests per arm", words::count(*n)))
            }
            Measured::MoreRestarts(_) => missing("needs more restarts".into()),
        };
        (format!("{}, {}", words::page(page), words::metric(*metric)), cells)
    };
    contrast.all.metrics.iter().map(row).collect()
}

/// How the run went, in one sentence.
pub(super) fn conduct(conduct: &Conduct) -> String {
    let Conduct { slices, requests, errors, worst_lag_ms, void, flagged, .. } = conduct;
    format!(
        "{} requests in {slices} slices, {errors} wrong answers; {} slices void, {} flagged; the \
         generator was at most {worst_lag_ms:.2} ms late (p99 of the worst slice).",
        words::count(*requests),
        void.len(),
        flagged.len()
    )
}
