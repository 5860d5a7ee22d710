//! The arithmetic of uncertainty: drawing restarts again, intervals from what the draws say, and
//! quantiles of merged histograms.
//!
//! Why not simply a t-test on slices? Slices of one server start share what that start happened to
//! get (memory layout, hash seeds), so a hundred slices of one start know less than eight starts of
//! a dozen slices each. Restarts are therefore what is drawn again, each with all its blocks: the
//! upper level with replacement, the lower one kept as it is (Davison & Hinkley 1997, §3.8; Ren et
//! al. 2010). Drawing blocks again inside a drawn restart would count their noise twice, because the
//! spread between restarts already contains it; the tests show the interval that results.
//!
//! Everything here gives the same bits for the same input: the generator is `ChaCha8`, whose output is
//! specified, and positions are drawn with plain integer arithmetic.

use std::f64::consts::PI;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::record::Histogram;

/// How often restarts are drawn again.
pub const RESAMPLES: u32 = 10_000;

/// A value with its interval, in whatever unit its owner says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Estimate {
    /// Best guess.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Estimate {
    /// Whether the interval holds `x`.
    pub fn contains(&self, x: f64) -> bool {
        self.low <= x && x <= self.high
    }

    /// The same estimate on another scale; `f` must grow with its argument.
    pub fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self { value: f(self.value), low: f(self.low), high: f(self.high) }
    }

    /// Half the width of a ratio's interval as a share: 0.1 stands for ± 10 %. Measured on the
    /// logarithm, where the interval is symmetric.
    pub fn relative_half_width(&self) -> f64 {
        (self.high / self.low).sqrt() - 1.0
    }
}

/// Six significant digits: more than the data hold, few enough that another machine, whose `ln` may
/// differ in the last bit, still computes the same number.
pub fn rounded(x: f64) -> f64 {
    format!("{x:.5e}").parse().unwrap_or(x)
}

/// The middle value, or the mean of the two in the middle.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    let last = values.get(n / 2)?;
    let middle = if n % 2 == 1 { *last } else { f64::midpoint(values[n / 2 - 1], *last) };
    Some(rounded(middle))
}

/// A number in `0..n` from one output of the generator (multiply and shift; the bias is below
/// `n / 2^64`).
pub fn below(rng: &mut ChaCha8Rng, n: usize) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}

/// Puts things in a random order (Fisher and Yates).
pub fn shuffle<T>(rng: &mut ChaCha8Rng, things: &mut [T]) {
    for last in (1..things.len()).rev() {
        things.swap(last, below(rng, last + 1));
    }
}

/// Many ways to draw `n` restarts from `n` with replacement, each written as how often every
/// restart was drawn.
pub struct Resamples {
    n: usize,
    weights: Vec<u32>,
}

impl Resamples {
    /// `times` draws of `n` restarts.
    pub fn new(seed: u64, n: usize, times: u32) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut weights = vec![0; n * times as usize];
        for draw in weights.chunks_mut(n.max(1)) {
            for _ in 0..n {
                draw[below(&mut rng, n)] += 1;
            }
        }
        Self { n, weights }
    }

    /// The intervals of several statistics, each a function of how often every restart counts.
    ///
    /// An interval is the value ± t(n − 1) × standard error × √(n / (n − 1)): the spread over the
    /// draws is the standard error, the root makes up for the bootstrap's dividing by n where n − 1
    /// is due, and Student's t for the few restarts (Hesterberg 2015, "What Teachers Should Know
    /// about the Bootstrap"). For a mean this is exactly the classical t interval on restart means;
    /// for a quantile of merged histograms it is the nearest thing to it. A plain percentile
    /// interval covers too rarely at n = 8, and at n = 4 no percentile interval can reach 95 %.
    ///
    /// `None` below two restarts, which say nothing about spread.
    pub fn intervals<const K: usize>(
        &self,
        confidence: f64,
        statistics: impl Fn(&[u32]) -> [f64; K],
    ) -> Option<[Estimate; K]> {
        if self.n < 2 {
            return None;
        }
        let values = statistics(&vec![1; self.n]);
        let draws: Vec<[f64; K]> = self.weights.chunks(self.n).map(statistics).collect();
        let n = self.n as f64;
        let t = student_t(confidence, self.n - 1) * (n / (n - 1.0)).sqrt();
        Some(std::array::from_fn(|k| {
            let count = draws.len() as f64;
            let mean = draws.iter().map(|draw| draw[k]).sum::<f64>() / count;
            let variance = draws.iter().map(|draw| (draw[k] - mean).powi(2)).sum::<f64>() / count;
            let half = t * variance.sqrt();
            Estimate { value: values[k], low: values[k] - half, high: values[k] + half }
        }))
    }
}

/// Mean of one number per restart, each counted as often as it was drawn.
pub fn weighted_mean(values: &[f64], weights: &[u32]) -> f64 {
    let total: u32 = weights.iter().sum();
    values.iter().zip(weights).map(|(x, w)| x * f64::from(*w)).sum::<f64>() / f64::from(total)
}

/// The t for which a Student variable with `freedom` degrees of freedom lies within ± t with
/// probability `confidence`.
pub fn student_t(confidence: f64, freedom: usize) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while within(high, freedom) < confidence {
        high *= 2.0;
    }
    for _ in 0..80 {
        let middle = (low + high) / 2.0;
        if within(middle, freedom) < confidence {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

/// Probability that a Student variable lies within ± t: the finite series for whole degrees of
/// freedom (Abramowitz & Stegun 26.7.3 and 26.7.4).
fn within(t: f64, freedom: usize) -> f64 {
    let angle = (t / (freedom as f64).sqrt()).atan();
    let (sin, cos) = angle.sin_cos();
    let odd = freedom % 2 == 1;
    // Each term is the one before times cos² and a fraction of neighbouring numbers.
    let mut term = if odd { cos } else { 1.0 };
    let mut sum = if freedom == 1 { 0.0 } else { term };
    let mut k = if odd { 3 } else { 2 };
    while k < freedom {
        term *= cos * cos * (k - 1) as f64 / k as f64;
        sum += term;
        k += 2;
    }
    if odd { (angle + sin * sum) * 2.0 / PI } else { sin * sum }
}

/// How many restarts would bring the half-width of an interval down from `half` (seen with `n`
/// restarts) to `wanted`, both on the same scale. `None` beyond 1,000: then the effect lies so
/// close to the limit that no reasonable run can tell.
pub fn restarts_needed(n: usize, half: f64, wanted: f64) -> Option<usize> {
    let spread = half * (n as f64).sqrt() / student_t(0.95, n.max(2) - 1);
    (n.max(2)..=1_000).find(|&m| student_t(0.95, m - 1) * spread / (m as f64).sqrt() <= wanted)
}

/// Several histograms, one per restart, ready to be merged in any proportion: per restart the
/// number of values up to each value of a common grid.
pub struct Merged {
    grid: Vec<u64>,
    up_to: Vec<Vec<u64>>,
}

impl Merged {
    /// One list of histograms per restart.
    pub fn new<'a>(restarts: impl IntoIterator<Item = Vec<&'a Histogram>>) -> Self {
        let restarts: Vec<_> = restarts.into_iter().collect();
        let mut grid: Vec<u64> =
            restarts.iter().flatten().flat_map(|h| h.0.iter().map(|(value, _)| *value)).collect();
        grid.sort_unstable();
        grid.dedup();
        let up_to = restarts
            .iter()
            .map(|histograms| {
                let mut counts = vec![0; grid.len()];
                for (value, count) in histograms.iter().flat_map(|h| &h.0) {
                    counts[grid.partition_point(|v| v < value)] += count;
                }
                let mut sum = 0;
                counts.iter_mut().for_each(|c| {
                    sum += *c;
                    *c = sum;
                });
                counts
            })
            .collect();
        Self { grid, up_to }
    }

    /// How many values all restarts hold together.
    pub fn count(&self) -> u64 {
        self.up_to.iter().filter_map(|counts| counts.last()).sum()
    }

    /// [`Self::quantile`] of everything, each restart once.
    pub fn overall_quantile(&self, q: f64) -> f64 {
        self.quantile(q, &vec![1; self.up_to.len()])
    }

    /// The smallest value that at least the share `q` of all values does not exceed, when restart
    /// `i` counts `weights[i]` times. Counts are merged; percentiles are never averaged. NaN where
    /// there is no value at all.
    pub fn quantile(&self, q: f64, weights: &[u32]) -> f64 {
        let at = |position: usize| -> u64 {
            self.up_to.iter().zip(weights).map(|(c, w)| c[position] * u64::from(*w)).sum()
        };
        let Some(last) = self.grid.len().checked_sub(1) else { return f64::NAN };
        let rank = (q * at(last) as f64).ceil() as u64;
        let (mut low, mut high) = (0, last);
        while low < high {
            let middle = usize::midpoint(low, high);
            if at(middle) >= rank { high = middle } else { low = middle + 1 }
        }
        self.grid[low] as f64
    }
}

#[cfg(test)]
#[path = "stats_tests.rs"]
mod tests;
