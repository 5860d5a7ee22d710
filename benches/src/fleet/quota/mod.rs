//! Quotas: so much CPU and memory for a group of processes, kept to by the kernel (cgroups(7)).
//!
//! Two arms can be compared only if they have the same budget, and an arm of three processes has it
//! only if something divides it. Affinity can't do that: it says which cores, not how much of them.
//! Control groups can, in two versions with different files; which of them is to be had, or why
//! neither, is found out by making a group ([`Quotas::open`]) and then by using up a quota
//! ([`preflight`]).
//!
//! Processes enter their group before they become the server ([`Group::under`]), so there is no
//! moment at which a server runs outside its quota. Groups are named after the run; the guardian
//! removes them however the lab ends, and what a dead run's dead guardian left goes at the next start.
//!
//! Reading order: `limits` (what), `find` (where), `v1` and `v2` (the kernel's files), then this
//! file, then `preflight`.

mod files;
mod find;
mod limits;
mod preflight;
mod v1;
mod v2;

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};

use self::{find::Found, v1::V1, v2::V2};
pub use self::{
    limits::{Cpu, LEAST_QUOTA, Limits, Millicores, Use},
    preflight::{Enforcement, Share, preflight},
};

/// How often a quota is given out anew. The kernel's default of 100 ms would stop a server with a
/// quarter of a core for 75 ms at a time, which is then what its p99 shows.
pub const PERIOD: Duration = Duration::from_millis(10);

/// How the names of all runs' groups begin. The run's mark follows, which begins with the lab's
/// process number.
const PREFIX: &str = "conduit-lab-";

/// How long to go on removing groups that are still in use.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a process runs to enter its groups: it writes itself into each file up to `--` and then
/// becomes the program named behind it, with the same process number. Its environment may be empty.
const ENTER: &str =
    r#"until [ "$1" = -- ]; do echo 0 >"$1" || exit 126; shift; done; shift; exec "$@""#;

/// What keeps servers to their budgets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Kind {
    /// Control groups, version 1.
    CgroupV1,
    /// Control groups, version 2.
    CgroupV2,
    /// Nothing but the cores they run on.
    Affinity {
        /// Why, and what would help: one line.
        why: String,
    },
}

/// The groups of one run. They are removed when this value goes.
#[derive(Debug)]
pub struct Quotas {
    /// The group that all others are in.
    run: Result<Tree, String>,
}

/// A group of processes with limits. It is removed when this value goes, unless it is in use.
#[derive(Debug)]
pub struct Group {
    tree: Tree,
}

/// Reads what a group has used, for somebody else than who holds it.
#[derive(Clone, Debug)]
pub struct Gauge(Tree);

/// Changes a group's share of the CPU, for somebody else than who holds it.
#[derive(Clone, Debug)]
pub struct Divided(Tree);

/// A group's place in the file system.
#[derive(Clone, Debug)]
enum Tree {
    V1(V1),
    V2(V2),
}

impl Quotas {
    /// Finds out what can be had, removes what dead runs left, and makes this run's own group.
    /// `mark` is the run's ([`crate::guardian::Guardian::mark`]).
    ///
    /// Having no right to is no error here: it depends on the experiment whether it needs quotas.
    pub fn open(mark: &str) -> Self {
        let name = format!("{PREFIX}{mark}");
        let place = match find::find(&name) {
            Found::V1(v1) => Tree::V1(v1),
            Found::V2(v2) => Tree::V2(v2),
            Found::Nothing(why) => return Self { run: Err(why) },
        };
        for directory in place.directories() {
            // What can't be removed now is tried again by the next run.
            let _ = clear(&left_behind(directory));
        }
        Self { run: Ok(place.join(&name)) }
    }

    /// What was found.
    pub fn kind(&self) -> Kind {
        match &self.run {
            Ok(Tree::V1(_)) => Kind::CgroupV1,
            Ok(Tree::V2(_)) => Kind::CgroupV2,
            Err(why) => Kind::Affinity { why: why.clone() },
        }
    }

    /// What has to be removed at the end; for the guardian.
    pub fn directories(&self) -> Vec<PathBuf> {
        let directories = self.run.as_ref().map(Tree::directories).unwrap_or_default();
        directories.into_iter().map(Path::to_owned).collect()
    }

    /// Makes a group.
    ///
    /// # Errors
    /// One line: there are no groups on this machine, or the kernel refuses the limits.
    pub fn group(&self, name: &str, limits: &Limits) -> anyhow::Result<Group> {
        let run = self.run.as_ref();
        let run = run.map_err(|why| anyhow::anyhow!("there are no quotas here: {why}"))?;
        Group::make(run, name, limits)
    }
}

impl Drop for Quotas {
    fn drop(&mut self) {
        if let Ok(run) = &self.run {
            run.remove();
        }
    }
}

impl Group {
    fn make(parent: &Tree, name: &str, limits: &Limits) -> anyhow::Result<Self> {
        limits.cpu.map_or(Ok(()), Cpu::check)?;
        let group = Self { tree: parent.join(name) };
        let made = group.tree.create().and_then(|()| group.tree.limit(limits));
        made.with_context(|| format!("cannot make the control group {name} with {limits:?}"))?;
        Ok(group)
    }

    /// Makes a group in this one: it has its own limits, and what all groups in here take together
    /// is limited as this one is. This one then must have no processes of its own.
    ///
    /// # Errors
    /// One line, when the kernel refuses.
    pub fn subgroup(&self, name: &str, limits: &Limits) -> anyhow::Result<Self> {
        if let Tree::V2(v2) = &self.tree {
            v2.offer().with_context(|| format!("cannot divide the group of {name}"))?;
        }
        Self::make(&self.tree, name, limits)
    }

    /// What a program is run by to be in this group from its first instruction on: put this before
    /// its absolute path and its arguments.
    pub fn under(&self) -> Vec<String> {
        let procs = |dir: &Path| dir.join("cgroup.procs").display().to_string();
        let mut under = ["/bin/sh", "-c", ENTER, "enter"].map(str::to_owned).to_vec();
        under.extend(self.tree.directories().into_iter().map(procs));
        under.push("--".to_owned());
        under
    }

    /// Its limits, for somebody else to change while its processes run.
    pub fn divided(&self) -> Divided {
        Divided(self.tree.clone())
    }

    /// What it has used since it was made.
    pub fn used(&self) -> anyhow::Result<Use> {
        self.gauge().used()
    }

    /// The same, for somebody else to read.
    pub fn gauge(&self) -> Gauge {
        Gauge(self.tree.clone())
    }

    /// Its processes.
    pub fn members(&self) -> Vec<Pid> {
        self.tree.directories().first().map(|dir| members(dir)).unwrap_or_default()
    }

    /// Stops all its processes where they are: they keep their state and get no CPU. They don't
    /// notice, unlike with a signal. Where there is no freezer, nothing happens, and false comes
    /// back.
    pub fn freeze(&self) -> anyhow::Result<bool> {
        self.tree.freeze(true).context("cannot freeze a control group")
    }

    /// Lets them go on.
    pub fn thaw(&self) -> anyhow::Result<bool> {
        self.tree.freeze(false).context("cannot thaw a control group")
    }

    /// Whether all its processes have come to a stop, which takes a moment.
    pub fn is_frozen(&self) -> anyhow::Result<bool> {
        self.tree.is_frozen().context("cannot read whether a control group is frozen")
    }
}

impl Divided {
    /// Gives the group another share of the CPU.
    ///
    /// # Errors
    /// One line: the kernel refuses, or the group is gone.
    pub fn set(&self, cpu: Cpu) -> anyhow::Result<()> {
        cpu.check()?;
        let limits = Limits { cpu: Some(cpu), memory_mib: None };
        self.0.limit(&limits).with_context(|| format!("cannot give a control group {cpu:?}"))
    }
}

impl Gauge {
    /// That of a process which somebody else has put into a group; `None` where its group can't be seen
    /// from here.
    pub fn of_process(pid: Pid) -> Option<Self> {
        find::group_of(pid).map(Self)
    }

    /// What the group has used since it was made.
    ///
    /// # Errors
    /// When it is gone.
    pub fn used(&self) -> anyhow::Result<Use> {
        self.0.used().context("cannot read what a control group has used")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.tree.remove();
    }
}

impl Tree {
    fn join(&self, name: &str) -> Self {
        match self {
            Self::V1(v1) => Self::V1(v1.join(name)),
            Self::V2(v2) => Self::V2(v2.join(name)),
        }
    }

    fn directories(&self) -> Vec<&Path> {
        match self {
            Self::V1(v1) => v1.directories(),
            Self::V2(v2) => vec![&v2.directory],
        }
    }

    fn create(&self) -> io::Result<()> {
        match self {
            Self::V1(v1) => v1.create(),
            Self::V2(v2) => v2.create(),
        }
    }

    fn limit(&self, limits: &Limits) -> io::Result<()> {
        match self {
            Self::V1(v1) => v1.limit(limits),
            Self::V2(v2) => v2.limit(limits),
        }
    }

    fn used(&self) -> io::Result<Use> {
        match self {
            Self::V1(v1) => v1.used(),
            Self::V2(v2) => v2.used(),
        }
    }

    fn freeze(&self, frozen: bool) -> io::Result<bool> {
        match self {
            Self::V1(v1) => v1.freeze(frozen),
            Self::V2(v2) => v2.freeze(frozen),
        }
    }

    fn is_frozen(&self) -> io::Result<bool> {
        match self {
            Self::V1(v1) => v1.is_frozen(),
            Self::V2(v2) => v2.is_frozen(),
        }
    }

    /// What is still in use stays; the guardian ends who uses it and removes it then.
    fn remove(&self) {
        for directory in self.directories() {
            let _ = remove(directory);
        }
    }
}

/// Groups of runs whose lab is no more.
fn left_behind(place: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let dead = |name: &str| {
        let mark = name.strip_prefix(PREFIX)?;
        let lab = mark.split('-').next()?;
        Some(!Path::new("/proc").join(lab).exists())
    };
    entries
        .filter(|entry| entry.file_name().to_str().and_then(dead) == Some(true))
        .map(|entry| entry.path())
        .collect()
}

/// Ends every process in these groups, and removes them.
///
/// # Errors
/// When one is still in use after a few seconds.
pub(crate) fn clear(groups: &[PathBuf]) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    // First of all of them: what is frozen in one hierarchy does not die of a signal sent by way of
    // another.
    groups.iter().for_each(|group| thaw(group));
    for group in groups {
        while let Err(error) = remove(group) {
            if Instant::now() > deadline {
                return Err(error);
            }
            end_members(group);
            thread::sleep(Duration::from_millis(2));
        }
    }
    Ok(())
}

/// Lets everything in a group go on, at whatever depth it was frozen.
pub(crate) fn thaw(group: &Path) {
    for inner in inner(group) {
        thaw(&inner);
    }
    // Each of these files is there in one version, and in some groups, only.
    let _ = files::write(group, "freezer.state", "THAWED");
    let _ = files::write(group, "cgroup.freeze", 0);
}

fn end_members(group: &Path) {
    for inner in inner(group) {
        end_members(&inner);
    }
    for pid in members(group) {
        // It may have ended by itself.
        let _ = kill(pid, Signal::SIGKILL);
    }
}

/// Removes a group with the groups in it. One that is not there is removed.
fn remove(group: &Path) -> io::Result<()> {
    for inner in inner(group) {
        remove(&inner)?;
    }
    match fs::remove_dir(group) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn inner(group: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// Processes of another container count as number 0 here, which must not be sent a signal.
fn members(group: &Path) -> Vec<Pid> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let numbers = text.lines().filter_map(|line| line.parse().ok()).filter(|number| *number > 0);
    numbers.map(Pid::from_raw).collect()
}

#[cfg(test)]
#[path = "quota_tests.rs"]
mod tests;
