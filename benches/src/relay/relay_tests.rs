//! The relay inside this process, with replicas made of the same stuff.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::{
    Router,
    body::{Body as AxumBody, Bytes},
    extract::State as AxumState,
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use http::{HeaderValue, Method, Request};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{Semaphore, oneshot},
    task::JoinHandle,
};

use super::*;
use crate::load::{Answer, Body, Connections};

/// A replica and what it has been asked.
struct Scene {
    address: SocketAddr,
    asked: Arc<AtomicU64>,
    /// Requests to `/slow` wait for a permit.
    gate: Arc<Semaphore>,
    server: JoinHandle<io::Result<()>>,
}

#[derive(Clone)]
struct Shared {
    asked: Arc<AtomicU64>,
    gate: Arc<Semaphore>,
}

async fn replica(name: &'static str) -> Scene {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    replica_at(listener, name)
}

fn replica_at(listener: TcpListener, name: &'static str) -> Scene {
    let address = listener.local_addr().unwrap();
    let shared = Shared { asked: Arc::default(), gate: Arc::new(Semaphore::new(0)) };
    let Shared { asked, gate } = shared.clone();
    let slow = |AxumState(shared): AxumState<Shared>| async move {
        shared.asked.fetch_add(1, Ordering::SeqCst);
        shared.gate.acquire().await.unwrap().forget();
        "slow"
    };
    let router = Router::new()
        .route(
            "/",
            get(move |AxumState(shared): AxumState<Shared>| async move {
                shared.asked.fetch_add(1, Ordering::SeqCst);
                name
            }),
        )
        .route("/slow", get(slow).post(slow))
        .route("/readyz", get(|| async { "ready" }))
        .route(
            "/echo",
            post(|headers: HeaderMap, body: Bytes| async move {
                let host = headers.get("host").cloned();
                let host = host.unwrap_or(HeaderValue::from_static("none"));
                (StatusCode::CREATED, [("x-host", host)], AxumBody::from(body))
            }),
        )
        .with_state(shared);
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    Scene { address, asked, gate, server }
}

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

async fn relay(policy: Policy, replicas: &[SocketAddr]) -> (Arc<Connections>, Arc<Rotation>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let rotation = Arc::new(Rotation::new(policy, replicas));
    tokio::spawn(serve(listener, Arc::clone(&rotation)));
    (Arc::new(Connections::new(address)), rotation)
}

async fn ask(relay: &Connections, method: Method, path: &str, body: &'static str) -> Answer {
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().unwrap();
    relay.send(request).await.unwrap()
}

async fn get_home(relay: &Connections) -> (StatusCode, String) {
    let answer = ask(relay, Method::GET, "/", "").await;
    (answer.status, String::from_utf8(answer.body.to_vec()).unwrap())
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let looked = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), looked).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test]
async fn requests_of_one_connection_go_to_all_replicas_in_turn() {
    let (a, b) = (replica("a").await, replica("b").await);
    let (relay, rotation) = relay(Policy::RoundRobin, &[a.address, b.address]).await;
    let mut seen = String::new();
    for _ in 0..6 {
        // One after the other, so the visitor has one connection only.
        seen += &get_home(&relay).await.1;
    }
    assert_eq!(seen, "ababab");
    let stats = rotation.stats();
    assert_eq!(stats.replicas.iter().map(|replica| replica.answered).collect::<Vec<_>>(), [3, 3]);
    assert_eq!((stats.retried, stats.refused), (0, 0));
}

#[tokio::test]
async fn who_is_busy_gets_less_where_that_is_the_policy() {
    let (a, b) = (replica("a").await, replica("b").await);
    let (relay, rotation) = relay(Policy::LeastOutstanding, &[a.address, b.address]).await;
    let busy = Arc::clone(&relay);
    let slow = tokio::spawn(async move { ask(&busy, Method::GET, "/slow", "").await });
    eventually("somebody has it", || a.asked.load(Ordering::SeqCst) == 1).await;
    for _ in 0..4 {
        assert_eq!(get_home(&relay).await.1, "b");
    }
    assert_eq!(rotation.stats().replicas[0].outstanding, 1);
    a.gate.add_permits(1);
    assert_eq!(slow.await.unwrap().body, "slow");
    eventually("it is over", || rotation.stats().replicas[0].outstanding == 0).await;
}

#[tokio::test]
async fn everything_of_a_request_and_its_answer_gets_through() {
    let a = replica("a").await;
    let (relay, _) = relay(Policy::RoundRobin, &[a.address]).await;
    let answer = ask(&relay, Method::POST, "/echo", "a body").await;
    assert_eq!((answer.status, answer.body.as_ref()), (StatusCode::CREATED, b"a body".as_slice()));
    // The name that the visitor asked for, which an app compares with `Origin`.
    let asked_for = relay.send(Request::new(Body::default())).await.unwrap();
    assert_eq!(asked_for.status, StatusCode::OK);
    assert_ne!(answer.headers["x-host"], a.address.to_string());
    assert!(answer.headers.contains_key("date"));
    assert_eq!(ask(&relay, Method::GET, "/nowhere", "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_replica_that_refuses_is_out_until_it_is_ready() {
    let (a, gone) = (replica("a").await, nobody().await);
    let (relay, rotation) = relay(Policy::RoundRobin, &[gone, a.address]).await;
    for _ in 0..4 {
        assert_eq!(get_home(&relay).await, (StatusCode::OK, "a".to_owned()));
    }
    let stats = rotation.stats();
    assert_eq!((stats.replicas[0].state, stats.replicas[0].failed), (State::Out, 1));
    assert_eq!((stats.retried, stats.refused), (1, 0));

    let _back = replica_at(TcpListener::bind(gone).await.unwrap(), "back");
    eventually("it is in again", || rotation.stats().replicas[0].state == State::In).await;
    let seen = [get_home(&relay).await.1, get_home(&relay).await.1];
    assert!(seen.contains(&"back".to_owned()), "{seen:?}");
}

/// Accepts one connection, reads the request, and closes it without an answer.
async fn dies_on_request() -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let life = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
    });
    (address, life)
}

#[tokio::test]
async fn what_only_reads_is_asked_again_elsewhere_and_what_writes_is_not() {
    let a = replica("a").await;
    let (dies, _life) = dies_on_request().await;
    let (relay_1, rotation) = relay(Policy::RoundRobin, &[dies, a.address]).await;
    assert_eq!(get_home(&relay_1).await, (StatusCode::OK, "a".to_owned()));
    assert_eq!(rotation.stats().retried, 1);

    let (dies, _life) = dies_on_request().await;
    let (relay_2, rotation) = relay(Policy::RoundRobin, &[dies, a.address]).await;
    let answer = ask(&relay_2, Method::POST, "/echo", "once").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_eq!((rotation.stats().retried, rotation.stats().refused), (0, 1));
}

#[tokio::test]
async fn a_write_that_never_left_is_sent_to_another_replica() {
    let a = replica("a").await;
    let (relay, _) = relay(Policy::RoundRobin, &[nobody().await, a.address]).await;
    let answer = ask(&relay, Method::POST, "/echo", "once").await;
    assert_eq!((answer.status, answer.body.as_ref()), (StatusCode::CREATED, b"once".as_slice()));
}

#[tokio::test]
async fn without_a_replica_the_relay_answers_itself() {
    let (relay, rotation) = relay(Policy::RoundRobin, &[]).await;
    let (status, text) = get_home(&relay).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text, "relay: no replica takes requests\n");
    assert_eq!(rotation.stats().refused, 1);
}

#[tokio::test]
async fn who_is_removed_finishes_what_it_has_and_gets_nothing_more() {
    let (a, b) = (replica("a").await, replica("b").await);
    let (relay, rotation) = relay(Policy::RoundRobin, &[a.address]).await;
    let busy = Arc::clone(&relay);
    let slow = tokio::spawn(async move { ask(&busy, Method::GET, "/slow", "").await });
    eventually("it has it", || a.asked.load(Ordering::SeqCst) == 1).await;

    follow(&rotation, &format!("add {}", b.address)).await.unwrap();
    let (left, mut has_left) = oneshot::channel();
    let leaving = Arc::clone(&rotation);
    tokio::spawn(async move { left.send(leaving.remove(a.address).await.is_ok()) });
    eventually("it is out of the rotation", || rotation.stats().replicas.len() == 1).await;
    for _ in 0..3 {
        assert_eq!(get_home(&relay).await.1, "b");
    }
    assert!(has_left.try_recv().is_err(), "one request is still there");
    a.gate.add_permits(1);
    assert_eq!(slow.await.unwrap().body, "slow");
    assert!(has_left.await.unwrap());
    assert_eq!(a.asked.load(Ordering::SeqCst), 1);
}

/// A server that stops closes its idle connections; whoever comes next must not notice.
#[tokio::test]
async fn connections_that_a_replica_closed_meanwhile_cost_nobody_a_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Answers one request on each connection and closes it without saying so.
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 1024];
                if stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                    stream.write_all(answer).await.unwrap();
                }
            });
        }
    });
    let (relay, rotation) = relay(Policy::RoundRobin, &[address]).await;
    for _ in 0..50 {
        assert_eq!(get_home(&relay).await, (StatusCode::OK, "ok".to_owned()));
    }
    let stats = rotation.stats();
    assert_eq!((stats.replicas[0].failed, stats.refused), (0, 0));
    assert_eq!(stats.replicas[0].state, State::In);
}

#[tokio::test]
async fn a_visitor_who_leaves_early_leaves_nothing_behind() {
    let a = replica("a").await;
    let (relay, rotation) = relay(Policy::RoundRobin, &[a.address]).await;
    let busy = Arc::clone(&relay);
    let slow = tokio::spawn(async move { ask(&busy, Method::GET, "/slow", "").await });
    eventually("it has it", || a.asked.load(Ordering::SeqCst) == 1).await;
    slow.abort();
    eventually("nobody waits any more", || rotation.stats().replicas[0].outstanding == 0).await;
    assert_eq!(get_home(&relay).await.1, "a");
    a.server.abort();
}

#[tokio::test]
async fn an_order_that_makes_no_sense_is_refused() {
    let (_, rotation) = relay(Policy::RoundRobin, &[]).await;
    for order in ["", "add", "add x", "remove 127.0.0.1:1", "statistics"] {
        assert!(follow(&rotation, order).await.is_err(), "{order}");
    }
}
