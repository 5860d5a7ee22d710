//! Sending a call: the budget, the one repetition, and what a failure on the way means.

use std::{
    fmt::Display,
    hash::{BuildHasher, RandomState},
    io,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use conduit::{
    Caller, Error, Outcome, Resource, Result, Token,
    wire::{self, API, ErrorBody, path, trace},
};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header::CONTENT_TYPE};
use metrics::Counter;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;
use tracing::{Span, field::Empty};

use crate::{
    args::{Address, HttpVersion},
    connections::{Answer, Connections, Fault},
};

/// Name of the counter of requests that were sent for calls of the port, repetitions included.
/// Questions whether the backend is ready are not among them: operators ask those, not visitors.
pub const BACKEND_CALLS: &str = "conduit_backend_calls_total";

/// Where a server says whether it is ready to serve.
const READY: &str = "/readyz";

/// How long the backend has for that.
const READY_TIMEOUT: Duration = Duration::from_secs(1);

/// A client of one backend.
#[derive(Clone)]
pub(crate) struct Client {
    connections: Arc<Connections>,
    /// [`BACKEND_CALLS`], looked up once.
    calls: Counter,
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

/// A call of the port, from which a request is made for every attempt.
struct Call {
    method: Method,
    /// Path and query, below [`API`].
    target: String,
    /// JSON; empty if there is none.
    body: Bytes,
    /// What shows that an operator makes the call.
    operator: Option<(HeaderName, HeaderValue)>,
}

type Attempt = std::result::Result<Answer, Fault>;

impl Client {
    pub(crate) fn new(backend: Address, version: HttpVersion) -> Self {
        let calls = metrics::counter!(BACKEND_CALLS);
        Self { connections: Arc::new(Connections::new(backend, version)), calls }
    }

    pub(crate) async fn ready(&self) -> Result<()> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = Uri::from_static(READY);
        match timeout(READY_TIMEOUT, self.connections.send(request)).await {
            Ok(Ok(answer)) if answer.status.is_success() => Ok(()),
            _ => Err(Error::Unavailable(Outcome::NotDone)),
        }
    }

    /// Reads what is at this path.
    pub(crate) async fn get<T: DeserializeOwned>(&self, caller: &Caller, path: &str) -> Result<T> {
        content(&self.call(caller, Repeat::Reads, Call::new(Method::GET, path)).await?)
    }

    /// Reads what is at this path, as far as it fits the query.
    pub(crate) async fn search<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        path: &str,
        query: &impl Serialize,
    ) -> Result<T> {
        let query = serde_urlencoded::to_string(query).map_err(|error| unwritable(&error))?;
        self.get(caller, &format!("{path}?{query}")).await
    }

    /// Sends something to this path, and reads what comes of it.
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        repeat: Repeat,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T> {
        let body = trace::encode().in_scope(|| serde_json::to_vec(body));
        let body = body.map_err(|error| unwritable(&error))?;
        let call = Call { body: body.into(), ..Call::new(method, path) };
        content(&self.call(caller, repeat, call).await?)
    }

    /// Switches something at this path on or off, and reads what comes of it.
    pub(crate) async fn switch<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        method: Method,
        path: &str,
    ) -> Result<T> {
        content(&self.call(caller, Repeat::Writes, Call::new(method, path)).await?)
    }

    /// Takes away what is at this path.
    pub(crate) async fn delete(&self, caller: &Caller, path: &str) -> Result<()> {
        self.call(caller, Repeat::Never, Call::new(Method::DELETE, path)).await.map(drop)
    }

    /// Reads what is at this path as it is.
    pub(crate) async fn bytes(&self, caller: &Caller, path: &str) -> Result<Vec<u8>> {
        let answer = self.call(caller, Repeat::Reads, Call::new(Method::GET, path)).await?;
        Ok(answer.body.into())
    }

    /// Reads the queue, as an operator.
    pub(crate) async fn queue<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        operator: &Token,
    ) -> Result<T> {
        let call = Call::new(Method::GET, path::QUEUE).by(operator);
        content(&self.call(caller, Repeat::Reads, call).await?)
    }

    /// Has the job at this path run again, as an operator.
    pub(crate) async fn retry(&self, caller: &Caller, operator: &Token, path: &str) -> Result<()> {
        let call = Call::new(Method::POST, path).by(operator);
        self.call(caller, Repeat::Never, call).await.map(drop)
    }

    /// Makes the call, and answers with what a successful one brought.
    ///
    /// On the heap, because everybody copies it who awaits it as part of a future of their own.
    fn call<'a>(
        &'a self,
        caller: &'a Caller,
        repeat: Repeat,
        call: Call,
    ) -> Pin<Box<dyn Future<Output = Result<Answer>> + Send + 'a>> {
        Box::pin(async move {
            let mut answer = self.attempt(caller, &call).await;
            if repeat != Repeat::Never && worth_repeating(&answer) {
                let pause = pause();
                if pause < caller.remaining() {
                    tokio::time::sleep(pause).await;
                    answer = self.attempt(caller, &call).await;
                }
            }
            match answer {
                Ok(answer) if answer.status.is_success() => Ok(answer),
                Ok(answer) => Err(refusal(&answer, repeat)),
                Err(fault) => {
                    let request_id = caller.request_id.as_str();
                    tracing::warn!(request_id, %fault, "the backend gave no answer");
                    Err(fault.meaning(repeat))
                }
            }
        })
    }

    /// Sends the call once and takes in the whole answer, within what is left of the budget.
    async fn attempt(&self, caller: &Caller, call: &Call) -> Attempt {
        let left = caller.remaining();
        if left.is_zero() {
            return Err(Fault::TooLate);
        }
        let span = tracing::debug_span!(
            "call",
            otel.name = format!("call {}", call.method),
            otel.kind = "client",
            otel.status_code = Empty,
            http.request.method = call.method.as_str(),
            http.response.status_code = Empty,
        );
        let request = call.request(caller, &span)?;
        self.calls.increment(1);
        let answer = timeout(left, self.connections.send(request)).await;
        let answer = answer.unwrap_or(Err(Fault::TimedOut));
        match &answer {
            Ok(answer) => _ = span.record("http.response.status_code", answer.status.as_u16()),
            Err(_) => _ = span.record("otel.status_code", "ERROR"),
        }
        answer
    }
}

impl Call {
    fn new(method: Method, path: &str) -> Self {
        Self { method, target: format!("{API}{path}"), body: Bytes::new(), operator: None }
    }

    fn by(mut self, operator: &Token) -> Self {
        self.operator = Some(wire::from_operator(operator));
        self
    }

    /// What is sent now: the budget that goes along has become smaller since the last attempt.
    fn request(&self, caller: &Caller, span: &Span) -> std::result::Result<Request<Bytes>, Fault> {
        let mut request = Request::new(self.body.clone());
        *request.method_mut() = self.method.clone();
        // Nothing but its length can be wrong with it.
        let target = Uri::try_from(self.target.as_str());
        *request.uri_mut() = target.map_err(|error| Fault::Connect(io::Error::other(error)))?;
        let headers = request.headers_mut();
        *headers = wire::from_caller(caller);
        trace::from_span(span, headers);
        if !self.body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some((name, token)) = &self.operator {
            headers.insert(name, token.clone());
        }
        Ok(request)
    }
}

/// Whether a second attempt may well go better. It may after an accident on the way: a backend that
/// was just restarted, a connection that it had closed, a balancer that picked the wrong moment. It
/// won't when the time is up, and it must not when the backend itself asked to be left alone for a
/// while: repeating would double the load just when it is too high.
fn worth_repeating(answer: &Attempt) -> bool {
    match answer {
        Err(fault) => matches!(fault, Fault::Connect(_) | Fault::Broken(_)),
        Ok(answer) => match answer.status {
            StatusCode::BAD_GATEWAY => true,
            StatusCode::SERVICE_UNAVAILABLE => !answer.has_retry_after,
            _ => false,
        },
    }
}

/// From 5 to 50 ms, at random: callers that failed together should not come back together. The
/// standard library has no random numbers, but it keys its hash maps with some.
fn pause() -> Duration {
    Duration::from_micros(5_000 + RandomState::new().hash_one(()) % 45_000)
}

fn content<T: DeserializeOwned>(answer: &Answer) -> Result<T> {
    let wrong = |what: &dyn Display| {
        Error::Internal(format!("the backend's answer is not the contract's: {what}"))
    };
    trace::decode().in_scope(|| {
        // Text is checked once as a whole, and not string by string.
        let text = str::from_utf8(&answer.body).map_err(|error| wrong(&error))?;
        serde_json::from_str(text).map_err(|error| wrong(&error))
    })
}

/// The port's types can all be written, so this is a mistake of ours.
fn unwritable(error: &dyn Display) -> Error {
    Error::Internal(format!("a call that can't be written: {error}"))
}

/// What an answer means that is no success.
fn refusal(answer: &Answer, repeat: Repeat) -> Error {
    let body: Option<ErrorBody> = serde_json::from_slice(&answer.body).ok();
    match wire::to_error(answer.status, body.map(|body| body.errors)) {
        Error::Unavailable(_) if repeat == Repeat::Reads => Error::Unavailable(Outcome::NotDone),
        // We ask for no routes that the contract doesn't have. So it's not the visitor who is lost.
        Error::NotFound(Resource::Route) => {
            Error::Internal("the backend does not know a route of the contract".to_owned())
        }
        error => error,
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
