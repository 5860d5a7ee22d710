//! A topology as it runs: replicas in their control groups, a balancer in front of them, and nothing
//! left when it has gone.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use contract::databases::{self, TestDatabase};
use http::{Request, StatusCode};
use lab::{
    affinity,
    databases::Database,
    fleet::{
        Rig,
        deployment::{BALANCER, Deployment, Ground, INNER_BALANCER, LINK, Order},
        operations,
        quota::{Cpu, Kind, Millicores, Quotas},
        topology::{Link, Role, Tier, Topology},
    },
    intermediary::Program,
    load::{Body, Connections},
    probe,
    record::{Arm, Layout},
    relay::{Balancer, Balancing, Policy},
    servers::{BACKEND, Binaries, FRONTEND, MONOLITH},
};
use nix::sys::signal::{Signal, killpg};

const ROLES: [&str; 3] = [MONOLITH, FRONTEND, BACKEND];

/// The debug builds, beside the lab's own. Cargo builds them with the workspace, not with this
/// package.
fn binaries() -> Option<Binaries> {
    let lab = Path::new(env!("CARGO_BIN_EXE_lab"));
    let missing = ROLES.iter().find(|role| !lab.with_file_name(role).is_file());
    let Some(missing) = missing else {
        return Some(Binaries::in_directory(lab.parent().unwrap(), &ROLES));
    };
    let required = std::env::var_os("CONDUIT_REQUIRE_ALL").is_some_and(|value| value == "1");
    assert!(!required, "{missing} is not built");
    println!("ignored: needs the program {missing} (cargo build --package {missing})");
    None
}

/// Where topologies are started, and what they need.
struct Place {
    rig: Rig,
    quotas: Quotas,
    program: Program,
    database: Database,
    directory: tempfile::TempDir,
    _rows: TestDatabase,
}

impl Place {
    /// `None` where something is missing. `name` is that of the test: it tells its groups from those
    /// of others.
    async fn open(name: &str) -> Option<Self> {
        let binaries = binaries()?;
        let rows = databases::all().await.remove(0);
        let directory = tempfile::tempdir().unwrap();
        let cores = affinity::cores().unwrap();
        let mark = ("CONDUIT_LAB_TEST", "deployment".to_owned());
        let rig = Rig {
            binaries,
            under: Vec::new(),
            jobs: "off",
            layout: Layout {
                server_cores: cores.clone(),
                load_cores: cores,
                fallbacks: Vec::new(),
            },
            mark: mark.clone(),
            token_secret: directory.path().join("secret"),
            planted: BTreeMap::new(),
            lab_file: None,
            env: Vec::new(),
            logs: directory.path().to_owned(),
        };
        fs::write(&rig.token_secret, "0123456789abcdef0123456789abcdef").unwrap();
        let database =
            Database { data_dir: rows.args.data_dir.clone(), url: rows.args.database_url.clone() };
        let quotas = Quotas::open(&format!("{}-{name}", std::process::id()));
        let program = Program { lab: env!("CARGO_BIN_EXE_lab").into(), mark };
        Some(Self { rig, quotas, program, database, directory, _rows: rows })
    }

    fn ground(&self) -> Ground<'_> {
        Ground {
            rig: &self.rig,
            quotas: &self.quotas,
            program: &self.program,
            balancing: Balancing::Relay,
            directory: self.directory.path(),
        }
    }

    async fn start(&self, topology: &Topology, name: &str) -> Deployment {
        let (policy, database, arm) = (Policy::RoundRobin, &self.database, Arm::Monolith);
        let flags = &BTreeMap::new();
        let order = Order { topology, policy, database, arm, name, flags };
        self.ground().start(order).await.unwrap()
    }

    /// The groups that there are now, of this place.
    fn groups(&self) -> Vec<PathBuf> {
        let inside = |directory: &PathBuf| fs::read_dir(directory).unwrap().flatten();
        let groups = self.quotas.directories();
        let inner = groups.iter().flat_map(inside).map(|entry| entry.path());
        inner.filter(|path| path.is_dir()).collect()
    }

    fn has_quotas(&self) -> bool {
        let Kind::Affinity { why } = self.quotas.kind() else { return true };
        println!("ignored: needs control groups: {why}");
        assert!(self.ground().fallback().unwrap().contains(&why));
        false
    }
}

fn tier(role: Role, replicas: u32) -> Tier {
    let db_connections = if role == Role::SplitFrontend { 0 } else { 2 };
    let cpu = Cpu::Quota(Millicores(500));
    Tier { role, replicas, cpu, memory_mib: 256, db_connections }
}

fn topology(tiers: Vec<Tier>) -> Topology {
    Topology { name: "test".to_owned(), tiers, pool: None, link: Link::None }
}

async fn ask(visitor: &Connections) {
    let answer = visitor.send(Request::new(Body::default())).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn two_replicas_share_the_requests_each_in_its_group_and_leave_no_group_behind() {
    let Some(place) = Place::open("replicas").await else { return };
    let quotas = place.has_quotas();
    let mut deployment = place.start(&topology(vec![tier(Role::Monolith, 2)]), "two").await;
    let pids: Vec<_> = deployment.replicas().iter().map(|it| it.server.pid).collect();
    assert_eq!(pids.len(), 2);

    let visitor = Connections::new(deployment.front);
    for _ in 0..10 {
        ask(&visitor).await;
    }
    let Some(Balancer::Relay(relay)) = deployment.balancer() else { panic!("a relay") };
    let stats = relay.stats().await.unwrap();
    let answered: Vec<u64> = stats.replicas.iter().map(|replica| replica.answered).collect();
    assert_eq!(answered, [5, 5], "{stats:?}");
    let names: Vec<String> = deployment.view().watched.into_iter().map(|it| it.name).collect();
    assert_eq!(names, [MONOLITH, MONOLITH, BALANCER]);

    if quotas {
        let used = deployment.view().used().unwrap();
        assert!(used[MONOLITH].cpu.as_micros() > 0 && used.len() == 1, "{used:?}");
        let groups = place.groups();
        for number in ["two-0-monolith", "two-1-monolith"] {
            assert!(groups.iter().any(|group| group.ends_with(number)), "{groups:?}");
        }
    }
    deployment.stop().await.unwrap();
    assert!(pids.iter().all(|pid| probe::state(*pid).is_none()));
    assert_eq!(place.groups(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn replicas_that_share_by_weight_share_a_group() {
    let Some(place) = Place::open("weights").await else { return };
    let shared = Tier { cpu: Cpu::Weight(200), ..tier(Role::Monolith, 2) };
    let mut tiers = topology(vec![shared]);
    tiers.pool = Some(Millicores(1000));
    let deployment = place.start(&tiers, "weights").await;
    ask(&Connections::new(deployment.front)).await;
    if place.has_quotas() {
        let groups = place.groups();
        assert!(groups.iter().all(|group| group.ends_with("weights-pool")), "{groups:?}");
        assert!(deployment.view().used().unwrap()[MONOLITH].cpu.as_micros() > 0);
    }
    deployment.stop().await.unwrap();
    assert_eq!(place.groups(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn in_the_split_a_balancer_and_a_link_stand_between_the_tiers() {
    let Some(place) = Place::open("split").await else { return };
    let mut tiers = topology(vec![tier(Role::SplitFrontend, 2), tier(Role::SplitBackend, 2)]);
    tiers.link = Link::Relay { rtt_ms: 0.0 };
    let deployment = place.start(&tiers, "split").await;
    ask(&Connections::new(deployment.front)).await;
    let names: Vec<String> = deployment.view().watched.into_iter().map(|it| it.name).collect();
    assert_eq!(names, [BACKEND, BACKEND, FRONTEND, FRONTEND, INNER_BALANCER, BALANCER, LINK]);
    deployment.stop().await.unwrap();
    assert_eq!(place.groups(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn who_dies_is_named_and_the_rest_can_still_be_ended() {
    let Some(place) = Place::open("death").await else { return };
    let mut deployment = place.start(&topology(vec![tier(Role::Monolith, 2)]), "death").await;
    let victim = deployment.replicas()[0].server.pid;
    let dies = async {
        killpg(victim, Signal::SIGKILL).unwrap();
        std::future::pending::<anyhow::Result<()>>().await
    };
    let error = deployment.unless_one_dies(dies).await.unwrap_err().to_string();
    assert!(error.starts_with("monolith died during the run"), "{error}");
    let other = deployment.replicas()[1].server.pid;
    assert!(deployment.stop().await.is_err());
    assert_eq!(probe::state(other), None);
    assert_eq!(place.groups(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn what_does_not_come_up_leaves_nothing_running() {
    let Some(mut place) = Place::open("failing").await else { return };
    // The frontend needs no secret; the backend can't read this one, and says so.
    place.rig.token_secret = place.directory.path().join("no/such/directory/secret");
    let tiers = topology(vec![tier(Role::SplitFrontend, 1), tier(Role::SplitBackend, 2)]);
    let order = Order {
        topology: &tiers,
        policy: Policy::RoundRobin,
        database: &place.database,
        arm: Arm::Split,
        name: "failing",
        flags: &BTreeMap::new(),
    };
    let error = place.ground().start(order).await.unwrap_err().to_string();
    assert!(error.starts_with("split-backend ended before it was ready"), "{error}");
    assert!(!error.contains('\n'));
}

/// And the flags of a role are given to that role alone: a lab file among them is what is planted.
#[tokio::test]
async fn jobs_have_a_tier_of_their_own_with_a_group_of_its_own() {
    let Some(place) = Place::open("work").await else { return };
    let tiers = topology(vec![tier(Role::Monolith, 1), tier(Role::Work, 1)]);
    let lab = place.directory.path().join("waiting.json");
    fs::write(&lab, r#"{ "wait_us_per_request": 1.0 }"#).unwrap();
    let lab = lab.display().to_string();
    let flags = ["--runtime", "event-loop", "--lab", &lab].map(str::to_owned);
    let flags = [(Role::Monolith, flags.to_vec())];
    let order = Order {
        topology: &tiers,
        policy: Policy::RoundRobin,
        database: &place.database,
        arm: Arm::Waiting,
        name: "work",
        flags: &flags.into(),
    };
    let deployment = place.ground().start(order).await.unwrap();
    let replicas = deployment.replicas();
    let roles: Vec<Role> = replicas.iter().map(|replica| replica.role).collect();
    assert_eq!(roles, [Role::Work, Role::Monolith]);
    let [worker, server] = [&replicas[0].server, &replicas[1].server];
    assert_eq!(deployment.front, server.address, "visitors go to the pages");
    let flags = |pid| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(flags(worker.pid).contains("\0work\0") && !flags(worker.pid).contains("event-loop"));
    assert!(flags(server.pid).contains("\0event-loop\0") && flags(server.pid).contains("\0off\0"));
    assert_eq!(flags(server.pid).matches("--lab\0").count(), 1);
    deployment.stop().await.unwrap();
    assert_eq!(place.groups(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_parked_replica_can_be_ended_with_the_rest() {
    let Some(place) = Place::open("parked").await else { return };
    let deployment = place.start(&topology(vec![tier(Role::Monolith, 1)]), "parked").await;
    let pid = deployment.replicas()[0].server.pid;
    operations::pause(pid).await.unwrap();
    deployment.stop().await.unwrap();
    assert_eq!(probe::state(pid), None);
}
