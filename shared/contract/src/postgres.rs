//! A PostgreSQL server of one's own, made of the installed binaries: for tests, and for
//! measurements that nobody else's work should disturb.
//!
//! A small shell script keeps watch over the server. It makes it, waits for the end of its standard
//! input, and then stops it and removes its files. The other end of that input is held by this
//! process, and the operating system lets go of it in whichever way the process ends, `kill -9`
//! included.

use std::{
    env, fs,
    hash::{BuildHasher, Hasher, RandomState},
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, bail};
use in_process::{DatabaseUrl, provision};
use nix::unistd::{User, geteuid};

/// The environment variable with the URL of a server to use instead of a private one.
pub const OVERRIDE: &str = "TEST_POSTGRES_URL";

/// The environment variable that turns "ignored: needs PostgreSQL" into a failure.
pub const REQUIRE: &str = "CONDUIT_REQUIRE_ALL";

/// The arguments: a directory of its own, the directory of PostgreSQL's programs, and what to add to
/// the configuration.
const WATCH: &str = r#"
# Whoever waits for "ready" may be gone; to stop and clean up is all the more important then.
trap '' PIPE
trap '"$2/pg_ctl" stop -s -m immediate -D "$1/data" >/dev/null 2>&1; rm -rf -- "$1"' EXIT
{
    "$2/initdb" -D "$1/data" --username=conduit --auth=trust --encoding=UTF8 --locale=C \
        --no-sync --no-instructions &&
    printf '%s\n' "$3" >>"$1/data/postgresql.conf" &&
    "$2/pg_ctl" start -w -D "$1/data" -l "$1/log"
} </dev/null >"$1/out" 2>&1 || { cat "$1/out" "$1/log" >&2; exit 1; }
echo ready
cat >/dev/null
"#;

/// What a server is told that does not have to wait for the disk.
const CARELESS: &str = "
        fsync = off
        synchronous_commit = off
        full_page_writes = off";

/// How often another port is tried, when somebody else was quicker to take the first.
const ATTEMPTS: usize = 5;

/// A PostgreSQL server that ends with its owner.
pub struct PrivateServer {
    url: DatabaseUrl,
    own: Option<Own>,
}

/// What there is to know about a server that was started here.
struct Own {
    watch: Child,
    folder: PathBuf,
    programs: PathBuf,
}

impl PrivateServer {
    /// Starts a server, which takes a second or two, or takes the one that the environment variable
    /// [`OVERRIDE`] names. `None` when PostgreSQL is not installed.
    ///
    /// Everyone on this host may connect to it. It does not wait for the disk, so its data does not
    /// survive a power failure, nor does it have to.
    ///
    /// # Errors
    /// When PostgreSQL is installed and does not start; with what it said.
    pub fn start() -> Result<Option<Self>> {
        Self::start_with(CARELESS)
    }

    /// The same, and it waits for the disk, as it would if nobody had told it otherwise: for
    /// measurements that a commit's cost is a part of.
    ///
    /// # Errors
    /// Those of [`start`](Self::start).
    pub fn start_durable() -> Result<Option<Self>> {
        Self::start_with("")
    }

    fn start_with(settings: &str) -> Result<Option<Self>> {
        if let Some(url) = env::var(OVERRIDE).ok().filter(|url| !url.is_empty()) {
            return Ok(Some(Self { url: url.into(), own: None }));
        }
        let Some(programs) = programs() else { return Ok(None) };
        let mut attempt = 1;
        loop {
            match start_at(&programs, free_port()?, settings) {
                Err(_) if attempt < ATTEMPTS => attempt += 1,
                other => return other.map(Some),
            }
        }
    }

    /// The address of the server's database `postgres`.
    pub fn url(&self) -> &str {
        self.url.expose()
    }

    /// Whether it was started here, and so ends with this process, databases included.
    pub fn is_private(&self) -> bool {
        self.own.is_some()
    }

    /// The number of the server's first process; `None` when it was not started here.
    pub fn pid(&self) -> Option<u32> {
        let file = self.own.as_ref()?.data().join("postmaster.pid");
        fs::read_to_string(file).ok()?.lines().next()?.trim().parse().ok()
    }

    /// Creates an empty database and returns its address.
    ///
    /// # Errors
    /// When the server refuses, for example because there is one of that name.
    pub async fn create_database(&self, name: &str) -> Result<String> {
        self.create(name, None).await
    }

    /// Creates a database that begins as a copy of another one, which nobody is connected to.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn copy_database(&self, template: &str, name: &str) -> Result<String> {
        self.create(name, Some(template)).await
    }

    async fn create(&self, name: &str, template: Option<&str>) -> Result<String> {
        let url = provision::create_database(&self.url, name, template).await;
        Ok(url.with_context(|| format!("creating the database {name}"))?.expose().to_owned())
    }

    /// Drops a database, and disconnects whoever uses it.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn drop_database(&self, name: &str) -> Result<()> {
        Ok(provision::drop_database(&self.url, name).await?)
    }

    /// Stops the server and keeps its data, as an operator would who restarts it.
    ///
    /// # Errors
    /// When it was not started here, or does not stop.
    pub fn stop(&self) -> Result<()> {
        self.control(&["stop", "-m", "fast"])
    }

    /// Starts a stopped server again, at the same address.
    ///
    /// # Errors
    /// When it was not started here, or does not start.
    pub fn start_again(&self) -> Result<()> {
        self.control(&["start"])
    }

    fn control(&self, action: &[&str]) -> Result<()> {
        let own = self.own.as_ref().context("not a server of ours")?;
        let status = as_server_user(&own.programs.join("pg_ctl"))?
            .args(action)
            .args(["-s", "-w", "-D"])
            .arg(own.data())
            .arg("-l")
            .arg(own.folder.join("log"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()?;
        if !status.success() {
            bail!("pg_ctl {} failed: {status}", action.join(" "));
        }
        Ok(())
    }
}

impl Own {
    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // The end of its input is the script's sign to clean up; it is done in a moment.
        drop(self.watch.stdin.take());
        let _already_gone = self.watch.wait();
    }
}

fn start_at(programs: &Path, port: u16, settings: &str) -> Result<PrivateServer> {
    // The script removes the folder, also when this process can't any more.
    let folder = tempfile::Builder::new().prefix("conduit-postgres-").tempdir()?.keep();
    if let Some(user) = server_user()? {
        chown(&folder, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
    }
    let mut watch = as_server_user(Path::new("sh"))?
        .args(["-c", WATCH, "conduit-postgres"])
        .arg(&folder)
        .arg(programs)
        .arg(configuration(port, &folder, settings))
        .env("LC_ALL", "C")
        .current_dir("/")
        // So that Ctrl-C in the terminal reaches us and not the script, which has to outlive us.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting a shell to watch over PostgreSQL")?;

    let stdout = watch.stdout.take().context("the shell's output")?;
    let stderr = watch.stderr.take().context("the shell's errors")?;
    let own = Own { watch, folder, programs: programs.to_owned() };
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    if line.trim() != "ready" {
        let mut said = String::new();
        BufReader::new(stderr).read_to_string(&mut said)?;
        bail!("PostgreSQL did not start: {}", said.trim());
    }
    let url = format!("postgres://conduit@127.0.0.1:{port}/postgres");
    Ok(PrivateServer { url: url.into(), own: Some(own) })
}

fn configuration(port: u16, folder: &Path, settings: &str) -> String {
    let folder = folder.display();
    format!(
        "port = {port}
        listen_addresses = '127.0.0.1'
        unix_socket_directories = '{folder}'
        max_connections = 200
        {settings}"
    )
}

/// PostgreSQL refuses to run as root, so root runs it as somebody without rights.
fn server_user() -> Result<Option<User>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let Some(user) = User::from_name(name)? {
            return Ok(Some(user));
        }
    }
    bail!("PostgreSQL does not run as root, and there is no user postgres or nobody")
}

fn as_server_user(program: &Path) -> Result<Command> {
    let mut command = Command::new(program);
    if let Some(user) = server_user()? {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    Ok(command)
}

/// The directory of PostgreSQL's programs: the first in `PATH` that has them, or the newest of those
/// that Debian keeps outside of it. `None` when PostgreSQL is not installed.
pub fn programs() -> Option<PathBuf> {
    let in_path: Vec<_> = env::split_paths(&env::var_os("PATH")?).collect();
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
        })
        .collect();
    versions.sort();
    let newest_first = versions.into_iter().rev().map(|(_, folder)| folder);
    let has_all = |folder: &PathBuf| {
        ["initdb", "pg_ctl", "postgres"].iter().all(|program| folder.join(program).is_file())
    };
    in_path.into_iter().chain(newest_first).find(has_all)
}

/// Below those that systems give away by themselves (Linux: from 32768): a server that was stopped
/// would else find, when it starts again, that somebody's outgoing connection has its port.
fn free_port() -> Result<u16> {
    let mut refused = None;
    for _ in 0..ATTEMPTS {
        let port = 20_000 + u16::try_from(RandomState::new().build_hasher().finish() % 12_000)?;
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(_free_until_here) => return Ok(port),
            Err(error) => refused = Some(error),
        }
    }
    bail!("no free port: {}", refused.map_or_else(String::new, |error| error.to_string()))
}

#[cfg(test)]
#[path = "postgres_tests.rs"]
mod tests;
