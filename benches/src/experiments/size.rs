//! size: does a page cost more when there is more data?
//!
//! It must not. What a visitor sees is as long as ever, and the database has an index for each of its
//! lists; where a figure still grows, it is because an index has grown deeper or no longer fits a
//! cache.

use crate::{
    count::Replay,
    databases::POSTGRES,
    experiment::{Card, Design, Experiment, Preset},
    grid::{Bound, Cell, Controls, Grid, Picture, Quantity, Rule},
    judge::summary::Metric,
    record::Arm,
    words,
};

/// The experiment.
pub const EXPERIMENT: Experiment = Experiment { card: CARD, design: Design::Grid(grid) };

const CARD: Card = Card {
    id: "size",
    title: "Does a page cost more when there is more data?",
    claim: "What a page costs does not grow with the number of articles.",
    hypothesis: "With the most data a page takes at most 1.2 times the servers' CPU, and at most \
                 1.5 times that of servers and database together, that it takes with the least.",
    smallest_effect: "The limits themselves: 20 % of the servers' CPU, 50 % with the database.",
    region: "First pages: home, an article, the tag that most articles have, the own feed of \
             somebody who follows ten others; the monolith, one visitor who waits for each \
             answer, data in memory. Quick goes to 10,000 articles, standard to 100,000, full to \
             1,000,000.",
    decision_rule: "For each page the ratio of the largest site to the smallest: supported when the \
                    whole 95 % interval lies at or below the limit, refuted when it lies above, \
                    inconclusive otherwise, and when the answer hangs on rounds in which others \
                    used the CPU. No verdict at all when the controls fail.",
    refuted_by: "An interval that ends above the limit, on any page.",
    unfair: &[
        "Everything fits into memory here. On a machine with less of it a larger site reads from \
         the disk.",
        "The articles are made by a rule, and more even than people's.",
    ],
    not_shown: &[
        "Pages far back in a list, which the database has to walk to.",
        "Writing. Its indices grow too.",
        "The split: its backend sends the same statements.",
    ],
    slo_ms: f64::INFINITY,
};

/// The pages.
const VIEWS: [Replay; 4] = [Replay::Home, Replay::Article, Replay::Tag, Replay::Feed];

/// What is measured.
pub fn grid(preset: Preset, database: &str) -> Grid {
    let (sizes, rounds, requests): (&[u64], _, _) = match preset {
        Preset::Smoke => (&[200, 1_000], 2, 60),
        Preset::Quick => (&[1_000, 10_000], 12, 320),
        Preset::Standard => (&[1_000, 10_000, 100_000], 30, 500),
        Preset::Full => (&[1_000, 10_000, 100_000, 1_000_000], 40, 800),
    };
    let (least, most) = (sizes[0], sizes[sizes.len() - 1]);
    let cell = |name: String, arm, view, articles: u64| {
        Cell::new(name, arm, view, (articles, (articles / 10).max(100)))
    };
    let mut cells = Vec::new();
    for view in VIEWS {
        cells.extend(sizes.iter().map(|n| cell(named(view, *n), Arm::Monolith, view, *n)));
    }
    let (twin, planted) = ("home, twin".to_owned(), "home with planted CPU".to_owned());
    cells.push(cell(twin.clone(), Arm::Twin, Replay::Home, least));
    cells.push(cell(planted.clone(), Arm::Planted, Replay::Home, least));
    Grid {
        cells,
        controls: Controls { plain: named(Replay::Home, least), twin, planted, effect: 0.05 },
        rounds,
        requests,
        rules: rules(least, most, database),
        seconds: f64::INFINITY,
        derived: Vec::new(),
        picture: Picture::Lines,
    }
}

fn named(view: Replay, articles: u64) -> String {
    format!("{}, {} articles", view.name(), words::count(articles))
}

fn rules(least: u64, most: u64, database: &str) -> Vec<Rule> {
    let mut rules = Vec::new();
    let counts = [most, least].map(words::count);
    let mut against = |metric, what: &str, limit: f64| {
        for view in VIEWS {
            rules.push(Rule {
                claim: format!(
                    "The {} page takes at most {limit} times the CPU of {what} at {} articles that \
                     it takes at {}",
                    view.name(),
                    counts[0],
                    counts[1]
                ),
                quantity: Quantity::Ratio(metric, [most, least].map(|n| named(view, n))),
                limit,
                bound: Bound::AtMost,
            });
        }
    };
    if database == POSTGRES {
        against(Metric::CpuServers, "the server", 1.2);
        against(Metric::CpuTotal, "server and database together", 1.5);
    } else {
        // The database is a part of the server, so the limit of both together holds.
        against(Metric::CpuServers, "server and database together", 1.5);
    }
    rules
}
