//! When jobs are brought about: at a rate that does not wait for any to be done.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Job;

/// `jobs` times within so many seconds, all alike likely, in order. That is a Poisson process of
/// which it is known how many arrivals it has (Kingman 1993, "Poisson Processes"): they come in clusters as chance
/// has it, and yet the load is exactly what was asked for. The last one comes early enough to be done
/// within the slice, if nothing keeps it waiting.
pub(crate) fn times(job: Job, jobs: u32, seconds: f64, seed: u64) -> Vec<Duration> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let room = (seconds - f64::from(job.ms) / 1e3).max(0.0);
    let mut times: Vec<Duration> =
        (0..jobs).map(|_| Duration::from_secs_f64(room * rng.random::<f64>())).collect();
    times.sort_unstable();
    times
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Kind;

    #[test]
    fn every_job_comes_in_time_and_the_same_seed_gives_the_same_times() {
        let job = Job { kind: Kind::Cpu, ms: 300 };
        let once = times(job, 200, 6.0, 5);
        assert_eq!(once, times(job, 200, 6.0, 5));
        assert!(once.is_sorted() && once.len() == 200);
        assert!(once.iter().all(|at| *at <= Duration::from_millis(5_700)));
        let early = once.iter().filter(|at| **at < Duration::from_millis(2_850)).count();
        assert!((70..=130).contains(&early), "half of them in either half: {early}");
        assert_ne!(once, times(job, 200, 6.0, 6));
    }
}
