//! Which connection a call gets.
//!
//! Over HTTP/1.1 one call at a time goes over a connection, and takes it out of the pool for as long;
//! so there are as many as there are calls in flight. Over HTTP/2 all calls share one.
//!
//! One rule holds for both: a connection over which a call was given up, or broke, is not used for
//! later calls. The other end may have vanished without a word, and the system would go on trying to
//! reach it for many minutes. Over HTTP/2 calls that are on their way already stay there.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::Either;
use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
};

use crate::{args::HttpVersion, connections::Body};

/// For how long a connection waits for its next request. Whatever stands between two hosts forgets
/// connections that are silent for longer, and tells nobody.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Connections that wait for calls.
pub(crate) enum Pool {
    /// Of HTTP/1.1: those that are idle, in the order in which they were used last.
    Own(Mutex<VecDeque<Idle>>),
    /// Of HTTP/2: the one that is in use.
    Shared(Arc<Slot>),
}

pub(crate) struct Idle {
    connection: http1::SendRequest<Body>,
    since: Instant,
}

/// A connection on loan for one call.
pub(crate) enum Connection {
    Own(http1::SendRequest<Body>),
    Shared(Share),
}

/// The place of the connection that all calls share.
#[derive(Default)]
pub(crate) struct Slot(Mutex<State>);

#[derive(Default)]
struct State {
    /// How many there were so far, which tells one from the next.
    made: u64,
    current: Option<Current>,
}

struct Current {
    connection: http2::SendRequest<Body>,
    number: u64,
    used: Instant,
}

/// One call's part in the shared connection. If this goes without having been kept, the call was given
/// up or the connection broke.
pub(crate) struct Share {
    connection: http2::SendRequest<Body>,
    number: u64,
    slot: Arc<Slot>,
    kept: bool,
}

impl Pool {
    /// An empty one.
    pub(crate) fn new(version: HttpVersion) -> Self {
        match version {
            HttpVersion::One => Self::Own(Mutex::default()),
            HttpVersion::Two => Self::Shared(Arc::default()),
        }
    }

    /// A connection that there is already, if it still can be used.
    pub(crate) async fn kept(&self) -> Option<Connection> {
        match self {
            Self::Own(idle) => {
                while let Some(mut connection) = take(idle) {
                    if connection.ready().await.is_ok() {
                        return Some(Connection::Own(connection));
                    }
                }
                None
            }
            Self::Shared(slot) => slot.share().map(Connection::Shared),
        }
    }

    /// Gives a connection back whose call was answered.
    pub(crate) fn keep(&self, connection: Connection) {
        match (self, connection) {
            (Self::Own(idle), Connection::Own(connection)) => {
                locked(idle).push_back(Idle { connection, since: Instant::now() });
            }
            (_, Connection::Shared(mut share)) => share.kept = true,
            // There is no such connection in this pool.
            (Self::Shared(_), Connection::Own(_)) => {}
        }
    }
}

/// The idle connection that was used last, so that a few stay warm and the others run out.
fn take(idle: &Mutex<VecDeque<Idle>>) -> Option<http1::SendRequest<Body>> {
    let mut idle = locked(idle);
    while idle.front().is_some_and(|longest| longest.since.elapsed() > IDLE_TIMEOUT) {
        idle.pop_front();
    }
    idle.pop_back().map(|last| last.connection)
}

impl Connection {
    /// Sends a request. It comes back where it certainly was not sent.
    pub(crate) fn try_send(
        &mut self,
        request: Request<Body>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Body>>>> + use<> {
        match self {
            Self::Own(connection) => Either::Left(connection.try_send_request(request)),
            Self::Shared(share) => Either::Right(share.connection.try_send_request(request)),
        }
    }
}

impl Slot {
    /// Has all later calls use this connection, and the call that made it. Where two calls found none
    /// and made one each, they use the one that was there first.
    pub(crate) fn put(self: &Arc<Self>, connection: http2::SendRequest<Body>) -> Share {
        let mut state = locked(&self.0);
        if let Some(first) = state.current.as_ref().filter(|first| first.is_of_use()) {
            return self.part_of(first);
        }
        state.made += 1;
        let (number, used) = (state.made, Instant::now());
        self.part_of(state.current.insert(Current { connection, number, used }))
    }

    fn share(self: &Arc<Self>) -> Option<Share> {
        let mut state = locked(&self.0);
        let current = state.current.as_mut().filter(|current| current.is_of_use())?;
        current.used = Instant::now();
        Some(self.part_of(current))
    }

    fn part_of(self: &Arc<Self>, current: &Current) -> Share {
        let Current { connection, number, .. } = current;
        let slot = self.clone();
        Share { connection: connection.clone(), number: *number, slot, kept: false }
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
            let current = &mut locked(&self.slot.0).current;
            current.take_if(|current| current.number == self.number);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
