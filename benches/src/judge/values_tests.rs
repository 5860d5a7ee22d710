//! Do figures that follow from calls and rungs come out as they were put in?

use crate::{
    count::{How, Replay},
    experiment::{Design, Experiment, Preset},
    experiments::{ladder, x2},
    grid::{Cell, Grid, Picture},
    judge::{
        summarise_with,
        summary::{Metric, Outcome, Summary},
    },
    link::{Achieved, Direction},
    probe::Waiting,
    record::{Arm, Cells, Pilot, Run, Trial},
    synthetic::{Noise, Truth},
};

/// What a function call takes, a call over the boundary on top, and the relay, milliseconds.
const CALL: f64 = 0.1;
const H: f64 = 0.3;
const RELAY: f64 = 0.06;

/// Of the relay's time it notices so much itself.
const NOTICED: f64 = 0.04;

/// What is wrong with a run.
#[derive(Clone, Copy, Default)]
struct Flaw {
    /// The link adds so much more than it should and says, as a share.
    secretly: f64,
    /// Trials over 1 ms that are void, with a latency that nobody should see.
    void: bool,
    /// Rounds in which all trials over 1 ms are void.
    lost: u32,
}

fn grid(experiment: Experiment) -> Grid {
    let Design::Grid(grid) = experiment.design else { panic!("it is a grid") };
    grid(Preset::Quick, "sqlite")
}

/// Calls in turn that a page makes.
fn calls(view: Replay) -> f64 {
    match view {
        Replay::Calls(pattern) if pattern.how == How::Sequential => f64::from(pattern.articles),
        _ => 1.0,
    }
}

/// Median latency of a cell, milliseconds.
fn latency(cell: &Cell, flaw: Flaw) -> f64 {
    let rtt_ms = cell.rtt_us.map(|us| f64::from(us) / 1e3);
    let codec = match cell.view {
        Replay::Calls(pattern) => pattern.codec,
        Replay::Text { codec, .. } => codec,
        _ => false,
    };
    let hop = match cell.arm {
        Arm::UnixSocket => 0.8 * H,
        Arm::Split | Arm::Link => H,
        Arm::Http2 => 1.4 * H,
        _ if codec => 0.2 * H,
        _ => 0.0,
    };
    let link = rtt_ms.map_or(0.0, |rtt| RELAY + rtt * (1.0 + flaw.secretly));
    // What is sent at once is still worked on one after the other.
    let others = match cell.view {
        Replay::Calls(pattern) if pattern.how == How::Concurrent => pattern.articles - 1,
        _ => 0,
    };
    let others = f64::from(others) * (CALL + 0.5 * hop);
    let text = match cell.view {
        Replay::Text { kib, .. } => f64::from(kib) * (0.001 + 0.02 * hop),
        _ => 0.0,
    };
    0.2 + calls(cell.view) * (CALL + hop + link) + others + text
}

fn achieved(cell: &Cell) -> Option<Achieved> {
    let rtt_ms = f64::from(cell.rtt_us?) / 1e3;
    let p50_ms = (rtt_ms + NOTICED) / 2.0;
    let way = Direction { chunks: 99, p50_ms, p99_ms: p50_ms, max_ms: p50_ms };
    Some(Achieved { rtt_ms, there: way.clone(), back: way })
}

pub(crate) fn run_of(experiment: Experiment, rounds: u32) -> Run {
    flawed(experiment, rounds, Flaw::default())
}

fn flawed(experiment: Experiment, rounds: u32, flaw: Flaw) -> Run {
    let grid = grid(experiment);
    let mut noise = Noise::new(7);
    let mut trials = Vec::new();
    for round in 0..rounds {
        for cell in grid.cells.iter().chain(grid.cells.iter().rev()) {
            let ms = latency(cell, flaw) * (0.01 * noise.normal()).exp();
            let cpu = if cell.arm == Arm::Planted { 1.05 * ms } else { ms };
            let far = cell.rtt_us == Some(1_000);
            let trial = Trial {
                round,
                cell: cell.name.clone(),
                requests: 40,
                seconds: 0.1,
                latency: noise.histogram(40, ms * 1e3, 0.02),
                cpu_ms: [("server".to_owned(), cpu * 40.0), ("link".to_owned(), 9.0)].into(),
                resident_mib: [].into(),
                foreign_cpu: 0.01,
                steal: 0.0,
                waiting: Some(Waiting { times: 160, queued_ms: 2.0 }),
                link: achieved(cell),
                reads: None,
                void: None,
            };
            let why = || Some("the link should add 1 ms and added 2 ms".to_owned());
            if far && (flaw.void || round < flaw.lost) {
                let latency = noise.histogram(40, 9e6, 0.02);
                trials.push(Trial { latency, void: why(), ..trial.clone() });
            }
            if !(far && round < flaw.lost) {
                trials.push(trial);
            }
        }
    }
    let plain = grid.cell(&grid.controls.plain).expect("a plain cell");
    Run {
        experiment: experiment.card.id.into(),
        slices: Vec::new(),
        pilot: Pilot { planted_ms: 0.05 * latency(plain, flaw), ..Pilot::default() },
        grid: Some(Cells { cells: grid.cells, trials, balancing: None }),
        ..Truth::default().run()
    }
}

fn summary(run: &Run) -> Summary {
    summarise_with(run, 300).unwrap()
}

fn outcome(summary: &Summary, claim: &str) -> Option<Outcome> {
    let verdict = summary.verdicts.iter().find(|v| v.question.contains(claim));
    verdict.unwrap_or_else(|| panic!("no verdict on {claim}")).outcome
}

#[track_caller]
fn close(summary: &Summary, name: &str, truth: f64) {
    let found = summary.derived(name).unwrap_or_else(|| panic!("{name} was not told"));
    assert!((found.value / truth - 1.0).abs() < 0.05, "{name} is {truth}, not {found:?}");
    assert!(found.low < found.value && found.value < found.high, "{name}: {found:?}");
}

#[test]
fn the_slope_is_the_delay_and_the_overhead() {
    let summary = summary(&run_of(x2::EXPERIMENT, 12));
    assert!(summary.certificate.certified, "{:?}", summary.certificate);
    close(&summary, x2::H, H);
    close(&summary, x2::H_OVER_LINK, H + RELAY - NOTICED);
    close(&summary, &x2::per_call(1_000), 1.0 + H + RELAY);
    let one = summary.cell(&x2::name(&x2::link(1_000), How::Sequential, 1)).unwrap();
    assert!((one.delay.unwrap().value - 1.0 - NOTICED).abs() < 1e-6);
    assert!(summary.cell("twin").unwrap().delay.is_none(), "there is no link");
    assert!(!one.metrics[&Metric::CpuServers].contains(9.0 / 40.0), "the link is no server");

    assert_eq!(one.waits.map(|waits| waits.value), Some(4.0), "160 in 40 requests");
    assert_eq!(one.queued_ms.map(|ms| ms.value), Some(0.05));

    assert_eq!(outcome(&summary, "h is more than 0"), Some(Outcome::Supported));
    for over in ["Over 0.2 ms", "Over 1 ms", "Over 5 ms"] {
        assert_eq!(outcome(&summary, over), Some(Outcome::Supported), "{over}");
    }
    let batched = "in one call is within 10 % of the monolith's";
    assert_eq!(outcome(&summary, batched), Some(Outcome::Refuted));
}

#[test]
fn a_link_that_adds_more_than_it_says_is_no_theory() {
    let flaw = Flaw { secretly: 0.3, ..Flaw::default() };
    let calls = summary(&flawed(x2::EXPERIMENT, 12, flaw));
    assert_eq!(outcome(&calls, "Over 5 ms"), Some(Outcome::Refuted));
    let rungs = summary(&flawed(ladder::EXPERIMENT, 12, flaw));
    assert_eq!(outcome(&rungs, "link of 5 ms add up"), Some(Outcome::Refuted));
}

#[test]
fn a_void_trial_is_not_looked_at() {
    let flaw = Flaw { void: true, ..Flaw::default() };
    let with = summary(&flawed(x2::EXPERIMENT, 12, flaw));
    close(&with, &x2::per_call(1_000), 1.0 + H + RELAY);
    assert_eq!(with.findings[0].rounds, 12);

    // Where a cell has none left, its round has nothing to compare.
    let flaw = Flaw { lost: 4, ..Flaw::default() };
    let without = summary(&flawed(x2::EXPERIMENT, 12, flaw));
    close(&without, &x2::per_call(1_000), 1.0 + H + RELAY);
    assert_eq!(without.findings[0].rounds, 8);
}

#[test]
fn rungs_add_up_and_each_is_what_was_put_in() {
    let summary = summary(&run_of(ladder::EXPERIMENT, 14));
    assert_eq!(grid(ladder::EXPERIMENT).picture, Picture::Ladder);
    for far in ["link of 0.2 ms add up", "link of 1 ms add up", "link of 5 ms add up"] {
        assert_eq!(outcome(&summary, far), Some(Outcome::Supported), "{far}");
    }
    let added = |rung: &str| ladder::added(Metric::P50, rung);
    for (rung, truth) in [("JSON", 0.2 * H), ("Unix socket", 0.6 * H), ("TCP", 0.2 * H)] {
        let found = summary.derived(&added(rung)).unwrap();
        assert!((found.value - truth).abs() < 0.01, "{rung} adds {truth}, not {found:?}");
    }
    close(&summary, &added("link of 5 ms"), 4.0);
    let by_http2 = ladder::by_http2(Metric::CpuServers, "a list of ten");
    close(&summary, &by_http2, (0.2 + CALL + 1.4 * H) / (0.2 + CALL + H));
    assert_eq!(outcome(&summary, "1.05 times the CPU by HTTP/2"), Some(Outcome::Supported));
    assert_eq!(outcome(&summary, "at most as much CPU by HTTP/2"), Some(Outcome::Refuted));
    assert_eq!(outcome(&summary, "JSON is at most half"), Some(Outcome::Supported));
    assert_eq!(outcome(&summary, "512 KiB, JSON is more than half"), Some(Outcome::Refuted));
    assert_eq!(
        outcome(&summary, "Unix socket adds at most 0.9 times the CPU"),
        Some(Outcome::Supported)
    );
}

#[test]
fn every_rule_and_every_derived_figure_has_cells() {
    for experiment in [x2::EXPERIMENT, ladder::EXPERIMENT] {
        let summary = summary(&run_of(experiment, 3));
        for finding in &summary.findings {
            assert!(finding.found.is_some(), "{}", finding.claim);
        }
        for derived in &summary.derived {
            assert!(derived.found.is_some(), "{}", derived.name);
        }
    }
}
