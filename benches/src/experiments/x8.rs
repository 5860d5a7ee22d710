//! x8: does what is scheduled happen once?
//!
//! Whoever puts a timer into a server has as many timers as servers. To have one server alone keep the
//! schedule is no way out either: it may be away when it is time. A tick that is a row, inserted together
//! with its job, needs neither to know how many servers there are nor whose clock is right.

use crate::{
    experiment::{Card, Design, Experiment, Preset},
    record::Arm,
    ticks::{Group, Subject, Ticks, Timer, Trouble},
};

/// The experiment.
pub const EXPERIMENT: Experiment = Experiment { card: CARD, design: Design::Ticks(ticks) };

/// The share of ticks that go wrong that matters: three of a hundred.
pub const LIMIT: f64 = 0.03;

const CARD: Card = Card {
    id: "x8",
    title: "Whether what is scheduled happens once",
    claim: "Scheduled jobs belong on a dedicated service.",
    hypothesis: "A tick that is a row in the database happens once and not before its time, over any \
                 number of replicas, whichever of them die or stop for a while and however their clocks \
                 differ. A timer in each process happens once for each; a timer in one process alone \
                 misses ticks when that dies, and is early when its clock is.",
    smallest_effect: "One tick that is a row and is missed, doubled, or early. Of nothing found no more \
                      can be said than how rare it is: less than three of a hundred, at 95 % confidence.",
    region: "1, 2, 4 and 8 replicas on one database; a tick every 5 s, which brings a job of no length. \
             Around each tick one replica, drawn anew, is killed and started again a second later, or is \
             stopped for 2.5 s; or the clocks of all lie between two seconds behind and two seconds \
             ahead; or nothing befalls them.",
    decision_rule: "Rows happen once when no tick is missed or doubled, and the upper end of the exact \
                    (Clopper–Pearson) 95 % interval of the share of such ticks is at most 3 %, over all \
                    numbers of replicas and all kinds of trouble together; a single one refutes it. That \
                    none is early is held to the same rule. Timers in several replicas double ticks, and \
                    a timer in one process alone goes wrong, when the interval of the share of ticks \
                    lies above 3 %. There is no verdict when one replica, which nothing befalls, does not \
                    keep its schedule, when two identical monoliths differ (Fisher's exact test), or when \
                    a replica with a timer of its own beside one that has none is not noticed.",
    refuted_by: "One tick that is a row and is missed, happens twice, or happens early; or timers that do \
                 not get into each other's way.",
    unfair: &[
        "A tick that is a row is taken two seconds after its time, so that no clock that is ahead by as \
         much is early: that is the price of it. A bare timer does not wait.",
        "Bare timers are a few lines of the same scheduler, without the row and the two seconds; a \
         library may do better, for instance by a lock.",
        "Around every single tick something befalls a replica. In production hardly any tick is met.",
    ],
    not_shown: &[
        "Clocks that are wrong by more than two seconds, or that jump; daylight saving time. The latter \
         is tested with the scheduler.",
        "Schedules with locks or elected leaders.",
        "A replica that stays away for longer than the time between two ticks: of those that were \
         missed then only the last happens, or none, as the schedule says.",
        "The split: its backend keeps schedules with the same code, and its frontend keeps none.",
    ],
    slo_ms: f64::INFINITY,
};

/// What is done.
fn ticks(preset: Preset) -> Ticks {
    let (ticks, most) = match preset {
        Preset::Smoke => (1, 2),
        Preset::Quick => (7, 8),
        Preset::Standard => (25, 8),
        Preset::Full => (50, 8),
    };
    let smoke = preset == Preset::Smoke;
    let all = if smoke { vec![Trouble::None] } else { Trouble::ALL.to_vec() };
    let group = |arm, timer, replicas| Group {
        subject: Subject { arm, timer, replicas },
        troubles: all.clone(),
    };
    let numbers = [1, 2, 4, 8].into_iter().filter(|replicas| *replicas <= most);
    let mut groups: Vec<Group> = numbers
        .flat_map(|replicas| [Timer::Row, Timer::Bare].map(|timer| (timer, replicas)))
        .map(|(timer, replicas)| group(Arm::Monolith, timer, replicas))
        .collect();
    // The one whose fate hangs most on chance.
    groups.push(group(Arm::Twin, Timer::Bare, 1));
    groups.push(Group { troubles: vec![Trouble::None], ..group(Arm::Planted, Timer::Row, 2) });
    Ticks { groups, ticks }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;
    use crate::binomial::cases_for;

    #[test]
    fn every_preset_has_every_control() {
        for preset in Preset::value_variants() {
            let Ticks { groups, .. } = ticks(*preset);
            for timer in [Timer::Row, Timer::Bare] {
                let subject = Subject { arm: Arm::Monolith, timer, replicas: 1 };
                let calm =
                    |it: &&Group| it.subject == subject && it.troubles.contains(&Trouble::None);
                assert!(groups.iter().any(|it| calm(&it)), "{preset}");
            }
            for arm in [Arm::Twin, Arm::Planted] {
                assert!(groups.iter().any(|it| it.subject.arm == arm), "{preset}");
            }
        }
    }

    #[test]
    fn all_but_smoke_can_decide_and_a_full_run_has_200_ticks_for_each_number_of_replicas() {
        for preset in [Preset::Quick, Preset::Standard, Preset::Full] {
            let Ticks { groups, ticks } = ticks(preset);
            let rows = groups
                .iter()
                .filter(|it| it.subject.arm == Arm::Monolith && it.subject.timer == Timer::Row);
            let each = |it: &Group| u64::from(ticks) * it.troubles.len() as u64;
            assert!(rows.clone().map(each).sum::<u64>() >= cases_for(LIMIT), "{preset}");
            if preset == Preset::Full {
                assert!(rows.clone().all(|it| each(it) == 200));
            }
        }
    }
}
