//! Whether a quota is kept to, seen by using it up.

use std::{process::Stdio, time::Instant};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tokio::{
    process::Command,
    time::{Duration, sleep},
};

use super::{Cpu, Group, Kind, Limits, Millicores, Quotas, Use};
use crate::affinity;

/// The quota that is tried: small enough for a busy machine to have that much left.
const ASKED: Millicores = Millicores(250);

/// How far the achieved share may be off.
const TOLERANCE: f64 = 0.05;

/// For how long CPU is burned before it is measured, and while it is: sixty periods, so that one
/// more or less of them makes no difference.
const SETTLE: Duration = Duration::from_millis(60);
const MEASURE: Duration = Duration::from_millis(600);

/// How often it is tried: others may have been using the core.
const ATTEMPTS: usize = 3;

/// What keeps servers to their budgets here, tried out; goes into the record of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Enforcement {
    /// Control groups, version 1.
    CgroupV1(Share),
    /// Control groups, version 2.
    CgroupV2(Share),
    /// Nothing but the cores they run on.
    Affinity {
        /// Why, and what would help: one line.
        why: String,
    },
}

/// What a process that wanted all of a core was given of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The quota.
    pub asked: Millicores,
    /// Cores used.
    pub achieved: f64,
    /// Of the periods, the share in which the quota is what stopped it.
    pub throttled: f64,
}

impl Share {
    /// # Errors
    /// One line, when what was achieved is not what was asked for.
    pub fn check(&self) -> anyhow::Result<()> {
        let Self { asked, achieved, throttled } = *self;
        let ratio = achieved / asked.cores();
        if (ratio - 1.0).abs() <= TOLERANCE {
            return Ok(());
        }
        let reason = if ratio < 1.0 && throttled < 0.9 {
            "others use the core: stop them, or expect slices to be flagged"
        } else {
            "the kernel does not keep to it: measure on another machine"
        };
        anyhow::bail!("a quota of {asked} came to {achieved:.3} CPU; {reason}")
    }
}

impl Enforcement {
    /// # Errors
    /// One line with the way out, when there are no quotas.
    pub fn require(&self) -> anyhow::Result<Share> {
        match self {
            Self::CgroupV1(share) | Self::CgroupV2(share) => Ok(*share),
            Self::Affinity { why } => anyhow::bail!("this needs CPU quotas: {why}"),
        }
    }
}

/// Burns CPU under a quota on `cores` for about a second, and up to three if others disturb.
/// Afterwards the calling thread is on the cores it was on. `mark` is the guardian's.
///
/// A quota that is exceeded counts as none. One that is not reached does count: the machine is busy.
///
/// # Errors
/// When the burner can't be started or measured.
pub async fn preflight(
    quotas: &Quotas,
    cores: &[u32],
    mark: (&str, &str),
) -> anyhow::Result<Enforcement> {
    let enforced = match quotas.kind() {
        Kind::Affinity { why } => return Ok(Enforcement::Affinity { why }),
        Kind::CgroupV1 => Enforcement::CgroupV1,
        Kind::CgroupV2 => Enforcement::CgroupV2,
    };
    let mut share = burn(quotas, cores, mark).await?;
    for _ in 1..ATTEMPTS {
        if share.check().is_ok() {
            break;
        }
        share = burn(quotas, cores, mark).await?;
    }
    match share.check() {
        Err(error) if share.achieved > share.asked.cores() => {
            Ok(Enforcement::Affinity { why: error.to_string() })
        }
        _ => Ok(enforced(share)),
    }
}

async fn burn(quotas: &Quotas, cores: &[u32], mark: (&str, &str)) -> anyhow::Result<Share> {
    let cpu = Some(Cpu::Quota(ASKED));
    let group = quotas.group("preflight", &Limits { cpu, memory_mib: None })?;
    let under = group.under();
    let (enter, flags) = under.split_first().context("a group is entered by a program")?;
    let mut command = Command::new(enter);
    command
        .args(flags)
        .args(["/bin/sh", "-c", "while :; do :; done"])
        .env_clear()
        .env(mark.0, mark.1)
        .stdin(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    let home = affinity::cores()?;
    let mut burner = affinity::elsewhere(cores, &home, || command.spawn())?
        .context("cannot start a process that burns CPU")?;
    let measured = measure(&group).await;
    burner.kill().await?;
    let (used, elapsed) = measured?;
    Ok(Share {
        asked: ASKED,
        achieved: used.cpu.as_secs_f64() / elapsed.as_secs_f64(),
        throttled: used.throttled_periods as f64 / used.periods.max(1) as f64,
    })
}

async fn measure(group: &Group) -> anyhow::Result<(Use, Duration)> {
    sleep(SETTLE).await;
    let (before, start) = (group.used()?, Instant::now());
    sleep(MEASURE).await;
    Ok((group.used()?.since(before), start.elapsed()))
}
