//! Brings jobs about as a client of the API does, with a comment each, and asks the servers whether
//! they were done. Where comments must not stay, it takes them away again.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use conduit::wire::{self, API, path};
use contract::dataset::{Dataset, PASSWORD};
use futures_util::future::{join_all, try_join_all};
use http::{Method, Request, header};
use serde_json::{Value, json};
use tokio::time::{sleep, sleep_until, timeout};

use crate::{
    fleet::{deployment::Deployment, topology::Role},
    load::{Body, Connections},
    parity,
};

/// How long a client waits for the answer to its comment: jobs may run before that.
const BUDGET_MS: u64 = 30_000;

/// How often servers are asked whether all is done.
const POLL: Duration = Duration::from_millis(50);

/// How long jobs may take, beyond what there is to do in them, before they are given up; and how long
/// any answer, beyond the client's own budget.
const PATIENCE: Duration = Duration::from_secs(20);

/// What every comment says.
const WORDS: &str = "brought along by the lab, with a job";

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
    /// The name under which it has signed in.
    username: String,
    /// The article under which it writes.
    slug: String,
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
    pub(crate) async fn of(deployment: &Deployment, dataset: &Dataset) -> anyhow::Result<Self> {
        let of = |role: Role| deployment.replicas().iter().find(move |it| it.role == role);
        let door = match (of(Role::Monolith), of(Role::SplitBackend)) {
            (Some(_), _) => deployment.front,
            (None, Some(backend)) => backend.server.address,
            (None, None) => bail!("nobody has the API"),
        };
        let replicas = deployment.replicas().iter();
        let with_database = replicas.filter(|replica| replica.role != Role::SplitFrontend);
        let workers: Vec<_> = with_database.map(|replica| replica.server.address).collect();
        Self::open(door, &workers, dataset).await
    }

    /// Signs in at this address, as one of the seeded authors; these may do jobs.
    pub(super) async fn open(
        door: SocketAddr,
        workers: &[SocketAddr],
        dataset: &Dataset,
    ) -> anyhow::Result<Self> {
        let last = dataset.size().articles.saturating_sub(1);
        let mut desk = Self {
            door: Connections::new(door),
            workers: workers.iter().map(|worker| Connections::new(*worker)).collect(),
            token: String::new(),
            username: dataset.user(0).username,
            slug: dataset.article(last).slug,
            patience: PATIENCE,
        };
        let user = json!({ "email": dataset.user(0).email, "password": PASSWORD });
        let user = desk.ask(Method::POST, path::LOGIN, Some(&json!({ "user": user }))).await?;
        let token = user["user"]["token"].as_str();
        desk.token = token.context("signing in gave no token")?.to_owned();
        Ok(desk)
    }

    /// Asks the API, and gives what it says.
    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let what = format!("{method} {path}");
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = method;
        *request.uri_mut() = format!("{API}{path}").parse()?;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, "application/json".parse()?);
        headers.insert(wire::BUDGET_MS, BUDGET_MS.into());
        if !self.token.is_empty() {
            headers.insert(header::AUTHORIZATION, format!("Token {}", self.token).parse()?);
        }
        let longest = self.patience + Duration::from_millis(BUDGET_MS);
        let answer = timeout(longest, self.door.send(request)).await;
        let answer = answer.with_context(|| format!("no answer to {what}"))??;
        ensure!(answer.status.is_success(), "{what} was answered with {}", answer.status);
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        Ok(serde_json::from_slice(&answer.body)?)
    }

    /// Writes a comment at each of these times, whether or not earlier ones were answered; returns
    /// how long each answer took.
    ///
    /// # Errors
    /// When one is refused: then the load is not what was asked for.
    pub(crate) async fn bring_about(&self, times: &[Duration]) -> anyhow::Result<Vec<Duration>> {
        let start = Instant::now();
        let comment = json!({ "comment": { "body": WORDS } });
        let comments = path::of(path::COMMENTS, &self.slug);
        try_join_all(times.iter().map(async |at| {
            sleep_until((start + *at).into()).await;
            let sent = Instant::now();
            self.ask(Method::POST, &comments, Some(&comment)).await?;
            anyhow::Ok(sent.elapsed())
        }))
        .await
    }

    /// Takes away all comments that it, or another one before it, has written here. Jobs that they have
    /// brought along are not touched.
    pub(super) async fn take_back(&self) -> anyhow::Result<()> {
        let comments = path::of(path::COMMENTS, &self.slug);
        let all = self.ask(Method::GET, &comments, None).await?;
        let of_article = path::of(path::COMMENT, &self.slug);
        for comment in all["comments"].as_array().context("this is no list of comments")? {
            if comment["body"] == WORDS && comment["author"]["username"] == self.username.as_str() {
                let path = path::of(&of_article, &comment["id"].to_string());
                self.ask(Method::DELETE, &path, None).await?;
            }
        }
        Ok(())
    }

    /// As [`Self::bring_about`], where servers may have more to do than they can: how many comments were accepted. One
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
    use std::{
        collections::BTreeMap,
        sync::{Arc, Mutex},
    };

    use axum::{
        Json, Router,
        extract::{Path, State},
        routing::{delete, get},
    };
    use http::StatusCode;
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
            username: "ada".to_owned(),
            slug: "x".to_owned(),
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
    /// Comments with their authors and what they say, by number.
    type Comments = Arc<Mutex<BTreeMap<u64, (&'static str, &'static str)>>>;

    async fn list(State(comments): State<Comments>) -> Json<Value> {
        let comments = comments.lock().unwrap();
        let comment = |(id, (author, body)): (&u64, &(&str, &str))| json!({ "id": id, "body": body, "author": { "username": author } });
        Json(json!({ "comments": comments.iter().map(comment).collect::<Vec<_>>() }))
    }

    async fn remove(State(comments): State<Comments>, Path(id): Path<u64>) -> StatusCode {
        comments.lock().unwrap().remove(&id);
        StatusCode::NO_CONTENT
    }

    #[tokio::test]
    async fn what_the_lab_has_written_is_taken_away_and_nothing_else() {
        let written =
            [(1, ("ada", "a word")), (2, ("ada", WORDS)), (3, ("bob", WORDS)), (4, ("ada", WORDS))];
        let comments = Comments::new(Mutex::new(written.into()));
        let router = Router::new()
            .route("/api/articles/x/comments", get(list))
            .route("/api/articles/x/comments/{id}", delete(remove))
            .with_state(Arc::clone(&comments));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let desk = desk(listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, router).await });
        desk.take_back().await.unwrap();
        let left: Vec<_> = comments.lock().unwrap().keys().copied().collect();
        assert_eq!(left, [1, 3]);
    }
}
