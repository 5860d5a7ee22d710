//! The tables of `docs/performance.md`: what a page takes, and what every change came to. From the
//! figures in force and the list of changes, never typed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    path::{Path, PathBuf},
};

use super::{
    finding, grid,
    readme::update_block,
    spans::spans,
    syscalls::{syscalls_by_rung, syscalls_table},
};
use crate::{
    count::{
        Ability, Beside, Change, Cost, Counts, Growth, Misses, Replay, Stored, Syscalls, Upkeep,
    },
    experiment,
    judge::{summarise, summary::Summary},
    record::Run,
    stats::Estimate,
    words,
};

/// Markdown for between the markers, from the figures in force and the runs that are published.
///
/// # Errors
/// When a run can't be judged.
pub fn performance_tables(stored: &Stored, published: &[(PathBuf, Run)]) -> anyhow::Result<String> {
    let mut text = String::new();
    for (database, counts) in &stored.counts {
        let _ = writeln!(text, "### What one page takes, on {database}\n\n{}", in_force(counts));
    }
    for (_, run) in published.iter().filter(|(_, run)| run.grid.is_some()) {
        let card = experiment::find(&run.experiment)?.card;
        let tables = grid_tables(run, &summarise(run)?);
        let (preset, seed, day) = (&run.preset, run.seed, run.started.date_naive());
        let title = format!("{} On {}, {preset}, seed {seed}, {day}", card.title, run.database);
        let _ = writeln!(text, "### {title}\n\n{tables}");
    }
    let title = "What a page takes with more data";
    text += &by_database(title, &stored.growth, |row| &row.database, growth_table);
    let title = "What a server takes by being there";
    text += &by_database(title, &stored.upkeep, |row| &row.database, upkeep_table);
    let title = "What the home page misses in the caches of a processor";
    text += &by_database(title, &stored.caches, |row| &row.database, caches_table);
    let title = "What a page asks of the kernel";
    let syscalls = |rows: &[Syscalls]| syscalls_table(rows) + "\n" + &syscalls_by_rung(rows);
    text += &by_database(title, &stored.syscalls, |row| &row.database, syscalls);
    let title = "What a call spends its time on, rung by rung";
    text += &by_database(title, &stored.spans, |row| &row.database, spans);
    if !stored.generators.is_empty() {
        let title = "### The lab's load generator beside others";
        let _ = writeln!(text, "{title}\n\n{}", generators_table(&stored.generators));
    }
    let _ = writeln!(text, "### What was changed\n\n{}", changes(&stored.changes));
    Ok(words::plain(text))
}

/// A section for each database that there are rows of.
fn by_database<Row: Clone>(
    title: &str,
    rows: &[Row],
    database: impl Fn(&Row) -> &str,
    shown: impl Fn(&[Row]) -> String,
) -> String {
    let databases: BTreeSet<&str> = rows.iter().map(&database).collect();
    let section = |name: &str| {
        let of_it = rows.iter().filter(|row| database(row) == name);
        let of_it: Vec<Row> = of_it.cloned().collect();
        format!("### {title}, on {name}\n\n{}\n", shown(&of_it))
    };
    databases.into_iter().map(section).collect()
}

/// Writes the tables into the document.
///
/// # Errors
/// When it can't be read or written, or has no markers, or a run can't be judged.
pub fn update_performance(
    path: &Path,
    stored: &Stored,
    published: &[(PathBuf, Run)],
) -> anyhow::Result<()> {
    update_block(path, &performance_tables(stored, published)?)
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

/// A grid's cells, then its figures and the most that they may be.
fn grid_tables(run: &Run, summary: &Summary) -> String {
    let mut text = String::from(
        "| what | CPU, servers | CPU, PostgreSQL | latency p50 |\n|---|--:|--:|--:|\n",
    );
    for [cell, servers, database, p50, _] in grid::table(summary) {
        let _ = writeln!(text, "| {cell} | {servers} | {database} | {p50} |");
    }
    let _ = writeln!(text, "\n| claim | found, 95 % interval | |\n|---|---|---|");
    for (finding, verdict) in summary.findings.iter().zip(&summary.verdicts) {
        let outcome = words::outcome(verdict.outcome);
        let _ = writeln!(text, "| {} | {} | {outcome} |", finding.claim, finding.in_words());
    }
    let commit = words::commit(&run.build.commit);
    let _ =
        writeln!(text, "\nMeasured on {}, commit {commit}; `{}`.", run.machine.cpu, run.command);
    if let Some(sentence) = finding::controls(summary) {
        let _ = writeln!(text, "{}", sentence.text());
    }
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

/// One line per server.
pub fn upkeep_table(rows: &[Upkeep]) -> String {
    let mut text = String::from(
        "| server | program | start to first 200, median (longest) | memory then | after pages | memory then |\n\
         |---|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let [median, longest] = row.first_ok_ms.map(words::milliseconds);
        let _ = writeln!(
            text,
            "| {} | {:.1} MB | {median} ({longest}) | {} MiB | {} | {} MiB |",
            row.role,
            row.program_bytes as f64 / 1e6,
            row.started_mib,
            words::count(row.pages),
            row.working_mib,
        );
    }
    text
}

/// One line per server.
pub fn caches_table(rows: &[Misses]) -> String {
    let mut text = String::from(
        "| process | instructions | code, not in L1 | data, not in L1 | code, not in L2 | data, not in L2 |\n\
         |---|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let Misses { instructions, code, data, far_code, far_data, .. } = row;
        let figures = [instructions, code, data, far_code, far_data].map(|n| words::count(*n));
        let _ = writeln!(text, "| {} | {} |", row.role, figures.join(" | "));
    }
    text
}

/// One line per ability.
pub fn generators_table(rows: &[Beside]) -> String {
    let mut text = String::from(
        "| what | the lab | another | the lab's against that, 95 % interval | has to be | |\n\
         |---|--:|--:|--:|--:|---|\n",
    );
    for row in rows {
        let (what, level): (_, fn(f64) -> String) = match row.ability {
            Ability::Rate => {
                ("requests for a static file, in a second of the generator's CPU", |level| {
                    words::count(level.round() as u64)
                })
            }
            Ability::Latency => {
                ("median latency of home pages, 500 a second, from when due", words::milliseconds)
            }
            Ability::Service => {
                ("the same from when the timer woke, as oha has it", words::milliseconds)
            }
            Ability::Cost => ("CPU of the monolith for a home page", words::milliseconds),
        };
        let [lab, other] = row.levels.map(level);
        let Estimate { value, low, high } = row.ratio;
        let bounds = match row.ability.bounds() {
            [least, most] if most.is_finite() => format!("{least:.2} to {most:.2} ×"),
            [least, _] => format!("{least:.2} × or more"),
        };
        let holds = match row.holds() {
            Some(true) => "it is",
            Some(false) => "it is not",
            None => "not decided",
        };
        let _ = writeln!(
            text,
            "| {what} | {lab} | {other} ({}) | {value:.3} × [{low:.3}, {high:.3}], {} pairs | {bounds} | {holds} |",
            row.other, row.pairs,
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
        let Change { what, kept, why, database, figures, .. } = change;
        let said = figures.iter().map(ToString::to_string);
        let why = [why.clone()].into_iter().chain(said).collect::<Vec<_>>().join("; ");
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
