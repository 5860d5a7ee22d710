//! Sending a call: the budget, the one repetition, and what a failure on the way means.

use std::{
    fmt::Display,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use conduit::{
    Caller, Error, Outcome, Resource, Result, Token,
    wire::{self, API, ErrorBody, path},
};
use http::{Method, StatusCode, header::RETRY_AFTER};
use reqwest::{RequestBuilder, Response, Url};
use serde::{Serialize, de::DeserializeOwned};

use crate::StartError;

/// Name of the counter of requests that were sent for calls of the port, repetitions included.
/// Questions whether the backend is ready are not among them: operators ask those, not visitors.
pub const BACKEND_CALLS: &str = "conduit_backend_calls_total";

/// Less than the second after which TCP repeats a connection attempt that got lost: a second
/// attempt of ours comes sooner.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// For how long a connection waits for its next request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest answer that is taken in: a confused backend must not fill our memory.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// Where a server says whether it is ready to serve.
const READY: &str = "/readyz";

/// How long the backend has for that.
const READY_TIMEOUT: Duration = Duration::from_secs(1);

/// A pool of connections to one backend.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    /// Taken apart once: to do that for every call would cost more than to send it.
    origin: Url,
}

/// Whether a call may be sent a second time, as the port's documentation says of each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It changes nothing, so nobody can tell whether it was done once or twice. And whatever
    /// becomes of it: nothing was changed.
    Reads,
    /// It changes something, and to do it twice comes to the same.
    Writes,
    /// It may have been done although the answer never came.
    Never,
}

/// An answer, whole.
struct Answer {
    status: StatusCode,
    /// It says when to come back, so it is a decision of the backend and not an accident.
    deliberate: bool,
    body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("the budget was spent before the call was sent")]
    TooLate,
    #[error("no connection: {0:?}")]
    Connect(reqwest::Error),
    #[error("no answer within the budget")]
    TimedOut,
    #[error("the connection broke: {0:?}")]
    Broken(reqwest::Error),
    #[error("the answer is longer than {MAX_ANSWER} bytes")]
    TooLong,
}

impl Client {
    pub(crate) fn new(origin: Url) -> std::result::Result<Self, StartError> {
        let http = reqwest::Client::builder()
            // The address of the backend is a setting of ours. A proxy from the environment, a
            // redirect or a silent repetition would make it something else.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build()
            .map_err(|error| StartError::new(format!("no HTTP client: {error}")))?;
        Ok(Self { http, origin })
    }

    pub(crate) async fn ready(&self) -> Result<()> {
        match self.http.get(self.at(READY)).timeout(READY_TIMEOUT).send().await {
            Ok(response) if response.status().is_success() => Ok(()),
            _ => Err(Error::Unavailable(Outcome::NotDone)),
        }
    }

    /// Reads what is at this path.
    pub(crate) async fn get<T: DeserializeOwned>(&self, caller: &Caller, path: &str) -> Result<T> {
        self.call(caller, Repeat::Reads, || self.http.get(self.url(path))).await?.content()
    }

    /// Reads what is at this path, as far as it fits the query.
    pub(crate) async fn search<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        path: &str,
        query: &(impl Serialize + Sync),
    ) -> Result<T> {
        let request = || self.http.get(self.url(path)).query(query);
        self.call(caller, Repeat::Reads, request).await?.content()
    }

    /// Sends something to this path, and reads what comes of it.
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        repeat: Repeat,
        method: Method,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T> {
        let request = || self.http.request(method.clone(), self.url(path)).json(body);
        self.call(caller, repeat, request).await?.content()
    }

    /// Switches something at this path on or off, and reads what comes of it.
    pub(crate) async fn switch<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        method: Method,
        path: &str,
    ) -> Result<T> {
        let request = || self.http.request(method.clone(), self.url(path));
        self.call(caller, Repeat::Writes, request).await?.content()
    }

    /// Takes away what is at this path.
    pub(crate) async fn delete(&self, caller: &Caller, path: &str) -> Result<()> {
        self.call(caller, Repeat::Never, || self.http.delete(self.url(path))).await?;
        Ok(())
    }

    /// Reads what is at this path as it is.
    pub(crate) async fn bytes(&self, caller: &Caller, path: &str) -> Result<Vec<u8>> {
        Ok(self.call(caller, Repeat::Reads, || self.http.get(self.url(path))).await?.body)
    }

    /// Reads the queue, as an operator.
    pub(crate) async fn queue<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        operator: &Token,
    ) -> Result<T> {
        let (name, token) = wire::from_operator(operator);
        let request = || self.http.get(self.url(path::QUEUE)).header(&name, token.clone());
        self.call(caller, Repeat::Reads, request).await?.content()
    }

    /// Has the job at this path run again, as an operator.
    pub(crate) async fn retry(&self, caller: &Caller, operator: &Token, path: &str) -> Result<()> {
        let (name, token) = wire::from_operator(operator);
        let request = || self.http.post(self.url(path)).header(&name, token.clone());
        self.call(caller, Repeat::Never, request).await?;
        Ok(())
    }

    fn url(&self, path: &str) -> Url {
        self.at(&format!("{API}{path}"))
    }

    fn at(&self, path: &str) -> Url {
        let mut url = self.origin.clone();
        url.set_path(path);
        url
    }

    /// Makes the call, and answers with what a successful one brought.
    async fn call(
        &self,
        caller: &Caller,
        repeat: Repeat,
        request: impl Fn() -> RequestBuilder + Send + Sync,
    ) -> Result<Answer> {
        let mut answer = attempt(caller, request()).await;
        if repeat != Repeat::Never && worth_repeating(&answer) {
            let pause = pause();
            if pause < caller.remaining() {
                tokio::time::sleep(pause).await;
                answer = attempt(caller, request()).await;
            }
        }
        match answer {
            Ok(answer) if answer.status.is_success() => Ok(answer),
            Ok(answer) => Err(answer.error(repeat)),
            Err(fault) => {
                let request_id = caller.request_id.as_str();
                tracing::warn!(request_id, %fault, "the backend gave no answer");
                Err(fault.meaning(repeat))
            }
        }
    }
}

/// Sends the request once and takes in the whole answer, within what is left of the budget.
async fn attempt(caller: &Caller, request: RequestBuilder) -> std::result::Result<Answer, Fault> {
    let left = caller.remaining();
    if left.is_zero() {
        return Err(Fault::TooLate);
    }
    metrics::counter!(BACKEND_CALLS).increment(1);
    let response = request.headers(wire::from_caller(caller)).timeout(left).send().await?;
    let status = response.status();
    let deliberate = response.headers().contains_key(RETRY_AFTER);
    Ok(Answer { status, deliberate, body: body(response).await? })
}

async fn body(mut response: Response) -> std::result::Result<Vec<u8>, Fault> {
    let announced = response.content_length().unwrap_or_default();
    if announced > MAX_ANSWER as u64 {
        return Err(Fault::TooLong);
    }
    let mut body = Vec::with_capacity(usize::try_from(announced).unwrap_or_default());
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(Fault::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Whether a second attempt may well go better. It may after an accident on the way: a backend that
/// was just restarted, a connection that it had closed, a balancer that picked the wrong moment. It
/// won't when the time is up, and it must not when the backend itself asked to be left alone for a
/// while: repeating would double the load just when it is too high.
fn worth_repeating(answer: &std::result::Result<Answer, Fault>) -> bool {
    match answer {
        Err(fault) => matches!(fault, Fault::Connect(_) | Fault::Broken(_)),
        Ok(answer) => match answer.status {
            StatusCode::BAD_GATEWAY => true,
            StatusCode::SERVICE_UNAVAILABLE => !answer.deliberate,
            _ => false,
        },
    }
}

/// From 5 to 50 ms, at random: callers that failed together should not come back together. The
/// standard library has no random numbers, but it keys its hash maps with some.
fn pause() -> Duration {
    Duration::from_micros(5_000 + RandomState::new().hash_one(()) % 45_000)
}

impl Answer {
    fn content<T: DeserializeOwned>(&self) -> Result<T> {
        let wrong = |what: &dyn Display| {
            Error::Internal(format!("the backend's answer is not the contract's: {what}"))
        };
        // Text is checked once as a whole, and not string by string.
        let text = str::from_utf8(&self.body).map_err(|error| wrong(&error))?;
        serde_json::from_str(text).map_err(|error| wrong(&error))
    }

    fn error(&self, repeat: Repeat) -> Error {
        let body: Option<ErrorBody> = serde_json::from_slice(&self.body).ok();
        match wire::to_error(self.status, body.map(|body| body.errors)) {
            Error::Unavailable(_) if repeat == Repeat::Reads => {
                Error::Unavailable(Outcome::NotDone)
            }
            // We ask for no routes that the contract doesn't have. So it's not the visitor who is
            // lost.
            Error::NotFound(Resource::Route) => {
                Error::Internal("the backend does not know a route of the contract".to_owned())
            }
            error => error,
        }
    }
}

impl Fault {
    /// What the caller is told. Only an attempt that certainly never reached the backend leaves a
    /// write undone for certain.
    fn meaning(&self, repeat: Repeat) -> Error {
        match self {
            Self::TooLong => Error::Internal(self.to_string()),
            Self::TooLate | Self::Connect(_) => Error::Unavailable(Outcome::NotDone),
            Self::TimedOut | Self::Broken(_) if repeat == Repeat::Reads => {
                Error::Unavailable(Outcome::NotDone)
            }
            Self::TimedOut | Self::Broken(_) => Error::Unavailable(Outcome::Unknown),
        }
    }
}

impl From<reqwest::Error> for Fault {
    fn from(error: reqwest::Error) -> Self {
        // First of all: also an attempt to connect may time out, but then nothing was sent.
        if error.is_connect() {
            Self::Connect(error.without_url())
        } else if error.is_timeout() {
            Self::TimedOut
        } else {
            Self::Broken(error.without_url())
        }
    }
}
