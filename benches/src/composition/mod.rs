//! A running composition (`docker compose up`) as the systems under test: the containers of both
//! architectures in place of processes that the lab starts itself.
//!
//! It is measured as it is: on whatever cores Docker gives it, with its own database, and nothing of
//! it is frozen. Only its servers are restarted, because intervals rest on restarts; or scaled and put
//! back (`replicas`); or made anew with the lab's file and put back (`equipped`, which `settings` keeps
//! from making other ones). Its data stay as they are: the parity gate asks for nothing that writes, and
//! who brings jobs about by comments takes these away again.

mod docker;
mod equipped;
mod processes;
mod replicas;
mod settings;
mod turn;

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, anyhow, bail, ensure};
use conduit::{Caller, Conduit, ListArticles, RequestId};
use contract::dataset::{Dataset, Size};
use futures_util::future::try_join_all;
use nix::unistd::Pid;
use remote::{BackendArgs, Remote};

use self::docker::Inspected;
pub use self::{
    equipped::{Equipped, Fresh},
    replicas::{Replicas, Scaled, Shares, Standing},
};
use crate::{
    databases::POSTGRES,
    fleet::{
        Access, Fleet, Member, Process, answered,
        quota::{Cpu, Gauge, Millicores},
        topology::{Role, Tier},
    },
    probe::{GENERATOR, Scope, Watched},
    record::{self, Arm},
    servers::{BACKEND, FRONTEND, MONOLITH},
    site::DATASET_SEED,
};

/// The arms that a composition has.
pub const ARMS: [Arm; 2] = [Arm::Monolith, Arm::Split];

/// How a composition differs from what the lab starts itself, one sentence each.
const REMARKS: [&str; 4] = [
    "a composition runs on whatever cores Docker gives it, and its database and the generator run \
     there too: latency and goodput contain their waiting for each other",
    "no arm is frozen while the other one is measured; each costs a health check every ten seconds",
    "all traffic goes over Docker's networks and published ports, and through a balancer in front of \
     each server, which is outside of the region that the card names; what the balancers use is \
     counted with the generator",
    "a composition has no twin and no planted arm, so nothing certifies the instrument: there are \
     figures, and no verdict",
];

const HIDDEN: &str = "the processes in the containers can't be seen from here (Docker runs in a \
                      virtual machine, or elsewhere), so there is no CPU per page";

/// How to get one, for messages.
const START: &str = "`docker compose up --detach --wait` starts both architectures";

/// A composition that runs, with both architectures healthy and the same data in both.
#[derive(Debug)]
pub struct Composition {
    servers: Vec<Inspected>,
    /// In front of each of them, in the same order.
    balancers: Vec<Inspected>,
    postgres: Inspected,
    /// What it was filled with.
    pub dataset: Dataset,
}

/// A server in a container. The lab did not start it, and does not end it.
#[derive(Debug)]
pub struct Container {
    id: String,
    pub(crate) arm: Arm,
    role: &'static str,
    address: SocketAddr,
    pid: Option<Pid>,
}

impl Composition {
    /// Finds the composition of this project and looks whether it can be measured.
    ///
    /// # Errors
    /// One line that says what is missing.
    pub async fn find() -> anyhow::Result<Self> {
        let running = docker::running().await?;
        if running.is_empty() {
            bail!("--compose: nothing runs; {START}");
        }
        let all = docker::inspect(&running).await?;
        let servers = [MONOLITH, BACKEND, FRONTEND].map(|role| the_only(&all, role));
        let servers: Vec<_> = servers.into_iter().collect::<anyhow::Result<_>>()?;
        let in_front = |server: &Inspected| the_only(&all, &balancer(server.service()));
        let balancers = servers.iter().map(in_front).collect::<anyhow::Result<Vec<_>>>()?;
        let postgres = the_only(&all, POSTGRES)?;
        let dataset = same_data(&balancers).await?;
        Ok(Self { servers, balancers, postgres, dataset })
    }

    /// The servers as they run.
    pub async fn as_it_runs(&self) -> anyhow::Result<Fleet> {
        let ids: Vec<_> = self.servers.iter().map(|server| server.id.clone()).collect();
        let mut pids = processes::servers(&ids);
        if pids.len() < ids.len() {
            // All or none: half of a system would look cheap.
            pids.clear();
        }
        let container = |(arm, role)| {
            let (server, balancer) = self.of(role)?;
            let (id, address) = (server.id.clone(), balancer.published()?);
            let pid = pids.get(&id).copied();
            Ok(Member::Container(Container { id, arm, role, address, pid }))
        };
        // Backend before frontend, as everywhere.
        let roles = [(Arm::Monolith, MONOLITH), (Arm::Split, BACKEND), (Arm::Split, FRONTEND)];
        Ok(Fleet::of(roles.map(container).into_iter().collect::<anyhow::Result<_>>()?))
    }

    /// The servers, restarted all at once and answering again.
    pub async fn restarted(&self) -> anyhow::Result<Fleet> {
        let restarts = self.servers.iter().map(|server| docker::restart(&server.id));
        try_join_all(restarts).await?;
        let fleet = self.as_it_runs().await?;
        for Process { role, address, .. } in fleet.processes() {
            answered(role, address).await?;
        }
        Ok(fleet)
    }

    /// What works beside the servers, for the probe: PostgreSQL, the balancers, and Docker's proxies.
    /// The last two count with the generator: they carry the load, and serve no page.
    pub fn beside(&self) -> Vec<Watched> {
        let database = processes::first_processes(std::slice::from_ref(&self.postgres.id));
        let database = database.into_values().map(|pid| (POSTGRES, pid, Scope::Tree));
        let ids: Vec<_> = self.balancers.iter().map(|balancer| balancer.id.clone()).collect();
        let balancers = processes::first_processes(&ids).into_values();
        let balancers = balancers.map(|pid| (GENERATOR, pid, Scope::Tree));
        let addresses = self.balancers.iter().flat_map(Inspected::inner_addresses);
        let proxies = processes::proxies(addresses).into_iter();
        let proxies = proxies.map(|pid| (GENERATOR, pid, Scope::Process));
        let watch = |(name, pid, scope)| Watched { name: String::from(name), pid, scope };
        database.chain(balancers).chain(proxies).map(watch).collect()
    }

    /// What one container of a server may use: where it has no limit, what the machine has.
    ///
    /// # Errors
    /// When it has no such server.
    pub fn each(&self, role: Role, machine: &record::Machine) -> anyhow::Result<Tier> {
        let (server, _) = self.of(role.name())?;
        let limits = &server.host_config;
        let cores = limits.cpus().unwrap_or_else(|| f64::from(machine.cores));
        let connections = server.variable("DB_CONNECTIONS").and_then(|number| number.parse().ok());
        Ok(Tier {
            role,
            replicas: 1,
            cpu: Cpu::Quota(Millicores((cores * 1e3).round() as u32)),
            memory_mib: u32::try_from(limits.memory_mib().unwrap_or(machine.memory_mib))?,
            db_connections: connections.unwrap_or_default(),
        })
    }

    /// A server, and what is in front of it.
    fn of(&self, role: &str) -> anyhow::Result<(&Inspected, &Inspected)> {
        let mut pairs = self.servers.iter().zip(&self.balancers);
        let pair = pairs.find(|(server, _)| server.service() == role);
        pair.with_context(|| format!("--compose: no {role}"))
    }

    /// What a reader has to know about figures from a composition.
    pub fn remarks(&self) -> Vec<String> {
        let ids: Vec<_> = self.servers.iter().map(|server| server.id.clone()).collect();
        let hidden = processes::servers(&ids).len() < ids.len();
        REMARKS.into_iter().chain(hidden.then_some(HIDDEN)).map(str::to_owned).collect()
    }

    /// Images and limits, for the record.
    pub async fn record(&self) -> anyhow::Result<record::Composition> {
        let mut containers = Vec::new();
        for container in self.servers.iter().chain(&self.balancers).chain([&self.postgres]) {
            containers.push(container.record().await?);
        }
        Ok(record::Composition { engine: docker::version().await?, containers })
    }

    /// Where each architecture's API is to be had.
    ///
    /// # Errors
    /// When it is not published.
    pub fn api(&self, arm: Arm) -> anyhow::Result<SocketAddr> {
        let role = if arm == Arm::Split { BACKEND } else { MONOLITH };
        self.of(role)?.1.published()
    }
}

impl Inspected {
    /// Image and limits, for the record.
    async fn record(&self) -> anyhow::Result<record::Container> {
        let limits = &self.host_config;
        Ok(record::Container {
            service: self.service().to_owned(),
            image: self.config.image.clone(),
            image_id: self.image.clone(),
            image_bytes: docker::image_bytes(&self.image).await?,
            cpus: limits.cpus(),
            cores: limits.cores(),
            memory_mib: limits.memory_mib(),
        })
    }
}

/// Refuses servers whose control groups can't be read: then nobody could tell what they use.
fn seen(servers: &[Inspected]) -> anyhow::Result<()> {
    let ids: Vec<_> = servers.iter().map(|server| server.id.clone()).collect();
    let pids = processes::servers(&ids);
    let seen = ids.iter().all(|id| pids.get(id).copied().and_then(Gauge::of_process).is_some());
    ensure!(
        seen,
        "--compose: the containers' control groups can't be read from here (Docker runs in a virtual \
         machine, or elsewhere), so nobody could tell what a server uses"
    );
    Ok(())
}

/// The service in front of a server.
fn balancer(role: &str) -> String {
    format!("{role}-balancer")
}

/// The one container of a service, healthy.
fn the_only(all: &[Inspected], service: &str) -> anyhow::Result<Inspected> {
    let mut of_service = all.iter().filter(|container| container.service() == service);
    let Some(container) = of_service.next() else {
        bail!("--compose: {service} does not run; {START}");
    };
    if of_service.next().is_some() {
        bail!("--compose: there are several containers of {service}; it measures one of each");
    }
    match &container.state.health {
        Some(health) if health.status != "healthy" => {
            bail!("--compose: {service} is {}", health.status)
        }
        _ => Ok(container.clone()),
    }
}

/// The data that both architectures were filled with.
///
/// # Errors
/// When they hold different data, or not what `lab seed` makes: then nobody knows which addresses
/// there are, and who can sign in.
async fn same_data(balancers: &[Inspected]) -> anyhow::Result<Dataset> {
    const AGAIN: &str = "`docker compose down --volumes` and another `up` begin anew";
    let mut found = Vec::new();
    let of_frontends = balancer(FRONTEND);
    for api in balancers.iter().filter(|balancer| balancer.service() != of_frontends) {
        found.push(newest(api.published()?).await.with_context(|| {
            format!("--compose: there is no list of articles behind {}", api.service())
        })?);
    }
    let [one, other] = found.as_slice() else { bail!("two servers have an API") };
    if one != other {
        bail!(
            "--compose: the architectures hold different data ({} and {} articles), so they can't \
             be compared; {AGAIN}",
            one.0,
            other.0
        );
    }
    let (articles, slug) = one;
    let dataset = Dataset::new(Size { articles: *articles, ..Size::default() }, DATASET_SEED);
    match slug {
        Some(slug) if *slug == dataset.article(articles - 1).slug => Ok(dataset),
        Some(_) => bail!("--compose: the data are not what `lab seed` makes; {AGAIN}"),
        None => bail!("--compose: there are no articles; {AGAIN}, with SEED_ARTICLES above 0"),
    }
}

/// How many articles a server has, and the newest one's name.
async fn newest(api: SocketAddr) -> anyhow::Result<(u64, Option<String>)> {
    let remote = Remote::new(&BackendArgs::at(format!("http://{api}")))?;
    let id = RequestId::parse("lab-compose").context("a constant")?;
    let caller = Caller::new(None, id, Duration::from_secs(10));
    let one = ListArticles { limit: 1, ..ListArticles::default() };
    let list = remote.articles(&caller, &one).await?;
    Ok((list.articles_count, list.articles.into_iter().next().map(|article| article.slug)))
}

impl Container {
    /// The server, for whoever measures it.
    pub(crate) fn process(&self) -> Process {
        let access = self.pid.map_or(Access::None, Access::Observe);
        Process { role: self.role, address: self.address, access }
    }

    /// Waits for the container to end, which it must not do, and says so in one line.
    pub(crate) async fn death(&self) -> anyhow::Error {
        match docker::ended(&self.id).await {
            Ok(()) => anyhow!("{} ended during the run; see `docker compose logs`", self.role),
            Err(error) => error,
        }
    }
}
