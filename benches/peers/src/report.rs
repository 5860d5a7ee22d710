//! What was measured, as a table and as JSON.

use comfy_table::{Table, presets::UTF8_HORIZONTAL_ONLY};
use serde_json::{Value, json};

use crate::rounds::{Comparison, Plan, Turn};

/// The number of jobs below which a 99th percentile is a few chance values.
const ENOUGH_FOR_P99: u32 = 9_500;

/// A figure of a turn, and how to say it.
struct Figure {
    name: &'static str,
    unit: &'static str,
    /// How many jobs must have been enqueued for it to mean something.
    enqueues: u32,
    of: fn(&Turn) -> f64,
}

const FIGURES: [Figure; 3] = [
    Figure { name: "throughput", unit: "jobs/s", enqueues: 0, of: |turn| turn.throughput },
    Figure { name: "enqueue p50", unit: "µs", enqueues: 100, of: |turn| turn.enqueue_p50 },
    Figure {
        name: "enqueue p99",
        unit: "µs",
        enqueues: ENOUGH_FOR_P99,
        of: |turn| turn.enqueue_p99,
    },
];

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

/// One row: a figure of both, and the ratio of each round.
struct Row<'a> {
    database: &'a str,
    figure: &'static Figure,
    peer_name: &'a str,
    ours: Spread,
    peer: Spread,
    ratio: Spread,
}

fn rows<'a>(comparisons: &'a [Comparison], plan: &Plan) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    for Comparison { database, ours, peer } in comparisons {
        for figure in &FIGURES {
            if figure.enqueues > plan.enqueues {
                continue;
            }
            let values = |turns: &[Turn]| turns.iter().map(figure.of).collect::<Vec<_>>();
            let (ours, theirs) = (values(&ours.turns), values(&peer.turns));
            let ratio = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
            rows.push(Row {
                database,
                figure,
                peer_name: &peer.name,
                ours: Spread::of(ours),
                peer: Spread::of(theirs),
                ratio: Spread::of(ratio),
            });
        }
    }
    rows
}

/// Prints the table.
pub(crate) fn print(comparisons: &[Comparison], plan: &Plan) {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header(["database", "figure", "ours", "peer", "peer's", "ours / peer"]);
    for row in rows(comparisons, plan) {
        table.add_row([
            row.database.to_owned(),
            format!("{}, {}", row.figure.name, row.figure.unit),
            row.ours.text(0),
            row.peer_name.to_owned(),
            row.peer.text(0),
            row.ratio.text(2),
        ]);
    }
    println!("{table}");
    println!(
        "{} rounds in turn, each of {} jobs and {} enqueued one by one: the median, and the least \
         and the most of a round.",
        plan.rounds, plan.jobs, plan.enqueues
    );
    if plan.enqueues < ENOUGH_FOR_P99 {
        println!("No p99 of fewer than {ENOUGH_FOR_P99} jobs a round.");
    }
    for Comparison { database, ours, .. } in comparisons {
        println!("{database}: {}, for both", ours.durability);
    }
}

/// Everything that was measured.
pub(crate) fn document(comparisons: &[Comparison], plan: &Plan) -> Value {
    let summary: Vec<_> = rows(comparisons, plan)
        .iter()
        .map(|row| {
            json!({
                "database": row.database,
                "figure": row.figure.name,
                "unit": row.figure.unit,
                "peer": row.peer_name,
                "ours": row.ours.json(),
                "theirs": row.peer.json(),
                "ratio": row.ratio.json(),
            })
        })
        .collect();
    json!({ "plan": plan, "summary": summary, "measured": comparisons })
}
