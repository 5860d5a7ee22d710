//! Version 1 of control groups: a hierarchy of its own for each controller, so a group is a directory
//! in each of them.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    PERIOD,
    files::{field, make, number, write},
    limits::{Cpu, Limits, Use},
};

/// The directories of one group.
#[derive(Clone, Debug)]
pub(super) struct V1 {
    pub(super) cpu: PathBuf,
    /// Mostly the same as `cpu`.
    pub(super) cpuacct: PathBuf,
    pub(super) memory: Option<PathBuf>,
    pub(super) freezer: Option<PathBuf>,
}

impl V1 {
    pub(super) fn join(&self, name: &str) -> Self {
        let join = |directory: &Option<PathBuf>| directory.as_ref().map(|it| it.join(name));
        Self {
            cpu: self.cpu.join(name),
            cpuacct: self.cpuacct.join(name),
            memory: join(&self.memory),
            freezer: join(&self.freezer),
        }
    }

    /// Every directory once.
    pub(super) fn directories(&self) -> Vec<&Path> {
        let optional = [&self.memory, &self.freezer].into_iter().flatten();
        let mut all: Vec<&Path> = vec![&self.cpu, &self.cpuacct];
        all.extend(optional.map(PathBuf::as_path));
        all.dedup();
        all
    }

    pub(super) fn create(&self) -> io::Result<()> {
        self.directories().into_iter().try_for_each(make)
    }

    pub(super) fn limit(&self, limits: &Limits) -> io::Result<()> {
        match limits.cpu {
            Some(Cpu::Quota(quota)) => {
                write(&self.cpu, "cpu.cfs_period_us", PERIOD.as_micros())?;
                write(&self.cpu, "cpu.cfs_quota_us", quota.per_period().as_micros())?;
            }
            // By default 1024 here, and 100 in version 2, whose scale is the lab's.
            Some(Cpu::Weight(weight)) => {
                write(&self.cpu, "cpu.shares", (u64::from(weight) * 1024 / 100).max(2))?;
            }
            None => {}
        }
        let Some(mib) = limits.memory_mib else { return Ok(()) };
        let Some(memory) = &self.memory else {
            return Err(io::Error::other("there is no memory controller here"));
        };
        let bytes = u64::from(mib) << 20;
        write(memory, "memory.limit_in_bytes", bytes)?;
        // Memory and what is swapped out of it, where the kernel counts that.
        match write(memory, "memory.memsw.limit_in_bytes", bytes) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    pub(super) fn used(&self) -> io::Result<Use> {
        let stat = fs::read_to_string(self.cpu.join("cpu.stat"))?;
        let memory = self.memory.as_ref();
        let peak = memory.and_then(|dir| number(dir, "memory.max_usage_in_bytes"));
        let killed = memory.and_then(|dir| fs::read_to_string(dir.join("memory.oom_control")).ok());
        Ok(Use {
            cpu: Duration::from_nanos(number(&self.cpuacct, "cpuacct.usage").unwrap_or_default()),
            periods: field(&stat, "nr_periods"),
            throttled_periods: field(&stat, "nr_throttled"),
            throttled: Duration::from_nanos(field(&stat, "throttled_time")),
            memory_peak_mib: peak.map(|bytes| bytes as f64 / f64::from(1 << 20)),
            killed_for_memory: killed.map_or(0, |text| field(&text, "oom_kill")),
        })
    }

    /// Whether it could be done: there may be no freezer.
    pub(super) fn freeze(&self, frozen: bool) -> io::Result<bool> {
        let Some(freezer) = &self.freezer else { return Ok(false) };
        let state = if frozen { "FROZEN" } else { "THAWED" };
        write(freezer, "freezer.state", state)?;
        Ok(true)
    }

    /// Whether all of it has come to a stop.
    pub(super) fn is_frozen(&self) -> io::Result<bool> {
        let Some(freezer) = &self.freezer else { return Ok(false) };
        Ok(fs::read_to_string(freezer.join("freezer.state"))?.trim() == "FROZEN")
    }
}
