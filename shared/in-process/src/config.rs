//! The settings of this crate, as flags and environment variables. They stand beside the code that
//! uses them, and the binaries take them over.

use std::{
    convert::Infallible,
    fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use sqlx::{postgres::PgConnectOptions, sqlite::SqliteConnectOptions};

use crate::{
    clock::Clock,
    jobs::{JobArgs, Lab, Placement},
    start_error::{Named, StartError},
};

/// The SQLite file within the data directory, when no other database is named.
pub const SQLITE_FILE: &str = "conduit.db";

/// The secret's file within the data directory, when no other file is named.
pub const SECRET_FILE: &str = "token-secret";

const URL: &str = "--database-url";
const URL_FILE: &str = "--database-url-file";
const DATA_DIR: &str = "--data-dir";

/// Where the data is.
#[derive(Clone, Debug, clap::Args)]
pub struct DatabaseArgs {
    /// Directory for everything that the server writes; created if it does not exist
    #[arg(long, env = "DATA_DIR", value_name = "DIR", default_value = "./data")]
    pub data_dir: PathBuf,

    /// Database: postgres://USER:PASSWORD@HOST:PORT/NAME or sqlite:FILE [default: conduit.db in
    /// the data directory, an SQLite file]
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<DatabaseUrl>,

    /// File that holds the database URL, for secrets that are mounted as files
    #[arg(long, env = "DATABASE_URL_FILE", value_name = "FILE")]
    pub database_url_file: Option<PathBuf>,

    /// Most connections to the database that are open at a time
    #[arg(
        long,
        env = "DB_CONNECTIONS",
        value_name = "N",
        default_value_t = 8,
        value_parser = clap::value_parser!(u32).range(1..=1_000)
    )]
    pub db_connections: u32,
}

/// How callers prove who they are.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct IdentityArgs {
    /// File with the secret that signs tokens, 32 bytes or more; made on the first start, except in
    /// production [default: token-secret in the data directory]
    #[arg(long, env = "TOKEN_SECRET_FILE", value_name = "FILE")]
    pub token_secret_file: Option<PathBuf>,
}

/// All settings of this crate.
#[derive(Clone, Debug, clap::Args)]
pub struct AppArgs {
    /// Where the data is.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// How callers prove who they are.
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// How jobs run.
    #[command(flatten)]
    pub jobs: JobArgs,
}

/// What is decided by the program and not by a setting of this crate.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Refuse to run on anything that was made up on the spot, such as a fresh token secret.
    pub production: bool,
    /// Where the time comes from.
    pub clock: Clock,
    /// Where jobs run.
    pub placement: Placement,
    /// How jobs run.
    pub jobs: JobArgs,
    /// What only the lab switches on.
    pub lab: Arc<Lab>,
}

/// A database's address. It may hold a password, so `Debug` never shows it, and it is looked at
/// only when it is used: a parser of arguments would quote it in its error message.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The address itself. Every use of this method is a place where a password could leak.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for DatabaseUrl {
    fn from(text: String) -> Self {
        Self(text.trim().to_owned())
    }
}

impl FromStr for DatabaseUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::from(text.to_owned()))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(…)")
    }
}

/// Which database is meant.
pub(crate) enum Target {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

impl DatabaseArgs {
    /// An SQLite file in `data_dir`, and otherwise the defaults.
    pub fn in_data_dir(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            database_url: None,
            database_url_file: None,
            db_connections: 8,
        }
    }

    /// Which database is meant. An empty URL counts as none, because that is how a compose file
    /// says that a variable is not set.
    pub(crate) fn target(&self) -> Result<(Target, Named), StartError> {
        let given = self.database_url.clone().filter(|url| !url.expose().is_empty());
        match (given, &self.database_url_file) {
            (Some(_), Some(_)) => Err(StartError::TwoDatabases),
            (Some(url), None) => parse(URL, &url),
            (None, Some(file)) => {
                let text = fs::read_to_string(file)
                    .map_err(|error| StartError::UrlFile(file.clone(), error))?;
                parse(URL_FILE, &DatabaseUrl::from(text))
            }
            (None, None) => {
                let file = self.data_dir.join(SQLITE_FILE);
                let named = Named::file(DATA_DIR, &file);
                Ok((Target::Sqlite(file), named))
            }
        }
    }

    /// Makes the data directory, for this user's eyes only: it holds what must not be read by
    /// others.
    pub(crate) fn create_data_dir(&self) -> Result<(), StartError> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(&self.data_dir)
            .map_err(|error| StartError::DataDir(self.data_dir.clone(), error))
    }
}

impl IdentityArgs {
    /// The file with the secret.
    pub(crate) fn secret_file(&self, data_dir: &Path) -> PathBuf {
        self.token_secret_file.clone().unwrap_or_else(|| data_dir.join(SECRET_FILE))
    }
}

fn parse(setting: &'static str, url: &DatabaseUrl) -> Result<(Target, Named), StartError> {
    let wrong = |reason: String| StartError::Url { setting, reason };
    let url = url.expose();
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        let options = PgConnectOptions::from_str(url).map_err(|error| wrong(error.to_string()))?;
        let database = format!(
            "{}:{}/{}",
            options.get_host(),
            options.get_port(),
            options.get_database().unwrap_or(options.get_username())
        );
        return Ok((Target::Postgres(Box::new(options)), Named { setting, database }));
    }
    if url.starts_with("sqlite:") {
        // Several connections would each have a memory of their own, and options such as
        // `mode=ro` would contradict what a server needs.
        if url.contains(":memory:") || url.contains('?') {
            return Err(wrong("an SQLite database has to be a file, without parameters".into()));
        }
        let options = SqliteConnectOptions::from_str(url).map_err(|e| wrong(e.to_string()))?;
        let file = options.get_filename().to_owned();
        let named = Named::file(setting, &file);
        return Ok((Target::Sqlite(file), named));
    }
    // The text itself is not shown: it may be a URL with a password after a slip of the hand.
    Err(wrong("has to start with postgres://, postgresql:// or sqlite:".into()))
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
