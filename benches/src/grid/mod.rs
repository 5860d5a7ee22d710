//! Experiments that lay systems, pages or amounts of data beside each other, all at once: a grid of
//! cells. Every round starts fresh servers; within it all cells are asked in a random order and once
//! more in the opposite one, while the others are frozen, so that whatever drifts falls on all of
//! them alike. One visitor asks, and waits for each answer: nothing queues, and a page's latency is
//! its own.
//!
//! Here is what such an experiment consists of; [`measure`] carries it out, or, where cells have several
//! servers each, [`replicas`]; [`crate::judge`] says what it comes to.

mod deployed;
mod laps;
mod measure;
pub mod replicas;
mod texts;
mod trial;
mod writer;

use serde::{Deserialize, Serialize};

pub use deployed::{Deployed, Reads};
pub use measure::measure;
pub use trial::{Cells, Trial};

use crate::{count::Replay, judge::summary::Metric, record::Arm};

/// One system, asked for one kind of page, on so much data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// What it is called, in this grid.
    pub name: String,
    /// The system.
    pub arm: Arm,
    /// What it is asked for.
    pub view: Replay,
    /// How many articles there are.
    pub articles: u64,
    /// How many accounts.
    pub users: u64,
    /// What the link between frontend and backend adds to the way there and back, microseconds; only
    /// where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_us: Option<u32>,
    /// How many visitors ask at the same time, each of whom waits for the answer, over a connection
    /// of their own.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub visitors: u32,
    /// How it is deployed, where it has several servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployed: Option<Deployed>,
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_one(number: &u32) -> bool {
    *number == 1
}

/// A grid that is about to be measured.
#[derive(Clone, Debug)]
pub struct Grid {
    /// The cells.
    pub cells: Vec<Cell>,
    /// Which of them are the controls.
    pub controls: Controls,
    /// How often servers are started; intervals rest on it.
    pub rounds: usize,
    /// Requests of each cell in a round.
    pub requests: usize,
    /// After so many seconds it has enough, although there were fewer: where each takes long, so few
    /// say as much.
    pub seconds: f64,
    /// What the verdicts are about, the headline first.
    pub rules: Vec<Rule>,
    /// What is told besides, by name.
    pub derived: Vec<(String, Quantity)>,
    /// How it is drawn.
    pub picture: Picture,
}

/// Three cells that show what the instrument is worth.
#[derive(Clone, Debug)]
pub struct Controls {
    /// The plain system.
    pub plain: String,
    /// The same once more: nothing may be found between the two.
    pub twin: String,
    /// The same with some CPU on top, which has to be found.
    pub planted: String,
    /// How much that is, as a share of the plain system's CPU: the smallest effect that the experiment
    /// is interested in.
    pub effect: f64,
}

/// A claim about figures of cells, and where the figure has to lie.
#[derive(Clone, Debug)]
pub struct Rule {
    /// In words, as a statement that the verdict is about.
    pub claim: String,
    /// The figure.
    pub quantity: Quantity,
    /// What decides.
    pub limit: f64,
    /// On which side of the limit it lies, if the claim is true.
    pub bound: Bound,
}

/// Where a figure lies, if what is claimed of it is true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// At the limit or below it.
    #[default]
    AtMost,
    /// Above it.
    MoreThan,
    /// A ratio that is off 1 by no more than the limit, as a share, in either direction.
    Off,
}

impl Bound {
    /// From where to where the figure lies.
    pub fn range(self, limit: f64) -> [f64; 2] {
        match self {
            Self::AtMost => [f64::NEG_INFINITY, limit],
            Self::MoreThan => [limit, f64::INFINITY],
            Self::Off => [1.0 / (1.0 + limit), 1.0 + limit],
        }
    }

    /// The same in words, behind a figure.
    pub fn in_words(self, limit: f64, unit: &str) -> String {
        match self {
            Self::AtMost => format!("{limit}\u{a0}{unit} is the most"),
            Self::MoreThan => format!("more than {limit}\u{a0}{unit} is claimed"),
            Self::Off => {
                let [least, most] = self.range(limit);
                format!("{least:.2} to {most:.2}\u{a0}{unit} is claimed")
            }
        }
    }

    /// For serde.
    pub fn is_usual(&self) -> bool {
        *self == Self::AtMost
    }
}

/// Cells with so many calls in each page.
pub type Series = Vec<(u32, String)>;

/// A figure that follows from those of cells, which are named.
#[derive(Clone, Debug)]
pub enum Quantity {
    /// One cell's, as it is: milliseconds.
    Level(Metric, String),
    /// One cell's against another's.
    Ratio(Metric, [String; 2]),
    /// What the first cell has more than the second, against what the third has more than the
    /// fourth.
    Added(Metric, [String; 4]),
    /// What the first cell has more than the second: milliseconds.
    Difference(Metric, [String; 2]),
    /// By how much the median latency grows with each call, over what it grows by at home, where the
    /// calls are function calls: the slope of a straight line through the differences, milliseconds.
    PerCall {
        /// Over the boundary.
        at: Series,
        /// At home.
        home: Series,
    },
    /// The same without what the link has added: what a call takes besides the network's way.
    Overhead {
        /// Over the boundary.
        at: Series,
        /// At home.
        home: Series,
    },
    /// By how much the median grows with each call over a link, against the theory: the link's delay,
    /// and the overhead of a call over one that delays nothing.
    OfTheory {
        /// Over a link.
        at: Series,
        /// Over one that delays nothing.
        near: Series,
        /// At home.
        home: Series,
    },
    /// The sum of the rungs up to a link, against the whole: the median over a link that delays nothing
    /// and what the link itself says that it has added, against the median over that link.
    OfWhole {
        /// Over a link.
        at: String,
        /// Over one that delays nothing.
        near: String,
    },
}

/// How a grid is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picture {
    /// A bar for each cell.
    Bars,
    /// A line for each kind of page, over the number of articles.
    Lines,
    /// The rungs from a function call to a distant server, on top of each other.
    Ladder,
    /// Latency over the number of calls.
    Calls,
    /// What there is to say about memory, over the number of replicas.
    Replicas,
}

impl Quantity {
    /// The unit of the figure.
    pub fn unit(&self) -> &'static str {
        match self {
            Self::Level(..)
            | Self::Difference(..)
            | Self::PerCall { .. }
            | Self::Overhead { .. } => "ms",
            Self::Ratio(..) | Self::Added(..) | Self::OfTheory { .. } | Self::OfWhole { .. } => "×",
        }
    }
}

impl Cell {
    /// One visitor, no link: the arm on so much data, asked for that page.
    pub fn new(
        name: impl Into<String>,
        arm: Arm,
        view: Replay,
        (articles, users): (u64, u64),
    ) -> Self {
        Self {
            name: name.into(),
            arm,
            view,
            articles,
            users,
            rtt_us: None,
            visitors: 1,
            deployed: None,
        }
    }
}

impl Grid {
    /// The cell of that name.
    pub fn cell(&self, name: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.name == name)
    }

    /// How long the texts are that some cell asks for, KiB.
    pub fn texts(&self) -> Vec<u32> {
        let kib = |cell: &Cell| match cell.view {
            Replay::Text { kib, .. } => Some(kib),
            _ => None,
        };
        let mut texts: Vec<u32> = self.cells.iter().filter_map(kib).collect();
        texts.sort_unstable();
        texts.dedup();
        texts
    }

    /// Whether some cell asks for the lab's own pages.
    pub fn asks_for_calls(&self) -> bool {
        let calls = |cell: &Cell| matches!(cell.view, Replay::Calls(_) | Replay::Text { .. });
        self.cells.iter().any(calls)
    }

    /// Every amount of data that some cell needs, with what runs on it.
    pub fn sizes(&self) -> Vec<(u64, u64, Vec<Arm>)> {
        let mut sizes: Vec<(u64, u64, Vec<Arm>)> = Vec::new();
        for cell in &self.cells {
            let size = sizes.iter_mut().find(|(articles, ..)| *articles == cell.articles);
            match size {
                Some((.., arms)) if arms.contains(&cell.arm) => {}
                Some((.., arms)) => arms.push(cell.arm),
                None => sizes.push((cell.articles, cell.users, vec![cell.arm])),
            }
        }
        sizes
    }
}
