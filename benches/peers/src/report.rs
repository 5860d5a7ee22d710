//! What was measured, as a table and as JSON.

use anyhow::Context;
use comfy_table::{Table, TableStyle, presets};
use serde_json::{Value, json};

use crate::rounds::{Comparison, Plan, Turn};

/// The number of jobs below which a 99th percentile is a few chance values.
const ENOUGH_FOR_P99: u32 = 9_500;

/// The backlog below which processor time, counted in hundredths of a second, is too coarse.
const ENOUGH_FOR_CPU: u32 = 5_000;

/// Several rounds' values of one figure: their median, and the smallest and the largest.
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let (lower, upper) = ((values.len() - 1) / 2, values.len() / 2);
        let median = f64::midpoint(values[lower], values[upper]);
        Self { median, least: values[0], most: values[values.len() - 1] }
    }

    fn json(&self) -> Value {
        json!({ "median": self.median, "least": self.least, "most": self.most })
    }

    fn text(&self, decimals: usize) -> String {
        let Self { median, least, most } = self;
        format!("{median:.decimals$} ({least:.decimals$} to {most:.decimals$})")
    }
}

/// One figure of both queues, and the ratio of each round.
struct Row<'a> {
    database: &'a str,
    figure: String,
    unit: &'static str,
    peer_name: &'a str,
    ours: Spread,
    peer: Spread,
    ratio: Spread,
}

impl<'a> Row<'a> {
    fn of(
        comparison: &'a Comparison,
        figure: impl Into<String>,
        unit: &'static str,
        value: impl Fn(&Turn) -> f64,
    ) -> Self {
        let Comparison { database, ours, peer } = comparison;
        let values = |turns: &[Turn]| turns.iter().map(&value).collect::<Vec<_>>();
        let (ours, theirs) = (values(&ours.turns), values(&peer.turns));
        let ratio = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
        Self {
            database,
            figure: figure.into(),
            unit,
            peer_name: &peer.name,
            ours: Spread::of(ours),
            peer: Spread::of(theirs),
            ratio: Spread::of(ratio),
        }
    }
}

fn rows<'a>(comparisons: &'a [Comparison], plan: &Plan) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    for comparison in comparisons {
        for (index, backlog) in plan.backlogs.iter().enumerate() {
            let figure = format!("throughput, {backlog} waiting");
            let throughput = |turn: &Turn| turn.drains[index].throughput;
            rows.push(Row::of(comparison, figure, "jobs/s", throughput));
            if *backlog >= ENOUGH_FOR_CPU {
                let figure = format!("processor, {backlog} waiting");
                rows.push(Row::of(comparison, figure, "µs/job", |turn| turn.drains[index].cpu));
            }
        }
        if plan.enqueues > 0 {
            rows.push(Row::of(comparison, "enqueue p50", "µs", |turn| turn.enqueue_p50));
        }
        if plan.enqueues >= ENOUGH_FOR_P99 {
            rows.push(Row::of(comparison, "enqueue p99", "µs", |turn| turn.enqueue_p99));
        }
    }
    rows
}

/// Between these lines of a document stands what was measured.
const MARKERS: [&str; 2] = ["<!-- figures:begin -->\n", "<!-- figures:end -->"];

/// Prints the table, and what to know about it.
pub(crate) fn print(comparisons: &[Comparison], plan: &Plan) {
    println!("{}", table(comparisons, plan, presets::NOTHING));
    println!("{}", remarks(comparisons, plan).join("\n"));
}

/// The document with the table in place of what stood between its markers.
///
/// # Errors
/// It has no markers.
pub(crate) fn into_document(
    text: &str,
    comparisons: &[Comparison],
    plan: &Plan,
) -> anyhow::Result<String> {
    let [begin, end] = MARKERS;
    let parts = text
        .split_once(begin)
        .and_then(|(before, rest)| rest.split_once(end).map(|(_, after)| (before, after)));
    let (before, after) = parts.with_context(|| format!("no {} in it", begin.trim_end()))?;
    let table = table(comparisons, plan, presets::ASCII_MARKDOWN);
    let remarks = remarks(comparisons, plan).join("\n");
    Ok(format!("{before}{begin}{table}\n\n{remarks}\n{end}{after}"))
}

fn table(comparisons: &[Comparison], plan: &Plan, style: TableStyle) -> Table {
    let mut table = Table::new();
    table.load_style(style);
    table.set_header(["database", "figure", "ours", "peer", "peer's", "ours / peer"]);
    for row in rows(comparisons, plan) {
        table.add_row([
            row.database.to_owned(),
            format!("{}, {}", row.figure, row.unit),
            row.ours.text(0),
            row.peer_name.to_owned(),
            row.peer.text(0),
            row.ratio.text(2),
        ]);
    }
    table
}

fn remarks(comparisons: &[Comparison], plan: &Plan) -> Vec<String> {
    let mut remarks = vec![format!(
        "{} rounds in turn: the median, and the least and the most of a round. Enqueued one by one: \
         {} a round.",
        plan.rounds, plan.enqueues
    )];
    if plan.enqueues < ENOUGH_FOR_P99 {
        remarks.push(format!("No p99 of fewer than {ENOUGH_FOR_P99} a round."));
    }
    for Comparison { database, ours, .. } in comparisons {
        remarks.push(format!("{database}: {}, for both.", ours.durability));
    }
    remarks
}

/// Everything that was measured.
pub(crate) fn document(comparisons: &[Comparison], plan: &Plan) -> Value {
    let summary: Vec<_> = rows(comparisons, plan)
        .iter()
        .map(|row| {
            json!({
                "database": row.database,
                "figure": row.figure,
                "unit": row.unit,
                "peer": row.peer_name,
                "ours": row.ours.json(),
                "theirs": row.peer.json(),
                "ratio": row.ratio.json(),
            })
        })
        .collect();
    json!({ "plan": plan, "summary": summary, "measured": comparisons })
}
