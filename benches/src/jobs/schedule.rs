//! In which order everything is measured: decided before it begins, by the seed alone.

use rand_chacha::{ChaCha8Rng, rand_core::Rng};

use super::{Group, Interference, trial::Trial};
use crate::stats::shuffle;

/// A trial that is still to be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned<'a> {
    pub(super) round: u32,
    pub(super) group: &'a Group,
    /// Its loads, in the order in which they are measured.
    pub(super) loads: Vec<u32>,
    /// Of visitors and times: the same for all trials of a round, and another one in every round.
    pub(super) seed: u64,
}

/// Round after round, each with its groups in an order of its own, and each of these with its loads.
pub(super) fn schedule<'a>(design: &'a Interference, rng: &mut ChaCha8Rng) -> Vec<Planned<'a>> {
    let mut planned = Vec::new();
    for round in 0..design.rounds() {
        let mut groups: Vec<&Group> =
            design.groups.iter().filter(|group| round < group.rounds).collect();
        shuffle(rng, &mut groups);
        let seed = rng.next_u64();
        for group in groups {
            let mut loads = group.loads.clone();
            shuffle(rng, &mut loads);
            planned.push(Planned { round, group, loads, seed });
        }
    }
    planned
}

impl Planned<'_> {
    /// The trial, in which nothing has happened yet.
    pub(super) fn empty(&self) -> Trial {
        let Group { arm, place, job, .. } = *self.group;
        Trial { round: self.round, arm, place, job, slices: Vec::new(), void: None }
    }

    /// What is measured, for whoever waits.
    pub(super) fn name(&self) -> String {
        let Group { arm, place, job, .. } = self.group;
        format!("{}, {}, {}", arm.name(), place.name(), job.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand_chacha::rand_core::SeedableRng;

    use super::*;
    use crate::{
        jobs::{Job, Kind, Place},
        record::Arm,
    };

    fn design() -> Interference {
        let job = Job { kind: Kind::Cpu, ms: 300 };
        let group =
            |arm, place, rounds| Group { arm, place, job, loads: vec![0, 5, 10, 20], rounds };
        Interference {
            groups: vec![
                group(Arm::Monolith, Place::Inside, 6),
                group(Arm::Monolith, Place::Low, 6),
                group(Arm::Split, Place::Quota, 3),
            ],
            headline: job,
            seconds: 3.0,
        }
    }

    #[test]
    fn every_group_has_all_its_loads_in_each_of_its_rounds() {
        let design = design();
        let planned = schedule(&design, &mut ChaCha8Rng::seed_from_u64(7));
        assert_eq!(planned.len() as u64, design.trials());
        for group in &design.groups {
            let of_group = || planned.iter().filter(|trial| trial.group == group);
            let rounds: Vec<u32> = of_group().map(|trial| trial.round).collect();
            assert_eq!(rounds, (0..group.rounds).collect::<Vec<_>>());
            for trial in of_group() {
                let loads: BTreeSet<u32> = trial.loads.iter().copied().collect();
                assert!(loads.into_iter().eq(group.loads.iter().copied()), "{trial:?}");
            }
        }
        let orders: BTreeSet<&[u32]> = planned.iter().map(|trial| trial.loads.as_slice()).collect();
        assert!(orders.len() > 3, "loads come in orders of chance");
        assert_eq!(planned, schedule(&design, &mut ChaCha8Rng::seed_from_u64(7)));
    }

    #[test]
    fn who_is_in_the_same_round_has_the_same_visitors_and_nobody_else() {
        let design = design();
        let planned = schedule(&design, &mut ChaCha8Rng::seed_from_u64(7));
        let pairs: BTreeSet<(u32, u64)> =
            planned.iter().map(|trial| (trial.round, trial.seed)).collect();
        let seeds: BTreeSet<u64> = pairs.iter().map(|(_, seed)| *seed).collect();
        assert_eq!((pairs.len(), seeds.len()), (6, 6));
    }
}
