use axum::{body::Body, http::StatusCode, routing::get};
use futures_util::{FutureExt, future::pending};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;
use crate::shutdown::Shutdown;

fn around(app: Router, max_in_flight: u32, shutdown: &Shutdown) -> Around {
    let routes = Finder::new(&[("", &["/"])]).unwrap();
    let health = Router::new().route("/healthz", get(|| async { "alive" }));
    Around::new(app, health, Knowledge::new(None, routes, max_in_flight, shutdown.watch()))
}

/// What a test looks at of an answer.
struct Seen {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    body: String,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn send(app: Around, path: &str, id: Option<&str>) -> Seen {
    let mut request = Request::get(path);
    if let Some(id) = id {
        request = request.header(wire::REQUEST_ID, id);
    }
    let (head, body) =
        app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    Seen { status: head.status, headers: head.headers, body }
}

async fn ask(app: Router, path: &str, id: Option<&str>) -> Seen {
    send(around(app, 1, &Shutdown::new()), path, id).await
}

#[tokio::test]
async fn a_request_keeps_its_number_unless_it_is_harmful() {
    let app = || Router::new().route("/", get(|| async { "fine" }));
    let number = async |given| {
        let seen = ask(app(), "/", given).await;
        seen.header(wire::REQUEST_ID.as_str()).to_owned()
    };
    assert_eq!(number(Some("visitor-1")).await, "visitor-1");
    assert_ne!(number(Some("a b\tc")).await, "a b\tc");
    assert_ne!(number(None).await, number(None).await);
}

#[tokio::test]
async fn a_panic_ends_one_request_in_the_front_doors_own_shape() {
    async fn broken() -> &'static str {
        panic!("password=hunter2")
    }
    let app = || Router::new().route("/page", get(broken)).route("/api/x", get(broken));
    let seen = ask(app(), "/api/x", None).await;
    assert_eq!(seen.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(seen.body, r#"{"errors":{"server":["internal error"]}}"#);
    let seen = ask(app(), "/page", None).await;
    assert_eq!(seen.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(seen.body.starts_with("<!DOCTYPE html>") && !seen.body.contains("hunter2"));
}

#[tokio::test]
async fn what_is_too_much_is_turned_away_at_once_in_the_front_doors_own_shape() {
    let app = Router::new()
        .route("/slow", get(pending::<&'static str>))
        .route("/page", get(|| async { "fine" }))
        .route("/api/x", get(|| async { "fine" }));
    let shutdown = Shutdown::new();
    let app = around(app, 1, &shutdown);

    let mut slow = Box::pin(send(app.clone(), "/slow", None));
    assert!(slow.as_mut().now_or_never().is_none(), "it is in hand");
    let seen = send(app.clone(), "/api/x", Some("visitor-2")).await;
    assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(seen.header("retry-after"), "1");
    assert_eq!(seen.header("x-request-id"), "visitor-2");
    let wanted = r#"{"errors":{"service":["is unavailable, nothing was changed"]}}"#;
    assert_eq!(seen.body, wanted);
    let seen = send(app.clone(), "/page", None).await;
    assert_eq!((seen.status, seen.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
    assert!(seen.body.starts_with("<!DOCTYPE html>"), "{}", seen.body);

    // Whoever watches the server is always answered, and is not one of those who are counted.
    let seen = send(app.clone(), "/healthz", None).await;
    assert_eq!((seen.status, seen.header("x-request-id")), (StatusCode::OK, ""));

    // A visitor who has gone makes room as one who was answered does.
    drop(slow);
    for _ in 0..3 {
        assert_eq!(send(app.clone(), "/page", None).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn no_connection_is_kept_by_a_server_that_is_about_to_stop() {
    let shutdown = Shutdown::new();
    let app = around(Router::new().route("/", get(|| async { "fine" })), 1, &shutdown);
    assert_eq!(send(app.clone(), "/", None).await.header("connection"), "");
    let mut end = Box::pin(shutdown.begin(pending()));
    assert!(end.as_mut().now_or_never().is_none());
    let seen = send(app, "/", None).await;
    assert_eq!((seen.status, seen.header("connection")), (StatusCode::OK, "close"));
}
