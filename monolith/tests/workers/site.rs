//! One database, and processes that work on it.

use std::{fs::File, path::PathBuf, time::Duration};

use conduit::{Caller, Conduit, Credentials, ListArticles, NewComment, Password, RequestId};
use contract::{
    databases::{self, TestDatabase},
    dataset::{Dataset, PASSWORD},
    process::{Server, command},
    sql::{number, texts, until},
};
use in_process::{InProcess, Load, Options};
use serde_json::json;

/// How long a lease is where none may end during a test: what is taken sooner was handed back.
pub(crate) const NEVER: u32 = 3_600_000;

/// A database, and what the test itself does with it: enqueue, and look.
pub(crate) struct Site {
    pub(crate) database: TestDatabase,
    /// Takes no job by itself.
    pub(crate) app: InProcess,
    folder: tempfile::TempDir,
}

/// A process that runs jobs, and what it has said.
pub(crate) struct Worker {
    pub(crate) process: Server,
    log: PathBuf,
}

impl Site {
    /// One on each engine; each comment brings a job like this.
    pub(crate) async fn all(load: Load) -> Vec<Self> {
        Self::on(databases::all().await, load).await
    }

    /// The same, with other data.
    pub(crate) async fn with(dataset: &Dataset) -> Vec<Self> {
        Self::on(databases::with(dataset).await, Load::default()).await
    }

    async fn on(databases: Vec<TestDatabase>, load: Load) -> Vec<Self> {
        let mut sites = Vec::new();
        for database in databases {
            let lab = json!({ "with_each_comment": load });
            let lab = serde_json::from_value::<in_process::Lab>(lab).unwrap().into();
            let app = database.connect_with(Options { lab, ..Options::default() }).await;
            sites.push(Self { database, app, folder: tempfile::tempdir().unwrap() });
        }
        sites
    }

    pub(crate) fn on_engine(&self) -> &'static str {
        self.database.engine
    }

    /// Starts a process; `args` begin with its role.
    pub(crate) fn start(&self, name: &str, args: &[&str], lease_ms: u32) -> Worker {
        let log = self.folder.path().join(format!("{name}.log"));
        let lab = self.folder.path().join(format!("{name}.json"));
        std::fs::write(&lab, json!({ "jobs": { "lease_ms": lease_ms } }).to_string()).unwrap();
        let url = self.database.args.database_url.as_ref().map_or("", |url| url.expose());
        let data = self.database.args.data_dir.to_str().unwrap();
        let lab = lab.to_str().unwrap();
        let args =
            [args, &["--listen", "127.0.0.1:0", "--data-dir", data, "--lab", lab, "--log", "info"]]
                .concat();
        let mut command = command(env!("CARGO_BIN_EXE_monolith"), &args, &[("DATABASE_URL", url)]);
        command.stderr(File::create(&log).unwrap());
        Worker { process: Server::start(command).unwrap(), log }
    }

    /// The account with the lowest number, signed in.
    pub(crate) async fn somebody(&self) -> Caller {
        let email =
            texts(&self.app, "select email from account order by id limit 1").await.remove(0);
        let login = Credentials { email, password: Password::new(PASSWORD) };
        let user = self.app.login(&visitor(), login).await.unwrap();
        Caller { token: Some(user.token), ..visitor() }
    }

    /// Brings so many jobs about.
    pub(crate) async fn enqueue(&self, jobs: usize) {
        let caller = self.somebody().await;
        let list = ListArticles { limit: 1, ..ListArticles::default() };
        let slug = self.app.articles(&caller, &list).await.unwrap().articles.remove(0).slug;
        for _ in 0..jobs {
            let comment = NewComment { body: "x".into() };
            self.app.add_comment(&caller, &slug, comment).await.unwrap();
        }
    }

    /// Waits for a job in this condition.
    pub(crate) async fn job(&self, condition: &str) {
        until(&self.app, 1, &format!("select count(*) from job where {condition}")).await;
    }

    /// Waits until so many jobs have had their effect.
    pub(crate) async fn effects(&self, jobs: i64) {
        until(&self.app, jobs, "select count(*) from synthetic_effect").await;
    }

    /// Each job had its effect once, and none is left.
    pub(crate) async fn is_settled(&self, jobs: i64) {
        until(&self.app, 0, "select -count(*) from job").await;
        let once = "select count(*) from synthetic_effect where times = 1";
        assert_eq!(number(&self.app, once).await, jobs, "{}", self.on_engine());
        let all = "select count(*) from synthetic_effect";
        assert_eq!(number(&self.app, all).await, jobs, "{}", self.on_engine());
    }
}

impl Worker {
    /// Waits until it has said this.
    pub(crate) fn says(&self, text: &str) {
        contract::process::eventually(text, || self.log().contains(text));
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Ends, and gives its exit code with all that it has said.
    pub(crate) fn end(self) -> (Option<i32>, String) {
        let (status, _) = self.process.wait().unwrap();
        (status.code(), std::fs::read_to_string(&self.log).unwrap())
    }
}

fn visitor() -> Caller {
    Caller::new(None, RequestId::parse("workers").unwrap(), Duration::from_secs(20))
}
