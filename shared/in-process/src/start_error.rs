//! Why a server can't start. Each case is one line that names the setting to change or the command
//! to run, and none of them shows a password.

use std::{
    io,
    path::{Path, PathBuf},
};

use sqlx::migrate::MigrateError;

/// Why a server can't start. `Display` is one line.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database is named in two ways.
    #[error("--database-url: --database-url-file is given as well; give only one of the two")]
    TwoDatabases,
    /// The file with the database's address can't be read.
    #[error("--database-url-file: can't read {path}: {1}", path = .0.display())]
    UrlFile(PathBuf, #[source] io::Error),
    /// The database's address can't be understood.
    #[error("{setting}: {reason}")]
    Url {
        /// The flag that holds the address.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The data directory can't be made.
    #[error("--data-dir: can't create {path}: {1}", path = .0.display())]
    DataDir(PathBuf, #[source] io::Error),
    /// The database can't be reached, opened or written to.
    #[error("{setting}: can't use {database}: {reason}")]
    Database {
        /// The flag that names the database.
        setting: &'static str,
        /// The database, without user and password.
        database: String,
        /// What it answered.
        reason: String,
    },
    /// The schema is older than the program.
    #[error(
        "{setting}: the schema of {database} is not current (migration {missing} is missing); \
         run `monolith migrate` or `split-backend migrate` first"
    )]
    SchemaBehind {
        /// The flag that names the database.
        setting: &'static str,
        /// The database, without user and password.
        database: String,
        /// The first migration that was not applied.
        missing: i64,
    },
    /// The schema is not one that this program made.
    #[error("{setting}: the schema of {database} does not fit this program: {reason}")]
    SchemaForeign {
        /// The flag that names the database.
        setting: &'static str,
        /// The database, without user and password.
        database: String,
        /// In what way.
        reason: String,
    },
    /// No secret, and none may be made.
    #[error(
        "--token-secret-file: {path} does not exist, and in production none is made; \
         `openssl rand -hex 32` prints a good one",
        path = .0.display()
    )]
    SecretMissing(PathBuf),
    /// The secret's file can't be read or made.
    #[error("--token-secret-file: can't read or create {path}: {1}", path = .0.display())]
    SecretFile(PathBuf, #[source] io::Error),
    /// A setting of jobs that can't be followed.
    #[error("{setting}: {reason}")]
    Jobs {
        /// The flag.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A connection is wanted that there is not.
    #[error("--db-connections: a cache takes one to listen for changes, so there have to be {0}")]
    TooFewConnections(u32),
    /// A secret that can be guessed.
    #[error("--token-secret-file: {path} has to hold at least {1} bytes", path = .0.display())]
    SecretTooShort(PathBuf, usize),
}

impl StartError {
    pub(crate) fn job_setting(setting: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Jobs { setting, reason: one_line(&reason.to_string()) }
    }
}

/// A database as messages name it, and the flag that named it.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) setting: &'static str,
    pub(crate) database: String,
}

impl Named {
    pub(crate) fn file(setting: &'static str, file: &Path) -> Self {
        Self { setting, database: file.display().to_string() }
    }

    pub(crate) fn unusable(&self, reason: impl std::fmt::Display) -> StartError {
        StartError::Database {
            setting: self.setting,
            database: self.database.clone(),
            reason: one_line(&reason.to_string()),
        }
    }

    pub(crate) fn schema_behind(&self, missing: i64) -> StartError {
        StartError::SchemaBehind { setting: self.setting, database: self.database.clone(), missing }
    }

    pub(crate) fn migration_failed(&self, error: MigrateError) -> StartError {
        let reason = match error {
            MigrateError::Execute(error) => return self.unusable(error),
            MigrateError::ExecuteMigration(error, version) => {
                return self.unusable(format!("migration {version} failed: {error}"));
            }
            MigrateError::VersionMissing(version) => format!(
                "it has migration {version}, which this program does not know; \
                 a newer version of the program made it"
            ),
            MigrateError::Dirty(version) => format!(
                "migration {version} was begun and never finished; restore a backup, or repair it \
                 and its row in _sqlx_migrations"
            ),
            MigrateError::VersionMismatch(version) => {
                format!("its migration {version} is not the one that this program has")
            }
            other => other.to_string(),
        };
        StartError::SchemaForeign {
            setting: self.setting,
            database: self.database.clone(),
            reason: one_line(&reason),
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
