//! `lab doctor`: what this machine has, and what the lab does where something is missing.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use contract::postgres;
use nix::time::ClockId;

use crate::{
    affinity,
    load::{Timer, Times, punctual},
    machine,
    record::Machine,
};

/// One line of the examination.
struct Finding {
    what: &'static str,
    found: String,
    /// What the lab does about it, where something is missing.
    instead: Option<String>,
}

impl Finding {
    fn fine(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, found: found.into(), instead: None }
    }

    fn lacking(what: &'static str, found: impl Into<String>, instead: &str) -> Self {
        Self { what, found: found.into(), instead: Some(instead.to_owned()) }
    }
}

/// Examines the machine and prints what it finds.
pub async fn examine() -> anyhow::Result<()> {
    let machine = machine::machine()?;
    let findings = [
        hardware(&machine),
        cores()?,
        load(&machine),
        cgroup(),
        quota(),
        timers().await?,
        ticks()?,
        postgresql(),
        balancer(),
        browser(),
    ];
    for Finding { what, found, instead } in findings {
        let mark = if instead.is_some() { "–" } else { "✓" };
        println!("{mark} {what:<11} {found}");
        if let Some(instead) = instead {
            println!("  {:<11} → {instead}", "");
        }
    }
    Ok(())
}

fn hardware(machine: &Machine) -> Finding {
    let Machine { cpu, memory_mib, kernel, os, .. } = machine;
    Finding::fine("machine", format!("{cpu}, {memory_mib} MiB, {os}, Linux {kernel}"))
}

fn cores() -> anyhow::Result<Finding> {
    let cores = affinity::cores()?;
    let layout = affinity::layout(&cores);
    let found = format!(
        "{}; servers on {:?}, generator and database on {:?}",
        cores.len(),
        layout.server_cores,
        layout.load_cores
    );
    Ok(match layout.fallbacks.first() {
        Some(fallback) => Finding::lacking("cores", found, fallback),
        None => Finding::fine("cores", found),
    })
}

fn load(machine: &Machine) -> Finding {
    let load = machine.load_before;
    let found = format!("{load:.2} (one-minute average)");
    if load > 0.5 {
        let instead = "others work here: slices in which they do are flagged, and the report shows \
                       the estimate without them as well";
        Finding::lacking("load", found, instead)
    } else {
        Finding::fine("load", found)
    }
}

fn cgroup() -> Finding {
    let root = Path::new("/sys/fs/cgroup");
    let found = if root.join("cgroup.controllers").is_file() {
        "version 2"
    } else if root.join("cpu").is_dir() {
        "version 1"
    } else {
        let instead = "not needed: cores are shared out by affinity";
        return Finding::lacking("cgroup", "none mounted", instead);
    };
    Finding::fine("cgroup", format!("{found}; not needed: cores are shared out by affinity"))
}

/// A quota on the lab itself would stop servers in the middle of a period.
fn quota() -> Finding {
    let read = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let limit = match read("/sys/fs/cgroup/cpu.max") {
        Some(max) if max.starts_with("max") => None,
        Some(max) => Some(max),
        None => read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").filter(|quota| quota != "-1"),
    };
    match limit {
        None => Finding::fine("quota", "none on the lab's CPU"),
        Some(limit) => Finding::lacking(
            "quota",
            format!("the lab's CPU is limited ({limit} µs)"),
            "measured as it is: CPU per page is right, latency has the pauses in it",
        ),
    }
}

/// How late the timer fires that the generator waits with.
async fn timers() -> anyhow::Result<Finding> {
    const TRIES: u32 = 200;
    let real_time = punctual();
    let timer = Timer::new()?;
    let mut late = Times::new();
    for _ in 0..TRIES {
        let deadline = Instant::now() + Duration::from_millis(1);
        timer.wait_until(deadline).await?;
        late.record(deadline.elapsed());
    }
    let (median, p99) = (late.quantile_us(0.5), late.quantile_us(0.99));
    let thread = if real_time { "a real-time thread" } else { "an ordinary thread" };
    let found = format!("timerfd wakes {thread} {median} µs late (median), {p99} µs (p99)");
    Ok(if p99 > 1_000 {
        let instead = "slices with a generator lag above 1 ms are flagged in the report";
        Finding::lacking("timers", found, instead)
    } else {
        Finding::fine("timers", found)
    })
}

/// The kernel's clock tick: the coarse clock moves on with every tick, so its resolution is one.
fn ticks() -> anyhow::Result<Finding> {
    let tick = Duration::from(ClockId::CLOCK_MONOTONIC_COARSE.res()?);
    let hz = (1.0 / tick.as_secs_f64()).round();
    Ok(Finding::fine("kernel tick", format!("{hz} Hz; CPU is read from clocks that do without it")))
}

fn postgresql() -> Finding {
    match postgres::programs() {
        Some(path) => Finding::fine("PostgreSQL", path.display().to_string()),
        None => Finding::lacking(
            "PostgreSQL",
            "not installed",
            "SQLite is the default; --db URL takes a server that runs elsewhere",
        ),
    }
}

fn balancer() -> Finding {
    match on_path(&["haproxy"]) {
        Some(path) => Finding::fine("balancer", path.display().to_string()),
        None => Finding::lacking(
            "balancer",
            "no HAProxy",
            "not needed yet: no experiment so far puts several servers behind one address; the lab's \
             own relay comes with the first that does",
        ),
    }
}

fn browser() -> Finding {
    match on_path(&["chromium", "chromium-browser", "google-chrome", "firefox"]) {
        Some(path) => Finding::fine("browser", path.display().to_string()),
        None => Finding::lacking(
            "browser",
            "none",
            "not needed to measure: the report is one HTML file that opens anywhere",
        ),
    }
}

fn on_path(programs: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut candidates =
        env::split_paths(&path).flat_map(|dir| programs.iter().map(move |name| dir.join(name)));
    candidates.find(|candidate| candidate.is_file())
}
