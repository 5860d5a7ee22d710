//! Who counts a process's system calls: `perf` where it may use the kernel's tracepoints, for it stops
//! nobody; else `strace`, under which each call stops the process twice. The counts are of the same
//! kind, but a server that is slower may wait more often.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{self, Stdio},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use nix::{
    sys::{
        signal::{Signal, kill},
        stat::Mode,
    },
    unistd::{Pid, geteuid, mkfifo},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::unix::pipe,
    process::{Child, Command},
    time::timeout,
};

/// A program that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tracer {
    /// By tracepoints. Needs root, or `kernel.perf_event_paranoid` at -1 and a readable tracefs.
    Perf,
    /// By ptrace. Needs no rights over one's own processes.
    Strace,
}

/// How long it may take to begin, and to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// What an event of perf begins with that is one kind of system call.
const EVENTS: &str = "syscalls:sys_enter_";

/// The event that all kinds together are.
const ALL: &str = "raw_syscalls:sys_enter";

/// The kinds that perf tells apart: those that a server makes while it serves. To have it count all 350
/// that there are takes it many seconds to begin and to end.
const KINDS: [&str; 27] = [
    "accept4",
    "close",
    "clock_nanosleep",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_wait",
    "fcntl",
    "fdatasync",
    "futex",
    "lseek",
    "madvise",
    "mmap",
    "munmap",
    "newfstat",
    "newfstatat",
    "openat",
    "ppoll",
    "pread64",
    "pwrite64",
    "read",
    "readv",
    "recvfrom",
    "recvmsg",
    "sched_yield",
    "sendto",
    "write",
    "writev",
];

/// Where the kernel may list its events. Not every machine has every kind.
const LISTS: [&str; 2] = ["/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events"];

/// All other kinds together, among [`Calls`].
pub(crate) const OTHERS: &str = "others";

/// System calls by name.
pub(super) type Calls = BTreeMap<String, u64>;

/// A tracer that is attached to a process. It goes with this value.
pub(super) struct Tracing {
    child: Child,
    counts: PathBuf,
    /// How perf is told what to do, and says that it has done it.
    control: Option<(pipe::Sender, pipe::Receiver)>,
}

impl Tracer {
    /// The best one that works here.
    ///
    /// # Errors
    /// One line, when there is none.
    pub(super) fn find() -> anyhow::Result<Self> {
        [Self::Perf, Self::Strace].into_iter().find(|it| it.works()).context(
            "strace can't be used: it is not installed (Debian: apt-get install strace), or may not \
             look at other processes (kernel.yama.ptrace_scope is not 0); nor can perf: it needs root",
        )
    }

    /// Whether it is installed and may count.
    pub(super) fn works(self) -> bool {
        let event = format!("{EVENTS}read");
        let trial: &[&str] = match self {
            Self::Perf => &["stat", "-e", &event, "true"],
            Self::Strace => &["-c", "true"],
        };
        let tried = process::Command::new(self.name()).args(trial).stdin(Stdio::null()).output();
        tried.is_ok_and(|answer| answer.status.success()) && (self == Self::Perf || may_attach())
    }

    /// Its name, which is that of the program.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Perf => "perf",
            Self::Strace => "strace",
        }
    }

    /// Attaches it to all threads of a process, those to come included, and begins to count. What it
    /// leaves lies in `dir`; the tracer carries the run's `mark`.
    ///
    /// # Errors
    /// One line, with what the tracer had to say.
    pub(super) async fn begin(
        self,
        pid: Pid,
        dir: &Path,
        (name, mark): (&str, &str),
    ) -> anyhow::Result<Tracing> {
        let at = |what: &str| dir.join(format!("{}-{pid}.{what}", self.name()));
        let counts = at("counts");
        let mut command = Command::new(self.name());
        let control = match self {
            Self::Perf => {
                let [orders, answers] = ["orders", "answers"].map(at);
                for pipe in [&orders, &answers] {
                    mkfifo(pipe, Mode::S_IRUSR | Mode::S_IWUSR)?;
                }
                let mut open = pipe::OpenOptions::new();
                // Both ends, so that neither side has to be there first.
                open.read_write(true);
                let ends = (open.open_sender(&orders)?, open.open_receiver(&answers)?);
                command.args(["stat", "-x,", "-D", "-1", "-e"]).arg(events());
                command.arg(format!("--control=fifo:{},{}", orders.display(), answers.display()));
                Some(ends)
            }
            Self::Strace => {
                command.args(["-f", "-c"]);
                None
            }
        };
        let child = command
            .arg("-o")
            .arg(&counts)
            .args(["-p", &pid.to_string()])
            .env(name, mark)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", self.name()))?;
        let mut tracing = Tracing { child, counts, control };
        let begun = timeout(PATIENCE, tracing.attached()).await;
        begun.with_context(|| format!("{} did not begin in {PATIENCE:?}", self.name()))??;
        Ok(tracing)
    }
}

impl Tracing {
    async fn attached(&mut self) -> anyhow::Result<()> {
        if self.control.is_some() {
            return self.order("enable").await;
        }
        let stderr = self.child.stderr.as_mut().context("a child without its stderr")?;
        let mut line = String::new();
        BufReader::new(stderr).read_line(&mut line).await?;
        ensure!(line.contains("attached"), "strace: {}", line.trim());
        Ok(())
    }

    /// Gives perf an order, and waits until it has been carried out.
    async fn order(&mut self, what: &str) -> anyhow::Result<()> {
        let (orders, answers) = self.control.as_mut().context("only perf takes orders")?;
        orders.write_all(format!("{what}\n").as_bytes()).await?;
        // It answers `ack`, with an end of line and, in some versions, a zero.
        let mut seen = Vec::new();
        let done = async {
            while !seen.contains(&b'\n') {
                answers.read_buf(&mut seen).await?;
            }
            anyhow::Ok(())
        };
        tokio::select! {
            done = done => done,
            _ = self.child.wait() => bail!("perf: {}", said(&mut self.child).await),
        }
    }

    /// Ends it, and gives what it has counted.
    ///
    /// # Errors
    /// One line, when there are no counts.
    pub(super) async fn end(mut self) -> anyhow::Result<Calls> {
        let ended = async {
            if self.control.is_some() {
                self.order("disable").await?;
            }
            let pid = self.child.id().context("the tracer has ended by itself")?;
            kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGINT)?;
            self.child.wait().await?;
            anyhow::Ok(())
        };
        timeout(PATIENCE, ended).await.context("the tracer does not end")??;
        let text = fs::read_to_string(&self.counts).unwrap_or_default();
        let calls = if self.control.is_some() { of_perf(&text) } else { of_strace(&text) };
        match calls {
            Some(calls) => Ok(calls),
            None => bail!("the tracer left no counts: {}", said(&mut self.child).await),
        }
    }
}

/// What a tracer that has ended had to say, in one line.
async fn said(tracer: &mut Child) -> String {
    let mut text = String::new();
    if let Some(stderr) = tracer.stderr.as_mut() {
        // What can't be read was not said.
        let _ = stderr.read_to_string(&mut text).await;
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether one may trace processes that are not one's own children. Where the kernel has no rule about
/// it, one may.
fn may_attach() -> bool {
    let rule = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
    geteuid().is_root() || rule.map_or(true, |rule| rule.trim() == "0")
}

/// What perf is to count.
fn events() -> String {
    let lists = LISTS.map(|list| Path::new(list).join("syscalls"));
    let list = lists.iter().find(|list| list.exists());
    let is_there =
        |kind: &&&str| list.is_none_or(|it| it.join(format!("sys_enter_{kind}")).exists());
    let kinds = KINDS.iter().filter(is_there).map(|kind| format!("{EVENTS}{kind}"));
    kinds.chain([ALL.to_owned()]).collect::<Vec<_>>().join(",")
}

/// From lines like `12,,syscalls:sys_enter_futex,99,100.00,,`.
fn of_perf(text: &str) -> Option<Calls> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let calls = lines.map(|line| {
        let mut fields = line.split(',');
        let count: u64 = fields.next()?.parse().ok()?;
        let event = fields.nth(1)?;
        Some((event.strip_prefix(EVENTS).unwrap_or(event).to_owned(), count))
    });
    let mut calls: Calls = calls.collect::<Option<_>>()?;
    let all = calls.remove(ALL)?;
    let others = all.saturating_sub(calls.values().sum());
    calls.insert(OTHERS.to_owned(), others);
    calls.retain(|_, count| *count > 0);
    (!calls.is_empty()).then_some(calls)
}

/// From a table with the columns `% time`, `seconds`, `usecs/call`, `calls`, `errors` (may be empty)
/// and `syscall`, between two rules.
fn of_strace(text: &str) -> Option<Calls> {
    let rows = text.lines().skip_while(|line| !line.starts_with("---")).skip(1);
    let rows = rows.take_while(|line| !line.starts_with("---"));
    let calls = rows.map(|row| {
        let fields: Vec<&str> = row.split_whitespace().collect();
        Some(((*fields.last()?).to_owned(), fields.get(3)?.parse().ok()?))
    });
    calls.collect::<Option<Calls>>().filter(|calls| !calls.is_empty())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn the_counts_of_both_are_read() {
        let perf = "# started on a day\n\n0,,syscalls:sys_enter_mmap,9,100.00,,\n\
                    12,,syscalls:sys_enter_futex,9,100.00,,\n15,,raw_syscalls:sys_enter,9,100.00,,\n";
        let two = [("futex".to_owned(), 12), ("others".to_owned(), 3)];
        assert_eq!(of_perf(perf), Some(two.into()));
        assert_eq!(of_perf("<not counted>,,syscalls:sys_enter_read,0,100.00,,\n"), None);
        let strace = "% time     seconds  usecs/call     calls    errors syscall\n\
                      ------ ----------- ----------- --------- --------- ----------------\n \
                      93.10    0.000027           2        10         3 futex\n  \
                      6.90    0.000002           2         1           write\n\
                      ------ ----------- ----------- --------- --------- ----------------\n\
                      100.00    0.000029           2        11         3 total\n";
        let two = [("futex".to_owned(), 10), ("write".to_owned(), 1)];
        assert_eq!(of_strace(strace), Some(two.into()));
        assert_eq!(of_strace(""), None);
    }

    /// `cat` writes a line for each that it reads.
    #[tokio::test]
    async fn each_tracer_counts_what_a_process_does() {
        let tracers = [Tracer::Perf, Tracer::Strace].into_iter().filter(|it| it.works());
        let tracers: Vec<_> = tracers.collect();
        if tracers.is_empty() {
            let required = std::env::var_os("CONDUIT_REQUIRE_ALL").is_some_and(|it| it == "1");
            assert!(!required, "{:?}", Tracer::find());
            println!("ignored: needs perf or strace");
            return;
        }
        for tracer in tracers {
            let dir = tempfile::tempdir().unwrap();
            let mut cat = process::Command::new("cat")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let (mut to, mut from) = (cat.stdin.take().unwrap(), cat.stdout.take().unwrap());
            let mut line = || {
                to.write_all(b"x\n").unwrap();
                from.read_exact(&mut [0; 2]).unwrap();
            };
            line();
            let pid = Pid::from_raw(i32::try_from(cat.id()).unwrap());
            let tracing = tracer.begin(pid, dir.path(), ("LAB_TEST", "x")).await.unwrap();
            for _ in 0..10 {
                line();
            }
            let calls = tracing.end().await.unwrap();
            // A call that is not yet back when it ends is counted by perf alone.
            assert!((9..=10).contains(&calls["write"]), "{}: {calls:?}", tracer.name());
            // And the read after the last write may only come after that end.
            assert!(calls["read"] >= 9, "{}: {calls:?}", tracer.name());
            drop(to);
            cat.wait().unwrap();
        }
    }
}
