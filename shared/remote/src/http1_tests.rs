//! A connection whose other end a test holds in its hand: any way in which an answer may be put, and
//! may come, and what becomes of the connection.

use std::sync::Arc;

use http::{Method, StatusCode};
use proptest::prelude::*;
use tokio::{
    io::{AsyncWriteExt, DuplexStream, duplex},
    runtime::Runtime,
    task::yield_now,
};

use super::*;

/// Nobody is there: who asks for a new connection gets none.
fn nowhere() -> Destination {
    Destination::Unix("/nowhere/at/all".into())
}

/// A pool with one connection, and the other end of that. So much can be on the way at once.
fn pool(on_the_way: usize) -> (Arc<Pool>, DuplexStream) {
    let pool = Pool::to(&Authority::from_static("backend.test:8080"));
    let theirs = add(&pool, on_the_way);
    (Arc::new(pool), theirs)
}

fn add(pool: &Pool, on_the_way: usize) -> DuplexStream {
    let (ours, theirs) = duplex(on_the_way);
    pool.keep(Connection::over(Box::new(ours)));
    theirs
}

fn get() -> Request<Bytes> {
    Request::get("/api/tags").body(Bytes::new()).unwrap()
}

async fn read_head(theirs: &mut DuplexStream) -> String {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        seen.push(theirs.read_u8().await.unwrap());
    }
    String::from_utf8(seen).unwrap()
}

/// Has a request answered with these bytes, piece by piece, and says how that came out and whether the
/// connection may be used again.
async fn answered(
    request: Request<Bytes>,
    pieces: &[&[u8]],
    hang_up: bool,
) -> (Result<Answer, Fault>, bool) {
    let (pool, mut theirs) = pool(64 * 1024);
    let to = nowhere();
    let backend = async {
        read_head(&mut theirs).await;
        for piece in pieces {
            // Who does not like the beginning may have hung up.
            let _ = theirs.write_all(piece).await;
            yield_now().await;
        }
        (!hang_up).then_some(theirs)
    };
    let (answer, _theirs) = tokio::join!(pool.send(&to, request), backend);
    let is_kept = !pool.idle().is_empty();
    (answer, is_kept)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Framing {
    Length,
    Chunked,
    UntilClosed,
}

/// An answer as a backend may put it.
fn put(framing: Framing, body: &[u8], chunk: usize) -> Vec<u8> {
    let mut answer = b"HTTP/1.1 200 OK\r\nx-odd:\r\n".to_vec();
    match framing {
        Framing::Length => {
            answer.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
            answer.extend(body);
        }
        Framing::Chunked => {
            answer.extend(b"transfer-encoding: chunked\r\n\r\n");
            for chunk in body.chunks(chunk) {
                answer.extend(format!("{:X}\r\n", chunk.len()).bytes());
                answer.extend(chunk);
                answer.extend(b"\r\n");
            }
            answer.extend(b"0\r\n\r\n");
        }
        Framing::UntilClosed => {
            answer.extend(b"\r\n");
            answer.extend(body);
        }
    }
    answer
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn an_answer_is_the_same_however_it_is_put_and_wherever_it_is_cut(
        framing in prop::sample::select(vec![Framing::Length, Framing::Chunked, Framing::UntilClosed]),
        body in prop::collection::vec(any::<u8>(), 0..20_000),
        chunk in 1_usize..5_000,
        mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        interim in any::<bool>(),
    ) {
        let mut answer = Vec::new();
        if interim {
            answer.extend(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
        }
        answer.extend(put(framing, &body, chunk));
        let mut ends: Vec<usize> = cuts.drain(..).map(|cut| cut.index(answer.len())).collect();
        ends.extend([0, answer.len()]);
        ends.sort_unstable();
        let pieces: Vec<&[u8]> = ends.windows(2).map(|pair| &answer[pair[0]..pair[1]]).collect();

        let closes = framing == Framing::UntilClosed;
        let (came, is_kept) = Runtime::new().unwrap().block_on(answered(get(), &pieces, closes));
        let came = came.unwrap();
        prop_assert_eq!(came.status, StatusCode::OK);
        prop_assert!(came.body == body, "{} bytes instead of {}", came.body.len(), body.len());
        prop_assert_eq!(is_kept, !closes);
    }
}

#[tokio::test]
async fn a_connection_is_kept_only_if_the_next_answer_can_only_be_the_next_one() {
    for (answer, may_be_kept) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", true),
        ("HTTP/1.1 204 No Content\r\n\r\n", true),
        ("HTTP/1.1 404 Not Found\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", false),
        ("HTTP/1.1 200 OK\r\nConnection: x, Close\r\ncontent-length: 2\r\n\r\nok", false),
        (
            "HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            false,
        ),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n0;a=b\r\nx-sum: 1\r\n\r\n", true),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 9\r\n\r\n0\r\n\r\n",
            false,
        ),
        ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", false),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n", false),
        ("HTTP/1.1 204 No Content\r\n\r\nok", false),
        ("HTTP/1.1 301 Moved Permanently\r\nlocation: /\r\ncontent-length: 2\r\n\r\nok", true),
        ("HTTP/1.1 304 Not Modified\r\nlocation: /\r\n\r\n", true),
        ("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", false),
    ] {
        let (came, is_kept) = answered(get(), &[answer.as_bytes()], false).await;
        assert!(came.is_ok(), "{answer}: {came:?}");
        assert_eq!(is_kept, may_be_kept, "{answer}");
    }
}

#[tokio::test]
async fn what_is_no_whole_answer_is_none() {
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(70_000));
    for answer in [
        "",
        "HTTP/1.1 2",
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\nok\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-sum: 1\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        &endless,
    ] {
        let (came, is_kept) = answered(get(), &[answer.as_bytes()], true).await;
        let start = &answer[..answer.len().min(80)];
        assert!(matches!(came, Err(Fault::Broken(_))), "{start}: {came:?}");
        assert!(!is_kept, "{start}");
    }
}

#[tokio::test]
async fn an_answer_may_be_too_long() {
    let said = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", MAX_ANSWER + 1);
    let (came, is_kept) = answered(get(), &[said.as_bytes()], false).await;
    assert!(matches!(came, Err(Fault::TooLong)) && !is_kept, "{came:?}");

    let part = vec![b'x'; 32 * 1024];
    let mut pieces = vec![&b"HTTP/1.1 200 OK\r\n\r\n"[..]];
    pieces.resize(2 + MAX_ANSWER / part.len(), &part);
    let (came, is_kept) = answered(get(), &pieces, true).await;
    assert!(matches!(came, Err(Fault::TooLong)) && !is_kept, "{came:?}");
}

#[tokio::test]
async fn a_request_says_whom_it_is_for_and_how_long_it_is() {
    for (method, body, length) in [
        (Method::GET, "", None),
        (Method::DELETE, "", Some("0")),
        (Method::POST, "", Some("0")),
        (Method::POST, "{}", Some("2")),
        (Method::PUT, "größe", Some("7")),
    ] {
        let (pool, mut theirs) = pool(1024);
        let request = Request::builder().method(&method).uri("/api/x?y=%20z").header("x-a", "b c");
        let request = request.body(Bytes::from_static(body.as_bytes())).unwrap();
        let to = nowhere();
        let backend = async {
            let head = read_head(&mut theirs).await;
            let mut came = vec![0; body.len()];
            theirs.read_exact(&mut came).await.unwrap();
            theirs.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            (head, came)
        };
        let (answer, (head, came)) = tokio::join!(pool.send(&to, request), backend);
        assert_eq!(answer.unwrap().status, StatusCode::NO_CONTENT);
        assert_eq!(came, body.as_bytes());
        assert!(head.starts_with(&format!("{method} /api/x?y=%20z HTTP/1.1\r\n")), "{head}");
        assert_eq!(head.matches("host: backend.test:8080\r\n").count(), 1, "{head}");
        assert!(head.contains("x-a: b c\r\n"), "{head}");
        let said = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        assert_eq!(said, length, "{head}");
        assert!(!head.contains("transfer-encoding"), "{head}");
    }
}

#[tokio::test]
async fn a_refusal_may_come_before_the_request_is_there() {
    // Far less than the request can be on the way, and nobody reads it to its end.
    let (pool, mut theirs) = pool(1024);
    let request = Request::post("/api/articles").body(Bytes::from(vec![b'x'; 100_000])).unwrap();
    let to = nowhere();
    let backend = async {
        read_head(&mut theirs).await;
        let refusal = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 4\r\n\r\nlong";
        theirs.write_all(refusal).await.unwrap();
        theirs
    };
    let (answer, _theirs) = tokio::join!(pool.send(&to, request), backend);
    let answer = answer.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::PAYLOAD_TOO_LARGE, &b"long"[..]));
    assert!(pool.idle().is_empty(), "half a request stands in that connection");
}

#[tokio::test]
async fn connections_that_ended_while_they_lay_idle_are_passed_over() {
    let (pool, mut good) = pool(1024);
    drop(add(&pool, 1024));
    let mut farewell = add(&pool, 1024);
    farewell.write_all(b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n").await.unwrap();
    let to = nowhere();
    let backend = async {
        read_head(&mut good).await;
        good.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    };
    let (answer, ()) = tokio::join!(pool.send(&to, get()), backend);
    assert_eq!(answer.unwrap().status, StatusCode::NO_CONTENT);
    assert_eq!(pool.idle().len(), 1);
}

#[tokio::test]
async fn where_nobody_is_nothing_was_sent() {
    let (pool, theirs) = pool(1024);
    drop(theirs);
    assert!(matches!(pool.send(&nowhere(), get()).await, Err(Fault::Connect(_))));
}
