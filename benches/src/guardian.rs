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
//! PostgreSQL writes over its environment, so such processes are named on the pipe.

use std::{
    env, fs,
    io::{self, BufRead, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::{Pid, setsid},
};

use crate::probe;

/// The environment variable that marks a run's processes.
const MARK: &str = "CONDUIT_LAB_RUN";

/// How long a process that was asked to end may take before it is killed.
const GRACE: Duration = Duration::from_secs(3);

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
        Self::start_program(&env::current_exe()?)
    }

    fn start_program(lab: &Path) -> anyhow::Result<Self> {
        let mark = format!("{}-{}", std::process::id(), chrono::Utc::now().timestamp_micros());
        let mut process = Command::new(lab)
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

    /// Has `directory` removed at the end, after all processes have ended.
    pub fn remove_at_end(&mut self, directory: &Path) -> anyhow::Result<()> {
        self.tell(&format!("directory {}", directory.display()))
    }

    /// Has a process ended with this run that does not keep its environment, politely first.
    pub fn end_at_end(&mut self, pid: Pid) -> anyhow::Result<()> {
        self.tell(&format!("process {pid}"))
    }

    fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        let pipe = self.pipe.as_mut().context("the guardian was dismissed")?;
        writeln!(pipe, "{line}").context("the guardian process is gone")
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

    let mut directories = Vec::new();
    let mut processes = Vec::new();
    for line in io::stdin().lock().lines() {
        // A lab that was killed in the middle of a line leaves half of one; nothing follows it.
        let Ok(line) = line else { break };
        match line.split_once(' ') {
            Some(("directory", path)) => directories.push(PathBuf::from(path)),
            Some(("process", pid)) => processes.extend(pid.parse().map(Pid::from_raw)),
            _ => {}
        }
    }
    end_processes(&processes);
    end_marked(mark)?;
    for directory in directories {
        // It may be gone already.
        let _ = fs::remove_dir_all(directory);
    }
    Ok(())
}

/// Ends PostgreSQL servers: "immediate shutdown" ends their children too and frees shared memory,
/// which killing would not.
fn end_processes(processes: &[Pid]) {
    for pid in processes {
        let _ = kill(*pid, Signal::SIGQUIT);
    }
    let deadline = Instant::now() + GRACE;
    for pid in processes {
        while is_alive(*pid) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        let _ = kill(*pid, Signal::SIGKILL);
    }
}

/// Kills everything that carries the mark until nothing is left that does: a process may have
/// started another one just before it was killed.
fn end_marked(mark: &str) -> io::Result<()> {
    let entry = format!("{MARK}={mark}");
    let deadline = Instant::now() + GRACE;
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

fn is_alive(pid: Pid) -> bool {
    kill(pid, None) != Err(Errno::ESRCH)
}
