//! What happens around every request, on every server. One function instead of a stack of layers:
//! each layer would box a future of its own, and the order of the steps can be read here.

use std::{
    hash::{BuildHasher, Hasher},
    panic::AssertUnwindSafe,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderValue, StatusCode},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use conduit::{Error, Outcome, limits, wire};
use futures_util::FutureExt;

use crate::lab_file::LabFile;

/// The largest body that a request may have: the longest article that the contract allows, each of
/// its characters as long as UTF-8 makes one, and room for what stands around it.
const MAX_BODY: usize = 4 * limits::MAX_ARTICLE + 64 * 1024;

/// Wraps a server's routes. Health and metrics stay outside, so that watching a server costs it
/// nothing that is counted.
pub(crate) fn around(app: Router, lab: Option<LabFile>) -> Router {
    let lab = lab.map(Arc::new);
    app.layer(axum::middleware::from_fn_with_state(lab, handle))
}

async fn handle(
    State(lab): State<Option<Arc<LabFile>>>,
    mut request: Request,
    next: Next,
) -> Response {
    // 1. A number: taken over from the server in front of us, or new.
    let id = wire::to_request_id(request.headers())
        .and_then(|id| HeaderValue::try_from(id.as_str()).ok())
        .unwrap_or_else(new_request_id);
    request.headers_mut().insert(wire::REQUEST_ID, id.clone());
    DefaultBodyLimit::max(MAX_BODY).apply(&mut request);
    let is_api = request.uri().path().starts_with(wire::API);

    // 2. An effect of known size, if the lab planted one.
    if let Some(lab) = lab {
        lab.spin();
        lab.wait().await;
    }

    // 3. The handler. It keeps to the caller's budget by itself; the limit here ends what no budget
    //    covers, such as a body that never arrives. A panic ends one request, not the server.
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    let mut response = match tokio::time::timeout(wire::MAX_BUDGET, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(_panic)) => {
            tracing::error!(request_id = ?id, "a handler panicked");
            failure(is_api, &Error::Internal(String::new()))
        }
        Err(_elapsed) => failure(is_api, &Error::Unavailable(Outcome::Unknown)),
    };

    // 4. The books.
    if let Some(wire::Detail(detail)) = response.extensions().get() {
        tracing::error!(request_id = ?id, detail, "an internal error");
    }
    response.headers_mut().insert(wire::REQUEST_ID, id);
    count(response.status());
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

fn count(status: StatusCode) {
    let class = match status.as_u16() {
        500.. => "5xx",
        400.. => "4xx",
        300.. => "3xx",
        _ => "2xx",
    };
    metrics::counter!("conduit_http_requests_total", "status" => class).increment(1);
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, routing::get};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn ask(app: Router, path: &str, id: Option<&str>) -> (StatusCode, String, String) {
        let mut request = Request::get(path);
        if let Some(id) = id {
            request = request.header(wire::REQUEST_ID, id);
        }
        let answer = around(app, None).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let id = answer.headers()[wire::REQUEST_ID].to_str().unwrap().to_owned();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, id, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_request_keeps_its_number_unless_it_is_harmful() {
        let app = || Router::new().route("/", get(|| async { "fine" }));
        assert_eq!(ask(app(), "/", Some("visitor-1")).await.1, "visitor-1");
        assert_ne!(ask(app(), "/", Some("a b\tc")).await.1, "a b\tc");
        assert_ne!(ask(app(), "/", None).await.1, ask(app(), "/", None).await.1);
    }

    #[tokio::test]
    async fn a_panic_ends_one_request_in_the_front_doors_own_shape() {
        async fn broken() -> &'static str {
            panic!("password=hunter2")
        }
        let app = || Router::new().route("/page", get(broken)).route("/api/x", get(broken));
        let (status, _, body) = ask(app(), "/api/x", None).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(body, r#"{"errors":{"server":["internal error"]}}"#);
        let (status, _, body) = ask(app(), "/page", None).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(body.starts_with("<!DOCTYPE html>") && !body.contains("hunter2"));
    }
}
