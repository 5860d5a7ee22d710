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

    /// Counts what others have counted.
    pub fn add(&mut self, others: &Self) {
        // Both have the same bounds, so nothing lies outside of them.
        let _ = self.0.add(&others.0);
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
    /// Every request by itself, in the order in which they ended.
    pub visits: Vec<Visit>,
    /// How many requests were under way, kept apart from all times above.
    pub under_way: UnderWay,
    /// Of each right answer, when its request was meant to start and how long it took from then; in the
    /// order in which answers came.
    pub answers: Vec<(Instant, Duration)>,
    /// When the schedule began, where there was one.
    pub began: Option<Instant>,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Visit {
    /// When it was meant to start.
    pub due: Instant,
    /// From then until the last byte of a right answer; absent where there was none.
    pub took: Option<Duration>,
}

/// How many requests are under way, summed up over time: a second account of the same slice, to hold
/// the first one against.
#[derive(Debug, Default)]
pub struct UnderWay {
    now: u32,
    since: Option<Instant>,
    /// Requests times seconds.
    area: f64,
}

impl UnderWay {
    /// One more.
    pub fn begin(&mut self, at: Instant) {
        self.until(at);
        self.now += 1;
    }

    fn end(&mut self, at: Instant) {
        self.until(at);
        self.now = self.now.saturating_sub(1);
    }

    fn until(&mut self, at: Instant) {
        let passed = self.since.map_or(Duration::ZERO, |since| at.saturating_duration_since(since));
        self.area += f64::from(self.now) * passed.as_secs_f64();
        self.since = Some(at);
    }
}

/// By how much the two accounts of a slice may differ before something is wrong with the generator.
const ACCOUNTS: f64 = 0.05;

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
        self.under_way.end(ended);
        let took = ended.saturating_duration_since(intended);
        self.visits.push(Visit { due: intended, took: (how == Ending::Right).then_some(took) });
        match how {
            Ending::Right => {
                self.sent += 1;
                self.completed += 1;
                let took = ended.saturating_duration_since(intended);
                self.latency.record(took);
                self.answers.push((intended, took));
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
        if unsent > 0 {
            return Some(format!("{unsent} of {} arrivals were not sent", self.scheduled));
        }
        self.contradiction()
    }

    /// Little's law: the mean number of requests under way is their rate times the mean time that
    /// each takes, L = XW. Both sides times the slice's length are the area under the number of
    /// requests, and the sum of all times. They hold the same whatever the server does, so where they
    /// differ it is the generator that has miscounted.
    fn contradiction(&self) -> Option<String> {
        let (area, sum) =
            (self.under_way.area, self.service.0.mean() * self.completed as f64 / 1e6);
        // A request that went wrong has no time to be summed up.
        let wrong = !self.errors.is_empty() || self.completed == 0;
        (!wrong && (area - sum).abs() > ACCOUNTS * area.max(sum)).then(|| {
            format!(
                "the generator's accounts differ: {area:.3} s by the number of requests under way, \
                 {sum:.3} s by the time that each took"
            )
        })
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
        tally.under_way.begin(start);
        tally.under_way.begin(start);
        tally.count(start, start, later, Ending::Right);
        tally.count(start, start, later, Ending::Wrong("status 503".to_owned()));
        assert_eq!((tally.sent, tally.completed), (2, 1));
        assert_eq!(tally.latency.to_record().0.len(), 1);
        assert_eq!(tally.void(), None);

        tally.scheduled = 3;
        tally.under_way.begin(start);
        tally.count(start, start, later, Ending::Unsent("no file descriptor".to_owned()));
        assert_eq!(tally.void().as_deref(), Some("1 of 3 arrivals were not sent"));
    }

    #[test]
    fn a_generator_that_miscounts_is_noticed() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut tally = Tally { scheduled: 2, ..Tally::default() };
        tally.under_way.begin(at(0));
        tally.under_way.begin(at(4));
        tally.count(at(0), at(0), at(10), Ending::Right);
        tally.count(at(4), at(4), at(20), Ending::Right);
        assert_eq!(tally.void(), None);
        // As if an answer had been counted at once that took its time.
        tally.scheduled = 3;
        tally.under_way.begin(at(30));
        tally.under_way.until(at(60));
        tally.count(at(60), at(60), at(60), Ending::Right);
        let why = tally.void().unwrap();
        assert!(why.contains("accounts differ: 0.056 s") && why.contains("0.026 s"), "{why}");
    }
}
