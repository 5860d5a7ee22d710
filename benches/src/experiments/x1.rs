//! x1, hop anatomy, the first two rungs: what does it cost to put HTTP between pages and data?
//!
//! Everything else is equal by construction (one source), so the difference between the two arms is
//! the boundary: writing and reading JSON, two more socket turns, one more process to wake up.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::experiment::{Card, Design, Experiment, Preset};
use crate::judge::summary::Metric;
use crate::judge::{Limit, Question};
use crate::plan::{Block, Plan, Restart};
use crate::record::{Comparison, Page};

/// p99 of latency that the goodput has to keep, milliseconds.
const SLO_MS: f64 = 25.0;

/// The experiment.
pub const EXPERIMENT: Experiment =
    Experiment { card: CARD, design: Design::Contrast { plan, questions: &QUESTIONS } };

const CARD: Card = Card {
    id: "x1",
    title: "What does the boundary cost?",
    claim: "The boundary between frontend and backend has a price: the same page costs more when \
            it is fetched over HTTP than when it is a function call away.",
    hypothesis: "The boundary costs: a page takes more CPU, summed over all server processes, in \
                 the split than in the monolith, by at least the smallest effect of interest.",
    smallest_effect: "5 % of CPU per page; for p99 the larger of 10 % and 0.5 ms; 5 % of goodput.",
    region: "Home page and article page, signed out, at a rate that keeps about 30 % of one core \
             busy, all processes on one machine, no network between them.",
    decision_rule: "Supported when the whole 95 % interval lies beyond the smallest effect on both \
                    pages; refuted when it stays below it on both; depends when the pages differ; \
                    inconclusive otherwise, or when a CPU interval is wider than ± 10 %, when the \
                    answer hangs on flagged slices, or when a p99 has fewer than 9,500 requests \
                    behind it. No verdict at all when the controls fail.",
    refuted_by: "An interval that ends below + 5 % CPU per page on both pages.",
    unfair: &[
        "Both servers of the split share the core that the monolith has for itself: its processes \
         can't run at the same time, so latency in the split is at its worst here.",
        "Nothing is between frontend and backend but the loopback: a real network adds its round \
         trip to every call, and the split would look worse.",
        "Both arms are written in the same fast language, and pages are cheap to render: where \
         rendering takes milliseconds, the same hop is a smaller share.",
    ],
    not_shown: &[
        "What a split may gain: scaling the tiers apart, isolation from jobs and failures, another \
         language, teams that deploy on their own. This run measures the price, not the benefit.",
        "Version skew, duplicated types and the independence of teams, which one source for both \
         architectures hides on purpose.",
        "A real network, load balancers, TLS, containers.",
        "Other pages, signed-in visitors, writes.",
        "JavaScript servers: this is a statement about architecture, measured in Rust.",
    ],
    slo_ms: SLO_MS,
};

/// The headline first. It stands alone: one metric, and both pages have to agree, so no correction
/// for several tries is due. The other two are secondary.
const QUESTIONS: [Question; 3] = [
    Question {
        claim: "The boundary costs at least 5 % more CPU per page",
        metric: Metric::CpuServers,
        limit: Limit::More { ratio: 1.05, difference: 0.0 },
    },
    Question {
        claim: "The boundary makes the slowest 1 % of pages slower by at least 10 % and 0.5 ms",
        metric: Metric::P99,
        limit: Limit::More { ratio: 1.10, difference: 0.5 },
    },
    Question {
        claim: "The boundary takes at least 5 % of the goodput of one core",
        metric: Metric::Goodput,
        limit: Limit::Less(0.95),
    },
];

/// How much of everything a preset measures.
struct Amount {
    /// Server starts of each comparison: the level that intervals rest on.
    rounds: usize,
    /// ABBA blocks per restart, for each question and page, and for the twins.
    blocks: usize,
    /// ABBA blocks per restart for the planted control: it has to find a small effect.
    planted_blocks: usize,
    /// Length of a slice of the question itself and of the twins, seconds.
    slice: f64,
    /// Length of a slice of the planted control, which needs CPU only, seconds.
    planted_slice: f64,
    /// Every how many rounds goodput is searched for.
    capacity_every: usize,
    /// Pages on which it is.
    capacity_pages: &'static [Page],
    /// Steps of a search.
    steps: u32,
    /// Length of a step, seconds.
    step: f64,
}

impl Amount {
    /// Many short blocks and not few long ones: what else goes on changes from one tenth of a second to
    /// the next. In `docs/results/x1-sqlite-standard`, whose slices are long, the two slices of a twin in one
    /// block differ as much as the twins do, so starts of the servers hardly matter.
    ///
    /// `quick` is bounded by patience: 181 s of slices, plus warm-ups and starts; 16 × 6 × 2 slices of
    /// 0.1 s hold 9,600 requests per arm at 500 per second, just what a p99 needs.
    fn of(preset: Preset) -> Self {
        const BOTH: &[Page] = &[Page::Home, Page::Article];
        match preset {
            Preset::Smoke => Self {
                rounds: 2,
                blocks: 1,
                planted_blocks: 1,
                slice: 0.15,
                planted_slice: 0.15,
                capacity_every: 2,
                capacity_pages: &[Page::Home],
                steps: 3,
                step: 0.2,
            },
            Preset::Quick => Self {
                rounds: 16,
                blocks: 6,
                planted_blocks: 12,
                slice: 0.1,
                planted_slice: 0.06,
                capacity_every: 4,
                capacity_pages: &[Page::Home],
                steps: 6,
                step: 0.4,
            },
            Preset::Standard => Self {
                rounds: 40,
                blocks: 12,
                planted_blocks: 12,
                slice: 0.1,
                planted_slice: 0.1,
                capacity_every: 4,
                capacity_pages: BOTH,
                steps: 8,
                step: 1.0,
            },
            Preset::Full => Self {
                rounds: 60,
                blocks: 24,
                planted_blocks: 24,
                slice: 0.25,
                planted_slice: 0.1,
                capacity_every: 3,
                capacity_pages: BOTH,
                steps: 8,
                step: 2.0,
            },
        }
    }
}

/// What to measure: in each round a restart for the question itself, one for the twins, one for what is
/// planted. Searches for the goodput come last in theirs, so that what overload leaves behind reaches
/// no steady slice.
pub fn plan(preset: Preset, seed: u64) -> Plan {
    let amount = Amount::of(preset);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let restarts = (0..amount.rounds).flat_map(|index| round(&amount, index, &mut rng)).collect();
    Plan { restarts }
}

fn round(amount: &Amount, index: usize, rng: &mut ChaCha8Rng) -> [Restart; 3] {
    let Amount { blocks, slice, .. } = *amount;
    let both = [(Page::Home, blocks), (Page::Article, blocks)];
    let planted = [(Page::Home, amount.planted_blocks)];
    let mut boundary = Restart::duel(Comparison::Boundary, &both, slice, rng);
    if index.is_multiple_of(amount.capacity_every) {
        boundary.blocks.extend(amount.capacity_pages.iter().map(|&page| Block::Capacity {
            comparison: Comparison::Boundary,
            page,
            arms: boundary.arms.clone(),
            steps: amount.steps,
            seconds: amount.step,
            slo_ms: SLO_MS,
            seed: rng.next_u64(),
        }));
    }
    [
        boundary,
        Restart::duel(Comparison::Null, &both[..1], slice, rng),
        Restart::duel(Comparison::Planted, &planted, amount.planted_slice, rng),
    ]
}

#[cfg(test)]
#[path = "x1_tests.rs"]
mod tests;
