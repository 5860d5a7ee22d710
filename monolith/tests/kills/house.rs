//! One database, the server that dies on it, and the books that are kept outside: [`contract::kills`],
//! and mails besides.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use contract::{
    databases::{TestDatabase, small_dataset},
    kills::{Books, FAILING, Kill, Orders, PATIENCE},
    process::{Server, command},
    sql::{execute, number, numbers, texts},
};
use in_process::{InProcess, JobArgs, Options, Point};
use serde_json::json;

use crate::smtp::{self, Received};

/// How many days are kept for the points that only a digest gets to: two, with twenty kills each.
const KEPT_DAYS: usize = 40;

pub(crate) struct House {
    pub(crate) finish_first: bool,
    database: TestDatabase,
    site: contract::kills::House,
    folder: tempfile::TempDir,
    smtp: String,
    mails: Received,
    /// Days on which a digest has something to tell, and that had none yet.
    days: Vec<String>,
    /// What servers have said they would do.
    accepted: BTreeSet<i64>,
    failing: i64,
}

impl House {
    pub(crate) async fn new(database: TestDatabase) -> Self {
        let (address, mails) = smtp::serve();
        let smtp = format!("smtp://{address}");
        let jobs = JobArgs { smtp_url: Some(smtp.clone()), ..JobArgs::default() };
        let app = database.connect_with(Options { jobs, ..Options::default() }).await;
        let email = small_dataset().user(0).email;
        spread_out(&app).await;
        let days = days(&app).await;
        assert!(days.len() > KEPT_DAYS, "{}", days.len());
        Self {
            finish_first: false,
            database,
            site: contract::kills::House::open(app, email).await.unwrap(),
            folder: tempfile::tempdir().unwrap(),
            smtp,
            mails,
            days,
            accepted: BTreeSet::new(),
            failing: 0,
        }
    }

    fn app(&self) -> &InProcess {
        self.site.app()
    }

    pub(crate) fn on(&self) -> &'static str {
        self.database.engine
    }

    /// What was at stake.
    pub(crate) async fn sum(&self) -> String {
        let effects = number(self.app(), "select count(*) from synthetic_effect").await;
        let mails = self.mails.lock().unwrap().len();
        let accepted = self.accepted.len();
        format!("{accepted} jobs accepted, {effects} effects, {mails} mails")
    }

    /// Starts a server, keeps it busy, and sees it die. False when it did not die where it should.
    pub(crate) async fn kill(&mut self, kill: Kill) -> bool {
        let digest = matches!(kill, Kill::At(Point::LedgerBeforeSend | Point::LedgerAfterSend, _));
        self.plant(digest).await;
        let Some(server) = self.start(kill) else { return true };
        let mut servers = [server];
        let told = self.site.client().keep_busy(&mut servers, kill, Duration::ZERO);
        self.accepted.extend(told.accepted);
        // `Server` is killed with SIGKILL when it goes.
        drop(servers);
        told.died
    }

    /// `None` when it dies before it is ready.
    fn start(&self, kill: Kill) -> Option<Server> {
        let orders = Orders {
            kill: Some(kill),
            finish_first: self.finish_first,
            ticks: true,
            ..Orders::default()
        };
        let lab = self.folder.path().join("lab.json");
        std::fs::write(&lab, orders.file().to_string()).unwrap();
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

    /// Jobs that no request brings, and a digest, if it is needed or there are days to spare.
    async fn plant(&mut self, digest: bool) {
        self.site.plant().await.unwrap();
        self.failing += FAILING;
        let day = if digest || self.days.len() > KEPT_DAYS { self.days.pop() } else { None };
        if let Some(day) = day {
            self.site.insert("digest", json!({ "day": day })).await.unwrap();
        }
    }

    /// Lets all that is left be done, and looks into the books.
    pub(crate) async fn settle(&mut self) -> Result<(), String> {
        let (mut fewest, mut since) = (i64::MAX, Instant::now());
        loop {
            let open = self.app().open_jobs().await.unwrap();
            if open == 0 {
                break;
            }
            // There may be thousands. As long as there are fewer and fewer, all is well.
            if open < fewest {
                (fewest, since) = (open, Instant::now());
            }
            assert!(since.elapsed() < 3 * PATIENCE, "{open} jobs that never end");
            self.app().drain_jobs().await.unwrap();
            tokio::task::yield_now().await;
        }
        let odd = texts(
            self.app(),
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
        let comments = self.site.comments().await.unwrap();
        if !self.accepted.is_subset(&comments) {
            return Err("a comment that was accepted is not there".into());
        }
        let mut expected = &comments | self.site.planted();
        let ticks = "select cast(due_at as text) from tick where schedule = 'synthetic'";
        expected.extend(texts(self.app(), ticks).await.iter().map(|tick| seconds(tick)));
        let effects: BTreeMap<i64, i64> = self.app().synthetic_effects().await.unwrap();
        let books = Books::compare(&expected, &effects);
        if books != Books::default() {
            return Err(format!("{books:?}"));
        }
        let dead = number(self.app(), "select count(*) from job where state = 'dead'").await;
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
        for entry in texts(self.app(), ledger).await {
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
