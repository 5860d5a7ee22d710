//! What can be seen of jobs: by whom they are for, and by operators.

use std::collections::BTreeMap;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use sqlx::QueryBuilder;

use super::{
    queue::{Ended, How},
    worker::ENDED,
};
use crate::db::{Tx, in_tx};

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
