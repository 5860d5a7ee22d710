//! The ways to spend a budget where there are jobs to do: inside the servers that have the database, or
//! in a worker with a part of the budget of its own. Either architecture can do either.

use super::{
    Setup,
    setups::{monolith, split, tier},
};
use crate::{
    fleet::{budget::Budget, quota::Millicores, topology::Role},
    relay::Policy,
};

/// Database connections of a worker; the servers have the rest.
const WORKER_CONNECTIONS: u32 = 6;

/// Monoliths of this budget: so many replicas, and so many per cent of the CPU for a worker. Without any
/// there is none, and jobs run inside, at a low priority.
///
/// # Errors
/// When the budget can't be divided so.
pub fn monoliths_with_jobs(budget: Budget, each: &[(u32, u32)]) -> anyhow::Result<Vec<Setup>> {
    let setup = |(replicas, percent): &(u32, u32)| {
        // By who has least to do: what a job leaves is not the same everywhere.
        let monoliths = |budget| monolith(budget, *replicas, Policy::LeastOutstanding);
        divided(budget, *replicas, *percent, monoliths)
    };
    each.iter().map(setup).collect()
}

/// Splits of this budget with one replica per tier: so many per cent of the CPU for the frontend, and so
/// many for a worker. Without any there is none, and jobs run in the backend, at a low priority.
///
/// # Errors
/// When the CPU can't be divided so.
pub fn splits_with_jobs(budget: Budget, each: &[(u32, u32)]) -> anyhow::Result<Vec<Setup>> {
    let setup = |(frontend, percent): &(u32, u32)| {
        let frontend = Millicores(budget.cpu.0 * frontend / 100);
        divided(budget, 2, *percent, |budget| split(budget, frontend, [1, 1]))
    };
    each.iter().map(setup).collect()
}

/// So many processes that serve, and a worker with so many per cent of the CPU, if with any.
fn divided(
    budget: Budget,
    serving: u32,
    percent: u32,
    servers: impl FnOnce(Budget) -> anyhow::Result<Setup>,
) -> anyhow::Result<Setup> {
    if percent == 0 {
        let mut setup = servers(budget)?;
        setup.topology.name += ", jobs inside";
        return Ok(setup);
    }
    // Memory by number of processes, since that is what it is needed for.
    let memory_mib = budget.memory_mib / (serving + 1) * serving;
    let cpu = Millicores(budget.cpu.0 * percent / 100);
    let rest = Budget {
        cpu: Millicores(budget.cpu.0 - cpu.0),
        memory_mib,
        db_connections: budget.db_connections - WORKER_CONNECTIONS,
    };
    let worker = Budget {
        cpu,
        memory_mib: budget.memory_mib - memory_mib,
        db_connections: WORKER_CONNECTIONS,
    };
    let mut setup = servers(rest)?;
    setup.topology.name += &format!(", worker {cpu}");
    setup.topology.tiers.push(tier(Role::Work, 1, worker));
    Ok(setup)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fleet::budget::equal, scaling::frontend_share};

    const BUDGET: Budget = Budget { cpu: Millicores(400), memory_mib: 640, db_connections: 20 };

    #[test]
    fn wherever_jobs_run_the_budget_is_the_same() {
        let monoliths =
            monoliths_with_jobs(BUDGET, &[(1, 0), (2, 0), (4, 0), (1, 30), (2, 40)]).unwrap();
        let splits = splits_with_jobs(BUDGET, &[(30, 0), (30, 30), (40, 30), (30, 40)]).unwrap();
        let all = || monoliths.iter().chain(&splits);
        assert_eq!(equal(all().map(|setup| &setup.topology)).unwrap(), BUDGET);
        let mut names: Vec<&str> = all().map(Setup::name).collect();
        assert_eq!(names[1], "2 × 0.200 CPU, by outstanding, jobs inside");
        assert_eq!(names[4], "2 × 0.120 CPU, by outstanding, worker 0.160 CPU");
        assert_eq!(names[6], "frontend 1 × 0.120 CPU, backend 1 × 0.160 CPU, worker 0.120 CPU");
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all().count(), "names tell them apart");
        for setup in all() {
            let workers = setup.topology.replicas(Role::Work);
            assert_eq!(workers, u32::from(!setup.name().ends_with("jobs inside")), "{setup:?}");
        }
        assert_eq!(frontend_share(&splits[2].topology), Some(0.4));
    }

    #[test]
    fn a_worker_that_the_kernel_could_not_keep_to_its_part_is_none() {
        let small = splits_with_jobs(BUDGET, &[(40, 20)]).unwrap();
        let error = small[0].topology.check().unwrap_err().to_string();
        assert!(error.contains("0.080 CPU") && !error.contains('\n'), "{error}");
    }
}
