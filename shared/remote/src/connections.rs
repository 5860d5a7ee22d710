//! Connections to the backend: how they are made, and why there may be no answer over one.
//!
//! What a library's client has on top (proxies, redirects, cookies, a stack of layers with a copy of
//! the request in each) is no part of a hop between two servers of one app, but was a sixth of its
//! cost; `docs/performance.md` has the figures.

use std::{error::Error, io, path::PathBuf, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode, uri::Authority};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use crate::{
    args::{Address, HttpVersion},
    http1, http2,
};

/// Less than the second after which TCP repeats a connection attempt that got lost: a second
/// attempt of ours comes sooner.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// For how long a connection waits for its next request. Whatever stands between two hosts forgets
/// connections that are silent for longer, and tells nobody.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest answer that is taken in: a confused backend must not fill our memory.
pub(crate) const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// What the port's client has to know of an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// Whether it says when to come back.
    pub(crate) has_retry_after: bool,
    pub(crate) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the budget was spent before the call was sent")]
    TooLate,
    /// Nothing was sent.
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error("no answer within the budget")]
    TimedOut,
    /// The request may have arrived.
    #[error("the connection broke: {0}")]
    Broken(Box<dyn Error + Send + Sync>),
    #[error("the answer is longer than {MAX_ANSWER} bytes")]
    TooLong,
}

impl Fault {
    pub(crate) fn broken(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Broken(error.into())
    }
}

/// Connections to one backend.
///
/// One rule holds for both versions: a connection over which a call was given up, or broke, is not
/// used for later calls. The other end may have vanished without a word, and the system would go on
/// trying to reach it for many minutes.
pub(crate) struct Connections {
    to: Destination,
    by: Version,
}

/// What a connection is made to.
pub(crate) enum Destination {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

enum Version {
    One(http1::Pool),
    Two(http2::Slot),
}

/// A connection of either kind.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

impl Connections {
    /// No connections yet.
    pub(crate) fn new(backend: Address, version: HttpVersion) -> Self {
        let (to, authority) = match backend {
            Address::Tcp(authority) => {
                // An IPv6 address stands in brackets there, and only there.
                let host = authority.host().trim_matches(['[', ']']).to_owned();
                let port = authority.port_u16().unwrap_or(80);
                (Destination::Tcp { host, port }, authority)
            }
            // HTTP wants a name; a file has none that could stand there.
            Address::Unix(path) => (Destination::Unix(path), Authority::from_static("localhost")),
        };
        let by = match version {
            HttpVersion::One => Version::One(http1::Pool::to(&authority)),
            HttpVersion::Two => Version::Two(http2::Slot::to(authority)),
        };
        Self { to, by }
    }

    /// Sends a request, whose URI is a path, and takes in the whole answer. Who gives up waiting,
    /// by dropping this, closes the connection for all later calls.
    pub(crate) async fn send(&self, request: Request<Bytes>) -> Result<Answer, Fault> {
        match &self.by {
            Version::One(pool) => pool.send(&self.to, request).await,
            // On the heap, so that what seldom is used takes no place in every call.
            Version::Two(slot) => Box::pin(slot.send(&self.to, request)).await,
        }
    }
}

impl Destination {
    /// Opens a connection.
    pub(crate) async fn connect(&self) -> io::Result<Box<dyn Socket>> {
        match self {
            Self::Tcp { host, port } => {
                let connecting = TcpStream::connect((host.as_str(), *port));
                let stream = timeout(CONNECT_TIMEOUT, connecting).await??;
                // A short request must not wait for an acknowledgement of the one before.
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Self::Unix(path) => {
                Ok(Box::new(timeout(CONNECT_TIMEOUT, UnixStream::connect(path)).await??))
            }
        }
    }
}
