//! The link inside this process, with an echo at its other end.

use std::time::Instant;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use super::*;

/// A link to an echo. The thread that carries the bytes ends with the test's process.
async fn linked(rtt_ms: f64) -> (SocketAddr, Arc<Line>) {
    let rtt_ms = Duration::from_secs_f64(rtt_ms / 1e3);
    let line = Arc::new(Line::new(rtt_ms));
    let args = Args {
        listen: "127.0.0.1:0".parse().unwrap(),
        to: rehearsal::echo().await.unwrap().0,
        rtt_ms,
    };
    let (address, _failure) = start(args, Arc::clone(&line)).await.unwrap();
    (address, line)
}

async fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// How long one exchange takes, half of many times.
async fn median_ms(stream: &mut TcpStream) -> f64 {
    let mut times = Vec::new();
    for _ in 0..51 {
        let start = Instant::now();
        stream.write_all(b"ping").await.unwrap();
        stream.read_exact(&mut [0; 4]).await.unwrap();
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

#[tokio::test]
async fn an_echo_takes_one_round_trip_longer_and_the_link_knows_it() {
    let (address, line) = linked(1.0).await;
    let mut stream = connect(address).await;
    let median = median_ms(&mut stream).await;
    // How much more depends on what else the machine does.
    assert!(median >= 1.0, "never less than was asked for: {median} ms");

    let achieved = line.take();
    assert_eq!((achieved.there.chunks, achieved.back.chunks), (51, 51));
    assert!((achieved.rtt_ms - 1.0).abs() < 1e-6);
    assert!(achieved.there.p50_ms >= 0.5 && achieved.back.p50_ms >= 0.5, "{achieved:?}");
    assert_eq!(line.take().there.chunks, 0);
}

#[tokio::test]
async fn the_delay_can_be_changed_while_a_connection_is_open() {
    let (address, line) = linked(0.0).await;
    let mut stream = connect(address).await;
    let without = median_ms(&mut stream).await;
    line.set_rtt(Duration::from_millis(5));
    let with = median_ms(&mut stream).await;
    assert!(with >= 5.0 && with > without, "{without} ms, then {with} ms");
}

#[tokio::test]
async fn a_new_connection_waits_for_its_handshake() {
    let (address, _line) = linked(20.0).await;
    let start = Instant::now();
    let mut stream = connect(address).await;
    stream.write_all(b"ping").await.unwrap();
    stream.read_exact(&mut [0; 4]).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(40), "{:?}", start.elapsed());
}

/// Many connections at once, each with more than fits into a chunk, and the end of each is passed on.
#[tokio::test]
async fn every_byte_arrives_in_order_on_every_connection_and_then_the_end() {
    let (address, _line) = linked(0.2).await;
    let mut clients = JoinSet::new();
    for client in 0..32_u32 {
        clients.spawn(async move {
            let sent: Vec<u8> =
                (0..60_000_u32).map(|i| (i.wrapping_mul(31) + client) as u8).collect();
            let (mut from, mut to) = connect(address).await.into_split();
            let bytes = sent.clone();
            let writing = tokio::spawn(async move {
                for part in bytes.chunks(7_001) {
                    to.write_all(part).await.unwrap();
                }
                to.shutdown().await.unwrap();
            });
            let mut received = Vec::new();
            from.read_to_end(&mut received).await.unwrap();
            writing.await.unwrap();
            received == sent
        });
    }
    assert!(clients.join_all().await.into_iter().all(|same| same));
}

#[tokio::test]
async fn without_a_server_a_connection_ends_and_the_link_goes_on() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = unused.local_addr().unwrap();
    drop(unused);
    let line = Arc::new(Line::new(Duration::ZERO));
    let args = Args { listen: "127.0.0.1:0".parse().unwrap(), to, rtt_ms: Duration::ZERO };
    let (address, _failure) = start(args, line).await.unwrap();
    for _ in 0..2 {
        let mut stream = connect(address).await;
        assert!(matches!(stream.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    }
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = taken.local_addr().unwrap();
    let line = Arc::new(Line::new(Duration::ZERO));
    let args = Args { listen, to: listen, rtt_ms: Duration::ZERO };
    let error = format!("{:#}", start(args, line).await.unwrap_err());
    assert!(error.starts_with(&format!("--listen {listen}: ")) && !error.contains('\n'), "{error}");
}

#[test]
fn a_round_trip_is_milliseconds() {
    assert_eq!(parse_rtt("0.2").unwrap(), Duration::from_micros(200));
    for text in ["-1", "NaN", "1001", "1ms"] {
        parse_rtt(text).unwrap_err();
    }
}
