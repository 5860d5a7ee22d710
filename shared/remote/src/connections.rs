//! Connections to the backend: how they are made, and how a request goes over one.
//!
//! What a library's client has on top (proxies, redirects, cookies, a stack of layers with a copy of
//! the request in each) is no part of a hop between two servers of one app, but was a sixth of its
//! cost; `docs/performance.md` has the figures.

use std::{io, path::PathBuf, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, Uri,
    header::HOST,
    uri::{Authority, Scheme},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use crate::{
    args::{Address, HttpVersion},
    pool::{Connection, Pool},
};

/// What is sent as a request's body.
pub(crate) type Body = Full<Bytes>;

/// Less than the second after which TCP repeats a connection attempt that got lost: a second
/// attempt of ours comes sooner.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

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
    name: Name,
    pool: Pool,
}

/// What a connection is made to.
enum Destination {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

/// The server that a request is for. HTTP/1.1 has it in a header, HTTP/2 in the address.
enum Name {
    Header(HeaderValue),
    Address(Authority),
}

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
        let name = match version {
            HttpVersion::One => {
                let name = HeaderValue::try_from(authority.as_str());
                Name::Header(name.expect("an authority has only characters that a header may hold"))
            }
            HttpVersion::Two => Name::Address(authority),
        };
        Self { to, name, pool: Pool::new(version) }
    }

    /// Sends a request, whose URI is a path, and takes in the whole answer. Who gives up waiting,
    /// by dropping this, closes the connection for all later calls.
    pub(crate) fn send(
        &self,
        mut request: Request<Body>,
    ) -> impl Future<Output = Result<Response<Bytes>, Fault>> + Send {
        // (What an `async fn` is given it would keep twice.)
        async move {
            self.name.put_into(&mut request).map_err(Fault::Connect)?;
            loop {
                let kept = self.pool.kept().await;
                let is_new = kept.is_none();
                let mut connection = match kept {
                    Some(connection) => connection,
                    // Seldom, and large: on the heap, so that it is no part of what each call takes.
                    None => Box::pin(self.connect()).await.map_err(Fault::Connect)?,
                };
                let mut error = match connection.try_send(request).await {
                    Ok(answer) => {
                        let answer = whole(answer).await?;
                        self.pool.keep(connection);
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
    }

    async fn connect(&self) -> io::Result<Connection> {
        match &self.to {
            Destination::Tcp { host, port } => {
                let connecting = TcpStream::connect((host.as_str(), *port));
                let stream = timeout(CONNECT_TIMEOUT, connecting).await??;
                // A short request must not wait for an acknowledgement of the one before.
                stream.set_nodelay(true)?;
                self.speak(stream).await
            }
            Destination::Unix(path) => {
                self.speak(timeout(CONNECT_TIMEOUT, UnixStream::connect(path)).await??).await
            }
        }
    }

    /// What goes wrong with a connection later is told to whoever waits for an answer; so nobody looks
    /// what its driver ends with.
    async fn speak(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> io::Result<Connection> {
        let stream = TokioIo::new(stream);
        match &self.pool {
            Pool::Own(_) => {
                let (sender, driver) = http1::handshake(stream).await.map_err(io::Error::other)?;
                tokio::spawn(driver);
                Ok(Connection::Own(sender))
            }
            Pool::Shared(slot) => {
                let handshake = http2::handshake(TokioExecutor::new(), stream);
                let (sender, driver) = handshake.await.map_err(io::Error::other)?;
                tokio::spawn(driver);
                Ok(Connection::Shared(slot.put(sender)))
            }
        }
    }
}

impl Name {
    fn put_into(&self, request: &mut Request<Body>) -> io::Result<()> {
        match self {
            Self::Header(name) => _ = request.headers_mut().insert(HOST, name.clone()),
            Self::Address(authority) => {
                let mut parts = std::mem::take(request.uri_mut()).into_parts();
                parts.scheme = Some(Scheme::HTTP);
                parts.authority = Some(authority.clone());
                *request.uri_mut() = Uri::from_parts(parts).map_err(io::Error::other)?;
            }
        }
        Ok(())
    }
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
