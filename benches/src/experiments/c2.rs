//! c2: does it pay to scale frontend and backend apart?
//!
//! The two architectures run the same code, so a split has no more capacity to give than a monolith
//! of the same budget; it has the boundary to pay for. What it can gain is a better division of that
//! budget. So both get the same number of trials to find their best one, and are compared at that.
//! Where there are jobs as well, a worker is a third part that either can have, or do without.

use crate::{
    experiment::{Card, Design, Experiment, Preset},
    fleet::{budget::Budget, quota::Millicores},
    jobs::{Job, Kind},
    relay::Policy::{self, LeastOutstanding, RoundRobin},
    scaling::{
        Foretelling, Jobs, Mix, Scaling, Shifting, Ways, monoliths, monoliths_with_jobs, splits,
        splits_with_jobs,
    },
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
    hypothesis: "On at least one of three mixes the best division of a budget between frontend, \
                 backend and worker serves at least 5 % more requests within the SLO than the best \
                 monolith of the same budget, with or without a worker.",
    smallest_effect: "5 % of goodput.",
    region: "0.4 CPU, 640 MiB and 20 database connections in all, shared by one frontend and one \
             backend or by one to four monoliths; a mix of three home pages to one article \
             (render-heavy), of one to three (data-heavy), and of one to one with a job of 20 ms \
             of CPU time for every 120 visits (job-heavy: jobs are about a third of a \
             monolith's work), signed out; jobs in a worker with a part of the budget, or inside \
             the servers at a low priority; PostgreSQL on another core, no network between the \
             servers; 99 of 100 requests within 50 ms.",
    decision_rule: "The goodput is the highest rate of requests of which 99 of 100 are answered \
                    within 50 ms; on the job-heavy mix all jobs have to be done in time as well: \
                    those of a step come in its first half, brought about by comments, and have to \
                    be done when it is over, while visitors go on coming. For each mix the ratio \
                    of goodputs, best split to best monolith, in trials that played no part in \
                    choosing them: supported when the whole 95 % interval lies above 1.05, refuted \
                    when it lies below, inconclusive otherwise, when the answer hangs on rounds in \
                    which others used the CPU or the generator was late by more than a tenth of \
                    the SLO (p99), and when the core of database and generator was more than 90 % \
                    busy at the goodput, since that is then what was measured. A step in which the hypervisor took more than 2 % of \
                    the CPU is tried again, up to 3 times in all, and up to 10 times where the \
                    mean time of a page is asked for. The claim as a whole is supported when it is \
                    on one mix, and refuted when it is on all. No verdict at all when a search for \
                    the best of two identical monoliths finds a difference. Predictions, sealed \
                    before what they are about is measured: pages per CPU-second at the knee off by \
                    at most 10 % on average, and by less than as many times one unit and than the \
                    Universal Scalability Law alone; mean times at 40 and 60 % of the predicted knee \
                    off by at most 15 %; each supported when the whole 95 % interval over \
                    predictions says so, refuted when it lies beyond, even with that taken off by \
                    which right predictions would be off, since the means are that they are held \
                    against. Of their 90 % intervals at least 80 % hold: supported or refuted when \
                    the whole 95 % interval of that share says so (Wilson's). All five are \
                    inconclusive where the machine's speed changed by \
                    more than 10 % between the samples, the setups that are known and those that are \
                    predicted: as the generator's CPU for a request tells, at the same rate.",
    refuted_by: "Intervals that end below + 5 % on every mix.",
    unfair: &[
        "Nothing is between frontend and backend but the loopback, and the split needs no balancer \
         here, while several monoliths do.",
        "Quotas can't be lent: what one tier does not use in a moment, the other does not get. A \
         scheduler that shares idle CPU between the tiers would serve the split better.",
        "Overload builds up slowly: in a step of a second or two a rate a few per cent above what \
         can be kept up still keeps the SLO. Goodputs of all arms are too high by as much.",
        "Jobs come more thickly in the first half of a step. Who can put them off loses nothing by \
         that; inside the servers they therefore have a low priority everywhere, and jobs at the \
         priority of pages are not tried.",
        "A quota is used up in turns of 10 ms by whoever comes first. Jobs of a low priority, too, \
         take from it what a page would need a moment later.",
        "Comments that bring jobs go to the API, past the split's frontend: less than one of 100 \
         requests, which it is spared.",
        "A worker can't have less than 0.1 CPU, a quarter of the budget.",
        "Both tiers run the same fast language, and the boundary is a large part of what a page \
         costs. Where rendering takes milliseconds it would be a smaller one.",
    ],
    not_shown: &[
        "More than one core of servers. Dividing a budget costs less where the parts are larger.",
        "More units of the budget, a shift of the mix, and predictions with jobs: all three are \
         about pages alone.",
        "Other jobs than short ones of CPU, more or fewer of them, and other shapes of load.",
        "Predictions of the p99: they end at means and at the knee.",
        "Predictions of more units than were tried: three are predicted from one, two and four. \
         How much more a page takes of a busy core with every server on it is not to be had from \
         fewer servers.",
        "Autoscalers, other machines for other tiers, static files from elsewhere.",
        "Mixes in which rendering and data differ more than on these two pages.",
    ],
    slo_ms: SLO_MS,
};

/// What every setup of the search has in all.
const BUDGET: Budget = Budget { cpu: Millicores(400), memory_mib: 640, db_connections: 20 };

/// What one more replica may have. Twelve connections can be divided among one to four.
const UNIT: Budget = Budget { cpu: Millicores(250), memory_mib: 320, db_connections: 12 };

/// The jobs of the job-heavy mix. A page of an even mix takes a monolith about 0.3 ms, and the split 0.5 ms;
/// with 0.17 ms more for each, jobs are about a third of the one's work and a quarter of the other's.
const JOBS: Jobs = Jobs { each: Job { kind: Kind::Cpu, ms: 20 }, visits: 120 };

/// The least time for a rate of that mix, seconds: a handful of jobs have to come and be done in it.
const TIME_FOR_JOBS: f64 = 0.8;

/// How much of what.
struct Amount {
    /// Of pages alone.
    mixes: usize,
    monoliths: &'static [(u32, Policy)],
    /// Per cent of the CPU for the frontend.
    splits: &'static [u32],
    tuning: u32,
    confirming: u32,
    /// Those that are known when the rest is predicted, and the rest.
    units: [&'static [u32]; 2],
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

/// As many as the time allows.
const MOST_MONOLITHS: &[(u32, Policy)] =
    &[(1, RoundRobin), (2, LeastOutstanding), (4, RoundRobin), (4, LeastOutstanding)];

const ALL_SPLITS: &[u32] = &[30, 40, 50, 60, 70];

fn amount(preset: Preset) -> Amount {
    match preset {
        Preset::Smoke => Amount {
            mixes: 1,
            monoliths: &[(1, RoundRobin), (2, LeastOutstanding)],
            splits: &[40, 60],
            tuning: 1,
            confirming: 2,
            units: [&[1], &[2]],
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
            units: [&[1], &[2]],
            climbing: 2,
            samples: 6,
            held_out: 1,
            shifting: Shifting { before: 1, patience: 2, after: 2, rounds: 1 },
            steps: 5,
            seconds: 0.5,
        },
        Preset::Standard => Amount {
            mixes: 2,
            monoliths: MOST_MONOLITHS,
            splits: &[30, 40, 50, 60],
            tuning: 3,
            confirming: 6,
            units: [&[1, 2, 4], &[3]],
            climbing: 2,
            samples: 10,
            held_out: 2,
            shifting: Shifting { before: 5, patience: 30, after: 10, rounds: 2 },
            steps: 5,
            seconds: 1.5,
        },
        Preset::Full => Amount {
            mixes: 2,
            monoliths: ALL_MONOLITHS,
            splits: ALL_SPLITS,
            tuning: 4,
            confirming: 24,
            units: [&[1, 2, 4], &[3]],
            climbing: 6,
            samples: 27,
            held_out: 3,
            shifting: Shifting { before: 20, patience: 30, after: 30, rounds: 6 },
            steps: 7,
            seconds: 3.0,
        },
    }
}

/// How long each rate is played at which the time of a page was predicted, seconds.
fn seconds_at_times(preset: Preset) -> f64 {
    match preset {
        Preset::Smoke | Preset::Quick => 1.0,
        Preset::Standard => 4.0,
        Preset::Full => 6.0,
    }
}

/// What is tried on the job-heavy mix: monoliths by their number and the per cent of the CPU that a worker
/// has, splits by those that the frontend and a worker have.
fn ways_with_jobs(preset: Preset) -> anyhow::Result<Ways> {
    type Pairs = &'static [(u32, u32)];
    let (monoliths, splits): (Pairs, Pairs) = match preset {
        Preset::Smoke => (&[(1, 0), (1, 40)], &[(40, 0), (30, 30)]),
        Preset::Quick => (&[(1, 0), (2, 0), (1, 40)], &[(40, 0), (30, 30), (40, 30)]),
        Preset::Standard => (
            &[(1, 0), (2, 0), (4, 0), (1, 30), (1, 40)],
            &[(30, 0), (40, 0), (30, 30), (40, 30), (35, 25)],
        ),
        Preset::Full => (
            &[(1, 0), (2, 0), (4, 0), (1, 30), (1, 40), (2, 30)],
            &[(30, 0), (40, 0), (30, 30), (40, 30), (35, 25), (30, 40)],
        ),
    };
    Ok(Ways {
        monoliths: monoliths_with_jobs(BUDGET, monoliths)?,
        splits: splits_with_jobs(BUDGET, splits)?,
    })
}

/// What is measured.
fn scaling(preset: Preset) -> anyhow::Result<Scaling> {
    let amount = amount(preset);
    let mix = |name: &str, home, article| Mix { name: name.to_owned(), home, article, jobs: None };
    let of_pages = [mix("render-heavy", 3, 1), mix("data-heavy", 1, 3)];
    let job_heavy = Mix { jobs: Some(JOBS), ..mix("job-heavy", 1, 1) };
    Ok(Scaling {
        mixes: of_pages.into_iter().take(amount.mixes).chain([job_heavy]).collect(),
        budget: BUDGET,
        unit: UNIT,
        units: amount.units.concat(),
        ways: Ways {
            monoliths: monoliths(BUDGET, amount.monoliths)?,
            splits: splits(BUDGET, amount.splits)?,
        },
        ways_with_jobs: ways_with_jobs(preset)?,
        tuning: amount.tuning,
        confirming: amount.confirming,
        climbing: amount.climbing,
        foretelling: Foretelling {
            known: amount.units[0].len(),
            // In a hurry it is enough that other numbers of replicas are predicted.
            mixes: matches!(preset, Preset::Standard | Preset::Full)
                .then(|| mix("even", 1, 1))
                .into_iter()
                .collect(),
            samples: amount.samples,
            seconds: amount.seconds.max(1.0),
            seconds_at_times: seconds_at_times(preset),
            rounds: amount.held_out,
        },
        shifting: amount.shifting,
        steps: amount.steps,
        seconds: amount.seconds,
        seconds_with_jobs: amount.seconds.max(TIME_FOR_JOBS),
        pays: 1.05,
    })
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;
    use crate::{
        capacity::LOADS,
        fleet::{budget::equal, topology::Role},
        judge::pace,
        record::Arm,
        scaling::steps::{ATTEMPTS, ATTEMPTS_AT_TIMES, STOLEN},
    };

    #[test]
    fn both_architectures_have_the_same_budget_and_as_many_trials_in_every_preset() {
        for preset in Preset::value_variants() {
            let scaling = scaling(*preset).unwrap();
            for ways in [&scaling.ways, &scaling.ways_with_jobs] {
                let budget = equal(ways.all().map(|setup| &setup.topology)).unwrap();
                assert_eq!(budget, BUDGET, "{preset}");
                assert_eq!(ways.monoliths.len(), ways.splits.len(), "{preset}");
            }
            for mix in &scaling.mixes {
                let [monoliths, splits] =
                    [Arm::Monolith, Arm::Split].map(|arm| scaling.setups(arm, mix));
                assert_eq!(monoliths.len(), splits.len(), "{preset}, {}", mix.name);
                assert_eq!(monoliths, scaling.setups(Arm::Twin, mix), "{preset}, {}", mix.name);
            }
            assert!(scaling.confirming >= 2, "{preset}");
            assert!(scaling.mixes_of_pages().next().is_some(), "{preset}");
            assert_eq!(scaling.mixes.last().unwrap().jobs, Some(JOBS), "{preset}");
        }
    }

    #[test]
    fn a_worker_is_among_the_ways_of_both_architectures_and_so_is_doing_without() {
        for preset in Preset::value_variants() {
            let Ways { monoliths, splits } = scaling(*preset).unwrap().ways_with_jobs;
            for setups in [monoliths, splits] {
                let workers: Vec<u32> =
                    setups.iter().map(|setup| setup.topology.replicas(Role::Work)).collect();
                assert!(workers.contains(&0) && workers.contains(&1), "{preset}: {workers:?}");
            }
        }
    }

    #[test]
    fn the_card_says_what_jobs_there_are() {
        let Jobs { each, visits } = JOBS;
        let said = format!("a job of {} ms of CPU time for every {visits} visits", each.ms);
        assert!(CARD.region.contains(&said), "{said}");
    }

    #[test]
    fn the_card_says_at_which_rates_mean_times_are_predicted() {
        let [lower, upper] = LOADS.map(|share| 100.0 * share);
        let said = format!("mean times at {lower} and {upper} % of the predicted knee");
        assert!(CARD.decision_rule.contains(&said), "{said}");
        let said = format!("speed changed by more than {:.0} %", 100.0 * (pace::LIMIT - 1.0));
        assert!(CARD.decision_rule.contains(&said), "{said}");
    }

    #[test]
    fn the_card_says_when_a_step_is_tried_again() {
        let limit = 100.0 * STOLEN;
        let said = format!(
            "the hypervisor took more than {limit} % of the CPU is tried again, up to {ATTEMPTS} times in \
             all, and up to {ATTEMPTS_AT_TIMES} times where the mean time of a page is asked for"
        );
        assert!(CARD.decision_rule.contains(&said), "{said}");
    }

    /// A start takes less than a second, with half of one more where somebody signs in; where a rate
    /// is too high its last answers come late, and its jobs take up to as long again.
    fn minutes(scaling: &Scaling) -> f64 {
        let [pages, with_jobs, held_out] = scaling.searches().map(|searches| searches as f64);
        let steps = f64::from(scaling.steps);
        let Foretelling { samples, seconds, seconds_at_times, .. } = scaling.foretelling;
        let page = 1.0 + steps * (scaling.seconds + 0.1);
        let with_job = 1.5 + steps * scaling.seconds_with_jobs * 1.25;
        let sampling = 2.0 * scaling.known_units().0.len() as f64;
        let Shifting { before, patience, after, rounds } = scaling.shifting;
        let shifts = scaling.shifting_mixes().map_or(0.0, |_| f64::from(3 * rounds));
        let seconds = pages * page
            + with_jobs * with_job
            + held_out * (page + LOADS.len() as f64 * seconds_at_times)
            + sampling * (1.0 + f64::from(samples) * seconds)
            + shifts * f64::from(1 + before + patience + after);
        seconds / 60.0
    }

    #[test]
    fn a_run_takes_no_longer_than_it_may() {
        for (preset, most) in [(Preset::Quick, 8.0), (Preset::Standard, 40.0)] {
            let scaling = scaling(preset).unwrap();
            // Programs, data and the parity gate come before.
            let minutes = minutes(&scaling) + 0.5;
            assert!(minutes < most, "{preset}: {minutes}");
            assert!(scaling.confirming >= if preset == Preset::Quick { 5 } else { 6 });
        }
    }
}
