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
    let first = in_containers(containers).into_iter().filter(|found| is_first(&found.status));
    first.map(|found| (found.container, found.pid)).collect()
}

/// Container → the server in it: the first process, or what an init process that is the first has
/// started.
pub(super) fn servers(containers: &[String]) -> BTreeMap<String, Pid> {
    let processes = in_containers(containers);
    let mut servers = BTreeMap::new();
    for first in processes.iter().filter(|found| is_first(&found.status)) {
        // A health check runs in the container, too, but was started from outside.
        let started = |found: &&Found| field(&found.status, "PPid:") == first.pid.to_string();
        let server = match field(&first.status, "Name:") {
            INIT => processes.iter().find(started),
            _ => Some(first),
        };
        servers.extend(server.map(|server| (server.container.clone(), server.pid)));
    }
    servers
}

/// Docker's own init process.
const INIT: &str = "docker-init";

/// A process in one of our containers.
struct Found {
    container: String,
    pid: Pid,
    /// `/proc/PID/status`, see proc_pid_status(5).
    status: String,
}

fn in_containers(containers: &[String]) -> Vec<Found> {
    let mut found = Vec::new();
    for pid in probe::processes().unwrap_or_default() {
        let read = |file| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let cgroups = read("cgroup");
        let container = containers.iter().find(|id| cgroups.contains(id.as_str()));
        found.extend(container.map(|id| Found {
            container: id.clone(),
            pid,
            status: read("status"),
        }));
    }
    found
}

/// Whether a process is number 1 of its container: the last of its numbers, one for each namespace
/// that it is in.
fn is_first(status: &str) -> bool {
    let mut numbers = field(status, "NSpid:").split_whitespace();
    numbers.next_back() == Some("1") && numbers.next().is_some()
}

fn field<'a>(status: &'a str, name: &str) -> &'a str {
    status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim()
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
    fn fields_are_found_by_their_names() {
        let status = "Name:\tdocker-init\nPid:\t7\nPPid:\t3\n";
        assert_eq!((field(status, "Name:"), field(status, "PPid:")), (INIT, "3"));
        assert_eq!(field(status, "Uid:"), "");
    }

    #[test]
    fn this_process_is_in_no_container_that_does_not_exist() {
        assert!(first_processes(&["f00dfeed".repeat(8)]).is_empty());
    }
}
