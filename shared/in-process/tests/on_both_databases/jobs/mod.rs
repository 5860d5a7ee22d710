//! The queue: what is enqueued, by whom it is run, and what becomes of it when things go wrong. What
//! the kinds do stands in `kinds`.

mod enqueueing;
mod failures;
mod metrics;
mod outage;
mod schedule;
mod workers;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use conduit::NewArticle;
use contract::sql::{self, execute};
use in_process::{Clock, InProcess, Lab, Options, Placement};
use tokio::{sync::oneshot, task::JoinHandle};

use crate::fixture;

/// A time that a test moves.
#[derive(Clone)]
pub(crate) struct Time(Arc<AtomicI64>);

impl Time {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(fixture::time(0).timestamp_millis())))
    }

    pub(crate) fn clock(&self) -> Clock {
        let time = self.0.clone();
        Clock::new(move || {
            DateTime::<Utc>::from_timestamp_millis(time.load(Ordering::SeqCst)).unwrap()
        })
    }

    pub(crate) fn pass(&self, duration: TimeDelta) {
        self.0.fetch_add(duration.num_milliseconds(), Ordering::SeqCst);
    }
}

pub(crate) fn at(time: &Time) -> Options {
    Options { clock: time.clock(), ..Options::default() }
}

pub(crate) fn lab(json: &str) -> Arc<Lab> {
    Arc::new(serde_json::from_str(json).unwrap())
}

/// Enqueues a job as a producer of some other version might.
pub(crate) async fn insert(app: &InProcess, kind: &str, task: &str, due: DateTime<Utc>) {
    let due = due.to_rfc3339_opts(chrono::SecondsFormat::Micros, false);
    let insert = format!(
        "insert into job (kind, task, state, due_at, priority, max_attempts, request_id, created_at)
        values ('{kind}', '{task}', 'ready', '{due}', 100, 3, 'test', '{due}')"
    );
    execute(app, &insert).await;
}

/// Waits for a job in this condition.
async fn until(app: &InProcess, condition: &str) {
    sql::until(app, 1, &format!("select count(*) from job where {condition}")).await;
}

/// A worker that is told when to stop.
struct Worker {
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Worker {
    /// Takes jobs until it is stopped; what runs then gets `grace`.
    fn start(app: &InProcess, grace: Duration) -> Self {
        let (stop, stopped) = oneshot::channel();
        let stopped = async { drop(stopped.await) };
        let ended = tokio::spawn(app.clone().run_jobs(Placement::Inside, stopped, grace));
        Self { stop, ended }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap();
    }
}

fn article(title: &str) -> NewArticle {
    let text = || "About queues and workers".to_owned();
    NewArticle { title: title.into(), description: text(), body: text(), tag_list: Vec::new() }
}
