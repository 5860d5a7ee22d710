//! x5: where may jobs run, so that pages do not notice?
//!
//! "Long-running tasks belong on a dedicated service" holds two claims: that jobs must not run in the
//! request, and that they must not run in the serving process. The control that is always forgotten
//! tells them apart: the same process, at the lowest priority.

use crate::{
    experiment::{Card, Design, Experiment, Preset},
    jobs::{Group, Interference, Job, Kind, Place},
    record::Arm,
};

/// The experiment.
pub const EXPERIMENT: Experiment =
    Experiment { card: CARD, design: Design::Interference(interference) };

/// What is late, milliseconds: longer than a page without jobs ever takes, shorter than a job.
const SLO_MS: f64 = 50.0;

/// The rise of the share of late pages that matters: one of a hundred.
pub const LATE: f64 = 0.01;

/// The rise of p99 that matters, as a ratio.
pub const P99: f64 = 1.10;

const CARD: Card = Card {
    id: "x5",
    title: "Where to run your jobs",
    claim: "Long-running tasks belong on a dedicated service.",
    hypothesis: "Beside jobs that take 5 % of a core or more, pages stay as they are without jobs if \
                 the jobs have a process of their own, and do not wherever they run in the serving \
                 process.",
    smallest_effect: "One of 100 pages more that takes longer than 50 ms; for the stricter question, \
                      a p99 of latency that is 10 % higher.",
    region: "One core for all servers of an architecture, 768 MiB and 24 database connections in all; \
             home pages, signed out, at half the rate that the pilot takes to be moderate; jobs of \
             300 ms of CPU time that take 5 to 40 % of the core, brought about at random times by \
             comments; PostgreSQL on another core.",
    decision_rule: "For each place, architecture and load: the share of pages that take longer than \
                    50 ms, minus the share without jobs on servers with the whole core (jobs inside, \
                    none of them there) in the same round. A place is sufficient when all of its 95 % \
                    intervals lie below one percentage point, and is not when one lies above. A \
                    process of its own is necessary when one is sufficient and no place in the \
                    serving process is. The stricter question asks the same of p99, with a limit of \
                    10 % and no p99 from fewer than 9,500 requests. Nothing is decided when the \
                    answer hangs on rounds in which others used the CPU or the generator was late, \
                    and there is no verdict at all when two identical monoliths differ in p50, or a \
                    wait that was planted is not found in its size.",
    refuted_by: "A place in the serving process that is sufficient in both architectures.",
    unfair: &[
        "A worker with a quota has half of the core to itself whether there are jobs or not, and the \
         servers have the other half: nobody can lend it. That is what it means to rent two small \
         machines for one.",
        "The weight of a worker beside the servers is 1 to 50. More evenly shared, it would take more \
         from the pages.",
        "On the event loop of the split, pages are on the frontend's loop, and jobs on the backend's: \
         what waits is the backend's answer.",
        "The event loop runs a job in one piece, as a program does that nobody has cut into pieces.",
    ],
    not_shown: &[
        "More than one core of servers. With a second core that is free, a thread keeps out of the \
         way of pages as well as a process does.",
        "Durability: a job that runs in the request is written down here before, which a plain \
         function call is not.",
        "A database that is short of CPU: jobs that load it are in every page's way wherever they \
         run, and their own load is counted in time, not in work.",
        "Deploys that interrupt jobs, schedules, and workers on other machines.",
    ],
    slo_ms: SLO_MS,
};

const CPU: Job = Job { kind: Kind::Cpu, ms: 300 };

/// One load each, beside the headline's several.
const OTHERS: [Job; 5] = [
    Job { kind: Kind::Cpu, ms: 50 },
    Job { kind: Kind::Cpu, ms: 3_000 },
    Job { kind: Kind::Sleep, ms: 300 },
    Job { kind: Kind::Database, ms: 300 },
    Job { kind: Kind::Memory, ms: 300 },
];

/// The places that verdicts are about; [`Place::Pieces`] is in the whole grid only.
const PLACES: [Place; 5] =
    [Place::EventLoop, Place::Inside, Place::Low, Place::Weights, Place::Quota];

const BOTH: [Arm; 2] = [Arm::Monolith, Arm::Split];

/// What is measured.
fn interference(preset: Preset) -> Interference {
    match preset {
        Preset::Smoke => {
            let job = Job { ms: 60, ..CPU };
            let mut groups = grid(&[Arm::Monolith], &PLACES, &[job], &[0, 20], 2);
            let of_split = [Place::EventLoop, Place::Inside, Place::Quota];
            groups.extend(grid(&[Arm::Split], &of_split, &[job], &[0, 20], 2));
            with_controls(groups, job, 2, 0.3)
        }
        Preset::Quick => with_controls(grid(&BOTH, &PLACES, &[CPU], &[0, 20], 4), CPU, 4, 1.5),
        Preset::Standard => {
            let mut groups = grid(&BOTH, &PLACES, &[CPU], &[0, 5, 10, 20, 40], 8);
            groups.extend(grid(&[Arm::Monolith], &PLACES, &OTHERS, &[0, 20], 3));
            with_controls(groups, CPU, 8, 3.0)
        }
        Preset::Full => {
            let loads = [0, 5, 10, 20, 30, 40];
            let mut groups = grid(&BOTH, &Place::ALL, &[CPU], &loads, 20);
            groups.extend(grid(&BOTH, &Place::ALL, &OTHERS, &loads, 20));
            with_controls(groups, CPU, 20, 6.0)
        }
    }
}

fn grid(arms: &[Arm], places: &[Place], jobs: &[Job], loads: &[u32], rounds: u32) -> Vec<Group> {
    let mut groups = Vec::new();
    for job in jobs {
        for arm in arms {
            let of = |place: &Place| Group {
                arm: *arm,
                place: *place,
                job: *job,
                loads: loads.to_vec(),
                rounds,
            };
            groups.extend(places.iter().map(of));
        }
    }
    groups
}

/// Together with a twin of the monolith without jobs, and one that lets visitors wait.
fn with_controls(mut groups: Vec<Group>, headline: Job, rounds: u32, seconds: f64) -> Interference {
    groups.extend(grid(&[Arm::Twin, Arm::Waiting], &[Place::Inside], &[headline], &[0], rounds));
    Interference { groups, headline, seconds }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_group_has_its_own_without_jobs_and_every_job_one_on_the_whole_core() {
        for preset in Preset::value_variants() {
            let Interference { groups, headline, .. } = interference(*preset);
            for group in &groups {
                assert!(group.loads[0] == 0 && group.loads.is_sorted(), "{preset}: {group:?}");
                // What it is compared with is measured in the same rounds.
                let plain = groups.iter().find(|other| {
                    let Group { arm, place, job, .. } = other;
                    (*arm, *place, *job) == (group.arm, Place::Inside, group.job)
                });
                assert!(plain.is_some_and(|it| it.rounds >= group.rounds), "{preset}: {group:?}");
            }
            assert!(groups.iter().any(|group| group.job == headline && group.loads.len() > 1));
            for control in [Arm::Twin, Arm::Waiting] {
                assert!(groups.iter().any(|group| group.arm == control), "{preset}");
            }
        }
    }

    #[test]
    fn in_a_composition_each_architecture_has_one_place_for_the_headlines_jobs() {
        for (preset, rounds, loads) in
            [(Preset::Smoke, 2, 2), (Preset::Quick, 4, 2), (Preset::Standard, 8, 5)]
        {
            let Interference { groups, headline, .. } = interference(preset).in_composition();
            let places: Vec<_> = groups.iter().map(|group| (group.arm, group.place)).collect();
            assert_eq!(places, [(Arm::Monolith, Place::Inside), (Arm::Split, Place::Quota)]);
            for Group { job, loads: of_group, rounds: of, .. } in &groups {
                assert_eq!((*job, *of, of_group.len()), (headline, rounds, loads), "{preset}");
            }
        }
    }

    /// Seconds of visitors alone; starting servers takes about as long again.
    #[test]
    fn a_standard_run_has_visitors_for_less_than_half_an_hour() {
        let Interference { groups, seconds, .. } = interference(Preset::Standard);
        let of_group = |group: &Group| {
            let slices = group.loads.iter().map(|load| group.job.amount(*load, seconds).1);
            f64::from(group.rounds) * slices.sum::<f64>()
        };
        let minutes = groups.iter().map(of_group).sum::<f64>() / 60.0;
        assert!(minutes < 40.0, "{minutes}");
    }
}
