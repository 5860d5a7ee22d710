//! What the link has really added: a delay that was asked for is a wish, the one that was measured is
//! a result.

use std::{sync::Mutex, time::Duration};

use anyhow::ensure;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// A link's achieved median may be off by this share of what was asked for.
const MEDIAN_TOLERANCE: f64 = 0.1;

/// And its p99 may be above the median by this much, milliseconds: more would be jitter that no real
/// link of this length has.
const SPREAD_LIMIT_MS: f64 = 0.3;

/// What is held for longer counts as this long, nanoseconds.
const LONGEST: u64 = 60_000_000_000;

/// How long chunks have been held, nanoseconds.
#[derive(Debug)]
pub(super) struct Held(Mutex<Histogram<u64>>);

/// What was achieved since it was last asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Achieved {
    /// What it should add to the way there and back, milliseconds.
    pub rtt_ms: f64,
    /// From who connects to the server.
    pub there: Direction,
    /// From the server back.
    pub back: Direction,
}

/// How long chunks of one direction were held, from the moment the link had read them until it had
/// written them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Direction {
    /// How many there were.
    pub chunks: u64,
    /// Half of them were held for less, milliseconds.
    pub p50_ms: f64,
    /// One in a hundred was held for longer.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Direction {
    fn and(&self, other: &Self) -> Self {
        let chunks = self.chunks + other.chunks;
        let mean = |of: fn(&Self) -> f64| {
            let sum = of(self) * self.chunks as f64 + of(other) * other.chunks as f64;
            if chunks > 0 { sum / chunks as f64 } else { 0.0 }
        };
        let (p50_ms, p99_ms) = (mean(|way| way.p50_ms), mean(|way| way.p99_ms));
        Self { chunks, p50_ms, p99_ms, max_ms: self.max_ms.max(other.max_ms) }
    }
}

impl Held {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Self::empty()))
    }

    fn empty() -> Histogram<u64> {
        let histogram = Histogram::new_with_bounds(1, LONGEST, 3);
        histogram.expect("one to a minute with three digits is a range that it knows")
    }

    pub(super) fn record(&self, held: Duration) {
        let nanos = u64::try_from(held.as_nanos()).unwrap_or(u64::MAX);
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).saturating_record(nanos);
    }

    /// What was recorded; counting starts anew.
    pub(super) fn take(&self) -> Direction {
        let mut histogram = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let taken = std::mem::replace(&mut *histogram, Self::empty());
        let ms = |nanos: u64| nanos as f64 / 1e6;
        Direction {
            chunks: taken.len(),
            p50_ms: ms(taken.value_at_quantile(0.5)),
            p99_ms: ms(taken.value_at_quantile(0.99)),
            max_ms: ms(taken.max()),
        }
    }
}

impl Achieved {
    /// Two stretches over the same link taken together. What was held is not kept one by one, so a
    /// quantile of both is the mean of the two, weighted by their chunks: near enough for a delay that
    /// is the same all the time, and one that is not is void.
    pub fn and(&self, other: &Self) -> Self {
        let (there, back) = (self.there.and(&other.there), self.back.and(&other.back));
        Self { rtt_ms: other.rtt_ms, there, back }
    }

    /// Both ways' medians, milliseconds: half of all exchanges take about this much longer.
    pub fn median_ms(&self) -> f64 {
        self.there.p50_ms + self.back.p50_ms
    }

    /// How far the p99 is above the median, on the worse of the two ways.
    pub fn spread_ms(&self) -> f64 {
        let spread = |way: &Direction| way.p99_ms - way.p50_ms;
        spread(&self.there).max(spread(&self.back))
    }

    /// Whether a trial over this link counts: whether it was as long as it was asked to be. A link
    /// that adds nothing is its own control: what it costs all the same is a figure, not a fault.
    ///
    /// # Errors
    /// One line with what was asked for and what came of it.
    pub fn counts(&self) -> anyhow::Result<()> {
        let (asked, median) = (self.rtt_ms, self.median_ms());
        ensure!(self.there.chunks > 0 && self.back.chunks > 0, "nothing went over the link");
        ensure!(
            asked == 0.0 || (median / asked - 1.0).abs() <= MEDIAN_TOLERANCE,
            "the link should add {asked} ms and added {median:.3} ms"
        );
        Ok(())
    }

    /// The same, and whether it was so steady that also the slow end of latencies is the servers' own.
    ///
    /// # Errors
    /// As [`Self::counts`].
    pub fn check(&self) -> anyhow::Result<()> {
        self.counts()?;
        let spread = self.spread_ms();
        ensure!(
            spread < SPREAD_LIMIT_MS,
            "the link's delay has a p99 of {spread:.3} ms above its median; {SPREAD_LIMIT_MS} ms is \
             the limit"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(p50_ms: f64, p99_ms: f64) -> Direction {
        Direction { chunks: 1000, p50_ms, p99_ms, max_ms: 9.0 }
    }

    #[test]
    fn a_link_counts_while_its_delay_is_what_was_asked_for() {
        let link =
            |rtt_ms, p50, p99| Achieved { rtt_ms, there: way(p50, p99), back: way(p50, p99) };
        link(1.0, 0.52, 0.6).check().unwrap();
        let slow = link(1.0, 0.56, 0.6).check().unwrap_err().to_string();
        assert_eq!(slow, "the link should add 1 ms and added 1.120 ms");
        let shaky = link(1.0, 0.5, 0.81).check().unwrap_err().to_string();
        assert!(shaky.contains("0.310 ms above its median"), "{shaky}");
        link(1.0, 0.5, 0.81).counts().unwrap();
        // Nothing was asked for, so nothing can be missed by a tenth of it.
        link(0.0, 0.02, 0.1).check().unwrap();
        let mut idle = link(1.0, 0.5, 0.5);
        idle.back.chunks = 0;
        assert!(idle.check().is_err());
    }

    #[test]
    fn two_stretches_count_by_their_chunks() {
        let achieved = |chunks, p50_ms, max_ms| {
            let way = Direction { chunks, p50_ms, p99_ms: 2.0 * p50_ms, max_ms };
            Achieved { rtt_ms: 1.0, there: way.clone(), back: way }
        };
        let both = achieved(300, 0.5, 3.0).and(&achieved(100, 0.7, 1.0));
        assert_eq!((both.there.chunks, both.back.max_ms), (400, 3.0));
        assert!((both.median_ms() - 1.1).abs() < 1e-9 && (both.there.p99_ms - 1.1).abs() < 1e-9);
        assert_eq!(achieved(0, 0.0, 0.0).and(&achieved(0, 0.0, 0.0)), achieved(0, 0.0, 0.0));
    }

    #[test]
    fn what_was_taken_is_not_counted_again() {
        let held = Held::new();
        for micros in [100, 100, 300] {
            held.record(Duration::from_micros(micros));
        }
        let taken = held.take();
        assert_eq!(taken.chunks, 3);
        assert!((taken.p50_ms - 0.1).abs() < 0.001 && (taken.max_ms - 0.3).abs() < 0.001);
        assert_eq!(held.take().chunks, 0);
    }
}
