//! Nothing may be left behind when the lab ends, in whatever way: done, Ctrl-C, panic, `kill -9`.
//! A process that has been killed can't clean up after itself, so the lab starts a second process
//! that does nothing but wait for its end.
//!
//! The two are connected by a pipe whose writing end only the lab holds. When the lab ends the
//! kernel closes it; the guardian reads end-of-file, kills what is left and removes the temporary
//! directories. The orderly end goes the same way, so the way out is exercised by every run.
//!
//! What is left? Every process that the lab starts carries the run's mark in its environment, as
//! do its own children, and any process can read that in `/proc/PID/environ`. Unlike a list of
//! process numbers the mark has no gap between starting a process and writing its number down, and
//! no danger of hitting a stranger who was given an old number: a child that has not yet got its
//! new program still holds a copy of the pipe, so there is no end-of-file before it can be found.
//! (A private PostgreSQL server is watched over in the same manner by whoever starts it.)

use std::{
    fs,
    io::{self, BufRead, Read, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use in_process::{DatabaseUrl, provision};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, setsid},
};

use crate::{
    fleet::quota::{self, Quotas},
    probe, servers,
};

/// The environment variable that marks a run's processes.
const MARK: &str = "CONDUIT_LAB_RUN";

/// How long to go on killing what still turns up.
const PATIENCE: Duration = Duration::from_secs(3);

/// The lab's end of the pipe. Dropping it ends everything that was started under its mark, and
/// returns when that is done.
#[derive(Debug)]
pub struct Guardian {
    process: Child,
    pipe: Option<ChildStdin>,
    mark: String,
}

impl Guardian {
    /// Starts the guardian and waits until it is on guard.
    pub fn start() -> anyhow::Result<Self> {
        let mark = format!("{}-{}", std::process::id(), chrono::Utc::now().timestamp_micros());
        let mut process = Command::new(servers::this_program()?)
            .args(["guardian", &mark])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .context("cannot start the guardian process")?;
        let pipe = process.stdin.take();
        let mut ready = [0; 1];
        let answer = process.stdout.take().context("the guardian has no output")?.read(&mut ready);
        match answer {
            Ok(1) => Ok(Self { process, pipe, mark }),
            _ => bail!("the guardian process ended before it was on guard"),
        }
    }

    /// The environment variable that a process must be started with to be ended with this run.
    pub fn mark(&self) -> (&'static str, &str) {
        (MARK, &self.mark)
    }

    /// Makes a temporary directory that is removed at the end, after all processes have ended.
    pub fn temporary_directory(&mut self) -> anyhow::Result<PathBuf> {
        let directory = tempfile::Builder::new().prefix("conduit-lab-").tempdir()?;
        let path = directory.path().to_str().context("TMPDIR is no UTF-8")?;
        self.tell(&format!("directory {path}"))?;
        Ok(directory.keep())
    }

    /// Has the control groups of a run removed at the end, after all processes have ended. What was
    /// frozen in them is let go before: a frozen process does not even die.
    pub fn remove_groups_at_end(&mut self, quotas: &Quotas) -> anyhow::Result<()> {
        for directory in quotas.directories() {
            let path = directory.to_str().context("a control group whose path is no UTF-8")?;
            self.tell(&format!("group {path}"))?;
        }
        Ok(())
    }

    /// Has a database of a PostgreSQL server that is not ours dropped at the end.
    pub fn drop_at_end(&mut self, server: &DatabaseUrl, database: &str) -> anyhow::Result<()> {
        self.tell(&format!("database {database} {}", server.expose()))
    }

    /// Takes back [`Self::drop_at_end`]: there is no such database.
    pub fn need_not_drop(&mut self, database: &str) -> anyhow::Result<()> {
        self.tell(&format!("no-database {database}"))
    }

    fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        let pipe = self.pipe.as_mut().context("the guardian was dismissed")?;
        pipe.write_all(format!("{line}\n").as_bytes()).context("the guardian process is gone")
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        self.pipe = None;
        // If it died there is nothing more to be done here.
        let _ = self.process.wait();
    }
}

/// The guardian's own life: `lab guardian MARK`.
pub fn stand(mark: &str) -> anyhow::Result<()> {
    // A session of its own: Ctrl-C at the terminal and its closing reach the lab, not us.
    setsid().context("`lab guardian` is started by the lab itself")?;
    io::stdout().write_all(b".")?;
    io::stdout().flush()?;

    let mut duties = Duties::default();
    let mut lab = io::stdin().lock();
    let mut line = String::new();
    while lab.read_line(&mut line).is_ok_and(|length| length > 0) {
        // Without its end a line may be the beginning of another path than was meant.
        if let Some(whole) = line.strip_suffix('\n') {
            duties.take(whole);
        }
        line.clear();
    }
    duties.groups.iter().for_each(|group| quota::thaw(group));
    end_marked(mark)?;
    if let Err(error) = quota::clear(&duties.groups) {
        eprintln!("a control group is left behind: {error}");
    }
    duties.drop_databases();
    for directory in &duties.directories {
        // It may be gone already.
        let _ = fs::remove_dir_all(directory);
    }
    Ok(())
}

/// What the lab has named on the pipe.
#[derive(Debug, Default)]
struct Duties {
    directories: Vec<PathBuf>,
    groups: Vec<PathBuf>,
    databases: Vec<(String, DatabaseUrl)>,
}

impl Duties {
    fn take(&mut self, line: &str) {
        match line.split_once(' ') {
            Some(("directory", path)) => self.directories.push(PathBuf::from(path)),
            Some(("group", path)) => self.groups.push(PathBuf::from(path)),
            Some(("database", named)) => {
                let (name, server) = named.split_once(' ').unwrap_or_default();
                self.databases.push((name.to_owned(), DatabaseUrl::from(server.to_owned())));
            }
            Some(("no-database", name)) => self.databases.retain(|(known, _)| known != name),
            _ => {}
        }
    }

    /// Nobody waits for the guardian any more, so what can't be dropped is said, and stays.
    fn drop_databases(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let (false, Ok(runtime)) = (self.databases.is_empty(), runtime) else { return };
        for (name, server) in &self.databases {
            let dropped = runtime.block_on(provision::drop_database(server, name));
            if let Err(error) = dropped {
                eprintln!("the database {name} is left behind: {error}");
            }
        }
    }
}

/// Kills everything that carries the mark until nothing is left that does: a process may have
/// started another one just before it was killed.
fn end_marked(mark: &str) -> io::Result<()> {
    let entry = format!("{MARK}={mark}");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left: Vec<Pid> =
            probe::processes()?.into_iter().filter(|pid| carries(*pid, &entry)).collect();
        if left.is_empty() || Instant::now() > deadline {
            return Ok(());
        }
        for pid in left {
            let _ = kill(pid, Signal::SIGKILL);
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn carries(pid: Pid, entry: &str) -> bool {
    // Unreadable means another user's: not ours. Zombies have no environment any more.
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == entry.as_bytes())
}
