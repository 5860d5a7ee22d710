//! x6: what becomes of a job that was accepted, when the server dies?
//!
//! Whoever spawns a job after the answer has promised something that only this process knows of. A
//! queue in the database keeps the promise, wherever its worker runs: so the claim is not about where
//! jobs run but about whether they are written down.

use in_process::Point;

use crate::{
    durability::{Durability, Group, Keeping, Place, Subject},
    experiment::{Card, Design, Experiment, Preset},
    record::Arm,
};

/// The experiment.
pub const EXPERIMENT: Experiment =
    Experiment { card: CARD, design: Design::Durability(durability) };

/// The share of kills that lose a job that matters: one of twenty.
pub const LIMIT: f64 = 0.05;

const CARD: Card = Card {
    id: "x6",
    title: "What is left of your jobs when a server dies",
    claim: "Long-running tasks belong on a dedicated service.",
    hypothesis: "A queue in the database loses no accepted job when servers are killed, in the serving \
                 process as well as in a process of its own; jobs that are spawned after the answer \
                 are lost with the process.",
    smallest_effect: "One accepted job that is lost from the queue. Of nothing found no more can be \
                      said than how rare it is: less than one kill of twenty, at 95 % confidence.",
    region: "All servers of one architecture die at once and without a word, at named points of the \
             code and at random moments; jobs that wait 250 ms and have an effect in the database, \
             which ends them; leases of 600 ms; at most 40 jobs a second, brought about by comments \
             through the API; the database goes on.",
    decision_rule: "A kill counts when an accepted job had not had its effect by then, and once, \
                    however many jobs it met: those share their fate. The queue loses nothing in a \
                    place when no accepted job is without its effect after servers were started again, \
                    and the upper end of the exact (Clopper–Pearson) 95 % interval of the share of \
                    kills with a loss is at most 5 %; it loses jobs when a single one is missing. \
                    Spawning loses jobs when that interval lies above 5 % in both architectures. That \
                    no effect is had twice is held to the same rule as that none is lost. The second, \
                    identical monolith counts as one more. Servers that do not come \
                    back have lost what had no effect by then. There is no verdict when something is \
                    missing where nobody was killed, when two identical monoliths differ (Fisher's \
                    exact test), or when a queue whose jobs count as done before their effect is not \
                    caught.",
    refuted_by: "One accepted job that is missing from the queue, or spawned jobs that outlive their \
                 process.",
    unfair: &[
        "Every kill takes a worker down together with the server that fills the queue. A worker that \
         dies alone has an easier life after it.",
        "The architectures are killed beside each other on the same cores, so the times until all is \
         done hold some of each other's load.",
        "A spawned job is lost because it is 250 ms long. Of shorter ones fewer are in the air at any \
         moment.",
    ],
    not_shown: &[
        "A database that dies too, or loses what it had confirmed; a machine that loses its disk.",
        "Named points are chosen, not drawn: the interval holds for kills like these, and not for \
         what production does to a server.",
        "Effects outside the database, such as mails: they happen at least once, and are tested with \
         the queue itself, as are the two points beside them.",
        "Orderly restarts, in which servers finish or hand back what they have; schedules, and more \
         than one worker.",
    ],
    slo_ms: f64::INFINITY,
};

/// Where a server dies that has a queue; those around mails are left to the queue's own test.
const QUEUE: [Point; 16] = [
    Point::EnqueueBeforeCommit,
    Point::EnqueueAfterCommit,
    Point::ClaimBeforeCommit,
    Point::ClaimAfterCommit,
    Point::RunBegins,
    Point::EffectBeforeCommit,
    Point::EffectAfterCommit,
    Point::FinishBeforeCommit,
    Point::FinishAfterCommit,
    Point::RenewBefore,
    Point::RenewAfter,
    Point::FailureBeforeCommit,
    Point::FailureAfterCommit,
    Point::ReclaimAfterCommit,
    Point::TickBeforeCommit,
    Point::TickAfterCommit,
];

/// What of them there is without one.
const SPAWN: [Point; 4] = [
    Point::EnqueueAfterCommit,
    Point::RunBegins,
    Point::EffectBeforeCommit,
    Point::EffectAfterCommit,
];

/// Where it is seen that a job ended before it had its effect.
const PLANTED: [Point; 2] = [Point::RunBegins, Point::EffectBeforeCommit];

/// What is done.
fn durability(preset: Preset) -> Durability {
    let (times, random) = match preset {
        Preset::Smoke => (1, 1),
        Preset::Quick => (1, 20),
        Preset::Standard => (4, 86),
        Preset::Full => (20, 200),
    };
    let smoke = preset == Preset::Smoke;
    // Two points that servers get to at once are enough to show that it works.
    let (among, step) = if smoke { (8, 5) } else { (usize::MAX, 1) };
    let points = |all: &[Point]| all.iter().take(among).step_by(step).copied().collect();
    let queue = |arm, place| Group {
        subject: Subject { arm, keeping: Keeping::Queue, place },
        points: points(&QUEUE),
        times,
        random,
    };
    let spawn = |arm| Group {
        subject: Subject { arm, keeping: Keeping::Spawn, place: Place::Inside },
        points: points(&SPAWN),
        times,
        random,
    };
    let planted = Group {
        points: PLANTED.to_vec(),
        random: random / 4,
        ..queue(Arm::Planted, Place::Inside)
    };
    let mut groups = vec![
        queue(Arm::Monolith, Place::Inside),
        queue(Arm::Monolith, Place::Apart),
        spawn(Arm::Monolith),
        queue(Arm::Twin, Place::Inside),
        planted,
    ];
    if !smoke {
        groups.extend([
            queue(Arm::Split, Place::Inside),
            queue(Arm::Split, Place::Apart),
            spawn(Arm::Split),
        ]);
    }
    Durability { groups }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;
    use crate::binomial::cases_for;

    #[test]
    fn every_preset_has_every_control() {
        for preset in Preset::value_variants() {
            let Durability { groups } = durability(*preset);
            for (arm, keeping) in [
                (Arm::Monolith, Keeping::Queue),
                (Arm::Monolith, Keeping::Spawn),
                (Arm::Twin, Keeping::Queue),
                (Arm::Planted, Keeping::Queue),
            ] {
                let found = |group: &&Group| {
                    let subject = group.subject;
                    (subject.arm, subject.keeping) == (arm, keeping)
                };
                assert!(groups.iter().any(|group| found(&group)), "{preset}: {}", arm.name());
            }
        }
    }

    #[test]
    fn all_but_smoke_can_decide_even_if_some_kills_meet_nothing() {
        for preset in [Preset::Quick, Preset::Standard, Preset::Full] {
            for place in [Place::Inside, Place::Apart] {
                let groups = durability(preset).groups.into_iter();
                let kills: u64 = groups
                    .filter(|it| it.subject.keeping == Keeping::Queue && it.subject.place == place)
                    .filter(|it| matches!(it.subject.arm, Arm::Monolith | Arm::Split))
                    .map(|it| it.trials() - 1)
                    .sum();
                assert!(kills * 9 / 10 >= cases_for(LIMIT), "{preset}: {kills}");
            }
        }
    }

    #[test]
    fn a_full_run_kills_twenty_times_at_each_point_and_200_times_at_random() {
        let Durability { groups } = durability(Preset::Full);
        assert_eq!((groups[0].times, groups[0].random), (20, 200));
        assert_eq!(QUEUE.len() + 2, Point::ALL.len());
    }
}
