//! Version 2 of control groups: one hierarchy, in which a group offers controllers to the groups
//! below it.

use std::{fs, io, path::PathBuf, time::Duration};

use super::{
    PERIOD,
    files::{field, make, number, write},
    limits::{Cpu, Limits, Use},
};

/// The controllers that limits need.
const CONTROLLERS: [&str; 2] = ["cpu", "memory"];

/// The directory of one group.
#[derive(Clone, Debug)]
pub(super) struct V2 {
    pub(super) directory: PathBuf,
}

impl V2 {
    pub(super) fn join(&self, name: &str) -> Self {
        Self { directory: self.directory.join(name) }
    }

    pub(super) fn create(&self) -> io::Result<()> {
        make(&self.directory)
    }

    /// Has the groups below get controllers. A group that holds processes may not do that; whoever
    /// runs the lab can have arranged it, though.
    pub(super) fn offer(&self) -> io::Result<()> {
        let list = |file: &str| fs::read_to_string(self.directory.join(file)).unwrap_or_default();
        let in_list = |list: &str, name: &str| list.split_whitespace().any(|it| it == name);
        let (has, offers) = (list("cgroup.controllers"), list("cgroup.subtree_control"));
        for controller in CONTROLLERS {
            if !in_list(&has, controller) {
                return Err(io::Error::other(format!("it has no {controller} controller")));
            }
            if !in_list(&offers, controller) {
                write(&self.directory, "cgroup.subtree_control", format_args!("+{controller}"))?;
            }
        }
        Ok(())
    }

    pub(super) fn limit(&self, limits: &Limits) -> io::Result<()> {
        let dir = &self.directory;
        match limits.cpu {
            Some(Cpu::Quota(quota)) => {
                let (quota, period) = (quota.per_period().as_micros(), PERIOD.as_micros());
                write(dir, "cpu.max", format_args!("{quota} {period}"))?;
            }
            Some(Cpu::Weight(weight)) => write(dir, "cpu.weight", weight)?,
            None => {}
        }
        let Some(mib) = limits.memory_mib else { return Ok(()) };
        write(dir, "memory.max", u64::from(mib) << 20)?;
        // Without this, what is over the limit would be swapped out and not be missed.
        match write(dir, "memory.swap.max", 0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    pub(super) fn used(&self) -> io::Result<Use> {
        let stat = fs::read_to_string(self.directory.join("cpu.stat"))?;
        let events = fs::read_to_string(self.directory.join("memory.events")).unwrap_or_default();
        let peak = number(&self.directory, "memory.peak");
        Ok(Use {
            cpu: Duration::from_micros(field(&stat, "usage_usec")),
            periods: field(&stat, "nr_periods"),
            throttled_periods: field(&stat, "nr_throttled"),
            throttled: Duration::from_micros(field(&stat, "throttled_usec")),
            memory_peak_mib: peak.map(|bytes| bytes as f64 / f64::from(1 << 20)),
            killed_for_memory: field(&events, "oom_kill"),
        })
    }

    pub(super) fn freeze(&self, frozen: bool) -> io::Result<bool> {
        write(&self.directory, "cgroup.freeze", u8::from(frozen))?;
        Ok(true)
    }

    pub(super) fn is_frozen(&self) -> io::Result<bool> {
        let events = fs::read_to_string(self.directory.join("cgroup.events"))?;
        Ok(field(&events, "frozen") == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::quota::Millicores;

    /// A directory with the files that the kernel would have put there.
    fn group(files: &[(&str, &str)]) -> (tempfile::TempDir, V2) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let directory = dir.path().to_owned();
        (dir, V2 { directory })
    }

    fn content(group: &V2, file: &str) -> String {
        fs::read_to_string(group.directory.join(file)).unwrap()
    }

    #[test]
    fn limits_are_written_in_the_units_of_version_2() {
        let (_dir, group) =
            group(&[("cpu.max", "max 100000"), ("cpu.weight", "100"), ("memory.max", "max")]);
        let cpu = Some(Cpu::Quota(Millicores(250)));
        group.limit(&Limits { cpu, memory_mib: Some(64) }).unwrap();
        assert_eq!(content(&group, "cpu.max"), "2500 10000");
        assert_eq!(content(&group, "memory.max"), "67108864");
        group.limit(&Limits { cpu: Some(Cpu::Weight(300)), memory_mib: None }).unwrap();
        assert_eq!(content(&group, "cpu.weight"), "300");
    }

    #[test]
    fn what_was_used_is_read_in_microseconds() {
        let stat = "usage_usec 5000\nuser_usec 4000\nnr_periods 7\nnr_throttled 3\n\
                    throttled_usec 1500\n";
        let (_dir, group) = group(&[("cpu.stat", stat), ("memory.events", "oom 1\noom_kill 1\n")]);
        let used = group.used().unwrap();
        assert_eq!((used.cpu, used.throttled).0, Duration::from_millis(5));
        assert_eq!(used.throttled, Duration::from_micros(1500));
        assert_eq!((used.periods, used.throttled_periods, used.killed_for_memory), (7, 3, 1));
        assert_eq!(used.memory_peak_mib, None);
    }

    #[test]
    fn without_a_controller_there_is_nothing_to_offer() {
        let (_dir, group) = group(&[("cgroup.controllers", "cpuset io"), ("cgroup.procs", "")]);
        assert_eq!(group.offer().unwrap_err().to_string(), "it has no cpu controller");
    }

    #[test]
    fn what_is_offered_already_is_not_asked_for_again() {
        // The file can't be written where the lab has no right to; there is no need to, either.
        let files =
            [("cgroup.controllers", "cpu io memory"), ("cgroup.subtree_control", "memory cpu")];
        let (_dir, group) = group(&files);
        group.offer().unwrap();
        assert_eq!(content(&group, "cgroup.subtree_control"), "memory cpu");
    }
}
