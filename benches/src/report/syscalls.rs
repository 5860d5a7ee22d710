//! What a page asks of the kernel, as a table, and what each rung adds, in words.

use std::{collections::BTreeMap, fmt::Write};

use super::rungs::{Rung, added};
use crate::{
    count::{OTHERS, Syscalls},
    experiments::ladder,
    words,
};

/// Kinds that a process makes less often than this in every row don't have a column of their own.
const RARE: f64 = 0.1;

/// A rung's change in one kind that is not told: smaller ones come and go.
const SMALL: f64 = 0.25;

/// One line per process, one column per kind of call.
pub fn syscalls_table(rows: &[Syscalls]) -> String {
    let mut kinds: BTreeMap<&str, f64> = BTreeMap::new();
    for (kind, often) in rows.iter().flat_map(|row| &row.calls) {
        let most = kinds.entry(kind).or_default();
        *most = most.max(*often);
    }
    let mut kinds: Vec<(&str, f64)> =
        kinds.into_iter().filter(|(kind, most)| *most >= RARE && *kind != OTHERS).collect();
    kinds.sort_by(|a, b| b.1.total_cmp(&a.1));
    let names: Vec<&str> = kinds.iter().map(|(kind, _)| *kind).collect();
    let mut text = format!(
        "| what | process | all | {} | others |\n|---|---|--:|{}--:|\n",
        names.join(" | "),
        "--:|".repeat(names.len())
    );
    for row in rows {
        let of = |kind: &&str| row.calls.get(*kind).copied().unwrap_or_default();
        let shown: Vec<String> = names.iter().map(|kind| often(of(kind))).collect();
        let others = row.total() - names.iter().map(of).sum::<f64>();
        // Writing to a String can't fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            row.what,
            row.process,
            often(row.total()),
            shown.join(" | "),
            often(others)
        );
    }
    text
}

/// How often per page; nothing where it is never.
fn often(times: f64) -> String {
    if times < 0.05 { String::new() } else { format!("{times:.1}") }
}

/// A paragraph: what each rung adds to the one before it, all its processes together. Nothing where
/// there are no rungs.
pub fn syscalls_by_rung(rows: &[Syscalls]) -> String {
    let rungs: Vec<Rung<'_>> = ladder::next_door()
        .into_iter()
        .map(|(rung, ..)| (rung.clone(), of_rung(rows, &rung)))
        .filter(|(_, calls)| !calls.is_empty())
        .collect();
    let (Some((first, calls)), Some(row)) = (rungs.first(), rows.first()) else {
        return String::new();
    };
    format!(
        "A page by {first} makes {:.1} system calls. Against the rung before it: {}. Counted by {} over \
         {} pages, one after the other.\n",
        calls.values().sum::<f64>(),
        added(&rungs, SMALL),
        row.tracer,
        words::count(row.pages),
    )
}

/// The system calls of all processes of a rung together.
fn of_rung<'a>(rows: &'a [Syscalls], rung: &str) -> BTreeMap<&'a str, f64> {
    let mut calls = BTreeMap::new();
    for (kind, often) in rows.iter().filter(|row| row.what == rung).flat_map(|row| &row.calls) {
        *calls.entry(kind.as_str()).or_default() += often;
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(what: &str, process: &str, calls: &[(&str, f64)]) -> Syscalls {
        Syscalls {
            database: "sqlite".into(),
            what: what.into(),
            process: process.into(),
            calls: calls.iter().map(|(kind, often)| ((*kind).to_owned(), *often)).collect(),
            pages: 1_000,
            tracer: "perf".into(),
        }
    }

    fn rows() -> Vec<Syscalls> {
        let home = [("futex", 4.0), ("recvfrom", 1.0), ("sendto", 1.0), ("madvise", 0.01)];
        vec![
            row("function call", "monolith", &home),
            row("JSON", "monolith", &home),
            row("Unix socket", "split-backend", &[("futex", 5.0), ("recvfrom", 1.0)]),
            row("Unix socket", "split-frontend", &[("futex", 1.5), ("recvfrom", 2.0)]),
            row("home page, floor", "floor", &home),
        ]
    }

    #[test]
    fn a_kind_that_somebody_makes_has_a_column() {
        let table = syscalls_table(&rows());
        let expected = "| what | process | all | futex | recvfrom | sendto | others |\n\
                        |---|---|--:|--:|--:|--:|--:|\n\
                        | function call | monolith | 6.0 | 4.0 | 1.0 | 1.0 |  |\n";
        assert!(table.starts_with(expected), "{table}");
        assert!(table.contains("| Unix socket | split-frontend | 3.5 | 1.5 | 2.0 |  |  |"));
    }

    #[test]
    fn a_rung_is_told_by_what_it_adds_with_all_its_processes() {
        let text = syscalls_by_rung(&rows());
        assert_eq!(
            text,
            "A page by function call makes 6.0 system calls. Against the rung before it: **JSON** \
             +0.0, of no kind in particular; **Unix socket** +3.5 (+2.5 futex, +2.0 recvfrom, \
             \u{2212}1.0 sendto). Counted by perf over 1,000 pages, one after the other.\n"
        );
        assert_eq!(syscalls_by_rung(&[]), "");
    }
}
