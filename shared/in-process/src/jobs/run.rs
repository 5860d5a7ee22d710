//! One job, from the moment it is taken to the word on how it ended.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use chrono::TimeDelta;
use conduit::{Error, wire::trace::TraceParent};
use futures_util::FutureExt;
use tracing::Instrument;

use super::{
    Task, backoff,
    lab::Point,
    meters,
    queue::{self, Claimed, Ended, How},
    worker,
};
use crate::{InProcess, db::Tx, db_error};

/// Why an attempt did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Another attempt may.
    Retry(String),
    /// None ever will.
    Fatal(String),
    /// The database is away, which is not the job's fault.
    Unreachable(String),
    /// Somebody else has the job by now. Nothing that this attempt still writes would count.
    Lost,
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        if db_error::is_out_of_reach(&error) {
            Self::Unreachable(error.to_string())
        } else {
            Self::Retry(error.to_string())
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Unavailable(_) => Self::Unreachable(error.to_string()),
            Error::Internal(detail) => Self::Retry(detail),
            other => Self::Fatal(other.to_string()),
        }
    }
}

/// What a kind works with while one of its jobs runs.
pub(crate) struct Run<'a> {
    pub(crate) app: &'a InProcess,
    pub(crate) id: i64,
    pub(crate) fence: i64,
    done: AtomicI64,
    total: AtomicI64,
}

impl Run<'_> {
    /// Begins a transaction in which the job is this attempt's, and stays so until it ends: a worker
    /// that was frozen for longer than its lease is stopped here. Each one also renews the lease and
    /// writes down the progress.
    pub(crate) async fn begin(&self) -> Result<Tx, Failure> {
        let mut tx = self.app.db.begin().await?;
        // A job that was never written down is nobody else's.
        let kept = self.fence == 0 || {
            let progress = (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed));
            let until = self.app.clock.now() + self.app.jobs.lease;
            queue::keep(&mut tx, (self.id, self.fence), progress, until).await?
        };
        if kept { Ok(tx) } else { Err(Failure::Lost) }
    }

    /// Ends a transaction of [`begin`](Self::begin).
    pub(crate) async fn commit(&self, tx: Tx) -> Result<(), Failure> {
        let lab = &self.app.jobs.lab;
        lab.pass(Point::EffectBeforeCommit);
        let enqueued = tx.commit().await?;
        lab.pass(Point::EffectAfterCommit);
        if !enqueued.is_empty() {
            self.app.committed(enqueued).await;
        }
        Ok(())
    }

    /// The same, and the job is done with it: its effect and its end are one, and happen once.
    pub(crate) async fn commit_and_finish(&self, mut tx: Tx) -> Result<Finished, Failure> {
        // One that was never written down has nothing to delete.
        if self.fence != 0 {
            queue::finish(&mut tx, &[(self.id, self.fence)]).await?;
        }
        self.commit(tx).await?;
        Ok(Finished::Already)
    }

    /// How far it has come. It is written with the next transaction or renewal.
    pub(crate) fn progress(&self, done: i64, total: i64) {
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    /// Renews the lease for as long as the job runs; ends when the job is somebody else's.
    async fn keep(&self) -> Failure {
        let lab = &self.app.jobs.lab;
        let third = (self.app.jobs.lease / 3).to_std().unwrap_or(Duration::from_secs(3));
        loop {
            tokio::time::sleep(third).await;
            lab.pass(Point::RenewBefore);
            let renewed = async {
                let tx = self.begin().await?;
                Ok::<_, Failure>(tx.commit().await?)
            };
            match renewed.await {
                Ok(_) => lab.pass(Point::RenewAfter),
                Err(Failure::Lost) => return Failure::Lost,
                // Without the database there is nothing to hold on to, and nothing to lose yet.
                Err(error) => tracing::warn!(?error, "the lease could not be renewed"),
            }
        }
    }
}

/// Whether the job has still to be deleted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finished {
    /// Yes, whenever it suits.
    NotYet,
    /// No: that was part of its effect.
    Already,
}

/// Runs a job, whatever it does: an error or a panic ends this attempt and nothing else.
pub(crate) async fn run(app: &InProcess, job: Claimed) -> Ended {
    let span = tracing::info_span!(
        "job",
        id = job.id,
        kind = job.kind,
        request_id = job.request_id,
        attempt = job.attempts,
        otel.status_code = tracing::field::Empty,
    );
    if let Some(parent) = &job.trace_parent {
        TraceParent::new(parent).leads_to(&span);
    }
    meters::begins(&job.kind, job.created_at, app.clock.now());
    let how = attempt(app, &job).instrument(span.clone()).await;
    if matches!(how, How::Again { .. } | How::Dead { .. }) {
        // Why stands with the job: it may say more than a collector has to know.
        span.record("otel.status_code", "ERROR");
    }
    app.jobs.tally.count(&job.kind, &how);
    Ended { id: job.id, fence: job.fence, kind: job.kind, how }
}

async fn attempt(app: &InProcess, job: &Claimed) -> How {
    let task = match Task::of(&job.kind, &job.task.0) {
        Ok(task) => task,
        Err(reason) => return How::Parked { reason },
    };
    app.jobs.lab.pass(Point::RunBegins);
    let run = Run {
        app,
        id: job.id,
        fence: job.fence,
        done: AtomicI64::new(0),
        total: AtomicI64::new(0),
    };
    let work = AssertUnwindSafe(task.run(&run)).catch_unwind();
    let result = tokio::select! {
        result = work => result.unwrap_or_else(|panic| Err(Failure::Retry(message(&*panic)))),
        lost = run.keep(), if job.fence != 0 => Err(lost),
    };
    let now = app.clock.now();
    match result {
        Ok(Finished::NotYet) => How::Done,
        Ok(Finished::Already) => How::Settled,
        Err(Failure::Lost) => {
            tracing::warn!("somebody else has this job by now");
            How::Lost
        }
        Err(Failure::Unreachable(reason)) => {
            tracing::warn!(reason, "the database is out of reach");
            How::HandBack { due_at: Some(now + TimeDelta::seconds(1)) }
        }
        Err(Failure::Retry(reason)) if job.attempts < job.max_attempts => {
            tracing::warn!(reason, "an attempt failed");
            How::Again { reason, due_at: now + backoff::after(job.id, job.attempts) }
        }
        Err(Failure::Retry(reason) | Failure::Fatal(reason)) => {
            tracing::error!(reason, "given up");
            How::Dead { reason }
        }
    }
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("without a message"))
}

/// Runs a job that is this process's from the beginning, and writes down how it ended.
pub(crate) async fn from_here(app: &InProcess, job: Claimed) {
    let written_down = job.fence != 0;
    let ended = run(app, job).await;
    if !written_down {
        return;
    }
    if let Err(error) = worker::settle(app, &mut vec![ended]).await {
        // Its lease ends, and it runs again.
        tracing::warn!(%error, "an inline job ended, and that could not be written");
    }
}
