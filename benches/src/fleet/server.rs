//! One server as a child process: started, waited for until it answers, stopped.

use std::{
    fs::{self, File},
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail};
use conduit::wire::{API, path::TAGS};
use http::{Request, StatusCode};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout, Command},
    time::{sleep, timeout},
};

use crate::{
    load::{Body, Connections},
    probe,
    record::Arm,
    servers::{BACKEND, WORK},
};

/// How long a server may take to be ready, and then to answer.
const START_LIMIT: Duration = Duration::from_secs(20);

/// How long a server may take to drain before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Time between two questions whether a server answers: the resolution of "first 200".
const POLL: Duration = Duration::from_millis(1);

/// What is to be started.
#[derive(Clone, Debug)]
pub struct Launch<'a> {
    /// What the program is run by: another program and its flags; mostly nothing.
    pub under: &'a [String],
    /// The program.
    pub binary: &'a Path,
    /// Its name in messages and results.
    pub role: &'static str,
    /// Which system it belongs to.
    pub arm: Arm,
    /// What the program is to do: `serve` or `work`.
    pub command: &'static str,
    /// Flags behind that and `--listen 127.0.0.1:0`.
    pub args: Vec<String>,
    /// Its whole environment. Nothing is inherited: a `DATABASE_URL` that happens to be set must
    /// not decide what is measured.
    pub env: Vec<(&'a str, String)>,
    /// Where its stderr goes.
    pub log: PathBuf,
}

/// A server that answers. It is killed when this value goes.
#[derive(Debug)]
pub struct Server {
    child: Child,
    log: PathBuf,
    /// Its name in messages and results.
    pub role: &'static str,
    /// Which system it belongs to.
    pub arm: Arm,
    /// The process; also the number of its process group.
    pub pid: Pid,
    /// Where it listens.
    pub address: SocketAddr,
    /// From spawning to the ready line.
    pub ready: Duration,
    /// From spawning to the first 200.
    pub first_ok: Duration,
    /// Resident memory right after the first answer, MiB.
    pub resident_mib: f64,
}

/// A server on its way.
#[derive(Debug)]
pub struct Starting {
    child: Child,
    stdout: ChildStdout,
    started: Instant,
    role: &'static str,
    arm: Arm,
    log: PathBuf,
}

impl Launch<'_> {
    /// Starts the process, on the cores of the thread that calls.
    pub fn spawn(self) -> anyhow::Result<Starting> {
        let Self { under, binary, role, arm, command: what, args, env, log } = self;
        let stderr = File::create(&log).with_context(|| log.display().to_string())?;
        let started = Instant::now();
        let mut command = match under {
            [] => Command::new(binary),
            [program, flags @ ..] => {
                let mut command = Command::new(program);
                command.args(flags).arg(binary);
                command
            }
        };
        let mut child = command
            .args([what, "--listen", "127.0.0.1:0"])
            .args(args)
            .env_clear()
            .envs(env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            // Ctrl-C at the terminal goes to the lab's group; the lab then stops its servers.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let stdout = child.stdout.take().context("a child without the output it was given")?;
        Ok(Starting { child, stdout, started, role, arm, log })
    }
}

impl Starting {
    /// Waits for the ready line and then for the first answer.
    ///
    /// # Errors
    /// One line that names the server, when it ends or stays silent before it answers.
    pub async fn answer(self) -> anyhow::Result<Server> {
        let Self { mut child, stdout, started, role, arm, log } = self;
        let address = match timeout(START_LIMIT, ready_line(stdout)).await {
            Ok(Ok(Some(line))) => parse_ready(role, &line)?,
            Ok(_) => {
                let status = show(child.wait().await);
                bail!("{role} ended before it was ready ({status}): {}", last_line(&log));
            }
            Err(_elapsed) => bail!("{role} was not ready after {START_LIMIT:?}"),
        };
        let ready = started.elapsed();
        answered(role, address).await?;
        let first_ok = started.elapsed();
        let pid = Pid::from_raw(i32::try_from(child.id().context("it was not waited for")?)?);
        let resident_mib = probe::resident_mib(pid)?;
        Ok(Server { child, log, role, arm, pid, address, ready, first_ok, resident_mib })
    }
}

impl Server {
    /// Waits for the process to end by itself, which it must not do, and says so in one line.
    pub async fn death(&mut self) -> anyhow::Error {
        let status = self.child.wait().await;
        let last = last_line(&self.log);
        anyhow!("{} died during the run ({}): {last}", self.role, show(status))
    }

    /// SIGTERM, then the wait for an orderly end.
    ///
    /// # Errors
    /// When it doesn't end in time (it is killed then) or ends with an exit code other than 0.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        // A frozen process takes no signal but SIGKILL. Both calls fail if it is gone already.
        let _ = killpg(self.pid, Signal::SIGTERM);
        let _ = killpg(self.pid, Signal::SIGCONT);
        match timeout(STOP_LIMIT, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(status) => bail!(
                "{} did not stop in order ({}): {}",
                self.role,
                show(status),
                last_line(&self.log)
            ),
            Err(_elapsed) => {
                bail!("{} had not stopped {STOP_LIMIT:?} after SIGTERM", self.role)
            }
        }
    }
}

fn show(status: io::Result<ExitStatus>) -> String {
    status.map_or_else(|error| error.to_string(), |status| status.to_string())
}

async fn ready_line(stdout: ChildStdout) -> io::Result<Option<String>> {
    BufReader::new(stdout).lines().next_line().await
}

/// `ready http://ADDR:PORT role=ROLE`
fn parse_ready(role: &str, line: &str) -> anyhow::Result<SocketAddr> {
    let address = line.strip_prefix("ready http://").and_then(|rest| rest.split(' ').next());
    let address = address.and_then(|text| text.parse().ok());
    address.with_context(|| format!("{role} printed {line:?} instead of its ready line"))
}

/// Waits for a server's first right answer, to a question for which it needs all that it depends on.
///
/// # Errors
/// When there is none in time.
pub(crate) async fn answered(role: &str, address: SocketAddr) -> anyhow::Result<()> {
    let path = match role {
        BACKEND => format!("{API}{TAGS}"),
        WORK => "/readyz".to_owned(),
        _ => "/".to_owned(),
    };
    let connections = Connections::new(address);
    let deadline = Instant::now() + START_LIMIT;
    loop {
        let mut request = Request::new(Body::default());
        *request.uri_mut() = path.parse()?;
        let answer = match connections.send(request).await {
            Ok(answer) if answer.status == StatusCode::OK => return Ok(()),
            Ok(answer) => answer.status.to_string(),
            Err(trouble) => trouble.to_string(),
        };
        if Instant::now() > deadline {
            bail!("{role} is ready, but {path} was not answered in {START_LIMIT:?}: {answer}");
        }
        sleep(POLL).await;
    }
}

/// The last line that a server wrote to stderr: mostly the reason why it ended.
fn last_line(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let last = text.lines().rfind(|line| !line.trim().is_empty());
    last.unwrap_or("it said nothing on stderr").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A "server" written in shell: enough to see how the lab deals with its fate.
    fn script(dir: &Path, text: &str) -> PathBuf {
        let path = dir.join("server");
        let draft = dir.join("draft");
        fs::write(&draft, format!("#!/bin/sh\n{text}\n")).unwrap();
        // Copied by another process: a child that another test starts meanwhile would hold our own
        // descriptor of the file, and a file that is open for writing can't be executed.
        assert!(std::process::Command::new("cp").args([&draft, &path]).status().unwrap().success());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn launch<'a>(binary: &'a Path, dir: &Path) -> Launch<'a> {
        Launch {
            under: &[],
            binary,
            role: "monolith",
            arm: Arm::Monolith,
            command: "serve",
            args: Vec::new(),
            env: Vec::new(),
            log: dir.join("log"),
        }
    }

    #[tokio::test]
    async fn a_server_that_ends_at_once_is_named_with_its_last_words() {
        let dir = tempfile::tempdir().unwrap();
        let binary = script(dir.path(), "echo 'Error: --database-url: no such host' >&2; exit 1");
        let error =
            launch(&binary, dir.path()).spawn().unwrap().answer().await.unwrap_err().to_string();
        assert!(error.starts_with("monolith ended before it was ready"), "{error}");
        assert!(error.ends_with("Error: --database-url: no such host"), "{error}");
        assert!(!error.contains('\n'));
    }

    #[tokio::test]
    async fn a_server_that_prints_something_else_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let binary = script(dir.path(), "echo hello; exec sleep 60");
        let error =
            launch(&binary, dir.path()).spawn().unwrap().answer().await.unwrap_err().to_string();
        assert!(error.contains("hello"), "{error}");
    }

    /// A real server behind the ready line of a script, so that there is a process to freeze.
    async fn started(dir: &Path, before: &str, after: &str) -> Server {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = axum::Router::new().route("/", axum::routing::get(|| async { "hello" }));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let binary =
            script(dir, &format!("{before}; echo 'ready http://{address} role=monolith'; {after}"));
        launch(&binary, dir).spawn().unwrap().answer().await.unwrap()
    }

    #[tokio::test]
    async fn a_server_that_dies_later_is_named_too() {
        let dir = tempfile::tempdir().unwrap();
        let mut server = started(dir.path(), "true", "exec sleep 600").await;
        assert!(server.ready <= server.first_ok);
        killpg(server.pid, Signal::SIGKILL).unwrap();
        let error = server.death().await.to_string();
        assert!(error.starts_with("monolith died during the run (signal: 9"), "{error}");
    }

    #[tokio::test]
    async fn a_frozen_server_can_be_stopped_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let server =
            started(dir.path(), "trap 'exit 0' TERM", "while :; do sleep 0.01; done").await;
        let pid = server.pid;
        killpg(pid, Signal::SIGSTOP).unwrap();
        // `D`: the shell waits for a child that was frozen before it became `sleep`.
        while !matches!(probe::state(pid), Some('T' | 'D')) {
            tokio::task::yield_now().await;
        }
        server.stop().await.unwrap();
        assert_eq!(probe::state(pid), None);
    }
}
