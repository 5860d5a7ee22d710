//! Opening the database: connections, and the schema that they will find.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use sqlx::{
    Connection, PgConnection, PgPool, Sqlite, SqlitePool, Transaction,
    migrate::{Migrate, MigrateError, Migrator},
    pool::PoolOptions,
    postgres::PgConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use crate::{
    config::{DatabaseArgs, Target},
    db::Db,
    db_error,
    start_error::{Named, StartError},
};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// How long a use case waits for a free connection. Less than the two seconds that a page has: so
/// a caller is told "nothing was done" instead of "nobody knows".
const ACQUIRE: Duration = Duration::from_millis(1_500);

/// How long a start waits for the server of the database.
const REACH: Duration = Duration::from_secs(5);

/// How long SQLite waits for another process to finish writing.
const BUSY: Duration = Duration::from_secs(5);

/// After how long without use a connection to PostgreSQL is tried before it is handed out. Before
/// every use would double the round trips; never would hand out a connection per use case that
/// broke while the database was restarted.
const TRUST: Duration = Duration::from_secs(1);

/// The page cache of one SQLite connection, in KiB (negative, as SQLite wants it for this unit).
/// Modest, because each connection has its own, and the system caches the file anyhow.
pub(crate) const CACHE_KIB: &str = "-1024";

/// Opens the database. An SQLite file is created and migrated; PostgreSQL has to be migrated
/// already, because several servers may share it and none of them should change it unasked.
pub(crate) async fn open(args: &DatabaseArgs) -> Result<Db, StartError> {
    let (target, named) = args.target()?;
    match target {
        Target::Sqlite(file) => open_sqlite(args, &file, &named).await,
        Target::Postgres(options) => {
            let mut connection = reach(&options, &named).await?;
            check_schema(&mut connection, &named).await?;
            connection.close().await.ok();
            Ok(Db::Postgres(postgres_pool(*options, args.db_connections)))
        }
    }
}

/// Brings the schema of either database up to date. To do it again changes nothing.
///
/// # Errors
/// When the database can't be reached, or has a schema that this program did not make.
pub async fn migrate(args: &DatabaseArgs) -> Result<(), StartError> {
    let (target, named) = args.target()?;
    match target {
        Target::Sqlite(file) => {
            open_sqlite(args, &file, &named).await?.close().await;
        }
        Target::Postgres(options) => {
            let mut connection = reach(&options, &named).await?;
            // Takes an advisory lock, so that two of these at once do no harm.
            let migrated = run(&POSTGRES, &mut connection).await;
            migrated.map_err(|error| named.migration_failed(error))?;
            connection.close().await.ok();
        }
    }
    Ok(())
}

async fn open_sqlite(args: &DatabaseArgs, file: &Path, named: &Named) -> Result<Db, StartError> {
    if file.starts_with(&args.data_dir) {
        args.create_data_dir()?;
    }
    let options = SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(BUSY)
        .foreign_keys(true)
        .pragma("cache_size", CACHE_KIB);
    // With a write-ahead log readers and the writer don't wait for each other. NORMAL: a commit may
    // be lost when the machine loses power, never when the program dies, and never half of one.
    let writing = options
        .clone()
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal);
    let write: SqlitePool = sqlite_pool(1).connect_lazy_with(writing);
    migrate_sqlite(&write).await.map_err(|error| named.migration_failed(error))?;

    let read = sqlite_pool(args.db_connections).connect_lazy_with(options.read_only(true));
    Ok(Db::Sqlite { read, write })
}

/// Connections to a file don't break, so they are neither tried nor replaced.
fn sqlite_pool(connections: u32) -> PoolOptions<sqlx::Sqlite> {
    PoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Migrates in one transaction that lets no other writer in. So two servers that start on the same
/// new file don't both create the tables, a migration is applied whole or not at all, and a file
/// that can't be written is found out now and not at the first registration.
async fn migrate_sqlite(write: &SqlitePool) -> Result<(), MigrateError> {
    let mut tx = begin_on_new_file(write).await?;
    run(&SQLITE, &mut *tx).await?;
    Ok(tx.commit().await?)
}

/// SQLite waits for every lock but the one that it takes to give a new file its write-ahead log: of
/// two servers that open it in the same moment, one is refused at once. So that one asks again.
async fn begin_on_new_file(write: &SqlitePool) -> sqlx::Result<Transaction<'_, Sqlite>> {
    let give_up = Instant::now() + BUSY;
    loop {
        match write.begin_with("begin immediate").await {
            Err(error @ sqlx::Error::Database(_))
                if db_error::is_out_of_reach(&error) && Instant::now() < give_up =>
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            begun => return begun,
        }
    }
}

/// Applies what is missing. Not `Migrator::run`, because a future that holds that one's can't move to
/// another thread (the compiler can't see that it could).
async fn run(migrations: &Migrator, connection: &mut impl Migrate) -> Result<(), MigrateError> {
    migrations.run_direct(None, connection, false).await
}

fn postgres_pool(options: PgConnectOptions, connections: u32) -> PgPool {
    PoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
        .before_acquire(|connection: &mut PgConnection, usage| {
            Box::pin(async move {
                if usage.idle_for > TRUST {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options.application_name("conduit"))
}

/// One connection, outside the pool: a pool would try again and again, and then say only that its
/// time was up, and not why.
async fn reach(options: &PgConnectOptions, named: &Named) -> Result<PgConnection, StartError> {
    tokio::time::timeout(REACH, PgConnection::connect_with(options))
        .await
        .map_err(|_| named.unusable(format!("no answer within {} s", REACH.as_secs())))?
        .map_err(|error| named.unusable(error))
}

async fn check_schema(connection: &mut PgConnection, named: &Named) -> Result<(), StartError> {
    let table = &*POSTGRES.table_name;
    let applied = match connection.list_applied_migrations(table).await {
        Err(MigrateError::Execute(error)) if is_undefined_table(&error) => Vec::new(),
        Err(error) => return Err(named.migration_failed(error)),
        Ok(applied) => applied,
    };
    if !applied.is_empty() {
        let dirty = connection.dirty_version(table).await;
        if let Some(version) = dirty.map_err(|error| named.migration_failed(error))? {
            return Err(named.migration_failed(MigrateError::Dirty(version)));
        }
    }
    for one in &applied {
        let known = POSTGRES.iter().find(|migration| migration.version == one.version);
        let error = match known {
            None => MigrateError::VersionMissing(one.version),
            Some(known) if known.checksum != one.checksum => {
                MigrateError::VersionMismatch(one.version)
            }
            Some(_) => continue,
        };
        return Err(named.migration_failed(error));
    }
    let is_missing = |version: i64| !applied.iter().any(|one| one.version == version);
    match POSTGRES.iter().map(|known| known.version).find(|version| is_missing(*version)) {
        Some(missing) => Err(named.schema_behind(missing)),
        None => Ok(()),
    }
}

fn is_undefined_table(error: &sqlx::Error) -> bool {
    const UNDEFINED_TABLE: &str = "42P01";
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code == UNDEFINED_TABLE)
}
