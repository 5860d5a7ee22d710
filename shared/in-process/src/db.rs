//! One database or the other, and one text of SQL for both.
//!
//! A query is written once, and a macro puts it into a `match` with one arm for each database. So
//! the compiler checks the same expression against both drivers, with all their types, and nothing
//! is decided by name while the program runs. A generic function could do the same in theory; in
//! practice it needs a page of trait bounds, because Rust does not derive from "a database" that
//! one can bind a number to it.

use std::time::Duration;

use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction};

use crate::{jobs::Enqueued, statement::Statement};

/// The name of the counter of SQL statements, among the server's metrics.
pub const SQL_STATEMENTS: &str = "conduit_sql_statements_total";

/// The name of the counter of those that jobs sent, and the worker that runs them.
pub const JOB_STATEMENTS: &str = "conduit_job_sql_statements_total";

/// The words by which people know the databases.
const SQLITE: &str = "sqlite";
const POSTGRES: &str = "postgres";

/// An open database. Cheap to clone: the clones share their connections.
#[derive(Clone, Debug)]
pub enum Db {
    /// A file. SQLite lets one writer in at a time, so there is one connection that writes, and
    /// whoever wants to write queues for it here; the others can only read, and never wait.
    Sqlite {
        /// The connections that only read.
        read: SqlitePool,
        /// The one connection that writes.
        write: SqlitePool,
    },
    /// A server.
    Postgres(PgPool),
}

/// A transaction on either database. It is rolled back when it is dropped without a commit.
pub(crate) struct Tx {
    pub(crate) on: On,
    /// The jobs that it brings, for whoever has to know of them when they are committed.
    pub(crate) enqueued: Vec<Enqueued>,
}

/// The database that a transaction is on.
pub(crate) enum On {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Db {
    /// The word by which people know the database.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => SQLITE,
            Self::Postgres(_) => POSTGRES,
        }
    }

    /// Begins a transaction that writes. On SQLite it is IMMEDIATE: one that began as a reader and
    /// then wants to write could find that somebody else wrote in between, and would have to fail.
    pub(crate) async fn begin(&self) -> sqlx::Result<Tx> {
        let statement = Statement::of_transaction(self.name(), "begin");
        let on = match self {
            Self::Sqlite { write, .. } => write.begin_with("begin immediate").await.map(On::Sqlite),
            Self::Postgres(pool) => pool.begin().await.map(On::Postgres),
        };
        statement.ended(&on);
        Ok(Tx { on: on?, enqueued: Vec::new() })
    }

    /// The same for statements on a table that is empty now and holds a million rows a minute later,
    /// as that of jobs. They have to go by the indexes, whatever PostgreSQL last knew of the table: it
    /// keeps the plan that it made when the table was small enough to be read whole and sorted. And one
    /// plan has to do for all of them: left to itself it makes another each time, which takes the longer
    /// the more it knows of a large table.
    /// (SQLite's plans don't depend on what a table holds.)
    pub(crate) async fn begin_by_index(&self) -> sqlx::Result<Tx> {
        // One message, and so no round trip more than to begin alone.
        const BEGIN: &str = "begin; set local enable_seqscan = off; set local enable_sort = off; \
                             set local plan_cache_mode = force_generic_plan";
        match self {
            Self::Sqlite { .. } => self.begin().await,
            Self::Postgres(pool) => {
                let on = On::Postgres(pool.begin_with(BEGIN).await?);
                Ok(Tx { on, enqueued: Vec::new() })
            }
        }
    }

    /// Whether the database answers within `patience`. Not counted as a statement: who watches a
    /// server must not disturb what is measured on it.
    pub(crate) async fn answers(&self, patience: Duration) -> bool {
        const PING: &str = "select 1";
        let ping = async {
            match self {
                Self::Sqlite { read, .. } => sqlx::query(PING).execute(read).await.is_ok(),
                Self::Postgres(pool) => sqlx::query(PING).execute(pool).await.is_ok(),
            }
        };
        tokio::time::timeout(patience, ping).await.unwrap_or(false)
    }

    /// Closes all connections, after the statements that run on them.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { read, write } => {
                // The last connection that closes also empties the write-ahead log into the
                // database file, and only one that may write can do that.
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Tx {
    /// Makes it true, and says which jobs came with it.
    pub(crate) async fn commit(self) -> sqlx::Result<Vec<Enqueued>> {
        let statement = Statement::of_transaction(self.name(), "commit");
        let committed = match self.on {
            On::Sqlite(tx) => tx.commit().await,
            On::Postgres(tx) => tx.commit().await,
        };
        statement.ended(&committed);
        committed.map(|()| self.enqueued)
    }

    /// The word by which people know the database.
    pub(crate) fn name(&self) -> &'static str {
        match self.on {
            On::Sqlite(_) => SQLITE,
            On::Postgres(_) => POSTGRES,
        }
    }

    /// The text for the database that this is on.
    pub(crate) fn pick(&self, texts: Dual) -> &'static str {
        match self.on {
            On::Sqlite(_) => texts.sqlite,
            On::Postgres(_) => texts.postgres,
        }
    }
}

/// A statement that can't be the same on both databases.
#[derive(Clone, Copy)]
pub(crate) struct Dual {
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

tokio::task_local! {
    /// Set where a worker is at work: what it sends is no use case's cost.
    static IN_A_JOB: ();
}

/// Does something whose statements count as those of jobs.
pub(crate) async fn as_a_job<T>(work: impl Future<Output = T>) -> T {
    IN_A_JOB.scope((), work).await
}

/// Counts one statement that a use case, or a job, sends.
pub(crate) fn count_statement() {
    let name = if IN_A_JOB.try_with(|()| ()).is_ok() { JOB_STATEMENTS } else { SQL_STATEMENTS };
    metrics::counter!(name).increment(1);
}

/// Runs a statement that only reads: `on_read!(db, connection => …)`, where the expression takes
/// `connection` as sqlx's executor and may `await`.
macro_rules! on_read {
    ($db:expr, $connection:ident => $statement:expr) => {{
        let statement = $crate::statement::begin!($db.name());
        let result = match $db {
            $crate::db::Db::Sqlite { read: $connection, .. } => $statement,
            $crate::db::Db::Postgres($connection) => $statement,
        };
        statement.ended(&result);
        result
    }};
}

/// Runs one statement that writes, in a transaction of its own. Use as [`on_read!`].
macro_rules! on_write {
    ($db:expr, $connection:ident => $statement:expr) => {{
        let statement = $crate::statement::begin!($db.name());
        let result = match $db {
            $crate::db::Db::Sqlite { write: $connection, .. } => $statement,
            $crate::db::Db::Postgres($connection) => $statement,
        };
        statement.ended(&result);
        result
    }};
}

/// Runs one statement within a [`Tx`]. Use as [`on_read!`].
macro_rules! in_tx {
    ($tx:expr, $connection:ident => $statement:expr) => {{
        let statement = $crate::statement::begin!($tx.name());
        let result = match &mut $tx.on {
            $crate::db::On::Sqlite(tx) => {
                let $connection = &mut **tx;
                $statement
            }
            $crate::db::On::Postgres(tx) => {
                let $connection = &mut **tx;
                $statement
            }
        };
        statement.ended(&result);
        result
    }};
}

pub(crate) use {in_tx, on_read, on_write};
