//! `lab doctor`: what this machine has, and what the lab does where something is missing.

use std::{
    env, fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use contract::postgres;
use nix::time::ClockId;

use crate::{
    affinity,
    fleet::quota::{Enforcement, Quotas, Share, preflight},
    guardian::Guardian,
    link::{self, Rehearsal},
    load::{Timer, Times, punctual},
    machine,
    record::Machine,
    relay::haproxy,
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
        quotas().await?,
        limit(),
        timers().await?,
        link().await?,
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

/// Whether servers can be kept to a budget, tried out by using one up.
async fn quotas() -> anyhow::Result<Finding> {
    const WHAT: &str = "quotas";
    let mut guardian = Guardian::start()?;
    let quotas = Quotas::open(guardian.mark().1);
    guardian.remove_groups_at_end(&quotas)?;
    let server_cores = affinity::layout(&affinity::cores()?).server_cores;
    let (kind, share) = match preflight(&quotas, &server_cores, guardian.mark()).await? {
        Enforcement::CgroupV1(share) => ("control groups, version 1", share),
        Enforcement::CgroupV2(share) => ("control groups, version 2", share),
        Enforcement::Affinity { why } => {
            let instead =
                format!("servers are kept apart by affinity alone, and c2 can't run: {why}");
            return Ok(Finding::lacking(WHAT, "none", &instead));
        }
    };
    let Share { asked, achieved, .. } = share;
    let found = format!("{kind}; a quota of {asked} comes to {achieved:.3} CPU");
    Ok(match share.check() {
        Ok(()) => Finding::fine(WHAT, found),
        Err(error) => Finding::lacking(WHAT, found, &error.to_string()),
    })
}

/// A quota on the lab itself would stop servers in the middle of a period.
fn limit() -> Finding {
    let read = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let limit = match read("/sys/fs/cgroup/cpu.max") {
        Some(max) if max.starts_with("max") => None,
        Some(max) => Some(max),
        None => read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").filter(|quota| quota != "-1"),
    };
    match limit {
        None => Finding::fine("limit", "none on the lab's own CPU"),
        Some(limit) => Finding::lacking(
            "limit",
            format!("the lab's own CPU is limited ({limit} µs)"),
            "measured as it is: CPU per page is right, latency has the pauses in it",
        ),
    }
}

/// What a wait of 200 µs comes to with the timer that generator and link wait with.
async fn timers() -> anyhow::Result<Finding> {
    const TRIES: u32 = 500;
    const WAIT: Duration = Duration::from_micros(200);
    let real_time = punctual();
    let timer = Timer::new()?;
    let mut waits = Times::new();
    for _ in 0..TRIES {
        let start = Instant::now();
        timer.wait_until(start + WAIT).await?;
        waits.record(start.elapsed());
    }
    let (median, p99) = (waits.quantile_us(0.5), waits.quantile_us(0.99));
    let thread = if real_time { "a real-time thread" } else { "an ordinary thread" };
    let found = format!("200 µs of waiting take {thread} {median} µs (median), {p99} µs (p99)");
    Ok(if p99 > 1_000 {
        let instead = "slices with a generator lag above 1 ms are flagged in the report";
        Finding::lacking("timers", found, instead)
    } else {
        Finding::fine("timers", found)
    })
}

/// What links of all lengths that are measured come to. The relay that adds nothing shows what it costs
/// to have one.
async fn link() -> anyhow::Result<Finding> {
    const ECHOES: usize = 300;
    let direct = link::rehearse(None, ECHOES).await?;
    let (mut lengths, mut faults) = (Vec::new(), Vec::new());
    for rtt_ms in link::RTTS_MS {
        let Rehearsal { p50_ms, p99_ms, achieved } = link::rehearse(Some(rtt_ms), ECHOES).await?;
        lengths.push(format!("{rtt_ms} ms added: {p50_ms:.3} ({p99_ms:.3})"));
        faults.extend(achieved.and_then(|achieved| achieved.check().err()));
    }
    let found = format!(
        "an echo takes {:.3} ms (p99 {:.3}); {}",
        direct.p50_ms,
        direct.p99_ms,
        lengths.join("; ")
    );
    Ok(match faults.first() {
        None => Finding::fine("link", found),
        Some(fault) => {
            let instead = format!("trials in which this is so are void: {fault}");
            Finding::lacking("link", found, &instead)
        }
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
    const OWN: &str = "the lab's own relay";
    Finding::fine(
        "balancer",
        match haproxy::installed() {
            Ok(path) => format!("{OWN}; by flag {}", path.display()),
            Err(_) => format!("{OWN}; HAProxy is not installed"),
        },
    )
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
