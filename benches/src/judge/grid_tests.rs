//! Does the judgement of a grid say what was put in?

use std::collections::BTreeMap;

use super::*;
use crate::{
    experiments::floor,
    judge::summarise_with,
    record::{Cells, Pilot},
    synthetic::{Noise, Truth},
};

/// What the cells take, milliseconds of CPU per request, and what is wrong with them.
#[derive(Clone, Copy)]
struct Cost {
    by_hand: f64,
    hop: f64,
    monolith: f64,
    split: f64,
    twin: f64,
    planted: f64,
    /// Rounds in which others use the CPU, and the split takes twice as much.
    busy: u32,
}

const GOOD: Cost = Cost {
    by_hand: 0.20,
    hop: 0.30,
    monolith: 0.21,
    split: 0.32,
    twin: 0.21,
    planted: 0.21 * 1.05,
    busy: 0,
};

/// A run of the floor as it should be.
pub(crate) fn sound_grid() -> Run {
    run(GOOD, 24)
}

/// A run of the floor with such cells.
fn run(cost: Cost, rounds: u32) -> Run {
    let grid = floor::grid(Preset::Quick, "sqlite");
    let mut noise = Noise::new(7);
    let mut trials = Vec::new();
    for round in 0..rounds {
        let shift = (0.01 * noise.normal()).exp();
        for _ in 0..2 {
            for cell in &grid.cells {
                let busy = round < cost.busy;
                let ms = match cell.name.as_str() {
                    "by hand" => cost.by_hand,
                    "by hand, over bare hops" => cost.hop,
                    "split" if busy => 2.0 * cost.split,
                    "split" => cost.split,
                    "twin" => cost.twin,
                    "monolith with planted CPU" => cost.planted,
                    _ => cost.monolith,
                };
                let ms = ms * shift * (0.005 * noise.normal()).exp();
                trials.push(Trial {
                    round,
                    cell: cell.name.clone(),
                    requests: 200,
                    seconds: 0.1,
                    latency: noise.histogram(200, ms * 1e3, 0.02),
                    cpu_ms: [("server".to_owned(), ms * 200.0), ("generator".to_owned(), 9.0)]
                        .into(),
                    resident_mib: BTreeMap::new(),
                    foreign_cpu: if busy { 0.3 } else { 0.01 },
                    steal: 0.0,
                    waiting: None,
                    link: None,
                    reads: None,
                    void: None,
                });
            }
        }
    }
    Run {
        experiment: "floor".into(),
        slices: Vec::new(),
        pilot: Pilot { planted_ms: 0.05 * cost.monolith, ..Pilot::default() },
        grid: Some(Cells { cells: grid.cells, trials, balancing: None }),
        scaling: None,
        ..Truth::default().run()
    }
}

fn outcomes(run: &Run) -> Vec<Option<Outcome>> {
    let summary = summarise_with(run, 400).unwrap();
    summary.verdicts.iter().map(|verdict| verdict.outcome).collect()
}

#[test]
fn a_claim_is_supported_or_refuted_by_the_whole_interval() {
    assert_eq!(outcomes(&run(GOOD, 24)), [Some(Outcome::Supported); 4]);
    // 0.26 by hand is 0.20; the split adds 0.20 where bare hops add 0.10; 0.36 in all.
    let monolith = 0.36;
    let bad = Cost { monolith, split: 0.56, twin: monolith, planted: monolith * 1.05, ..GOOD };
    assert_eq!(outcomes(&run(bad, 24)), [Some(Outcome::Refuted); 4]);
}

#[test]
fn a_limit_inside_the_interval_decides_nothing() {
    let found = outcomes(&run(Cost { by_hand: 0.21 / 1.15, ..GOOD }, 24));
    assert_eq!(found[0], Some(Outcome::Inconclusive));
}

#[test]
fn without_controls_that_hold_there_is_no_verdict() {
    let broken_twin = Cost { twin: 0.25, ..GOOD };
    let nothing_planted = Cost { planted: GOOD.monolith, ..GOOD };
    for cost in [broken_twin, nothing_planted] {
        assert_eq!(outcomes(&run(cost, 24)), [None; 4]);
    }
}

#[test]
fn one_round_says_nothing() {
    assert_eq!(outcomes(&run(GOOD, 1)), [None; 4]);
}

#[test]
fn an_answer_that_hangs_on_busy_rounds_is_none() {
    let summary = summarise_with(&run(Cost { busy: 16, ..GOOD }, 24), 400).unwrap();
    let hop = &summary.findings[1];
    assert_eq!((hop.rounds, hop.quiet_rounds), (24, 8));
    assert_eq!(summary.verdicts[1].outcome, Some(Outcome::Inconclusive));
    assert!(summary.verdicts[1].because.contains("16 of 24"), "{}", summary.verdicts[1].because);
}

#[test]
fn figures_are_what_was_put_in() {
    let summary = summarise_with(&run(GOOD, 24), 400).unwrap();
    let by_hand = summary.figures.iter().find(|figures| figures.cell == "by hand").unwrap();
    assert_eq!(by_hand.requests, 24 * 2 * 200);
    for (metric, truth) in [(Metric::CpuServers, 0.20), (Metric::P50, 0.20)] {
        let level = by_hand.metrics[&metric];
        assert!((level.value / truth - 1.0).abs() < 0.02, "{metric:?}: {level:?}");
        assert!(level.low < level.value && level.value < level.high);
    }
    assert!(!by_hand.metrics.contains_key(&Metric::CpuDatabase));
}
