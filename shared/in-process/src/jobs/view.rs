//! What can be seen of jobs: by whom they are for, and by operators.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use conduit::{
    Caller, Error, FailedJob, Job, JobState, KindState, Queue, Resource, Result, ScheduleState,
    Token,
};
use sha2::{Digest, Sha256};
use sqlx::{FromRow, QueryBuilder};

use super::{
    depth::Depth,
    meters,
    queue::{self, How},
    schedule,
};
use crate::{
    InProcess,
    db::{Tx, in_tx, on_read},
    db_error,
};

/// For how long tallies are kept.
const KEPT: TimeDelta = TimeDelta::days(1);

/// What a process has done since its worker last wrote that down.
#[derive(Default)]
pub(crate) struct Tally(Mutex<Counts>);

/// By kind, how many jobs are done, and how many attempts failed.
pub(crate) type Counts = BTreeMap<String, (i64, i64)>;

impl Tally {
    pub(crate) fn count(&self, kind: &str, how: &How) {
        meters::ended(kind, how);
        let counts = match how {
            How::Done | How::Settled => (1, 0),
            How::Again { .. } | How::Dead { .. } | How::Parked { .. } => (0, 1),
            How::HandBack { .. } | How::Lost => return,
        };
        self.add(Counts::from([(kind.to_owned(), counts)]));
    }

    /// Adds what could not be written down.
    pub(crate) fn add(&self, counts: Counts) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (kind, (done, failed)) in counts {
            let sum = all.entry(kind).or_default();
            *sum = (sum.0 + done, sum.1 + failed);
        }
    }

    /// What is to be written down.
    pub(crate) fn take(&self) -> Counts {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Adds what a worker has done to its row of the minute; each worker has its own, so none waits for
/// another.
pub(crate) async fn note(
    tx: &mut Tx,
    worker: &str,
    counts: &Counts,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    const FORGET: &str = "delete from job_tally where minute_at < $1";
    if counts.is_empty() {
        return Ok(());
    }
    let minute = now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now);
    in_tx!(tx, db => {
        let mut query = QueryBuilder::new(
            "insert into job_tally (minute_at, worker, kind, done, failed) ",
        );
        query.push_values(counts, |mut row, (kind, (done, failed))| {
            row.push_bind(minute).push_bind(worker).push_bind(kind);
            row.push_bind(*done).push_bind(*failed);
        });
        query.push(
            " on conflict (minute_at, worker, kind) do update
            set done = job_tally.done + excluded.done,
                failed = job_tally.failed + excluded.failed",
        );
        query.build().execute(db).await.map(drop)
    })?;
    in_tx!(tx, db => sqlx::query(FORGET).bind(now - KEPT).execute(db).await.map(drop))
}

fn state(name: &str) -> JobState {
    match name {
        "delayed" => JobState::Delayed,
        "running" => JobState::Running,
        "dead" => JobState::Dead,
        "parked" => JobState::Parked,
        _ => JobState::Ready,
    }
}

#[derive(FromRow)]
struct JobRow {
    id: i64,
    kind: String,
    state: String,
    attempts: i64,
    progress_done: i64,
    progress_total: i64,
    created_at: DateTime<Utc>,
}

/// The caller's jobs that are not done.
pub(crate) async fn own(app: &InProcess, caller: &Caller) -> Result<Vec<Job>> {
    const OWN: &str = "
        select id, kind, state, attempts, progress_done, progress_total, created_at from job
        where account_id = $1 order by id desc limit 50";
    let (account, _) = app.tokens.account(caller)?;
    let rows: Vec<JobRow> =
        on_read!(&app.db, db => sqlx::query_as(OWN).bind(account).fetch_all(db).await)
            .map_err(db_error::reading)?;
    let job = |row: JobRow| Job {
        id: row.id,
        state: state(&row.state),
        kind: row.kind,
        attempts: u32::try_from(row.attempts).unwrap_or(0),
        progress_done: row.progress_done.unsigned_abs(),
        progress_total: row.progress_total.unsigned_abs(),
        created_at: row.created_at.into(),
    };
    Ok(rows.into_iter().map(job).collect())
}

/// Fails unless the operators' token is this one. Hashes are compared: how long that takes says
/// nothing about the token.
fn check(app: &InProcess, shown: &Token) -> Result<()> {
    let hash = |token: &Token| Sha256::digest(token.expose());
    match &app.jobs.operator {
        Some(token) if hash(token) == hash(shown) => Ok(()),
        _ => Err(Error::Forbidden(Resource::Queue)),
    }
}

/// The queue, for operators.
pub(crate) async fn queue(app: &InProcess, operator: &Token) -> Result<Queue> {
    check(app, operator)?;
    let queue = async {
        let kinds = kinds(app).await?;
        Ok(Queue { kinds, failed: failed(app).await?, schedules: schedules(app).await? })
    };
    queue.await.map_err(db_error::reading)
}

#[derive(FromRow)]
struct Worked {
    kind: String,
    done: i64,
    failed: i64,
}

async fn kinds(app: &InProcess) -> sqlx::Result<Vec<KindState>> {
    const WORKED: &str = "
        select kind, cast(sum(done) as bigint) as done, cast(sum(failed) as bigint) as failed
        from job_tally where minute_at >= $1 group by kind";
    let hour = app.clock.now() - TimeDelta::hours(1);
    let depth = Depth::look(&app.db).await?;
    let worked: Vec<Worked> =
        on_read!(&app.db, db => sqlx::query_as(WORKED).bind(hour).fetch_all(db).await)?;
    let state = |kind: &str| {
        let worked = worked.iter().find(|worked| worked.kind == kind);
        KindState {
            kind: kind.to_owned(),
            ready: depth.jobs(kind, "ready"),
            delayed: depth.jobs(kind, "delayed"),
            running: depth.jobs(kind, "running"),
            oldest_at: depth.oldest_at(kind).map(Into::into),
            done_in_hour: worked.map_or(0, |worked| worked.done.unsigned_abs()),
            failed_in_hour: worked.map_or(0, |worked| worked.failed.unsigned_abs()),
        }
    };
    Ok(super::Kind::names().into_iter().map(state).collect())
}

#[derive(FromRow)]
struct FailedRow {
    id: i64,
    kind: String,
    state: String,
    attempts: i64,
    reason: Option<String>,
    request_id: String,
    created_at: DateTime<Utc>,
}

async fn failed(app: &InProcess) -> sqlx::Result<Vec<FailedJob>> {
    const FAILED: &str = "
        select id, kind, state, attempts, reason, request_id, created_at from job
        where state in ('dead', 'parked') order by id desc limit 50";
    let rows: Vec<FailedRow> = on_read!(&app.db, db => sqlx::query_as(FAILED).fetch_all(db).await)?;
    let failed = |row: FailedRow| FailedJob {
        id: row.id,
        state: state(&row.state),
        kind: row.kind,
        attempts: u32::try_from(row.attempts).unwrap_or(0),
        reason: row.reason.unwrap_or_default(),
        request_id: row.request_id,
        created_at: row.created_at.into(),
    };
    Ok(rows.into_iter().map(failed).collect())
}

async fn schedules(app: &InProcess) -> sqlx::Result<Vec<ScheduleState>> {
    let now = app.clock.now();
    let mut states = Vec::new();
    for one in &app.jobs.schedules {
        states.push(ScheduleState {
            name: one.name.to_owned(),
            last_at: schedule::last_taken(&app.db, one.name).await?.map(Into::into),
            next_at: one.after(now).map(Into::into),
        });
    }
    Ok(states)
}

/// Has a dead or parked job run again.
pub(crate) async fn retry(app: &InProcess, operator: &Token, id: i64) -> Result<(Tx, ())> {
    check(app, operator)?;
    let mut tx = app.db.begin().await.map_err(db_error::in_transaction)?;
    match queue::retry(&mut tx, id).await.map_err(db_error::in_transaction)? {
        true => Ok((tx, ())),
        false => Err(Error::NotFound(Resource::Job)),
    }
}
