//! A topology as a running system: every replica in a control group of its own, a balancer in front
//! of whatever has several replicas, between frontends and backends too, and the link if there is
//! one. Balancers and link are the lab's, not the arm's: they have the lab's core and no quota, and
//! their CPU has a name of its own.

use std::{collections::BTreeMap, net::SocketAddr, path::Path};

use anyhow::{Context, bail};
use futures_util::future::{BoxFuture, FutureExt, join_all, select_all};

use super::{
    Rig, Server, operations,
    quota::{Cpu, Divided, Gauge, Group, Kind, Limits, Quotas, Use},
    topology::{self, Architecture, Role, Tier, Topology},
};
use crate::{
    databases::Database,
    intermediary::Program,
    link::Link,
    probe::{Scope, Watched},
    record::Arm,
    relay::{Balancer, Balancing, Policy},
};

/// In results, the balancer that visitors reach.
pub const BALANCER: &str = "balancer";
/// The one between frontends and backends.
pub const INNER_BALANCER: &str = "inner-balancer";
/// The delay between frontends and backends.
pub const LINK: &str = "link";

/// What all deployments of a run stand on.
#[derive(Debug)]
pub struct Ground<'a> {
    /// Programs, secret, cores.
    pub rig: &'a Rig,
    /// What keeps servers to their budgets. Where there are no groups, servers have their core and
    /// nothing divides it: see [`Self::fallback`].
    pub quotas: &'a Quotas,
    /// How balancers and links are started.
    pub program: &'a Program,
    /// Which balancer.
    pub balancing: Balancing,
    /// Where a balancer's configuration goes.
    pub directory: &'a Path,
}

/// What is to be deployed.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// Its servers.
    pub topology: &'a Topology,
    /// Who of several replicas gets the next request.
    pub policy: Policy,
    /// Its data.
    pub database: &'a Database,
    /// Which system it is, in results.
    pub arm: Arm,
    /// Part of the names of logs and control groups; no other deployment of the run has it.
    pub name: &'a str,
    /// Further flags, role by role. Where they don't say where jobs run, none do.
    pub flags: &'a BTreeMap<Role, Vec<String>>,
}

/// A running topology. Its processes are killed and its groups removed when this value goes;
/// [`Self::stop`] does the same in order.
#[derive(Debug)]
pub struct Deployment {
    /// Where visitors go.
    pub front: SocketAddr,
    balancers: Vec<(&'static str, Balancer)>,
    link: Option<Link>,
    replicas: Vec<Replica>,
    /// The group of all that share CPU by weight; it can go only after theirs.
    pool: Option<Group>,
}

/// What is measured of a deployment.
#[derive(Clone, Debug)]
pub struct View {
    /// Where visitors go.
    pub front: SocketAddr,
    /// Everything that runs, for the probe: servers by role, and beside them balancers and link.
    pub watched: Vec<Watched>,
    /// Groups, by role.
    pub gauges: Vec<(&'static str, Gauge)>,
    /// Whether nothing but what is watched runs in the groups, so that both accounts of their CPU have to
    /// agree. In a container health checks run, too: there the group's account is the one to take.
    pub exclusive: bool,
}

/// One server in its group.
#[derive(Debug)]
pub struct Replica {
    /// What it does.
    pub role: Role,
    /// The process.
    pub server: Server,
    group: Option<Group>,
}

impl Ground<'_> {
    /// What could not be had, as a sentence for the layout.
    pub fn fallback(&self) -> Option<String> {
        match self.quotas.kind() {
            Kind::CgroupV1 | Kind::CgroupV2 => None,
            Kind::Affinity { why } => Some(format!(
                "no CPU or memory quotas ({why}): all replicas have the servers' core, and nothing \
                 divides it"
            )),
        }
    }

    /// Starts all servers, backends before frontends, and what stands between them.
    ///
    /// # Errors
    /// One line: the topology can't be, or what did not come up. Everything else has been ended
    /// then.
    pub async fn start(&self, order: Order<'_>) -> anyhow::Result<Deployment> {
        let architecture = order.topology.check()?;
        // Stands for "nowhere" until the last tier is up.
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut deployment = Deployment {
            front: nowhere,
            balancers: Vec::new(),
            link: None,
            replicas: Vec::new(),
            pool: self.pool(&order)?,
        };
        match self.fill(&mut deployment, order, architecture).await {
            Ok(front) => {
                deployment.front = front;
                Ok(deployment)
            }
            Err(error) => {
                // The first trouble is the one to speak of.
                let _ = deployment.stop().await;
                Err(error)
            }
        }
    }

    async fn fill(
        &self,
        deployment: &mut Deployment,
        order: Order<'_>,
        architecture: Architecture,
    ) -> anyhow::Result<SocketAddr> {
        if order.topology.replicas(Role::Work) > 0 {
            self.tier(deployment, order, Role::Work, None).await?;
        }
        if architecture == Architecture::Monolith {
            return self.tier(deployment, order, Role::Monolith, None).await;
        }
        let mut backend = self.tier(deployment, order, Role::SplitBackend, None).await?;
        if let topology::Link::Relay { rtt_ms } = order.topology.link {
            let link = Link::start(self.program, backend, rtt_ms).await?;
            backend = link.address();
            deployment.link = Some(link);
        }
        self.tier(deployment, order, Role::SplitFrontend, Some(backend)).await
    }

    /// Starts all replicas of a role at once, each within its own quota, then the balancer if it
    /// takes one. Returns where the role is to be found.
    async fn tier(
        &self,
        deployment: &mut Deployment,
        order: Order<'_>,
        role: Role,
        backend: Option<SocketAddr>,
    ) -> anyhow::Result<SocketAddr> {
        let tier = order.topology.tiers.iter().find(|tier| tier.role == role);
        let tier = tier.with_context(|| format!("there is no tier of {}", role.name()))?;
        let pool = deployment.pool.as_ref();
        let starts = (0..tier.replicas).map(|n| self.replica(order, tier, pool, n, backend));
        let mut failed = None;
        let mut addresses = Vec::new();
        for started in join_all(starts).await {
            match started {
                Ok(replica) => {
                    addresses.push(replica.server.address);
                    deployment.replicas.push(replica);
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        if !order.topology.needs_balancer(role) {
            return addresses.first().copied().context("a tier without replicas");
        }
        let Self { program, balancing, directory, .. } = *self;
        let balancer = balancing.start(program, order.policy, &addresses, directory).await?;
        let address = balancer.address();
        let inner = role == Role::SplitBackend;
        deployment.balancers.push((if inner { INNER_BALANCER } else { BALANCER }, balancer));
        Ok(address)
    }

    async fn replica(
        &self,
        order: Order<'_>,
        tier: &Tier,
        pool: Option<&Group>,
        number: u32,
        backend: Option<SocketAddr>,
    ) -> anyhow::Result<Replica> {
        let Order { database, arm, .. } = order;
        let role = tier.role;
        let name = format!("{}-{number}", order.name);
        let group = self.group(tier, pool, &format!("{name}-{}", role.name()))?;
        let under = group.as_ref().map(Group::under).unwrap_or_default();
        let mut launch = match backend {
            Some(backend) => self.rig.frontend(arm, format!("http://{backend}"), &name)?,
            None => {
                self.rig.with_database(database, arm, role.name(), tier.db_connections, &name)?
            }
        };
        let flags = order.flags.get(&role);
        launch.args.extend(flags.into_iter().flatten().cloned());
        let has_jobs = matches!(role, Role::Monolith | Role::SplitBackend);
        if has_jobs && !launch.args.iter().any(|flag| flag == "--jobs") {
            launch = launch.with_jobs(self.rig.jobs);
        }
        // Whoever orders flags may have a lab file of their own, with what is planted in it.
        let has_pages = matches!(role, Role::Monolith | Role::SplitFrontend);
        if has_pages && !launch.args.iter().any(|flag| flag == "--lab") {
            launch = launch.with_lab(self.rig)?;
        }
        launch.under = &under;
        let server = operations::start(launch, &self.rig.layout).await?;
        Ok(Replica { role, server, group })
    }

    fn group(
        &self,
        tier: &Tier,
        pool: Option<&Group>,
        name: &str,
    ) -> anyhow::Result<Option<Group>> {
        if matches!(self.quotas.kind(), Kind::Affinity { .. }) {
            return Ok(None);
        }
        let limits = Limits { cpu: Some(tier.cpu), memory_mib: Some(tier.memory_mib) };
        Ok(Some(match (tier.cpu, pool) {
            (Cpu::Weight(_), Some(pool)) => pool.subgroup(name, &limits)?,
            (Cpu::Weight(_), None) => bail!("{name}: a weight without a pool"),
            (Cpu::Quota(_), _) => self.quotas.group(name, &limits)?,
        }))
    }

    fn pool(&self, order: &Order<'_>) -> anyhow::Result<Option<Group>> {
        let Some(cpu) = order.topology.pool else { return Ok(None) };
        if matches!(self.quotas.kind(), Kind::Affinity { .. }) {
            return Ok(None);
        }
        let limits = Limits { cpu: Some(Cpu::Quota(cpu)), memory_mib: None };
        self.quotas.group(&format!("{}-pool", order.name), &limits).map(Some)
    }
}

impl Deployment {
    /// Its servers, backends first.
    pub fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    /// The balancer that visitors reach, if there is one.
    pub fn balancer(&mut self) -> Option<&mut Balancer> {
        self.balancers.iter_mut().find(|(name, _)| *name == BALANCER).map(|(_, it)| it)
    }

    /// As seen by whoever measures it.
    pub fn view(&self) -> View {
        let watch = |name: &str, pid| Watched { name: name.to_owned(), pid, scope: Scope::Process };
        let replicas = self.replicas.iter().map(|it| watch(it.role.name(), it.server.pid));
        let balancers = self.balancers.iter().map(|(name, it)| watch(name, it.pid()));
        let link = self.link.iter().map(|link| watch(LINK, link.pid()));
        let gauge = |it: &Replica| Some((it.role.name(), it.group.as_ref()?.gauge()));
        View {
            front: self.front,
            watched: replicas.chain(balancers).chain(link).collect(),
            gauges: self.replicas.iter().filter_map(gauge).collect(),
            exclusive: true,
        }
    }

    /// Divides the CPU anew while everything runs, as the tiers of `topology` have it. It has to have
    /// the same servers; memory and database connections stay as they are.
    ///
    /// # Errors
    /// One line: it has a role too many or too few, or the kernel refuses.
    pub fn divide(groups: &[(Role, Divided)], topology: &Topology) -> anyhow::Result<()> {
        for (role, group) in groups {
            let tier = topology.tiers.iter().find(|tier| tier.role == *role);
            let tier = tier.with_context(|| format!("there is no tier of {}", role.name()))?;
            group.set(tier.cpu)?;
        }
        Ok(())
    }

    /// Its groups, to be given other quotas by [`Self::divide`] while somebody measures.
    pub fn divided(&self) -> Vec<(Role, Divided)> {
        let group = |it: &Replica| Some((it.role, it.group.as_ref()?.divided()));
        self.replicas.iter().filter_map(group).collect()
    }

    /// Runs `work` unless a server, a balancer or the link ends by itself meanwhile.
    ///
    /// # Errors
    /// One line that names what ended; else what `work` fails with.
    pub async fn unless_one_dies<T>(
        &mut self,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let servers = self.replicas.iter_mut().map(|it| it.server.death().boxed_local());
        let balancers = self.balancers.iter_mut().map(|(_, it)| it.death().boxed_local());
        let link = self.link.iter_mut().map(|link| link.death().boxed_local());
        let deaths: Vec<_> = servers.chain(balancers).chain(link).collect();
        tokio::select! {
            // A dead server makes requests fail as well; its death is the better explanation.
            biased;
            (death, ..) = select_all(deaths) => Err(death),
            done = work => done,
        }
    }

    /// Ends everything: whoever is asked first, so that nobody asks who is gone already. All has
    /// ended when this returns, and the groups are removed.
    ///
    /// # Errors
    /// The first one that did not end in order.
    pub async fn stop(self) -> anyhow::Result<()> {
        let Self { balancers, link, replicas, pool, .. } = self;
        let mut ends: Vec<BoxFuture<'_, anyhow::Result<()>>> = Vec::new();
        ends.extend(balancers.into_iter().map(|(_, it)| it.stop().boxed()));
        ends.extend(link.into_iter().map(|link| link.stop().boxed()));
        ends.extend(replicas.into_iter().map(|replica| replica.stop().boxed()));
        let ended: anyhow::Result<()> = join_all(ends).await.into_iter().collect();
        drop(pool);
        ended
    }
}

impl View {
    /// Role → what all its groups have used and suffered; nothing where there are no groups.
    ///
    /// # Errors
    /// When a group is gone.
    pub fn used(&self) -> anyhow::Result<BTreeMap<&'static str, Use>> {
        let mut all: BTreeMap<_, Vec<Use>> = BTreeMap::new();
        for (role, gauge) in &self.gauges {
            all.entry(*role).or_default().push(gauge.used()?);
        }
        Ok(all.into_iter().map(|(role, uses)| (role, uses.into_iter().sum())).collect())
    }
}

impl Replica {
    /// Its group goes with it.
    async fn stop(self) -> anyhow::Result<()> {
        operations::stop(self.server, self.group.as_ref()).await
    }
}
