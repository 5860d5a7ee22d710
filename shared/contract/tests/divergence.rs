//! What a call over a wire may meet that a call in the process cannot: nobody there, no answer in
//! time, half an answer, nonsense. For each, what the caller is told, and that the client is of use
//! again as soon as the backend is.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has to stop")]

mod served;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
    response::IntoResponse,
};
use conduit::{
    Article, Caller, Conduit, Credentials, Error, Outcome, Password, Registration, RequestId,
    Resource, Result, Token, User, wire,
};
use contract::{
    dataset::{Dataset, Size},
    in_memory::InMemory,
};
use pages::Settings;
use remote::{BackendArgs, HttpVersion, Remote};
use served::{Served, api, remote, remote_over};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixListener},
};
use tower::ServiceExt;

const NOT_DONE: Error = Error::Unavailable(Outcome::NotDone);
const UNKNOWN: Error = Error::Unavailable(Outcome::Unknown);

/// What holds of a call holds whichever of them it is sent by.
const VERSIONS: [HttpVersion; 2] = [HttpVersion::One, HttpVersion::Two];

fn dataset() -> Dataset {
    Dataset::new(Size { users: 5, articles: 20, ..Size::default() }, 3)
}

fn caller(budget: Duration) -> Caller {
    Caller::new(Some(Token::new("in-memory.1")), RequestId::parse("test-7").unwrap(), budget)
}

/// More than enough for an answer on this machine, however busy it is.
fn patient() -> Caller {
    caller(Duration::from_secs(20))
}

fn new_user() -> Registration {
    let password = Password::new("correct horse");
    Registration { username: "new".into(), email: "new@example.com".into(), password }
}

async fn read(remote: &Remote, caller: &Caller) -> Result<Article> {
    remote.article(caller, &dataset().article(3).slug).await
}

async fn write(remote: &Remote, caller: &Caller) -> Result<User> {
    remote.register(caller, new_user()).await
}

fn is_internal<T: std::fmt::Debug>(answer: &Result<T>) -> bool {
    matches!(answer, Err(Error::Internal(_)))
}

#[tokio::test]
async fn nobody_listens() {
    for version in VERSIONS {
        // A port that was free a moment ago.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let remote = remote_over(version, listener.local_addr().unwrap());
        drop(listener);
        assert_eq!(read(&remote, &patient()).await, Err(NOT_DONE));
        assert_eq!(write(&remote, &patient()).await, Err(NOT_DONE), "it was certainly never sent");
        assert_eq!(remote.ready().await, Err(NOT_DONE));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_within_the_budget() {
    for version in VERSIONS {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let never = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<()>()
        };
        let backend = Served::router(Router::new().fallback(never)).await;
        let remote = remote_over(version, backend.address);
        let budget = Duration::from_millis(300);

        let start = Instant::now();
        assert_eq!(read(&remote, &caller(budget)).await, Err(NOT_DONE), "a read changes nothing");
        assert!(start.elapsed() >= budget);
        assert_eq!(write(&remote, &caller(budget)).await, Err(UNKNOWN), "it may still be done");
        assert_eq!(calls.load(Ordering::Relaxed), 2, "when the time is up, nothing is repeated");
        assert_eq!(remote.ready().await, Err(NOT_DONE), "this question has a limit of its own");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_any_time_left_is_not_sent() {
    let backend = Accident::at_every_connection(b"").await;
    let remote = remote(backend.address);
    assert_eq!(read(&remote, &caller(Duration::ZERO)).await, Err(NOT_DONE));
    assert_eq!(write(&remote, &caller(Duration::ZERO)).await, Err(NOT_DONE));
    assert_eq!(backend.connections(), 0);
}

/// A backend that answers every request alike, and counts them.
async fn answering(
    version: HttpVersion,
    status: u16,
    headers: &[(&'static str, &'static str)],
    body: impl Into<String>,
) -> (Served, Remote, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    let answer = (StatusCode::from_u16(status).unwrap(), map, body.into());
    let handler = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        std::future::ready(answer.clone().into_response())
    };
    let backend = Served::router(Router::new().fallback(handler)).await;
    let remote = remote_over(version, backend.address);
    (backend, remote, calls)
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_not_the_contracts_are_a_fault_of_ours_and_not_of_the_visitor() {
    for version in VERSIONS {
        let missing_route = r#"{"errors":{"route":["not found"]}}"#;
        for (status, body) in [
            (200, ""),
            (200, "<html>Welcome to nginx</html>"),
            (200, "null"),
            (200, r#"{"article": {"slug": "x"}}"#),
            (200, r#"{"user": {"email": 5}}"#),
            (204, ""),
            (301, ""),
            (400, "Bad Request"),
            (404, "<html>404</html>"),
            (404, missing_route),
            (413, "too large"),
            (418, r#"{"errors":{"article":["not found"]}}"#),
            (422, "plain text"),
            (500, r#"{"errors":{"server":["internal error"]}}"#),
        ] {
            let (_backend, remote, calls) =
                answering(version, status, &[("location", "/elsewhere")], body).await;
            let answer = read(&remote, &patient()).await;
            assert!(is_internal(&answer), "{status} {body:?} became {answer:?}");
            let answer = write(&remote, &patient()).await;
            assert!(is_internal(&answer), "{status} {body:?} became {answer:?}");
            assert_eq!(
                calls.load(Ordering::Relaxed),
                2,
                "{status}: no repetition helps, no redirect"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_is_not_taken_in() {
    for version in VERSIONS {
        let (_backend, remote, _) = answering(version, 200, &[], "x".repeat(9 * 1024 * 1024)).await;
        assert!(is_internal(&read(&remote, &patient()).await));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_backend_refuses_is_what_the_caller_is_told() {
    for version in VERSIONS {
        let (_backend, remote, _) =
            answering(version, 404, &[], r#"{"errors":{"article":["not found"]}}"#).await;
        assert_eq!(read(&remote, &patient()).await, Err(Error::NotFound(Resource::Article)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn accidents_of_a_gateway_are_repeated_once_but_never_for_a_write() {
    for version in VERSIONS {
        for (status, write_becomes) in [(502, UNKNOWN), (503, NOT_DONE)] {
            let (_backend, remote, calls) =
                answering(version, status, &[], "<html>gateway</html>").await;
            assert_eq!(read(&remote, &patient()).await, Err(NOT_DONE), "{status}");
            assert_eq!(calls.swap(0, Ordering::Relaxed), 2, "{status}: once more");
            assert_eq!(write(&remote, &patient()).await, Err(write_becomes), "{status}");
            assert_eq!(calls.load(Ordering::Relaxed), 1, "{status}: never twice");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_asks_for_a_pause_gets_it() {
    for version in VERSIONS {
        let headers = [("retry-after", "1")];
        let body = r#"{"errors":{"service":["is unavailable, nothing was changed"]}}"#;
        let (_backend, remote, calls) = answering(version, 503, &headers, body).await;
        assert_eq!(read(&remote, &patient()).await, Err(NOT_DONE));
        assert_eq!(calls.swap(0, Ordering::Relaxed), 1, "no repetition");
        assert_eq!(write(&remote, &patient()).await, Err(NOT_DONE), "the backend says so itself");

        let body = r#"{"errors":{"service":["did not answer, the outcome is unknown"]}}"#;
        let (_backend, remote, _) = answering(version, 503, &headers, body).await;
        assert_eq!(
            write(&remote, &patient()).await,
            Err(UNKNOWN),
            "the backend does not know either"
        );
        assert_eq!(read(&remote, &patient()).await, Err(NOT_DONE), "a read changes nothing");
    }
}

/// A backend that reads one request from each connection, sends some bytes, and hangs up.
struct Accident {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Accident {
    /// Sends the same at every connection.
    async fn at_every_connection(bytes: &'static [u8]) -> Self {
        Self::script(move |_| bytes.to_vec()).await
    }

    /// Sends what `script` says for the connection of this number.
    async fn script(script: impl Fn(usize) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let number = counted.fetch_add(1, Ordering::Relaxed);
                read_request(&mut stream).await;
                stream.write_all(&script(number)).await.unwrap();
            }
        });
        Self { address, connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) {
    let mut seen = Vec::new();
    while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0, "the whole head of a request");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backend_dies_before_or_within_its_answer() {
    let accidents: [&[u8]; 4] = [
        b"",
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{\"art",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"art\r\n",
    ];
    for bytes in accidents {
        let backend = Accident::at_every_connection(bytes).await;
        let remote = remote(backend.address);
        assert_eq!(read(&remote, &patient()).await, Err(NOT_DONE));
        assert_eq!(backend.connections(), 2, "a read is tried once more");
        assert_eq!(write(&remote, &patient()).await, Err(UNKNOWN), "it may have been done");
        assert_eq!(backend.connections(), 3, "a write is not");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_has_the_same_accidents() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backend.sock");
    let backend_url = format!("unix:{}", path.display());
    let remote = Remote::new(&BackendArgs::at(backend_url)).unwrap();
    for what in ["there is no such file", "nobody listens on it any more"] {
        assert_eq!(read(&remote, &patient()).await, Err(NOT_DONE), "{what}");
        assert_eq!(write(&remote, &patient()).await, Err(NOT_DONE), "{what}");
        if !path.exists() {
            drop(UnixListener::bind(&path).unwrap());
        }
    }
    std::fs::remove_file(&path).unwrap();

    let listener = UnixListener::bind(&path).unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    let hanging_up = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            read_request(&mut stream).await;
        }
    });
    assert_eq!(read(&remote, &patient()).await, Err(NOT_DONE));
    assert_eq!(connections.load(Ordering::Relaxed), 2, "a read is tried once more");
    assert_eq!(write(&remote, &patient()).await, Err(UNKNOWN), "it may have been done");
    assert_eq!(connections.load(Ordering::Relaxed), 3, "a write is not");
    assert_eq!(read(&remote, &caller(Duration::ZERO)).await, Err(NOT_DONE));
    assert_eq!(connections.load(Ordering::Relaxed), 3, "without time nothing is sent");
    hanging_up.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_accident_is_not_noticed_by_a_reader() {
    let body = serde_json::to_vec(&wire::TagsBody { tags: vec!["rust".into()] }).unwrap();
    let length = body.len();
    let good = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").into_bytes();
    let script = move |number| if number == 0 { Vec::new() } else { [&*good, &body].concat() };
    let backend = Accident::script(script).await;
    assert_eq!(remote(backend.address).tags(&patient()).await, Ok(vec!["rust".to_owned()]));
    assert_eq!(backend.connections(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_changes_nothing_and_is_tried_once_more() {
    let backend = Accident::at_every_connection(b"").await;
    let credentials =
        Credentials { email: "a@example.com".into(), password: Password::new("12345678") };
    let answer = remote(backend.address).login(&patient(), credentials).await;
    assert_eq!((answer, backend.connections()), (Err(NOT_DONE), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_backend_is_survived() {
    for version in VERSIONS {
        let port = InMemory::new(&dataset());
        let backend = Served::api(port.clone()).await;
        let address = backend.address;
        let remote = remote_over(version, address);
        read(&remote, &patient()).await.unwrap();

        // Restarted between two calls: the pool holds a connection to a server that is gone.
        drop(backend);
        let backend = Served::router_at(address, api(port.clone())).await;
        read(&remote, &patient()).await.expect("a reader does not notice");

        // Gone for longer.
        drop(backend);
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert_eq!(read(&remote, &patient()).await, Err(NOT_DONE));
        assert_eq!(remote.ready().await, Err(NOT_DONE));

        // And back.
        let _backend = Served::router_at(address, api(port)).await;
        read(&remote, &patient()).await.expect("an answer");
        write(&remote, &patient()).await.expect("a new account");
        assert_eq!(remote.ready().await, Ok(()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_say_so_while_the_backend_is_gone_and_recover_by_themselves() {
    for version in VERSIONS {
        let port = InMemory::new(&dataset());
        let backend = Served::api(port.clone()).await;
        let address = backend.address;
        let settings = Settings { budget: Duration::from_secs(20), ..Settings::default() };
        let frontend = pages::router(remote_over(version, address), settings);
        let home = || async {
            let request = Request::get("/").body(Body::empty()).unwrap();
            let answer = frontend.clone().oneshot(request).await.unwrap();
            let status = answer.status();
            let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
            (status, String::from_utf8(body.to_vec()).unwrap())
        };
        assert_eq!(home().await.0, StatusCode::OK);
        drop(backend);
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        let (status, page) = home().await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(page.contains("navbar"), "a page with the layout, and not a blank one: {page}");
        let _backend = Served::router_at(address, api(port)).await;
        assert_eq!(home().await.0, StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn token_number_and_what_is_left_of_the_budget_go_along() {
    for version in VERSIONS {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = seen.clone();
        let note = move |headers: HeaderMap| {
            noted.lock().unwrap().push(headers);
            std::future::ready(StatusCode::BAD_GATEWAY)
        };
        let backend = Served::router(Router::new().fallback(note)).await;
        let _ = read(&remote_over(version, backend.address), &patient()).await;
        let seen = seen.lock().unwrap();
        let budgets: Vec<_> =
            seen.iter().map(|headers| wire::to_budget(headers).unwrap()).collect();
        assert!(budgets[0] <= Duration::from_secs(20) && budgets[0] > Duration::from_secs(1));
        assert!(budgets[1] < budgets[0], "the second attempt has less time left: {budgets:?}");
        for headers in seen.iter() {
            assert_eq!(wire::to_token(headers), patient().token);
            assert_eq!(wire::to_request_id(headers).unwrap().as_str(), "test-7");
        }
    }
}
