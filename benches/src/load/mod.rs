//! Open load: requests start when the schedule says so, whether or not earlier ones have been
//! answered, and an answer's latency counts from the moment at which its request was *meant* to
//! start. A server that stalls for a second therefore shows a second in the latency of everyone who
//! would have come meanwhile; a generator that waits politely would hide it ("coordinated
//! omission").
//!
//! Reading order: `arrivals` (when and what), `timer` (waiting precisely), `connections` (the
//! HTTP side), `tally` (what is counted), then [`Generator`] here.

mod arrivals;
mod connections;
mod tally;
mod timer;

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use http::{Request, StatusCode, Uri};
use nix::sys::prctl;
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};
use tokio::{
    runtime,
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};

pub use self::{
    arrivals::{Arrival, poisson},
    connections::{Answer, Body, Connections, Trouble},
    tally::{Ending, Tally, Times, Visit},
    timer::Timer,
};

/// How long a request may take before the visitor is taken to have left.
const PATIENCE: Duration = Duration::from_secs(10);

/// More than a server of the lab has connections to its database.
pub(crate) const CROWD: usize = 16;

/// The schedule starts this much after the order for it, so that the first arrival is not late
/// already.
const HEAD_START: Duration = Duration::from_millis(2);

/// A thread of its own that sends requests: nothing else that the lab does can delay them.
#[derive(Debug)]
pub struct Generator {
    orders: mpsc::UnboundedSender<Order>,
}

/// Where requests go and what they ask for.
#[derive(Clone, Debug)]
pub struct Target {
    /// The server.
    pub server: SocketAddr,
    /// Paths to choose from.
    pub paths: Arc<[Uri]>,
}

#[derive(Debug)]
struct Order {
    target: Target,
    work: Work,
    reply: oneshot::Sender<io::Result<Tally>>,
}

#[derive(Debug)]
enum Work {
    /// Open load.
    Open(Vec<Arrival>),
    /// So many visitors in turns, each of whom waits for the answer: warming up.
    Turns { visitors: usize, requests: usize },
}

impl Generator {
    /// Starts the thread; it runs on the cores of the thread that calls.
    pub fn start() -> anyhow::Result<Self> {
        let (orders, inbox) = mpsc::unbounded_channel();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("generator".to_owned()).spawn(move || {
            punctual();
            runtime.block_on(serve(inbox));
        })?;
        Ok(Self { orders })
    }

    /// Sends every arrival at its time and returns when the last one has been answered or given
    /// up.
    pub async fn open(&self, target: Target, arrivals: Vec<Arrival>) -> anyhow::Result<Tally> {
        self.order(target, Work::Open(arrivals)).await
    }

    /// Sends `requests` requests, a few at a time, each after the answer to the one before.
    pub async fn warm(&self, target: Target, requests: usize) -> anyhow::Result<Tally> {
        self.turns(target, 4, requests).await
    }

    /// So many visitors send `requests` requests, each after the answer to the one before.
    pub async fn turns(
        &self,
        target: Target,
        visitors: usize,
        requests: usize,
    ) -> anyhow::Result<Tally> {
        self.order(target, Work::Turns { visitors, requests }).await
    }

    /// Sends so many at once that a server opens all the connections to its database that it may have.
    /// One that has more of them spreads the same requests over more threads, and takes a few percent
    /// more for each: twins are twins only when both have them all.
    pub async fn crowd(&self, target: Target) -> anyhow::Result<Tally> {
        self.turns(target, CROWD, 10 * CROWD).await
    }

    async fn order(&self, target: Target, work: Work) -> anyhow::Result<Tally> {
        let (reply, answer) = oneshot::channel();
        let gone = "the load generator's thread has ended";
        self.orders.send(Order { target, work, reply }).ok().context(gone)?;
        Ok(answer.await.context(gone)??)
    }
}

/// Makes the calling thread start its work on time, as far as the system permits; what that comes
/// to is measured as lag. Returns whether it runs in real time, which only root may decide.
///
/// Otherwise the kernel lets whoever has the core, such as a database, go on for a few milliseconds
/// before a thread that has to send a request gets its turn.
pub fn punctual() -> bool {
    // The kernel may round up waits by 50 µs, unless told to round by 1 ns.
    let _ = prctl::set_timerslack(1);
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy).is_ok()
}

/// The thread's life: orders as they come, also several at once. Connections outlive an order, so that a
/// slice starts with warm ones.
async fn serve(mut inbox: mpsc::UnboundedReceiver<Order>) {
    let mut servers: HashMap<SocketAddr, Arc<Connections>> = HashMap::new();
    while let Some(Order { target, work, reply }) = inbox.recv().await {
        let connections = servers
            .entry(target.server)
            .or_insert_with(|| Arc::new(Connections::new(target.server)));
        let session = Session {
            connections: Arc::clone(connections),
            paths: target.paths,
            tally: Arc::default(),
        };
        tokio::spawn(async move {
            let done = match work {
                Work::Open(arrivals) => session.open(&arrivals).await,
                Work::Turns { visitors, requests } => Ok(session.turns(visitors, requests).await),
            };
            // Whoever ordered may have given up meanwhile.
            let _ = reply.send(done);
        });
    }
}

/// What the requests of one order share.
#[derive(Clone, Debug)]
struct Session {
    connections: Arc<Connections>,
    paths: Arc<[Uri]>,
    tally: Arc<Mutex<Tally>>,
}

impl Session {
    async fn open(self, arrivals: &[Arrival]) -> io::Result<Tally> {
        let timer = Timer::new()?;
        let mut visitors = JoinSet::new();
        let start = Instant::now() + HEAD_START;
        for arrival in arrivals {
            let intended = start + arrival.at;
            timer.wait_until(intended).await?;
            visitors.spawn(self.clone().visit(intended, arrival.address));
        }
        visitors.join_all().await;
        Ok(Tally { began: Some(start), ..self.finish(arrivals.len()) })
    }

    async fn turns(self, visitors: usize, requests: usize) -> Tally {
        let mut tasks = JoinSet::new();
        for visitor in 0..visitors {
            let session = self.clone();
            tasks.spawn(async move {
                for number in (visitor..requests).step_by(visitors) {
                    let address = number % session.paths.len();
                    session.clone().visit(Instant::now(), address).await;
                }
            });
        }
        tasks.join_all().await;
        self.finish(requests)
    }

    /// One request, from its (late or punctual) start to the end of its answer.
    async fn visit(self, intended: Instant, address: usize) {
        let started = Instant::now();
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).under_way.begin(started);
        let mut request = Request::new(Body::default());
        *request.uri_mut() = self.paths[address].clone();
        let ending = match timeout(PATIENCE, self.connections.send(request)).await {
            Ok(Ok(answer)) if answer.status == StatusCode::OK => Ending::Right,
            Ok(Ok(answer)) => Ending::Wrong(format!("status {}", answer.status.as_u16())),
            Ok(Err(trouble)) => trouble.into(),
            Err(_elapsed) => Ending::Wrong("no answer in time".to_owned()),
        };
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.count(intended, started, Instant::now(), ending);
    }

    fn finish(self, scheduled: usize) -> Tally {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.scheduled = scheduled as u64;
        std::mem::take(&mut tally)
    }
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
