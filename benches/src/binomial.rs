//! Exact intervals for shares that are counted: so many of so many. They promise their confidence also
//! where nothing happened at all, which an interval from a spread can't.
//!
//! Source: C. J. Clopper and E. S. Pearson, The use of confidence or fiducial limits illustrated in the
//! case of the binomial, Biometrika 26 (1934), 404–413.

use crate::stats::{Estimate, rounded};

/// Confidence of every interval here.
pub const CONFIDENCE: f64 = 0.95;

/// Halvings after which an end of an interval is as exact as a number can be.
const HALVINGS: u32 = 60;

/// The share of `hits` in `all`, with its 95 % interval. Where nothing was hit, or everything, the
/// interval is one-sided: all of the 5 % are on the one side that there is. Nothing without any cases.
pub fn share(hits: u64, all: u64) -> Option<Estimate> {
    if all == 0 || hits > all {
        return None;
    }
    let error = 1.0 - CONFIDENCE;
    let each = if hits == 0 || hits == all { error } else { error / 2.0 };
    let [low, high] = ends(hits, all, each);
    let value = hits as f64 / all as f64;
    Some(Estimate { value, low, high }.map(rounded))
}

/// How many cases without a hit it takes for the upper end of [`share`] to be at most `limit`.
pub fn cases_for(limit: f64) -> u64 {
    ((1.0 - CONFIDENCE).ln() / (1.0 - limit).ln()).ceil() as u64
}

/// The ends of an interval that is wrong with this probability on each side.
fn ends(hits: u64, all: u64, error: f64) -> [f64; 2] {
    let law = Binomial::new(all);
    let low = match hits {
        0 => 0.0,
        // The least share with which so many or more are not too rare.
        _ => crossing(|share| 1.0 - law.at_most(hits - 1, share) > error),
    };
    let high = if hits == all {
        1.0
    } else {
        // The largest with which so few are not.
        crossing(|share| law.at_most(hits, share) < error)
    };
    [low, high]
}

/// The share from which on `beyond` holds.
fn crossing(beyond: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if beyond(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    f64::midpoint(low, high)
}

/// How many of so many are hit.
struct Binomial {
    /// Logarithms of the factorials up to the number of cases.
    factorials: Vec<f64>,
}

impl Binomial {
    fn new(all: u64) -> Self {
        Self { factorials: factorials(all) }
    }

    /// The probability that at most so many are hit, each with this probability.
    fn at_most(&self, hits: u64, share: f64) -> f64 {
        let all = self.factorials.len() - 1;
        let (hit, missed) = (share.ln(), (1.0 - share).ln());
        let term = |k: usize| {
            let ways = self.factorials[all] - self.factorials[k] - self.factorials[all - k];
            (ways + k as f64 * hit + (all - k) as f64 * missed).exp()
        };
        (0..=hits as usize).map(term).sum::<f64>().min(1.0)
    }
}

/// ln 0!, ln 1!, … up to this number.
fn factorials(most: u64) -> Vec<f64> {
    let mut all = vec![0.0];
    let mut sum = 0.0;
    for number in 1..=most {
        sum += (number as f64).ln();
        all.push(sum);
    }
    all
}

/// Whether two counts may come from one share: the probability of what was seen, or anything rarer, if
/// they do (R. A. Fisher's exact test, two-sided).
pub fn same_share([a, of_a]: [u64; 2], [b, of_b]: [u64; 2]) -> f64 {
    let factorials = factorials(of_a + of_b);
    let ways = |k: u64, n: u64| {
        factorials[n as usize] - factorials[k as usize] - factorials[(n - k) as usize]
    };
    let hits = a + b;
    let chance = |a: u64| ways(a, of_a) + ways(hits - a, of_b) - ways(hits, of_a + of_b);
    let seen = chance(a) + 1e-9;
    let possible = hits.saturating_sub(of_b)..=hits.min(of_a);
    rounded(possible.map(chance).filter(|it| *it <= seen).map(f64::exp).sum::<f64>().min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 5e-5, "{found} is not {expected}");
    }

    /// R. G. Newcombe, Two-sided confidence intervals for the single proportion, Statistics in Medicine
    /// 17 (1998), 857–872, table I, method 5 (Clopper–Pearson).
    #[test]
    fn intervals_are_those_of_the_literature() {
        for (hits, all, low, high) in [
            (81, 263, 0.2527, 0.3676),
            (15, 148, 0.0578, 0.1617),
            (0, 20, 0.0, 0.1684),
            (1, 29, 0.0009, 0.1776),
        ] {
            let [found_low, found_high] = ends(hits, all, 0.025);
            near(found_low, low);
            near(found_high, high);
        }
    }

    /// Of nothing in n cases: 1 − 0.05^(1/n), the exact form of the rule of three (J. A. Hanley and
    /// A. Lippman-Hand, If nothing goes wrong, is everything all right?, JAMA 249 (1983), 1743–1745).
    #[test]
    fn nothing_in_many_cases_has_an_upper_bound() {
        for (all, high) in [(59, 0.0495), (200, 0.0149), (3_000, 0.000_998)] {
            let found = share(0, all).unwrap();
            assert!(found.value == 0.0 && found.low == 0.0);
            near(found.high, high);
            let mirrored = share(all, all).unwrap();
            assert_eq!(mirrored.high, 1.0);
            near(mirrored.low, 1.0 - high);
        }
        assert_eq!(share(0, 0), None);
        assert_eq!(cases_for(0.05), 59);
        assert!(share(0, 59).unwrap().high <= 0.05 && share(0, 58).unwrap().high > 0.05);
    }

    /// The lady tasting tea: 3 of 4 against 1 of 4 (R. A. Fisher, The Design of Experiments, 1935).
    #[test]
    fn two_counts_are_told_apart_as_far_as_they_can_be() {
        near(same_share([3, 4], [1, 4]), 34.0 / 70.0);
        near(same_share([4, 4], [0, 4]), 2.0 / 70.0);
        near(same_share([0, 30], [0, 30]), 1.0);
        assert!(same_share([30, 30], [0, 30]) < 1e-6);
    }

    /// What a 95 % interval promises, summed up over everything that can happen.
    #[test]
    fn an_interval_holds_the_truth_as_often_as_it_says() {
        for truth in [0.01, 0.1, 0.5, 0.93] {
            let law = Binomial::new(40);
            let chance = |k: u64| {
                let before = if k == 0 { 0.0 } else { law.at_most(k - 1, truth) };
                law.at_most(k, truth) - before
            };
            let holds = |k: &u64| {
                let [low, high] = ends(*k, 40, 0.025);
                (low..=high).contains(&truth)
            };
            let covered: f64 = (0..=40).filter(holds).map(chance).sum();
            assert!(covered >= 0.95, "{covered} at {truth}");
        }
    }
}
