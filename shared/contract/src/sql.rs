//! Statements of a test's own, on either database: to bring about what no use case does, and to look
//! where none shows. What they say stands in the tests.

use std::time::{Duration, Instant};

use in_process::{Db, InProcess};
use sqlx::AssertSqlSafe;

/// How long a condition may take to come about.
const LIMIT: Duration = Duration::from_secs(60);

/// One expression, with the pool that reads. On a busy machine the pool may be out of patience before a
/// test is.
macro_rules! ask {
    ($app:expr, $query:expr, $fetch:ident, $method:ident) => {{
        let begin = Instant::now();
        loop {
            let query = AssertSqlSafe($query.to_owned());
            let answer = match $app.db() {
                Db::Sqlite { read, .. } => sqlx::$fetch(query).$method(read).await,
                Db::Postgres(pool) => sqlx::$fetch(query).$method(pool).await,
            };
            match answer {
                Err(sqlx::Error::PoolTimedOut) if begin.elapsed() < LIMIT => {}
                answer => break answer.expect($query),
            }
        }
    }};
}

/// Runs a statement that writes.
///
/// # Panics
/// When it fails: these are tests.
pub async fn execute(app: &InProcess, statement: &str) {
    let safe = AssertSqlSafe(statement.to_owned());
    match app.db() {
        Db::Sqlite { write, .. } => {
            sqlx::query(safe).execute(write).await.map(drop).expect(statement);
        }
        Db::Postgres(pool) => sqlx::query(safe).execute(pool).await.map(drop).expect(statement),
    }
}

/// The number that a query finds.
///
/// # Panics
/// When it finds none: these are tests.
pub async fn number(app: &InProcess, query: &str) -> i64 {
    ask!(app, query, query_scalar, fetch_one)
}

/// All numbers that a query finds.
///
/// # Panics
/// When it fails: these are tests.
pub async fn numbers(app: &InProcess, query: &str) -> Vec<i64> {
    ask!(app, query, query_scalar, fetch_all)
}

/// All pairs of numbers that a query finds.
///
/// # Panics
/// When it fails: these are tests.
pub async fn pairs(app: &InProcess, query: &str) -> Vec<(i64, i64)> {
    ask!(app, query, query_as, fetch_all)
}

/// All texts that a query finds.
///
/// # Panics
/// When it fails: these are tests.
pub async fn texts(app: &InProcess, query: &str) -> Vec<String> {
    ask!(app, query, query_scalar, fetch_all)
}

/// Asks until the number that a query finds is at least this; for what comes about elsewhere.
///
/// # Panics
/// When it still is not after a minute.
pub async fn until(app: &InProcess, least: i64, query: &str) {
    let begin = Instant::now();
    while number(app, query).await < least {
        assert!(begin.elapsed() < LIMIT, "still less than {least}: {query}");
        tokio::task::yield_now().await;
    }
}
