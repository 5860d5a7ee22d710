//! What the queue does with a job, one step at a time, for those who measure the steps: benchmarks,
//! the comparison with other queues, tests of what a step costs. The jobs are synthetic ones that
//! have nothing to do.

use super::{
    Kind, NewJob, Task, enqueue,
    kinds::synthetic::Synthetic,
    queue::{self, Claimed},
};
use crate::InProcess;

/// A job that was taken by [`InProcess::take_synthetic`].
#[derive(Debug)]
pub struct Taken(Claimed);

impl InProcess {
    /// Enqueues so many jobs in one transaction, and wakes who takes them.
    ///
    /// # Errors
    /// The database's.
    pub async fn enqueue_synthetic(&self, jobs: usize) -> sqlx::Result<()> {
        let mut tx = self.db.begin().await?;
        for _ in 0..jobs {
            let task = Task::Synthetic(Synthetic::default());
            let new = NewJob { task, unique_key: None, account: None, request_id: "steps" };
            enqueue(self, &mut tx, new).await?;
        }
        let enqueued = tx.commit().await?;
        self.committed(enqueued).await;
        Ok(())
    }

    /// Takes up to `most` jobs in one transaction, as a worker would, and does not run them.
    ///
    /// # Errors
    /// The database's.
    pub async fn take_synthetic(&self, most: usize) -> sqlx::Result<Vec<Taken>> {
        let until = self.clock.now() + self.jobs.lease;
        let mut tx = self.db.begin_by_index().await?;
        let jobs = queue::claim(&mut tx, Kind::Synthetic, most, until).await?;
        tx.commit().await?;
        Ok(jobs.into_iter().map(Taken).collect())
    }

    /// Deletes jobs that were taken, in one transaction, as a worker would whose jobs are done.
    ///
    /// # Errors
    /// The database's.
    pub async fn finish_synthetic(&self, jobs: &[Taken]) -> sqlx::Result<()> {
        let done: Vec<_> = jobs.iter().map(|Taken(job)| (job.id, job.fence)).collect();
        let mut tx = self.db.begin_by_index().await?;
        queue::finish(&mut tx, &done).await?;
        tx.commit().await.map(drop)
    }
}
