//! Making and dropping whole databases on a PostgreSQL server, for the lab and for tests. No server
//! does this: it takes what it is given.

use std::str::FromStr;

use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, postgres::PgConnectOptions,
};

use crate::DatabaseUrl;

/// Creates the database `name` on the server that `server` points to, and returns its address.
/// With a `template` it begins as a copy of that database, which nobody may be connected to.
///
/// # Errors
/// When the server can't be reached, or refuses.
///
/// # Panics
/// When a name is not of lower-case letters, digits and `_`.
pub async fn create_database(
    server: &DatabaseUrl,
    name: &str,
    template: Option<&str>,
) -> sqlx::Result<DatabaseUrl> {
    let template = template.map_or(String::new(), |t| format!(" template {}", checked(t)));
    execute(server, format!("create database {}{template}", checked(name))).await?;
    let url = PgConnectOptions::from_str(server.expose())?.database(name).to_url_lossy();
    Ok(DatabaseUrl::from(url.to_string()))
}

/// Drops the database `name`, if it exists, and disconnects whoever uses it.
///
/// # Errors
/// When the server can't be reached, or refuses.
///
/// # Panics
/// When the name is not of lower-case letters, digits and `_`.
pub async fn drop_database(server: &DatabaseUrl, name: &str) -> sqlx::Result<()> {
    execute(server, format!("drop database if exists {} with (force)", checked(name))).await
}

/// When the server began to take connections, in its own words: after a restart, and after it has
/// recovered from a crash, it is another time.
///
/// # Errors
/// When the server can't be reached.
pub async fn running_since(server: &DatabaseUrl) -> sqlx::Result<String> {
    // Not every user may see the server's own processes.
    ask(
        server,
        "select coalesce((select backend_start from pg_stat_activity \
         where backend_type = 'checkpointer'), pg_postmaster_start_time())::text",
    )
    .await
}

/// How many connections the server takes at the same time from anybody.
///
/// # Errors
/// When the server can't be reached.
pub async fn connection_limit(server: &DatabaseUrl) -> sqlx::Result<u32> {
    let limit = "select (current_setting('max_connections')::int \
                 - current_setting('superuser_reserved_connections')::int)::text";
    Ok(ask(server, limit).await?.parse().unwrap_or(u32::MAX))
}

async fn ask(server: &DatabaseUrl, question: &'static str) -> sqlx::Result<String> {
    let mut connection = PgConnection::connect(server.expose()).await?;
    let answer = sqlx::query_scalar(question).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(answer)
}

/// A name can't be bound as a value can, so it is only taken where there is nothing to quote.
fn checked(name: &str) -> &str {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    assert!(name.bytes().all(plain) && !name.is_empty(), "not a plain database name: {name:?}");
    name
}

async fn execute(server: &DatabaseUrl, statement: String) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect(server.expose()).await?;
    connection.execute(AssertSqlSafe(statement)).await?;
    connection.close().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "not a plain database name")]
    fn a_name_that_would_need_quotes_is_not_taken() {
        checked("conduit; drop database postgres");
    }
}
