//! What the judgement says, as typed JSON: every number of a report stands here, and nowhere does
//! a report compute one of its own. Ratios are second arm / first arm, differences second − first.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    deployed::Deployed, endured::Endured, interfered::Interfered, scaled::Scaled, ticked::Ticked,
};
use crate::grid::Bound;
use crate::record::{Arm, Comparison, Page};
use crate::stats::Estimate;

/// Everything that was judged of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// [`crate::record::SCHEMA`] of the run.
    pub schema: u32,
    /// Name of the run.
    pub run: String,
    /// Id of the experiment's card.
    pub experiment: String,
    /// How often restarts were drawn again for the intervals.
    pub resamples: u32,
    /// One per question and page.
    pub contrasts: Vec<Contrast>,
    /// Memory and start-up, one entry per arm and role.
    pub footprint: Vec<Footprint>,
    /// What was void or flagged.
    pub conduct: Conduct,
    /// Whether the instrument found nothing where nothing is, and what was planted.
    pub certificate: Certificate,
    /// The verdicts, the headline first.
    pub verdicts: Vec<Verdict>,
    /// Of a grid: each cell's figures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<Figures>,
    /// Of a certificate: what the verdicts follow from, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub families: Vec<Family>,
    /// Of a grid: what the verdicts follow from, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// Of a grid: what is told besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub derived: Vec<Derived>,
    /// Of searches for the best way to spend a budget: what they came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaled: Option<Scaled>,
    /// Of jobs in several places: what they did to pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interfered: Option<Interfered>,
    /// Of kills: what became of accepted jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endured: Option<Endured>,
    /// Of deploys: what they did to running jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployed: Option<Deployed>,
    /// Of ticks: what became of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticked: Option<Ticked>,
}

/// One comparison, made many times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Family {
    /// Which comparison.
    pub comparison: Comparison,
    /// By which metric.
    pub metric: Metric,
    /// The ratio that is true by construction, on average.
    pub truth: f64,
    /// What each comparison found.
    pub intervals: Vec<Effect>,
    /// How many of them exclude "no difference"; where something was planted, only those that are
    /// narrow enough to be of use.
    pub hits: usize,
    /// The most that it may be between twins; the least that it must be elsewhere.
    pub limit: usize,
}

/// What one cell of a grid came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The cell.
    pub cell: String,
    /// Right answers behind it.
    pub requests: u64,
    /// Process → CPU per request, milliseconds.
    pub processes: BTreeMap<String, f64>,
    /// Metric → its level, with the 95 % interval.
    pub metrics: BTreeMap<Metric, Estimate>,
    /// What the link between frontend and backend has added, milliseconds, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Estimate>,
    /// How often a thread of the servers gave up its core to wait, per request; absent where nobody
    /// looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<Estimate>,
    /// For how long they were ready to run and had no core, per request, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued_ms: Option<Estimate>,
}

/// A figure that follows from cells of a grid, and that no rule is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Derived {
    /// What it is, in this experiment.
    pub name: String,
    /// `×` or `ms`.
    pub unit: String,
    /// The figure with its 95 % interval; absent where there was too little to tell.
    pub found: Option<Estimate>,
}

/// A figure that a rule of a grid is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What is claimed.
    pub claim: String,
    /// What decides: what the figure is at most, if the claim is true, unless `bound` says otherwise.
    pub limit: f64,
    /// On which side of the limit the figure lies, if the claim is true.
    #[serde(default, skip_serializing_if = "Bound::is_usual")]
    pub bound: Bound,
    /// `×` or `ms`.
    pub unit: String,
    /// Rounds behind it.
    pub rounds: usize,
    /// The figure with its 95 % interval; absent where there was too little to tell.
    pub found: Option<Estimate>,
    /// The same without the rounds in which others used the CPU; absent where there were none, and
    /// where too little is left.
    pub gated: Option<Estimate>,
    /// Rounds in which nobody else did.
    pub quiet_rounds: usize,
}

impl Summary {
    /// A derived figure by its name, where there was enough to tell.
    pub fn derived(&self, name: &str) -> Option<Estimate> {
        self.derived.iter().find(|derived| derived.name == name)?.found
    }

    /// A cell's figures by its name.
    pub fn cell(&self, name: &str) -> Option<&Figures> {
        self.figures.iter().find(|figures| figures.cell == name)
    }

    /// One contrast, if the run measured it.
    pub fn contrast(&self, comparison: Comparison, page: Page) -> Option<&Contrast> {
        self.contrasts.iter().find(|c| c.comparison == comparison && c.page == page)
    }

    /// One effect, on all data, if the run holds enough to estimate it.
    pub fn effect(&self, comparison: Comparison, page: Page, metric: Metric) -> Option<&Effect> {
        self.contrast(comparison, page)?.all.effect(metric)
    }

    /// The pages of the question itself, in order.
    pub fn pages(&self) -> impl Iterator<Item = Page> + '_ {
        self.contrasts.iter().filter(|c| c.comparison == Comparison::Boundary).map(|c| c.page)
    }
}

/// Two arms compared on one page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contrast {
    /// Which question.
    pub comparison: Comparison,
    /// Which page.
    pub page: Page,
    /// First and second arm.
    pub arms: [Arm; 2],
    /// Offered arrivals per second in the steady slices.
    pub rate: f64,
    /// Probability with which the intervals claim to hold the truth.
    pub confidence: f64,
    /// From everything that isn't void.
    pub all: Reading,
    /// Each metric without the blocks that hold a slice flagged for something that bears on it;
    /// absent where nothing was flagged. Counts are those of the latencies.
    pub gated: Option<Reading>,
}

/// What the slices say about one contrast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Server starts that the steady slices come from.
    pub restarts: usize,
    /// Blocks of adjacent slices.
    pub blocks: usize,
    /// Right answers per arm.
    pub requests: [u64; 2],
    /// Process → CPU per page, milliseconds, per arm.
    pub processes: [BTreeMap<String, f64>; 2],
    /// What was asked → what was found.
    pub metrics: BTreeMap<Metric, Measured>,
}

impl Reading {
    /// One effect, if there is enough to estimate it.
    pub fn effect(&self, metric: Metric) -> Option<&Effect> {
        match self.metrics.get(&metric)? {
            Measured::Effect(effect) => Some(effect),
            _ => None,
        }
    }
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// CPU of all servers under test per page, milliseconds. The metric of cost.
    CpuServers,
    /// CPU of PostgreSQL per page, milliseconds.
    CpuDatabase,
    /// Both together.
    CpuTotal,
    /// Median latency, milliseconds.
    P50,
    /// Latency that 1 % of requests exceed, milliseconds.
    P99,
    /// Highest rate that keeps the SLO, pages per second.
    Goodput,
    /// SQL statements of all servers per page, with the page's share of the writes.
    Statements,
    /// Share of the questions that a cache had the answer to.
    Hits,
    /// From the answer to a write until all servers show it, on average over writes, milliseconds.
    Staleness,
    /// Share of the kills that lost an accepted job.
    Losses,
    /// Share of the deploys that interrupted a job.
    Interruptions,
    /// Share of the ticks of a schedule that were missed, doubled or early.
    Misfires,
}

impl Metric {
    /// Whether it is read off processes' CPU clocks, and not off the clock on the wall.
    pub fn is_cpu(self) -> bool {
        matches!(self, Self::CpuServers | Self::CpuDatabase | Self::CpuTotal)
    }
}

/// An effect, or what is missing to estimate one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measured {
    /// There was enough.
    Effect(Effect),
    /// So many more requests per arm are needed before this percentile may be printed.
    MoreRequests(u64),
    /// So many more restarts are needed before an interval exists.
    MoreRestarts(usize),
}

/// Two levels and how they differ.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Restarts behind it.
    pub restarts: usize,
    /// First and second arm, in the metric's unit.
    pub levels: [Estimate; 2],
    /// Second / first.
    pub ratio: Estimate,
    /// Second − first, in the metric's unit.
    pub difference: Estimate,
}

/// Memory and start-up of one role in one arm: medians over its starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Footprint {
    /// The arm.
    pub arm: Arm,
    /// The role.
    pub role: String,
    /// Number of starts.
    pub starts: usize,
    /// From spawning to the ready line, milliseconds.
    pub ready_ms: f64,
    /// From spawning to the first 200, milliseconds.
    pub first_ok_ms: f64,
    /// Resident memory after the first answer, MiB.
    pub started_mib: f64,
    /// Resident memory at the end of steady slices, MiB; absent where none was run.
    pub working_mib: Option<f64>,
}

/// How the run went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conduct {
    /// Slices run.
    pub slices: usize,
    /// Requests sent.
    pub requests: u64,
    /// Answers that were wrong or missing in steady slices.
    pub errors: u64,
    /// Largest p99 of the generator's own lateness in a steady slice, milliseconds.
    pub worst_lag_ms: f64,
    /// Slices that count for nothing.
    pub void: Vec<Remark>,
    /// Slices that count, but under suspicion.
    pub flagged: Vec<Remark>,
    /// Searches for the goodput that gave none, and why.
    pub unsettled: Vec<Remark>,
}

/// Something to know about a slice or a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remark {
    /// Server start.
    pub restart: u32,
    /// Block within it.
    pub block: u32,
    /// Question.
    pub comparison: Comparison,
    /// Page.
    pub page: Page,
    /// System.
    pub arm: Arm,
    /// What is to be known.
    pub why: String,
}

/// The controls' outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// Whether every check passed.
    pub certified: bool,
    /// Confidence of each control's interval: all together then raise a false alarm in at most 5 %
    /// of runs.
    pub confidence: f64,
    /// The checks.
    pub checks: Vec<Check>,
}

impl Certificate {
    /// Whether nothing was controlled at all, so that nothing failed either.
    pub fn uncontrolled(&self) -> bool {
        self.checks.iter().all(|check| check.passed.is_none())
    }
}

/// One thing that the instrument had to show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Which control.
    pub comparison: Comparison,
    /// On which metric.
    pub metric: Metric,
    /// Whether it passed; absent where there was not enough to tell.
    pub passed: Option<bool>,
    /// The ratio that is true by construction: 1 between twins, what was planted otherwise.
    pub truth: f64,
    /// What was found.
    pub found: Option<Estimate>,
    /// In words.
    pub sentence: String,
}

/// What a run says about a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The effect exceeds the smallest one of interest over the whole region.
    Supported,
    /// It stays below it over the whole region.
    Refuted,
    /// It does here and doesn't there.
    Depends,
    /// This run can't tell.
    Inconclusive,
    /// Told, but by a stand-in for what the claim speaks of.
    Proxied,
}

/// One question and its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What is asked, as on the card.
    pub question: String,
    /// The answer; absent where none may be given.
    pub outcome: Option<Outcome>,
    /// Why, with the numbers.
    pub because: String,
}
