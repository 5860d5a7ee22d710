//! Connections to the backend: kept, used again, and as many as there are calls in flight.
//!
//! One call at a time goes over a connection, as HTTP/1.1 has it, and takes it out of the pool for
//! as long. What a library's client has on top (proxies, redirects, cookies, a stack of layers with
//! a copy of the request in each) is no part of a hop between two servers of one app, but was a
//! sixth of its cost; `docs/performance.md` has the figures.

use std::{
    collections::VecDeque,
    io,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::HOST};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use crate::args::Address;

/// What is sent as a request's body.
pub(crate) type Body = Full<Bytes>;

/// Less than the second after which TCP repeats a connection attempt that got lost: a second
/// attempt of ours comes sooner.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// For how long a connection waits for its next request. Whatever stands between two hosts forgets
/// connections that are silent for longer, and tells nobody.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest answer that is taken in: a confused backend must not fill our memory.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the budget was spent before the call was sent")]
    TooLate,
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error("no answer within the budget")]
    TimedOut,
    #[error("the connection broke: {0:?}")]
    Broken(hyper::Error),
    #[error("the answer is longer than {MAX_ANSWER} bytes")]
    TooLong,
}

/// Connections to one backend.
pub(crate) struct Connections {
    to: Destination,
    /// What every request says it is for.
    name: HeaderValue,
    /// In the order in which they were used last.
    idle: Mutex<VecDeque<Idle>>,
}

/// What a connection is made to.
enum Destination {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

struct Idle {
    connection: SendRequest<Body>,
    since: Instant,
}

impl Connections {
    /// No connections yet.
    pub(crate) fn new(backend: Address) -> Self {
        let (to, name) = match backend {
            Address::Tcp(authority) => {
                let name = HeaderValue::try_from(authority.as_str());
                let name = name.expect("an authority has only characters that a header may hold");
                // An IPv6 address stands in brackets there, and only there.
                let host = authority.host().trim_matches(['[', ']']).to_owned();
                (Destination::Tcp { host, port: authority.port_u16().unwrap_or(80) }, name)
            }
            // HTTP wants a name; a file has none that could stand there.
            Address::Unix(path) => (Destination::Unix(path), HeaderValue::from_static("localhost")),
        };
        Self { to, name, idle: Mutex::default() }
    }

    /// Sends a request, whose URI is a path, and takes in the whole answer. Who gives up waiting,
    /// by dropping this, closes the connection.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Result<Response<Bytes>, Fault> {
        request.headers_mut().insert(HOST, self.name.clone());
        loop {
            let kept = self.kept().await;
            let is_new = kept.is_none();
            let mut connection = match kept {
                Some(connection) => connection,
                None => self.connect().await.map_err(Fault::Connect)?,
            };
            let mut error = match connection.try_send_request(request).await {
                Ok(answer) => {
                    let answer = whole(answer).await?;
                    self.keep(connection);
                    return Ok(answer);
                }
                Err(error) => error,
            };
            // If the backend hung up before a byte was sent, the request comes back. A connection
            // that had lain idle may end like that at any time; it says nothing about the next one.
            request = match error.take_message() {
                None => return Err(Fault::Broken(error.into_error())),
                Some(_) if is_new => {
                    return Err(Fault::Connect(io::Error::other(error.into_error())));
                }
                Some(unsent) => unsent,
            };
        }
    }

    /// The idle connection that was used last, so that a few stay warm and the others run out.
    async fn kept(&self) -> Option<SendRequest<Body>> {
        while let Some(mut connection) = self.take() {
            if connection.ready().await.is_ok() {
                return Some(connection);
            }
        }
        None
    }

    fn take(&self) -> Option<SendRequest<Body>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while idle.front().is_some_and(|longest| longest.since.elapsed() > IDLE_TIMEOUT) {
            idle.pop_front();
        }
        idle.pop_back().map(|last| last.connection)
    }

    fn keep(&self, connection: SendRequest<Body>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push_back(Idle { connection, since: Instant::now() });
    }

    async fn connect(&self) -> io::Result<SendRequest<Body>> {
        match &self.to {
            Destination::Tcp { host, port } => {
                let connecting = TcpStream::connect((host.as_str(), *port));
                let stream = timeout(CONNECT_TIMEOUT, connecting).await??;
                // A short request must not wait for an acknowledgement of the one before.
                stream.set_nodelay(true)?;
                speak(stream).await
            }
            Destination::Unix(path) => {
                speak(timeout(CONNECT_TIMEOUT, UnixStream::connect(path)).await??).await
            }
        }
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> io::Result<SendRequest<Body>> {
    let (connection, driver) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // What goes wrong with it is told to whoever waits for an answer.
    tokio::spawn(driver);
    Ok(connection)
}

async fn whole(answer: Response<Incoming>) -> Result<Response<Bytes>, Fault> {
    let (head, body) = answer.into_parts();
    match Limited::new(body, MAX_ANSWER).collect().await {
        Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
        Err(error) => Err(match error.downcast() {
            Ok(broken) => Fault::Broken(*broken),
            Err(_limit) => Fault::TooLong,
        }),
    }
}
