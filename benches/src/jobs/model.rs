//! What theory says of jobs beside pages on one core, to be drawn beside what was measured. Nothing
//! of it enters a verdict.
//!
//! Pages are so many and so short beside a job that they are taken for a fluid, which fills the share
//! `pages` of the core. A job on an event loop then is a pile that everybody waits behind: it grows by
//! the job's length J when one comes, and goes down by `1 − pages` in each second, because pages come
//! meanwhile. In units of `J / (1 − pages)` that is the waiting time of an M/D/1 queue, whose
//! distribution Erlang has given (1909; see Gross, Shortle, Thompson & Harris 2008, §5.1):
//!
//! `P(W ≤ x) = (1 − ρ) Σ_{k=0}^{⌊x/D⌋} (λ(kD − x))^k / k! · e^{−λ(kD − x)}`
//!
//! A job on a thread beside those of the pages shares the core with them: M/G/1 with processor
//! sharing, in which a page of length s takes `s / (1 − ρ)` on average, whatever the lengths of jobs
//! (Kleinrock 1976, §4.4). Where pages go before jobs, theory has nothing to add.

/// How busy a core is, and with what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Busy {
    /// The share that pages take.
    pub pages: f64,
    /// The share that jobs take.
    pub jobs: f64,
    /// The length of one job, milliseconds.
    pub job_ms: f64,
}

impl Busy {
    /// On an event loop: the share of pages that wait longer than this, milliseconds. `None` where
    /// there is more to do than one core can.
    pub fn waiting_longer(self, ms: f64) -> Option<f64> {
        let free = 1.0 - self.pages;
        let (rho, long) = (self.jobs / free, self.job_ms / free);
        if free <= 0.0 || rho >= 1.0 {
            return None;
        }
        let (lambda, x) = (self.jobs / self.job_ms, ms.max(0.0) / free);
        let mut sum = 0.0;
        for k in 0..=(x / long).floor() as u32 {
            // Never positive, so that terms change their signs.
            let y = lambda * (f64::from(k) * long - x);
            let term: f64 = (1..=k).map(|i| y / f64::from(i)).product();
            sum += term * (-y).exp();
        }
        Some((1.0 - (1.0 - rho) * sum).clamp(0.0, 1.0))
    }

    /// On an event loop: how long the share `1 − quantile` of pages waits at least, milliseconds.
    pub fn wait(self, quantile: f64) -> Option<f64> {
        let share = 1.0 - quantile;
        if self.waiting_longer(0.0)? <= share {
            return Some(0.0);
        }
        let (mut low, mut high) = (0.0, self.job_ms);
        while self.waiting_longer(high)? > share {
            high *= 2.0;
        }
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if self.waiting_longer(middle)? > share {
                low = middle;
            } else {
                high = middle;
            }
        }
        Some(high)
    }

    /// Beside each other: by which factor pages take longer than without jobs.
    pub fn shared(self) -> Option<f64> {
        let left = 1.0 - self.pages - self.jobs;
        (left > 0.0).then(|| (1.0 - self.pages) / left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const BUSY: Busy = Busy { pages: 0.2, jobs: 0.2, job_ms: 300.0 };

    #[test]
    fn nobody_waits_where_there_are_no_jobs_and_everybody_where_there_are_too_many() {
        assert_eq!(Busy { jobs: 0.0, ..BUSY }.waiting_longer(0.0), Some(0.0));
        assert_eq!(Busy { jobs: 0.0, ..BUSY }.shared(), Some(1.0));
        assert_eq!(Busy { jobs: 0.9, ..BUSY }.waiting_longer(50.0), None);
        assert_eq!(Busy { jobs: 0.9, ..BUSY }.shared(), None);
        // The utilisation law: somebody waits for as long as there is a pile.
        assert!((BUSY.waiting_longer(0.0).unwrap() - 0.25).abs() < 1e-9);
        assert!((BUSY.shared().unwrap() - 0.8 / 0.6).abs() < 1e-9);
    }

    /// The pile itself, step by step: jobs come by chance, and it goes down in between.
    #[test]
    fn the_formula_says_what_a_simulation_says() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let free = 1.0 - BUSY.pages;
        let (mut pile, mut above, mut total) = (0.0_f64, [0.0; 3], 0.0);
        let limits = [50.0, 280.0, 400.0];
        for _ in 0..200_000 {
            let gap = -(1.0 - rng.random::<f64>()).ln() * BUSY.job_ms / BUSY.jobs;
            for (above, limit) in above.iter_mut().zip(limits) {
                *above += ((pile - limit).max(0.0) / free).min(gap);
            }
            total += gap;
            pile = (pile - gap * free).max(0.0) + BUSY.job_ms;
        }
        for (above, limit) in above.iter().zip(limits) {
            let formula = BUSY.waiting_longer(limit).unwrap();
            assert!((above / total - formula).abs() < 0.005, "{limit} ms: {}", above / total);
        }
        let p99 = BUSY.wait(0.99).unwrap();
        assert!((BUSY.waiting_longer(p99).unwrap() - 0.01).abs() < 1e-6, "{p99}");
    }
}
