//! Fingerprints: on what a result was measured, and from what it was built.

use std::{fs, process::Command};

use crate::{
    affinity,
    record::{Build, Machine},
    servers::{self, Binaries},
};

/// The machine as the kernel describes it. What it does not tell is `unknown` or 0.
pub fn machine() -> anyhow::Result<Machine> {
    let unknown = || "unknown".to_owned();
    let cpu = value("/proc/cpuinfo", "model name", ':').unwrap_or_else(unknown);
    let memory = value("/proc/meminfo", "MemTotal", ':').unwrap_or_default();
    let memory_kib = memory.trim_end_matches(" kB").parse::<u64>().unwrap_or_default();
    let os = value("/etc/os-release", "PRETTY_NAME", '=').unwrap_or_else(unknown);
    Ok(Machine {
        cpu,
        cores: u32::try_from(affinity::cores()?.len())?,
        memory_mib: memory_kib / 1024,
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        os: os.trim_matches('"').to_owned(),
        load_before: load_average(),
    })
}

/// What the servers were built from.
pub fn build(binaries: &Binaries) -> anyhow::Result<Build> {
    Ok(Build {
        commit: commit(),
        rustc: output("rustc", &["--version"]).unwrap_or_else(|| "unknown".to_owned()),
        binary_bytes: binaries.sizes()?,
    })
}

/// One-minute load average.
pub fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or_default()
}

/// The commit of the source, with `-dirty` where the work tree differs; `unknown` outside a checkout.
pub fn commit() -> String {
    checked_out().unwrap_or_else(|| "unknown".to_owned())
}

fn checked_out() -> Option<String> {
    let commit = output("git", &["rev-parse", "HEAD"])?;
    let changes = output("git", &["status", "--porcelain"])?;
    Some(if changes.is_empty() { commit } else { format!("{commit}-dirty") })
}

/// What a command prints, run in the workspace; `None` when it fails or is not there.
fn output(program: &str, args: &[&str]) -> Option<String> {
    let root = servers::workspace().ok()?;
    let output = Command::new(program).args(args).current_dir(root).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// The first value of `key` in a file of `key SEPARATOR value` lines.
fn value(file: &str, key: &str, separator: char) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once(separator));
    lines.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_fingerprint() {
        let machine = machine().unwrap();
        assert!(machine.cores >= 1);
        assert!(machine.memory_mib > 64);
        assert!(machine.kernel.contains('.'));
    }
}
