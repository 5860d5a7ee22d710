//! Data for every arm: one database is filled, and every arm gets a copy of its own, so that the
//! arms are alike to the last byte and none can warm up the other's caches.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fs, io,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use contract::{dataset::Dataset, postgres::PrivateServer, seed};
use in_process::{
    Clock, DatabaseArgs, DatabaseUrl, IdentityArgs, InProcess, Options, SQLITE_FILE,
    provision::{self, create_database},
};
use nix::unistd::Pid;
use tokio::time::sleep;

use crate::{
    guardian::Guardian,
    probe::{Scope, Watched},
    record::Arm,
};

/// Under which name PostgreSQL's figures are kept.
pub const POSTGRES: &str = "postgres";

/// How often, and how far apart, a database that does not answer is asked again: it may be
/// recovering.
const RECOVERY: (usize, Duration) = (60, Duration::from_millis(500));

/// How many connections the lab itself has to a database that servers use.
const BESIDE: u32 = 2;

/// Stands in a command for the address of a PostgreSQL server, which may hold a password.
pub(crate) const SERVER: &str = "URL";

/// Which database the servers are measured on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Embedded SQLite.
    Sqlite,
    /// A PostgreSQL server of the lab's own, from the installed programs.
    PrivatePostgres,
    /// A PostgreSQL server that runs already. The lab makes databases of its own there.
    Postgres(DatabaseUrl),
}

impl FromStr for Engine {
    type Err = Infallible;

    /// `sqlite`, `postgres`, or else an address. That is looked at only when it is used: a parser
    /// of arguments would quote it, password and all, in its error message.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "sqlite" => Self::Sqlite,
            POSTGRES => Self::PrivatePostgres,
            url => Self::Postgres(DatabaseUrl::from(url.to_owned())),
        })
    }
}

impl Engine {
    /// Looks at the address. It is not shown: it may hold a password after a slip of the hand.
    ///
    /// # Errors
    /// When it can't be one of PostgreSQL.
    pub fn check(&self) -> anyhow::Result<()> {
        let Self::Postgres(url) = self else { return Ok(()) };
        if !["postgres://", "postgresql://"].iter().any(|start| url.expose().starts_with(start)) {
            bail!("--db: give sqlite, postgres, or an address that starts with postgres://");
        }
        Ok(())
    }

    /// The kind of database, for results: never an address, which may hold a password.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::PrivatePostgres | Self::Postgres(_) => POSTGRES,
        }
    }

    /// As it stands in the command that repeats a run.
    pub fn flag(&self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::PrivatePostgres => POSTGRES,
            Self::Postgres(_) => SERVER,
        }
    }
}

/// One arm's database.
#[derive(Clone, Debug)]
pub struct Database {
    /// The server's data directory; with SQLite the database is in it.
    pub data_dir: PathBuf,
    /// The address, with PostgreSQL.
    pub url: Option<DatabaseUrl>,
}

impl Database {
    fn args(&self) -> DatabaseArgs {
        let mut args = DatabaseArgs::in_data_dir(&self.data_dir);
        args.database_url = self.url.clone();
        args
    }

    /// The app on this data, beside the servers.
    ///
    /// # Errors
    /// The database's.
    pub async fn open(&self, token_secret: &Path) -> anyhow::Result<InProcess> {
        let identity = IdentityArgs { token_secret_file: Some(token_secret.to_owned()) };
        let args = DatabaseArgs { db_connections: BESIDE, ..self.args() };
        Ok(InProcess::connect(&args, &identity, Options::default()).await?)
    }
}

/// A database for each of some arms.
#[derive(Clone, Debug)]
pub struct Databases(BTreeMap<Arm, Database>);

impl FromIterator<(Arm, Database)> for Databases {
    fn from_iter<T: IntoIterator<Item = (Arm, Database)>>(databases: T) -> Self {
        Self(databases.into_iter().collect())
    }
}

impl Databases {
    /// The database of one arm.
    pub fn of(&self, arm: Arm) -> anyhow::Result<&Database> {
        self.0.get(&arm).with_context(|| format!("there is no database for {}", arm.name()))
    }
}

/// The filled database, of which copies are made.
pub struct Seeded {
    dir: PathBuf,
    /// What is copied.
    original: Database,
    postgres: Option<Postgres>,
}

struct Postgres {
    server: DatabaseUrl,
    /// Begins every database name of this run: several labs may use one server.
    prefix: String,
    /// Ends when this goes.
    private: Option<PrivateServer>,
}

impl Seeded {
    /// Fills a database below `dir` or on the server, and makes the secret that signs tokens.
    /// `progress` hears how many of how many rows are done.
    pub async fn prepare(
        engine: &Engine,
        dataset: &Dataset,
        dir: &Path,
        token_secret: &Path,
        guardian: &mut Guardian,
        progress: impl FnMut(u64, u64),
    ) -> anyhow::Result<Self> {
        let postgres = Postgres::of(engine, guardian)?;
        let original = Database { data_dir: dir.join("seed"), url: None };
        let mut seeded = Self { dir: dir.to_owned(), original, postgres };
        seeded.original = seeded.create("seed", None, guardian).await?;
        let args = seeded.original.args();
        in_process::migrate(&args).await?;
        let app = seeded.open(token_secret, Clock::system()).await?;
        let filled = seed::load(app.db(), dataset, progress).await;
        // Also where it failed: what is open can't be copied or dropped.
        app.close().await;
        filled?;
        Ok(seeded)
    }

    /// The app on the data that copies are made of. It has to be closed before they are.
    ///
    /// # Errors
    /// The database's.
    pub async fn open(&self, token_secret: &Path, clock: Clock) -> anyhow::Result<InProcess> {
        let identity = IdentityArgs { token_secret_file: Some(token_secret.to_owned()) };
        let options = Options { clock, ..Options::default() };
        Ok(InProcess::connect(&self.original.args(), &identity, options).await?)
    }

    /// A copy for each of `arms`. `name` tells this set of copies apart from others.
    pub async fn copies(
        &self,
        name: &str,
        arms: &[Arm],
        guardian: &mut Guardian,
    ) -> anyhow::Result<Databases> {
        let mut databases = BTreeMap::new();
        for arm in arms {
            // PostgreSQL takes a hyphen for a minus.
            let name = format!("{name}_{}", arm.name().replace('-', "_"));
            databases.insert(*arm, self.create(&name, Some("seed"), guardian).await?);
        }
        Ok(Databases(databases))
    }

    /// The PostgreSQL server, if it is one.
    pub fn server(&self) -> Option<&DatabaseUrl> {
        self.postgres.as_ref().map(|postgres| &postgres.server)
    }

    /// PostgreSQL's processes, for the probe, where they are the lab's own.
    pub fn watched(&self) -> Option<Watched> {
        let server = self.postgres.as_ref()?.private.as_ref()?;
        Some(Watched { name: POSTGRES.to_owned(), pid: pid(server)?, scope: Scope::Tree })
    }

    async fn create(
        &self,
        name: &str,
        template: Option<&str>,
        guardian: &mut Guardian,
    ) -> anyhow::Result<Database> {
        let data_dir = self.dir.join(name);
        fs::create_dir(&data_dir).with_context(|| data_dir.display().to_string())?;
        let url = match (&self.postgres, template) {
            (Some(postgres), template) => Some(postgres.create(name, template, guardian).await?),
            (None, Some(template)) => {
                copy_sqlite(&self.dir.join(template), &data_dir)?;
                None
            }
            (None, None) => None,
        };
        Ok(Database { data_dir, url })
    }
}

impl Postgres {
    fn of(engine: &Engine, guardian: &Guardian) -> anyhow::Result<Option<Self>> {
        let prefix = format!("conduit_lab_{}", guardian.mark().1.replace('-', "_"));
        Ok(match engine {
            Engine::Sqlite => None,
            Engine::Postgres(server) => {
                Some(Self { server: server.clone(), prefix, private: None })
            }
            Engine::PrivatePostgres => {
                let server = PrivateServer::start().context("--db postgres")?.context(
                    "--db postgres: no PostgreSQL programs were found (initdb and postgres, in \
                     /usr/lib/postgresql or on the PATH); give the URL of a server instead",
                )?;
                let url = DatabaseUrl::from(server.url().to_owned());
                let private = server.is_private().then_some(server);
                Some(Self { server: url, prefix, private })
            }
        })
    }

    async fn create(
        &self,
        name: &str,
        template: Option<&str>,
        guardian: &mut Guardian,
    ) -> anyhow::Result<DatabaseUrl> {
        let full = |name: &str| format!("{}_{name}", self.prefix);
        let template = template.map(full);
        if self.private.is_none() {
            // Before it exists: a lab that is killed meanwhile leaves nothing either.
            guardian.drop_at_end(&self.server, &full(name))?;
        }
        let created = create_database(&self.server, &full(name), template.as_deref()).await;
        if created.is_err() {
            guardian.need_not_drop(&full(name))?;
        }
        // The database's words already hold those of what caused it.
        created.map_err(|error| anyhow!("--db: cannot create a database: {error}"))
    }
}

/// Since when a PostgreSQL server takes connections; waits a while for one that does not.
///
/// # Errors
/// When it does not come back.
pub async fn running_since(server: &DatabaseUrl) -> anyhow::Result<String> {
    let (times, apart) = RECOVERY;
    for _ in 1..times {
        if let Ok(since) = provision::running_since(server).await {
            return Ok(since);
        }
        sleep(apart).await;
    }
    let since = provision::running_since(server).await;
    // Its words may hold the address, and that a password.
    since.ok().with_context(|| format!("the database has not answered for {:?}", apart * 60))
}

fn pid(server: &PrivateServer) -> Option<Pid> {
    server.pid().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw)
}

/// Copies an SQLite database that nobody has open: the file, and its write-ahead log if closing has
/// not emptied that into the file.
fn copy_sqlite(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from.join(SQLITE_FILE), to.join(SQLITE_FILE))?;
    let log = format!("{SQLITE_FILE}-wal");
    match fs::copy(from.join(&log), to.join(&log)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        copied => copied.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_password_never_leaves_the_engine() {
        let engine: Engine = "postgres://lab:hunter2@db/conduit".parse().unwrap();
        assert_eq!(engine.kind(), "postgres");
        assert_eq!(engine.flag(), "URL");
        assert!(!format!("{engine:?}").contains("hunter2"));
        let error = "postgre://lab:hunter2@db".parse::<Engine>().unwrap().check().unwrap_err();
        assert!(error.to_string().contains("--db") && !error.to_string().contains("hunter2"));
        assert_eq!("postgres".parse(), Ok(Engine::PrivatePostgres));
        assert_eq!("sqlite".parse(), Ok(Engine::Sqlite));
    }
}
