//! The statements of the queue. Each is short, and no transaction here outlasts a job.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use conduit::wire::trace::TraceParent;
use serde_json::Value;
use sqlx::{FromRow, QueryBuilder, types::Json};
use tracing::Span;

use super::{Kind, Task, lab::Point};
use crate::{
    InProcess,
    db::{Dual, Tx, in_tx},
};

/// How long a job is its worker's without a word from it. Much longer than two machines' clocks are
/// apart: who is a little ahead would take a job from somebody who still has it.
pub(crate) const LEASE: TimeDelta = TimeDelta::seconds(10);

/// A job to be.
pub(crate) struct NewJob<'a> {
    pub(crate) task: Task,
    /// Nothing is enqueued as long as another with this key waits.
    pub(crate) unique_key: Option<String>,
    /// Whom it is for.
    pub(crate) account: Option<i64>,
    /// The request that causes it.
    pub(crate) request_id: &'a str,
}

/// What a transaction has brought about.
pub(crate) enum Enqueued {
    /// A job for whoever comes first, or one that waited already.
    Ready,
    /// A job that is the enqueuer's from the beginning.
    Taken(Box<Claimed>),
}

impl Enqueued {
    /// The job, if it is the enqueuer's.
    pub(crate) fn taken(self) -> Option<Claimed> {
        match self {
            Self::Ready => None,
            Self::Taken(job) => Some(*job),
        }
    }
}

/// A job that somebody has taken.
#[derive(Debug, FromRow)]
pub(crate) struct Claimed {
    pub(crate) id: i64,
    pub(crate) kind: String,
    pub(crate) task: Json<Value>,
    /// Zero for a job that was never written down.
    pub(crate) fence: i64,
    pub(crate) attempts: i64,
    pub(crate) max_attempts: i64,
    pub(crate) priority: i64,
    pub(crate) request_id: String,
    /// Where its trace goes on.
    pub(crate) trace_parent: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
}

/// The columns of a [`Claimed`].
macro_rules! claimed {
    () => {
        " returning id, kind, task, fence, attempts, max_attempts, priority, request_id, trace_parent,
            created_at"
    };
}

/// A job that is not run any more, and what is to be written about it.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) id: i64,
    pub(crate) fence: i64,
    pub(crate) kind: String,
    pub(crate) how: How,
}

/// How it ended.
#[derive(Debug)]
pub(crate) enum How {
    /// It had its effect.
    Done,
    /// It had its effect, and that took the row away: nothing is to be written.
    Settled,
    /// It is somebody else's by now.
    Lost,
    /// It is to be tried again, not before this time.
    Again { reason: String, due_at: DateTime<Utc> },
    /// The attempt does not count, because nobody is to blame. Whoever comes first takes it, but not
    /// before this time, if there is one.
    HandBack { due_at: Option<DateTime<Utc>> },
    /// It is given up.
    Dead { reason: String },
    /// It is for a newer program.
    Parked { reason: String },
}

/// Enqueues a job in the transaction that causes it.
pub(crate) async fn enqueue(app: &InProcess, tx: &mut Tx, new: NewJob<'_>) -> sqlx::Result<()> {
    // Where a job waits already under this key, it is locked until this transaction ends: it must
    // not be taken before, or it would run without seeing what this transaction changes.
    const INSERT: &str = concat!(
        "insert into job (kind, task, state, due_at, priority, unique_key, fence, attempts,
            max_attempts, account_id, request_id, created_at, trace_parent)
        values ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10, $11, $12)
        on conflict (unique_key) do update set priority = job.priority",
        claimed!()
    );
    let now = app.clock.now();
    if app.jobs.only_in_memory() {
        tx.enqueued.push(Enqueued::Taken(Box::new(in_memory(&new, now))));
        return Ok(());
    }
    let inline = app.jobs.runs_inline();
    let (state, due_at, taken) =
        if inline { ("running", now + app.jobs.lease, 1_i64) } else { ("ready", now, 0) };
    let kind = new.task.kind();
    let job: Claimed = in_tx!(tx, db => sqlx::query_as(INSERT)
        .bind(kind.name()).bind(Json(new.task.body())).bind(state).bind(due_at)
        .bind(kind.priority()).bind(new.unique_key.filter(|_| !inline)).bind(taken)
        .bind(kind.max_attempts()).bind(new.account).bind(new.request_id).bind(now)
        .bind(trace_parent())
        .fetch_one(db).await)?;
    tx.enqueued.push(if inline { Enqueued::Taken(Box::new(job)) } else { Enqueued::Ready });
    app.jobs.lab.pass(Point::EnqueueBeforeCommit);
    Ok(())
}

/// What enqueues, as a place in a trace.
fn trace_parent() -> Option<String> {
    TraceParent::of(&Span::current()).map(|parent| parent.as_str().to_owned())
}

/// What is run without ever having been written down.
fn in_memory(new: &NewJob<'_>, now: DateTime<Utc>) -> Claimed {
    let kind = new.task.kind();
    Claimed {
        id: 0,
        kind: kind.name().to_owned(),
        task: Json(new.task.body()),
        fence: 0,
        attempts: 1,
        max_attempts: 1,
        priority: kind.priority(),
        request_id: new.request_id.to_owned(),
        trace_parent: trace_parent(),
        created_at: now,
    }
}

// On PostgreSQL the rows to change are found through an array, here and below. It is the one form in
// which the planner has no choice: a join may also be done by reading the whole table, and for a table
// that was empty when the plan was made that is the cheapest way.

/// Takes up to `most` jobs of one kind, the most urgent first; the lease is `until` then.
pub(crate) async fn claim(
    tx: &mut Tx,
    kind: Kind,
    most: usize,
    until: DateTime<Utc>,
) -> sqlx::Result<Vec<Claimed>> {
    macro_rules! claim {
        ($where:literal, $lock_and_end:literal) => {
            concat!(
                "update job set state = 'running', unique_key = null, fence = fence + 1,
                    attempts = attempts + 1, due_at = $3 where ",
                $where,
                "select id from job where state = 'ready' and kind = $1
                order by priority, id limit $2",
                $lock_and_end,
                claimed!()
            )
        };
    }
    const CLAIM: Dual = Dual {
        sqlite: claim!("id in (", ")"),
        postgres: claim!("id = any (array(", " for update skip locked))"),
    };
    let (claim, most) = (tx.pick(CLAIM), i64::try_from(most).unwrap_or(i64::MAX));
    let mut jobs: Vec<Claimed> = in_tx!(tx, db => sqlx::query_as(claim)
        .bind(kind.name()).bind(most).bind(until).fetch_all(db).await)?;
    // An update returns its rows in any order.
    jobs.sort_unstable_by_key(|job| (job.priority, job.id));
    Ok(jobs)
}

/// Keeps a job `until` then, with what is known of its progress. False when it is not this
/// worker's any more. In a transaction it also sees to it that it stays so until the end.
pub(crate) async fn keep(
    tx: &mut Tx,
    (id, fence): (i64, i64),
    progress: (i64, i64),
    until: DateTime<Utc>,
) -> sqlx::Result<bool> {
    const KEEP: &str = "
        update job set due_at = $3, progress_done = $4, progress_total = $5
        where id = $1 and fence = $2 and state = 'running'
        returning id";
    let kept: Option<i64> = in_tx!(tx, db => sqlx::query_scalar(KEEP)
        .bind(id).bind(fence).bind(until).bind(progress.0).bind(progress.1)
        .fetch_optional(db).await)?;
    Ok(kept.is_some())
}

/// Deletes jobs that had their effect, all in one statement, whose text is the same however many
/// they are: so it is prepared once.
pub(crate) async fn finish(tx: &mut Tx, done: &[(i64, i64)]) -> sqlx::Result<()> {
    const FINISH: Dual = Dual {
        // By a join, because SQLite looks pairs up one by one only if one side of them is a table.
        sqlite: "
            delete from job where id in (
                select j.id from json_each($1) done
                join job j on j.id = cast(done.key as integer) and j.fence = done.value)",
        postgres: "
            delete from job
            where id = any (array(select key::bigint from jsonb_object_keys($1) key))
                and fence = ($1 ->> id::text)::bigint",
    };
    if done.is_empty() {
        return Ok(());
    }
    let (finish, fences) = (tx.pick(FINISH), BTreeMap::from_iter(done.iter().copied()));
    in_tx!(tx, db => sqlx::query(finish).bind(Json(&fences)).execute(db).await.map(drop))
}

/// Writes down how a job ended that is not done. Whoever took it over in the meantime is not
/// disturbed.
pub(crate) async fn give_back(tx: &mut Tx, ended: &Ended) -> sqlx::Result<()> {
    // A new number also where the old owner gives it back by itself: something of it that still
    // runs, because it was cut off, may not write any more.
    const GIVE_BACK: &str = "
        update job set state = $3, due_at = coalesce($4, due_at), reason = coalesce($5, reason),
            attempts = attempts - $6, fence = fence + 1
        where id = $1 and fence = $2 and state = 'running'";
    let (state, due_at, reason, forgiven) = match &ended.how {
        How::Done | How::Settled | How::Lost => return Ok(()),
        How::Again { reason, due_at } => ("delayed", Some(*due_at), Some(reason), 0_i64),
        How::HandBack { due_at: None } => ("ready", None, None, 1),
        How::HandBack { due_at } => ("delayed", *due_at, None, 1),
        How::Dead { reason } => ("dead", None, Some(reason), 0),
        How::Parked { reason } => ("parked", None, Some(reason), 1),
    };
    in_tx!(tx, db => sqlx::query(GIVE_BACK)
        .bind(ended.id).bind(ended.fence).bind(state).bind(due_at).bind(reason).bind(forgiven)
        .execute(db).await.map(drop))
}

/// What there is to do in a job that is still held under this fence.
pub(crate) async fn held(tx: &mut Tx, id: i64, fence: i64) -> sqlx::Result<Option<Json<Value>>> {
    const HELD: &str = "select task from job where id = $1 and fence = $2 and state = 'running'";
    in_tx!(tx, db => sqlx::query_scalar(HELD).bind(id).bind(fence).fetch_optional(db).await)
}

/// A job that was delayed, or left by its worker.
#[derive(FromRow)]
pub(crate) struct Lost {
    pub(crate) kind: String,
    pub(crate) task: Json<Value>,
    state: String,
}

impl Lost {
    pub(crate) fn is_dead(&self) -> bool {
        self.state == "dead"
    }
}

/// What is due becomes ready: jobs whose wait is over, and those that a worker had and left. A job
/// that has taken a worker down with it in each of its attempts is dead.
pub(crate) async fn promote(tx: &mut Tx, now: DateTime<Utc>) -> sqlx::Result<Vec<Lost>> {
    macro_rules! promote {
        ($where:literal, $lock_and_end:literal) => {
            concat!(
                "update job set
                    reason = case when state = 'running' then 'its worker vanished'
                        else reason end,
                    state = case when state = 'running' and attempts >= max_attempts
                        then 'dead' else 'ready' end
                where ",
                $where,
                "select id from job where state in ('delayed', 'running') and due_at <= $1
                order by due_at limit 1000",
                $lock_and_end,
                " returning kind, task, state"
            )
        };
    }
    const PROMOTE: Dual = Dual {
        sqlite: promote!("id in (", ")"),
        postgres: promote!("id = any (array(", " for update skip locked))"),
    };
    let promote = tx.pick(PROMOTE);
    in_tx!(tx, db => sqlx::query_as(promote).bind(now).fetch_all(db).await)
}

/// Jobs of kinds that this program does not know are set aside with the reason. The index is asked
/// for each gap between the known names: however many jobs of known kinds wait, that costs nothing.
pub(crate) async fn park_unknown(tx: &mut Tx) -> sqlx::Result<()> {
    const READY: &str = "select id from job where state = 'ready' and kind";
    const WHERE: Dual = Dual { sqlite: "id in (", postgres: "id = any (array(" };
    const END: Dual = Dual { sqlite: ")", postgres: "))" };
    let (of_these, end) = (tx.pick(WHERE), tx.pick(END));
    in_tx!(tx, db => {
        let mut query = QueryBuilder::new(
            "update job set state = 'parked', reason = 'this program knows no such kind of job'
            where ",
        );
        query.push(of_these);
        let names = Kind::names();
        query.push(READY).push(" < ").push_bind(names[0]);
        for gap in names.windows(2) {
            query.push(" union all ").push(READY).push(" > ").push_bind(gap[0]);
            query.push(" and kind < ").push_bind(gap[1]);
        }
        query.push(" union all ").push(READY).push(" > ").push_bind(names[names.len() - 1]);
        query.push(end);
        query.build().execute(db).await.map(drop)
    })
}

/// What was set aside by a program that did not know it gets its chance with this one.
pub(crate) async fn unpark_known(tx: &mut Tx) -> sqlx::Result<()> {
    in_tx!(tx, db => {
        let mut query = QueryBuilder::new(
            // The first condition is the index's own: SQLite does not conclude it from the second.
            "update job set state = 'ready'
            where state in ('dead', 'parked') and state = 'parked' and kind in (",
        );
        let mut names = query.separated(", ");
        for name in Kind::names() {
            names.push_bind(name);
        }
        query.push(")");
        query.build().execute(db).await.map(drop)
    })
}

/// A dead or parked job gets all of its attempts again. False when there is no such job.
pub(crate) async fn retry(tx: &mut Tx, id: i64) -> sqlx::Result<bool> {
    const RETRY: &str = "
        update job set state = 'ready', attempts = 0
        where id = $1 and state in ('dead', 'parked')
        returning id";
    let found: Option<i64> =
        in_tx!(tx, db => sqlx::query_scalar(RETRY).bind(id).fetch_optional(db).await)?;
    if found.is_some() {
        tx.enqueued.push(Enqueued::Ready);
    }
    Ok(found.is_some())
}
