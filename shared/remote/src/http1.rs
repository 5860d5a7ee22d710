//! HTTP/1.1: one call at a time goes over a connection, and takes it out of the pool for as long; so
//! there are as many as there are calls in flight.
//!
//! The protocol is a library's that does no input or output (`ureq-proto`): it says what to send, and
//! what it has to be given of what comes. Reading and writing is done by whoever makes the call. Where a
//! connection is a task, as it is with hyper, a call hands its request over through a channel and is
//! woken through another; `docs/performance.md` has what that took.

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
use http::{
    HeaderValue, Request, Response, Version,
    header::{CONNECTION, CONTENT_LENGTH, HOST},
    uri::Authority,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use ureq_proto::{
    BodyMode,
    client::{
        Call, RecvBodyResult, RecvResponseResult, SendRequestResult,
        state::{RecvBody, RecvResponse},
    },
};

use crate::connections::{Destination, Fault, IDLE_TIMEOUT, MAX_ANSWER, Socket};

/// Room for what comes at once; most answers fit.
const BUFFER: usize = 16 * 1024;

/// The longest head of an answer.
const MAX_HEAD: usize = 64 * 1024;

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

/// A request as it is sent, and what is to be known of it in order to understand the answer.
struct Question {
    bytes: Vec<u8>,
    call: Call<RecvResponse>,
}

/// How the body of an answer ends.
enum Body {
    /// After so many bytes; and whether another request may follow.
    Exactly {
        length: u64,
        may_go_on: bool,
    },
    UntilItEnds(Box<Call<RecvBody>>),
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
    ) -> Result<Response<Bytes>, Fault> {
        let Question { bytes, mut call } = Question::new(request, self.host.clone())
            .map_err(|error| Fault::Connect(io::Error::other(error)))?;
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
            let head = connection.head(&mut call).await?;
            let (body, may_go_on) = match Body::of(&head, call) {
                Body::Exactly { length, may_go_on } => (connection.take(length).await?, may_go_on),
                // Our backend's answers say how long they are. Those of something between may not.
                Body::UntilItEnds(call) => Box::pin(connection.rest(*call)).await?,
            };
            if may_go_on && is_whole && connection.came.is_empty() {
                self.keep(connection);
            }
            return Ok(head.map(|()| body));
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

impl Question {
    fn new(request: Request<Bytes>, host: HeaderValue) -> Result<Self, ureq_proto::Error> {
        let (mut head, body) = request.into_parts();
        head.headers.insert(HOST, host);
        if !body.is_empty() || !head.method.is_safe() {
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        // Its lines, and what stands between their parts.
        let lines = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
        let room = 64 + head.uri.path_and_query().map_or(0, |target| target.as_str().len());
        let mut bytes = vec![0; room + lines.sum::<usize>()];

        let mut call = Call::new(Request::from_parts(head, ()))?.proceed();
        let written = call.write(&mut bytes)?;
        bytes.truncate(written);
        let call = match call.proceed()? {
            Some(SendRequestResult::RecvResponse(call)) => Some(call),
            Some(SendRequestResult::SendBody(mut call)) => {
                bytes.extend_from_slice(&body);
                call.consume_direct_write(body.len())?;
                call.proceed()
            }
            // It is asked for by a header that we don't send.
            Some(SendRequestResult::Await100(_)) | None => None,
        };
        Ok(Self { bytes, call: call.ok_or(ureq_proto::Error::OutputOverflow)? })
    }
}

impl Body {
    fn of(head: &Response<()>, call: Call<RecvResponse>) -> Self {
        match call.proceed() {
            Some(RecvResponseResult::RecvBody(call)) => match call.body_mode() {
                BodyMode::LengthDelimited(length) => {
                    Self::Exactly { length, may_go_on: !is_the_last(head) }
                }
                _ => Self::UntilItEnds(Box::new(call)),
            },
            Some(RecvResponseResult::Cleanup(call)) => {
                Self::Exactly { length: 0, may_go_on: !call.must_close_connection() }
            }
            // The contract has no redirections.
            Some(RecvResponseResult::Redirect(_)) | None => {
                Self::Exactly { length: 0, may_go_on: false }
            }
        }
    }
}

/// Whether the other end hangs up after this answer (RFC 9112, section 9.3).
fn is_the_last(head: &Response<()>) -> bool {
    let closes = |value: &HeaderValue| {
        let names = value.to_str().unwrap_or("close").split(',');
        names.into_iter().any(|name| name.trim().eq_ignore_ascii_case("close"))
    };
    head.version() != Version::HTTP_11 || head.headers().get_all(CONNECTION).iter().any(closes)
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
    async fn head(&mut self, call: &mut Call<RecvResponse>) -> Result<Response<()>, Fault> {
        loop {
            if !self.more().await? {
                return Err(ended_early());
            }
            loop {
                let (used, head) = call.try_response(&self.came, false).map_err(Fault::broken)?;
                self.came.advance(used);
                match head {
                    Some(head) => return Ok(head),
                    // What was used was an answer before the answer, such as `100 Continue`.
                    None if used > 0 && !self.came.is_empty() => {}
                    None => break,
                }
            }
            if self.came.len() > MAX_HEAD {
                return Err(Fault::broken("a head without end"));
            }
        }
    }

    /// So many bytes.
    async fn take(&mut self, length: u64) -> Result<Bytes, Fault> {
        let length = usize::try_from(length).ok().filter(|length| *length <= MAX_ANSWER);
        let length = length.ok_or(Fault::TooLong)?;
        if self.came.len() >= length {
            return Ok(self.came.split_to(length).freeze());
        }
        let mut body = BytesMut::with_capacity(length);
        body.extend_from_slice(&self.came.split());
        while body.len() < length {
            let missing = length - body.len();
            let came = self.socket.read_buf(&mut (&mut body).limit(missing)).await;
            let came = came.map_err(Fault::broken)?;
            if came == 0 {
                return Err(ended_early());
            }
        }
        Ok(body.freeze())
    }

    /// What ends with a chunk that says so, or with the connection; and whether another request may follow.
    async fn rest(&mut self, mut call: Call<RecvBody>) -> Result<(Bytes, bool), Fault> {
        let ends_with_connection = call.body_mode() == BodyMode::CloseDelimited;
        let mut body = Vec::new();
        loop {
            // What is in it is never longer than what it came in.
            let before = body.len();
            body.resize(before + self.came.len(), 0);
            let (used, read) = call.read(&self.came, &mut body[before..]).map_err(Fault::broken)?;
            body.truncate(before + read);
            self.came.advance(used);
            if body.len() > MAX_ANSWER {
                return Err(Fault::TooLong);
            }
            if call.can_proceed() && !ends_with_connection {
                break;
            }
            if used == 0 && !self.more().await? {
                if ends_with_connection {
                    break;
                }
                return Err(ended_early());
            }
        }
        let may_go_on = match call.proceed() {
            Some(RecvBodyResult::Cleanup(call)) => !call.must_close_connection(),
            Some(RecvBodyResult::Redirect(_)) | None => false,
        };
        Ok((body.into(), may_go_on))
    }

    /// Waits for more to come; `false` if nothing will.
    async fn more(&mut self) -> Result<bool, Fault> {
        self.came.reserve(BUFFER / 2);
        let came = self.socket.read_buf(&mut self.came).await;
        came.map(|length| length > 0).map_err(Fault::broken)
    }
}

#[cfg(test)]
#[path = "http1_tests.rs"]
mod tests;
