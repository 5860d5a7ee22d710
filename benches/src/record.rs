//! What a run leaves behind, as typed JSON. The instrument writes it, the judgement and the report
//! read it, and nothing else passes between them: whatever a report says can be computed again from
//! these structures without running any load.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use crate::grid::{Cells, Trial};
use crate::{deploys, durability, jobs, noise::Noise, scaling, ticks};

/// Raised whenever the meaning of a field changes; a reader refuses any other number.
pub const SCHEMA: u32 = 1;

/// One run of the lab: everything that was measured, and under which circumstances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// [`SCHEMA`] at the time of writing.
    pub schema: u32,
    /// Name of the run's folder.
    pub id: String,
    /// Which experiment this is, by the id of its card: it holds the rules by which to judge.
    pub experiment: String,
    /// When measuring began.
    pub started: DateTime<Utc>,
    /// Wall time from the first server's start to the last slice's end, seconds; what lies between
    /// an interruption and going on, and what was measured anew, is not in it.
    pub seconds: f64,
    /// The command that repeats this run, seed included.
    pub command: String,
    /// `smoke`, `quick`, `standard` or `full`.
    pub preset: String,
    /// Seeds arrivals, order of slices and resampling.
    pub seed: u64,
    /// Where it ran.
    pub machine: Machine,
    /// What ran.
    pub build: Build,
    /// How the two cores were shared out, and what the lab had to fall back to.
    pub layout: Layout,
    /// `sqlite` or `postgres`; never the address, which may hold a password.
    pub database: String,
    /// The containers, where a running composition was measured and not processes of the lab's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub composition: Option<Composition>,
    /// How many rows of what the servers served.
    pub dataset: BTreeMap<String, u64>,
    /// Proof, taken before measuring, that the arms are the same app.
    pub parity: Parity,
    /// What the pilot found, from which rates and the planted effect were set.
    pub pilot: Pilot,
    /// Every slice in the order in which it was measured; none is ever left out but those of
    /// restarts that were cut short, which stand in [`Run::resumed`].
    pub slices: Vec<Slice>,
    /// Start-up and memory of the servers, one entry per server start.
    pub starts: Vec<Start>,
    /// The cells of a grid and what was measured on them; a run of a grid has no slices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<Cells>,
    /// Searches for the best way to spend a budget; a run of these has no slices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<scaling::Measured>,
    /// Jobs in several places, and pages beside them; a run of these has no slices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interference: Option<jobs::Measured>,
    /// Kills and what became of accepted jobs; a run of these has no slices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durability: Option<durability::Measured>,
    /// Deploys while jobs ran; a run of these has no slices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploys: Option<deploys::Measured>,
    /// Ticks of a schedule; a run of these has no slices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticks: Option<ticks::Measured>,
    /// How it went on after each interruption, in order; empty for a run in one piece.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resumed: Vec<Resumption>,
}

/// How a run went on after it had been interrupted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resumption {
    /// When.
    pub at: DateTime<Utc>,
    /// The restart with which it went on, on freshly started servers and from its first slice.
    pub restart: u32,
    /// Slices of that restart from before the interruption. They are kept here to be looked at, and
    /// enter no estimate: the servers that they were measured on were gone before the rest was.
    pub dropped: Vec<Slice>,
}

/// The machine's fingerprint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Machine {
    /// CPU model as the kernel names it.
    pub cpu: String,
    /// Cores that the lab may use.
    pub cores: u32,
    /// Memory, MiB.
    pub memory_mib: u64,
    /// Kernel release.
    pub kernel: String,
    /// Distribution.
    pub os: String,
    /// One-minute load average before the run.
    pub load_before: f64,
}

/// The build's fingerprint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Build {
    /// Commit, with `-dirty` where the work tree differs from it; `unknown` outside a checkout.
    pub commit: String,
    /// Compiler version.
    pub rustc: String,
    /// Server → size of its binary in bytes.
    pub binary_bytes: BTreeMap<String, u64>,
}

/// A composition that was measured as it ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Composition {
    /// Version of the Docker engine.
    pub engine: String,
    /// The servers' containers and the database's.
    pub containers: Vec<Container>,
}

/// One container: what runs in it, and what it may use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Container {
    /// Its service in the compose file.
    pub service: String,
    /// The image's name.
    pub image: String,
    /// The image's id, which stands for its content.
    pub image_id: String,
    /// The image's size, bytes.
    pub image_bytes: u64,
    /// Limit of its CPU time, in cores; absent where there is none, as below.
    pub cpus: Option<f64>,
    /// The cores that it may run on, as Docker writes them.
    pub cores: Option<String>,
    /// Limit of its memory, MiB.
    pub memory_mib: Option<u64>,
}

/// How the cores were shared out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layout {
    /// Cores of the servers under test.
    pub server_cores: Vec<u32>,
    /// Cores of generator and database.
    pub load_cores: Vec<u32>,
    /// One sentence each: what could not be had, and what was done instead.
    pub fallbacks: Vec<String>,
}

/// What the parity gate compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Parity {
    /// How many requests were sent to both architectures and answered alike.
    pub requests: u64,
    /// SQL statements that they caused, in each architecture.
    pub statements: u64,
    /// Calls from frontend to backend that they caused in the split.
    pub backend_calls: u64,
    /// Page → SQL statements and backend calls that one view of it costs.
    pub per_page: BTreeMap<Page, PageCost>,
}

/// What one view of a page costs in round trips.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageCost {
    /// SQL statements, the same in both architectures.
    pub statements: u64,
    /// Calls from frontend to backend in the split.
    pub backend_calls: u64,
}

/// What was found before the first slice. It sets rates; it enters no estimate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pilot {
    /// CPU of the monolith per page, milliseconds.
    pub cpu_ms: BTreeMap<Page, f64>,
    /// CPU that the planted arm burns on top per home page, milliseconds.
    pub planted_ms: f64,
    /// How long the waiting arm waits in each page, milliseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub waiting_ms: f64,
    /// How much identical monoliths differ, in turns and at once, where that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<Noise>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

/// Which page is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Page {
    /// The global feed: ten articles, popular tags. Render-heavy.
    Home,
    /// One article with its comments.
    Article,
}

/// A system under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arm {
    /// One process: pages and API.
    Monolith,
    /// Two processes: pages, and API over HTTP.
    Split,
    /// A monolith like the first, for controls alone: what the others below are compared with where the
    /// first one serves more than they do.
    Plain,
    /// A second monolith, alike in every way: the A/A control.
    Twin,
    /// A monolith that burns some CPU on top: the planted control.
    Planted,
    /// A monolith that lets each visitor wait a little: the planted control of latency.
    Waiting,
    /// The home page by hand, without the app's structure: see `floor.rs`.
    Floor,
    /// The same with the least hop that there can be between two processes.
    Hop,
    /// A split whose frontend reaches the backend over a Unix socket.
    UnixSocket,
    /// A split whose frontend speaks HTTP/2 to the backend.
    Http2,
    /// A split whose frontend reaches the backend over a link that delays.
    Link,
}

impl Page {
    /// As in results and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::Article => "article",
        }
    }
}

impl Arm {
    /// As in results and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Monolith => "monolith",
            Self::Split => "split",
            Self::Plain => "plain",
            Self::Twin => "twin",
            Self::Planted => "planted",
            Self::Waiting => "waiting",
            Self::Floor => "floor",
            Self::Hop => "hop",
            Self::UnixSocket => "unix-socket",
            Self::Http2 => "http2",
            Self::Link => "link",
        }
    }
}

/// Which question a slice belongs to. The first arm of each is [`Arm::Monolith`] (in older results now
/// and then its twin in its place).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// Monolith against split: the question itself.
    Boundary,
    /// Monolith against its twin: nothing must be found.
    Null,
    /// Monolith against the planted arm: what was planted must be found.
    Planted,
    /// Monolith against the one that waits: that must be found too.
    Waiting,
}

impl Comparison {
    /// The two arms, in the order of every ratio: second / first.
    pub fn arms(self) -> [Arm; 2] {
        match self {
            Self::Boundary => [Arm::Monolith, Arm::Split],
            Self::Null => [Arm::Monolith, Arm::Twin],
            Self::Planted => [Arm::Monolith, Arm::Planted],
            Self::Waiting => [Arm::Monolith, Arm::Waiting],
        }
    }
}

/// Why a slice was run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// At a moderate rate, the same for all arms: latency and CPU per page.
    Steady,
    /// A step in the search for the highest rate that keeps the SLO.
    Capacity,
    /// At half the moderate rate, while the other arm runs at the same: CPU per page only.
    Duet,
}

/// A short stretch of open load on one arm, with everything observed during it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// Which server start this belongs to: the upper level of the resampling.
    pub restart: u32,
    /// Which block of adjacent slices within the restart: the lower level. An ABBA block holds four
    /// slices that share arrival times and addresses.
    pub block: u32,
    /// Which question.
    pub comparison: Comparison,
    /// Why.
    pub purpose: Purpose,
    /// Which page.
    pub page: Page,
    /// Which system.
    pub arm: Arm,
    /// Offered arrivals per second.
    pub rate: f64,
    /// Scheduled length, seconds.
    pub seconds: f64,
    /// Seed of arrival times and addresses.
    pub seed: u64,
    /// Arrivals that the schedule holds. Every one of them is sent, or the slice is void.
    pub scheduled: u64,
    /// Requests actually sent.
    pub sent: u64,
    /// Answers that were right: the expected status, the whole body.
    pub completed: u64,
    /// Kind of failure → how many.
    pub errors: BTreeMap<String, u64>,
    /// From the intended start to the last byte of the answer, right answers only.
    pub latency: Histogram,
    /// From the actual start to the last byte of the answer.
    pub service: Histogram,
    /// From the intended start to the actual start: the generator's own lateness.
    pub lag: Histogram,
    /// Process → CPU, user and system, during the slice, milliseconds. Servers under test by role;
    /// `postgres`, `generator` beside them.
    pub cpu_ms: BTreeMap<String, f64>,
    /// Process → resident memory at the slice's end, MiB.
    pub resident_mib: BTreeMap<String, f64>,
    /// CPU used by anyone else on the machine during the slice, as a share of all cores.
    pub foreign_cpu: f64,
    /// Time stolen by the hypervisor, as a share of all cores.
    pub steal: f64,
    /// Why the slice counts for nothing, if it does not.
    pub void: Option<String>,
}

impl Slice {
    /// Whether a step of a search keeps an SLO: at least 99 % of all its scheduled requests were
    /// answered rightly within `slo_ms`. (For a step without errors that is "p99 is at most …".)
    pub fn keeps(&self, slo_ms: f64) -> bool {
        let limit_us = slo_ms * 1e3;
        let in_time = self.latency.0.iter().filter(|(us, _)| *us as f64 <= limit_us);
        in_time.map(|(_, count)| count).sum::<u64>() as f64 >= 0.99 * self.scheduled as f64
    }
}

/// How one server came up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// Role of the process.
    pub role: String,
    /// Arm that it belongs to.
    pub arm: Arm,
    /// Which restart.
    pub restart: u32,
    /// From spawning to the ready line, milliseconds.
    pub ready_ms: f64,
    /// From spawning to the first 200, milliseconds.
    pub first_ok_ms: f64,
    /// Resident memory right after the first answer, MiB.
    pub resident_mib: f64,
}

/// A latency distribution: (value in microseconds, count), ascending, three significant digits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Histogram(pub Vec<(u64, u64)>);
