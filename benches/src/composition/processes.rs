//! A container's processes as this machine sees them, so that their CPU can be read like that of
//! any other process.
//!
//! The number that Docker gives is of no use: it counts in the namespace of the engine, which need
//! not be ours. But every process says in `/proc/PID/cgroup` in which container it is.

use std::{collections::BTreeMap, fs};

use nix::unistd::Pid;

use crate::probe;

/// Container → its first process. A container is missing when this machine does not see its
/// processes: then Docker runs in a virtual machine, or elsewhere.
pub(super) fn first_processes(containers: &[String]) -> BTreeMap<String, Pid> {
    let mut found = BTreeMap::new();
    for pid in probe::processes().unwrap_or_default() {
        let read = |file| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let cgroups = read("cgroup");
        let container = containers.iter().find(|id| cgroups.contains(id.as_str()));
        // A health check runs in the container, too, but is not its first process.
        if let Some(id) = container.filter(|_| is_first(&read("status"))) {
            found.insert(id.clone(), pid);
        }
    }
    found
}

/// Whether a process is number 1 of its container: the last of its numbers, one for each namespace
/// that it is in (proc_pid_status(5)).
fn is_first(status: &str) -> bool {
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
    let mut numbers = numbers.split_whitespace();
    numbers.next_back() == Some("1") && numbers.next().is_some()
}

/// Docker's own processes that carry what is sent to a published port into the container at one of
/// `addresses`. There are none where the kernel does that.
pub(super) fn proxies<'a>(addresses: impl Iterator<Item = &'a str>) -> Vec<Pid> {
    let addresses: Vec<_> = addresses.filter(|address| !address.is_empty()).collect();
    let mut pids = probe::processes().unwrap_or_default();
    pids.retain(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        let mut words = line.split('\0');
        words.next().is_some_and(|program| program.ends_with("docker-proxy"))
            && words.any(|word| addresses.contains(&word))
    });
    pids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_process_of_a_container_has_another_number_outside() {
        assert!(is_first("Name:\tmonolith\nNSpid:\t4242\t77\t1\n"));
        assert!(!is_first("Name:\tmonolith\nNSpid:\t4250\t85\t12\n"), "a health check");
        assert!(!is_first("Name:\tinit\nNSpid:\t1\n"), "of the machine itself");
        assert!(!is_first("Name:\tkthreadd\n"));
    }

    #[test]
    fn this_process_is_in_no_container_that_does_not_exist() {
        assert!(first_processes(&["f00dfeed".repeat(8)]).is_empty());
    }
}
