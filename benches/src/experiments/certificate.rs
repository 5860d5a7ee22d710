//! certificate: what is the instrument worth?
//!
//! Before anybody believes what it finds, it has to show that it finds nothing where nothing is, and
//! something where something is: not once, but again and again, because an interval of 95 % is wrong
//! now and then by its very definition.

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use crate::experiment::{Card, Design, Experiment, Preset};
use crate::plan::{Plan, Restart};
use crate::record::{Comparison, Page};

/// Server starts behind one comparison.
const ROUNDS: usize = 8;

/// What is compared in turns.
const COMPARISONS: [Comparison; 3] = [Comparison::Null, Comparison::Planted, Comparison::Waiting];

/// Length of a slice, seconds, and how many ABBA blocks of such slices each comparison has in a restart.
/// Many short ones, because of what else goes on; eight restarts stay below twenty seconds.
const SLICE: f64 = 0.06;
const BLOCKS: usize = 5;

/// The experiment.
pub const EXPERIMENT: Experiment = Experiment {
    card: CARD,
    design: Design::Families { plan, restarts: ROUNDS * COMPARISONS.len() },
};

const CARD: Card = Card {
    id: "certificate",
    title: "Does the instrument find what is there, and nothing else?",
    claim: "The instrument raises no more false alarms than its intervals promise, and finds 5 % of \
            CPU and half a millisecond of latency.",
    hypothesis: "Between two identical monoliths the 95 % interval excludes 'no difference' in at \
                 most 3 of 20 comparisons (10 of 100); with 5 % of CPU, or 0.5 ms, planted it does \
                 in at least 18 of 20 (95 of 100), and is no wider than ± 10 %.",
    smallest_effect: "5 % of CPU per page; 0.5 ms of median latency.",
    region: "The home page, signed out, at a rate that keeps about 30 % of one core busy. One \
             comparison is eight server starts with five blocks each.",
    decision_rule: "Supported when the number of alarms, or of finds, is on the right side of its \
                    limit; refuted otherwise. For other numbers of comparisons than 20 and 100 the \
                    limit on alarms is the smallest that chance alone exceeds in at most 2 % of \
                    runs, and that on finds nine of ten.",
    refuted_by: "One alarm more, or one find fewer, than the limit.",
    unfair: &[
        "The comparisons of a run share the machine's mood: a bad hour spoils them together.",
        "More is found of the wait than the 0.5 ms that are asked for: a thread sleeps for them, and \
         has to be woken on a busy core.",
    ],
    not_shown: &[
        "That larger effects are measured in their true size; each run of another experiment checks \
         that on its own controls.",
        "Goodput, which is found by a search and not by slices.",
    ],
    slo_ms: f64::INFINITY,
};

/// What to measure: in each round one restart for each of the three comparisons, in turns.
pub fn plan(preset: Preset, seed: u64) -> Plan {
    let (families, slice) = match preset {
        Preset::Smoke => (1, 0.15),
        Preset::Quick => (5, SLICE),
        Preset::Standard => (20, SLICE),
        Preset::Full => (100, SLICE),
    };
    let rounds = if preset == Preset::Smoke { 2 } else { families * ROUNDS };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let restarts = COMPARISONS.into_iter().cycle().take(rounds * COMPARISONS.len());
    let duel = |comparison| Restart::duel(comparison, &[(Page::Home, BLOCKS)], slice, &mut rng);
    Plan { restarts: restarts.map(duel).collect() }
}
