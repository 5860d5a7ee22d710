//! The lab's other processes as processes: they say where they listen, follow orders, and end with
//! the lab.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{net::SocketAddr, process::Command, time::Duration};

use axum::{Router, routing::get};
use http::{Request, StatusCode};
use lab::{
    intermediary::Program,
    link::Link,
    load::{Body, Connections},
    probe,
    relay::{
        Policy, Relay,
        haproxy::{self, HaProxy},
    },
};
use tokio::net::TcpListener;

fn program() -> Program {
    let lab = env!("CARGO_BIN_EXE_lab").into();
    Program { lab, mark: ("CONDUIT_LAB_TEST", "intermediaries".to_owned()) }
}

async fn server(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let home = get(move || async move { name });
    let router = Router::new().route("/", home).route("/readyz", get(|| async { "ready" }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn ask(server: &Connections) -> String {
    let answer = server.send(Request::new(Body::default())).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    String::from_utf8(answer.body.to_vec()).unwrap()
}

#[tokio::test]
async fn a_relay_takes_replicas_while_it_runs_and_its_cpu_is_its_own() {
    let (a, b) = (server("a").await, server("b").await);
    let mut relay = Relay::start(&program(), Policy::RoundRobin, &[a]).await.unwrap();
    let visitor = Connections::new(relay.address());
    assert_eq!(ask(&visitor).await, "a");
    relay.add(b).await.unwrap();
    let mut seen = [ask(&visitor).await, ask(&visitor).await];
    seen.sort_unstable();
    assert_eq!(seen, ["a", "b"]);
    relay.remove(a).await.unwrap();
    assert_eq!(ask(&visitor).await, "b");

    let error = relay.remove(a).await.unwrap_err().to_string();
    assert!(error.contains("is not there") && !error.contains('\n'), "{error}");
    let stats = relay.stats().await.unwrap();
    assert_eq!((stats.replicas.len(), stats.refused), (1, 0));
    assert!(probe::resident_mib(relay.pid()).unwrap() > 0.0);
    relay.stop().await.unwrap();
}

#[tokio::test]
async fn a_link_delays_what_goes_over_it_and_says_by_how_much() {
    let mut link = Link::start(&program(), server("far").await, 1.0).await.unwrap();
    let visitor = Connections::new(link.address());
    for _ in 0..20 {
        assert_eq!(ask(&visitor).await, "far");
    }
    let achieved = link.achieved().await.unwrap();
    assert!(achieved.there.chunks >= 20 && achieved.back.chunks >= 20, "{achieved:?}");
    assert!(achieved.median_ms() >= 1.0, "{achieved:?}");

    link.set_rtt_ms(5.0).await.unwrap();
    assert_eq!(ask(&visitor).await, "far");
    let achieved = link.achieved().await.unwrap();
    assert!((achieved.rtt_ms - 5.0).abs() < 1e-6 && achieved.median_ms() >= 5.0, "{achieved:?}");
    let error = link.set_rtt_ms(-1.0).await.unwrap_err().to_string();
    assert!(error.contains("0 to 1000 ms"), "{error}");
    link.stop().await.unwrap();
}

#[tokio::test]
async fn haproxy_does_what_the_relay_does() {
    if let Err(error) = haproxy::installed() {
        // Not among what everything is required of: it is there by flag, where it is installed.
        println!("ignored: needs HAProxy: {error}");
        return;
    }
    let (a, b) = (server("a").await, server("b").await);
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = unused.local_addr().unwrap();
    drop(unused);
    let dir = tempfile::tempdir().unwrap();
    let replicas = [nobody, a, b];
    let haproxy = HaProxy::start(&program(), Policy::RoundRobin, &replicas, dir.path()).await;
    let haproxy = haproxy.unwrap();
    let visitor = Connections::new(haproxy.address);
    let mut seen = Vec::new();
    for _ in 0..12 {
        seen.push(ask(&visitor).await);
    }
    assert!(seen.contains(&"a".to_owned()) && seen.contains(&"b".to_owned()), "{seen:?}");
    haproxy.stop().await.unwrap();
}

#[tokio::test]
async fn who_can_not_listen_says_why_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flags in [vec!["relay"], vec!["link", "--to", "127.0.0.1:1"]] {
        let lab = env!("CARGO_BIN_EXE_lab");
        let output = Command::new(lab).args(flags).args(["--listen", &address]).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && output.stdout.is_empty());
        assert!(text.contains(&format!("--listen {address}")), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

#[tokio::test]
async fn an_intermediary_ends_with_whoever_started_it() {
    let relay = Relay::start(&program(), Policy::RoundRobin, &[]).await.unwrap();
    let pid = relay.pid();
    // Its stdin is closed, as it is when a lab is killed.
    drop(relay);
    let gone = async {
        while probe::state(pid).is_some_and(|state| state != 'Z') {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
}
