//! What `/metrics` shows of jobs, on whatever has a worker.
//!
//! The depth of the queue is not maintained with each job (a shared number is a lock that all of them
//! would wait for), and not counted when somebody asks for `/metrics` either, which must answer when
//! the database doesn't: every few seconds the worker takes a bounded look ([`Depth`]). All workers
//! of a deployment show the same depth, so it is not to be summed over them; their counters are.

use chrono::{DateTime, Utc};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use super::{Kind, depth::Depth, queue::How};

/// Jobs and attempts that ended in this process, by kind and outcome.
const ENDED: &str = "conduit_jobs_total";

/// From a job's creation to its beginning, by kind.
const WAIT: &str = "conduit_job_wait_seconds";

/// Jobs in the database, by kind and state.
const DEPTH: &str = "conduit_job_queue_depth";

/// How long ago the oldest job was enqueued that waits for a worker, by kind.
const OLDEST: &str = "conduit_job_oldest_ready_seconds";

/// What all kinds are called that this program does not know: others write the names, and each would
/// be a row here for as long as the process lives.
const UNKNOWN: &str = "unknown";

/// Says what there is, and begins at zero: who waits for a first dead job has to see that there was
/// none before.
pub(crate) fn describe() {
    describe_counter!(ENDED, "jobs and attempts that ended in this process");
    describe_histogram!(WAIT, "seconds from a job's creation to its beginning");
    describe_gauge!(DEPTH, "jobs in the database, each count ending at 10000");
    describe_gauge!(OLDEST, "age of the oldest job that waits for a worker, in seconds");
    for kind in Kind::names() {
        for outcome in ["done", "failed", "dead"] {
            counter!(ENDED, "kind" => kind, "outcome" => outcome).increment(0);
        }
    }
}

/// Counts a job, or an attempt, that has ended.
pub(crate) fn ended(kind: &str, how: &How) {
    let outcome = match how {
        How::Done | How::Settled => "done",
        How::Again { .. } => "failed",
        How::Dead { .. } => "dead",
        How::Parked { .. } => "parked",
        How::HandBack { .. } => "handed back",
        How::Lost => "lost",
    };
    counter!(ENDED, "kind" => known(kind), "outcome" => outcome).increment(1);
}

/// Notes how long a job has waited.
pub(crate) fn begins(kind: &str, created_at: DateTime<Utc>, now: DateTime<Utc>) {
    let wait = (now - created_at).to_std().unwrap_or_default();
    histogram!(WAIT, "kind" => known(kind)).record(wait.as_secs_f64());
}

/// Shows a look at the queue.
pub(crate) fn show(depth: &Depth, now: DateTime<Utc>) {
    #[expect(clippy::cast_precision_loss, reason = "counts end long before")]
    let show = |kind, state, jobs: u64| {
        gauge!(DEPTH, "kind" => kind, "state" => state).set(jobs as f64);
    };
    for state in Depth::STATES {
        for kind in Kind::names() {
            show(kind, state, depth.jobs(kind, state));
        }
        show(UNKNOWN, state, depth.jobs_of_unknown_kinds(state));
    }
    for kind in Kind::names() {
        let age = depth.oldest_at(kind).and_then(|since| (now - since).to_std().ok());
        gauge!(OLDEST, "kind" => kind).set(age.unwrap_or_default().as_secs_f64());
    }
}

fn known(kind: &str) -> &'static str {
    Kind::names().into_iter().find(|name| *name == kind).unwrap_or(UNKNOWN)
}
