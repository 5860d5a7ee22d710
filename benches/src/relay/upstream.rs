//! One replica as the relay sees it: its connections, what is going on with it, and whether it is in
//! the rotation.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header::HOST};
use http_body_util::{Either, Empty};
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::{net::TcpStream, sync::Notify, time::timeout};

/// What is sent on: the visitor's own body, or none, which can be sent again.
pub(super) type Sent = Either<Incoming, Empty<Bytes>>;

/// How long a connection may take to be opened, and a question about readiness to be answered.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where a server says whether it can work.
const READY: &str = "/readyz";

/// Whether a replica gets requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It does.
    In,
    /// It failed, and is asked time and again whether it is ready.
    Out,
    /// It was removed: it finishes what it has.
    Leaving,
}

/// A server behind the relay.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) address: SocketAddr,
    state: Mutex<State>,
    idle: Mutex<Vec<SendRequest<Sent>>>,
    /// Requests without a whole answer.
    outstanding: AtomicUsize,
    /// Someone waits for the last of them.
    finished: Notify,
    answered: AtomicU64,
    failed: AtomicU64,
}

/// A request that has no answer.
#[derive(Debug)]
pub(super) struct Failed {
    /// The request, if it can't have reached the replica.
    pub(super) unsent: Option<Request<Sent>>,
    /// It was sent on a connection that had lain idle. The replica may have closed that at the same
    /// moment, which says nothing about its health.
    pub(super) stale: bool,
}

/// One request's hold on a replica. When it goes the request is over, however it ended.
#[derive(Debug)]
struct Hold {
    replica: Arc<Replica>,
    connection: Option<SendRequest<Sent>>,
}

/// An answer's body on its way through. Its end is the end of the request.
#[derive(Debug)]
pub(super) struct Through {
    // Dropped in this order: the connection is not used again before the body has left it.
    body: Incoming,
    _hold: Hold,
}

impl Replica {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            state: Mutex::new(State::In),
            idle: Mutex::default(),
            outstanding: AtomicUsize::new(0),
            finished: Notify::new(),
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    pub(super) fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Relaxed)
    }

    pub(super) fn counts(&self) -> (u64, u64) {
        (self.answered.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }

    /// Sends a request and returns when the answer begins.
    pub(super) async fn send(
        self: &Arc<Self>,
        request: Request<Sent>,
    ) -> Result<Response<Through>, Failed> {
        self.outstanding.fetch_add(1, Ordering::Relaxed);
        let mut hold = Hold { replica: Arc::clone(self), connection: None };
        let (mut connection, stale) = match self.take_idle() {
            Some(connection) => (connection, true),
            None => match timeout(PATIENCE, self.connect()).await {
                Ok(Ok(connection)) => (connection, false),
                _ => return Err(self.failed(Some(request), false)),
            },
        };
        match connection.try_send_request(request).await {
            Ok(answer) => {
                hold.connection = Some(connection);
                self.answered.fetch_add(1, Ordering::Relaxed);
                Ok(answer.map(|body| Through { body, _hold: hold }))
            }
            Err(mut error) => Err(self.failed(error.take_message(), stale)),
        }
    }

    fn failed(&self, unsent: Option<Request<Sent>>, stale: bool) -> Failed {
        // Those that lie beside one that broke are not to be trusted, either.
        self.idle().clear();
        if !stale {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        Failed { unsent, stale }
    }

    async fn connect(&self) -> io::Result<SendRequest<Sent>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (connection, driver) = handshake.map_err(io::Error::other)?;
        // Errors of the driver reach whoever waits for the answer.
        tokio::spawn(driver);
        Ok(connection)
    }

    /// The connection used last that is free, so that a few stay warm.
    fn take_idle(&self) -> Option<SendRequest<Sent>> {
        let mut idle = self.idle();
        idle.retain(|connection| !connection.is_closed());
        let free = idle.iter().rposition(SendRequest::is_ready)?;
        Some(idle.remove(free))
    }

    fn idle(&self) -> MutexGuard<'_, Vec<SendRequest<Sent>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes it out of the rotation; says whether this call did it.
    pub(super) fn take_out(&self) -> bool {
        self.change(State::In, State::Out)
    }

    /// Asks once whether it can work, and has it back in the rotation if it says so.
    pub(super) async fn ask(&self) {
        let asked = async {
            let mut connection = self.connect().await?;
            let mut request = Request::new(Sent::Right(Empty::new()));
            *request.uri_mut() = http::Uri::from_static(READY);
            let host = self.address.to_string();
            let host = host.try_into().map_err(io::Error::other)?;
            request.headers_mut().insert(HOST, host);
            let answer = connection.send_request(request).await.map_err(io::Error::other)?;
            io::Result::Ok(answer.status() == StatusCode::OK)
        };
        if let Ok(Ok(true)) = timeout(PATIENCE, asked).await {
            self.change(State::Out, State::In);
        }
    }

    /// Has it finish what it has, and returns when that is done.
    pub(super) async fn leave(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::Leaving;
        loop {
            let finished = self.finished.notified();
            if self.outstanding() == 0 {
                break;
            }
            finished.await;
        }
        self.idle().clear();
    }

    fn change(&self, from: State, to: State) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = *state == from;
        if changes {
            *state = to;
        }
        changes
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.replica.idle().push(connection);
        }
        if self.replica.outstanding.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.replica.finished.notify_one();
        }
    }
}

impl Body for Through {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
