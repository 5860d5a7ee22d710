//! What the lab does to running servers, done to the real one: replaced, hung, parked and killed
//! behind the relay, while visitors come.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    cell::Cell,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use contract::databases::{self, TestDatabase};
use http::{Request, Uri};
use lab::{
    affinity,
    fleet::{
        Launch, Server,
        operations::{self, Parked},
        quota::{Cpu, Group, Kind, Limits, Millicores, Quotas},
    },
    intermediary::Program,
    load::{Body, Connections, Generator, Tally, Target, poisson},
    probe,
    record::{Arm, Layout},
    relay::{Policy, Relay, ReplicaStats, State, Stats},
};

/// The debug build, beside the lab's own. Cargo builds it with the workspace, not with this package.
fn monolith() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_BIN_EXE_lab")).with_file_name("monolith");
    if path.is_file() {
        return Some(path);
    }
    let required = std::env::var_os("CONDUIT_REQUIRE_ALL").is_some_and(|value| value == "1");
    assert!(!required, "{} is not built", path.display());
    println!("ignored: needs the program monolith (cargo build --package monolith)");
    None
}

fn program() -> Program {
    let lab = env!("CARGO_BIN_EXE_lab").into();
    Program { lab, mark: ("CONDUIT_LAB_TEST", "operations".to_owned()) }
}

/// Starts monoliths on one database.
struct House<'a> {
    monolith: &'a Path,
    database: &'a TestDatabase,
    logs: tempfile::TempDir,
    started: Cell<u32>,
}

impl<'a> House<'a> {
    fn new(monolith: &'a Path, database: &'a TestDatabase) -> Self {
        let logs = tempfile::tempdir().unwrap();
        Self { monolith, database, logs, started: Cell::new(0) }
    }

    async fn start(&self, under: &[String]) -> anyhow::Result<Server> {
        let number = self.started.replace(self.started.get() + 1);
        let data = self.database.args.data_dir.display().to_string();
        let url = self.database.args.database_url.as_ref().map(|url| url.expose().to_owned());
        let launch = Launch {
            under,
            binary: self.monolith,
            role: "monolith",
            arm: Arm::Monolith,
            command: "serve",
            args: ["--data-dir", &data, "--jobs", "off"].map(str::to_owned).to_vec(),
            env: url.map(|url| ("DATABASE_URL", url)).into_iter().collect(),
            log: self.logs.path().join(format!("{number}.log")),
        };
        let cores = affinity::cores()?;
        let layout =
            Layout { server_cores: cores.clone(), load_cores: cores, fallbacks: Vec::new() };
        operations::start(launch, &layout).await
    }

    /// Two replicas and a relay in front of them.
    async fn open(&self) -> (Vec<Server>, Relay) {
        let replicas = vec![self.start(&[]).await.unwrap(), self.start(&[]).await.unwrap()];
        let addresses: Vec<SocketAddr> = replicas.iter().map(|server| server.address).collect();
        let relay = Relay::start(&program(), Policy::RoundRobin, &addresses).await.unwrap();
        (replicas, relay)
    }
}

/// Visitors come by chance and wait for nobody, until `work` is done.
async fn visited_meanwhile<T>(server: SocketAddr, work: impl Future<Output = T>) -> (T, Tally) {
    let generator = Generator::start().unwrap();
    // Few that need the database and many that don't: a gap of milliseconds must not go unnoticed.
    let mut paths = vec![Uri::from_static("/")];
    paths.resize(8, Uri::from_static("/healthz"));
    let paths: Arc<[Uri]> = Arc::from(paths);
    let done = Cell::new(false);
    let visitors = async {
        let mut all = Tally::default();
        let mut seed = 0;
        while !done.get() {
            let target = Target { server, paths: Arc::clone(&paths) };
            let tally =
                generator.open(target, poisson(400.0, 0.3, seed, paths.len())).await.unwrap();
            all.scheduled += tally.scheduled;
            all.completed += tally.completed;
            all.errors.extend(tally.errors);
            seed += 1;
        }
        all
    };
    let work = async {
        let result = work.await;
        done.set(true);
        result
    };
    tokio::join!(work, visitors)
}

fn all_were_served(tally: &Tally) {
    assert!(tally.scheduled > 0 && tally.errors.is_empty(), "{:?}", tally.errors);
    assert_eq!(tally.completed, tally.scheduled);
}

#[tokio::test]
async fn a_rolling_restart_costs_no_visitor_a_request() {
    let Some(monolith) = monolith() else { return };
    for database in databases::all().await {
        let house = House::new(&monolith, &database);
        let (replicas, mut relay) = house.open().await;
        let before: Vec<_> = replicas.iter().map(|server| server.pid).collect();
        let front = relay.address();
        let work =
            operations::rolling_restart(&mut relay, replicas, async |_| house.start(&[]).await);
        let (renewed, tally) = visited_meanwhile(front, work).await;

        let renewed = renewed.unwrap();
        all_were_served(&tally);
        assert!(before.iter().all(|pid| probe::state(*pid).is_none()), "the old ones are gone");
        let stats = relay.stats().await.unwrap();
        let behind: Vec<_> = stats.replicas.iter().map(|replica| replica.address).collect();
        let new: Vec<_> = renewed.iter().map(|server| server.address).collect();
        assert_eq!(behind, new, "on {}", database.engine);
        assert!(stats.replicas.iter().all(|replica| replica.state == State::In), "{stats:?}");
        assert_eq!(stats.refused, 0);
        relay.stop().await.unwrap();
        for server in renewed {
            operations::stop(server, None).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_replica_that_is_killed_costs_no_visitor_who_reads_a_request() {
    let Some(monolith) = monolith() else { return };
    let database = databases::all().await.remove(0);
    let house = House::new(&monolith, &database);
    let (mut replicas, mut relay) = house.open().await;
    let front = relay.address();
    let victim = replicas.remove(0);
    let address = victim.address;
    let work = async {
        // It hangs, so that there are requests which it has and will never answer.
        operations::pause(victim.pid).await.unwrap();
        until(&mut relay, address, |replica| replica.outstanding > 0).await;
        operations::kill(victim, None).await.unwrap();
        until(&mut relay, address, |replica| replica.state == State::Out).await
    };
    let (stats, tally) = visited_meanwhile(front, work).await;
    all_were_served(&tally);
    assert_eq!(stats.refused, 0);
    assert!(stats.retried > 0, "{stats:?}");
}

/// What the relay has done when `condition` comes true of a replica.
async fn until(
    relay: &mut Relay,
    replica: SocketAddr,
    condition: impl Fn(&ReplicaStats) -> bool,
) -> Stats {
    loop {
        let stats = relay.stats().await.unwrap();
        if stats.replicas.iter().any(|of| of.address == replica && condition(of)) {
            return stats;
        }
    }
}

/// A group for a server, where there can be any.
fn group(quotas: &Quotas) -> Option<Group> {
    if let Kind::Affinity { why } = quotas.kind() {
        println!("without a control group: {why}");
        return None;
    }
    let limits = Limits { cpu: Some(Cpu::Quota(Millicores(900))), memory_mib: Some(512) };
    Some(quotas.group("monolith", &limits).unwrap())
}

#[tokio::test]
async fn a_server_in_a_group_can_be_paused_parked_let_go_and_stopped_in_any_of_these_states() {
    let Some(monolith) = monolith() else { return };
    let database = databases::all().await.remove(0);
    let house = House::new(&monolith, &database);
    let quotas = Quotas::open(&format!("{}-operations", std::process::id()));
    let group = group(&quotas);
    let under = group.as_ref().map(Group::under).unwrap_or_default();
    let server = house.start(&under).await.unwrap();
    let visitor = Connections::new(server.address);
    let asked = || {
        let mut request = Request::new(Body::default());
        *request.uri_mut() = Uri::from_static("/healthz");
        visitor.send(request)
    };
    if let Some(group) = &group {
        assert_eq!(group.members(), [server.pid]);
        assert!(group.used().unwrap().cpu > Duration::ZERO);
    }

    operations::pause(server.pid).await.unwrap();
    assert_eq!(probe::state(server.pid), Some('T'));
    operations::resume(server.pid).unwrap();
    asked().await.unwrap();

    let parked = operations::park(server.pid, group.as_ref()).await.unwrap();
    assert_eq!(parked == Parked::Freezer, group.as_ref().is_some_and(|it| it.is_frozen().unwrap()));
    operations::unpark(server.pid, group.as_ref(), parked).unwrap();
    asked().await.unwrap();

    operations::park(server.pid, group.as_ref()).await.unwrap();
    let pid = server.pid;
    operations::stop(server, group.as_ref()).await.unwrap();
    assert_eq!(probe::state(pid), None);

    let server = house.start(&under).await.unwrap();
    let pid = server.pid;
    operations::park(pid, group.as_ref()).await.unwrap();
    operations::kill(server, group.as_ref()).await.unwrap();
    assert_eq!(probe::state(pid), None);
    let error = operations::pause(pid).await.unwrap_err().to_string();
    assert_eq!(error, format!("process {pid} is gone"));
}
