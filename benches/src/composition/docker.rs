//! Docker's own commands, as far as a running composition is looked at with them.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, Output, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::process;

use crate::servers;

const NO_DOCKER: &str = "--compose: cannot run docker";

/// How long containers may take to become healthy, seconds.
const READY: &str = "60";

/// Inside of a container every server listens here.
const LISTEN: u16 = 3_000;
const PORT: &str = "3000/tcp";

/// A container as `docker inspect` describes it, as far as it matters here.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Inspected {
    pub(super) id: String,
    /// The image's own id: its content, whatever its name points to by now.
    pub(super) image: String,
    pub(super) config: Config,
    pub(super) state: State,
    pub(super) host_config: Limits,
    network_settings: Networks,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Config {
    /// The image's name.
    pub(super) image: String,
    labels: BTreeMap<String, String>,
    /// `NAME=VALUE` each.
    #[serde(default)]
    env: Option<Vec<String>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct State {
    pub(super) health: Option<Health>,
    #[serde(default)]
    started_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Health {
    pub(super) status: String,
    /// The last few checks.
    #[serde(default)]
    log: Option<Vec<Check>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Check {
    end: DateTime<Utc>,
    exit_code: i64,
}

/// What the container may use; 0 or nothing where there is no limit.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Limits {
    nano_cpus: u64,
    cpu_quota: u64,
    cpu_period: u64,
    cpuset_cpus: String,
    memory: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Networks {
    ports: BTreeMap<String, Option<Vec<Binding>>>,
    networks: BTreeMap<String, Network>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Binding {
    host_ip: String,
    host_port: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Network {
    #[serde(rename = "IPAddress")]
    address: String,
}

impl Inspected {
    /// The service that the container is one of.
    pub(super) fn service(&self) -> &str {
        self.config.labels.get("com.docker.compose.service").map_or("", String::as_str)
    }

    /// The compose files that it was made from.
    ///
    /// # Errors
    /// When it does not say so.
    pub(super) fn compose_files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let files = self.config.labels.get("com.docker.compose.project.config_files");
        let files = files.filter(|files| !files.is_empty());
        let files = files.with_context(|| {
            format!(
                "--compose: {} does not say which compose files it was made from",
                self.service()
            )
        })?;
        Ok(files.split(',').map(PathBuf::from).collect())
    }

    /// Whether it was made from the same image with the same settings and limits as another. (Compose's own
    /// hash of a service's settings says more: also what else was asked for in the same command.)
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let made_from = |it: &Self| {
            let mut env = it.config.env.clone().unwrap_or_default();
            env.sort_unstable();
            (it.image.clone(), env, it.host_config.clone())
        };
        made_from(self) == made_from(other)
    }

    /// A variable of its environment.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        let mut variables = self.config.env.iter().flatten();
        variables.find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    }

    /// From its start until the first check that found it healthy, if that was among the last ones.
    pub(super) fn healthy_after(&self) -> Option<Duration> {
        let checks = self.state.health.as_ref()?.log.iter().flatten();
        let first = checks.filter(|check| check.exit_code == 0).map(|check| check.end).min()?;
        (first - self.state.started_at?).to_std().ok()
    }

    /// Where its port is published on this machine.
    pub(super) fn published(&self) -> anyhow::Result<SocketAddr> {
        let bindings = self.network_settings.ports.get(PORT).and_then(Option::as_ref);
        let binding = bindings.and_then(|all| all.first());
        let binding =
            binding.with_context(|| format!("--compose: {} publishes no port", self.service()))?;
        let mut address = SocketAddr::new(binding.host_ip.parse()?, binding.host_port.parse()?);
        // Published for everybody: here, too.
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        Ok(address)
    }

    /// Where it listens inside of Docker's networks: where nothing is published, somebody on the same
    /// machine may still ask it there.
    ///
    /// # Errors
    /// When it is on no network.
    pub(super) fn inside(&self) -> anyhow::Result<SocketAddr> {
        let address = self.inner_addresses().find_map(|address| address.parse::<IpAddr>().ok());
        let address =
            address.with_context(|| format!("--compose: {} is on no network", self.service()))?;
        Ok(SocketAddr::new(address, LISTEN))
    }

    /// Its addresses inside of Docker's networks.
    pub(super) fn inner_addresses(&self) -> impl Iterator<Item = &str> {
        self.network_settings.networks.values().map(|network| network.address.as_str())
    }
}

impl Limits {
    /// How many cores' worth of CPU time.
    pub(super) fn cpus(&self) -> Option<f64> {
        if self.nano_cpus > 0 {
            return Some(self.nano_cpus as f64 / 1e9);
        }
        (self.cpu_quota > 0 && self.cpu_period > 0)
            .then(|| self.cpu_quota as f64 / self.cpu_period as f64)
    }

    /// On which cores, as Docker writes it.
    pub(super) fn cores(&self) -> Option<String> {
        (!self.cpuset_cpus.is_empty()).then(|| self.cpuset_cpus.clone())
    }

    /// How much memory, MiB.
    pub(super) fn memory_mib(&self) -> Option<u64> {
        (self.memory > 0).then_some(self.memory >> 20)
    }
}

/// The ids of the project's running containers, in any order.
pub(super) async fn running() -> anyhow::Result<Vec<String>> {
    let ids = docker(&["compose", "ps", "--quiet"]).await?;
    Ok(ids.lines().map(str::to_owned).collect())
}

/// Containers as they are now.
pub(super) async fn inspect(ids: &[String]) -> anyhow::Result<Vec<Inspected>> {
    let ids = ids.iter().map(String::as_str);
    parsed(&docker(&["inspect"].into_iter().chain(ids).collect::<Vec<_>>()).await?)
}

/// The size of an image, bytes.
pub(super) async fn image_bytes(image: &str) -> anyhow::Result<u64> {
    parsed(&docker(&["image", "inspect", "--format", "{{.Size}}", image]).await?)
}

/// The id of what an image's name points to now.
pub(super) async fn image_id(image: &str) -> anyhow::Result<String> {
    let id = docker(&["image", "inspect", "--format", "{{.Id}}", image]).await?;
    Ok(id.trim().to_owned())
}

/// What these compose files say of these services, with what they take from the environment.
pub(super) async fn settings<T: DeserializeOwned>(
    files: &[PathBuf],
    services: &[&str],
) -> anyhow::Result<T> {
    let mut config = from_files(files)?;
    config.args(["config", "--format", "json"]).args(services);
    let output = process::Command::from(config).output().await;
    parsed(&said(&output.context(NO_DOCKER)?)?)
}

/// The engine's version.
pub(super) async fn version() -> anyhow::Result<String> {
    Ok(docker(&["version", "--format", "{{.Server.Version}}"]).await?.trim().to_owned())
}

/// Stops a container in order and starts it again.
pub(super) async fn restart(id: &str) -> anyhow::Result<()> {
    docker(&["restart", id]).await.map(drop)
}

/// Waits until a container ends.
pub(super) async fn ended(id: &str) -> anyhow::Result<()> {
    let mut wait = process::Command::from(command(&["wait", id])?);
    said(&wait.kill_on_drop(true).output().await.context(NO_DOCKER)?).map(drop)
}

fn parsed<T: DeserializeOwned>(text: &str) -> anyhow::Result<T> {
    serde_json::from_str(text).context("--compose: docker says something unexpected")
}

/// Has so many containers of each of these services, all of them healthy, and leaves everything else as it
/// is. Does not return before that.
///
/// # Errors
/// What Docker says, for instance of a container that does not become healthy.
pub(super) fn scale(services: &[(&str, u32)]) -> anyhow::Result<()> {
    let args = ["compose", "up", "--detach", "--no-build", "--no-deps", "--no-recreate"];
    let mut command = command(&args)?;
    command.args(["--wait", "--wait-timeout", READY]);
    for (service, containers) in services {
        command.arg("--scale").arg(format!("{service}={containers}"));
    }
    command.args(services.iter().map(|(service, _)| service));
    said(&command.output().context(NO_DOCKER)?).map(drop)
}

/// Has the containers of these services as these compose files want them, in place of those that there
/// are, and leaves everything else as it is. Does not return before all of them are healthy.
///
/// # Errors
/// What Docker says, for instance of a container that does not become healthy.
pub(super) fn remake(files: &[PathBuf], services: &[&str]) -> anyhow::Result<()> {
    let mut command = from_files(files)?;
    command.args(["up", "--detach", "--no-build", "--no-deps"]);
    command.args(["--wait", "--wait-timeout", READY]).args(services);
    said(&command.output().context(NO_DOCKER)?).map(drop)
}

/// `docker compose` with these files, and no others.
fn from_files(files: &[PathBuf]) -> anyhow::Result<Command> {
    let mut command = command(&["compose"])?;
    for file in files {
        command.arg("--file").arg(file);
    }
    Ok(command)
}

/// Runs a Docker command where the compose file is, and gives what it prints.
async fn docker(args: &[&str]) -> anyhow::Result<String> {
    let output = process::Command::from(command(args)?).output().await;
    said(&output.context(NO_DOCKER)?)
}

fn command(args: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new("docker");
    command.args(args).current_dir(servers::workspace()?).stdin(Stdio::null());
    // Ctrl-C at the terminal goes to the lab's group: what Docker was asked to do, it finishes.
    command.process_group(0);
    Ok(command)
}

fn said(output: &Output) -> anyhow::Result<String> {
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("--compose: docker says: {}", reason(&said));
    }
    Ok(String::from_utf8(output.stdout.clone())?)
}

/// Why Docker failed, by what it printed. Hints how to go on follow the reason; before it come remarks about
/// the compose file, and how far `compose up` got: a line for each container, and one for each of its steps.
fn reason(said: &str) -> &str {
    let is_progress = |line: &&str| line.starts_with("Container ");
    let lines = said.lines().filter(|line| !line.starts_with("time=")).map(str::trim);
    let (progress, others): (Vec<_>, Vec<_>) =
        lines.filter(|line| !line.is_empty()).partition(is_progress);
    others.first().or(progress.last()).copied().unwrap_or("nothing, and fails")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn inspected(ports: &serde_json::Value, limits: &serde_json::Value) -> Inspected {
        serde_json::from_value(json!({
            "Id": "4f1d", "Image": "sha256:9c", "State": { "Health": { "Status": "healthy" } },
            "Config": {
                "Image": "conduit-monolith",
                "Labels": { "com.docker.compose.service": "monolith" },
            },
            "HostConfig": limits,
            "NetworkSettings": {
                "Ports": { "3000/tcp": ports },
                "Networks": { "conduit_public": { "IPAddress": "172.18.0.3" } },
            },
        }))
        .unwrap()
    }

    #[test]
    fn a_port_is_found_where_it_is_published() {
        let at = |ip: &str| json!([{ "HostIp": ip, "HostPort": "3001" }]);
        let address = |ip| inspected(&at(ip), &json!({})).published().unwrap().to_string();
        assert_eq!(address("127.0.0.1"), "127.0.0.1:3001");
        assert_eq!(address("0.0.0.0"), "127.0.0.1:3001");
        let none = inspected(&json!(null), &json!({})).published().unwrap_err().to_string();
        assert_eq!(none, "--compose: monolith publishes no port");
    }

    #[test]
    fn a_container_is_ready_at_its_first_check_that_succeeds() {
        let mut container = inspected(&json!(null), &json!({}));
        assert_eq!(container.healthy_after(), None, "nobody has looked");
        let check = |second: u32, exit: i64| {
            json!({ "Start": "2026-01-01T00:00:00Z", "ExitCode": exit, "Output": "",
                    "End": format!("2026-01-01T00:00:{second:02}.5Z") })
        };
        container.state = serde_json::from_value(json!({
            "StartedAt": "2026-01-01T00:00:01.25Z",
            "Health": { "Status": "healthy", "Log": [check(2, 1), check(3, 0), check(13, 0)] },
        }))
        .unwrap();
        assert_eq!(container.healthy_after(), Some(Duration::from_millis(2_250)));
    }

    #[test]
    fn containers_with_other_settings_are_not_alike() {
        let container = |env: &[&str], quota: u64| {
            let mut container = inspected(&json!(null), &json!({ "CpuQuota": quota }));
            container.config.env = Some(env.iter().map(|&line| line.to_owned()).collect());
            container
        };
        let first = container(&["A=1", "B=2"], 2_500);
        assert!(first.is_like(&container(&["B=2", "A=1"], 2_500)));
        assert!(!first.is_like(&container(&["A=1", "B=3"], 2_500)));
        assert!(!first.is_like(&container(&["A=1", "B=2"], 5_000)));
    }

    #[test]
    fn a_variable_is_found_by_its_whole_name() {
        let mut container = inspected(&json!(null), &json!({}));
        let env = ["DB_CONNECTIONS_MAX=9", "DB_CONNECTIONS=8", "URL=a=b"].map(str::to_owned);
        container.config.env = Some(env.into());
        assert_eq!(container.variable("DB_CONNECTIONS"), Some("8"));
        assert_eq!(container.variable("URL"), Some("a=b"));
        assert_eq!(container.variable("DB"), None);
    }

    #[test]
    fn limits_are_read_in_both_forms_and_may_be_absent() {
        let limits = |limits| inspected(&json!(null), &limits).host_config;
        assert_eq!(limits(json!({ "NanoCpus": 500_000_000_u64 })).cpus(), Some(0.5));
        assert_eq!(limits(json!({ "CpuQuota": 2500, "CpuPeriod": 10000 })).cpus(), Some(0.25));
        let none = limits(json!({ "NanoCpus": 0, "CpusetCpus": "", "Memory": 0 }));
        assert_eq!((none.cpus(), none.cores(), none.memory_mib()), (None, None, None));
        let some = limits(json!({ "CpusetCpus": "0,1", "Memory": 268_435_456 }));
        assert_eq!((some.cores().as_deref(), some.memory_mib()), (Some("0,1"), Some(256)));
    }

    #[test]
    fn the_reason_is_neither_a_remark_before_it_nor_a_hint_after_it_nor_how_far_it_got() {
        let progress = " Container app-1  Running\n Container db-1  Error\n";
        let said =
            format!("time=\"now\" level=warning\n{progress}db-1 is unhealthy\n\nTry again\n");
        assert_eq!(reason(&said), "db-1 is unhealthy");
        assert_eq!(reason(progress), "Container db-1  Error");
        assert_eq!(reason("\n"), "nothing, and fails");
    }
}
