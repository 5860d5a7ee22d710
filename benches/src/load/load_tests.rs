//! The generator against a small server in the same process.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::{Router, http::StatusCode as AxumStatus, routing::get};
use tokio::sync::{Barrier, RwLock};

use super::*;

async fn serve_router(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn target(server: SocketAddr, path: &'static str) -> Target {
    Target { server, paths: Arc::from([Uri::from_static(path)]) }
}

fn counting_router(hits: &Arc<AtomicU64>) -> Router {
    let hits = Arc::clone(hits);
    Router::new().route(
        "/",
        get(move || {
            hits.fetch_add(1, Ordering::SeqCst);
            async { "hello" }
        }),
    )
}

#[tokio::test]
async fn every_arrival_is_sent_and_counted_once() {
    let hits = Arc::new(AtomicU64::new(0));
    let server = serve_router(counting_router(&hits)).await;
    let arrivals = poisson(500.0, 1.0, 3, 1);
    let scheduled = arrivals.len() as u64;

    let generator = Generator::start().unwrap();
    let tally = generator.open(target(server, "/"), arrivals).await.unwrap();

    assert_eq!(tally.scheduled, scheduled);
    assert_eq!(tally.sent, scheduled);
    assert_eq!(tally.completed, scheduled);
    assert_eq!(hits.load(Ordering::SeqCst), scheduled);
    assert!(tally.errors.is_empty());
    assert_eq!(tally.void(), None);
}

/// Nobody is served until all have come: who waited for the first order's end would never send the second.
#[tokio::test]
async fn two_orders_are_carried_out_at_once() {
    let both = Arc::new(Barrier::new(2));
    let meet = get(move || {
        let both = Arc::clone(&both);
        async move {
            both.wait().await;
            "hello"
        }
    });
    let server = serve_router(Router::new().route("/", meet)).await;
    let generator = Generator::start().unwrap();
    let order =
        || generator.open(target(server, "/"), vec![Arrival { at: Duration::ZERO, address: 0 }]);
    let (first, second) = tokio::join!(order(), order());
    assert_eq!([first.unwrap().completed, second.unwrap().completed], [1, 1]);
}

/// Coordinated omission: one request holds up everybody for 200 ms. Those who come meanwhile wait,
/// and the wait must be in their latency although each of them is served quickly once it is let in.
#[tokio::test]
async fn a_stall_shows_in_the_latency_of_all_who_come_meanwhile() {
    const STALL: Duration = Duration::from_millis(200);
    let served = Arc::new(AtomicU64::new(0));
    let gate = Arc::new(RwLock::new(()));
    let router = Router::new().route(
        "/",
        get(move || {
            let (served, gate) = (Arc::clone(&served), Arc::clone(&gate));
            async move {
                if served.fetch_add(1, Ordering::SeqCst) == 50 {
                    let _alone = gate.write().await;
                    tokio::time::sleep(STALL).await;
                }
                let _open = gate.read().await;
                "hello"
            }
        }),
    );
    let server = serve_router(router).await;
    let generator = Generator::start().unwrap();
    let arrivals = poisson(500.0, 1.0, 4, 1);
    let tally = generator.open(target(server, "/"), arrivals).await.unwrap();

    // At 500/s some hundred visitors come during 200 ms; the first of them waits for all of it.
    assert_eq!(tally.sent, tally.scheduled, "a stall must not keep anyone from being sent");
    assert!(tally.latency.quantile_us(1.0) >= 190_000, "{}", tally.latency.quantile_us(1.0));
    assert!(tally.latency.quantile_us(0.95) >= 50_000, "{}", tally.latency.quantile_us(0.95));
    assert!(tally.latency.quantile_us(0.5) < 50_000, "{}", tally.latency.quantile_us(0.5));
}

/// The other half: when the generator itself is late, the answer's service time is short, but the
/// visitor's latency holds the delay, and so does the lag.
#[test]
fn a_late_start_counts_for_latency_and_lag_but_not_for_service() {
    let intended = Instant::now();
    let started = intended + Duration::from_millis(200);
    let ended = started + Duration::from_millis(1);
    let mut tally = Tally { scheduled: 1, ..Tally::default() };
    tally.count(intended, started, ended, Ending::Right);
    assert!((200_500..=201_500).contains(&tally.latency.quantile_us(1.0)));
    assert!((990..=1010).contains(&tally.service.quantile_us(1.0)));
    assert!((199_500..=200_500).contains(&tally.lag.quantile_us(1.0)));
}

#[tokio::test]
async fn a_refused_connection_and_a_wrong_status_are_the_servers_errors() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = unused.local_addr().unwrap();
    drop(unused);
    let generator = Generator::start().unwrap();
    let tally = generator.warm(target(nobody, "/"), 8).await.unwrap();
    assert_eq!((tally.sent, tally.completed), (8, 0));
    assert_eq!(tally.errors.values().sum::<u64>(), 8);

    let router = Router::new().route("/", get(|| async { (AxumStatus::SERVICE_UNAVAILABLE, "") }));
    let server = serve_router(router).await;
    let tally = generator.warm(target(server, "/"), 8).await.unwrap();
    assert_eq!(tally.errors.get("status 503"), Some(&8));
}

#[tokio::test]
async fn a_broken_answer_is_not_a_right_one() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                use tokio::io::{AsyncReadExt, AsyncWriteExt};
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                // Promises ten bytes and hangs up after three.
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").await;
            });
        }
    });
    let generator = Generator::start().unwrap();
    let tally = generator.warm(target(server, "/"), 4).await.unwrap();
    assert_eq!((tally.sent, tally.completed), (4, 0));
    assert_eq!(tally.errors.get("connection broke"), Some(&4));
}

#[tokio::test]
async fn connections_are_kept_for_the_next_slice() {
    let hits = Arc::new(AtomicU64::new(0));
    let server = serve_router(counting_router(&hits)).await;
    let connections = Connections::new(server);
    for _ in 0..3 {
        let mut request = Request::new(Body::default());
        *request.uri_mut() = Uri::from_static("/");
        let answer = connections.send(request).await.unwrap();
        assert_eq!(answer.body, "hello");
    }
    // Sequential requests never need a second connection.
    assert_eq!(connections.idle_count(), 1);
}
