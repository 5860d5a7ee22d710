//! Visitors of a composition: they come when it is their time, whether or not earlier ones have been
//! answered, and what becomes of each of them is written down.
//!
//! Each brings a connection of their own, so that nobody is spared by one that happens to be open.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::{Builder, Runtime},
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

/// How long a visitor waits for an answer, and a test for a visitor.
const PATIENCE: Duration = Duration::from_secs(30);

/// What visitors ask for.
#[derive(Clone)]
pub(crate) struct Visit {
    /// What it is called in the books.
    pub(crate) name: &'static str,
    pub(crate) address: String,
    /// The request's first line but for the version, and further headers.
    pub(crate) head: String,
    /// What is written, given the visitor's number; `None` for those who only read.
    pub(crate) body: Option<fn(u64) -> String>,
}

/// What became of a visitor.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) visit: &'static str,
    /// Unlike every other visitor's in this process.
    pub(crate) number: u64,
    /// The answer's status, or why there was none.
    pub(crate) status: Result<u16, String>,
    pub(crate) came: Instant,
    pub(crate) took: Duration,
    /// What a load balancer or a browser would take as advice to come back later.
    pub(crate) retry_after: bool,
    /// The answer, where it was none that the visitor came for.
    pub(crate) said: String,
}

impl Outcome {
    /// Whether the visitor got what they came for.
    pub(crate) fn is_right(&self) -> bool {
        matches!(self.status, Ok(200..=399))
    }
}

/// Visit and status (or error) → how many.
pub(crate) fn summary<'a>(
    outcomes: impl IntoIterator<Item = &'a Outcome>,
) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for Outcome { visit, status, .. } in outcomes {
        let status = match status {
            Ok(status) => status.to_string(),
            Err(error) => error.clone(),
        };
        *counts.entry(format!("{visit}: {status}")).or_default() += 1;
    }
    counts
}

/// Those who did not get what they came for.
pub(crate) fn failed(outcomes: &[Outcome]) -> Vec<&Outcome> {
    outcomes.iter().filter(|outcome| !outcome.is_right()).collect()
}

/// A stream of visitors that goes on until it is told to stop.
pub(crate) struct Load {
    stop: watch::Sender<bool>,
    outcomes: mpsc::Receiver<Outcome>,
    seen: Vec<Outcome>,
}

impl Load {
    /// Visitors of each kind, so many a second.
    pub(crate) fn start(streams: Vec<(Visit, f64)>) -> Self {
        let stop = watch::Sender::new(false);
        let (books, outcomes) = mpsc::channel();
        let stopped = stop.subscribe();
        thread::spawn(move || {
            runtime().block_on(async {
                let mut all = JoinSet::new();
                for (visit, rate) in streams {
                    all.spawn(stream(visit, rate, stopped.clone(), books.clone()));
                }
                all.join_all().await;
            });
        });
        Self { stop, outcomes, seen: Vec::new() }
    }

    /// Waits until so many more have an outcome, and gives those.
    pub(crate) fn more(&mut self, visitors: usize) -> &[Outcome] {
        let before = self.seen.len();
        while self.seen.len() < before + visitors {
            self.seen.push(self.outcomes.recv_timeout(PATIENCE * 2).expect("another visitor"));
        }
        &self.seen[before..]
    }

    /// Lets nobody come any more, waits for those who are there, and gives the outcomes of all.
    pub(crate) fn stop(mut self) -> Vec<Outcome> {
        self.stop.send_replace(true);
        self.seen.extend(self.outcomes.iter());
        self.seen
    }
}

/// So many visitors a second for so many seconds; gives the outcomes of all.
pub(crate) fn open(visit: &Visit, rate: f64, seconds: f64) -> Vec<Outcome> {
    let mut load = Load::start(vec![(visit.clone(), rate)]);
    load.more((rate * seconds) as usize);
    load.stop()
}

/// So many requests, by a few visitors who each wait for their answer before they ask again. Gives
/// the outcomes, and how many there were a second.
pub(crate) fn in_turns(visits: &[Visit], visitors: u64, requests: u64) -> (Vec<Outcome>, f64) {
    let start = Instant::now();
    let outcomes = runtime().block_on(async {
        let asked = Arc::new(AtomicU64::new(0));
        let mut all = JoinSet::new();
        for _ in 0..visitors {
            let (asked, visits) = (Arc::clone(&asked), visits.to_vec());
            all.spawn(async move {
                let mut outcomes = Vec::new();
                loop {
                    let turn = asked.fetch_add(1, Ordering::Relaxed);
                    if turn >= requests {
                        return outcomes;
                    }
                    outcomes.push(visits[turn as usize % visits.len()].clone().go().await);
                }
            });
        }
        all.join_all().await.concat()
    });
    (outcomes, requests as f64 / start.elapsed().as_secs_f64())
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

async fn stream(
    visit: Visit,
    rate: f64,
    mut stopped: watch::Receiver<bool>,
    books: mpsc::Sender<Outcome>,
) {
    let mut due = interval(Duration::from_secs_f64(1.0 / rate));
    // Nobody stays away because the machine was late.
    due.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut visitors = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => break,
            _ = due.tick() => {}
        }
        let (visit, books) = (visit.clone(), books.clone());
        visitors.spawn(async move {
            let outcome = visit.go().await;
            // Who has stopped to listen needs no outcome.
            let _ = books.send(outcome);
        });
        while visitors.try_join_next().is_some() {}
    }
    visitors.join_all().await;
}

impl Visit {
    async fn go(self) -> Outcome {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let start = Instant::now();
        let answer = match timeout(PATIENCE, self.ask(number)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_elapsed) => Err("no answer".to_owned()),
        };
        let retry_after =
            answer.as_ref().is_ok_and(|(_, said)| said.to_lowercase().contains("\r\nretry-after:"));
        let said = match &answer {
            Ok((status, said)) if *status >= 400 => said.clone(),
            _ => String::new(),
        };
        let status = answer.map(|(status, _)| status);
        let took = start.elapsed();
        Outcome { visit: self.name, number, status, came: start, took, retry_after, said }
    }

    /// Status and text of the answer, once all of it is there.
    async fn ask(&self, number: u64) -> io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(&self.address).await?;
        let body = self.body.map(|body| body(number)).unwrap_or_default();
        let (first, headers) = self.head.split_once('\n').unwrap_or((&self.head, ""));
        let length = body.len();
        let mut request =
            format!("{first} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        for header in headers.lines() {
            request += &format!("{header}\r\n");
        }
        if self.body.is_some() {
            request += &format!("content-length: {length}\r\n");
        }
        stream.write_all(format!("{request}\r\n{body}").as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        whole(&String::from_utf8_lossy(&answer)).ok_or_else(|| {
            let what = if answer.is_empty() { "hung up" } else { "half an answer" };
            io::Error::other(what)
        })
    }
}

/// Status, and all of the answer, if the body is as long as the head says.
fn whole(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let lines = head.lines().map(str::to_lowercase);
    let lengths =
        lines.filter_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let is_whole = lengths.into_iter().all(|length: usize| length == body.len());
    is_whole.then(|| (status, answer.to_owned()))
}
