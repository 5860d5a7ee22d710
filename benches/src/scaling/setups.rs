//! The ways to spend a budget, as data. Every setup has the budget to the last millicore: sums that
//! can't be divided evenly are no setup.

use anyhow::ensure;

use super::Setup;
use crate::{
    fleet::{
        budget::Budget,
        quota::{Cpu, LEAST_QUOTA, Millicores},
        topology::{Link, Role, Tier, Topology},
    },
    relay::Policy,
};

/// Monoliths of this budget: so many replicas, and who of them gets the next request.
///
/// # Errors
/// When a budget can't be divided evenly by a number of replicas.
pub fn monoliths(budget: Budget, each: &[(u32, Policy)]) -> anyhow::Result<Vec<Setup>> {
    each.iter().map(|(replicas, policy)| monolith(budget, *replicas, *policy)).collect()
}

/// Splits of this budget with one replica per tier: so many per cent of the CPU for the frontend.
///
/// # Errors
/// When the CPU can't be divided so.
pub fn splits(budget: Budget, frontend_percent: &[u32]) -> anyhow::Result<Vec<Setup>> {
    let cpu = |percent: &u32| Millicores(budget.cpu.0 * percent / 100);
    frontend_percent.iter().map(|percent| split(budget, cpu(percent), [1, 1])).collect()
}

/// What an arm's best setup becomes with `units` times the budget `unit`: as many replicas, each a
/// unit large. In the split they are shared out between the tiers as nearly as can be in the
/// proportion `frontend` of the CPU; a single unit is shared by one replica of either.
///
/// # Errors
/// When a tier's CPU can't be divided evenly.
pub fn ladder(unit: Budget, units: u32, best: &Setup) -> anyhow::Result<Setup> {
    let whole = Budget {
        cpu: Millicores(unit.cpu.0 * units),
        memory_mib: unit.memory_mib * units,
        db_connections: unit.db_connections * units,
    };
    let Some(frontend) = frontend_share(&best.topology) else {
        return monolith(whole, units, best.policy);
    };
    let frontends = (frontend * f64::from(units)).round() as u32;
    let frontends = frontends.clamp(1, units.saturating_sub(1).max(1));
    let backends = units.saturating_sub(frontends).max(1);
    let wanted = (frontend * f64::from(whole.cpu.0)).round() as u32;
    // The nearest that both tiers can divide evenly among their replicas, and the kernel can keep to.
    let possible = |tier: u32, replicas: u32| {
        tier.is_multiple_of(replicas) && tier / replicas >= LEAST_QUOTA.0
    };
    let even = |cpu: &u32| possible(*cpu, frontends) && possible(whole.cpu.0 - cpu, backends);
    let nearest = (1..whole.cpu.0).filter(even).min_by_key(|cpu| cpu.abs_diff(wanted));
    let cpu = Millicores(nearest.unwrap_or(wanted));
    Ok(Setup { policy: best.policy, ..split(whole, cpu, [frontends, backends])? })
}

/// The share of the CPU that the frontends of a split have; `None` for a monolith.
pub fn frontend_share(topology: &Topology) -> Option<f64> {
    let frontend = topology.tiers.iter().find(|tier| tier.role == Role::SplitFrontend)?;
    let Cpu::Quota(Millicores(each)) = frontend.cpu else { return None };
    Some(f64::from(each * frontend.replicas) / f64::from(Budget::of(topology).cpu.0))
}

/// So many containers of each server, named by their numbers: what each has it has anyway.
pub(super) fn of_containers(tiers: Vec<Tier>) -> Setup {
    let counted = |tier: &Tier| {
        let name = tier.role.name().trim_start_matches("split-");
        let plural = if tier.replicas == 1 { "" } else { "s" };
        format!("{} {name}{plural}", tier.replicas)
    };
    let name = tiers.iter().map(counted).collect::<Vec<_>>().join(" + ");
    Setup { topology: topology(name, tiers), policy: Policy::RoundRobin }
}

pub(super) fn monolith(budget: Budget, replicas: u32, policy: Policy) -> anyhow::Result<Setup> {
    let each = even(budget, replicas)?;
    let by =
        if replicas > 1 && policy == Policy::LeastOutstanding { ", by outstanding" } else { "" };
    let name = format!("{replicas} × {}{by}", each.cpu);
    Ok(Setup { topology: topology(name, vec![tier(Role::Monolith, replicas, each)]), policy })
}

pub(super) fn split(budget: Budget, cpu: Millicores, replicas: [u32; 2]) -> anyhow::Result<Setup> {
    let [frontends, backends] = replicas;
    ensure!(cpu < budget.cpu, "a frontend with all of {} leaves no backend", budget.cpu);
    // The frontend has no database. It has its share of the memory by number of processes, since
    // that is what memory is needed for.
    let per_process = budget.memory_mib / (frontends + backends);
    let front = Budget { cpu, memory_mib: per_process * frontends, db_connections: 0 };
    let back = Budget {
        cpu: Millicores(budget.cpu.0 - cpu.0),
        memory_mib: budget.memory_mib - front.memory_mib,
        db_connections: budget.db_connections,
    };
    let (front, back) = (even(front, frontends)?, even(back, backends)?);
    let name = format!("frontend {frontends} × {}, backend {backends} × {}", front.cpu, back.cpu);
    let tiers =
        vec![tier(Role::SplitFrontend, frontends, front), tier(Role::SplitBackend, backends, back)];
    Ok(Setup { topology: topology(name, tiers), policy: Policy::RoundRobin })
}

fn topology(name: String, tiers: Vec<Tier>) -> Topology {
    Topology { name, tiers, pool: None, link: Link::None }
}

pub(super) fn tier(role: Role, replicas: u32, each: Budget) -> Tier {
    let Budget { cpu, memory_mib, db_connections } = each;
    Tier { role, replicas, cpu: Cpu::Quota(cpu), memory_mib, db_connections }
}

/// The part of each of several replicas.
fn even(budget: Budget, replicas: u32) -> anyhow::Result<Budget> {
    let divided = [budget.cpu.0, budget.memory_mib, budget.db_connections];
    ensure!(
        replicas > 0 && divided.iter().all(|sum| sum % replicas == 0),
        "{budget} can't be divided evenly among {replicas} replicas"
    );
    let [cpu, memory_mib, db_connections] = divided.map(|sum| sum / replicas);
    Ok(Budget { cpu: Millicores(cpu), memory_mib, db_connections })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::budget::equal;

    const BUDGET: Budget = Budget { cpu: Millicores(400), memory_mib: 640, db_connections: 20 };

    #[test]
    fn all_setups_of_a_search_have_the_same_budget() {
        let each =
            [(1, Policy::RoundRobin), (2, Policy::LeastOutstanding), (4, Policy::RoundRobin)];
        let mut setups = monoliths(BUDGET, &each).unwrap();
        setups.extend(splits(BUDGET, &[30, 40, 50, 60, 70]).unwrap());
        let topologies = || setups.iter().map(|setup| &setup.topology);
        assert_eq!(equal(topologies()).unwrap(), BUDGET);
        let mut names: Vec<_> = topologies().map(|topology| topology.name.as_str()).collect();
        assert_eq!(names[1], "2 × 0.200 CPU, by outstanding");
        assert_eq!(names[3], "frontend 1 × 0.120 CPU, backend 1 × 0.280 CPU");
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), setups.len(), "names tell them apart");
    }

    #[test]
    fn what_can_not_be_divided_evenly_is_refused() {
        let error = monoliths(BUDGET, &[(3, Policy::RoundRobin)]).unwrap_err().to_string();
        assert!(error.contains("among 3 replicas") && !error.contains('\n'), "{error}");
        assert!(splits(BUDGET, &[100]).is_err());
    }

    /// As many processes, and the same budget, however many units there are.
    #[test]
    fn a_ladder_has_equal_budgets_on_every_step() {
        let unit = Budget { cpu: Millicores(250), memory_mib: 320, db_connections: 12 };
        let best = [
            monoliths(BUDGET, &[(2, Policy::LeastOutstanding)]).unwrap(),
            splits(BUDGET, &[30]).unwrap(),
            splits(BUDGET, &[50]).unwrap(),
            splits(BUDGET, &[70]).unwrap(),
        ];
        for units in 1..=4 {
            let step: Vec<Setup> =
                best.iter().map(|best| ladder(unit, units, &best[0]).unwrap()).collect();
            let budget = equal(step.iter().map(|setup| &setup.topology)).unwrap();
            assert_eq!(budget.cpu, Millicores(250 * units));
            for setup in &step {
                let replicas: u32 = setup.topology.tiers.iter().map(|tier| tier.replicas).sum();
                let least = if frontend_share(&setup.topology).is_some() { 2 } else { 1 };
                assert_eq!(replicas, units.max(least), "{setup:?}");
            }
            assert_eq!(step[0].policy, Policy::LeastOutstanding);
        }
    }

    #[test]
    fn a_frontend_that_has_more_cpu_has_more_replicas_too() {
        let unit = Budget { cpu: Millicores(250), memory_mib: 320, db_connections: 12 };
        let name = |percent, units| {
            let best = splits(BUDGET, &[percent]).unwrap();
            ladder(unit, units, &best[0]).unwrap().topology.name
        };
        assert_eq!(name(70, 3), "frontend 2 × 0.262 CPU, backend 1 × 0.226 CPU");
        assert_eq!(name(50, 4), "frontend 2 × 0.250 CPU, backend 2 × 0.250 CPU");
        assert_eq!(name(40, 1), "frontend 1 × 0.100 CPU, backend 1 × 0.150 CPU");
    }
}
