//! What a process does about jobs: what it remembers of its settings, and what happens when a
//! transaction has brought some.

use std::sync::Arc;

use chrono::TimeDelta;
use futures_util::future::BoxFuture;

use super::{
    JobArgs, Lab, Naive, Placement,
    compute::Compute,
    kinds::mail::Mailer,
    lab::Point,
    queue::{Claimed, Enqueued, LEASE},
    run,
    schedule::Schedule,
    view::Tally,
    wake::Wake,
};
use crate::{
    InProcess, StartError,
    config::DatabaseArgs,
    db::{Db, as_a_job},
};

/// What all of a process has to know about jobs.
pub(crate) struct Jobs {
    pub(crate) placement: Placement,
    pub(crate) lab: Arc<Lab>,
    /// How long a job is its worker's without a word from it.
    pub(crate) lease: TimeDelta,
    pub(crate) compute: Compute,
    pub(crate) wake: Wake,
    pub(crate) schedules: Vec<Schedule>,
    pub(crate) mailer: Mailer,
    /// What was done here, and is not written down yet.
    pub(crate) tally: Tally,
    /// What opens the operators' view, if anything does.
    pub(crate) operator: Option<conduit::Token>,
}

impl Jobs {
    pub(crate) fn new(
        database: &DatabaseArgs,
        db: &Db,
        args: &JobArgs,
        placement: Placement,
        lab: Arc<Lab>,
    ) -> Result<Self, StartError> {
        let compute = Compute::new(args.job_priority)
            .map_err(|error| StartError::job_setting("--job-priority", error))?;
        Ok(Self {
            placement,
            lease: lab.lease_ms.map_or(LEASE, |ms| TimeDelta::milliseconds(ms.into())),
            compute,
            wake: Wake::new(database, db),
            schedules: Schedule::all(args, &lab)?,
            mailer: Mailer::new(args, &database.data_dir)?,
            tally: Tally::default(),
            operator: args.operator_token()?,
            lab,
        })
    }

    /// Whether whoever enqueues a job also runs it, before anybody else can take it.
    pub(crate) fn runs_inline(&self) -> bool {
        self.placement == Placement::Inline
    }

    /// Whether jobs are not even written down.
    pub(crate) fn only_in_memory(&self) -> bool {
        self.lab.naive == Some(Naive::Spawn)
    }
}

impl InProcess {
    /// To be called with the jobs of each transaction that was committed.
    ///
    /// The future is boxed, because it contains itself: an inline job may bring others along.
    pub(crate) fn committed(&self, jobs: Vec<Enqueued>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if jobs.is_empty() {
                return;
            }
            self.jobs.lab.pass(Point::EnqueueAfterCommit);
            let total = jobs.len();
            let taken: Vec<_> = jobs.into_iter().filter_map(Enqueued::taken).collect();
            if taken.len() < total {
                self.jobs.wake.everybody();
            }
            if !taken.is_empty() {
                self.run_here(taken).await;
            }
        })
    }

    /// In a task of its own: whoever asked may go away, and the jobs must not stop for that.
    async fn run_here(&self, jobs: Vec<Claimed>) {
        let app = self.clone();
        let work = tokio::spawn(as_a_job(async move {
            for job in jobs {
                run::from_here(&app, job).await;
            }
        }));
        if self.jobs.only_in_memory() {
            return;
        }
        if let Err(error) = work.await {
            tracing::error!(%error, "an inline job");
        }
    }
}
