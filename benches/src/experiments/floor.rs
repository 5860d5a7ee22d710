//! floor: how far do both architectures stand above the least that the page can cost?
//!
//! Were the monolith slow, the tax of a split would disappear in its noise, and every verdict would
//! flatter the split. So the home page is also there by hand (`benches/floor.rs`): the same
//! statements and the same bytes straight from axum, sqlx and askama, alone and over the least hop
//! that there can be between two processes.

use crate::{
    count::Replay,
    databases::POSTGRES,
    experiment::{Card, Design, Experiment, Preset},
    grid::{Bound, Cell, Controls, Grid, Picture, Quantity, Rule},
    judge::summary::Metric,
    record::Arm,
};

/// The experiment.
pub const EXPERIMENT: Experiment = Experiment { card: CARD, design: Design::Grid(grid) };

const CARD: Card = Card {
    id: "floor",
    title: "How near is the app to the least that its page can cost?",
    claim: "Both architectures stand near the floor, so what lies between them is the boundary.",
    hypothesis: "The monolith's home page takes at most 1.15 times the CPU of the same page by \
                 hand, and the split adds at most 1.25 times what bare hops add.",
    smallest_effect: "The limits themselves: 15 % above the page by hand, 25 % above the bare \
                      hops, half as much again of their latency.",
    region: "The home page, signed out, one visitor who waits for each answer; for the JSON list \
             the monolith alone.",
    decision_rule: "Each claim names a figure and the most that it may be: supported when the \
                    whole 95 % interval lies at or below it, refuted when it lies above, \
                    inconclusive otherwise, and when the answer hangs on rounds in which others \
                    used the CPU. No verdict at all when the controls fail.",
    refuted_by: "An interval that ends above the limit.",
    unfair: &[
        "The page by hand does nothing but this page: no routes, no request numbers, no budget, no \
         metrics, no log. What an app needs anyway is counted against it.",
        "Both processes of a hop share one core, so every hand-over waits for it.",
    ],
    not_shown: &[
        "Pages other than the home page, and visitors who are signed in.",
        "Anything under load: nobody waits for anybody else here.",
        "That the page by hand is the fastest that there could be: it is the plainest.",
    ],
    slo_ms: f64::INFINITY,
};

/// What is measured.
pub fn grid(preset: Preset, database: &str) -> Grid {
    let (rounds, requests) = match preset {
        Preset::Smoke => (2, 40),
        Preset::Quick => (16, 600),
        Preset::Standard => (40, 1_500),
        Preset::Full => (80, 2_000),
    };
    let cell = |name: &str, arm, view| Cell::new(name, arm, view, (1_000, 100));
    let cells = vec![
        cell("by hand", Arm::Floor, Replay::Home),
        cell("by hand, over bare hops", Arm::Hop, Replay::Home),
        cell("monolith", Arm::Monolith, Replay::Home),
        cell("split", Arm::Split, Replay::Home),
        cell("monolith, JSON list", Arm::Monolith, Replay::List),
        cell("twin", Arm::Twin, Replay::Home),
        cell("monolith with planted CPU", Arm::Planted, Replay::Home),
    ];
    Grid {
        controls: Controls {
            plain: "monolith".into(),
            twin: "twin".into(),
            planted: "monolith with planted CPU".into(),
            effect: 0.05,
        },
        rules: rules(database),
        cells,
        rounds,
        requests,
        seconds: f64::INFINITY,
        derived: Vec::new(),
        picture: Picture::Bars,
    }
}

fn rules(database: &str) -> Vec<Rule> {
    let rule = |claim: &str, quantity, limit| Rule {
        claim: claim.to_owned(),
        quantity,
        limit,
        bound: Bound::AtMost,
    };
    let name = str::to_owned;
    let boundary = || ["split", "monolith", "by hand, over bare hops", "by hand"].map(name);
    let mut rules = vec![
        rule(
            "The monolith's home page takes at most 1.15 times the CPU of the page by hand",
            Quantity::Ratio(Metric::CpuServers, ["monolith", "by hand"].map(name)),
            1.15,
        ),
        rule(
            "The split's two calls add at most 1.25 times the CPU that bare hops add",
            Quantity::Added(Metric::CpuServers, boundary()),
            1.25,
        ),
        rule(
            "The split adds at most 1.5 times the median latency that bare hops add",
            Quantity::Added(Metric::P50, boundary()),
            1.5,
        ),
    ];
    let together = if database == POSTGRES { Metric::CpuTotal } else { Metric::CpuServers };
    let limit = if database == POSTGRES { 0.8 } else { 0.35 };
    rules.push(rule(
        &format!("The monolith's home page takes at most {limit} ms of CPU, database included"),
        Quantity::Level(together, name("monolith")),
        limit,
    ));
    if database == POSTGRES {
        rules.push(rule(
            "The monolith's JSON list takes at most 0.5 ms of CPU, database included",
            Quantity::Level(together, name("monolith, JSON list")),
            0.5,
        ));
    }
    rules
}
