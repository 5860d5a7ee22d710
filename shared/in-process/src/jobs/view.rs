//! What can be seen of jobs: by whom they are for, and by operators.

use std::collections::BTreeMap;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use conduit::{
    COUNTED, Caller, Error, FailedJob, Job, JobState, KindState, Queue, Resource, Result,
    ScheduleState, Token,
};
use sha2::{Digest, Sha256};
use sqlx::{FromRow, QueryBuilder};

use super::{
    queue::{self, Ended, How},
    schedule,
    worker::ENDED,
};
use crate::{
    InProcess,
    db::{Tx, in_tx, on_read},
    db_error,
};

/// For how long tallies are kept.
const KEPT: TimeDelta = TimeDelta::days(1);

/// What a worker has done since it last wrote that down: by kind, how many jobs are done, and how
/// many attempts failed.
#[derive(Default)]
pub(crate) struct Tally(BTreeMap<String, (i64, i64)>);

impl Tally {
    pub(crate) fn count(&mut self, ended: &Ended) {
        let (outcome, done, failed) = match ended.how {
            How::Done | How::Settled => ("done", 1, 0),
            How::Again { .. } => ("failed", 0, 1),
            How::Dead { .. } => ("dead", 0, 1),
            How::Parked { .. } => ("parked", 0, 1),
            How::HandBack { .. } => ("handed back", 0, 0),
        };
        metrics::counter!(ENDED, "kind" => ended.kind.clone(), "outcome" => outcome).increment(1);
        let kind = self.0.entry(ended.kind.clone()).or_default();
        kind.0 += done;
        kind.1 += failed;
    }

    /// Adds it to the minute's row of this worker; each has its own, so none waits for another.
    pub(crate) async fn write(
        &self,
        tx: &mut Tx,
        worker: &str,
        now: DateTime<Utc>,
    ) -> sqlx::Result<()> {
        const FORGET: &str = "delete from job_tally where minute_at < $1";
        let counts: Vec<_> = self.0.iter().filter(|(_, counts)| **counts != (0, 0)).collect();
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

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
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
        let mut kinds = Vec::new();
        for kind in super::Kind::names() {
            kinds.push(kind_state(app, kind).await?);
        }
        Ok(Queue { kinds, failed: failed(app).await?, schedules: schedules(app).await? })
    };
    queue.await.map_err(db_error::reading)
}

#[derive(FromRow)]
struct KindRow {
    ready: i64,
    delayed: i64,
    running: i64,
    oldest_at: Option<DateTime<Utc>>,
    done: i64,
    failed: i64,
}

async fn kind_state(app: &InProcess, kind: &str) -> sqlx::Result<KindState> {
    // Each count ends at a limit, and reads an index. The conditions that seem to be there twice are
    // those of the index, which SQLite does not conclude from the others.
    const STATE: &str = "
        select
            (select count(*) from (select 1 from job
                where state = 'ready' and kind = $1 limit $3) some) as ready,
            (select count(*) from (select 1 from job
                where state in ('delayed', 'running') and state = 'delayed' and kind = $1
                limit $3) some) as delayed,
            (select count(*) from (select 1 from job
                where state in ('delayed', 'running') and state = 'running' and kind = $1
                limit $3) some) as running,
            (select created_at from job where state = 'ready' and kind = $1
                order by priority, id limit 1) as oldest_at,
            (select cast(coalesce(sum(done), 0) as bigint) from job_tally
                where minute_at >= $2 and kind = $1) as done,
            (select cast(coalesce(sum(failed), 0) as bigint) from job_tally
                where minute_at >= $2 and kind = $1) as failed";
    let hour = app.clock.now() - TimeDelta::hours(1);
    let most = i64::try_from(COUNTED).unwrap_or(i64::MAX);
    let row: KindRow = on_read!(&app.db, db => sqlx::query_as(STATE)
        .bind(kind).bind(hour).bind(most).fetch_one(db).await)?;
    Ok(KindState {
        kind: kind.to_owned(),
        ready: row.ready.unsigned_abs(),
        delayed: row.delayed.unsigned_abs(),
        running: row.running.unsigned_abs(),
        oldest_at: row.oldest_at.map(Into::into),
        done_in_hour: row.done.unsigned_abs(),
        failed_in_hour: row.failed.unsigned_abs(),
    })
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
