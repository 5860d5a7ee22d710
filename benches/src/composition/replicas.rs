//! A composition with more containers of one server: scaled by Docker's own command, measured when the
//! balancers have found the new ones, and put back at the end, whatever the end is.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use tokio::task;

use super::{
    Composition, Container,
    docker::{self, Inspected},
    processes, seen,
    turn::{Turn, in_turn},
};
use crate::{
    fleet::{Fleet, Member, deployment::View, quota::Gauge, topology::Role},
    load::{Generator, Target},
    probe::{self, Scope, Watched},
    progress,
    record::Arm,
    scaling::Server,
};

/// Server → how many containers there are of it.
pub type Replicas = BTreeMap<Role, u32>;

/// The servers of each architecture, and the one that visitors reach.
fn servers(arm: Arm) -> (&'static [Role], Role) {
    match arm {
        Arm::Split => (&[Role::SplitBackend, Role::SplitFrontend], Role::SplitFrontend),
        _ => (&[Role::Monolith], Role::Monolith),
    }
}

/// What is there before, and afterwards again: [`Composition::find`] takes nothing else.
const BEFORE: [(Role, u32); 3] =
    [(Role::Monolith, 1), (Role::SplitBackend, 1), (Role::SplitFrontend, 1)];

/// Pages for each replica, between two looks at who has worked.
const PAGES: usize = 100;

/// How long balancers may take to give a new replica its share. They find it within about two seconds,
/// and let it begin with less for two more.
const SHARED: Duration = Duration::from_secs(30);

/// A composition whose servers are scaled. When this value goes there is one container of each again.
pub struct Scaled<'a> {
    composition: &'a Composition,
    turn: Arc<Mutex<Turn>>,
    /// Containers that have been there before.
    known: BTreeSet<String>,
}

/// One architecture with so many containers of its servers.
pub struct Standing {
    /// For whoever measures it.
    pub view: View,
    /// How those came up that were not there before.
    pub added: Vec<Server>,
    /// Its containers, none of which must end.
    pub fleet: Fleet,
    /// Who of them does how much.
    pub shares: Shares,
}

/// Every replica by itself: its server, and its process, whose name is its container.
#[derive(Debug, Default)]
pub struct Shares(Vec<(&'static str, Watched)>);

impl<'a> Scaled<'a> {
    /// Scales nothing yet.
    ///
    /// # Errors
    /// One line, when the containers' control groups can't be read: then nobody could tell what a
    /// replica costs, nor whether it has work.
    pub fn of(composition: &'a Composition) -> anyhow::Result<Self> {
        seen(&composition.servers)?;
        let ids = composition.servers.iter().map(|server| server.id.clone());
        Ok(Self { composition, turn: Arc::default(), known: ids.collect() })
    }

    /// Has so many containers of each server, and finds those of an architecture.
    ///
    /// # Errors
    /// One line: what Docker says, or a container that is not like its siblings.
    pub async fn to(&mut self, arm: Arm, replicas: &Replicas) -> anyhow::Result<Standing> {
        let (turn, wanted) = (Arc::clone(&self.turn), replicas.clone());
        // Goes on when nobody waits for it any more, and whoever puts back waits for its turn.
        task::spawn_blocking(move || {
            let wanted: Vec<_> = wanted.into_iter().collect();
            in_turn(&turn).change(|| scale(&wanted))
        })
        .await??;
        self.find(arm, replicas).await
    }

    /// Has one container of each server again.
    ///
    /// # Errors
    /// What Docker says.
    pub async fn put_back(self) -> anyhow::Result<()> {
        let turn = Arc::clone(&self.turn);
        task::spawn_blocking(move || in_turn(&turn).put_back(put_back)).await?
    }

    async fn find(&mut self, arm: Arm, replicas: &Replicas) -> anyhow::Result<Standing> {
        let all = docker::inspect(&docker::running().await?).await?;
        let (roles, front) = servers(arm);
        let mut found = Vec::new();
        for role in roles {
            let of_role: Vec<_> = all.iter().filter(|it| it.service() == role.name()).collect();
            let wanted = replicas.get(role).copied().unwrap_or(1);
            let n = of_role.len();
            ensure!(
                n == wanted as usize,
                "--compose: {n} containers of {} in place of {wanted}",
                role.name()
            );
            alike(&of_role)?;
            found.extend(of_role.into_iter().map(|container| (*role, container)));
        }
        let ids: Vec<_> = found.iter().map(|(_, container)| container.id.clone()).collect();
        let pids = processes::servers(&ids);
        let address = self.composition.of(front.name())?.1.published()?;
        let mut standing = Standing {
            view: View {
                front: address,
                watched: Vec::new(),
                gauges: Vec::new(),
                exclusive: false,
            },
            added: Vec::new(),
            fleet: Fleet::default(),
            shares: Shares::default(),
        };
        let mut members = Vec::new();
        for (role, container) in found {
            let (id, role) = (container.id.clone(), role.name());
            let pid = pids.get(&id).copied();
            let pid = pid.with_context(|| format!("--compose: {role} has no process"))?;
            let gauge = Gauge::of_process(pid).context("--compose: a control group is gone")?;
            if self.known.insert(id.clone()) {
                let ready = container.healthy_after();
                let ready =
                    ready.with_context(|| format!("--compose: {role} was never healthy"))?;
                standing.added.push(Server {
                    role: role.to_owned(),
                    first_ok_ms: ready.as_secs_f64() * 1e3,
                    resident_mib: probe::resident_mib(pid)?,
                });
            }
            let watched =
                |name: &str| Watched { name: name.to_owned(), pid, scope: Scope::Process };
            standing.shares.0.push((role, watched(&id)));
            standing.view.watched.push(watched(role));
            standing.view.gauges.push((role, gauge));
            let pid = Some(pid);
            members.push(Member::Container(Container { id, arm, role, address, pid }));
        }
        standing.fleet = Fleet::of(members);
        standing.view.watched.extend(self.composition.beside());
        Ok(standing)
    }
}

/// Has one container of each server again.
fn put_back() -> anyhow::Result<()> {
    progress::say("Putting back", "one container of each server");
    scale(&BEFORE).context("there may be more than one container of a server left")
}

impl Drop for Scaled<'_> {
    fn drop(&mut self) {
        if let Err(error) = in_turn(&self.turn).put_back(put_back) {
            progress::say("Failed", &format!("{error:#}"));
        }
    }
}

impl Shares {
    /// Sends pages until every replica has its share of them.
    ///
    /// # Errors
    /// One line, when one has not after half a minute.
    pub async fn settle(&self, generator: &Generator, target: &Target) -> anyhow::Result<()> {
        let watched: Vec<_> = self.0.iter().map(|(_, watched)| watched.clone()).collect();
        let start = Instant::now();
        loop {
            let before = probe::read(&watched)?;
            generator.warm(target.clone(), PAGES * watched.len()).await?;
            let used = before.until(&probe::read(&watched)?).cpu_ms;
            let each = self.0.iter().map(|(role, watched)| {
                (*role, used.get(&watched.name).copied().unwrap_or_default())
            });
            match unequal(each) {
                None => return Ok(()),
                Some(role) if start.elapsed() > SHARED => {
                    bail!("one of several {role} still has no share of the load after {SHARED:?}")
                }
                Some(_) => {}
            }
        }
    }
}

/// A server one of whose replicas has done less than half of an equal share, if there is one. Of each
/// replica its server, and the CPU that it has used.
fn unequal<'a>(replicas: impl IntoIterator<Item = (&'a str, f64)>) -> Option<&'a str> {
    let mut by_server: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (server, used) in replicas {
        by_server.entry(server).or_default().push(used);
    }
    let idle = |used: &Vec<f64>| {
        let equal = used.iter().sum::<f64>() / used.len() as f64;
        used.iter().any(|one| *one < equal / 2.0)
    };
    by_server.into_iter().find(|(_, used)| idle(used)).map(|(server, _)| server)
}

/// Refuses containers of one service that were made from different settings.
fn alike(containers: &[&Inspected]) -> anyhow::Result<()> {
    let mut pairs = containers.iter().zip(containers.iter().skip(1));
    match pairs.find(|(one, other)| !one.is_like(other)) {
        None => Ok(()),
        Some((one, _)) => bail!(
            "--compose: a new {} is not like the first: run the lab with the environment variables and \
             flags that `docker compose up` was run with",
            one.service()
        ),
    }
}

fn scale(replicas: &[(Role, u32)]) -> anyhow::Result<()> {
    let services = replicas.iter().map(|(role, containers)| (role.name(), *containers));
    docker::scale(&services.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_without_its_share_is_noticed() {
        let backends = |used: [f64; 2]| used.map(|ms| ("split-backend", ms));
        assert_eq!(unequal(backends([30.0, 34.0])), None);
        // It begins with less.
        assert_eq!(unequal(backends([40.0, 8.0])), Some("split-backend"));
        // Servers do work of different size.
        let mut all = backends([30.0, 34.0]).to_vec();
        all.push(("split-frontend", 4.0));
        assert_eq!(unequal(all), None);
    }
}
