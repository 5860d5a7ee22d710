//! The servers of one architecture, as processes, with the usual test data.

use std::sync::Mutex;

use contract::{
    dataset::{Article, Dataset, Size, User},
    process::{Server, binary, command},
    seed,
};
use in_process::{DatabaseArgs, IdentityArgs, InProcess, Options, SQLITE_FILE};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// A site that can be visited. Its servers end, and its data goes, with this value.
pub(crate) struct Site {
    /// For messages.
    pub(crate) name: &'static str,
    /// The server of the pages.
    pub(crate) pages: Server,
    /// The server behind it, if that is another one.
    backend: Mutex<Option<Server>>,
    /// Where that one listens.
    backend_address: String,
    data: TempDir,
}

/// Enough articles for several pages, few enough people for all of them to have some.
pub(crate) fn dataset() -> Dataset {
    Dataset::new(Size { users: 8, articles: ARTICLES, tags: 12, ..Size::default() }, 4)
}

const ARTICLES: u64 = 45;
const NEWEST: u64 = ARTICLES - 1;

/// Somebody of the dataset.
pub(crate) fn person(index: u64) -> User {
    dataset().user(index)
}

/// The newest article: the first one on the home page.
pub(crate) fn newest() -> Article {
    dataset().article(NEWEST)
}

/// Who wrote it.
pub(crate) fn newest_author() -> User {
    person(dataset().author(NEWEST))
}

/// How many people like it.
pub(crate) fn newest_likes() -> usize {
    dataset().favorites(NEWEST).len()
}

/// Somebody else.
pub(crate) fn stranger() -> User {
    let author = dataset().author(NEWEST);
    person(if author == 0 { 1 } else { 0 })
}

impl Site {
    /// Everything in one server.
    pub(crate) async fn monolith() -> Self {
        Self::one_server(seeded().await)
    }

    /// Everything in one server, on its first day.
    pub(crate) fn empty() -> Self {
        Self::one_server(tempfile::tempdir().expect("a temporary directory"))
    }

    fn one_server(data: TempDir) -> Self {
        let pages = with_data("monolith", &data, ANYWHERE);
        let backend_address = pages.address.clone();
        Self { name: "monolith", pages, backend: Mutex::default(), backend_address, data }
    }

    /// Pages in one server, the rest in another.
    pub(crate) async fn split() -> Self {
        let data = seeded().await;
        let backend = with_data("split-backend", &data, ANYWHERE);
        let backend_address = backend.address.clone();
        let backend_url = format!("http://{backend_address}");
        let pages = start("split-frontend", &[("LISTEN", ANYWHERE), ("BACKEND_URL", &backend_url)]);
        Self { name: "split", pages, backend: Mutex::new(Some(backend)), backend_address, data }
    }

    /// Whether there is a server behind the pages.
    pub(crate) fn has_backend(&self) -> bool {
        self.backend.lock().expect("the backend").is_some()
    }

    /// Kills the server behind the pages.
    pub(crate) fn stop_backend(&self) {
        *self.backend.lock().expect("the backend") = None;
    }

    /// Starts it again, where it was.
    pub(crate) fn restart_backend(&self) {
        let backend = with_data("split-backend", &self.data, &self.backend_address);
        *self.backend.lock().expect("the backend") = Some(backend);
    }
}

/// Any free port.
const ANYWHERE: &str = "127.0.0.1:0";

fn with_data(program: &str, data: &TempDir, listen: &str) -> Server {
    let folder = data.path().to_str().expect("a path in UTF-8");
    start(program, &[("LISTEN", listen), ("DATA_DIR", folder)])
}

fn start(program: &str, env: &[(&str, &str)]) -> Server {
    let env = [env, &[("LOG", "off")]].concat();
    Server::start(command(&binary(program), &["serve"], &env)).expect("a ready server")
}

/// A data directory with a copy of the dataset, which is loaded once in a process.
async fn seeded() -> TempDir {
    static FILE: OnceCell<Vec<u8>> = OnceCell::const_new();
    let load = async || {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let (args, identity) = (DatabaseArgs::in_data_dir(folder.path()), IdentityArgs::default());
        in_process::migrate(&args).await.expect("a migrated database");
        let app = InProcess::connect(&args, &identity, Options::default()).await.expect("an app");
        seed::load(app.db(), &dataset(), |_, _| {}).await.expect("a loaded database");
        app.close().await;
        std::fs::read(folder.path().join(SQLITE_FILE)).expect("the SQLite file")
    };
    let file = FILE.get_or_init(load).await;
    let folder = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(folder.path().join(SQLITE_FILE), file).expect("a copy");
    folder
}
