//! `lab compare`: what changed between two runs, for the terminal.

use chrono::{DateTime, Utc};

use super::terminal::{columns, finished, plain};
use crate::circumstances;
use crate::experiment;
use crate::judge::changes::{Change, Changes, Kind, VerdictChange, changes};
use crate::judge::summary::Metric;
use crate::record::Run;
use crate::stats::Estimate;
use crate::words;

/// Compares two runs, in at most 100 columns.
///
/// # Errors
/// When they are of different experiments, or one can't be judged.
pub fn compare(runs: [&Run; 2]) -> anyhow::Result<String> {
    compared(runs, &changes(runs)?)
}

pub(super) fn compared(runs: [&Run; 2], changes: &Changes) -> anyhow::Result<String> {
    let card = experiment::find(&runs[0].experiment)?.card;
    let when = |at: DateTime<Utc>| at.format("%-d %B %Y, %H:%M UTC").to_string();
    let mut names = plain();
    for (letter, run) in ["A", "B"].into_iter().zip(runs) {
        names.add_row([letter, &run.id, &when(run.started), &run.preset]);
    }
    Ok(finished([
        format!("{}  {}", card.id, card.title),
        names.to_string(),
        around(changes),
        verdicts(changes),
        effects(changes),
        levels(changes),
        conclusion(changes),
    ]))
}

fn around(changes: &Changes) -> String {
    let alike = words::list(&changes.alike);
    let mut same = plain();
    if changes.circumstances.is_empty() {
        same.add_row([format!("The same in both: {alike}.")]);
        return same.to_string();
    }
    let mut table = columns(["what differs around them", "A", "B"], 0);
    for (name, both) in &changes.circumstances {
        let [a, b] = both.each_ref().map(|text| short(name, text));
        table.add_row([name, &a, &b]);
    }
    if !alike.is_empty() {
        same.add_row([format!("The same in both: {alike}.")]);
    }
    format!("{table}\n{same}")
}

/// A commit as short as people write it, everything else as it is.
fn short(name: &str, text: &str) -> String {
    const DIGITS: usize = 12;
    match text.split_at_checked(DIGITS) {
        Some((digits, rest)) if name == circumstances::COMMIT => {
            digits.to_owned() + rest.trim_start_matches(|c: char| c.is_ascii_hexdigit())
        }
        _ => text.to_owned(),
    }
}

fn verdicts(changes: &Changes) -> String {
    let mut table = columns(["verdict", "A", "B", ""], 0);
    for verdict in &changes.verdicts {
        let [a, b] = verdict.outcomes.map(words::outcome);
        table.add_row([&verdict.question, a, b, became(verdict)]);
    }
    table.to_string()
}

/// What became of a verdict. Only two decided ones can contradict each other.
fn became(verdict: &VerdictChange) -> &'static str {
    match verdict.decided() {
        _ if verdict.outcomes[0] == verdict.outcomes[1] => "= same",
        [true, true] => "≠ FLIPPED",
        [true, false] => "≠ open now",
        [false, true] => "≠ decided now",
        [false, false] => "= open in both",
    }
}

fn effects(changes: &Changes) -> String {
    let head = match changes.effects.first().map(|effect| &effect.kind) {
        Some(Kind::Figure(_)) => "figure",
        _ => "split / monolith",
    };
    let mut text = plain();
    for (letter, in_second) in [("A", false), ("B", true)] {
        let only = changes.one_sided.iter().filter(|(_, second)| *second == in_second);
        let names: Vec<&str> = only.map(|(name, _)| name.as_str()).collect();
        if !names.is_empty() {
            text.add_row([format!("Only in {letter}: {}.", names.join("; "))]);
        }
    }
    if !changes.uncertain.is_empty() {
        let names = changes.uncertain.join("; ");
        text.add_row([format!("Too uncertain to be compared: {names}.")]);
    }
    format!("{}\n{text}", both(head, &changes.effects)).trim_end().to_owned()
}

fn levels(changes: &Changes) -> String {
    both(words::metric(Metric::CpuServers), &changes.levels)
}

/// Estimates of both runs side by side.
fn both(head: &str, changes: &[Change]) -> String {
    if changes.is_empty() {
        return String::new();
    }
    let mut table = columns([head, "A", "B", "B against A"], 3);
    let mut above = None;
    for Change { page, name, kind, values, change } in changes {
        let shown = |value: Estimate| match kind {
            Kind::Ratio => words::change_with_interval(value),
            Kind::Level => words::level_with_interval(Metric::CpuServers, value),
            Kind::Figure(unit) => {
                let Estimate { value, low, high } = value;
                format!("{value:.2} {unit} [{low:.2}, {high:.2}]")
            }
        };
        let [a, b] = values.map(shown);
        if *page != above {
            table.add_row(*page);
            above = *page;
        }
        let indent = if page.is_some() { "  " } else { "" };
        let label = format!("{indent}{name}");
        table.add_row([label, a, b, marked(*change)]);
    }
    table.to_string()
}

/// A change, and whether it is one.
fn marked(change: Estimate) -> String {
    let mark = if change.contains(1.0) { '=' } else { '≠' };
    format!("{mark} {}", words::change_with_interval(change))
}

fn conclusion(changes: &Changes) -> String {
    let differ = |changes: &[Change]| {
        let different = changes.iter().filter(|change| change.differs()).count();
        format!("{different} of {}", changes.len())
    };
    let verdicts = changes.verdicts.iter().filter(|verdict| verdict.differs()).count();
    let compared = changes.effects.len() + changes.levels.len();
    let mut text = plain();
    text.add_row([format!(
        "{verdicts} of {} verdicts, {} effects and {} levels of CPU differ.",
        changes.verdicts.len(),
        differ(&changes.effects),
        differ(&changes.levels),
    )]);
    if compared > 0 {
        text.add_row([format!(
            "≠ marks an interval of \"B against A\" without 0 in it. These are {:.1} % intervals, so \
             that all {compared} together raise a false alarm in at most 5 of 100 comparisons; = means \
             that no difference was found, not that there is none. Intervals cover what restarts vary \
             by, not what may differ from day to day or between machines.",
            changes.confidence * 100.0
        )]);
    }
    text.to_string()
}
