//! HTTP/1.1: one call at a time goes over a connection, and takes it out of the pool for as long; so
//! there are as many as there are calls in flight.
//!
//! Whoever makes a call also reads and writes. Where a connection is a task, as it is with hyper, a call
//! hands its request over through a channel and is woken through another; `docs/performance.md` has what
//! that took.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io::{self, ErrorKind},
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Instant,
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderValue, Request, StatusCode, uri::Authority};
use httparse::Status;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::{
    connections::{Answer, Destination, Fault, IDLE_TIMEOUT, MAX_ANSWER, Socket},
    message::{Body, Head, MAX_HEAD, MAX_LINES, put},
};

/// Room for what comes at once; most answers fit.
const BUFFER: usize = 16 * 1024;

/// Connections that wait for calls, in the order in which they were used last.
pub(crate) struct Pool {
    /// What every request says it is for.
    host: HeaderValue,
    idle: Mutex<VecDeque<Idle>>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

/// A connection, and what has come over it and was not looked at yet.
struct Connection {
    socket: Box<dyn Socket>,
    came: BytesMut,
}

/// What became of writing.
enum Written {
    Whole,
    /// The answer came before all was sent, as a refusal may. The rest need not be sent any more.
    Answered,
    /// Not a byte of it.
    Nothing(io::Error),
}

impl Pool {
    /// An empty one.
    pub(crate) fn to(authority: &Authority) -> Self {
        let host = HeaderValue::try_from(authority.as_str());
        let host = host.expect("an authority has only characters that a header may hold");
        Self { host, idle: Mutex::default() }
    }

    /// Sends a request and takes in the whole answer.
    pub(crate) async fn send(
        &self,
        to: &Destination,
        request: Request<Bytes>,
    ) -> Result<Answer, Fault> {
        let bytes = put(&request, &self.host);
        loop {
            let kept = self.kept();
            let is_new = kept.is_none();
            let mut connection = match kept {
                Some(connection) => connection,
                // Seldom, and large: on the heap, so that it is no part of what each call takes.
                None => Connection::over(Box::pin(to.connect()).await.map_err(Fault::Connect)?),
            };
            let is_whole = match connection.write(&bytes).await? {
                Written::Whole => true,
                Written::Answered => false,
                // One that had lain idle may end at any time; it says nothing about the next one.
                Written::Nothing(_) if !is_new => continue,
                Written::Nothing(error) => return Err(Fault::Connect(error)),
            };
            let Head { status, has_retry_after, body, is_the_last } = connection.head().await?;
            let body = match body {
                Body::Length(length) => connection.take(length).await?,
                // Our backend's answers say how long they are. Those of something between may not.
                Body::Chunked => Box::pin(connection.chunks()).await?,
                Body::UntilClosed => Box::pin(connection.rest()).await?,
            };
            if is_whole && !is_the_last && connection.came.is_empty() {
                self.keep(connection);
            }
            return Ok(Answer { status, has_retry_after, body });
        }
    }

    /// The connection that was used last, so that a few stay warm and the others run out; if there is
    /// one that still can be used.
    fn kept(&self) -> Option<Connection> {
        loop {
            let mut idle = self.idle();
            while idle.front().is_some_and(|longest| longest.since.elapsed() > IDLE_TIMEOUT) {
                idle.pop_front();
            }
            let mut last = idle.pop_back()?.connection;
            drop(idle);
            if last.is_silent() {
                return Some(last);
            }
        }
    }

    fn keep(&self, connection: Connection) {
        self.idle().push_back(Idle { connection, since: Instant::now() });
    }

    fn idle(&self) -> MutexGuard<'_, VecDeque<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ended_early() -> Fault {
    Fault::broken(io::Error::from(ErrorKind::UnexpectedEof))
}

impl Connection {
    fn over(socket: Box<dyn Socket>) -> Self {
        Self { socket, came: BytesMut::with_capacity(BUFFER) }
    }

    /// Whether nothing has come since the last answer. If something has, it is the other end's farewell.
    fn is_silent(&mut self) -> bool {
        let mut byte = [0];
        // Nobody is to be woken: this only looks.
        let mut nobody = Context::from_waker(Waker::noop());
        let came = Pin::new(&mut self.socket).poll_read(&mut nobody, &mut ReadBuf::new(&mut byte));
        came.is_pending()
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<Written, Fault> {
        let mut left = bytes;
        while !left.is_empty() {
            match poll_fn(|context| self.poll_write(context, left)).await {
                Ok(Some(0)) => return Err(Fault::broken(io::Error::from(ErrorKind::WriteZero))),
                Ok(Some(written)) => left = &left[written..],
                Ok(None) => return Ok(Written::Answered),
                Err(error) if left.len() == bytes.len() => return Ok(Written::Nothing(error)),
                Err(error) => return Err(Fault::broken(error)),
            }
        }
        Ok(Written::Whole)
    }

    /// Writes as much as it can; and if that is nothing, looks whether the answer begins (`None`).
    fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<Option<usize>>> {
        if let Poll::Ready(written) = Pin::new(&mut self.socket).poll_write(context, bytes) {
            return Poll::Ready(written.map(Some));
        }
        let mut byte = [0];
        let mut first = ReadBuf::new(&mut byte);
        ready!(Pin::new(&mut self.socket).poll_read(context, &mut first))?;
        if first.filled().is_empty() {
            return Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
        }
        self.came.extend_from_slice(first.filled());
        Poll::Ready(Ok(None))
    }

    /// The beginning of the answer.
    async fn head(&mut self) -> Result<Head, Fault> {
        loop {
            self.more().await?;
            while let Some((head, length)) = Head::of(&self.came)? {
                self.came.advance(length);
                let is_interim = head.status.is_informational()
                    && head.status != StatusCode::SWITCHING_PROTOCOLS;
                if !is_interim {
                    return Ok(head);
                }
            }
            if self.came.len() > MAX_HEAD {
                return Err(Fault::broken("a head without end"));
            }
        }
    }

    /// So many bytes.
    async fn take(&mut self, length: usize) -> Result<Bytes, Fault> {
        if length > MAX_ANSWER {
            return Err(Fault::TooLong);
        }
        if self.came.len() >= length {
            return Ok(self.came.split_to(length).freeze());
        }
        let mut body = BytesMut::with_capacity(length);
        body.extend_from_slice(&self.came.split());
        while body.len() < length {
            let missing = length - body.len();
            let came = self.socket.read_buf(&mut (&mut body).limit(missing)).await;
            if came.map_err(Fault::broken)? == 0 {
                return Err(ended_early());
            }
        }
        Ok(body.freeze())
    }

    /// All chunks (RFC 9112, section 7.1).
    async fn chunks(&mut self) -> Result<Bytes, Fault> {
        let mut body = Vec::new();
        loop {
            let size = match httparse::parse_chunk_size(&self.came) {
                Ok(Status::Complete((length, size))) => {
                    self.came.advance(length);
                    usize::try_from(size).unwrap_or(usize::MAX)
                }
                Ok(Status::Partial) if self.came.len() <= MAX_HEAD => {
                    self.more().await?;
                    continue;
                }
                _ => return Err(Fault::broken("no chunk")),
            };
            if size == 0 {
                self.trailer().await?;
                return Ok(body.into());
            }
            if size > MAX_ANSWER - body.len() {
                return Err(Fault::TooLong);
            }
            let chunk = self.take(size + 2).await?;
            let Some(chunk) = chunk.strip_suffix(b"\r\n") else {
                return Err(Fault::broken("a chunk without end"));
            };
            body.extend_from_slice(chunk);
        }
    }

    /// What may stand after the last chunk, and does not matter to us.
    async fn trailer(&mut self) -> Result<(), Fault> {
        loop {
            let mut lines = [httparse::EMPTY_HEADER; MAX_LINES];
            match httparse::parse_headers(&self.came, &mut lines).map_err(Fault::broken)? {
                Status::Complete((length, _)) => {
                    self.came.advance(length);
                    return Ok(());
                }
                Status::Partial if self.came.len() <= MAX_HEAD => self.more().await?,
                Status::Partial => return Err(Fault::broken("a trailer without end")),
            }
        }
    }

    /// All that comes until the other end hangs up.
    async fn rest(&mut self) -> Result<Bytes, Fault> {
        while self.read().await? > 0 {
            if self.came.len() > MAX_ANSWER {
                return Err(Fault::TooLong);
            }
        }
        Ok(self.came.split().freeze())
    }

    /// Waits for more to come.
    async fn more(&mut self) -> Result<(), Fault> {
        if self.read().await? == 0 { Err(ended_early()) } else { Ok(()) }
    }

    async fn read(&mut self) -> Result<usize, Fault> {
        self.came.reserve(BUFFER / 2);
        self.socket.read_buf(&mut self.came).await.map_err(Fault::broken)
    }
}

#[cfg(test)]
#[path = "http1_tests.rs"]
mod tests;
