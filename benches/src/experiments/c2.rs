//! c2: does it pay to scale frontend and backend apart?
//!
//! The two architectures run the same code, so a split has no more capacity to give than a monolith
//! of the same budget; it has the boundary to pay for. What it can gain is a better division of that
//! budget. So both get the same number of trials to find their best one, and are compared at that.

use crate::{
    experiment::{Card, Design, Experiment, Preset},
    fleet::{budget::Budget, quota::Millicores},
    relay::Policy::{self, LeastOutstanding, RoundRobin},
    scaling::{Foretelling, Mix, Scaling, Shifting, monoliths, splits},
};

/// The experiment.
pub const EXPERIMENT: Experiment = Experiment { card: CARD, design: Design::Scaling(scaling) };

/// p99 of latency that the goodput has to keep, milliseconds: five periods of the quotas, so that
/// being stopped by one does not decide it.
const SLO_MS: f64 = 50.0;

const CARD: Card = Card {
    id: "c2",
    title: "Does it pay to scale frontend and backend apart?",
    claim: "Frontend and backend scale independently under high traffic, and that pays.",
    hypothesis: "On at least one mix of pages the best division of a budget between frontend and \
                 backend serves at least 5 % more requests within the SLO than the best monolith \
                 of the same budget.",
    smallest_effect: "5 % of goodput.",
    region: "0.4 CPU, 640 MiB and 20 database connections in all, shared by one frontend and one \
             backend or by one to four monoliths; a mix of three home pages to one article \
             (render-heavy) and of one to three (data-heavy), signed out; PostgreSQL on another \
             core, no network between the servers; 99 of 100 requests within 50 ms.",
    decision_rule: "For each mix the ratio of goodputs, best split to best monolith, in trials \
                    that played no part in choosing them: supported when the whole 95 % interval \
                    lies above 1.05, refuted when it lies below, inconclusive otherwise, when the \
                    answer hangs on rounds in which others used the CPU or the generator was late, \
                    and when the core of database and generator was more than 90 % busy at the \
                    goodput, since that is then what was measured. The claim as a whole is \
                    supported when it is on one mix, and refuted when it is on all. No verdict at \
                    all when a search for the best of two identical monoliths finds a difference. \
                    Predictions, sealed before what they are about is measured: pages per \
                    CPU-second at the knee off by at most 10 % on average, and by less than as many \
                    times one unit and than the Universal Scalability Law alone; mean times below \
                    80 % of the knee off by at most 15 %; each supported when the whole 95 % \
                    interval over predictions says so, refuted when it lies beyond. Of their 90 % \
                    intervals at least 80 % hold.",
    refuted_by: "Intervals that end below + 5 % on every mix.",
    unfair: &[
        "Nothing is between frontend and backend but the loopback, and the split needs no balancer \
         here, while several monoliths do.",
        "Quotas can't be lent: what one tier does not use in a moment, the other does not get. A \
         scheduler that shares idle CPU between the tiers would serve the split better.",
        "Overload builds up slowly: in a step of a second or two a rate a few per cent above what \
         can be kept up still keeps the SLO. Goodputs of all arms are too high by as much.",
        "Both tiers run the same fast language, and the boundary is a large part of what a page \
         costs. Where rendering takes milliseconds it would be a smaller one.",
    ],
    not_shown: &[
        "More than one core of servers. Dividing a budget costs less where the parts are larger.",
        "Jobs beside the pages and a division with workers in it, and other shapes of load.",
        "Predictions of the p99: they end at means and at the knee.",
        "Autoscalers, other machines for other tiers, static files from elsewhere.",
        "Mixes in which rendering and data differ more than on these two pages.",
    ],
    slo_ms: SLO_MS,
};

/// What every setup of the search has in all.
const BUDGET: Budget = Budget { cpu: Millicores(400), memory_mib: 640, db_connections: 20 };

/// What one more replica may have. Twelve connections can be divided among one to four.
const UNIT: Budget = Budget { cpu: Millicores(250), memory_mib: 320, db_connections: 12 };

/// How much of what.
struct Amount {
    mixes: usize,
    monoliths: &'static [(u32, Policy)],
    /// Per cent of the CPU for the frontend.
    splits: &'static [u32],
    tuning: u32,
    confirming: u32,
    /// Half of them are known when the rest is predicted.
    units: &'static [u32],
    climbing: u32,
    /// Random mixes, on each known number of units, from which demands are found.
    samples: u32,
    /// How often each prediction is tried.
    held_out: u32,
    shifting: Shifting,
    steps: u32,
    seconds: f64,
}

const ALL_MONOLITHS: &[(u32, Policy)] = &[
    (1, RoundRobin),
    (2, RoundRobin),
    (2, LeastOutstanding),
    (4, RoundRobin),
    (4, LeastOutstanding),
];

const ALL_SPLITS: &[u32] = &[30, 40, 50, 60, 70];

fn amount(preset: Preset) -> Amount {
    match preset {
        Preset::Smoke => Amount {
            mixes: 1,
            monoliths: &[(1, RoundRobin), (2, LeastOutstanding)],
            splits: &[40, 60],
            tuning: 1,
            confirming: 2,
            units: &[1, 2],
            climbing: 2,
            samples: 4,
            held_out: 1,
            shifting: Shifting { before: 1, patience: 1, after: 1, rounds: 1 },
            steps: 4,
            seconds: 0.4,
        },
        Preset::Quick => Amount {
            mixes: 2,
            monoliths: &[(1, RoundRobin), (2, LeastOutstanding), (4, LeastOutstanding)],
            splits: &[40, 50, 60],
            tuning: 1,
            confirming: 5,
            units: &[1, 2],
            climbing: 2,
            samples: 6,
            held_out: 1,
            shifting: Shifting { before: 1, patience: 2, after: 2, rounds: 1 },
            steps: 5,
            seconds: 0.5,
        },
        Preset::Standard => Amount {
            mixes: 2,
            monoliths: ALL_MONOLITHS,
            splits: ALL_SPLITS,
            tuning: 2,
            confirming: 10,
            units: &[1, 2, 3, 4],
            climbing: 2,
            samples: 16,
            held_out: 2,
            shifting: Shifting { before: 8, patience: 30, after: 12, rounds: 2 },
            steps: 6,
            seconds: 1.5,
        },
        Preset::Full => Amount {
            mixes: 2,
            monoliths: ALL_MONOLITHS,
            splits: ALL_SPLITS,
            tuning: 4,
            confirming: 24,
            units: &[1, 2, 3, 4],
            climbing: 6,
            samples: 40,
            held_out: 3,
            shifting: Shifting { before: 20, patience: 30, after: 30, rounds: 6 },
            steps: 7,
            seconds: 3.0,
        },
    }
}

/// What is measured.
fn scaling(preset: Preset) -> anyhow::Result<Scaling> {
    let amount = amount(preset);
    let mix = |name: &str, home, article| Mix { name: name.to_owned(), home, article };
    let mixes = [mix("render-heavy", 3, 1), mix("data-heavy", 1, 3)];
    Ok(Scaling {
        mixes: mixes.into_iter().take(amount.mixes).collect(),
        budget: BUDGET,
        unit: UNIT,
        units: amount.units.to_vec(),
        monoliths: monoliths(BUDGET, amount.monoliths)?,
        splits: splits(BUDGET, amount.splits)?,
        tuning: amount.tuning,
        confirming: amount.confirming,
        climbing: amount.climbing,
        foretelling: Foretelling {
            known: amount.units.len() / 2,
            // In a hurry it is enough that other numbers of replicas are predicted.
            mixes: matches!(preset, Preset::Standard | Preset::Full)
                .then(|| mix("even", 1, 1))
                .into_iter()
                .collect(),
            samples: amount.samples,
            seconds: amount.seconds.max(1.0),
            rounds: amount.held_out,
        },
        shifting: amount.shifting,
        steps: amount.steps,
        seconds: amount.seconds,
        pays: 1.05,
    })
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;
    use crate::fleet::budget::equal;

    #[test]
    fn both_architectures_have_the_same_budget_and_as_many_trials_in_every_preset() {
        for preset in Preset::value_variants() {
            let scaling = scaling(*preset).unwrap();
            let setups = scaling.monoliths.iter().chain(&scaling.splits);
            assert_eq!(equal(setups.map(|setup| &setup.topology)).unwrap(), BUDGET, "{preset}");
            assert_eq!(scaling.monoliths.len(), scaling.splits.len(), "{preset}");
            assert!(scaling.confirming >= 2 && !scaling.mixes.is_empty(), "{preset}");
        }
    }
}
