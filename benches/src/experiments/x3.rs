//! x3, cache: does it pay to keep lists of articles in memory, and where? In each replica of what shows
//! the pages, or once in a backend that they all ask.
//!
//! A memory in each replica saves the way to the backend, but each of them has to be filled, and each
//! write empties all of them. One in the backend is filled by everybody's questions, and every question
//! has to go there.

use crate::{
    count::Replay,
    experiment::{Card, Design, Experiment, Preset},
    fleet::topology::Role,
    grid::{Bound, Cell, Controls, Deployed, Grid, Picture, Quantity, Rule},
    judge::summary::Metric,
    record::Arm,
};

/// The experiment.
pub const EXPERIMENT: Experiment = Experiment { card: CARD, design: Design::Replicas(grid) };

const CARD: Card = Card {
    id: "x3",
    title: "Does a cache in the backend pay for the hop?",
    claim: "A backend is a place for one cache that all frontends share, and what it saves pays for \
            the way there.",
    hypothesis: "A split with a cache in the backend takes no more CPU per page, PostgreSQL included, \
                 than a monolith without a cache. At four replicas it takes no more than a monolith \
                 with a cache in each.",
    smallest_effect: "10 % of what a page costs; what costs no more has paid.",
    region: "One, two and four servers with pages behind a balancer that lets them take turns; the \
             home page and the pages of 19 tags, asked for by Zipf's law by one visitor who is not \
             signed in and waits for each answer; a write after every 50 pages that makes all of \
             what is kept out of date; PostgreSQL says so to every server with a database; a second \
             for what nobody is told of; 16 database connections in all.",
    decision_rule: "Each claim names a figure and where it has to lie: supported when the whole 95 % \
                    interval lies there, refuted when it lies elsewhere, inconclusive otherwise, and \
                    when the answer hangs on rounds in which others used the CPU. No verdict at all \
                    when the controls fail.",
    refuted_by: "An interval that lies wholly on the other side of the limit.",
    unfair: &[
        "All servers share a core, so replicas add nothing but more memories to fill. What a replica \
         is for, more capacity, does not show.",
        "Every write empties all of what is kept, whatever it was about. Something finer would empty \
         less, in all places alike.",
        "The page is cheap, and the hop a large part of it. A list that took the database longer \
         would make a cache worth more, in all places alike.",
        "The balancer's CPU, and that of the one who reads, are counted for nobody.",
    ],
    not_shown: &[
        "Visitors who are signed in: their lists are never kept, only the tags.",
        "More or fewer writes. With fewer of them every memory is filled most of the time, and where \
         it is makes less of a difference.",
        "A cache that is shared over the network, and whole pages that are kept as they were sent.",
        "Two visitors at a time, who could wait for the same answer.",
    ],
    slo_ms: f64::INFINITY,
};

/// How many servers have pages.
pub const REPLICAS: [u32; 3] = [1, 2, 4];

const DATA: (u64, u64) = (1_000, 100);

/// A place for a cache, or none, in one of the architectures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// How it is called.
    pub name: &'static str,
    /// The same where there is little room.
    pub short: &'static str,
    arm: Arm,
    cache: Option<Role>,
}

/// A monolith without.
pub const MONOLITH: Place = place("monolith", "monolith", Arm::Monolith, None);
/// A monolith with a cache in each replica.
pub const EACH: Place =
    place("monolith, cache in each", "monolith, in each", Arm::Monolith, Some(Role::Monolith));
/// A split without.
pub const SPLIT: Place = place("split", "split", Arm::Split, None);
/// A split with one in the backend.
pub const BACKEND: Place =
    place("split, cache in the backend", "split, in backend", Arm::Split, Some(Role::SplitBackend));
/// A split with one in each frontend, which nobody tells what others write.
pub const FRONTENDS: Place = place(
    "split, cache in each frontend",
    "split, in frontends",
    Arm::Split,
    Some(Role::SplitFrontend),
);

/// All of them.
pub const PLACES: [Place; 5] = [MONOLITH, EACH, SPLIT, BACKEND, FRONTENDS];

const fn place(name: &'static str, short: &'static str, arm: Arm, cache: Option<Role>) -> Place {
    Place { name, short, arm, cache }
}

/// The cell with so many replicas.
pub fn name(place: Place, replicas: u32) -> String {
    match replicas {
        1 => place.name.to_owned(),
        n => format!("{}, × {n}", place.name),
    }
}

/// What is measured.
pub fn grid(preset: Preset, _database: &str) -> Grid {
    let (rounds, requests) = match preset {
        Preset::Smoke => (2, 100),
        Preset::Quick => (6, 500),
        Preset::Standard => (42, 500),
        Preset::Full => (120, 1_000),
    };
    let replicas: &[u32] = if preset == Preset::Smoke { &[1, 4] } else { &REPLICAS };
    let cell = |name: String, arm, deployed| {
        let cell = Cell::new(name, arm, Replay::Lists, DATA);
        Cell { deployed: Some(deployed), ..cell }
    };
    let of = |place: Place| {
        let deployed = move |replicas| Deployed { replicas, cache: place.cache };
        let cells = replicas.iter().map(move |&n| cell(name(place, n), place.arm, deployed(n)));
        cells.collect::<Vec<_>>()
    };
    let mut cells: Vec<Cell> = PLACES.into_iter().flat_map(of).collect();
    let alone = Deployed { replicas: 1, cache: None };
    cells.push(cell("twin".to_owned(), Arm::Twin, alone));
    cells.push(cell("planted".to_owned(), Arm::Planted, alone));
    Grid {
        cells,
        controls: Controls {
            plain: name(MONOLITH, 1),
            twin: "twin".to_owned(),
            planted: "planted".to_owned(),
            effect: 0.1,
        },
        rounds,
        requests,
        seconds: f64::INFINITY,
        rules: rules(),
        derived: Vec::new(),
        picture: Picture::Replicas,
    }
}

fn rules() -> Vec<Rule> {
    let at_most = |claim: &str, quantity, limit| Rule {
        claim: claim.to_owned(),
        quantity,
        limit,
        bound: Bound::AtMost,
    };
    let ratio = |metric, [a, b]: [Place; 2], n| Quantity::Ratio(metric, [name(a, n), name(b, n)]);
    vec![
        at_most(
            "The cache in the backend pays for the hop: the page takes no more CPU, PostgreSQL \
             included, than in a monolith without a cache",
            ratio(Metric::CpuTotal, [BACKEND, MONOLITH], 1),
            1.0,
        ),
        at_most(
            "Nor does the page take longer there than in a monolith without a cache",
            ratio(Metric::P50, [BACKEND, MONOLITH], 1),
            1.0,
        ),
        at_most(
            "At four replicas a split with one cache in the backend takes no more CPU than a \
             monolith with a cache in each",
            ratio(Metric::CpuTotal, [BACKEND, EACH], 4),
            1.0,
        ),
        at_most(
            "At four replicas one cache in the backend leaves at most 0.95 times as many statements as \
             four in monoliths",
            ratio(Metric::Statements, [BACKEND, EACH], 4),
            0.95,
        ),
        at_most(
            "Four caches in monoliths have at most 0.95 times as many answers as one",
            Quantity::Ratio(Metric::Hits, [name(EACH, 4), name(EACH, 1)]),
            0.95,
        ),
        at_most(
            "A cache in the frontend takes the hop away: the page takes at most 1.1 times the CPU of a \
             monolith with a cache",
            ratio(Metric::CpuTotal, [FRONTENDS, EACH], 1),
            1.1,
        ),
        at_most(
            "At four replicas with a cache in each, all show a write within 50 ms",
            Quantity::Level(Metric::Staleness, name(EACH, 4)),
            50.0,
        ),
    ]
}
