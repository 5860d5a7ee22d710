//! HAProxy in the relay's place, by flag: the lab's own relay is quick to start and to steer, but a
//! result should not hang on it. Replicas are fixed from the start.

use std::{
    fmt::Write,
    fs,
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, anyhow, ensure};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use super::Policy;
use crate::intermediary::Program;

/// The program; it has to be installed.
const HAPROXY: &str = "haproxy";

/// A running HAProxy. It is killed when this value goes.
#[derive(Debug)]
pub struct HaProxy {
    child: Child,
    /// Where visitors go.
    pub address: SocketAddr,
    /// The process, for the probe.
    pub pid: Pid,
}

impl HaProxy {
    /// Starts HAProxy in front of `replicas` on a free port, on the cores of the thread that calls;
    /// its configuration is written into `directory`. Visitors are taken at once.
    ///
    /// # Errors
    /// One line, when it is not installed or refuses its configuration.
    pub async fn start(
        program: &Program,
        policy: Policy,
        replicas: &[SocketAddr],
        directory: &Path,
    ) -> anyhow::Result<Self> {
        let haproxy = installed()?;
        // It is handed a socket that listens already: no port has to be guessed, and nobody has to
        // wait until it is there.
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let file = directory.join(format!("haproxy-{}.cfg", address.port()));
        fs::write(&file, configuration(policy, replicas))?;
        let command = |flag: &str, listener: TcpListener| {
            let mut command = Command::new(&haproxy);
            command.env_clear().env(program.mark.0, &program.mark.1).arg("-f").arg(&file).arg(flag);
            command.stdin(Stdio::from(OwnedFd::from(listener))).kill_on_drop(true);
            command
        };
        let check = command("-c", listener.try_clone()?).output().await?;
        let complaint = String::from_utf8_lossy(&check.stderr);
        let complaint = complaint.lines().find(|line| line.contains("config")).unwrap_or_default();
        ensure!(check.status.success(), "haproxy refuses its configuration: {complaint}");
        let child = command("-db", listener)
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", haproxy.display()))?;
        let pid = Pid::from_raw(i32::try_from(child.id().context("it was not waited for")?)?);
        Ok(Self { child, address, pid })
    }

    /// Waits for it to end by itself, which it must not do, and says so in one line.
    pub async fn death(&mut self) -> anyhow::Error {
        match self.child.wait().await {
            Ok(status) => anyhow!("haproxy died during the run ({status})"),
            Err(error) => anyhow!("haproxy can't be waited for: {error}"),
        }
    }

    /// Ends it.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}

/// Where it is.
///
/// # Errors
/// One line with the way out, when it is nowhere.
pub fn installed() -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Distributions put it where only root looks by default.
    let directories = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let mut files = directories.map(|directory| directory.join(HAPROXY));
    files
        .find(|file| file.is_file())
        .context("haproxy is not installed: install it, or leave it to the lab's own relay")
}

/// What does what the relay does: one thread, kept-alive connections that all visitors share, another
/// replica for a request that failed before an answer, `/readyz` while a replica is out.
fn configuration(policy: Policy, replicas: &[SocketAddr]) -> String {
    let balance = match policy {
        Policy::RoundRobin => "roundrobin",
        Policy::LeastOutstanding => "leastconn",
    };
    let mut text = format!(
        "global\n    nbthread 1\n\
         defaults\n    mode http\n    timeout connect 2s\n    timeout client 60s\n    \
         timeout server 60s\n    option http-keep-alive\n    http-reuse always\n    retries 1\n    \
         option redispatch 1\n    retry-on conn-failure empty-response\n\
         frontend visitors\n    bind fd@0\n    default_backend replicas\n\
         backend replicas\n    balance {balance}\n    \
         http-request disable-l7-retry unless METH_GET\n    \
         option httpchk GET /readyz\n    default-server check inter 1s fastinter 50ms rise 1 fall 1 \
         observe layer4 error-limit 1 on-error mark-down\n"
    );
    for (number, replica) in replicas.iter().enumerate() {
        // Writing into a text can't fail.
        let _ = writeln!(text, "    server replica{number} {replica}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_every_replica_and_the_policy() {
        let replicas = ["127.0.0.1:1001", "127.0.0.1:1002"].map(|text| text.parse().unwrap());
        let text = configuration(Policy::LeastOutstanding, &replicas);
        assert!(text.contains("\n    balance leastconn\n"), "{text}");
        assert!(text.contains("server replica0 127.0.0.1:1001\n"), "{text}");
        assert!(text.ends_with("server replica1 127.0.0.1:1002\n"), "{text}");
        assert!(configuration(Policy::RoundRobin, &replicas).contains("balance roundrobin"));
    }
}
