//! What happens around every request, on every server. One function instead of a stack of layers:
//! each layer would box a future of its own, and the order of the steps can be read here.

use std::{
    convert::Infallible,
    hash::{BuildHasher, Hasher},
    panic::AssertUnwindSafe,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request},
    http::{
        HeaderValue,
        header::{CONNECTION, RETRY_AFTER},
    },
    response::{Html, IntoResponse, Response},
};
use conduit::{Error, Outcome, limits, wire};
use futures_util::{FutureExt, future::BoxFuture};
use tower::Service;
use tracing::{Instrument, Span, field::Empty};

use crate::{
    Stop, health,
    lab_file::LabFile,
    meters,
    routes::Finder,
    shedding::{self, InFlight},
};

/// The largest body that a request may have: the longest article that the contract allows, each of
/// its characters as long as UTF-8 makes one, and room for what stands around it.
const MAX_BODY: usize = 4 * limits::MAX_ARTICLE + 64 * 1024;

/// A server's routes, with what happens around each request. It stands around the router, because a
/// layer within it would be boxed, cloned and matched once more for every route.
#[derive(Clone)]
pub(crate) struct Around {
    app: Router,
    health: Router,
    known: Arc<Knowledge>,
}

/// What the steps around a request need to know.
pub(crate) struct Knowledge {
    lab: Option<LabFile>,
    routes: Finder,
    in_flight: InFlight,
    stop: Stop,
}

impl Knowledge {
    pub(crate) fn new(
        lab: Option<LabFile>,
        routes: Finder,
        max_in_flight: u32,
        stop: Stop,
    ) -> Self {
        let in_flight = InFlight::at_most(usize::try_from(max_in_flight).unwrap_or(usize::MAX));
        Self { lab, routes, in_flight, stop }
    }
}

impl Around {
    /// Around `app`, and not around `health`, so that watching a server costs it nothing that is
    /// counted, and is possible when it has too much to do.
    pub(crate) fn new(app: Router, health: Router, known: Knowledge) -> Self {
        Self { app, health, known: Arc::new(known) }
    }
}

impl Service<Request> for Around {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    /// Always: who has too much to do says so in an answer.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if health::PATHS.contains(&request.uri().path()) {
            return Box::pin(self.health.call(request));
        }
        Box::pin(handle(self.known.clone(), self.app.clone(), request))
    }
}

/// (A function with one block and not an `async fn`, nor several: each would keep its arguments twice,
/// and this is copied to the heap for every request. See `docs/performance.md`.)
fn handle(
    known: Arc<Knowledge>,
    mut app: Router,
    mut request: Request,
) -> impl Future<Output = Result<Response, Infallible>> + Send {
    // 1. A number: taken over from the server in front of us, or new.
    let id = number(&mut request);
    if !request.method().is_safe() {
        // (Nobody reads the body of what only asks; that axum has a limit of its own for it will do.)
        DefaultBodyLimit::max(MAX_BODY).apply(&mut request);
    }
    let is_api = request.uri().path().starts_with(wire::API);
    let (came, meters) = (Instant::now(), known.routes.find(request.uri().path()));
    let span = span(&request, meters.route(), &id);

    async move {
        // 2. A place among those that are being answered, until the answer is there.
        let mut response = match known.in_flight.admit() {
            Some(_place) => {
                // 3. An effect of known size, if the lab planted one, and then the handler.
                if let Some(lab) = &known.lab {
                    lab.spin();
                    lab.wait().await;
                }
                // It keeps to the caller's budget by itself; the limit here ends what no budget
                // covers, such as a body that never arrives. A panic ends one request, not the server.
                let answer = AssertUnwindSafe(app.call(request)).catch_unwind();
                let answer = tokio::time::timeout(wire::MAX_BUDGET, answer);
                match answer.instrument(span.clone()).await {
                    Ok(Ok(Ok(response))) => response,
                    Ok(Err(_panic)) => {
                        tracing::error!(request_id = ?id, "a handler panicked");
                        failure(is_api, &Error::Internal(String::new()))
                    }
                    Err(_elapsed) => failure(is_api, &Error::Unavailable(Outcome::Unknown)),
                }
            }
            None => turn_away(is_api),
        };

        // 4. The books.
        if let Some(wire::Detail(detail)) = response.extensions().get() {
            tracing::error!(request_id = ?id, detail, "an internal error");
        }
        response.headers_mut().insert(wire::REQUEST_ID, id);
        if known.stop.has_begun() {
            // Whoever comes back is to come by a new connection, and so to another server.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        span.record("http.response.status_code", response.status().as_u16());
        if response.status().is_server_error() {
            span.record("otel.status_code", "ERROR");
        }
        meters.answered(response.status(), came.elapsed());
        Ok(response)
    }
}

/// The number that the request has, or gets.
fn number(request: &mut Request) -> HeaderValue {
    let given = wire::to_request_id(request.headers())
        .and_then(|_| request.headers().get(wire::REQUEST_ID).cloned());
    given.unwrap_or_else(|| {
        let id = new_request_id();
        request.headers_mut().insert(wire::REQUEST_ID, id.clone());
        id
    })
}

/// The request in a trace: under the span that it says it comes from, or as the first one.
fn span(request: &Request, route: &'static str, id: &HeaderValue) -> Span {
    let span = tracing::debug_span!(
        "request",
        otel.name = format!("{} {route}", request.method()),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = request.method().as_str(),
        http.route = route,
        http.response.status_code = Empty,
        request_id = id.to_str().unwrap_or_default(),
    );
    wire::trace::to_span(request.headers(), &span);
    span
}

fn turn_away(is_api: bool) -> Response {
    meters::shed();
    let mut response = failure(is_api, &Error::Unavailable(Outcome::NotDone));
    response.headers_mut().insert(RETRY_AFTER, shedding::RETRY_AFTER);
    response
}

fn failure(is_api: bool, error: &Error) -> Response {
    let (status, body) = wire::from_error(error);
    if is_api {
        (status, Json(body)).into_response()
    } else {
        (status, Html(format!("<!DOCTYPE html><title>{status}</title><h1>{status}</h1>")))
            .into_response()
    }
}

/// Unique among all processes of a deployment: a random number per process, and a count.
fn new_request_id() -> HeaderValue {
    static PROCESS: LazyLock<u64> =
        LazyLock::new(|| std::hash::RandomState::new().build_hasher().finish());
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    HeaderValue::try_from(format!("{:016x}-{count:x}", *PROCESS))
        .unwrap_or(HeaderValue::from_static("none"))
}

#[cfg(test)]
#[path = "middleware_tests.rs"]
mod tests;
