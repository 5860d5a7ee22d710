//! The servers of one subject while they run: who has the pages, who runs the jobs, and what those have
//! used of the CPU.

use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use contract::process::{Server, get};
use nix::unistd::Pid;
use tokio::{task::spawn_blocking, time::sleep};

use super::{Release, Subject};
use crate::{
    durability::Place,
    lanes::Quarters,
    probe,
    record::Arm,
    servers::{BACKEND, Binaries, FRONTEND, MONOLITH},
};

/// How much longer than its grace time a server may take to end before it is killed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two questions whether it has ended: the resolution of the time to drain.
const LOOK: Duration = Duration::from_millis(5);

/// The programs of a subject.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The one with the pages.
    pub pages: PathBuf,
    /// The one with the database; the same in a monolith.
    pub data: PathBuf,
}

/// What a server is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// The API, where that is a server of its own.
    Api,
    /// Pages; in a monolith the API as well.
    Pages,
    /// Jobs and nothing else.
    Worker,
}

/// A running server.
struct Member {
    role: Role,
    server: Server,
    /// CPU that it had used when it was ready, milliseconds.
    before_ms: f64,
}

/// How a subject's servers are started.
#[derive(Clone, Debug)]
pub struct Launcher {
    /// Whose.
    pub subject: Subject,
    /// What is started.
    pub programs: Programs,
    /// Where they live.
    pub quarters: Quarters,
}

/// All servers of a subject. They are killed when this value goes.
pub(super) struct System<'a> {
    launcher: &'a Launcher,
    members: Vec<Member>,
    /// CPU of servers that ran jobs and have ended, milliseconds.
    ended_ms: f64,
}

impl Programs {
    /// Those of an arm.
    pub(super) fn of(arm: Arm, binaries: &Binaries) -> anyhow::Result<Self> {
        let [pages, data] =
            if arm == Arm::Split { [FRONTEND, BACKEND] } else { [MONOLITH, MONOLITH] };
        Ok(Self { pages: binaries.path(pages)?.to_owned(), data: binaries.path(data)?.to_owned() })
    }
}

impl Launcher {
    /// All roles that there are, in the order in which they need each other.
    fn roles(&self) -> Vec<Role> {
        let mut roles = vec![Role::Pages];
        if self.subject.arm == Arm::Split {
            roles.insert(0, Role::Api);
        }
        if self.subject.place == Place::Apart {
            roles.push(Role::Worker);
        }
        roles
    }

    /// Those that a deploy replaces.
    fn replaced(&self) -> Vec<Role> {
        // The planted one does more than it says.
        match self.subject.release {
            Release::Interface if self.subject.arm != Arm::Planted => vec![Role::Pages],
            _ => self.roles(),
        }
    }

    fn runs_jobs(&self, role: Role) -> bool {
        match (self.subject.place, role) {
            (Place::Apart, role) => role == Role::Worker,
            (Place::Inside, Role::Api) => true,
            (Place::Inside, role) => role == Role::Pages && self.subject.arm != Arm::Split,
        }
    }

    fn command(&self, role: Role, api: Option<&str>) -> anyhow::Result<Command> {
        let Programs { pages, data } = &self.programs;
        let grace = self.subject.grace_s.to_string();
        let grace = ["--grace-seconds", &grace];
        let jobs = if self.runs_jobs(role) { "inside" } else { "off" };
        let serve = [&grace[..], &["--jobs", jobs]].concat();
        match (role, self.subject.arm) {
            (Role::Worker, _) => self.quarters.with_database(data, "work", &grace),
            (Role::Pages, Arm::Split) => {
                let backend = format!("http://{}", api.context("a frontend without a backend")?);
                let flags = [&grace[..], &["--backend-url", &backend]].concat();
                self.quarters.without(pages, "serve", &flags)
            }
            (Role::Api | Role::Pages, _) => self.quarters.with_database(data, "serve", &serve),
        }
    }
}

impl<'a> System<'a> {
    /// Starts all servers, and sees that there is a page.
    pub(super) async fn start(launcher: &'a Launcher) -> anyhow::Result<Self> {
        let mut system = Self { launcher, members: Vec::new(), ended_ms: 0.0 };
        system.members = system.started(&launcher.roles()).await?;
        Ok(system)
    }

    /// Freshly started servers of these roles, which answer.
    async fn started(&self, roles: &[Role]) -> anyhow::Result<Vec<Member>> {
        let mut members: Vec<Member> = Vec::new();
        for role in roles {
            let api = members.iter().chain(&self.members).find(|it| it.role == Role::Api);
            let command = self.launcher.command(*role, api.map(|it| it.server.address.as_str()))?;
            let server = self.launcher.quarters.start(vec![command]).await?.pop();
            let server = server.context("a server")?;
            let before_ms = cpu_ms(&server)?;
            members.push(Member { role: *role, server, before_ms });
        }
        if let Some(pages) = members.iter().find(|it| it.role == Role::Pages) {
            let address = pages.server.address.clone();
            let page = spawn_blocking(move || get(&address, "/")).await?.context("the new page")?;
            ensure!(page.status == 200, "the new page was answered with {}", page.status);
        }
        Ok(members)
    }

    /// Starts what a deploy brings, beside what there is.
    pub(super) async fn bring(&self) -> anyhow::Result<New> {
        Ok(New(self.started(&self.launcher.replaced()).await?))
    }

    /// Puts the new servers into the place of the old ones, which are told to end and waited for:
    /// seconds until the last of them has.
    pub(super) async fn replace(&mut self, New(new): New) -> anyhow::Result<f64> {
        let replaced = self.launcher.replaced();
        let members = std::mem::take(&mut self.members);
        let (old, kept) = members.into_iter().partition(|it| replaced.contains(&it.role));
        self.members = kept;
        self.members.extend(new);
        let old: Vec<Member> = old;
        let begun = Instant::now();
        old.iter().try_for_each(|it| it.server.terminate())?;
        let limit = Duration::from_secs(self.launcher.subject.grace_s.into()) + PATIENCE;
        let mut drained = 0.0_f64;
        for Member { role, server, before_ms } in old {
            while !has_ended(&server)? {
                ensure!(begun.elapsed() < limit, "a server had not ended after {limit:?}");
                sleep(LOOK).await;
            }
            drained = drained.max(begun.elapsed().as_secs_f64());
            // The kernel keeps its account until somebody has waited for it.
            if self.launcher.runs_jobs(role) {
                self.ended_ms += cpu_ms(&server)? - before_ms;
            }
            let (status, _) = spawn_blocking(|| server.wait()).await??;
            if !status.success() {
                bail!("a server that was told to end did so with {status}");
            }
        }
        Ok(drained)
    }

    /// CPU of all that run or ran jobs, since each was ready, milliseconds.
    pub(super) fn used_ms(&self) -> anyhow::Result<f64> {
        let mut used = self.ended_ms;
        for Member { role, server, before_ms } in &self.members {
            if self.launcher.runs_jobs(*role) {
                used += cpu_ms(server)? - before_ms;
            }
        }
        Ok(used)
    }
}

/// Servers that a deploy brings, and that nobody has been replaced by yet.
pub(super) struct New(Vec<Member>);

fn pid(server: &Server) -> anyhow::Result<Pid> {
    Ok(Pid::from_raw(i32::try_from(server.pid())?))
}

fn cpu_ms(server: &Server) -> anyhow::Result<f64> {
    probe::process_cpu_ms(pid(server)?)
}

/// Whether it has ended; nobody has waited for it yet.
fn has_ended(server: &Server) -> anyhow::Result<bool> {
    Ok(matches!(probe::state(pid(server)?), Some('Z') | None))
}
