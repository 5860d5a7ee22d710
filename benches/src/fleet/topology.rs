//! What an arm consists of, as plain data: which servers, how many of each, what each may have, and
//! what lies between frontend and backend.

use anyhow::{bail, ensure};
use serde::{Deserialize, Serialize};

use super::quota::{Cpu, Millicores};
use crate::servers::{BACKEND, FRONTEND, MONOLITH, WORK};

/// An arm's servers. What it may have in all is its [`Budget`](super::budget::Budget).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// Its name in messages and results.
    pub name: String,
    /// Its servers.
    pub tiers: Vec<Tier>,
    /// The CPU that all tiers with a weight share: whole cores. A tier with a quota has its CPU beside
    /// this.
    ///
    /// A part of a core would have to be kept to by a quota, which is used up in turns of several
    /// milliseconds, by whoever comes first. (Measured on one core with weights of 3 to 1: 1.6 to 1 in
    /// a pool of 0.5 CPU, 2.7 to 1 in one of 0.9 CPU, 3.0 to 1 in all of it.)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Millicores>,
    /// What lies between frontend and backend.
    #[serde(default)]
    pub link: Link,
}

/// Servers of one kind, all alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// What they do.
    pub role: Role,
    /// How many there are.
    pub replicas: u32,
    /// The CPU of each.
    pub cpu: Cpu,
    /// The memory of each, MiB.
    pub memory_mib: u32,
    /// The database connections of each.
    pub db_connections: u32,
}

/// What a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Pages and API.
    Monolith,
    /// Pages of the split.
    SplitFrontend,
    /// API of the split.
    SplitBackend,
    /// Jobs, in a process of their own.
    Work,
}

/// What lies between frontend and backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// The loopback interface as it is.
    #[default]
    None,
    /// The delay relay ([`crate::link`]).
    Relay {
        /// What it adds to the way there and back, milliseconds. Zero is the relay's own control.
        rtt_ms: f64,
    },
}

/// Which of the two architectures a topology is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// One server.
    Monolith,
    /// A frontend and a backend.
    Split,
}

impl Role {
    /// The name, as in a topology.
    pub fn name(self) -> &'static str {
        match self {
            Self::Monolith => MONOLITH,
            Self::SplitFrontend => FRONTEND,
            Self::SplitBackend => BACKEND,
            Self::Work => WORK,
        }
    }
}

impl Topology {
    /// How many servers there are of a role.
    pub fn replicas(&self, role: Role) -> u32 {
        self.tiers.iter().filter(|tier| tier.role == role).map(|tier| tier.replicas).sum()
    }

    /// The servers of a role that stand behind one address; jobs need none.
    pub fn needs_balancer(&self, role: Role) -> bool {
        role != Role::Work && self.replicas(role) > 1
    }

    /// Checks that these servers make an app, and that the kernel can keep them to what they have.
    ///
    /// # Errors
    /// One line that names the topology and what is wrong with it.
    pub fn check(&self) -> anyhow::Result<Architecture> {
        self.servers().map_err(|error| anyhow::anyhow!("topology {}: {error}", self.name))
    }

    fn servers(&self) -> anyhow::Result<Architecture> {
        let has = |role| self.tiers.iter().filter(|tier| tier.role == role).count();
        let [monolith, frontend, backend, work] =
            [Role::Monolith, Role::SplitFrontend, Role::SplitBackend, Role::Work].map(has);
        let architecture = match (monolith, frontend, backend, work) {
            (1, 0, 0, 0 | 1) => Architecture::Monolith,
            (0, 1, 1, 0 | 1) => Architecture::Split,
            _ => bail!(
                "it takes either a monolith tier or a split-frontend and a split-backend tier, and at \
                 most one work tier"
            ),
        };
        for tier in &self.tiers {
            tier.check().map_err(|error| anyhow::anyhow!("{}: {error}", tier.role.name()))?;
        }
        let weighted = self.tiers.iter().any(|tier| matches!(tier.cpu, Cpu::Weight(_)));
        match self.pool {
            Some(pool) => {
                ensure!(
                    pool.0 > 0 && pool.0.is_multiple_of(1000),
                    "a pool of {pool} is not whole cores, and nothing else can be shared by weight"
                );
                ensure!(weighted, "there is a pool of CPU and no tier with a weight to use it");
            }
            None => ensure!(!weighted, "tiers with a weight need a pool of CPU to share"),
        }
        if let Link::Relay { rtt_ms } = self.link {
            ensure!(architecture == Architecture::Split, "a monolith has no link");
            ensure!((0.0..=1000.0).contains(&rtt_ms), "a link's rtt_ms is 0 to 1000, not {rtt_ms}");
        }
        Ok(architecture)
    }
}

impl Tier {
    fn check(&self) -> anyhow::Result<()> {
        ensure!(self.replicas > 0, "no replicas");
        self.cpu.check()?;
        ensure!(self.memory_mib > 0, "no memory");
        let has_database = self.role != Role::SplitFrontend;
        ensure!(has_database || self.db_connections == 0, "it has no database to connect to");
        ensure!(!has_database || self.db_connections > 0, "no database connections");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tier(role: Role) -> Tier {
        let db_connections = if role == Role::SplitFrontend { 0 } else { 4 };
        let cpu = Cpu::Quota(Millicores(250));
        Tier { role, replicas: 2, cpu, memory_mib: 128, db_connections }
    }

    fn topology(roles: &[Role]) -> Topology {
        let tiers = roles.iter().map(|role| tier(*role)).collect();
        Topology { name: "x".to_owned(), tiers, pool: None, link: Link::None }
    }

    fn complaint(topology: &Topology) -> String {
        let error = topology.check().unwrap_err().to_string();
        assert!(error.starts_with("topology x: ") && !error.contains('\n'), "{error}");
        error
    }

    #[test]
    fn servers_have_to_make_an_app() {
        use Role::{Monolith, SplitBackend, SplitFrontend, Work};
        for (roles, architecture) in [
            (&[Monolith][..], Architecture::Monolith),
            (&[Monolith, Work], Architecture::Monolith),
            (&[SplitFrontend, SplitBackend], Architecture::Split),
            (&[Work, SplitBackend, SplitFrontend], Architecture::Split),
        ] {
            assert_eq!(topology(roles).check().unwrap(), architecture);
        }
        for roles in [&[][..], &[Work], &[SplitFrontend], &[Monolith, SplitBackend], &[Monolith; 2]]
        {
            complaint(&topology(roles));
        }
    }

    #[test]
    fn what_a_server_can_not_have_is_refused() {
        let mut no_replica = topology(&[Role::Monolith]);
        no_replica.tiers[0].replicas = 0;
        assert!(complaint(&no_replica).contains("monolith: no replicas"));

        let mut too_small = topology(&[Role::Monolith]);
        too_small.tiers[0].cpu = Cpu::Quota(Millicores(50));
        assert!(complaint(&too_small).contains("0.050 CPU"));

        let mut frontend = topology(&[Role::SplitFrontend, Role::SplitBackend]);
        frontend.tiers[0].db_connections = 1;
        assert!(complaint(&frontend).contains("split-frontend: it has no database"));

        let mut linked = topology(&[Role::Monolith]);
        linked.link = Link::Relay { rtt_ms: 1.0 };
        assert!(complaint(&linked).contains("no link"));
    }

    #[test]
    fn a_weight_needs_something_to_be_a_share_of() {
        let mut weighted = topology(&[Role::Monolith]);
        weighted.tiers[0].cpu = Cpu::Weight(100);
        assert!(complaint(&weighted).contains("need a pool"));
        weighted.pool = Some(Millicores(500));
        assert!(complaint(&weighted).contains("not whole cores"));
        weighted.pool = Some(Millicores(1000));
        weighted.check().unwrap();
        weighted.tiers[0].cpu = Cpu::Quota(Millicores(500));
        assert!(complaint(&weighted).contains("no tier with a weight"));
    }

    #[test]
    fn a_topology_can_be_read_as_it_is_written() {
        let mut topology = topology(&[Role::SplitFrontend, Role::SplitBackend]);
        topology.link = Link::Relay { rtt_ms: 0.2 };
        let text = serde_json::to_string(&topology).unwrap();
        assert!(
            text.contains(r#""cpu":{"quota":250}"#) && text.contains(r#""rtt_ms":0.2"#),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Topology>(&text).unwrap(), topology);
        let misspelt = text.replace("db_connections", "connections");
        assert!(serde_json::from_str::<Topology>(&misspelt).is_err());
    }

    #[test]
    fn only_servers_of_which_there_are_several_need_a_balancer_and_workers_never() {
        let mut topology = topology(&[Role::Monolith, Role::Work]);
        assert!(topology.needs_balancer(Role::Monolith) && !topology.needs_balancer(Role::Work));
        topology.tiers[0].replicas = 1;
        assert!(!topology.needs_balancer(Role::Monolith));
    }
}
