//! What processes cost: CPU to the nanosecond, resident memory, and what the rest of the machine
//! did meanwhile.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::Context;
use nix::{
    time::{ClockId, clock_gettime},
    unistd::{Pid, getpid},
};
use serde::{Deserialize, Serialize};

/// Ticks per second in `/proc`: fixed at 100 towards programs, whatever the kernel uses itself.
const USER_HZ: f64 = 100.0;

/// How a process's CPU is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The process with all its threads, also those that have ended.
    Process,
    /// The process, its children, and the children that have ended: PostgreSQL serves each
    /// connection in a process of its own.
    Tree,
}

/// A process to be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Under which name its figures are kept. Figures of the same name are added up.
    pub name: String,
    /// The process.
    pub pid: Pid,
    /// What belongs to it.
    pub scope: Scope,
}

/// Under which name the figures of the lab's own process are kept.
pub const GENERATOR: &str = "generator";

impl Watched {
    /// The lab itself, which generates the load.
    pub fn generator() -> Self {
        Self { name: GENERATOR.to_owned(), pid: getpid(), scope: Scope::Process }
    }
}

/// Readings at one moment.
#[derive(Clone, Debug)]
pub struct Reading {
    at: Instant,
    cpu_ms: BTreeMap<String, f64>,
    machine: Ticks,
}

/// What happened between two readings.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    /// Name → CPU, user and system, milliseconds.
    pub cpu_ms: BTreeMap<String, f64>,
    /// CPU used by everyone who was not watched, as a share of all cores.
    pub foreign_cpu: f64,
    /// Time stolen by the hypervisor, as a share of all cores.
    pub steal: f64,
}

/// The machine's CPU time since boot, in units of 1/`USER_HZ` seconds, all cores together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ticks {
    cores: usize,
    busy: u64,
    steal: u64,
}

/// Reads all clocks. Fails when a watched process is gone.
pub fn read(watched: &[Watched]) -> anyhow::Result<Reading> {
    let mut cpu_ms = BTreeMap::new();
    for process in watched {
        let used = match process.scope {
            Scope::Process => process_cpu_ms(process.pid),
            Scope::Tree => tree_cpu_ms(process.pid),
        };
        let used = used.with_context(|| format!("cannot read the CPU time of {}", process.name))?;
        *cpu_ms.entry(process.name.clone()).or_default() += used;
    }
    Ok(Reading { at: Instant::now(), cpu_ms, machine: machine_ticks()? })
}

impl Reading {
    /// What happened since this reading until `later`.
    pub fn until(&self, later: &Reading) -> Usage {
        let cpu_ms: BTreeMap<_, _> = later
            .cpu_ms
            .iter()
            .map(|(name, used)| {
                let before = self.cpu_ms.get(name).copied().unwrap_or_default();
                (name.clone(), (used - before).max(0.0))
            })
            .collect();
        let ours = cpu_ms.values().sum::<f64>();
        let all = later.at.duration_since(self.at).as_secs_f64() * 1e3 * later.machine.cores as f64;
        let busy = ticks_ms(later.machine.busy.saturating_sub(self.machine.busy));
        let steal = ticks_ms(later.machine.steal.saturating_sub(self.machine.steal));
        let share = |ms: f64| if all > 0.0 { (ms / all).clamp(0.0, 1.0) } else { 0.0 };
        Usage { cpu_ms, foreign_cpu: share(busy - ours), steal: share(steal) }
    }
}

/// CPU of one process, user and system, from the kernel's own clock for it. The figures in
/// `/proc/PID/stat` are the same time, rounded to 10 ms. One that has ended has its account until
/// somebody waits for it.
pub(crate) fn process_cpu_ms(pid: Pid) -> anyhow::Result<f64> {
    let clock = ClockId::pid_cpu_clock_id(pid)?;
    let time = clock_gettime(clock)?;
    Ok(time.tv_sec() as f64 * 1e3 + time.tv_nsec() as f64 / 1e6)
}

/// CPU of a process, its living children, and, from `/proc/PID/stat`, the ended ones.
fn tree_cpu_ms(root: Pid) -> anyhow::Result<f64> {
    let stat = Stat::read(root)?;
    let mut total = process_cpu_ms(root)? + ticks_ms(stat.ended_children);
    for child in children(root)? {
        // One that ended since the listing is among the ended ones next time.
        total += process_cpu_ms(child).unwrap_or_default();
    }
    Ok(total)
}

fn children(parent: Pid) -> io::Result<Vec<Pid>> {
    let of_parent = |pid: &Pid| Stat::read(*pid).is_ok_and(|stat| stat.parent == parent);
    Ok(processes()?.into_iter().filter(of_parent).collect())
}

/// Every process of the machine that can be seen.
pub fn processes() -> io::Result<Vec<Pid>> {
    let entries = fs::read_dir("/proc")?.flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(numbers.map(Pid::from_raw).collect())
}

/// What a process is doing (`R` running, `S` sleeping, `T` stopped, `Z` ended but not waited for,
/// …); `None` when there is no such process.
pub fn state(pid: Pid) -> Option<char> {
    Stat::read(pid).ok().map(|stat| stat.state)
}

/// The fields of `/proc/PID/stat` that are of use here (proc_pid_stat(5)).
struct Stat {
    parent: Pid,
    /// User and system time of children that ended and were waited for, in 1/`USER_HZ` seconds.
    ended_children: u64,
    /// See [`state`].
    state: char,
}

impl Stat {
    fn read(pid: Pid) -> anyhow::Result<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat"))?)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        // The second field, the name, is in parentheses and may hold spaces and parentheses.
        let (_, rest) = text.rsplit_once(") ").context("no process name in stat")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        // `rest` begins with field 3 of the manual page.
        let field = |number: usize| -> anyhow::Result<i64> {
            Ok(fields.get(number - 3).context("stat is too short")?.parse()?)
        };
        Ok(Self {
            parent: Pid::from_raw(i32::try_from(field(4)?)?),
            ended_children: u64::try_from(field(16)? + field(17)?)?,
            state: rest.chars().next().context("no state in stat")?,
        })
    }
}

/// How often the threads of a process that live now have given up their core to wait, since each
/// began.
pub fn waits(pid: Pid) -> anyhow::Result<u64> {
    let mut waits = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        waits += waits_of(&thread?.path())?;
    }
    Ok(waits)
}

fn waits_of(thread: &Path) -> anyhow::Result<u64> {
    let status = fs::read_to_string(thread.join("status"))?;
    let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    Ok(count.context("no voluntary_ctxt_switches in status")?.trim().parse()?)
}

/// How threads have waited, all processes together, during a trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// How often one gave up its core to wait for something: a hand-over to another thread or process,
    /// or to the disk.
    pub times: u64,
    /// For how long they were ready to run and had no core, milliseconds.
    pub queued_ms: f64,
}

/// Thread → how often it has given up its core, and how long it was ready and had none, nanoseconds,
/// since it began.
#[derive(Clone, Debug, Default)]
pub struct Threads(BTreeMap<PathBuf, (u64, u64)>);

impl Threads {
    /// All threads of these processes.
    ///
    /// # Errors
    /// When a process is gone, or the kernel keeps no such account.
    pub fn of(processes: &[Watched]) -> anyhow::Result<Self> {
        let mut all = BTreeMap::new();
        for Watched { pid, .. } in processes {
            for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
                let thread = thread?.path();
                match account(&thread) {
                    Ok(account) => _ = all.insert(thread, account),
                    // A thread may end between the listing and the reading.
                    Err(_) if !thread.exists() => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(Self(all))
    }

    /// What was added since `earlier`. Of a thread that has ended since then nobody knows any more, so
    /// nothing of it counts, also not what it had before.
    pub fn since(&self, earlier: &Self) -> Waiting {
        let mut added = Waiting::default();
        for (thread, (times, queued_ns)) in &self.0 {
            let before = earlier.0.get(thread).copied().unwrap_or_default();
            added.times += times.saturating_sub(before.0);
            added.queued_ms += queued_ns.saturating_sub(before.1) as f64 / 1e6;
        }
        added
    }
}

fn account(thread: &Path) -> anyhow::Result<(u64, u64)> {
    // Time on a core, time in the queue for one, both in nanoseconds (proc(5)).
    let times = fs::read_to_string(thread.join("schedstat"))?;
    let queued = times.split(' ').nth(1).context("schedstat is too short")?;
    Ok((waits_of(thread)?, queued.parse()?))
}

/// Resident memory of all watched processes, MiB by name.
pub fn resident(watched: &[Watched]) -> anyhow::Result<BTreeMap<String, f64>> {
    let mut resident = BTreeMap::new();
    for process in watched {
        let mib = match process.scope {
            Scope::Process => resident_mib(process.pid),
            Scope::Tree => tree_resident_mib(process.pid),
        };
        let mib = mib.with_context(|| format!("cannot read the memory of {}", process.name))?;
        *resident.entry(process.name.clone()).or_default() += mib;
    }
    Ok(resident)
}

/// Resident memory of a process, MiB. Pages that several processes share count in each.
pub fn resident_mib(pid: Pid) -> anyhow::Result<f64> {
    let pages = Pages::read(pid)?;
    Ok((pages.own + pages.of_files + pages.shared) / 1024.0)
}

/// Resident memory of a process and its children, MiB. Pages of their own are added up; what they
/// share, program and shared memory, is counted once, as large as the process sees it that has
/// touched most of it. (The kernel's exact account, `smaps_rollup`, takes a millisecond per process
/// of PostgreSQL.)
fn tree_resident_mib(root: Pid) -> anyhow::Result<f64> {
    let mut tree = Pages::read(root)?;
    for child in children(root)? {
        // A process may end between the listing and the reading.
        let Ok(pages) = Pages::read(child) else { continue };
        tree.own += pages.own;
        tree.of_files = tree.of_files.max(pages.of_files);
        tree.shared = tree.shared.max(pages.shared);
    }
    Ok((tree.own + tree.of_files + tree.shared) / 1024.0)
}

/// A process's resident pages by kind, KiB (proc_pid_status(5)).
struct Pages {
    own: f64,
    of_files: f64,
    shared: f64,
}

impl Pages {
    fn read(pid: Pid) -> anyhow::Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let kib = |name: &str| -> anyhow::Result<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
            Ok(number.with_context(|| format!("no {name} in status"))?.trim().parse()?)
        };
        Ok(Self { own: kib("RssAnon:")?, of_files: kib("RssFile:")?, shared: kib("RssShmem:")? })
    }
}

fn machine_ticks() -> anyhow::Result<Ticks> {
    parse_machine(&fs::read_to_string("/proc/stat")?).context("cannot read /proc/stat")
}

fn parse_machine(text: &str) -> Option<Ticks> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let n: Vec<u64> = line.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; guests are contained in user and nice.
    let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = n[..] else { return None };
    let core = |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| !rest.starts_with(' '));
    let cores = text.lines().filter(core).count();
    Some(Ticks { cores, busy: user + nice + system + irq + softirq, steal })
}

fn ticks_ms(ticks: u64) -> f64 {
    ticks as f64 * 1e3 / USER_HZ
}

#[cfg(test)]
mod tests {
    use std::{hint::black_box, process::Command};

    use super::*;

    fn burn(ms: f64) {
        let me = nix::unistd::getpid();
        let start = process_cpu_ms(me).unwrap();
        let mut x = 0_u64;
        while process_cpu_ms(me).unwrap() - start < ms {
            for _ in 0..1000 {
                x = black_box(x.wrapping_mul(31).wrapping_add(7));
            }
        }
    }

    #[test]
    fn a_process_is_charged_for_what_it_burns_and_not_for_waiting() {
        let me = Watched { name: "me".into(), pid: nix::unistd::getpid(), scope: Scope::Process };
        let before = read(std::slice::from_ref(&me)).unwrap();
        burn(20.0);
        let after = read(&[me]).unwrap();
        let usage = before.until(&after);
        // Other tests run in the same process, so there is a lower bound only.
        assert!(usage.cpu_ms["me"] >= 20.0);
        assert!((0.0..=1.0).contains(&usage.foreign_cpu) && (0.0..=1.0).contains(&usage.steal));
    }

    #[test]
    fn a_thread_that_waits_is_counted() {
        let me = [Watched { name: "me".into(), pid: nix::unistd::getpid(), scope: Scope::Process }];
        let (go, come) = std::sync::mpsc::channel::<()>();
        let waiter = std::thread::spawn(move || come.iter().count());
        let before = Threads::of(&me).unwrap();
        for _ in 0..50 {
            go.send(()).unwrap();
            std::thread::sleep(std::time::Duration::from_micros(50));
        }
        let waited = Threads::of(&me).unwrap().since(&before);
        // This thread alone has slept that often.
        assert!(waited.times >= 50 && waited.queued_ms >= 0.0, "{waited:?}");
        drop(go);
        assert_eq!(waiter.join().unwrap(), 50);
    }

    #[test]
    fn a_thread_that_has_ended_takes_nothing_from_the_others() {
        let at = |threads: &[(&str, u64, u64)]| {
            let threads = threads.iter().map(|(name, times, ns)| (name.into(), (*times, *ns)));
            Threads(threads.collect())
        };
        let before = at(&[("1", 5, 3_000_000), ("2", 900, 800_000_000)]);
        let after = at(&[("1", 7, 4_000_000), ("3", 10, 500_000)]);
        assert_eq!(after.since(&before), Waiting { times: 12, queued_ms: 1.5 });
    }

    #[test]
    fn a_tree_keeps_the_cost_of_children_that_have_ended() {
        // The shell stays while its child burns CPU and ends; it then says so.
        let mut shell = Command::new("sh")
            .args(["-c", "sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'; echo; read x"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let pid = Pid::from_raw(i32::try_from(shell.id()).unwrap());
        let mut line = [0];
        io::Read::read_exact(shell.stdout.as_mut().unwrap(), &mut line).unwrap();
        let alone = process_cpu_ms(pid).unwrap();
        let tree = tree_cpu_ms(pid).unwrap();
        assert!(tree >= alone + 50.0, "tree {tree} ms, shell alone {alone} ms");
        drop(shell.stdin.take());
        shell.wait().unwrap();
    }

    #[test]
    fn a_process_name_may_hold_spaces_and_parentheses() {
        let line = "7 (a) b) S 3 7 7 0 -1 0 0 0 0 0 11 12 13 14 20 0 1 0 5 6 7";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.parent, stat.state), (Pid::from_raw(3), 'S'));
        assert_eq!(stat.ended_children, 27);
    }

    #[test]
    fn steal_is_told_apart_from_work() {
        let ticks = parse_machine("cpu  10 1 5 900 3 1 2 7 0 0\ncpu0 1 2 3\ncpu1 2 3").unwrap();
        assert_eq!(ticks, Ticks { cores: 2, busy: 19, steal: 7 });
    }

    #[test]
    fn resident_memory_is_that_of_a_running_program() {
        let me = nix::unistd::getpid();
        let mib = resident_mib(me).unwrap();
        assert!((0.5..4096.0).contains(&mib), "{mib}");
        assert!(tree_resident_mib(me).unwrap() > 0.1);
    }
}
