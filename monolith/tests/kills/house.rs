//! One database, the server that dies on it, and the books that are kept outside.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use conduit::{Caller, Conduit, Credentials, ListArticles, Password, RequestId};
use contract::{
    databases::TestDatabase,
    dataset::PASSWORD,
    process::{Server, command},
    sql::{execute, number, numbers, pairs, texts},
};
use in_process::{InProcess, JobArgs, Options, Point};
use serde_json::{Value, json};

use crate::smtp::{self, Received};

/// How long a server has to die where it was told to.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many days are kept for the points that only a digest gets to: two, with twenty kills each.
const KEPT_DAYS: usize = 40;

/// Leases are short here, so that what a dead worker had is soon somebody else's.
const LEASE_MS: u32 = 600;

/// How a server ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kill {
    /// At this point, when it gets there for this time.
    At(Point, usize),
    /// So many milliseconds after it was ready.
    After(u64),
}

pub(crate) struct House {
    pub(crate) finish_first: bool,
    database: TestDatabase,
    app: InProcess,
    folder: tempfile::TempDir,
    smtp: String,
    mails: Received,
    token: String,
    slug: String,
    /// Days on which a digest has something to tell, and that had none yet.
    days: Vec<String>,
    /// What servers have said they would do.
    accepted: BTreeSet<i64>,
    /// Numbers of jobs that stand in the table without a request.
    planted: BTreeSet<i64>,
    failing: i64,
}

impl House {
    pub(crate) async fn new(database: TestDatabase) -> Self {
        let (address, mails) = smtp::serve();
        let smtp = format!("smtp://{address}");
        let jobs = JobArgs { smtp_url: Some(smtp.clone()), ..JobArgs::default() };
        let app = database.connect_with(Options { jobs, ..Options::default() }).await;
        let guest = Caller::new(None, RequestId::parse("kills").unwrap(), Duration::from_secs(20));
        let email = texts(&app, "select email from account where id = 1").await.remove(0);
        let login = Credentials { email, password: Password::new(PASSWORD) };
        let token = app.login(&guest, login).await.unwrap().token.expose().to_owned();
        let list = ListArticles { limit: 1, ..ListArticles::default() };
        let slug = app.articles(&guest, &list).await.unwrap().articles.remove(0).slug;
        spread_out(&app).await;
        let days = days(&app).await;
        assert!(days.len() > KEPT_DAYS, "{}", days.len());
        Self {
            finish_first: false,
            database,
            app,
            folder: tempfile::tempdir().unwrap(),
            smtp,
            mails,
            token,
            slug,
            days,
            accepted: BTreeSet::new(),
            planted: BTreeSet::new(),
            failing: 0,
        }
    }

    pub(crate) fn on(&self) -> &'static str {
        self.database.engine
    }

    /// What was at stake.
    pub(crate) async fn sum(&self) -> String {
        let effects = number(&self.app, "select count(*) from synthetic_effect").await;
        let mails = self.mails.lock().unwrap().len();
        let accepted = self.accepted.len();
        format!("{accepted} jobs accepted, {effects} effects, {mails} mails")
    }

    /// Starts a server, keeps it busy, and sees it die. False when it did not die where it should.
    pub(crate) async fn kill(&mut self, kill: Kill) -> bool {
        let digest = matches!(kill, Kill::At(Point::LedgerBeforeSend | Point::LedgerAfterSend, _));
        self.plant(digest).await;
        let Some(server) = self.start(kill) else { return true };
        let begin = Instant::now();
        let end = match kill {
            Kill::At(..) => PATIENCE,
            Kill::After(millis) => Duration::from_millis(millis),
        };
        let mut died = false;
        while begin.elapsed() < end && !died {
            match self.comment(&server.address) {
                Some(id) => {
                    self.accepted.insert(id);
                }
                None => died = server.get("/healthz").is_err(),
            }
        }
        // `Server` is killed with SIGKILL when it goes.
        drop(server);
        died
    }

    /// `None` when it dies before it is ready.
    fn start(&self, kill: Kill) -> Option<Server> {
        let mut jobs = json!({
            "with_each_comment": { "sleep_ms": 250 },
            "tick_seconds": 1,
            "lease_ms": LEASE_MS,
            "finish_first": self.finish_first,
        });
        if let Kill::At(point, times) = kill {
            jobs["crash_at"] = serde_json::to_value(point).unwrap();
            jobs["crash_on"] = json!(times);
        }
        let lab = self.folder.path().join("lab.json");
        std::fs::write(&lab, json!({ "jobs": jobs }).to_string()).unwrap();
        let data = self.database.args.data_dir.to_str().unwrap();
        let url = self.database.args.database_url.as_ref().map_or("", |url| url.expose());
        let args = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--data-dir",
            data,
            "--jobs",
            "inside",
            "--lab",
            lab.to_str().unwrap(),
            "--smtp-url",
            &self.smtp,
            "--log",
            "off",
        ];
        let env = [("DATABASE_URL", url)];
        Server::start(command(env!("CARGO_BIN_EXE_monolith"), &args, &env)).ok()
    }

    /// Puts jobs into the table that no request brings: some that just end, some that fail, one that a
    /// worker has left, and a digest, if it is needed or there are days to spare.
    async fn plant(&mut self, digest: bool) {
        let day = if digest || self.days.len() > KEPT_DAYS { self.days.pop() } else { None };
        let number = 1_000_000_000 + i64::try_from(self.planted.len()).unwrap();
        self.planted.insert(number);
        self.failing += 3;
        let fails = ("synthetic", json!({ "fails": "error" }), "ready");
        let digest = day.map(|day| ("digest", json!({ "day": day }), "ready"));
        // Without an effect that ends it. Three that end one after the other.
        let plain = |sleep_ms: u32| Some(("synthetic", json!({ "sleep_ms": sleep_ms }), "ready"));
        let jobs = [
            plain(10),
            plain(100),
            plain(200),
            Some(fails.clone()),
            Some(fails.clone()),
            Some(fails),
            Some(("synthetic", json!({ "number": number }), "running")),
            digest,
        ];
        for (kind, task, state) in jobs.into_iter().flatten() {
            execute(
                &self.app,
                &format!(
                    "insert into job (kind, task, state, due_at, priority, attempts, fence,
                        max_attempts, request_id, created_at)
                    values ('{kind}', '{task}', '{state}', '2026-01-01T00:00:00.000000+00:00', 100,
                        0, 1, 1000, 'kills', '2026-01-01T00:00:00.000000+00:00')"
                ),
            )
            .await;
        }
        // It has failed often enough after two attempts.
        let failing = "update job set max_attempts = 2 where cast(task as text) like '%error%'";
        execute(&self.app, failing).await;
    }

    /// Comments; the comment's number, if that is accepted.
    fn comment(&self, address: &str) -> Option<i64> {
        let body = json!({ "comment": { "body": "x" } }).to_string();
        let request = format!(
            "POST /api/articles/{}/comments HTTP/1.0\r\nauthorization: Token {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.slug,
            self.token,
            body.len(),
        );
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let accepted = head.lines().next()?.contains(" 20");
        let body: Value = serde_json::from_str(body).ok()?;
        accepted.then(|| body["comment"]["id"].as_i64())?
    }

    /// Lets all that is left be done, and looks into the books.
    pub(crate) async fn settle(&mut self) -> Result<(), String> {
        let (mut fewest, mut since) = (i64::MAX, Instant::now());
        loop {
            let open = number(&self.app, OPEN).await;
            if open == 0 {
                break;
            }
            // There may be thousands. As long as there are fewer and fewer, all is well.
            if open < fewest {
                (fewest, since) = (open, Instant::now());
            }
            assert!(since.elapsed() < 3 * PATIENCE, "{open} jobs that never end");
            self.app.drain_jobs().await.unwrap();
            tokio::task::yield_now().await;
        }
        let odd = texts(
            &self.app,
            "select kind || ' ' || state || ' ' || coalesce(reason, '') from job
            where state <> 'dead' or reason not in ('as it was told to', 'its worker vanished')",
        )
        .await;
        if !odd.is_empty() {
            return Err(format!("left over: {odd:?}"));
        }
        self.effects().await?;
        self.digests().await
    }

    /// Each comment and each tick had its effect once, and nothing else had any.
    async fn effects(&self) -> Result<(), String> {
        let comments = numbers(&self.app, "select id from comment where body = 'x'").await;
        let comments: BTreeSet<_> = comments.into_iter().collect();
        if !self.accepted.is_subset(&comments) {
            return Err("a comment that was accepted is not there".into());
        }
        let mut expected: BTreeMap<i64, i64> =
            comments.iter().chain(&self.planted).map(|number| (*number, 1)).collect();
        for tick in
            texts(&self.app, "select cast(due_at as text) from tick where schedule = 'synthetic'")
                .await
        {
            expected.insert(seconds(&tick), 1);
        }
        let effects: BTreeMap<i64, i64> =
            pairs(&self.app, "select number, times from synthetic_effect")
                .await
                .into_iter()
                .collect();
        let lost: Vec<_> = expected.keys().filter(|number| !effects.contains_key(number)).collect();
        let twice: Vec<_> = effects.iter().filter(|(_, times)| **times != 1).collect();
        let unasked: Vec<_> =
            effects.keys().filter(|number| !expected.contains_key(number)).collect();
        if !lost.is_empty() || !twice.is_empty() || !unasked.is_empty() {
            return Err(format!("lost: {lost:?}, twice: {twice:?}, unasked: {unasked:?}"));
        }
        let dead = number(&self.app, "select count(*) from job where state = 'dead'").await;
        if dead == self.failing {
            Ok(())
        } else {
            Err(format!("{dead} dead, {} failing", self.failing))
        }
    }

    /// No mail went out twice, and the ledger says of each what is true.
    async fn digests(&self) -> Result<(), String> {
        let mails = self.mails.lock().unwrap().clone();
        let twice: Vec<_> = mails.iter().filter(|(_, times)| **times != 1).collect();
        if !twice.is_empty() {
            return Err(format!("sent twice: {twice:?}"));
        }
        let ledger = "select state || ' <digest-' || day || '-' || account_id || '@conduit>' from digest_mail";
        let mut unknown = 0;
        let mut known = 0;
        for entry in texts(&self.app, ledger).await {
            let (state, mail) = entry.split_once(' ').unwrap();
            match (state, mails.contains_key(mail)) {
                ("sent", true) => known += 1,
                ("unknown", _) => unknown += 1,
                other => return Err(format!("{mail}: {other:?}")),
            }
        }
        if mails.len() > known + unknown {
            return Err("a mail that is not in the ledger".into());
        }
        Ok(())
    }
}

const OPEN: &str = "select count(*) from job where state in ('ready', 'running', 'delayed')";

/// Each article on a day of its own, so that there are many days with something to tell.
async fn spread_out(app: &InProcess) {
    let first: chrono::NaiveDate = "2026-01-01".parse().unwrap();
    for id in numbers(app, "select id from article").await {
        let day = first + chrono::Days::new(id.unsigned_abs() % 90);
        let time = format!("{day}T12:00:00.000000+00:00");
        execute(app, &format!("update article set created_at = '{time}' where id = {id}")).await;
    }
}

/// The days after those on which somebody published who has followers.
async fn days(app: &InProcess) -> Vec<String> {
    let published = "select distinct cast(created_at as text) from article
        where author_id in (select followed_id from follow)";
    let days: BTreeSet<_> = texts(app, published)
        .await
        .into_iter()
        .filter_map(|time| time.get(..10)?.parse::<chrono::NaiveDate>().ok()?.succ_opt())
        .collect();
    days.into_iter().map(|day| day.to_string()).collect()
}

/// Seconds since 1970: either database's text of a time.
fn seconds(text: &str) -> i64 {
    let text = text.replace(' ', "T");
    let text = if text.ends_with("+00") { format!("{text}:00") } else { text };
    chrono::DateTime::parse_from_rfc3339(&text).unwrap().timestamp()
}
