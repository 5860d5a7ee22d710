//! Does the plan keep the rules of measuring, and does it fit the time that its preset promises?

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{judge::REQUESTS_FOR_P99, record::Arm};

/// The slowest rate that the plan has to work with, pages per second.
const SLOWEST_RATE: f64 = 500.0;

fn seconds(plan: &Plan) -> f64 {
    plan.restarts
        .iter()
        .flat_map(|r| &r.blocks)
        .map(|block| match block {
            Block::Steady { order, seconds, .. } => order.len() as f64 * seconds,
            Block::Capacity { arms, steps, seconds, .. } => {
                arms.len() as f64 * f64::from(*steps) * seconds
            }
            Block::Duet { seconds, .. } => 2.0 * seconds,
        })
        .sum()
}

/// Seconds of load per question, page and arm.
fn steady(plan: &Plan) -> BTreeMap<(Comparison, Page, Arm), f64> {
    let mut load = BTreeMap::new();
    for block in plan.restarts.iter().flat_map(|r| &r.blocks) {
        if let Block::Steady { comparison, page, order, seconds, .. } = block {
            for arm in order {
                *load.entry((*comparison, *page, *arm)).or_insert(0.0) += seconds;
            }
        }
    }
    load
}

#[test]
fn presets_keep_their_time() {
    for (preset, limit) in [
        (Preset::Smoke, 10.0),
        (Preset::Quick, 190.0),
        (Preset::Standard, 25.0 * 60.0),
        (Preset::Full, 4.0 * 3600.0),
    ] {
        let seconds = seconds(&plan(preset, 1));
        assert!(seconds <= limit, "{preset}: {seconds} s");
    }
}

#[test]
fn quick_holds_enough_restarts_and_requests() {
    let plan = plan(Preset::Quick, 1);
    assert!(plan.restarts.len() >= 8);
    for ((comparison, page, arm), seconds) in steady(&plan) {
        let requests = seconds * SLOWEST_RATE;
        let enough = requests >= REQUESTS_FOR_P99 as f64;
        assert!(
            enough || comparison == Comparison::Planted,
            "{comparison:?} {page:?} {arm:?}: {requests}"
        );
    }
    let searches = plan.restarts.iter().flat_map(|r| &r.blocks);
    assert!(searches.filter(|b| matches!(b, Block::Capacity { .. })).count() >= 4);
}

#[test]
fn every_block_is_abba_or_baab_and_both_occur() {
    let plan = plan(Preset::Quick, 1);
    let mut firsts = BTreeSet::new();
    for block in plan.restarts.iter().flat_map(|r| &r.blocks) {
        if let Block::Steady { comparison, order, .. } = block {
            let [a, b] = comparison.arms();
            assert!(*order == [a, b, b, a] || *order == [b, a, a, b], "{order:?}");
            firsts.insert(order[0] == a);
        }
    }
    assert_eq!(firsts.len(), 2);
}

#[test]
fn whoever_is_compared_has_served_equally_much_and_nobody_else() {
    for restart in plan(Preset::Standard, 1).restarts {
        let mut load: BTreeMap<(Page, Arm), f64> = BTreeMap::new();
        let mut comparisons = BTreeSet::new();
        for block in &restart.blocks {
            comparisons.insert(block.comparison());
            let Block::Steady { order, page, seconds, .. } = block else { continue };
            order.iter().for_each(|arm| *load.entry((*page, *arm)).or_default() += seconds);
        }
        assert_eq!(comparisons.len(), 1);
        let [a, b] = comparisons.first().unwrap().arms();
        assert_eq!(restart.arms, [a, b]);
        for page in [Page::Home, Page::Article] {
            let [a, b] = [a, b].map(|arm| load.get(&(page, arm)));
            assert!(a == b, "{page:?}: {a:?} s and {b:?} s");
        }
    }
}

#[test]
fn the_order_of_blocks_differs_between_restarts() {
    let order = |restart: &Restart| -> Vec<_> {
        restart
            .blocks
            .iter()
            .filter_map(|b| match b {
                Block::Steady { comparison, page, .. } => Some((*comparison, *page)),
                Block::Capacity { .. } | Block::Duet { .. } => None,
            })
            .collect()
    };
    let orders: BTreeSet<_> = plan(Preset::Quick, 1).restarts.iter().map(order).collect();
    assert!(orders.len() > 4, "{orders:?}");
}

#[test]
fn the_same_seed_gives_the_same_plan_and_another_seed_another() {
    assert_eq!(plan(Preset::Quick, 1), plan(Preset::Quick, 1));
    assert_ne!(plan(Preset::Quick, 1), plan(Preset::Quick, 2));
}

#[test]
fn arrivals_are_shared_within_a_block_and_differ_between_blocks() {
    let plan = plan(Preset::Standard, 1);
    let seeds: Vec<u64> = plan
        .restarts
        .iter()
        .flat_map(|r| &r.blocks)
        .map(|b| match b {
            Block::Steady { seed, .. }
            | Block::Capacity { seed, .. }
            | Block::Duet { seed, .. } => *seed,
        })
        .collect();
    let different: BTreeSet<_> = seeds.iter().collect();
    assert_eq!(different.len(), seeds.len());
}

#[test]
fn where_arms_run_at_once_latencies_have_all_their_turns_and_presets_keep_their_time() {
    let turns = plan(Preset::Standard, 1);
    let both = turns.clone().with_duets();
    let mut expected = steady(&turns);
    expected.retain(|(comparison, ..), _| *comparison != Comparison::Planted);
    assert_eq!(steady(&both), expected);
    let mut at_once: BTreeMap<(Comparison, Page), f64> = BTreeMap::new();
    for block in both.restarts.iter().flat_map(|restart| &restart.blocks) {
        if let Block::Duet { comparison, page, seconds, .. } = block {
            *at_once.entry((*comparison, *page)).or_default() += 2.0 * seconds;
        }
    }
    for ((comparison, page, _), seconds) in steady(&turns) {
        // What both arms had in turns.
        let all = 2.0 * seconds;
        let share = if comparison == Comparison::Planted { 1.0 } else { 0.5 };
        assert!((at_once[&(comparison, page)] - share * all).abs() < 1e-6, "{comparison:?}");
    }
    assert!(seconds(&both) < 30.0 * 60.0, "{} s", seconds(&both));
}

#[test]
fn where_only_two_arms_can_be_had_the_question_itself_is_left() {
    let whole = plan(Preset::Standard, 1);
    let part = whole.clone().with_arms(&[Arm::Monolith, Arm::Split]);
    assert_eq!(part.arms(), [Arm::Monolith, Arm::Split]);
    assert_eq!(part.restarts.len(), whole.restarts.len() / 3);
    let of =
        |plan: &Plan| steady(plan).into_iter().filter(|((c, ..), _)| *c == Comparison::Boundary);
    assert!(of(&part).eq(of(&whole)) && steady(&part).len() == of(&part).count());
    assert!(whole.with_arms(&[Arm::Twin]).restarts.is_empty());
}
