//! HTTP/2: all calls share one connection.
//!
//! Where a call is given up, or the connection breaks, later calls make another one. Those that are on
//! their way already stay there.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use http::{
    Request, Response, Uri,
    header::RETRY_AFTER,
    uri::{Authority, Scheme},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::connections::{Answer, Destination, Fault, IDLE_TIMEOUT, MAX_ANSWER};

/// The place of the connection.
pub(crate) struct Slot {
    /// What every request says it is for: HTTP/2 has it in the address.
    authority: Authority,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// How many there were so far, which tells one from the next.
    made: u64,
    current: Option<Current>,
}

struct Current {
    connection: SendRequest<Full<Bytes>>,
    number: u64,
    used: Instant,
}

/// One call's part in the connection. If this goes without having been kept, the call was given up or
/// the connection broke.
struct Share {
    connection: SendRequest<Full<Bytes>>,
    number: u64,
    state: Arc<Mutex<State>>,
    kept: bool,
}

impl Slot {
    /// An empty one.
    pub(crate) fn to(authority: Authority) -> Self {
        Self { authority, state: Arc::default() }
    }

    /// Sends a request and takes in the whole answer.
    pub(crate) async fn send(
        &self,
        to: &Destination,
        request: Request<Bytes>,
    ) -> Result<Answer, Fault> {
        let mut request = request.map(Full::new);
        let address = self.address(std::mem::take(request.uri_mut()));
        *request.uri_mut() = address.map_err(|error| Fault::Connect(io::Error::other(error)))?;
        loop {
            let kept = self.share();
            let is_new = kept.is_none();
            let mut share = match kept {
                Some(share) => share,
                None => self.connect(to).await.map_err(Fault::Connect)?,
            };
            let mut error = match share.connection.try_send_request(request).await {
                Ok(answer) => {
                    let answer = whole(answer).await?;
                    share.kept = true;
                    return Ok(answer);
                }
                Err(error) => error,
            };
            // If the backend hung up before a byte was sent, the request comes back. A connection
            // that had lain idle may end like that at any time; it says nothing about the next one.
            request = match error.take_message() {
                None => return Err(Fault::broken(error.into_error())),
                Some(_) if is_new => {
                    return Err(Fault::Connect(io::Error::other(error.into_error())));
                }
                Some(unsent) => unsent,
            };
        }
    }

    fn address(&self, path: Uri) -> Result<Uri, http::uri::InvalidUriParts> {
        let mut parts = path.into_parts();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(self.authority.clone());
        Uri::from_parts(parts)
    }

    /// What goes wrong with a connection later is told to all who wait for an answer; so nobody looks
    /// what its driver ends with.
    async fn connect(&self, to: &Destination) -> io::Result<Share> {
        let stream = TokioIo::new(to.connect().await?);
        let handshake = http2::handshake(TokioExecutor::new(), stream);
        let (sender, driver) = handshake.await.map_err(io::Error::other)?;
        tokio::spawn(driver);
        Ok(self.put(sender))
    }

    /// Has all later calls use this connection, and the call that made it. Where two calls found none
    /// and made one each, they use the one that was there first.
    fn put(&self, connection: SendRequest<Full<Bytes>>) -> Share {
        let mut state = locked(&self.state);
        if let Some(first) = state.current.as_ref().filter(|first| first.is_of_use()) {
            return self.part_of(first);
        }
        state.made += 1;
        let (number, used) = (state.made, Instant::now());
        self.part_of(state.current.insert(Current { connection, number, used }))
    }

    /// A part in the connection that there is already, if it still can be used.
    fn share(&self) -> Option<Share> {
        let mut state = locked(&self.state);
        let current = state.current.as_mut().filter(|current| current.is_of_use())?;
        current.used = Instant::now();
        Some(self.part_of(current))
    }

    fn part_of(&self, current: &Current) -> Share {
        let Current { connection, number, .. } = current;
        let state = self.state.clone();
        Share { connection: connection.clone(), number: *number, state, kept: false }
    }
}

impl Current {
    fn is_of_use(&self) -> bool {
        !self.connection.is_closed() && self.used.elapsed() <= IDLE_TIMEOUT
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if !self.kept {
            let current = &mut locked(&self.state).current;
            current.take_if(|current| current.number == self.number);
        }
    }
}

async fn whole(answer: Response<Incoming>) -> Result<Answer, Fault> {
    let (head, body) = answer.into_parts();
    match Limited::new(body, MAX_ANSWER).collect().await {
        Ok(body) => Ok(Answer {
            status: head.status,
            has_retry_after: head.headers.contains_key(RETRY_AFTER),
            body: body.to_bytes(),
        }),
        Err(error) => Err(match error.downcast::<hyper::Error>() {
            Ok(broken) => Fault::Broken(broken),
            Err(_limit) => Fault::TooLong,
        }),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
