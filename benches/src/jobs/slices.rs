//! One load after the other, on servers that run: visitors for some time, jobs beside them, and then
//! until the last of these is done.

use std::time::{Duration, Instant};

use super::{
    Job, arrivals,
    desk::Desk,
    trial::{Slice, by_second},
};
use crate::{
    probe::{self, Watched},
    scaling::steps::Observer,
};

/// What a slice needs.
pub(super) struct Slices<'a> {
    pub(super) at: &'a Observer<'a>,
    pub(super) desk: &'a Desk,
    /// The servers, whose CPU is held against what there was to do.
    pub(super) servers: &'a [Watched],
    /// Visitors a second.
    pub(super) rate: f64,
    /// For how long they come, if that is long enough for a job.
    pub(super) seconds: f64,
    pub(super) slo_ms: f64,
}

impl Slices<'_> {
    /// Visitors for some time, and so many jobs beside them, per cent of a core; then until the last of
    /// these is done.
    pub(super) async fn slice(&self, job: Job, load: u32, seed: u64) -> anyhow::Result<Slice> {
        let Self { at, desk, servers, rate, slo_ms, .. } = *self;
        let (jobs, seconds) = job.amount(load, self.seconds);
        // Other visitors at every load, the same for all groups.
        let seed = seed.wrapping_add(load.into());
        let times = arrivals::times(job, jobs, seconds, seed);
        let books = desk.books().await?;
        let before = probe::read(servers)?;
        let ((pages, visits), answers) =
            tokio::try_join!(at.step(rate, seconds, seed), desk.bring_about(&times))?;
        let last = Instant::now();
        let work = Duration::from_millis(u64::from(jobs * job.ms));
        let books = desk.until_done(books, jobs.into(), work).await?;
        let drained_ms = last.elapsed().as_secs_f64() * 1e3;
        let used = before.until(&probe::read(servers)?).cpu_ms;
        let mean = |sum: f64| (jobs > 0).then(|| sum * 1e3 / f64::from(jobs));
        Ok(Slice {
            load,
            jobs,
            done: books.done,
            pages,
            seconds: by_second(&visits, seconds, slo_ms),
            cpu_ms: used.values().sum(),
            answer_ms: mean(answers.iter().map(Duration::as_secs_f64).sum()),
            wait_ms: mean(books.waited),
            drained_ms,
            void: None,
        })
    }
}
