//! When requests arrive and what each asks for. Pure functions of a seed, so that both arms of a
//! comparison can be given exactly the same visitors.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Random numbers for arrival times and for addresses come from separate streams of one seed:
/// drawing one more of the one kind must not shift the other.
const TIMES: u64 = 0;
const ADDRESSES: u64 = 1;

/// One visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The intended start, counted from the beginning of the slice.
    pub at: Duration,
    /// Which of the addresses is asked for.
    pub address: usize,
}

/// A Poisson process with `rate` arrivals per second over `seconds`, each arrival asking for one
/// of `addresses` addresses, all alike likely.
///
/// Gaps are drawn for a process of rate 1 and then divided by the rate (inversion of the
/// exponential distribution), so schedules of one seed have the same pattern at every rate.
pub fn poisson(rate: f64, seconds: f64, seed: u64, addresses: usize) -> Vec<Arrival> {
    let mut times = ChaCha8Rng::seed_from_u64(seed);
    times.set_stream(TIMES);
    let mut targets = ChaCha8Rng::seed_from_u64(seed);
    targets.set_stream(ADDRESSES);

    let mut arrivals = Vec::with_capacity((rate * seconds * 1.1) as usize);
    let mut units = 0.0_f64;
    loop {
        // `random` is in [0, 1), so the logarithm's argument is never zero.
        units -= (1.0 - times.random::<f64>()).ln();
        let at = units / rate;
        if at >= seconds {
            return arrivals;
        }
        let address = targets.random_range(0..addresses);
        arrivals.push(Arrival { at: Duration::from_secs_f64(at), address });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gaps(arrivals: &[Arrival]) -> Vec<f64> {
        arrivals.windows(2).map(|pair| (pair[1].at - pair[0].at).as_secs_f64()).collect()
    }

    proptest! {
        #[test]
        fn the_same_seed_gives_the_same_visitors(seed: u64, rate in 1.0..3000.0) {
            prop_assert_eq!(poisson(rate, 1.0, seed, 7), poisson(rate, 1.0, seed, 7));
        }

        #[test]
        fn arrivals_are_in_order_within_the_slice_and_at_known_addresses(
            seed: u64, rate in 1.0..3000.0, addresses in 1usize..50,
        ) {
            let arrivals = poisson(rate, 1.0, seed, addresses);
            prop_assert!(arrivals.is_sorted_by_key(|a| a.at));
            prop_assert!(arrivals.iter().all(|a| a.at < Duration::from_secs(1)));
            prop_assert!(arrivals.iter().all(|a| a.address < addresses));
        }

        /// A Poisson count has mean and variance rate × time; six deviations happen by chance
        /// about twice in a thousand million times.
        #[test]
        fn the_number_of_arrivals_is_what_the_rate_promises(seed: u64, rate in 50.0..2000.0) {
            let expected = rate * 4.0;
            let count = poisson(rate, 4.0, seed, 1).len() as f64;
            prop_assert!((count - expected).abs() < 6.0 * expected.sqrt(), "{} for {}", count, expected);
        }
    }

    #[test]
    fn gaps_are_exponential() {
        let gaps = gaps(&poisson(1000.0, 60.0, 1, 1));
        let n = gaps.len() as f64;
        let mean = gaps.iter().sum::<f64>() / n;
        let deviation = (gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / n).sqrt();
        assert!((mean * 1000.0 - 1.0).abs() < 0.02, "mean gap {mean}");
        assert!((deviation / mean - 1.0).abs() < 0.02, "an exponential's deviation is its mean");
        // Memoryless: of the gaps longer than the mean, a share of 1/e is longer than twice that.
        let longer = |times: f64| gaps.iter().filter(|g| **g > times * mean).count() as f64;
        assert!((longer(2.0) / longer(1.0) - (-1.0_f64).exp()).abs() < 0.02);
    }

    #[test]
    fn another_rate_stretches_the_same_pattern() {
        let slow = poisson(100.0, 2.0, 5, 9);
        let fast = poisson(200.0, 1.0, 5, 9);
        assert_eq!(slow.len(), fast.len());
        for (slow, fast) in slow.iter().zip(&fast) {
            assert_eq!(slow.address, fast.address);
            assert!((slow.at.as_secs_f64() - 2.0 * fast.at.as_secs_f64()).abs() < 1e-6);
        }
    }
}
