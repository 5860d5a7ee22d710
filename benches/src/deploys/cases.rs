//! The jobs of a trial, and the moment of its deploy: drawn from a seed, so that all subjects get the
//! same.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use serde_json::{Value, json};

/// The shortest job, milliseconds.
pub(super) const SHORTEST_MS: u32 = 100;

/// Jobs compute for a millisecond and wait then, again and again: so many subjects go on beside each
/// other on one core that none may use much of it, and a job that is half done has used half of its
/// CPU.
pub(super) const ROUND_MS: u32 = 100;

/// Of each round.
pub(super) const CPU_MS: u32 = 1;

/// How many jobs come in while one of the longest could run.
const JOBS: u32 = 16;

/// Also where jobs are short they come in for so long before a deploy, milliseconds: a worker may look
/// for them only once a second.
const LEAST_MS: u32 = 1_500;

/// A job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// When it comes in, milliseconds from the beginning.
    pub at_ms: u32,
    /// How many rounds it has.
    pub rounds: u32,
}

/// What happens in a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Which one.
    pub number: u32,
    /// Its jobs, in order.
    pub jobs: Vec<Job>,
    /// When the deploy begins, milliseconds from the beginning. No job comes in later.
    pub deploy_ms: u32,
}

impl Case {
    /// The case of this number.
    pub fn new(seed: u64, number: u32, longest_ms: u32) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(number.into()));
        let mut uniform = || f64::from(rng.next_u32()) / f64::from(u32::MAX);
        // By then as many run as ever will: of jobs that came in earlier none is left.
        let full = longest_ms.max(LEAST_MS);
        let deploy_ms = full + (f64::from(full) * uniform() / 5.0) as u32;
        let count = JOBS * deploy_ms / longest_ms.max(1);
        let mut jobs: Vec<Job> = (0..count)
            .map(|_| {
                // As many between 0.1 s and 0.2 s as between 10 s and 20 s.
                let span = f64::from(longest_ms) / f64::from(SHORTEST_MS);
                let length_ms = f64::from(SHORTEST_MS) * span.powf(uniform());
                let rounds = (length_ms / f64::from(ROUND_MS)).round().max(1.0) as u32;
                Job { at_ms: (f64::from(deploy_ms) * uniform()) as u32, rounds }
            })
            .collect();
        jobs.sort_by_key(|job| job.at_ms);
        Self { number, jobs, deploy_ms }
    }

    /// CPU time that its jobs are made of, milliseconds.
    pub fn cpu_ms(&self) -> f64 {
        self.jobs.iter().map(|job| f64::from(job.rounds * CPU_MS)).sum()
    }
}

impl Job {
    /// How long it runs, milliseconds.
    pub fn length_ms(self) -> u32 {
        self.rounds * ROUND_MS
    }

    /// What the queue is told of it; its effects are counted under this number.
    pub fn task(self, number: i64) -> Value {
        json!({
            "number": number,
            "counts_attempts": true,
            "cpu_ms": CPU_MS,
            "sleep_ms": ROUND_MS - CPU_MS,
            "rounds": self.rounds,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_the_same_whoever_draws_it_and_others_are_not() {
        assert_eq!(Case::new(7, 1, 30_000), Case::new(7, 1, 30_000));
        assert_ne!(Case::new(7, 1, 30_000).jobs, Case::new(7, 2, 30_000).jobs);
    }

    #[test]
    fn jobs_are_of_all_lengths_and_come_in_before_the_deploy() {
        for longest_ms in [1_000, 3_000, 30_000] {
            let cases: Vec<Case> = (1..50).map(|n| Case::new(3, n, longest_ms)).collect();
            let jobs = || cases.iter().flat_map(|case| &case.jobs);
            let lengths = || jobs().map(|job| job.length_ms());
            assert_eq!(lengths().min(), Some(SHORTEST_MS));
            assert!(lengths().max() <= Some(longest_ms) && lengths().max() > Some(longest_ms / 2));
            for case in &cases {
                assert!(case.deploy_ms >= longest_ms && !case.jobs.is_empty());
                assert!(case.jobs.iter().all(|job| job.at_ms <= case.deploy_ms));
                // A worker has so many slots for them.
                assert!(case.jobs.len() < 64);
                let asked: u32 = case.jobs.iter().map(|job| job.rounds * CPU_MS).sum();
                assert_eq!(case.cpu_ms(), f64::from(asked));
            }
        }
    }
}
