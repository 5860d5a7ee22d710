//! What became of jobs, for those who kill the servers that had accepted them: the test of the queue, and
//! the lab. The jobs are synthetic ones, which count their effects.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;

use crate::{
    InProcess,
    db::{in_tx, on_read, on_write},
};

impl InProcess {
    /// Puts a job into the table without any cause, due long ago and before all others: it has its turn
    /// however many of them wait. `running` stands for one that a worker has left.
    ///
    /// # Errors
    /// The database's, here and below.
    pub async fn plant_job(
        &self,
        kind: &str,
        task: Value,
        state: &str,
        max_attempts: i64,
    ) -> sqlx::Result<()> {
        const PLANT: &str = "
            insert into job (kind, task, state, due_at, priority, attempts, fence, max_attempts,
                request_id, created_at)
            values ($1, $2, $3, $4, 0, 0, 1, $5, 'planted', $4)";
        let due = DateTime::<Utc>::UNIX_EPOCH;
        on_write!(&self.db, db => sqlx::query(PLANT).bind(kind).bind(Json(&task)).bind(state)
            .bind(due).bind(max_attempts).execute(db).await.map(drop))
    }

    /// How many jobs are still to be done.
    ///
    /// # Errors
    /// The database's.
    pub async fn open_jobs(&self) -> sqlx::Result<i64> {
        const OPEN: &str = "
            select count(*) from job where state in ('ready', 'running', 'delayed')";
        on_read!(&self.db, db => sqlx::query_scalar(OPEN).fetch_one(db).await)
    }

    /// How many jobs run.
    ///
    /// # Errors
    /// The database's.
    pub async fn running_jobs(&self) -> sqlx::Result<i64> {
        const RUNNING: &str = "select count(*) from job where state = 'running'";
        on_read!(&self.db, db => sqlx::query_scalar(RUNNING).fetch_one(db).await)
    }

    /// Under which numbers synthetic jobs have had effects, and how often.
    ///
    /// # Errors
    /// The database's.
    pub async fn synthetic_effects(&self) -> sqlx::Result<BTreeMap<i64, i64>> {
        const EFFECTS: &str = "select number, times from synthetic_effect";
        let effects: Vec<(i64, i64)> =
            on_read!(&self.db, db => sqlx::query_as(EFFECTS).fetch_all(db).await)?;
        Ok(effects.into_iter().collect())
    }

    /// The numbers of all comments of these words.
    ///
    /// # Errors
    /// The database's.
    pub async fn comments_saying(&self, words: &str) -> sqlx::Result<BTreeSet<i64>> {
        const COMMENTS: &str = "select id from comment where body = $1";
        let comments: Vec<i64> = on_read!(&self.db, db =>
            sqlx::query_scalar(COMMENTS).bind(words).fetch_all(db).await)?;
        Ok(comments.into_iter().collect())
    }

    /// Takes away all jobs, effects of synthetic ones, ticks, and comments of these words.
    ///
    /// # Errors
    /// The database's.
    pub async fn forget_jobs(&self, words: &str) -> sqlx::Result<()> {
        let mut tx = self.db.begin().await?;
        const ALL: [&str; 4] = [
            "delete from job",
            "delete from synthetic_effect",
            "delete from tick",
            "delete from schedule",
        ];
        for all in ALL {
            in_tx!(&mut tx, db => sqlx::query(all).execute(db).await.map(drop))?;
        }
        let comments = "delete from comment where body = $1";
        in_tx!(&mut tx, db => sqlx::query(comments).bind(words).execute(db).await.map(drop))?;
        tx.commit().await.map(drop)
    }
}
