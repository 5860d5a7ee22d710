//! Experiments that lay systems, pages or amounts of data beside each other, all at once: a grid of
//! cells. Every round starts fresh servers; within it all cells are asked in a random order and once
//! more in the opposite one, while the others are frozen, so that whatever drifts falls on all of
//! them alike. One visitor asks, and waits for each answer: nothing queues, and a page's latency is
//! its own.
//!
//! Here is what such an experiment consists of; [`measure`] carries it out, [`crate::judge`] says
//! what it comes to.

mod measure;

use serde::{Deserialize, Serialize};

pub use measure::measure;

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
    /// Requests in each stretch; each cell has two in a round.
    pub requests: usize,
    /// What the verdicts are about, the headline first.
    pub rules: Vec<Rule>,
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
}

/// A claim about figures of cells, and the most that the figure may be.
#[derive(Clone, Debug)]
pub struct Rule {
    /// In words, as a statement that the verdict is about.
    pub claim: String,
    /// The figure.
    pub quantity: Quantity,
    /// What it is at most, if the claim is true.
    pub limit: f64,
}

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
}

/// How a grid is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picture {
    /// A bar for each cell.
    Bars,
    /// A line for each kind of page, over the number of articles.
    Lines,
}

impl Quantity {
    /// The unit of the figure.
    pub fn unit(&self) -> &'static str {
        match self {
            Self::Level(..) => "ms",
            Self::Ratio(..) | Self::Added(..) => "×",
        }
    }
}

impl Grid {
    /// The cell of that name.
    pub fn cell(&self, name: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.name == name)
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
