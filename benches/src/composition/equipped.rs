//! A composition whose servers have the lab's file: made anew with it, restarted between trials, and put
//! back at the end, whatever the end is.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, ensure};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpStream, task, time::timeout};

use super::{
    Composition, Container,
    docker::{self, Inspected},
    processes, seen,
    settings::Settings,
    the_only,
    turn::{Turn, in_turn},
};
use crate::{
    fleet::{Fleet, Member, answered, deployment::View, quota::Gauge, topology::Role},
    probe::{Scope, Watched},
    progress, record,
    record::Arm,
    servers::{BACKEND, MONOLITH},
    store,
};

/// The service that does the jobs of the split.
const WORKER: &str = "split-worker";

/// Who gets the file: whoever brings jobs about, and whoever does them.
const SERVICES: [&str; 3] = [MONOLITH, BACKEND, WORKER];

/// Where the file is in a container.
const LAB_FILE: &str = "/lab.json";

/// How long a connection to a server next door may take.
const NEXT_DOOR: Duration = Duration::from_secs(5);

/// Each architecture's servers, backends before frontends.
fn roles(arm: Arm) -> &'static [Role] {
    match arm {
        Arm::Split => &[Role::Work, Role::SplitBackend, Role::SplitFrontend],
        _ => &[Role::Monolith],
    }
}

fn service(role: Role) -> &'static str {
    if role == Role::Work { WORKER } else { role.name() }
}

/// A composition whose servers have the lab's file, once they have been given it. When this value goes
/// they are without it again.
pub struct Equipped<'a> {
    composition: &'a Composition,
    /// The servers and the worker, as they are now.
    servers: Vec<Inspected>,
    files: Arc<Files>,
    turn: Arc<Mutex<Turn>>,
}

/// What the servers are made from.
#[derive(Debug)]
struct Files {
    /// Holds the lab's file, and what has it mounted.
    folder: TempDir,
    /// The compose files that they were made from before.
    before: Vec<PathBuf>,
}

/// One architecture, freshly restarted.
pub struct Fresh {
    /// For whoever measures it.
    pub view: View,
    /// Its servers alone.
    pub servers: Vec<Watched>,
    /// Its containers, none of which must end.
    pub fleet: Fleet,
    /// Whoever does its jobs.
    pub worker: SocketAddr,
}

impl<'a> Equipped<'a> {
    /// Looks whether everything can be had that this needs, and changes nothing yet.
    ///
    /// # Errors
    /// One line that says what is missing: a worker, or a way to it; or compose would not make the
    /// servers as they are.
    pub async fn of(composition: &'a Composition, lab_file: &Value) -> anyhow::Result<Self> {
        let all = docker::inspect(&docker::running().await?).await?;
        let worker = the_only(&all, WORKER)?;
        let mut servers = composition.servers.clone();
        servers.push(worker.clone());
        seen(&servers)?;
        let next_door = timeout(NEXT_DOOR, TcpStream::connect(worker.inside()?)).await;
        ensure!(
            matches!(next_door, Ok(Ok(_))),
            "--compose: {WORKER} can't be reached from here (its network is Docker's own), so nobody could \
             count its jobs"
        );
        let before = worker.compose_files()?;
        let settings: Settings = docker::settings(&before, &SERVICES).await?;
        for server in servers.iter().filter(|server| SERVICES.contains(&server.service())) {
            can_be_remade(server, &settings).await?;
        }
        let files = Arc::new(Files::with(lab_file, before)?);
        Ok(Self { composition, servers, files, turn: Arc::default() })
    }

    /// Gives the servers the file.
    ///
    /// # Errors
    /// One line: what Docker says.
    pub async fn begin(&mut self) -> anyhow::Result<()> {
        let (turn, files) = (Arc::clone(&self.turn), Arc::clone(&self.files));
        // Goes on when nobody waits for it any more, and whoever puts back waits for its turn.
        let remake = move || in_turn(&turn).change(|| docker::remake(&files.equipped(), &SERVICES));
        task::spawn_blocking(remake).await??;
        let all = docker::inspect(&docker::running().await?).await?;
        let services = self.servers.iter().map(|server| server.service().to_owned());
        self.servers =
            services.map(|service| the_only(&all, &service)).collect::<anyhow::Result<_>>()?;
        Ok(())
    }

    /// Restarts an architecture's servers, and waits until they answer again.
    ///
    /// # Errors
    /// One line: what Docker says, or who does not answer.
    pub async fn restarted(&self, arm: Arm) -> anyhow::Result<Fresh> {
        let ids = roles(arm).iter().map(|role| Ok(self.server(*role)?.id.clone()));
        let ids: Vec<String> = ids.collect::<anyhow::Result<_>>()?;
        try_join_all(ids.iter().map(|id| docker::restart(id))).await?;
        // With a restart come other addresses.
        let containers = docker::inspect(&ids).await?;
        let mut answering = Vec::new();
        for role in roles(arm).iter().copied() {
            let container = containers.iter().find(|it| it.service() == service(role));
            let container =
                container.with_context(|| format!("--compose: {} is gone", service(role)))?;
            let address = match role {
                Role::Work => container.inside()?,
                _ => self.composition.of(role.name())?.1.published()?,
            };
            answered(role.name(), address).await?;
            answering.push((role, address, &container.id));
        }
        // The first one does the jobs, and the last one is what visitors reach.
        let ends = answering.first().zip(answering.last());
        let (&(_, worker, _), &(_, front, _)) = ends.context("an architecture without servers")?;
        // Who answers has a process; right after a start there need not be one.
        let pids = processes::servers(&ids);
        let (mut members, mut gauges, mut servers) = (Vec::new(), Vec::new(), Vec::new());
        for (role, address, id) in answering {
            let (id, name, pid) = (id.clone(), service(role), pids.get(id).copied());
            members.push(Member::Container(Container { id, arm, role: name, address, pid }));
            let pid = pid.with_context(|| format!("--compose: {name} has no process"))?;
            let gauge = Gauge::of_process(pid).context("--compose: a control group is gone")?;
            gauges.push((role.name(), gauge));
            servers.push(Watched { name: role.name().to_owned(), pid, scope: Scope::Process });
        }
        let watched = servers.iter().cloned().chain(self.composition.beside()).collect();
        let view = View { front, watched, gauges, exclusive: false };
        Ok(Fresh { view, servers, fleet: Fleet::of(members), worker })
    }

    /// Image and limits of the worker, for the record.
    ///
    /// # Errors
    /// Docker's.
    pub async fn record_of_worker(&self) -> anyhow::Result<record::Container> {
        self.server(Role::Work)?.record().await
    }

    /// Has the servers without the file again.
    ///
    /// # Errors
    /// What Docker says.
    pub async fn put_back(self) -> anyhow::Result<()> {
        let (turn, files) = (Arc::clone(&self.turn), Arc::clone(&self.files));
        task::spawn_blocking(move || in_turn(&turn).put_back(|| files.put_back())).await?
    }

    fn server(&self, role: Role) -> anyhow::Result<&Inspected> {
        let server = self.servers.iter().find(|server| server.service() == service(role));
        server.with_context(|| format!("--compose: no {}", service(role)))
    }
}

/// Looks whether a server takes the lab's file, and would be made as it is.
async fn can_be_remade(server: &Inspected, settings: &Settings) -> anyhow::Result<()> {
    let (service, image) = (server.service(), &server.config.image);
    let production = server.variable("PRODUCTION") == Some("true");
    ensure!(!production, "--compose: {service} runs in production, which takes no lab file");
    ensure!(
        server.variable("LAB_FILE").is_none(),
        "--compose: {service} has a lab file already; `docker compose up --detach --wait` makes it without \
         one"
    );
    settings.same_as_of(server)?;
    ensure!(
        docker::image_id(image).await? == server.image,
        "--compose: {service} does not run from what {image} is now; `docker compose up --detach --wait` \
         makes it from that"
    );
    Ok(())
}

impl Drop for Equipped<'_> {
    fn drop(&mut self) {
        if let Err(error) = in_turn(&self.turn).put_back(|| self.files.put_back()) {
            progress::say("Failed", &format!("{error:#}"));
        }
    }
}

impl Files {
    /// Docker has to see them where they are: in the project's own folder it finds the other files, too.
    fn with(lab_file: &Value, before: Vec<PathBuf>) -> anyhow::Result<Self> {
        let root = store::root()?;
        let around = root.parent().context("a folder in the project")?;
        fs::create_dir_all(around).with_context(|| around.display().to_string())?;
        let folder = tempfile::Builder::new().prefix("compose-").tempdir_in(around)?;
        let path = folder.path().join("lab.json");
        fs::write(&path, lab_file.to_string())?;
        // Servers are nobody in particular.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
        let files = Self { folder, before };
        fs::write(files.mounts(), mounting(&path).to_string())?;
        Ok(files)
    }

    /// The file that has the lab's file mounted.
    fn mounts(&self) -> PathBuf {
        self.folder.path().join("mounts.json")
    }

    fn equipped(&self) -> Vec<PathBuf> {
        self.before.iter().cloned().chain([self.mounts()]).collect()
    }

    fn put_back(&self) -> anyhow::Result<()> {
        progress::say("Putting back", "the servers without the lab's file");
        docker::remake(&self.before, &SERVICES).context(
            "the servers may still have the lab's file; `docker compose up --detach --wait` makes them \
             without it",
        )
    }
}

/// What is said on top of the compose files.
fn mounting(lab_file: &Path) -> Value {
    let service = json!({
        "environment": { "LAB_FILE": LAB_FILE },
        "volumes": [
            { "type": "bind", "source": lab_file, "target": LAB_FILE, "read_only": true },
        ],
    });
    let services: serde_json::Map<String, Value> =
        SERVICES.iter().map(|name| ((*name).to_owned(), service.clone())).collect();
    json!({ "services": services })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_to_do_with_jobs_gets_the_file_and_nobody_else() {
        let said = mounting(Path::new("/a/lab.json"));
        let services = said["services"].as_object().unwrap();
        let mut named: Vec<_> = services.keys().map(String::as_str).collect();
        named.sort_unstable();
        assert_eq!(named, ["monolith", "split-backend", "split-worker"]);
        for service in services.values() {
            assert_eq!(service["environment"]["LAB_FILE"], service["volumes"][0]["target"]);
            assert_eq!(service["volumes"][0]["source"], "/a/lab.json");
        }
    }

    #[test]
    fn the_files_are_gone_with_the_last_who_needs_them() {
        let before = vec![PathBuf::from("/project/docker-compose.yml")];
        let files = Files::with(&json!({ "jobs": {} }), before.clone()).unwrap();
        let [own, mounts] = files.equipped().try_into().unwrap();
        assert_eq!(own, before[0]);
        let said: Value = serde_json::from_str(&fs::read_to_string(&mounts).unwrap()).unwrap();
        let lab = said["services"]["monolith"]["volumes"][0]["source"].as_str().unwrap().to_owned();
        let mode = fs::metadata(&lab).unwrap().permissions().mode();
        assert!(mode & 0o004 != 0, "anybody may read it: {mode:o}");
        drop(files);
        assert!(!mounts.exists() && !Path::new(&lab).exists());
    }

    #[test]
    fn the_first_server_of_an_architecture_does_its_jobs() {
        assert_eq!(roles(Arm::Split).first().map(|role| service(*role)), Some(WORKER));
        assert_eq!(roles(Arm::Monolith), [Role::Monolith]);
    }
}
