//! Numbers and names as people read them, the same in the terminal, the report and the README.

use crate::jobs::{Job, Kind, Place};
use crate::judge::summary::{Metric, Outcome};
use crate::record::{Comparison, Page};
use crate::scaling::{Reaction, Stage};
use crate::stats::Estimate;

/// Keeps a number and its unit on one line.
const NBSP: char = '\u{a0}';

/// A ratio as a change: 1.312 is `+31.2 %`.
pub fn change(ratio: f64) -> String {
    format!("{}{NBSP}%", signed((ratio - 1.0) * 100.0, 1))
}

/// A ratio as a change, with its interval: `+31.2 % [+30.1, +32.3]`.
pub fn change_with_interval(ratio: Estimate) -> String {
    let Estimate { value, low, high } = ratio.map(|x| (x - 1.0) * 100.0);
    format!("{}{NBSP}%{NBSP}[{},{NBSP}{}]", signed(value, 1), signed(low, 1), signed(high, 1))
}

/// A difference with its interval and unit: `+0.13 ms [+0.12, +0.14]`.
pub fn difference(metric: Metric, d: Estimate) -> String {
    let digits = if metric == Metric::Goodput { 0 } else { decimals(d.value) };
    format!(
        "{}{NBSP}{}{NBSP}[{},{NBSP}{}]",
        signed(d.value, digits),
        unit(metric),
        signed(d.low, digits),
        signed(d.high, digits)
    )
}

/// A level with its unit: `0.414 ms`, `2,140 /s`.
pub fn level(metric: Metric, value: f64) -> String {
    match metric {
        Metric::Goodput => format!("{}{NBSP}/s", count(value.round() as u64)),
        Metric::Hits => format!("{:.1}{NBSP}%", value * 100.0),
        Metric::Statements => format!("{value:.*}", decimals(value)),
        _ => milliseconds(value),
    }
}

/// A level with its interval and unit: `0.414 ms [0.410, 0.418]`.
pub fn level_with_interval(metric: Metric, level: Estimate) -> String {
    let Estimate { value, low, high } = level;
    if metric == Metric::Goodput {
        let [value, low, high] = [value, low, high].map(|x| count(x.max(0.0).round() as u64));
        return format!("{value}{NBSP}/s{NBSP}[{low},{NBSP}{high}]");
    }
    if metric == Metric::Hits {
        let [value, low, high] = [value, low, high].map(|share| share * 100.0);
        return format!("{value:.1}{NBSP}%{NBSP}[{low:.1},{NBSP}{high:.1}]");
    }
    let digits = decimals(value);
    let unit = unit(metric);
    let space = if unit.is_empty() { "" } else { "\u{a0}" };
    let [value, low, high] = [value, low, high].map(|x| number(x, digits));
    format!("{value}{space}{unit}{NBSP}[{low},{NBSP}{high}]")
}

/// A difference of shares in percentage points, with its interval: `+1.20 points [+0.80, +1.60]`.
pub fn points_with_interval(difference: Estimate) -> String {
    let Estimate { value, low, high } = difference.map(|x| x * 100.0);
    format!("{}{NBSP}points{NBSP}[{},{NBSP}{}]", signed(value, 2), signed(low, 2), signed(high, 2))
}

/// A share with its interval: `1.20 % [0.80, 1.60]`.
pub fn share_with_interval(share: Estimate) -> String {
    let Estimate { value, low, high } = share.map(|x| x * 100.0);
    format!("{value:.2}{NBSP}%{NBSP}[{low:.2},{NBSP}{high:.2}]")
}

/// Milliseconds with three significant digits.
pub fn milliseconds(value: f64) -> String {
    format!("{value:.*}{NBSP}ms", decimals(value))
}

/// A whole number with its thousands set apart: `12,345`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A number with so many decimals, and a sign only where it is less than nothing.
fn number(x: f64, digits: usize) -> String {
    format!("{x:.digits$}").replace('-', "−")
}

/// A number with its sign, never `-0.0`.
fn signed(x: f64, digits: usize) -> String {
    let text = format!("{:.digits$}", x.abs());
    let sign = if text.chars().all(|c| c == '0' || c == '.') {
        "±"
    } else if x < 0.0 {
        "−"
    } else {
        "+"
    };
    format!("{sign}{text}")
}

/// Decimals that leave three significant digits, at most three of them.
fn decimals(x: f64) -> usize {
    match x.abs() {
        x if x >= 100.0 => 0,
        x if x >= 10.0 => 1,
        x if x >= 1.0 => 2,
        _ => 3,
    }
}

/// Unit of a metric's level.
pub fn unit(metric: Metric) -> &'static str {
    match metric {
        Metric::Goodput => "/s",
        Metric::Hits => "%",
        Metric::Statements => "",
        _ => "ms",
    }
}

/// What a metric is called.
pub fn metric(metric: Metric) -> &'static str {
    match metric {
        Metric::CpuServers => "CPU per page",
        Metric::CpuDatabase => "CPU of PostgreSQL",
        Metric::CpuTotal => "CPU with PostgreSQL",
        Metric::P50 => "latency p50",
        Metric::P99 => "latency p99",
        Metric::Goodput => "goodput",
        Metric::Statements => "SQL statements",
        Metric::Hits => "hit ratio",
        Metric::Staleness => "until a write shows",
        Metric::Losses => "kills with a loss",
        Metric::Interruptions => "deploys that interrupted jobs",
        Metric::Misfires => "ticks missed, doubled or early",
    }
}

/// What a page is called.
pub fn page(page: Page) -> &'static str {
    match page {
        Page::Home => "home page",
        Page::Article => "article page",
    }
}

/// What a question is called.
pub fn comparison(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Boundary => "split against monolith",
        Comparison::Null => "monolith against its twin",
        Comparison::Planted => "monolith with planted CPU",
        Comparison::Waiting => "monolith with a planted wait",
    }
}

/// What a control is called, and what must be found.
pub fn control(compared: Comparison, metric: Metric, truth: f64) -> [String; 2] {
    let [what, found] = match (metric, compared) {
        (Metric::Losses, Comparison::Boundary) => ["all systems, without a kill", "none"],
        (Metric::Misfires, Comparison::Boundary) => ["one replica, which nothing befalls", "none"],
        (Metric::Misfires, Comparison::Planted) => {
            ["two replicas, one with a timer of its own", "doubled ticks"]
        }
        (Metric::Interruptions, Comparison::Boundary) => ["all systems, without a deploy", "none"],
        (Metric::Interruptions, Comparison::Planted) => {
            ["monolith with a restart that nobody admits", "an interruption"]
        }
        (Metric::Losses, Comparison::Planted) => ["monolith with a planted bug", "a loss"],
        _ if truth == 1.0 => [comparison(compared), "same"],
        _ => return [comparison(compared).to_owned(), change(truth)],
    };
    [what.to_owned(), found.to_owned()]
}

/// Where jobs run, as it goes on after "jobs".
pub fn place(place: Place) -> &'static str {
    match place {
        Place::EventLoop => "in the request, on an event loop",
        Place::Pieces => "in the request, on an event loop, in pieces",
        Place::Inside => "on a thread of the server",
        Place::Low => "on a low-priority thread of the server",
        Place::Weights => "in a process of their own, by weight",
        Place::Quota => "in a process of their own, by quota",
    }
}

/// What a job is, as it goes on after "jobs of".
pub fn job(job: Job) -> String {
    let ms = count(job.ms.into());
    match job.kind {
        Kind::Cpu => format!("{ms} ms of CPU time"),
        Kind::Sleep => format!("{ms} ms of waiting"),
        Kind::Database => format!("{ms} ms in the database"),
        Kind::Memory => format!("{ms} ms of walking through memory"),
    }
}

/// What a stage is called.
pub fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Tuning => "tuning",
        Stage::Confirming => "confirming",
        Stage::Climbing => "more units",
        Stage::HeldOut => "held out",
    }
}

/// What was done about a mix that shifted.
pub fn reaction(reaction: Reaction) -> &'static str {
    match reaction {
        Reaction::Monolith => "monolith",
        Reaction::Nobody => "split as it was",
        Reaction::Divided => "split, divided anew",
    }
}

/// `a`, `a and b`, `a, b and c`.
pub fn list<S: AsRef<str>>(items: &[S]) -> String {
    match items {
        [] => String::new(),
        [only] => only.as_ref().into(),
        [most @ .., last] => {
            let most: Vec<&str> = most.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", most.join(", "), last.as_ref())
        }
    }
}

/// Fragments as sentences: `a b` and `c d` become `A b. C d.`.
pub fn sentences(fragments: impl Iterator<Item = String>) -> String {
    fragments.map(|text| capitalised(&text) + ".").collect::<Vec<_>>().join(" ")
}

/// With a capital letter at the beginning.
pub fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    first.chain(chars).collect()
}

/// The same text where lines may break anywhere: outside the HTML page.
pub fn plain(text: impl AsRef<str>) -> String {
    text.as_ref().replace(NBSP, " ")
}

/// What an outcome is called.
pub fn outcome(outcome: Option<Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Supported) => "supported",
        Some(Outcome::Refuted) => "refuted",
        Some(Outcome::Depends) => "depends",
        Some(Outcome::Inconclusive) => "inconclusive",
        Some(Outcome::Proxied) => "proxied",
        None => "no verdict",
    }
}

/// A commit, short enough to be read; and whether what was measured was still being changed.
pub fn commit(full: &str) -> String {
    let short: String = full.chars().take(12).collect();
    if full.ends_with("-dirty") { format!("{short} with changes not committed") } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let ratio = Estimate { value: 1.312, low: 1.301, high: 1.3231 };
        assert_eq!(plain(change_with_interval(ratio)), "+31.2 % [+30.1, +32.3]");
        assert_eq!(plain(change(0.9)), "−10.0 %");
        assert_eq!(plain(change(0.999_999)), "±0.0 %");
        assert_eq!(plain(milliseconds(0.4142)), "0.414 ms");
        assert_eq!(plain(milliseconds(25.04)), "25.0 ms");
        assert_eq!(plain(level(Metric::Goodput, 2139.6)), "2,140 /s");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(999), "999");
        let level = Estimate { value: 0.52, low: 0.511, high: 0.5294 };
        let level = level_with_interval(Metric::CpuServers, level);
        assert_eq!(plain(level), "0.520 ms [0.511, 0.529]");
        let level = Estimate { value: 0.077, low: -0.06, high: 0.213 };
        let level = level_with_interval(Metric::Staleness, level);
        assert_eq!(plain(level), "0.077 ms [−0.060, 0.213]");
    }

    #[test]
    fn lists_read_well() {
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
        assert_eq!(list(&["a"]), "a");
        assert_eq!(list::<&str>(&[]), "");
        assert_eq!(sentences(["a b".to_owned(), "c".to_owned()].into_iter()), "A b. C.");
    }
}
