//! The tables of `docs/performance.md`: what a page takes, and what every change came to. From the
//! figures in force and the list of changes, never typed.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use super::readme::update_block;
use crate::{
    against_floor::{self, Finding, Record, Taken},
    count::{Change, Cost, Counts, Growth, Replay, Stored},
    stats::Estimate,
    words,
};

/// Markdown for between the markers.
pub fn performance_tables(stored: &Stored) -> String {
    let mut text = String::new();
    for (database, counts) in &stored.counts {
        let _ = writeln!(text, "### What one page takes, on {database}\n\n{}", in_force(counts));
    }
    for record in &stored.floor {
        let title = "### The home page against the floor, on";
        let _ = writeln!(text, "{title} {}\n\n{}", record.database, floor_table(record));
    }
    for database in stored.counts.keys() {
        let rows: Vec<Growth> =
            stored.growth.iter().filter(|row| row.database == *database).cloned().collect();
        if !rows.is_empty() {
            let title = "### What a page takes with more data, on";
            let _ = writeln!(text, "{title} {database}\n\n{}", growth_table(&rows));
        }
    }
    let _ = writeln!(text, "### What was changed\n\n{}", changes(&stored.changes));
    words::plain(text)
}

/// Writes the tables into the document.
///
/// # Errors
/// When it can't be read or written, or has no markers.
pub fn update_performance(path: &Path, stored: &Stored) -> anyhow::Result<()> {
    update_block(path, &performance_tables(stored))
}

fn in_force(counts: &Counts) -> String {
    let mut text = String::from(
        "| pages | process | instructions | waits | statements | backend calls |\n\
         |---|---|--:|--:|--:|--:|\n",
    );
    for (replay, processes) in &counts.0 {
        for (process, cost) in processes {
            let Cost { instructions, waits, statements, backend_calls } = cost;
            // Writing to a String can't fail.
            let _ = writeln!(
                text,
                "| {} | {process} | {} | {waits:.1} | {statements:.1} | {backend_calls:.1} |",
                replay.name(),
                words::count(*instructions),
            );
        }
    }
    text
}

/// The systems' levels, then one line per target.
pub fn floor_table(record: &Record) -> String {
    let mut text =
        String::from("| system | CPU, servers | CPU, PostgreSQL | p50 |\n|---|--:|--:|--:|\n");
    for arm in against_floor::ARMS {
        let taken: Vec<_> = record.rounds.iter().filter_map(|round| round.get(&arm)).collect();
        let mean = |of: fn(&Taken) -> f64| {
            let sum: f64 = taken.iter().map(|taken| of(taken)).sum();
            words::milliseconds(sum / taken.len().max(1) as f64)
        };
        let (servers, database) = (mean(|t| t.servers_ms), mean(|t| t.database_ms));
        let _ =
            writeln!(text, "| {} | {servers} | {database} | {} |", arm.name(), mean(|t| t.p50_ms));
    }
    let _ = writeln!(text, "\n| target | at most | found, 95 % interval | |\n|---|--:|--:|---|");
    for finding in against_floor::judge(record).unwrap_or_default() {
        let Finding { what, found, target, unit } = &finding;
        let Estimate { value, low, high } = found;
        let _ = writeln!(
            text,
            "| {what} | {target} {unit} | {value:.3} {unit} [{low:.3}, {high:.3}] | {} |",
            finding.reached()
        );
    }
    let _ = writeln!(
        text,
        "\n{} rounds, {} requests each time; `cargo lab floor --db {} --rounds {} --requests {} --seed {}`.",
        record.rounds.len(),
        record.requests,
        record.database,
        record.rounds.len(),
        record.requests,
        record.seed
    );
    text
}

/// One line per page and size.
pub fn growth_table(rows: &[Growth]) -> String {
    let mut text = String::from(
        "| page | articles | instructions | against the fewest | CPU, server | CPU, PostgreSQL |\n\
         |---|--:|--:|--:|--:|--:|\n",
    );
    let mut rows: Vec<&Growth> = rows.iter().collect();
    rows.sort_by_key(|row| (row.page, row.articles));
    for row in &rows {
        let first = rows.iter().find(|other| other.page == row.page);
        let growth = first.map_or(1.0, |f| row.instructions as f64 / f.instructions as f64);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {growth:.2} × | {} | {} |",
            row.page.name(),
            words::count(row.articles),
            words::count(row.instructions),
            words::milliseconds(row.cpu_ms),
            words::milliseconds(row.database_cpu_ms),
        );
    }
    text
}

/// One line per change: what it did to the instructions of a page, in both architectures.
fn changes(changes: &[Change]) -> String {
    let mut text = String::from(
        "| change | | database | home, monolith | home, split | mix, monolith | mix, split | why |\n\
         |---|---|---|--:|--:|--:|--:|---|\n",
    );
    for change in changes {
        let Change { what, kept, why, database, .. } = change;
        let kept = if *kept { "kept" } else { "rejected" };
        let effects = [Replay::Home, Replay::Mix]
            .into_iter()
            .flat_map(|replay| ["monolith", "split-"].map(|arm| effect(change, replay, arm)));
        let effects: Vec<String> = effects.collect();
        let _ =
            writeln!(text, "| {what} | {kept} | {database} | {} | {why} |", effects.join(" | "));
    }
    text
}

/// The change in instructions of all processes of an arm together.
fn effect(change: &Change, replay: Replay, arm: &str) -> String {
    let total = |counts: &Counts| {
        let of_arm = |processes: &BTreeMap<String, Cost>| -> u64 {
            let ours = processes.iter().filter(|(process, _)| process.starts_with(arm));
            ours.map(|(_, cost)| cost.instructions).sum()
        };
        counts.0.get(&replay).map(of_arm).filter(|sum| *sum > 0)
    };
    match (total(&change.before), total(&change.after)) {
        (Some(before), Some(after)) => words::change(after as f64 / before as f64),
        (None, Some(after)) => words::count(after),
        _ => "–".to_owned(),
    }
}
