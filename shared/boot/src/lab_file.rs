//! The one file that switches on what only the lab needs. Without it a server has none of this
//! code in its way.

use std::{path::Path, sync::OnceLock, time::Duration};

use anyhow::{Context, bail};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::ServerArgs;

/// What the file may say.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LabFile {
    /// CPU time to burn in each request, microseconds: an effect of known size, planted to see
    /// whether the lab finds it.
    spin_us_per_request: f64,
    /// Time to wait in each request without using the CPU, microseconds: another such effect.
    wait_us_per_request: f64,
    /// Whether there is a page that calls the port as it is told to.
    calls: bool,
    /// What whoever does the jobs may make of it.
    jobs: Option<Value>,
}

impl LabFile {
    /// Reads the file that the flags name; `None` when they name none.
    pub(crate) fn read(args: &ServerArgs) -> anyhow::Result<Option<Self>> {
        let Some(path) = &args.lab else { return Ok(None) };
        if args.production {
            bail!("--lab: refused in production");
        }
        let file = Self::parse(path).with_context(|| format!("--lab: {}", path.display()))?;
        tracing::warn!(?file, "lab switches are on");
        Ok(Some(file))
    }

    fn parse(path: &Path) -> anyhow::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(path)?)?)
    }

    /// Whether the page of [`calls`](crate::calls) is there.
    pub(crate) fn calls(&self) -> bool {
        self.calls
    }

    /// The section about jobs, read by whom it concerns.
    pub(crate) fn jobs<T: DeserializeOwned + Default>(&self) -> anyhow::Result<T> {
        let Some(jobs) = &self.jobs else { return Ok(T::default()) };
        serde_json::from_value(jobs.clone()).context("--lab: jobs")
    }

    /// Waits for the planted time, on a thread that has nothing else to do: the runtime's own timer
    /// counts whole milliseconds.
    pub(crate) async fn wait(&self) {
        if self.wait_us_per_request <= 0.0 {
            return;
        }
        let planted = Duration::from_secs_f64(self.wait_us_per_request / 1e6);
        // It can only fail when the server ends, and then nobody waits any more.
        let _ = tokio::task::spawn_blocking(move || std::thread::sleep(planted)).await;
    }

    /// Burns the planted CPU time on the current thread. It is measured by the thread's own CPU
    /// clock: a busy machine makes it take longer, but never makes it cost more. What the clock
    /// itself costs is a part of it: of the first and the last reading one half each is outside what
    /// they measure, and on average the end is noticed half a reading late.
    pub(crate) fn spin(&self) {
        if self.spin_us_per_request <= 0.0 {
            return;
        }
        let planted = Duration::from_secs_f64(self.spin_us_per_request / 1e6);
        let planted = planted.saturating_sub(reading() * 3 / 2);
        let Some(start) = thread_cpu() else { return };
        while thread_cpu().is_some_and(|now| now.saturating_sub(start) < planted) {
            std::hint::spin_loop();
        }
    }
}

/// What one reading of the thread's CPU clock costs, on average over many.
fn reading() -> Duration {
    const READINGS: u32 = 1_000;
    static COST: OnceLock<Duration> = OnceLock::new();
    *COST.get_or_init(|| {
        let Some(first) = thread_cpu() else { return Duration::ZERO };
        let mut last = first;
        for _ in 0..READINGS {
            last = thread_cpu().unwrap_or(last);
        }
        last.saturating_sub(first) / READINGS
    })
}

fn thread_cpu() -> Option<Duration> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok().map(Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_millisecond_costs_a_millisecond_of_cpu() {
        let file = LabFile { spin_us_per_request: 1_000.0, ..LabFile::default() };
        let spin = || {
            let before = thread_cpu().unwrap();
            file.spin();
            thread_cpu().unwrap() - before
        };
        // The least of several: a busy host may put its own doings into a thread's time.
        let burnt = (0..10).map(|_| spin()).min().unwrap();
        assert!(burnt >= Duration::from_micros(990), "{burnt:?}");
        assert!(burnt < Duration::from_millis(2), "{burnt:?}");
    }

    #[tokio::test]
    async fn a_planted_wait_takes_its_time_and_no_cpu() {
        let file = LabFile { wait_us_per_request: 20_000.0, ..LabFile::default() };
        let (begun, before) = (std::time::Instant::now(), thread_cpu().unwrap());
        file.wait().await;
        assert!(begun.elapsed() >= Duration::from_millis(20));
        let burnt = thread_cpu().unwrap() - before;
        assert!(burnt < Duration::from_millis(10), "{burnt:?}");
    }

    #[test]
    fn a_misspelt_switch_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"spin_ms": 3}"#).unwrap();
        let error = LabFile::parse(file.path()).unwrap_err();
        assert!(error.to_string().contains("spin_ms"), "{error}");
    }
}
