//! The result table in the README: rendered from a committed run, never typed.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::Context;

use super::{finding, latency, markdown, places};
use crate::experiment;
use crate::experiments::x1;
use crate::judge::scaled::{OfMix, Scaled};
use crate::judge::summarise;
use crate::judge::summary::{Measured, Metric, Summary};
use crate::record::{Arm, Comparison, Run};
use crate::words;

/// The block that shows a run of x1, and what of the app's performance is generated.
const RESULTS: &str = "results";

/// The block that shows a run of x2.
const CALLS: &str = "calls";

/// The block that shows a run of x5.
const JOBS: &str = "jobs";

/// Which rows the table has; a row that wasn't measured is left out.
const METRICS: [Metric; 5] =
    [Metric::CpuServers, Metric::CpuTotal, Metric::P50, Metric::P99, Metric::Goodput];

/// Markdown for between the README's markers: the verdicts, the finding, the table, where it comes
/// from.
///
/// # Errors
/// When the run can't be judged.
pub fn readme_table(run: &Run) -> anyhow::Result<String> {
    let summary = summarise(run)?;
    let card = experiment::find(&run.experiment)?.card;
    let mut text = String::new();
    for verdict in &summary.verdicts {
        let outcome = words::capitalised(words::outcome(verdict.outcome));
        let _ = writeln!(text, "- **{outcome}:** {}.", verdict.question);
    }
    text.push('\n');
    for sentence in finding::finding(run, &card, &summary) {
        let _ = writeln!(text, "{}", sentence.text());
    }
    text.push_str("\n| | monolith | split | change, 95 % interval |\n|---|--:|--:|--:|\n");
    text.push_str(&rows(&summary));
    let restarts = summary.contrasts.first().map_or(0, |c| c.all.restarts);
    text.push_str(&source(run, &summary, &format!("{restarts} restarts")));
    Ok(words::plain(text))
}

/// Where an experiment has no list of its own: its verdicts, each with its figures.
fn verdicts(run: &Run) -> anyhow::Result<String> {
    let summary = summarise(run)?;
    let mut text = String::new();
    for verdict in &summary.verdicts {
        let outcome = words::capitalised(words::outcome(verdict.outcome));
        let _ = writeln!(text, "- **{outcome}:** {}. {}", verdict.question, verdict.because);
    }
    if let Some(scaled) = &summary.scaled {
        text.push_str(&goodputs(scaled));
    }
    Ok(words::plain(text + &source(run, &summary, &format!("a `{}` run", run.preset))))
}

/// What the best setups came to on each mix, as a table.
fn goodputs(Scaled { mixes, .. }: &Scaled) -> String {
    let best = |mix: &OfMix, arm: Arm| {
        let confirmed = mix.confirmed.iter().find(|it| it.arm == arm)?;
        let goodput = words::level(Metric::Goodput, confirmed.goodput?.value);
        Some(format!("{goodput} ({})", confirmed.setup))
    };
    let row = |mix: &OfMix| {
        let [monolith, split] = [best(mix, Arm::Monolith)?, best(mix, Arm::Split)?];
        let change = words::change_with_interval(mix.ratios.split?);
        Some(format!("| {} | {monolith} | {split} | {change} |\n", mix.mix))
    };
    let rows: String = mixes.iter().filter_map(row).collect();
    if rows.is_empty() {
        return rows;
    }
    let head =
        "\n| mix | best monolith | best split | change, 95 % interval |\n|---|--:|--:|--:|\n";
    format!("{head}{rows}")
}

fn jobs_table(run: &Run) -> anyhow::Result<String> {
    let summary = summarise(run)?;
    let table = places::readme(run, &summary).context("the run has no jobs in several places")?;
    let rounds = run.interference.iter().flat_map(|it| &it.trials).map(|trial| trial.round + 1);
    let rounds = format!("{} rounds", rounds.max().unwrap_or_default());
    Ok(words::plain(table + &source(run, &summary, &rounds)))
}

/// Where the numbers of a table come from, and what the controls found.
pub(super) fn source(run: &Run, summary: &Summary, how_often: &str) -> String {
    let mut text = format!(
        "\nMeasured on {} ({} cores), {}, {how_often}, commit {}; `{}`.\n",
        markdown::escaped(&run.machine.cpu),
        run.machine.cores,
        run.database,
        words::commit(&run.build.commit),
        run.command,
    );
    if let Some(sentence) = finding::controls(summary) {
        let _ = writeln!(text, "{}", sentence.text());
    }
    text
}

fn rows(summary: &Summary) -> String {
    let mut text = String::new();
    for page in summary.pages() {
        for metric in METRICS {
            let contrast = summary.contrast(Comparison::Boundary, page);
            let Some(measured) = contrast.and_then(|c| c.all.metrics.get(&metric)) else {
                continue;
            };
            let name = format!("{}, {}", words::page(page), words::metric(metric));
            // Writing to a String can't fail.
            let _ = match measured {
                Measured::Effect(effect) => {
                    let [first, second] = effect.levels.map(|l| words::level(metric, l.value));
                    let change = words::change_with_interval(effect.ratio);
                    writeln!(text, "| {name} | {first} | {second} | {change} |")
                }
                Measured::MoreRequests(n) => {
                    writeln!(text, "| {name} | | | needs {} more requests |", words::count(*n))
                }
                Measured::MoreRestarts(_) => writeln!(text, "| {name} | | | needs more restarts |"),
            };
        }
    }
    text
}

/// The markers of a block.
fn markers(name: &str) -> [String; 2] {
    ["begin", "end"].map(|end| format!("<!-- {name}:{end} -->"))
}

/// What stands between the markers of a README, if it has them.
pub fn readme_block(readme: &str) -> Option<&str> {
    let [begin, end] = markers(RESULTS);
    let (_, rest) = readme.split_once(&begin)?;
    let (block, _) = rest.split_once(&end)?;
    Some(block.trim_matches('\n'))
}

/// Puts the table of `run` between the markers of a README: `results` for the boundary itself, `calls`
/// for pages that make several, `jobs` for where jobs run, and for any other experiment its id.
///
/// # Errors
/// When the file can't be read or written, has no markers, or the run can't be judged.
pub fn update_readme(path: &Path, run: &Run) -> anyhow::Result<()> {
    if run.interference.is_some() {
        return update(path, JOBS, &jobs_table(run)?);
    }
    match latency::readme(run)? {
        Some(table) => update(path, CALLS, &table),
        None if run.experiment == x1::EXPERIMENT.card.id => update_block(path, &readme_table(run)?),
        None => update(path, &run.experiment, &verdicts(run)?),
    }
}

/// Puts a text between the markers of a Markdown file.
pub(super) fn update_block(path: &Path, block: &str) -> anyhow::Result<()> {
    update(path, RESULTS, block)
}

pub(super) fn update(path: &Path, name: &str, block: &str) -> anyhow::Result<()> {
    let [begin, end] = markers(name);
    let shown = path.display();
    let old = fs::read_to_string(path).with_context(|| shown.to_string())?;
    let parts = old.split_once(&begin).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(&end)?;
        Some((before, after))
    });
    let (before, after) =
        parts.with_context(|| format!("{shown}: no `{begin}` … `{end}` in it"))?;
    let updated = format!("{before}{begin}\n{}\n{end}{after}", block.trim_matches('\n'));
    fs::write(path, updated).with_context(|| shown.to_string())
}

#[cfg(test)]
#[path = "readme_tests.rs"]
mod tests;
