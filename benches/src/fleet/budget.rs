//! Equal budgets. "Two processes against one" is the easiest way to find what one would like to find;
//! so two topologies can be compared only if they have the same CPU, memory and database connections
//! in all.

use std::fmt;

use anyhow::{bail, ensure};
use serde::{Deserialize, Serialize};

use super::{
    quota::{Cpu, Millicores},
    topology::{Tier, Topology},
};

/// What a topology has in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// CPU.
    pub cpu: Millicores,
    /// Memory, MiB.
    pub memory_mib: u32,
    /// Database connections.
    pub db_connections: u32,
}

/// What the machine and its database have for all arms that run at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Cores for servers.
    pub cores: u32,
    /// Memory, MiB.
    pub memory_mib: u32,
    /// Connections that the database takes; SQLite takes any number.
    pub db_connections: Option<u32>,
}

impl Budget {
    /// The sum over all servers.
    pub fn of(topology: &Topology) -> Self {
        let sum = |part: fn(&Tier) -> u32| {
            topology.tiers.iter().map(|tier| tier.replicas * part(tier)).sum::<u32>()
        };
        let quotas = sum(|tier| match tier.cpu {
            Cpu::Quota(Millicores(millicores)) => millicores,
            // What it gets is taken from the pool.
            Cpu::Weight(_) => 0,
        });
        Self {
            cpu: Millicores(quotas + topology.pool.unwrap_or_default().0),
            memory_mib: sum(|tier| tier.memory_mib),
            db_connections: sum(|tier| tier.db_connections),
        }
    }

    /// Divides it in proportion to `shares`, without a rest: what can't be divided evenly goes, one
    /// by one, to whom rounding has taken most from. The parts are this budget in all.
    ///
    /// # Panics
    /// When all shares are zero: then there is nobody to give it to.
    pub fn divide(self, shares: &[u32]) -> Vec<Self> {
        let cpu = divide(self.cpu.0, shares);
        let memory = divide(self.memory_mib, shares);
        let connections = divide(self.db_connections, shares);
        let parts = cpu.into_iter().zip(memory).zip(connections);
        parts
            .map(|((cpu, memory_mib), db_connections)| Self {
                cpu: Millicores(cpu),
                memory_mib,
                db_connections,
            })
            .collect()
    }

    /// Checks that this much can be had.
    ///
    /// # Errors
    /// One line that says of what there is too little, and the way out.
    pub fn fits(self, room: Room) -> anyhow::Result<()> {
        let Self { cpu, memory_mib, db_connections } = self;
        ensure!(
            cpu.0 <= room.cores * 1000,
            "{cpu} are needed and {} cores are for servers: take a machine with more, or a smaller \
             budget",
            room.cores
        );
        ensure!(
            memory_mib <= room.memory_mib,
            "{memory_mib} MiB are needed and {} MiB are free: end something, or take a smaller budget",
            room.memory_mib
        );
        let connections = room.db_connections.unwrap_or(u32::MAX);
        ensure!(
            db_connections <= connections,
            "{db_connections} database connections are needed and {connections} can be had: raise \
             max_connections, or take a smaller budget"
        );
        Ok(())
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, memory_mib, db_connections } = self;
        write!(f, "{cpu}, {memory_mib} MiB, {db_connections} database connections")
    }
}

/// The budget that all these topologies have.
///
/// # Errors
/// One line with the two sums, when two of them differ; and what [`Topology::check`] refuses.
pub fn equal<'a>(topologies: impl IntoIterator<Item = &'a Topology>) -> anyhow::Result<Budget> {
    let mut first: Option<(&Topology, Budget)> = None;
    for topology in topologies {
        topology.check()?;
        let budget = Budget::of(topology);
        match first {
            None => first = Some((topology, budget)),
            Some((other, expected)) if budget != expected => bail!(
                "unequal budgets: {} has {expected}; {} has {budget}",
                other.name,
                topology.name
            ),
            Some(_) => {}
        }
    }
    let (_, budget) = first.ok_or_else(|| anyhow::anyhow!("there is nothing to compare"))?;
    Ok(budget)
}

/// The largest-remainder method.
fn divide(whole: u32, shares: &[u32]) -> Vec<u32> {
    let total: u64 = shares.iter().map(|share| u64::from(*share)).sum();
    assert!(total > 0, "somebody has to have a share");
    let product = |share: u32| u64::from(whole) * u64::from(share);
    // Each fits: none is larger than the whole.
    let mut parts: Vec<u32> = shares.iter().map(|share| (product(*share) / total) as u32).collect();
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(product(shares[*index]) % total));
    let rest = whole - parts.iter().sum::<u32>();
    for index in order.into_iter().take(rest as usize) {
        parts[index] += 1;
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fleet::topology::{Link, Role};

    fn budgets() -> impl Strategy<Value = Budget> {
        (500u32..64_000, 64u32..65_536, 8u32..1000).prop_map(|(cpu, memory_mib, db_connections)| {
            Budget { cpu: Millicores(cpu), memory_mib, db_connections }
        })
    }

    /// A server with everything that `budget` has.
    fn tier(role: Role, budget: Budget) -> Tier {
        let Budget { cpu, memory_mib, db_connections } = budget;
        Tier { role, replicas: 1, cpu: Cpu::Quota(cpu), memory_mib, db_connections }
    }

    fn topology(name: &str, tiers: Vec<Tier>) -> Topology {
        Topology { name: name.to_owned(), tiers, pool: None, link: Link::None }
    }

    fn monolith(budget: Budget) -> Topology {
        topology("one", vec![tier(Role::Monolith, budget)])
    }

    /// A split whose frontend gets `share` of 100 of CPU and memory.
    fn split(budget: Budget, share: u32) -> Topology {
        let parts = budget.divide(&[share, 100 - share]);
        let mut frontend = tier(Role::SplitFrontend, parts[0]);
        let mut backend = tier(Role::SplitBackend, parts[1]);
        backend.db_connections += std::mem::take(&mut frontend.db_connections);
        topology("two", vec![frontend, backend])
    }

    proptest! {
        #[test]
        fn parts_are_the_whole_and_each_is_within_one_of_its_due(
            whole: u32, shares in prop::collection::vec(0u32..1000, 1..9)
        ) {
            prop_assume!(shares.iter().any(|share| *share > 0));
            let parts = divide(whole, &shares);
            prop_assert_eq!(parts.iter().map(|part| u64::from(*part)).sum::<u64>(), u64::from(whole));
            let total = f64::from(shares.iter().sum::<u32>());
            for (part, share) in parts.iter().zip(&shares) {
                let due = f64::from(whole) * f64::from(*share) / total;
                prop_assert!((f64::from(*part) - due).abs() < 1.0, "{} for {}", part, due);
            }
        }

        #[test]
        fn a_budget_is_the_same_however_it_is_divided(budget in budgets(), share in 30u32..70) {
            let both = [monolith(budget), split(budget, share)];
            prop_assert_eq!(equal(&both).unwrap(), budget);
        }

        /// Whatever differs, and however little, the comparison is refused with both sums.
        #[test]
        fn whoever_gets_more_is_refused(budget in budgets(), share in 30u32..70, which in 0..3) {
            let fair = monolith(budget);
            let mut richer = split(budget, share);
            let backend = &mut richer.tiers[1];
            match (which, backend.cpu) {
                (0, Cpu::Quota(Millicores(cpu))) => backend.cpu = Cpu::Quota(Millicores(cpu + 1)),
                (1, _) => backend.memory_mib += 1,
                _ => backend.db_connections += 1,
            }
            for pair in [[&fair, &richer], [&richer, &fair]] {
                let error = equal(pair).unwrap_err().to_string();
                prop_assert!(error.starts_with("unequal budgets: ") && !error.contains('\n'));
                for topology in pair {
                    let sum = format!("{} has {}", topology.name, Budget::of(topology));
                    prop_assert!(error.contains(&sum), "{}", error);
                }
            }
        }

        /// Weights divide the pool and add nothing to it.
        #[test]
        fn weights_cost_nothing(budget in budgets(), weights in prop::array::uniform2(1u32..10_000)) {
            let budget = Budget { cpu: Millicores(budget.cpu.0.next_multiple_of(1000)), ..budget };
            let mut weighted = split(budget, 50);
            for (tier, weight) in weighted.tiers.iter_mut().zip(weights) {
                tier.cpu = Cpu::Weight(weight);
            }
            weighted.pool = Some(budget.cpu);
            prop_assert_eq!(equal([&monolith(budget), &weighted]).unwrap(), budget);
        }

        #[test]
        fn replicas_count_each(budget in budgets(), replicas in 1u32..9) {
            let mut many = monolith(budget);
            many.tiers[0].replicas = replicas;
            let sum = Budget::of(&many);
            prop_assert_eq!(sum.cpu.0, replicas * budget.cpu.0);
            prop_assert_eq!(sum.memory_mib, replicas * budget.memory_mib);
            prop_assert_eq!(sum.db_connections, replicas * budget.db_connections);
        }
    }

    #[test]
    fn a_budget_that_does_not_fit_names_what_is_short() {
        let budget = Budget { cpu: Millicores(1500), memory_mib: 512, db_connections: 20 };
        let room = Room { cores: 2, memory_mib: 1024, db_connections: Some(20) };
        budget.fits(room).unwrap();
        budget.fits(Room { db_connections: None, ..room }).unwrap();
        for (room, word) in [
            (Room { cores: 1, ..room }, "1 cores"),
            (Room { memory_mib: 511, ..room }, "511 MiB"),
            (Room { db_connections: Some(19), ..room }, "max_connections"),
        ] {
            let error = budget.fits(room).unwrap_err().to_string();
            assert!(error.contains(word) && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn nothing_can_not_be_compared() {
        assert!(equal([]).is_err());
    }
}
