//! Cells of several servers: how they are deployed, and what reading came to on them.

use serde::{Deserialize, Serialize};

use crate::{
    fleet::{
        quota::{Cpu, Millicores},
        topology::{Link, Role, Tier, Topology},
    },
    record::Arm,
};

/// Database connections of all servers of a cell together: a cell with more would have a larger
/// budget. They can be divided among one, two and four.
const DB_CONNECTIONS: u32 = 16;

/// What each server may have: a core, which they all share, and more memory than they need.
const EACH: (Cpu, u32) = (Cpu::Quota(Millicores(1_000)), 256);

/// How many servers a cell has, and which of them have a memory of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployed {
    /// How many servers with pages there are. A split has one backend.
    pub replicas: u32,
    /// Which servers keep what they read in memory, if any do.
    pub cache: Option<Role>,
}

/// What reading came to in a trial of several servers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reads {
    /// SQL statements that all servers sent, those of writes among them.
    pub statements: u64,
    /// Answers that were in some server's memory.
    pub hits: u64,
    /// Answers that a server with a memory had to ask for.
    pub misses: u64,
    /// How often a server's memory became out of date.
    pub invalidations: u64,
    /// From the answer to a write until the last server with pages showed it, milliseconds, once for
    /// each write that was watched.
    pub stale_ms: Vec<f64>,
}

impl Deployed {
    /// The servers, of one architecture.
    pub fn topology(self, arm: Arm) -> Topology {
        let (cpu, memory_mib) = EACH;
        let tier = |role, replicas: u32, db_connections: u32| {
            let db_connections = db_connections / replicas.max(1);
            Tier { role, replicas, cpu, memory_mib, db_connections }
        };
        let tiers = match arm {
            Arm::Split => vec![
                tier(Role::SplitFrontend, self.replicas, 0),
                tier(Role::SplitBackend, 1, DB_CONNECTIONS),
            ],
            _ => vec![tier(Role::Monolith, self.replicas, DB_CONNECTIONS)],
        };
        let name = format!("{} × {}", arm.name(), self.replicas);
        Topology { name, tiers, pool: None, link: Link::None }
    }
}
