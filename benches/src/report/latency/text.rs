//! The same in Markdown: for `report.md`, and for a README.

use super::{WHY, level, rule, versions, why_all};
use crate::{
    count::How,
    experiments::x2,
    judge::{
        summarise,
        summary::{Derived, Metric, Summary},
    },
    record::Run,
    report::readme::source,
    words,
};

/// What `report.md` has of it: the rule of thumb, what was derived, and how the links kept to their
/// length. Nothing for other designs.
pub(in crate::report) fn markdown(run: &Run, summary: &Summary) -> Option<String> {
    if summary.derived.is_empty() {
        return None;
    }
    let mut text = String::new();
    if let Some(rule) = rule(summary) {
        text += &format!("{}\n\n", rule.text());
    }
    text += "| Figure | |\n|---|--:|\n";
    // Ratios are changes, and stand in a table of their own.
    for Derived { name, found, .. } in summary.derived.iter().filter(|it| it.unit != "×") {
        let shown = found.map_or_else(
            || "needs more rounds".to_owned(),
            |found| words::level_with_interval(Metric::P50, found),
        );
        text += &format!("| {name} | {shown} |\n");
    }
    text += &table(WHY, why_all(summary));
    text += &table(versions::HEADS, versions::table(summary));
    let trials = || run.grid.iter().flat_map(|cells| &cells.trials);
    let linked = trials().filter(|trial| trial.link.is_some()).count();
    let void = trials().filter(|trial| trial.void.is_some()).count();
    text += &format!(
        "\n{void} of {linked} trials over a link were void, because its median delay was off by more \
         than 10 %; each was measured anew.\n"
    );
    Some(text)
}

/// Rows under their heads; nothing where there are none.
fn table<const N: usize>(heads: [&str; N], rows: Vec<[String; N]>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut text = format!("\n| {} |\n|---|{}\n", heads.join(" | "), "--:|".repeat(N - 1));
    for row in rows {
        text += &format!("| {} |\n", row.join(" | "));
    }
    text
}

/// What a README has of a run of x2: verdicts, the rule of thumb, and what a page takes in each place.
/// Nothing for other experiments.
///
/// # Errors
/// When the run can't be judged.
pub(in crate::report) fn readme(run: &Run) -> anyhow::Result<Option<String>> {
    if run.experiment != x2::EXPERIMENT.card.id {
        return Ok(None);
    }
    let summary = summarise(run)?;
    let mut text = String::new();
    for verdict in &summary.verdicts {
        let outcome = words::capitalised(words::outcome(verdict.outcome));
        text += &format!("- **{outcome}:** {}.\n", verdict.question);
    }
    text += &rule(&summary).map_or_else(String::new, |rule| format!("\n{}\n", rule.text()));
    let mut places = vec![x2::HOME.to_owned(), x2::NEXT_DOOR.to_owned()];
    places.extend(x2::RTTS_US[1..].iter().map(|rtt_us| x2::link(*rtt_us)));
    text += &format!("\n| latency p50 | {} |\n|---|--:|--:|--:|--:|--:|\n", places.join(" | "));
    for (what, how, articles) in [
        ("1 call", How::Sequential, 1),
        ("12 calls in turn", How::Sequential, 12),
        ("12 calls at once", How::Concurrent, 12),
        ("12 articles in 1 call", How::Batched, 12),
    ] {
        let shown = |place: &String| {
            let found = level(&summary, &x2::name(place, how, articles), Metric::P50);
            found.map_or_else(String::new, |found| words::level_with_interval(Metric::P50, found))
        };
        let cells: Vec<String> = places.iter().map(shown).collect();
        text += &format!("| {what} | {} |\n", cells.join(" | "));
    }
    let rounds = summary.findings.first().map_or(0, |finding| finding.rounds);
    text += &source(run, &summary, &format!("{rounds} rounds"));
    Ok(Some(words::plain(text)))
}
