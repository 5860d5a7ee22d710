//! x2, waterfall: what does a page cost that needs several answers of the backend? One after the
//! other, all at once, or in one call; next door and far away.

use crate::{
    count::{How, Pattern, Replay},
    experiment::{Card, Design, Experiment, Preset},
    grid::{Bound, Cell, Controls, Grid, Picture, Quantity, Rule, Series},
    judge::summary::Metric,
    record::Arm,
};

/// The experiment.
pub const EXPERIMENT: Experiment = Experiment { card: CARD, design: Design::Grid(grid) };

const CARD: Card = Card {
    id: "x2",
    title: "What does a page cost that makes several calls?",
    claim: "n calls one after the other cost n × (RTT + h) more than n function calls: the way there \
            and back, and an overhead h, for each of them.",
    hypothesis: "h is more than 0 between two servers of one machine; over each link the latency \
                 grows with each call by the link's delay and h within 10 %. One call for everything \
                 brings the page within 10 % of the monolith's at 1 ms.",
    smallest_effect: "Any h above 0; 10 % of what the theory says, and of the page's latency.",
    region: "Pages that need 1, 2, 5 or 12 articles and do nothing else, by a call for each one after \
             the other, by a call for each all at once, or by one call for all; one visitor, who \
             waits for each answer; HTTP/1.1 over connections that are kept; no link and links of \
             0.2, 1 and 5 ms.",
    decision_rule: "Each claim names a figure and where it has to lie: supported when the whole 95 % \
                    interval lies there, refuted when it lies elsewhere, inconclusive otherwise, and \
                    when the answer hangs on rounds in which others used the CPU. A trial over a link \
                    whose median delay is off by more than 10 % is void and measured anew. No verdict \
                    at all when the controls fail.",
    refuted_by: "An interval that lies wholly on the other side of the limit.",
    unfair: &[
        "Both servers of the split share the core that the monolith has for itself: calls that are \
         sent at once are still worked on one after the other.",
        "The page shows nothing of what it got. A real page renders it, which takes the same in both \
         architectures and makes the calls a smaller share.",
        "Each call is cheap, a list of one article: where a call takes milliseconds of its own, the \
         same overhead is a smaller share.",
    ],
    not_shown: &[
        "HTTP/2, on which calls at once share a connection.",
        "A network that loses or reorders packets, or whose bandwidth is small.",
        "A page that is cached, on either side.",
        "Latency under load: nobody waits for anybody else here.",
    ],
    slo_ms: f64::INFINITY,
};

/// How many articles a page needs.
pub const CALLS: [u32; 4] = [1, 2, 5, 12];

/// Lengths of the link, microseconds. Over the first there is nothing but the relay.
pub const RTTS_US: [u32; 4] = [0, 200, 1_000, 5_000];

/// Pages in the monolith, and in a split with nothing between its servers.
pub const HOME: &str = "monolith";
/// See [`HOME`].
pub const NEXT_DOOR: &str = "split";

const DATA: (u64, u64) = (1_000, 100);

/// What a call takes besides the network's way, next door: the h of the rule of thumb.
pub const H: &str = "h next door";

/// The same over a link that delays nothing, with what the link itself takes.
pub const H_OVER_LINK: &str = "h over a link";

/// What each call takes when all are sent at once, next door.
pub const AT_ONCE: &str = "per call at once, next door";

/// What is measured.
pub fn grid(preset: Preset, _database: &str) -> Grid {
    let (rounds, requests, seconds) = match preset {
        Preset::Smoke => (2, 40, 0.04),
        Preset::Quick => (8, 300, 0.1),
        Preset::Standard => (24, 500, 0.2),
        Preset::Full => (60, 1_000, 0.5),
    };
    let mut cells = Vec::new();
    for (place, arm) in [(HOME, Arm::Monolith), (NEXT_DOOR, Arm::Split)] {
        cells.extend(pages(place, arm, None, &[How::Sequential, How::Concurrent, How::Batched]));
    }
    // What the relay takes is only needed for the theory.
    cells.extend(pages(&link(0), Arm::Link, Some(0), &[How::Sequential]));
    for rtt_us in &RTTS_US[1..] {
        let hows = [How::Sequential, How::Concurrent, How::Batched];
        cells.extend(pages(&link(*rtt_us), Arm::Link, Some(*rtt_us), &hows));
    }
    let one = Replay::Calls(Pattern { articles: 1, how: How::Sequential, codec: false });
    cells.push(Cell::new("twin", Arm::Twin, one, DATA));
    cells.push(Cell::new("planted", Arm::Planted, one, DATA));
    Grid {
        cells,
        controls: Controls {
            plain: name(HOME, How::Sequential, 1),
            twin: "twin".to_owned(),
            planted: "planted".to_owned(),
            effect: 0.1,
        },
        rounds,
        requests,
        seconds,
        rules: rules(),
        derived: derived(),
        picture: Picture::Calls,
    }
}

/// One call is the same in every pattern, and measured once.
fn pages(place: &str, arm: Arm, rtt_us: Option<u32>, hows: &[How]) -> Vec<Cell> {
    let mut cells = Vec::new();
    for how in hows {
        for articles in CALLS {
            if articles == 1 && *how != How::Sequential {
                continue;
            }
            let view = Replay::Calls(Pattern { articles, how: *how, codec: false });
            let cell = Cell::new(name(place, *how, articles), arm, view, DATA);
            cells.push(Cell { rtt_us, ..cell });
        }
    }
    cells
}

/// The place behind a link.
pub fn link(rtt_us: u32) -> String {
    format!("split over {} ms", f64::from(rtt_us) / 1e3)
}

/// A page's cell.
pub fn name(place: &str, how: How, articles: u32) -> String {
    match articles {
        1 => format!("{place}, 1 call"),
        n if how == How::Batched => format!("{place}, {n} in 1 call"),
        n => format!(
            "{place}, {n} calls {}",
            if how == How::Concurrent { "at once" } else { "in turn" }
        ),
    }
}

/// All pages of one place and pattern.
pub fn series(place: &str, how: How) -> Series {
    CALLS.map(|articles| (articles, name(place, how, articles))).into()
}

/// What each call in turn adds over a link, by its name.
pub fn per_call(rtt_us: u32) -> String {
    format!("per call over {} ms", f64::from(rtt_us) / 1e3)
}

fn derived() -> Vec<(String, Quantity)> {
    let home = |how| series(HOME, how);
    let overhead = |at, how| Quantity::Overhead { at, home: home(how) };
    let (turn, once) = (How::Sequential, How::Concurrent);
    let mut derived = vec![
        (H.to_owned(), overhead(series(NEXT_DOOR, turn), turn)),
        (H_OVER_LINK.to_owned(), overhead(series(&link(0), turn), turn)),
        (AT_ONCE.to_owned(), overhead(series(NEXT_DOOR, once), once)),
    ];
    for rtt_us in RTTS_US {
        let at = series(&link(rtt_us), turn);
        derived.push((per_call(rtt_us), Quantity::PerCall { at, home: home(turn) }));
    }
    derived
}

fn rules() -> Vec<Rule> {
    let (turn, once, batch) = (How::Sequential, How::Concurrent, How::Batched);
    let home = series(HOME, turn);
    let ratio = |a: String, b: String| Quantity::Ratio(Metric::P50, [a, b]);
    let theory = |rtt_us: u32| Rule {
        claim: format!(
            "Over {} ms each call in turn takes RTT + h within 10 %",
            f64::from(rtt_us) / 1e3
        ),
        quantity: Quantity::OfTheory {
            at: series(&link(rtt_us), turn),
            near: series(&link(0), turn),
            home: home.clone(),
        },
        limit: 0.1,
        bound: Bound::Off,
    };
    let far = link(1_000);
    let at_most = |claim: &str, quantity, limit| Rule {
        claim: claim.to_owned(),
        quantity,
        limit,
        bound: Bound::AtMost,
    };
    vec![
        Rule {
            claim:
                "A call takes longer over the boundary than as a function call: h is more than 0"
                    .to_owned(),
            quantity: Quantity::Overhead { at: series(NEXT_DOOR, turn), home: home.clone() },
            limit: 0.0,
            bound: Bound::MoreThan,
        },
        theory(1_000),
        at_most(
            "At 1 ms a page that gets 12 articles in one call is within 10 % of the monolith's",
            ratio(name(&far, batch, 12), name(HOME, batch, 12)),
            1.1,
        ),
        at_most(
            "At 1 ms a page that gets 12 articles in one call is within 10 % of a monolith's that \
             makes 12 calls in turn",
            ratio(name(&far, batch, 12), name(HOME, turn, 12)),
            1.1,
        ),
        at_most(
            "At 1 ms 12 calls at once take at most twice as long as one",
            ratio(name(&far, once, 12), name(&far, turn, 1)),
            2.0,
        ),
        at_most(
            "Next door one call costs at most 10 % of the page's latency",
            ratio(name(NEXT_DOOR, turn, 1), name(HOME, turn, 1)),
            1.1,
        ),
        theory(200),
        theory(5_000),
    ]
}
