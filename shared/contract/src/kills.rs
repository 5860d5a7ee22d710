//! Servers that die while they accept jobs, and the books on what became of those jobs: for the test of
//! the queue, and for the lab's experiment on durability.
//!
//! The jobs come with comments: the lab's file has every new comment bring one along, whose effects are
//! counted under the comment's number. What a server has answered is remembered outside of it, so what
//! it forgets is known.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use anyhow::Context;
use conduit::{Caller, Conduit, Credentials, ListArticles, Password, RequestId};
use in_process::{InProcess, Point};
use serde_json::{Value, json};

use crate::{dataset::PASSWORD, process::Server};

/// How long a server has to die where it was told to.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Leases are short here, so that what a dead worker had is soon somebody else's.
pub const LEASE_MS: u32 = 600;

/// How long the job of a comment waits before it has its effect: longer than a third of the lease, after
/// which that is renewed.
pub const JOB_MS: u32 = 250;

/// What a server may pass only once: jobs that fail together are written down together, and a digest
/// may have a single reader.
pub const RARE: [Point; 5] = [
    Point::FailureBeforeCommit,
    Point::FailureAfterCommit,
    Point::ReclaimAfterCommit,
    Point::LedgerBeforeSend,
    Point::LedgerAfterSend,
];

/// How many of the jobs that [`House::plant`] brings fail until they are given up.
pub const FAILING: i64 = 3;

/// Under which numbers the effects of planted jobs are counted: no comment ever has such a one.
const PLANTED: i64 = 1_000_000_000;

/// How often a planted job may die with its worker, unless it is one that fails.
const ATTEMPTS: i64 = 1_000;

/// What the client says, and nobody else.
const WORDS: &str = "x";

/// How a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kill {
    /// By itself at this point, when it gets there for this time.
    At(Point, usize),
    /// So long after it was ready.
    After(Duration),
}

/// What the lab's file has servers make of jobs, besides bringing one along with each comment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Orders {
    /// Where they die, if that is at a point.
    pub kill: Option<Kill>,
    /// Whether jobs count as done before they have had their effect: a bug, to be found.
    pub finish_first: bool,
    /// Whether jobs are not written down, but spawned after the answer.
    pub only_in_memory: bool,
    /// Whether the clock brings a job every second.
    pub ticks: bool,
}

impl Orders {
    /// The lab's file.
    pub fn file(self) -> Value {
        let mut jobs = json!({
            "with_each_comment": { "sleep_ms": JOB_MS },
            "lease_ms": LEASE_MS,
            "finish_first": self.finish_first,
        });
        if let Some(Kill::At(point, times)) = self.kill {
            jobs["crash_at"] = json!(point);
            jobs["crash_on"] = json!(times);
        }
        if self.only_in_memory {
            jobs["naive"] = json!("spawn");
        }
        if self.ticks {
            jobs["tick_seconds"] = json!(1);
        }
        json!({ "jobs": jobs })
    }
}

/// A client who has signed in and comments on one article.
#[derive(Clone)]
pub struct Client {
    token: String,
    slug: String,
}

/// What a client was told until the end.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The comments that were accepted.
    pub accepted: BTreeSet<i64>,
    /// Whether a server died by itself.
    pub died: bool,
}

impl Client {
    /// Comments at the server with this address; the comment's number, if that is accepted.
    fn comment(&self, address: &str) -> Option<i64> {
        let body = json!({ "comment": { "body": WORDS } }).to_string();
        let request = format!(
            "POST /api/articles/{}/comments HTTP/1.0\r\nauthorization: Token {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.slug,
            self.token,
            body.len(),
        );
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let accepted = head.lines().next()?.contains(" 20");
        let body: Value = serde_json::from_str(body).ok()?;
        accepted.then(|| body["comment"]["id"].as_i64())?
    }

    /// Comments at the first of these servers, with `pause` between two comments, until one of them has
    /// died where it should, or it is time. Those that still run then are for the caller to kill.
    pub fn keep_busy(&self, servers: &mut [Server], kill: Kill, pause: Duration) -> Told {
        let end = match kill {
            Kill::At(..) => PATIENCE,
            Kill::After(time) => time,
        };
        let (begin, mut told) = (Instant::now(), Told::default());
        let Some(address) = servers.first().map(|server| server.address.clone()) else {
            return told;
        };
        while begin.elapsed() < end && !told.died {
            told.accepted.extend(self.comment(&address));
            told.died = servers.iter_mut().any(Server::has_ended);
            let left = end.saturating_sub(begin.elapsed());
            std::thread::sleep(if told.died { Duration::ZERO } else { pause.min(left) });
        }
        told
    }
}

/// A database on which servers die, seen from outside.
pub struct House {
    app: InProcess,
    client: Client,
    /// Numbers of planted jobs that have an effect.
    planted: BTreeSet<i64>,
}

/// What became of jobs that were to have one effect each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Without an effect.
    pub lost: Vec<i64>,
    /// With more than one.
    pub twice: Vec<i64>,
    /// An effect of which nobody knows a job.
    pub unasked: Vec<i64>,
}

impl Books {
    /// Holds effects, by number and how often they were had, against the numbers that were expected.
    pub fn compare(expected: &BTreeSet<i64>, effects: &BTreeMap<i64, i64>) -> Self {
        let lost = expected.iter().filter(|number| !effects.contains_key(number));
        let twice = effects.iter().filter(|(_, times)| **times != 1).map(|(number, _)| number);
        let unasked = effects.keys().filter(|number| !expected.contains(number));
        Self {
            lost: lost.copied().collect(),
            twice: twice.copied().collect(),
            unasked: unasked.copied().collect(),
        }
    }
}

impl House {
    /// On a database with articles, with the account of this address as the client's.
    ///
    /// # Errors
    /// When there is no such account or no article, or the database is out of reach.
    pub async fn open(app: InProcess, email: String) -> anyhow::Result<Self> {
        let guest = RequestId::parse("kills").context("a request id")?;
        let guest = Caller::new(None, guest, PATIENCE);
        let login = Credentials { email, password: Password::new(PASSWORD) };
        let user = app.login(&guest, login).await.map_err(|error| anyhow::anyhow!("{error}"))?;
        let list = ListArticles { limit: 1, ..ListArticles::default() };
        let list = app.articles(&guest, &list).await.map_err(|error| anyhow::anyhow!("{error}"))?;
        let slug = list.articles.into_iter().next().context("no article")?.slug;
        let client = Client { token: user.token.expose().to_owned(), slug };
        Ok(Self { app, client, planted: BTreeSet::new() })
    }

    /// The app, on the same database as the servers.
    pub fn app(&self) -> &InProcess {
        &self.app
    }

    /// Whoever brings jobs about.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Numbers of planted jobs that have an effect.
    pub fn planted(&self) -> &BTreeSet<i64> {
        &self.planted
    }

    /// Puts jobs into the table that no request brings: some that just end, one after the other, some
    /// that fail until they are given up, and one that a worker has left.
    ///
    /// # Errors
    /// The database's, here and below.
    pub async fn plant(&mut self) -> anyhow::Result<()> {
        let number = PLANTED + i64::try_from(self.planted.len())?;
        self.planted.insert(number);
        // Without a number they have no effect that ends them.
        for sleep_ms in [10, 100, 200] {
            self.insert("synthetic", json!({ "sleep_ms": sleep_ms })).await?;
        }
        for _ in 0..FAILING {
            self.app.plant_job("synthetic", json!({ "fails": "error" }), "ready", 2).await?;
        }
        let left = json!({ "number": number });
        Ok(self.app.plant_job("synthetic", left, "running", ATTEMPTS).await?)
    }

    /// Puts one job into the table.
    ///
    /// # Errors
    /// The database's.
    pub async fn insert(&self, kind: &str, task: Value) -> anyhow::Result<()> {
        Ok(self.app.plant_job(kind, task, "ready", ATTEMPTS).await?)
    }

    /// All of the client's comments, answered or not.
    ///
    /// # Errors
    /// The database's.
    pub async fn comments(&self) -> anyhow::Result<BTreeSet<i64>> {
        Ok(self.app.comments_saying(WORDS).await?)
    }

    /// How often the jobs of comments have had their effect, by the comment's number.
    ///
    /// # Errors
    /// The database's.
    pub async fn effects(&self) -> anyhow::Result<BTreeMap<i64, i64>> {
        let mut effects = self.app.synthetic_effects().await?;
        drop(effects.split_off(&PLANTED));
        Ok(effects)
    }

    /// Takes away all jobs, effects and comments of before.
    ///
    /// # Errors
    /// The database's.
    pub async fn clear(&self) -> anyhow::Result<()> {
        Ok(self.app.forget_jobs(WORDS).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_twice_or_unasked_is_told_apart() {
        let books = Books::compare(&[1, 2, 3].into(), &BTreeMap::from([(1, 1), (3, 2), (9, 1)]));
        assert_eq!(books, Books { lost: vec![2], twice: vec![3], unasked: vec![9] });
        assert_eq!(Books::compare(&[1].into(), &[(1, 1)].into()), Books::default());
    }

    #[test]
    fn servers_understand_every_order() {
        let kill = Some(Kill::At(Point::RunBegins, 3));
        let all = Orders { kill, finish_first: true, only_in_memory: true, ticks: true };
        for orders in [Orders::default(), all] {
            let file = orders.file();
            let jobs: in_process::Lab = serde_json::from_value(file["jobs"].clone()).unwrap();
            assert_eq!(jobs.finish_first, orders.finish_first);
            assert_eq!(jobs.naive.is_some(), orders.only_in_memory);
            assert_eq!(jobs.tick_seconds.is_some(), orders.ticks);
        }
    }
}
