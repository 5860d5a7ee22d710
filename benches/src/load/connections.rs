//! Connections to one server: kept alive, reused, and as many as there are requests in flight.
//!
//! A limit here would make visitors wait for each other inside the generator, which turns open
//! load into closed load behind everybody's back.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header::HOST};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::tally::Ending;

/// What is sent as a request's body.
pub type Body = Full<Bytes>;

/// Idle connections to one server.
#[derive(Debug)]
pub struct Connections {
    address: SocketAddr,
    host: HeaderValue,
    idle: Mutex<Vec<SendRequest<Body>>>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, whole.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Trouble {
    /// No connection could be opened.
    Connect(io::Error),
    /// The connection broke, or what came was no HTTP.
    Exchange(hyper::Error),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "cannot connect: {error}"),
            Self::Exchange(error) => write!(f, "connection broke: {error}"),
        }
    }
}

impl std::error::Error for Trouble {}

impl From<Trouble> for Ending {
    /// A server that refuses or resets is at fault itself; no port or no file descriptor left for
    /// the request is the generator's fault.
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Connect(error) => match error.kind() {
                ErrorKind::ConnectionRefused
                | ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::TimedOut => Self::Wrong(format!("connect: {}", error.kind())),
                _ => Self::Unsent(format!("generator: {error}")),
            },
            Trouble::Exchange(error) if error.is_parse() => Self::Wrong("not HTTP".to_owned()),
            Trouble::Exchange(_) => Self::Wrong("connection broke".to_owned()),
        }
    }
}

impl Connections {
    /// No connections yet.
    pub fn new(address: SocketAddr) -> Self {
        let host = HeaderValue::try_from(address.to_string());
        let host = host.expect("an address consists of characters that a header may hold");
        Self { address, host, idle: Mutex::default() }
    }

    /// Sends `request` (its URI is a path) and reads the answer to its end. Costs one connection
    /// while it lasts.
    pub async fn send(&self, mut request: Request<Body>) -> Result<Answer, Trouble> {
        request.headers_mut().insert(HOST, self.host.clone());
        let mut connection = self.connection().await?;
        let answer = connection.send_request(request).await.map_err(Trouble::Exchange)?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(Trouble::Exchange)?.to_bytes();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    /// The connection used last, so that a few stay warm; a new one if all are busy.
    async fn connection(&self) -> Result<SendRequest<Body>, Trouble> {
        while let Some(mut connection) = self.take_idle() {
            // A server that closed it while it lay idle shows here, before anything is sent.
            if connection.ready().await.is_ok() {
                return Ok(connection);
            }
        }
        let stream = TcpStream::connect(self.address).await.map_err(Trouble::Connect)?;
        stream.set_nodelay(true).map_err(Trouble::Connect)?;
        let (mut connection, driver) =
            http1::handshake(TokioIo::new(stream)).await.map_err(Trouble::Exchange)?;
        // Errors of the driver reach whoever waits for the answer.
        tokio::spawn(driver);
        connection.ready().await.map_err(Trouble::Exchange)?;
        Ok(connection)
    }

    #[cfg(test)]
    pub(super) fn idle_count(&self) -> usize {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn take_idle(&self) -> Option<SendRequest<Body>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}
