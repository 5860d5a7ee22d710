//! What servers a place needs, and what they are told. Every topology has the budget to the last
//! millicore, so nobody credits a place with what more CPU gives.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};

use super::{Job, Kind, PIECE_MS, Place};
use crate::{
    fleet::{
        budget::Budget,
        quota::{Cpu, Millicores},
        topology::{Link, Role, Tier, Topology},
    },
    record::Arm,
};

/// What every topology has in all: one core.
pub const BUDGET: Budget = Budget { cpu: Millicores(1_000), memory_mib: 768, db_connections: 24 };

/// Weights of servers and of a worker beside them: 50 to 1.
const WEIGHTS: (u32, u32) = (1_000, 20);

/// The part of the core that a worker has by quota. More than any job load, or jobs would pile up.
const WORKER: u32 = 500;

/// Database connections of a worker; the servers have the rest.
const WORKER_CONNECTIONS: u32 = 8;

/// Memory through which jobs walk that do so, MiB.
const WALK_MIB: u32 = 32;

/// A time that hardly ever comes: no other job may fall into a slice.
const NEVER: &str = "0 0 29 2 *";

/// The servers of an architecture with its jobs at a place.
pub fn topology(arm: Arm, place: Place) -> Topology {
    let roles: &[Role] = match arm {
        Arm::Split => &[Role::SplitFrontend, Role::SplitBackend],
        _ => &[Role::Monolith],
    };
    let apart = place.is_apart();
    let processes = roles.len() + usize::from(apart);
    let memory_mib = BUDGET.memory_mib / processes as u32;
    let quota = place == Place::Quota;
    // By quota the servers share what the worker leaves; by weight all share all.
    let of_servers = if quota {
        Cpu::Quota(Millicores((BUDGET.cpu.0 - WORKER) / roles.len() as u32))
    } else {
        Cpu::Weight(WEIGHTS.0)
    };
    let connections = |role: Role| match (role, apart) {
        (Role::SplitFrontend, _) => 0,
        (Role::Work, _) => WORKER_CONNECTIONS,
        (_, true) => BUDGET.db_connections - WORKER_CONNECTIONS,
        (_, false) => BUDGET.db_connections,
    };
    let tier = |role: Role, cpu| Tier {
        role,
        replicas: 1,
        cpu,
        memory_mib,
        db_connections: connections(role),
    };
    let mut tiers: Vec<Tier> = roles.iter().map(|role| tier(*role, of_servers)).collect();
    if apart {
        let cpu = if quota { Cpu::Quota(Millicores(WORKER)) } else { Cpu::Weight(WEIGHTS.1) };
        tiers.push(tier(Role::Work, cpu));
    }
    Topology {
        name: format!("{}, {}", arm.name(), place.name()),
        tiers,
        pool: (!quota).then_some(BUDGET.cpu),
        link: Link::None,
    }
}

/// What the servers are told: `lab` is the file that [`lab_file`] describes.
pub(crate) fn flags(place: Place, lab: &Path) -> BTreeMap<Role, Vec<String>> {
    let (jobs, more): (&str, &[&str]) = match place {
        Place::EventLoop | Place::Pieces => ("inline", &["--runtime", "event-loop"]),
        Place::Inside => ("inside", &[]),
        Place::Low => ("inside", &["--job-priority", "low"]),
        Place::Weights | Place::Quota => ("off", &[]),
    };
    let lab = lab.display().to_string();
    let worker = ["--lab", &lab, "--digest-missed", "skip", "--digest-schedule", NEVER];
    let server = [&worker, &["--jobs", jobs][..], more].concat();
    // The frontend has no jobs; it is what the backend is, one thread or several.
    let frontend = if jobs == "inline" { more } else { &[] };
    let all: [(Role, &[&str]); 4] = [
        (Role::Monolith, &server),
        (Role::SplitBackend, &server),
        (Role::SplitFrontend, frontend),
        (Role::Work, &worker),
    ];
    all.map(|(role, flags)| (role, flags.iter().map(|&flag| flag.to_owned()).collect())).into()
}

/// What a lab file says: each comment brings such a job, and each visitor waits so long, milliseconds.
pub(crate) fn lab_file(place: Place, job: Job, wait_ms: f64) -> Value {
    let mut load = match job.kind {
        Kind::Cpu => json!({ "cpu_ms": job.ms }),
        Kind::Sleep => json!({ "sleep_ms": job.ms }),
        Kind::Database => json!({ "database_ms": job.ms }),
        Kind::Memory => json!({ "memory_ms": job.ms, "memory_mib": WALK_MIB }),
    };
    match place {
        // Nobody has cut it into pieces.
        Place::EventLoop => load["slice_ms"] = json!(job.ms),
        Place::Pieces => load["slice_ms"] = json!(PIECE_MS),
        _ => {}
    }
    json!({ "jobs": { "with_each_comment": load }, "wait_us_per_request": wait_ms * 1e3 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::budget::equal;

    #[test]
    fn wherever_jobs_run_the_budget_is_the_same() {
        let all: Vec<Topology> = [Arm::Monolith, Arm::Split]
            .into_iter()
            .flat_map(|arm| Place::ALL.map(|place| topology(arm, place)))
            .collect();
        assert_eq!(equal(&all).unwrap(), BUDGET);
        for topology in &all {
            let apart = topology.name.ends_with("weights") || topology.name.ends_with("quota");
            assert_eq!(topology.replicas(Role::Work), u32::from(apart), "{}", topology.name);
        }
    }

    #[test]
    fn servers_read_what_the_lab_file_says() {
        for place in Place::ALL {
            for kind in [Kind::Cpu, Kind::Sleep, Kind::Database, Kind::Memory] {
                let file = lab_file(place, Job { kind, ms: 300 }, 0.0);
                let jobs: in_process::Lab = serde_json::from_value(file["jobs"].clone()).unwrap();
                let load = jobs.with_each_comment.unwrap();
                let lengths = [load.cpu_ms, load.sleep_ms, load.database_ms, load.memory_ms];
                assert_eq!(lengths.iter().sum::<u32>(), 300);
                let pieces = match place {
                    Place::EventLoop => Some(300),
                    Place::Pieces => Some(PIECE_MS),
                    _ => None,
                };
                assert_eq!(load.slice_ms, pieces, "{place:?}");
            }
        }
    }
}
