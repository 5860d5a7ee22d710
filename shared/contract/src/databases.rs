//! Databases for tests: fresh ones for each test, on both engines, empty or with a dataset.
//!
//! A dataset is loaded once in a process and then copied, which takes a moment. All tests of a
//! process share one private PostgreSQL server. Where PostgreSQL is not installed they say so and go
//! on with SQLite alone, unless they are told that this is a failure.

use std::{
    env, fs,
    sync::atomic::{AtomicU32, Ordering},
};

use in_process::{Clock, DatabaseArgs, IdentityArgs, InProcess, Options, SQLITE_FILE};
use tempfile::TempDir;
use tokio::sync::{Mutex, OnceCell};

use crate::{
    dataset::{Dataset, Size},
    postgres::{OVERRIDE, PrivateServer, REQUIRE},
    seed,
};

static SERVER: OnceCell<Option<PrivateServer>> = OnceCell::const_new();
static TEMPLATES: Mutex<Vec<Template>> = Mutex::const_new(Vec::new());
static NUMBER: AtomicU32 = AtomicU32::new(1);

/// A database of its own for one test. It goes when this value goes.
pub struct TestDatabase {
    /// `sqlite` or `postgres`: for the messages of assertions.
    pub engine: &'static str,
    /// Where it is.
    pub args: DatabaseArgs,
    /// The secret for its tokens, made at the first use.
    pub identity: IdentityArgs,
    /// The name of a database that has to be dropped, because its server stays.
    drop_name: Option<String>,
    _folder: TempDir,
}

/// What a database begins with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Empty,
    Filled(Dataset),
}

/// A database that others are copied from.
struct Template {
    content: Content,
    /// The SQLite file. In memory, because nobody would remove a file at the end.
    sqlite: Vec<u8>,
    /// The database's name, where there is a private server.
    postgres: Option<String>,
}

/// The dataset of [`all`]: the usual kinds of rows, a tenth as many of them.
pub fn small_dataset() -> Dataset {
    Dataset::new(Size { users: 20, articles: 100, tags: 10, ..Size::default() }, 1)
}

/// A database on each engine, with [`small_dataset`].
///
/// # Panics
/// When one can't be made: these are tests.
pub async fn all() -> Vec<TestDatabase> {
    with(&small_dataset()).await
}

/// A database on each engine, with a dataset.
///
/// # Panics
/// When one can't be made: these are tests.
pub async fn with(dataset: &Dataset) -> Vec<TestDatabase> {
    fresh(Content::Filled(*dataset)).await
}

/// A migrated database without rows on each engine.
///
/// # Panics
/// When one can't be made: these are tests.
pub async fn empty() -> Vec<TestDatabase> {
    fresh(Content::Empty).await
}

/// The private server that the tests of this process share; `None` where PostgreSQL is not there,
/// which is then said.
///
/// # Panics
/// When PostgreSQL is installed and does not start, or is not there although it has to be.
pub async fn server() -> Option<&'static PrivateServer> {
    let start = || async {
        let started = tokio::task::spawn_blocking(PrivateServer::start).await;
        started.expect("a thread").expect("a PostgreSQL server")
    };
    let server = SERVER.get_or_init(start).await.as_ref();
    if server.is_none() {
        let required = env::var(REQUIRE).is_ok_and(|value| value == "1");
        assert!(!required, "{REQUIRE}=1, and PostgreSQL is not installed");
        println!("ignored: needs PostgreSQL, installed or at the address in {OVERRIDE}");
    }
    server
}

/// A name that no other database of any test has.
pub fn unused_name() -> String {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("conduit_test_{}_{number}", std::process::id())
}

impl TestDatabase {
    /// The app on this database.
    ///
    /// # Panics
    /// When it can't be opened: these are tests.
    pub async fn connect(&self) -> InProcess {
        self.connect_at(Clock::system()).await
    }

    /// The app on this database, by this clock.
    ///
    /// # Panics
    /// When it can't be opened: these are tests.
    pub async fn connect_at(&self, clock: Clock) -> InProcess {
        self.connect_with(Options { clock, ..Options::default() }).await
    }

    /// The app on this database, with these options.
    ///
    /// # Panics
    /// When it can't be opened: these are tests.
    pub async fn connect_with(&self, options: Options) -> InProcess {
        InProcess::connect(&self.args, &self.identity, options).await.expect("a database")
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Some(name) = self.drop_name.take() else { return };
        // Dropping can't wait, so another thread does it, with a runtime of its own.
        let clean_up = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let server = SERVER.get().and_then(Option::as_ref);
            runtime.block_on(async {
                match server {
                    Some(server) => server.drop_database(&name).await,
                    None => Ok(()),
                }
            })
        });
        if !matches!(clean_up.join(), Ok(Ok(()))) {
            println!("a database of this test is left over on the server at {OVERRIDE}");
        }
    }
}

async fn fresh(content: Content) -> Vec<TestDatabase> {
    let server = server().await;
    let mut templates = TEMPLATES.lock().await;
    if !templates.iter().any(|template| template.content == content) {
        templates.push(Template::make(content, server).await);
    }
    let template = templates.iter().find(|template| template.content == content);
    let template = template.expect("it was just made");

    let mut databases = vec![template.sqlite()];
    if let Some(server) = server {
        databases.push(template.postgres(server).await);
    }
    databases
}

impl Template {
    async fn make(content: Content, server: Option<&PrivateServer>) -> Self {
        let database = in_folder("sqlite");
        fill(&database, content).await;
        let sqlite = fs::read(database.args.data_dir.join(SQLITE_FILE)).expect("the SQLite file");

        let mut postgres = None;
        if let Some(server) = server.filter(|server| server.is_private()) {
            let name = unused_name();
            fill(&on(server, &name, None).await, content).await;
            postgres = Some(name);
        }
        Self { content, sqlite, postgres }
    }

    fn sqlite(&self) -> TestDatabase {
        let database = in_folder("sqlite");
        fs::write(database.args.data_dir.join(SQLITE_FILE), &self.sqlite).expect("a copy");
        database
    }

    async fn postgres(&self, server: &PrivateServer) -> TestDatabase {
        let name = unused_name();
        let mut database = on(server, &name, self.postgres.as_deref()).await;
        if self.postgres.is_none() {
            // On a server that stays, no template is left behind, and nothing of this test.
            database.drop_name = Some(name);
            fill(&database, self.content).await;
        }
        database
    }
}

fn in_folder(engine: &'static str) -> TestDatabase {
    let folder = tempfile::tempdir().expect("a temporary directory");
    TestDatabase {
        engine,
        args: DatabaseArgs::in_data_dir(folder.path()),
        identity: IdentityArgs::default(),
        drop_name: None,
        _folder: folder,
    }
}

async fn on(server: &PrivateServer, name: &str, template: Option<&str>) -> TestDatabase {
    let created = match template {
        Some(template) => server.copy_database(template, name).await,
        None => server.create_database(name).await,
    };
    let mut database = in_folder("postgres");
    database.args.database_url = Some(created.expect("a new database").into());
    database
}

async fn fill(database: &TestDatabase, content: Content) {
    in_process::migrate(&database.args).await.expect("a migrated database");
    let app = database.connect().await;
    if let Content::Filled(dataset) = content {
        seed::load(app.db(), &dataset, |_, _| {}).await.expect("a loaded database");
    }
    app.close().await;
}
