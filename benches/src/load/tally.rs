//! What the generator counts while a slice runs.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::record;

/// Longest time that a histogram tells apart from longer ones, microseconds.
const HIGHEST_US: u64 = 120_000_000;

/// Significant decimal digits of every recorded time.
const DIGITS: u8 = 3;

/// Times of one kind, to the microsecond.
#[derive(Debug)]
pub struct Times(hdrhistogram::Histogram<u64>);

impl Times {
    /// No times yet.
    pub fn new() -> Self {
        let histogram = hdrhistogram::Histogram::new_with_bounds(1, HIGHEST_US, DIGITS);
        Self(histogram.expect("the bounds are constants that fit each other"))
    }

    /// Counts one time.
    pub fn record(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// The value that a share of `quantile` of all times does not exceed, microseconds; 0 when
    /// there are none.
    pub fn quantile_us(&self, quantile: f64) -> u64 {
        self.0.value_at_quantile(quantile)
    }

    /// The form in which it is kept.
    pub fn to_record(&self) -> record::Histogram {
        let pairs = self.0.iter_recorded();
        record::Histogram(pairs.map(|v| (v.value_iterated_to(), v.count_at_value())).collect())
    }
}

impl Default for Times {
    fn default() -> Self {
        Self::new()
    }
}

/// Everything that the generator saw in one slice.
#[derive(Debug, Default)]
pub struct Tally {
    /// Arrivals that the schedule held.
    pub scheduled: u64,
    /// Requests that went out, or would have if the server had taken the connection.
    pub sent: u64,
    /// Right answers: status 200 and the whole body.
    pub completed: u64,
    /// Kind of failure → how many.
    pub errors: BTreeMap<String, u64>,
    /// Intended start to last byte, right answers only.
    pub latency: Times,
    /// Actual start to last byte, right answers only.
    pub service: Times,
    /// Intended to actual start, every request.
    pub lag: Times,
}

/// How one request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The answer was right.
    Right,
    /// Something went wrong on the way or at the server: what.
    Wrong(String),
    /// The generator itself could not send it: why. Such a slice is void.
    Unsent(String),
}

impl Tally {
    /// Counts one request that was meant to start at `intended`, did start at `started` and ended
    /// at `ended`.
    pub fn count(&mut self, intended: Instant, started: Instant, ended: Instant, how: Ending) {
        self.lag.record(started.saturating_duration_since(intended));
        match how {
            Ending::Right => {
                self.sent += 1;
                self.completed += 1;
                self.latency.record(ended.saturating_duration_since(intended));
                self.service.record(ended.saturating_duration_since(started));
            }
            Ending::Wrong(kind) => {
                self.sent += 1;
                *self.errors.entry(kind).or_default() += 1;
            }
            Ending::Unsent(kind) => *self.errors.entry(kind).or_default() += 1,
        }
    }

    /// Why the slice counts for nothing, if it does not.
    pub fn void(&self) -> Option<String> {
        let unsent = self.scheduled - self.sent;
        (unsent > 0).then(|| format!("{unsent} of {} arrivals were not sent", self.scheduled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_three_digits_and_come_out_in_order() {
        let mut times = Times::new();
        for us in [7, 7, 123_456, 900] {
            times.record(Duration::from_micros(us));
        }
        let record::Histogram(pairs) = times.to_record();
        assert!(pairs.is_sorted());
        assert_eq!(pairs[0], (7, 2));
        assert_eq!(pairs.iter().map(|(_, count)| count).sum::<u64>(), 4);
        let last = pairs[2].0 as f64;
        assert!((last / 123_456.0 - 1.0).abs() < 0.001, "{last}");
    }

    #[test]
    fn only_right_answers_have_a_latency_and_only_the_generators_faults_void_a_slice() {
        let start = Instant::now();
        let later = start + Duration::from_millis(2);
        let mut tally = Tally { scheduled: 2, ..Tally::default() };
        tally.count(start, start, later, Ending::Right);
        tally.count(start, start, later, Ending::Wrong("status 503".to_owned()));
        assert_eq!((tally.sent, tally.completed), (2, 1));
        assert_eq!(tally.latency.to_record().0.len(), 1);
        assert_eq!(tally.void(), None);

        tally.scheduled = 3;
        tally.count(start, start, later, Ending::Unsent("no file descriptor".to_owned()));
        assert_eq!(tally.void().as_deref(), Some("1 of 3 arrivals were not sent"));
    }
}
