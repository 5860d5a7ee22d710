//! The Universal Scalability Law (Gunther 1993; 2007, Guerrilla Capacity Planning, ch. 4 to 6): what N
//! units come to, when a share of the work can't be done side by side, and units have to agree with
//! each other.

use super::regression::non_negative;
use crate::stats::{Estimate, Resamples};

/// X(N) = γ N / (1 + σ (N − 1) + κ N (N − 1)).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Law {
    /// What one unit comes to.
    pub gamma: f64,
    /// Contention: the share of the work that one has to wait for another with.
    pub sigma: f64,
    /// Coherency: what each pair of units costs. With any of it there is a number of units beyond
    /// which more of them come to less.
    pub kappa: f64,
}

/// The law with its intervals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fitted {
    /// What one unit comes to.
    pub gamma: Estimate,
    /// Contention.
    pub sigma: Estimate,
    /// Coherency.
    pub kappa: Estimate,
}

/// One measurement: units, and what they came to.
pub type Point = (f64, f64);

impl Law {
    /// What `n` units come to.
    pub fn at(self, n: f64) -> f64 {
        self.gamma * n / (1.0 + self.sigma * (n - 1.0) + self.kappa * n * (n - 1.0))
    }

    /// The number of units at which it comes to most, √((1 − σ) / κ); `None` where it only grows.
    pub fn peak(self) -> Option<f64> {
        (self.kappa > 0.0).then(|| ((1.0 - self.sigma).max(0.0) / self.kappa).sqrt())
    }

    /// The law that is nearest to these points, of those with σ and κ of zero or more.
    ///
    /// Its reciprocal is linear: N / X = (1 + σ (N − 1) + κ N (N − 1)) / γ. So it is fitted by
    /// non-negative least squares, each point weighted so that deviations count relative to what was
    /// measured. `None` where there are too few numbers of units.
    pub fn fit(points: &[Point], counts: &[u32]) -> Option<Self> {
        let rows: Vec<[f64; 3]> =
            points.iter().map(|(n, _)| [1.0, n - 1.0, n * (n - 1.0)]).collect();
        let values: Vec<f64> = points.iter().map(|(n, x)| n / x).collect();
        let weights: Vec<f64> =
            values.iter().zip(counts).map(|(v, count)| f64::from(*count) / (v * v)).collect();
        let [one, contention, coherency] = non_negative(&rows, &values, &weights)?;
        let law = Self { gamma: 1.0 / one, sigma: contention / one, kappa: coherency / one };
        law.gamma.is_finite().then_some(law)
    }
}

impl Fitted {
    /// Fits the law, and draws the points again for its intervals (case resampling, Davison & Hinkley
    /// 1997, §6.2.4).
    ///
    /// `None` below three numbers of units: then curves of any shape go through all of them.
    pub fn to(points: &[Point], seed: u64, times: u32) -> Option<Self> {
        let mut units: Vec<u64> = points.iter().map(|(n, _)| n.to_bits()).collect();
        units.sort_unstable();
        units.dedup();
        let whole = (units.len() >= 3).then(|| Law::fit(points, &vec![1; points.len()]))??;
        let resamples = Resamples::new(seed, points.len(), times);
        let [gamma, sigma, kappa] = resamples.intervals(0.95, |counts| {
            // A draw that holds too little to tell says what all points say.
            let Law { gamma, sigma, kappa } = Law::fit(points, counts).unwrap_or(whole);
            [gamma, sigma, kappa]
        })?;
        let from_zero = |it: Estimate| Estimate { low: it.low.max(0.0), ..it };
        Some(Self { gamma, sigma: from_zero(sigma), kappa: from_zero(kappa) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::Noise;

    const TRUTH: Law = Law { gamma: 1000.0, sigma: 0.05, kappa: 0.01 };

    fn points(noise: f64) -> Vec<Point> {
        let mut random = Noise::new(3);
        let units = [1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0];
        let twice = units.iter().chain(&units);
        twice.map(|n| (*n, TRUTH.at(*n) * (noise * random.normal()).exp())).collect()
    }

    #[test]
    fn the_law_that_made_the_points_is_found_again() {
        let law = Law::fit(&points(0.0), &[1; 16]).unwrap();
        assert!((law.gamma - 1000.0).abs() < 1e-6 && (law.sigma - 0.05).abs() < 1e-9);
        assert!((law.kappa - 0.01).abs() < 1e-9);
        assert!((law.peak().unwrap() - 95.0_f64.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn intervals_hold_what_made_noisy_points() {
        let Fitted { gamma, sigma, kappa } = Fitted::to(&points(0.03), 1, 500).unwrap();
        assert!(gamma.contains(1000.0) && sigma.contains(0.05) && kappa.contains(0.01));
        assert!(gamma.relative_half_width() < 0.1, "{gamma:?}");
    }

    #[test]
    fn a_straight_line_has_neither_contention_nor_a_peak() {
        let points: Vec<Point> = (1..=4).map(|n| (f64::from(n), 500.0 * f64::from(n))).collect();
        let law = Law::fit(&points, &[1; 4]).unwrap();
        assert!(law.sigma < 1e-9 && law.kappa < 1e-9 && (law.gamma - 500.0).abs() < 1e-6);
        assert!((law.at(10.0) - 5_000.0).abs() < 1e-3);
        // Better than linear is taken for linear, and not for a law with negative costs.
        let law = Law::fit(&[(1.0, 100.0), (2.0, 220.0), (4.0, 460.0)], &[1; 3]).unwrap();
        assert_eq!((law.sigma, law.kappa, law.peak()), (0.0, 0.0, None));
    }

    #[test]
    fn two_numbers_of_units_say_nothing_about_a_curve() {
        assert_eq!(Fitted::to(&[(1.0, 10.0), (2.0, 19.0), (2.0, 18.0)], 1, 10), None);
    }
}
