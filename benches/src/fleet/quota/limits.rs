//! What a group of processes may have, as plain data, and what it has used.

use std::{fmt, iter::Sum, time::Duration};

use serde::{Deserialize, Serialize};

use super::PERIOD;

/// The least quota that the kernel accepts: 1 ms in each [`PERIOD`].
pub const LEAST_QUOTA: Millicores = Millicores(100);

/// CPU in thousandths of a core. Whole numbers, so that sums of budgets are exact.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millicores(pub u32);

/// A group's share of the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cpu {
    /// So much and no more, even while nobody else wants the core.
    Quota(Millicores),
    /// A share of what its siblings leave or dispute, in proportion to their weights; 1 to 10 000,
    /// as in version 2 of control groups, where 100 is what everybody has by default.
    Weight(u32),
}

/// The limits of a group. What is not limited is what the group above has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// CPU time.
    pub cpu: Option<Cpu>,
    /// Resident memory and what is swapped out, MiB.
    pub memory_mib: Option<u32>,
}

/// What a group has used since it was made, and how often it was stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Use {
    /// CPU time, user and system, of all its processes, also of those that have ended.
    pub cpu: Duration,
    /// Periods in which it wanted to run.
    pub periods: u64,
    /// How many of these it spent partly stopped, because its quota was used up.
    pub throttled_periods: u64,
    /// For how long it was stopped. The kernel adds this up per core.
    pub throttled: Duration,
    /// The most memory it ever had, MiB, where the kernel keeps that.
    pub memory_peak_mib: Option<f64>,
    /// How many of its processes were killed because its memory was used up.
    pub killed_for_memory: u64,
}

impl Millicores {
    /// As a number of cores.
    pub fn cores(self) -> f64 {
        f64::from(self.0) / 1e3
    }

    /// The time on a core that this gives in each [`PERIOD`].
    pub fn per_period(self) -> Duration {
        PERIOD * self.0 / 1000
    }
}

impl fmt::Display for Millicores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} CPU", self.cores())
    }
}

impl Sum for Millicores {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        Self(all.map(|one| one.0).sum())
    }
}

impl Cpu {
    /// # Errors
    /// One line, when the kernel would refuse it.
    pub fn check(self) -> anyhow::Result<()> {
        match self {
            Self::Quota(quota) => anyhow::ensure!(
                quota >= LEAST_QUOTA,
                "a quota of {quota} is less than {LEAST_QUOTA}, which is the least the kernel keeps \
                 to with a period of {} ms",
                PERIOD.as_millis()
            ),
            Self::Weight(weight) => anyhow::ensure!(
                (1..=10_000).contains(&weight),
                "a CPU weight of {weight} is not between 1 and 10000"
            ),
        }
        Ok(())
    }
}

impl Use {
    /// What was used and suffered since `earlier`; peaks stay what they are.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            periods: self.periods.saturating_sub(earlier.periods),
            throttled_periods: self.throttled_periods.saturating_sub(earlier.throttled_periods),
            throttled: self.throttled.saturating_sub(earlier.throttled),
            memory_peak_mib: self.memory_peak_mib,
            killed_for_memory: self.killed_for_memory.saturating_sub(earlier.killed_for_memory),
        }
    }
}

impl Sum for Use {
    /// Of several groups together. Peaks need not have been at the same time; their sum is the most
    /// that it can have been.
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            cpu: sum.cpu + one.cpu,
            periods: sum.periods + one.periods,
            throttled_periods: sum.throttled_periods + one.throttled_periods,
            throttled: sum.throttled + one.throttled,
            memory_peak_mib: match (sum.memory_peak_mib, one.memory_peak_mib) {
                (Some(a), Some(b)) => Some(a + b),
                (a, b) => a.or(b),
            },
            killed_for_memory: sum.killed_for_memory + one.killed_for_memory,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_time_in_each_period() {
        assert_eq!(Millicores(250).per_period(), Duration::from_micros(2500));
        assert_eq!(Millicores(1500).per_period(), Duration::from_millis(15));
        assert_eq!(Millicores(100).per_period(), Duration::from_millis(1));
    }

    #[test]
    fn what_the_kernel_would_refuse_is_refused_with_its_reason() {
        Cpu::Quota(LEAST_QUOTA).check().unwrap();
        let error = Cpu::Quota(Millicores(99)).check().unwrap_err().to_string();
        assert!(error.contains("0.099 CPU") && !error.contains('\n'), "{error}");
        Cpu::Weight(1).check().unwrap();
        assert!(Cpu::Weight(0).check().is_err());
        assert!(Cpu::Weight(10_001).check().is_err());
    }
}
