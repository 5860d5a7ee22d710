//! The systems under test of one restart. Mostly these are processes: every arm's servers, started in
//! order and on the servers' core, of which at most one arm runs at a time while measuring. They may
//! also be containers, which [`crate::composition`] finds.

pub mod budget;
pub mod deployment;
pub mod operations;
pub mod quota;
mod server;
mod split;
pub mod topology;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use anyhow::Context;
use futures_util::future::{join_all, select_all};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

pub(crate) use self::server::answered;
pub use self::server::{Launch, Server};
use crate::{
    affinity,
    composition::Container,
    databases::{Database, Databases},
    link::Link,
    probe::{Scope, Watched},
    record::{Arm, Layout, Start},
    servers::{BACKEND, Binaries, FLOOR, FLOOR_BACKEND, FLOOR_FRONTEND, MONOLITH, WORK},
};

/// Database connections of every arm: an arm with more would have a larger budget.
const DB_CONNECTIONS: u32 = 8;

/// What the servers of all restarts have in common.
#[derive(Debug)]
pub struct Rig {
    /// The programs.
    pub binaries: Binaries,
    /// What every server is run by: another program and its flags; mostly nothing.
    pub under: Vec<String>,
    /// Where jobs run, as the servers' flag says it. Nowhere, while pages are measured.
    pub jobs: &'static str,
    /// Who runs where.
    pub layout: Layout,
    /// The environment variable that marks a process as this run's.
    pub mark: (&'static str, String),
    /// The secret that signs tokens, the same for all arms.
    pub token_secret: PathBuf,
    /// The lab files of the arms in which something is planted, once the pilot has decided what they
    /// say.
    pub planted: BTreeMap<Arm, PathBuf>,
    /// The lab file of all other servers with pages; mostly none.
    pub lab_file: Option<PathBuf>,
    /// Settings of all servers that are no flags.
    pub env: Vec<(&'static str, String)>,
    /// Where servers' logs go.
    pub logs: PathBuf,
}

/// Where the hand-written page has its content from.
enum Data<'a> {
    Database(&'a Database),
    Backend(SocketAddr),
}

/// Running servers, backends before the frontends that ask them.
#[derive(Debug, Default)]
pub struct Fleet {
    members: Vec<Member>,
    /// What lies between frontend and backend of [`Arm::Link`].
    link: Option<Link>,
}

/// A running server, whoever started it.
#[derive(Debug)]
pub enum Member {
    /// The lab, as a process.
    Process(Box<Server>),
    /// Docker, in a container.
    Container(Container),
}

/// One arm's running servers, as seen by whoever measures them.
#[derive(Clone, Debug)]
pub struct System {
    /// Which arm.
    pub arm: Arm,
    /// Where its visitors go: its pages.
    pub front: SocketAddr,
    /// Its processes, backend first.
    pub processes: Vec<Process>,
}

/// One process of a running system.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// Its role.
    pub role: &'static str,
    /// Where it listens.
    pub address: SocketAddr,
    /// What the lab can do with it.
    pub access: Access,
}

/// What the lab can do with a process under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Freeze it with its process group, which has the same number, and read what it uses.
    Control(Pid),
    /// Read what it uses.
    Observe(Pid),
    /// Nothing: it can't be seen from here.
    None,
}

impl Rig {
    /// Starts the servers of `arms`, backend before frontend; they all run. `name` is part of the
    /// names of their logs.
    ///
    /// # Errors
    /// One line that names the server that did not come up. The others have been killed then.
    pub async fn start(
        &self,
        databases: &Databases,
        arms: &[Arm],
        name: &str,
    ) -> anyhow::Result<Fleet> {
        let mut fleet = Fleet::default();
        for arm in arms {
            let app = |role| {
                let database = databases.of(*arm)?;
                let launch = self.with_database(database, *arm, role, DB_CONNECTIONS, name)?;
                Ok::<_, anyhow::Error>(launch.with_jobs(self.jobs))
            };
            match arm {
                Arm::Monolith | Arm::Plain | Arm::Twin | Arm::Planted | Arm::Waiting => {
                    let launch = app(MONOLITH)?.with_lab(self)?;
                    fleet.members.push(self.start_server(launch).await?);
                }
                Arm::Split | Arm::UnixSocket | Arm::Http2 | Arm::Link => {
                    self.start_split(databases.of(*arm)?, *arm, name, &mut fleet).await?;
                }
                Arm::Floor => {
                    let floor =
                        self.floor(FLOOR, Data::Database(databases.of(*arm)?), *arm, name)?;
                    fleet.members.push(self.start_server(floor).await?);
                }
                Arm::Hop => {
                    let data = Data::Database(databases.of(*arm)?);
                    let backend = self.floor(FLOOR_BACKEND, data, *arm, name)?;
                    let backend = self.start_server(backend).await?;
                    let data = Data::Backend(backend.process().address);
                    fleet.members.push(backend);
                    let frontend = self.floor(FLOOR_FRONTEND, data, *arm, name)?;
                    fleet.members.push(self.start_server(frontend).await?);
                }
            }
        }
        Ok(fleet)
    }

    fn with_database(
        &self,
        database: &Database,
        arm: Arm,
        role: &'static str,
        db_connections: u32,
        name: &str,
    ) -> anyhow::Result<Launch<'_>> {
        let mut launch = self.launch(arm, role, name)?;
        launch.args = vec![
            "--data-dir".to_owned(),
            database.data_dir.display().to_string(),
            "--token-secret-file".to_owned(),
            self.token_secret.display().to_string(),
            "--db-connections".to_owned(),
            db_connections.to_string(),
        ];
        // In the environment and not among the flags, which every user of the machine can read.
        let url = database.url.as_ref().map(|url| ("DATABASE_URL", url.expose().to_owned()));
        launch.env.extend(url);
        Ok(launch)
    }

    /// The hand-written page, which has no secret and fewer flags.
    fn floor(
        &self,
        role: &'static str,
        data: Data<'_>,
        arm: Arm,
        name: &str,
    ) -> anyhow::Result<Launch<'_>> {
        let mut launch = self.launch(arm, role, name)?;
        match data {
            Data::Database(Database { data_dir, url }) => {
                launch.args = vec![
                    "--data-dir".to_owned(),
                    data_dir.display().to_string(),
                    "--db-connections".to_owned(),
                    DB_CONNECTIONS.to_string(),
                ];
                let url = url.as_ref().map(|url| ("DATABASE_URL", url.expose().to_owned()));
                launch.env.extend(url);
            }
            Data::Backend(address) => {
                launch.args = vec!["--backend-url".to_owned(), format!("http://{address}")];
            }
        }
        Ok(launch)
    }

    fn launch(&self, arm: Arm, role: &'static str, name: &str) -> anyhow::Result<Launch<'_>> {
        let (mark, run) = &self.mark;
        let program = match role {
            WORK if arm == Arm::Split => BACKEND,
            WORK => MONOLITH,
            floor if floor.starts_with(FLOOR) => FLOOR,
            other => other,
        };
        Ok(Launch {
            under: &self.under,
            binary: self.binaries.path(program)?,
            role,
            arm,
            command: if role == WORK { WORK } else { "serve" },
            args: Vec::new(),
            env: [(*mark, run.clone())].into_iter().chain(self.env.clone()).collect(),
            log: self.logs.join(format!("{name}-{}-{role}.log", arm.name())),
        })
    }

    async fn start_server(&self, launch: Launch<'_>) -> anyhow::Result<Member> {
        let Layout { server_cores, load_cores, .. } = &self.layout;
        let started = affinity::elsewhere(server_cores, load_cores, || launch.spawn())??;
        Ok(Member::Process(Box::new(started.answer().await?)))
    }
}

impl System {
    /// Freezes it, if it is the lab's own: it keeps its state and gets no CPU. Frontend first, so
    /// that it asks nobody who can't answer.
    pub fn park(&self) -> anyhow::Result<()> {
        self.processes.iter().rev().try_for_each(|process| process.signal(Signal::SIGSTOP))
    }

    /// Thaws it, backend first.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.processes.iter().try_for_each(|process| process.signal(Signal::SIGCONT))
    }

    /// Its processes, for the probe; none where they can't be seen.
    pub fn watched(&self) -> Vec<Watched> {
        let watch = |process: &Process| match process.access {
            Access::Control(pid) | Access::Observe(pid) => {
                Some(Watched { name: process.role.to_owned(), pid, scope: Scope::Process })
            }
            Access::None => None,
        };
        self.processes.iter().filter_map(watch).collect()
    }

    /// The process of that role.
    pub fn process(&self, role: &str) -> anyhow::Result<Process> {
        let process = self.processes.iter().find(|process| process.role == role).copied();
        process.with_context(|| format!("{} has no {role}", self.arm.name()))
    }
}

impl Process {
    /// Its number.
    ///
    /// # Errors
    /// When it can't be seen from here.
    pub fn pid(self) -> anyhow::Result<Pid> {
        match self.access {
            Access::Control(pid) | Access::Observe(pid) => Ok(pid),
            Access::None => anyhow::bail!("{} can't be seen from here", self.role),
        }
    }

    fn signal(self, signal: Signal) -> anyhow::Result<()> {
        let Access::Control(group) = self.access else { return Ok(()) };
        killpg(group, signal).with_context(|| format!("cannot send {signal} to {}", self.role))
    }
}

impl Member {
    fn arm(&self) -> Arm {
        match self {
            Self::Process(server) => server.arm,
            Self::Container(container) => container.arm,
        }
    }

    fn process(&self) -> Process {
        match self {
            Self::Process(server) => Process {
                role: server.role,
                address: server.address,
                access: Access::Control(server.pid),
            },
            Self::Container(container) => container.process(),
        }
    }

    async fn death(&mut self) -> anyhow::Error {
        match self {
            Self::Process(server) => server.death().await,
            Self::Container(container) => container.death().await,
        }
    }

    /// How it came up; of a container the lab can't tell.
    fn start(&self, restart: u32) -> Option<Start> {
        let Self::Process(server) = self else { return None };
        Some(Start {
            role: server.role.to_owned(),
            arm: server.arm,
            restart,
            ready_ms: server.ready.as_secs_f64() * 1e3,
            first_ok_ms: server.first_ok.as_secs_f64() * 1e3,
            resident_mib: server.resident_mib,
        })
    }

    /// Stops what the lab started; everything else runs on.
    async fn stop(self) -> anyhow::Result<()> {
        match self {
            Self::Process(server) => server.stop().await,
            Self::Container(_) => Ok(()),
        }
    }
}

impl Fleet {
    /// Servers that somebody else started, backends before frontends.
    pub(crate) fn of(members: Vec<Member>) -> Self {
        Self { members, link: None }
    }

    /// The link of [`Arm::Link`], for whoever measures over it; it goes when that value does.
    pub fn take_link(&mut self) -> Option<Link> {
        self.link.take()
    }

    /// All servers.
    pub fn processes(&self) -> impl Iterator<Item = Process> + '_ {
        self.members.iter().map(Member::process)
    }

    /// One arm's servers.
    pub fn system(&self, arm: Arm) -> anyhow::Result<System> {
        let members = self.members.iter().filter(|member| member.arm() == arm);
        let processes: Vec<_> = members.map(Member::process).collect();
        // The frontend was started last.
        let last = processes.last().with_context(|| format!("{} does not run", arm.name()))?;
        Ok(System { arm, front: last.address, processes })
    }

    /// Runs `work` unless a server ends by itself meanwhile: then there is nothing left to measure.
    ///
    /// # Errors
    /// One line that names the server that ended; else what `work` fails with.
    pub async fn unless_one_dies<T>(
        &mut self,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let deaths: Vec<_> = self.members.iter_mut().map(|m| Box::pin(m.death())).collect();
        tokio::select! {
            // A dead server makes requests fail as well; its death is the better explanation.
            biased;
            (death, ..) = select_all(deaths) => Err(death),
            done = work => done,
        }
    }

    /// How the servers came up.
    pub fn starts(&self, restart: u32) -> Vec<Start> {
        self.members.iter().filter_map(|member| member.start(restart)).collect()
    }

    /// Stops all servers that the lab started, all at once.
    ///
    /// # Errors
    /// The first one that did not stop in order; all have ended anyway.
    pub async fn stop(self) -> anyhow::Result<()> {
        join_all(self.members.into_iter().map(Member::stop)).await.into_iter().collect()
    }
}
