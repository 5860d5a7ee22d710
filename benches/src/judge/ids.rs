//! What questions are called in files: names that stay the same from run to run, where the words of a
//! claim may hold a number that does not.

use super::interfered::Asked;
use super::summary::{Metric, Summary};
use super::{deploys, durability, foreseen, ticks};
use crate::experiment::{self, Design};
use crate::grid::{Quantity, Series};
use crate::record::Run;

/// The id of each verdict's question, in their order.
///
/// # Errors
/// When the run names an experiment or preset that this program doesn't know.
pub fn question_ids(run: &Run, summary: &Summary) -> anyhow::Result<Vec<String>> {
    let ids: Vec<String> = match experiment::find(&run.experiment)?.design {
        Design::Contrast { questions, .. } => {
            questions.iter().map(|question| name(question.metric)).collect()
        }
        Design::Families { .. } => {
            let id = |family: &super::summary::Family| {
                let [_, second] = family.comparison.arms();
                format!("{}.{}", second.name(), name(family.metric))
            };
            summary.families.iter().map(id).collect()
        }
        Design::Grid(grid) | Design::Replicas(grid) => {
            let grid = grid(run.preset.parse()?, &run.database);
            grid.rules.iter().map(|rule| of_quantity(&rule.quantity)).collect()
        }
        Design::Scaling(_) => {
            let mixes = summary.scaled.iter().flat_map(|scaled| &scaled.mixes);
            let goodput = |mix: &str| format!("{}.{mix}", name(Metric::Goodput));
            let of_mixes = mixes.map(|of| goodput(&slug(&of.mix)));
            let predictions = summary.scaled.iter().filter(|scaled| scaled.foretold.is_some());
            let predictions = predictions.flat_map(|_| foreseen::QUESTIONS);
            let predictions = predictions.map(|question| format!("predicted.{question}"));
            std::iter::once(goodput("some-mix")).chain(of_mixes).chain(predictions).collect()
        }
        Design::Durability(_) => durability::QUESTIONS.map(str::to_owned).to_vec(),
        Design::Deploys(_) => deploys::QUESTIONS.map(str::to_owned).to_vec(),
        Design::Ticks(_) => ticks::QUESTIONS.map(str::to_owned).to_vec(),
        Design::Interference(_) => {
            let places = summary.interfered.iter().flat_map(|it| it.rules(Asked::Late));
            let of_places = places.map(|rule| format!("late.{}", rule.place.name()));
            ["necessary.late", "necessary.p99"]
                .map(str::to_owned)
                .into_iter()
                .chain(of_places)
                .collect()
        }
    };
    Ok(ids.into_iter().map(|id| format!("{}.{id}", run.experiment)).collect())
}

/// A metric as it stands in every file of the lab.
pub fn name(metric: Metric) -> String {
    let written = serde_json::to_value(metric).ok();
    written.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

fn of_quantity(quantity: &Quantity) -> String {
    let last = |series: &Series| series.last().map(|(_, cell)| cell.clone()).unwrap_or_default();
    let p50 = &Metric::P50;
    let (kind, metric, cells) = match quantity {
        Quantity::Level(metric, cell) => ("level", metric, vec![cell.clone()]),
        Quantity::Ratio(metric, cells) => ("ratio", metric, cells.to_vec()),
        Quantity::Added(metric, cells) => ("added", metric, cells.to_vec()),
        Quantity::Difference(metric, cells) => ("difference", metric, cells.to_vec()),
        Quantity::PerCall { at, .. } => ("per-call", p50, vec![last(at)]),
        Quantity::Overhead { at, .. } => ("overhead", p50, vec![last(at)]),
        Quantity::OfTheory { at, .. } => ("of-theory", p50, vec![last(at)]),
        Quantity::OfWhole { at, .. } => ("of-whole", p50, vec![at.clone()]),
    };
    let cells: Vec<String> = cells.iter().map(|cell| slug(cell)).collect();
    format!("{kind}.{}.{}", name(*metric), cells.join("."))
}

/// Letters and digits, and a hyphen for whatever lies between them.
fn slug(text: &str) -> String {
    // A comma within a number separates nothing.
    let text = text.to_lowercase().replace(", ", " ").replace(',', "");
    let words = text.split(|character: char| !character.is_alphanumeric());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}
