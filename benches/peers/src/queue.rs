//! What a queue has to do here.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use anyhow::{Result, bail};

/// How long all jobs of a round may take.
const LIMIT: Duration = Duration::from_secs(300);

/// How often somebody looks whether all is done.
const LOOK: Duration = Duration::from_millis(1);

/// A queue on a database of its own.
pub(crate) trait Queue {
    /// What it is called, with its version.
    fn name(&self) -> String;

    /// What the database does so that nothing is lost, as the database itself says it on the
    /// connections that the queue uses.
    async fn durability(&self) -> Result<String>;

    /// Enqueues one job. It is durable when this returns.
    async fn enqueue(&mut self) -> Result<()>;

    /// Enqueues many, as quickly as it can.
    async fn fill(&mut self, jobs: usize) -> Result<()>;

    /// Runs a worker until `done`, which ends when no job is left.
    async fn work(&self, done: impl Future<Output = Result<()>>) -> Result<()>;

    /// How many jobs workers have run, ever.
    fn ran(&self) -> &AtomicU64;

    /// Whether the database holds a job that is not finished.
    async fn has_open(&self) -> Result<bool>;

    /// Lets the database learn what there is, and write what it has to: no plan is a bad guess, and
    /// no round pays for another.
    async fn settle(&self) -> Result<()>;

    /// Removes all jobs.
    async fn clear(&self) -> Result<()>;
}

/// Ends when so many jobs more have run, and the database knows it of each. Only then is it asked:
/// it has other things to do.
pub(crate) async fn all_done<Q: Queue>(queue: &Q, jobs: u64) -> Result<()> {
    let ran = queue.ran();
    let goal = ran.load(Ordering::Relaxed) + jobs;
    let all = async {
        while ran.load(Ordering::Relaxed) < goal || queue.has_open().await? {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    };
    match tokio::time::timeout(LIMIT, all).await {
        Ok(done) => done,
        Err(_late) => bail!("{}: jobs are left over after {LIMIT:?}", queue.name()),
    }
}
