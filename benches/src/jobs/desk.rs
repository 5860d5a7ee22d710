//! Brings jobs about as a client of the API does, with a comment each, and asks the servers whether
//! they were done.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use conduit::wire::{self, API, path};
use contract::dataset::{Dataset, PASSWORD};
use futures_util::future::{join_all, try_join_all};
use http::{Method, Request, header};
use serde_json::{Value, json};
use tokio::time::{sleep, sleep_until, timeout};

use crate::{
    fleet::{deployment::Deployment, topology::Role},
    load::{Answer, Body, Connections},
    parity,
};

/// How long a client waits for the answer to its comment: jobs may run before that.
const BUDGET_MS: u64 = 30_000;

/// How often servers are asked whether all is done.
const POLL: Duration = Duration::from_millis(50);

/// How long jobs may take, beyond what there is to do in them, before they are given up; and how long
/// any answer, beyond the client's own budget.
const PATIENCE: Duration = Duration::from_secs(20);

/// Jobs of this kind that were done, and for how long they have waited, in `/metrics`.
const KIND: &str = r#"kind="synthetic""#;
const DONE: &str = r#"outcome="done""#;
const ENDED: &str = "conduit_jobs_total";
const WAITED: &str = "conduit_job_wait_seconds_sum";

/// A client that has signed in.
pub(crate) struct Desk {
    door: Connections,
    /// Everybody who may do jobs.
    workers: Vec<Connections>,
    token: String,
    comments: String,
    patience: Duration,
}

/// What servers say of jobs since they were started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Books {
    /// Jobs that were done.
    pub(crate) done: u64,
    /// For how long they waited for their beginning, all together, seconds.
    pub(crate) waited: f64,
}

impl Desk {
    /// Signs in where the API is: at the monoliths' common address, or at the backend.
    pub(crate) async fn open(deployment: &Deployment, dataset: &Dataset) -> anyhow::Result<Self> {
        let of = |role: Role| deployment.replicas().iter().find(move |it| it.role == role);
        let door = match (of(Role::Monolith), of(Role::SplitBackend)) {
            (Some(_), _) => deployment.front,
            (None, Some(backend)) => backend.server.address,
            (None, None) => bail!("nobody has the API"),
        };
        let replicas = deployment.replicas().iter();
        let with_database = replicas.filter(|replica| replica.role != Role::SplitFrontend);
        let last = dataset.size().articles.saturating_sub(1);
        let mut desk = Self {
            door: Connections::new(door),
            workers: with_database.map(|it| Connections::new(it.server.address)).collect(),
            token: String::new(),
            comments: path::of(path::COMMENTS, &dataset.article(last).slug),
            patience: PATIENCE,
        };
        let user = json!({ "email": dataset.user(0).email, "password": PASSWORD });
        let answer = desk.post(path::LOGIN, &json!({ "user": user })).await?;
        let user: Value = serde_json::from_slice(&answer.body)?;
        let token = user["user"]["token"].as_str();
        desk.token = token.context("signing in gave no token")?.to_owned();
        Ok(desk)
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        let mut request = Request::new(Body::from(body.to_string()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = format!("{API}{path}").parse()?;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, "application/json".parse()?);
        headers.insert(wire::BUDGET_MS, BUDGET_MS.into());
        if !self.token.is_empty() {
            headers.insert(header::AUTHORIZATION, format!("Token {}", self.token).parse()?);
        }
        let longest = self.patience + Duration::from_millis(BUDGET_MS);
        let answer = timeout(longest, self.door.send(request)).await;
        let answer = answer.with_context(|| format!("no answer to POST {path}"))??;
        ensure!(answer.status.is_success(), "POST {path} was answered with {}", answer.status);
        Ok(answer)
    }

    /// Writes a comment at each of these times, whether or not earlier ones were answered; returns
    /// how long each answer took.
    ///
    /// # Errors
    /// When one is refused: then the load is not what was asked for.
    pub(crate) async fn bring_about(&self, times: &[Duration]) -> anyhow::Result<Vec<Duration>> {
        let start = Instant::now();
        let comment = json!({ "comment": { "body": "and a job" } });
        try_join_all(times.iter().map(async |at| {
            sleep_until((start + *at).into()).await;
            let sent = Instant::now();
            self.post(&self.comments, &comment).await?;
            anyhow::Ok(sent.elapsed())
        }))
        .await
    }

    /// The same where servers may have more to do than they can: how many comments were accepted. One
    /// that is refused, or not answered, brings no job.
    pub(crate) async fn accepted(&self, times: &[Duration]) -> u64 {
        let each = times.iter().map(|at| self.bring_about(std::slice::from_ref(at)));
        join_all(each).await.iter().filter(|answer| answer.is_ok()).count() as u64
    }

    /// What all workers say.
    pub(crate) async fn books(&self) -> anyhow::Result<Books> {
        let mut books = Books::default();
        for worker in &self.workers {
            let text = timeout(self.patience, parity::metrics(worker)).await;
            let text = text.context("whoever does the jobs hangs")??;
            let of_kind = text.lines().filter(|line| line.contains(KIND));
            let done = of_kind.clone().filter(|line| line.contains(DONE));
            books.done += parity::sum(done, ENDED) as u64;
            books.waited += parity::sum(of_kind, WAITED);
        }
        Ok(books)
    }

    /// Waits until `jobs` more have been done than `before`; there is so much work in them.
    ///
    /// # Errors
    /// When they are not done long after they should be: a worker has gone, or hangs.
    pub(crate) async fn until_done(
        &self,
        before: Books,
        jobs: u64,
        work: Duration,
    ) -> anyhow::Result<Books> {
        let limit = self.patience + 4 * work;
        let deadline = Instant::now() + limit;
        loop {
            let books = self.books().await?;
            let done = books.done - before.done;
            if done >= jobs {
                return Ok(Books { done, waited: books.waited - before.waited });
            }
            if Instant::now() > deadline {
                bail!("{done} of {jobs} jobs were done {limit:?} after the last visitor");
            }
            sleep(POLL).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::{Router, routing::get};
    use tokio::net::TcpListener;

    use super::*;

    const METRICS: &str = "conduit_jobs_total{kind=\"related\",outcome=\"done\"} 9\n\
        conduit_jobs_total{kind=\"synthetic\",outcome=\"failed\"} 8\n\
        conduit_jobs_total{kind=\"synthetic\",outcome=\"done\"} 3\n\
        conduit_job_wait_seconds_sum{kind=\"synthetic\"} 0.25\n";

    fn desk(worker: SocketAddr) -> Desk {
        Desk {
            door: Connections::new(worker),
            workers: vec![Connections::new(worker)],
            token: String::new(),
            comments: "/articles/x/comments".to_owned(),
            patience: Duration::from_millis(50),
        }
    }

    /// A worker that says always the same.
    async fn worker(listener: TcpListener) {
        let router = Router::new().route("/metrics", get(async || METRICS));
        axum::serve(listener, router).await.unwrap();
    }

    #[tokio::test]
    async fn only_jobs_of_the_experiment_that_were_done_are_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let desk = desk(listener.local_addr().unwrap());
        tokio::spawn(worker(listener));
        let books = desk.books().await.unwrap();
        assert_eq!((books.done, books.waited), (3, 0.25));
        let done = desk.until_done(Books::default(), 3, Duration::ZERO).await.unwrap();
        assert_eq!(done.done, 3);
    }

    #[tokio::test]
    async fn jobs_that_nobody_does_are_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let desk = desk(listener.local_addr().unwrap());
        tokio::spawn(worker(listener));
        let books = desk.books().await.unwrap();
        let error = desk.until_done(books, 2, Duration::ZERO).await.unwrap_err().to_string();
        assert!(error.starts_with("0 of 2 jobs were done"), "{error}");
    }

    #[tokio::test]
    async fn a_worker_that_hangs_is_not_waited_for_for_ever() {
        // Connections are taken by the system, and nobody ever reads them.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let desk = desk(listener.local_addr().unwrap());
        let error = desk.books().await.unwrap_err().to_string();
        assert_eq!(error, "whoever does the jobs hangs");
    }
}
