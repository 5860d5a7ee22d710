//! Over which connections calls go, by either version of HTTP: how many there are, which are used
//! again, and what becomes of a call that nobody waits for any more.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has to stop")]

mod served;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use conduit::{Caller, Conduit, Error, Outcome, Password, Registration, RequestId};
use contract::{
    dataset::{Dataset, Size},
    in_memory::InMemory,
};
use remote::{HttpVersion, Remote};
use served::{Served, remote, remote_over};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::{Barrier, mpsc},
    task::JoinSet,
    time::timeout,
};

const VERSIONS: [HttpVersion; 2] = [HttpVersion::One, HttpVersion::Two];

/// Longer than anything here takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(30);

fn caller(budget: Duration) -> Caller {
    Caller::new(None, RequestId::parse("test-8").unwrap(), budget)
}

fn port() -> InMemory {
    InMemory::new(&Dataset::new(Size { users: 5, articles: 20, ..Size::default() }, 3))
}

/// Stands before a backend and counts connections. What comes over the first `silent` ones is taken in
/// and goes nowhere, as if the other end had vanished.
struct Door {
    address: SocketAddr,
    opened: Arc<AtomicUsize>,
}

impl Door {
    async fn before(backend: SocketAddr, silent: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let opened = Arc::new(AtomicUsize::new(0));
        let counted = opened.clone();
        tokio::spawn(async move {
            loop {
                let (mut caller, _) = listener.accept().await.unwrap();
                let number = counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    if number < silent {
                        while caller.read(&mut [0; 1024]).await.is_ok_and(|n| n > 0) {}
                        return;
                    }
                    let mut backend = TcpStream::connect(backend).await.unwrap();
                    // Either end may hang up at any time.
                    let _ = copy_bidirectional(&mut caller, &mut backend).await;
                });
            }
        });
        Self { address, opened }
    }

    fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }
}

async fn tags(remote: &Remote) -> conduit::Result<Vec<String>> {
    remote.tags(&caller(PATIENCE)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_after_the_other_needs_one_connection() {
    let backend = Served::api(port()).await;
    for version in VERSIONS {
        let door = Door::before(backend.address, 0).await;
        let remote = remote_over(version, door.address);
        for _ in 0..20 {
            tags(&remote).await.unwrap();
        }
        assert_eq!(door.opened(), 1, "{version:?}");
    }
}

/// A backend that answers nobody before so many ask at once.
async fn answering_together(callers: usize) -> Served {
    let barrier = Arc::new(Barrier::new(callers));
    let wait = move || {
        let barrier = barrier.clone();
        async move {
            barrier.wait().await;
            r#"{"tags":[]}"#
        }
    };
    Served::router(Router::new().route("/readyz", get(|| async {})).fallback(wait)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_at_once_share_a_connection_over_http2_and_only_there() {
    const CALLERS: usize = 50;
    for (version, connections) in [(HttpVersion::One, CALLERS), (HttpVersion::Two, 1)] {
        let backend = answering_together(CALLERS).await;
        let door = Door::before(backend.address, 0).await;
        let remote = remote_over(version, door.address);
        // So that all of them find a connection.
        assert_eq!(remote.ready().await, Ok(()));
        let mut calls = JoinSet::new();
        for _ in 0..CALLERS {
            let remote = remote.clone();
            calls.spawn(async move { tags(&remote).await });
        }
        for answer in calls.join_all().await {
            answer.unwrap_or_else(|error| panic!("{version:?}: {error:?}"));
        }
        assert_eq!(door.opened(), connections, "{version:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_has_gone_silent_costs_one_call_and_no_more() {
    let backend = Served::api(port()).await;
    for version in VERSIONS {
        let door = Door::before(backend.address, 1).await;
        let remote = remote_over(version, door.address);
        let answer = remote.tags(&caller(Duration::from_millis(200))).await;
        assert_eq!(answer, Err(Error::Unavailable(Outcome::NotDone)), "{version:?}");
        tags(&remote).await.unwrap_or_else(|error| panic!("{version:?}: {error:?}"));
        assert_eq!(door.opened(), 2, "{version:?}");
    }
}

/// Says so when it goes.
struct Gone(mpsc::UnboundedSender<()>);

impl Drop for Gone {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_waits_for_any_more_ends_in_the_backend() {
    for version in VERSIONS {
        let (begun, mut begins) = mpsc::unbounded_channel();
        let (gone, mut ends) = mpsc::unbounded_channel();
        let never = move || {
            let (begun, gone) = (begun.clone(), gone.clone());
            async move {
                let _gone = Gone(gone);
                begun.send(()).unwrap();
                std::future::pending::<()>().await;
            }
        };
        let backend = Served::router(Router::new().fallback(never)).await;
        let remote = remote_over(version, backend.address);
        let visitor = tokio::spawn(async move { tags(&remote).await });
        timeout(PATIENCE, begins.recv()).await.expect("the call arrives").unwrap();
        visitor.abort();
        timeout(PATIENCE, ends.recv()).await.expect("the backend gives up as well").unwrap();
    }
}

/// Reads what a caller over HTTP/2 sends, until a request is complete (RFC 9113, section 4.1).
async fn read_http2_request(stream: &mut TcpStream) {
    const PREFACE: usize = 24;
    stream.read_exact(&mut [0; PREFACE]).await.unwrap();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let [a, b, c, kind, flags, ..] = head;
        let length = u32::from_be_bytes([0, a, b, c]);
        stream.read_exact(&mut vec![0; length as usize]).await.unwrap();
        // DATA or HEADERS, and nothing after it.
        if kind <= 1 && flags & 1 == 1 {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_hangs_up_on_a_request_over_http2_may_have_done_it() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = requests.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_http2_request(&mut stream).await;
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let remote = remote_over(HttpVersion::Two, address);
    assert_eq!(tags(&remote).await, Err(Error::Unavailable(Outcome::NotDone)));
    assert_eq!(requests.load(Ordering::SeqCst), 2, "a read is tried once more");
    let new = Registration {
        username: "new".into(),
        email: "new@example.com".into(),
        password: Password::new("correct horse"),
    };
    let written = remote.register(&caller(PATIENCE), new).await;
    assert_eq!(written, Err(Error::Unavailable(Outcome::Unknown)), "it may have been done");
    assert_eq!(requests.load(Ordering::SeqCst), 3, "a write is not");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_speaks_another_version_is_none() {
    // What every server answers that knows HTTP/1.1 alone.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
                    assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0, "the beginning");
                }
                let refusal = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(refusal).await.unwrap();
                while stream.read(&mut [0; 1024]).await.is_ok_and(|n| n > 0) {}
            });
        }
    });
    let not_done = Error::Unavailable(Outcome::NotDone);
    assert_eq!(tags(&remote_over(HttpVersion::Two, address)).await, Err(not_done));
    // The other way round there is an answer, which says that it is not the contract's.
    assert!(matches!(tags(&remote(address)).await, Err(Error::Internal(_))));
}
