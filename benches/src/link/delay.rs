//! Bytes on their way: read, held for half the round trip, written, in order.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
};

use super::achieved::{Achieved, Held};
use crate::load::Timer;

/// The most that is read at once.
const CHUNK: usize = 16 * 1024;

/// How many chunks may be on their way in one direction of one connection: with 5 ms, more than
/// 1 GB/s. Who sends more has to wait, as on a real link with full buffers.
const IN_FLIGHT: usize = 1024;

/// By how much a timer is set earlier or later after each chunk, nanoseconds.
const STEP: u64 = 1_000;

/// A timer is set earlier by no more than this, nanoseconds, however late it fires.
const LONGEST_LEAD: u64 = 200_000;

/// A link's delay and what came of it. Shared by all its connections and whoever asks.
#[derive(Debug)]
pub(super) struct Line {
    /// One way, nanoseconds.
    one_way: AtomicU64,
    there: Way,
    back: Way,
}

/// One direction.
#[derive(Debug)]
struct Way {
    held: Held,
    /// By how much earlier timers are set than a chunk is due, nanoseconds.
    lead: AtomicU64,
}

/// Some bytes that have been read.
struct Chunk {
    /// When they were read.
    read: Instant,
    /// For how long they are to be held.
    wanted: Duration,
    /// None: who sent them has said that there are no more.
    bytes: Option<Bytes>,
}

impl Line {
    pub(super) fn new(rtt: Duration) -> Self {
        let way = || Way { held: Held::new(), lead: AtomicU64::new(0) };
        let line = Self { one_way: AtomicU64::new(0), there: way(), back: way() };
        line.set_rtt(rtt);
        line
    }

    /// From now on. What is on its way already keeps its delay.
    pub(super) fn set_rtt(&self, rtt: Duration) {
        let one_way = u64::try_from(rtt.as_nanos() / 2).unwrap_or(u64::MAX);
        self.one_way.store(one_way, Ordering::Relaxed);
    }

    fn one_way(&self) -> Duration {
        Duration::from_nanos(self.one_way.load(Ordering::Relaxed))
    }

    /// What was achieved since this was last called.
    pub(super) fn take(&self) -> Achieved {
        Achieved {
            rtt_ms: (self.one_way() * 2).as_secs_f64() * 1e3,
            there: self.there.held.take(),
            back: self.back.held.take(),
        }
    }
}

impl Way {
    /// When to set the timer for a chunk.
    ///
    /// A timer fires when the thread gets the core, tens of microseconds after it was set for, and then
    /// the chunk still has to be written: on a link of 0.2 ms that would be a half more than was
    /// asked for. So the timer is set earlier, by as much as makes half of the chunks early and half
    /// of them late. Waiting for the exact moment in a loop would take the core from everybody else.
    fn aim(&self, chunk: &Chunk) -> Instant {
        let lead = Duration::from_nanos(self.lead.load(Ordering::Relaxed));
        chunk.read + chunk.wanted.saturating_sub(lead)
    }

    /// A chunk has been written.
    fn done(&self, chunk: &Chunk) {
        let held = chunk.read.elapsed();
        self.held.record(held);
        let lead = self.lead.load(Ordering::Relaxed);
        // One step, however far off it was: what comes of that is the median, which a single chunk
        // that was held up does not move.
        let lead = match held.cmp(&chunk.wanted) {
            std::cmp::Ordering::Greater => (lead + STEP).min(LONGEST_LEAD),
            _ => lead.saturating_sub(STEP),
        };
        self.lead.store(lead, Ordering::Relaxed);
    }
}

/// Accepts connections for ever, each with one of its own to `server`.
pub(super) async fn serve(
    listener: TcpListener,
    server: SocketAddr,
    line: Arc<Line>,
) -> io::Result<()> {
    loop {
        let (client, _) = listener.accept().await?;
        let line = Arc::clone(&line);
        // A connection that breaks breaks on both sides, which is all that anybody has to know.
        tokio::spawn(async move { connection(client, server, &line).await });
    }
}

async fn connection(client: TcpStream, server: SocketAddr, line: &Line) -> io::Result<()> {
    // On a link of this length a connection would not have been open before one round trip.
    let opened = Instant::now() + 2 * line.one_way();
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::try_join!(
        carry(from_client, to_server, line, &line.there, opened),
        carry(from_server, to_client, line, &line.back, opened),
    )?;
    Ok(())
}

/// One direction of one connection.
async fn carry(
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    line: &Line,
    way: &Way,
    opened: Instant,
) -> io::Result<()> {
    let (sender, receiver) = mpsc::channel(IN_FLIGHT);
    tokio::try_join!(read(from, sender, line, opened), write(to, receiver, way))?;
    Ok(())
}

async fn read(
    mut from: OwnedReadHalf,
    to: mpsc::Sender<Chunk>,
    line: &Line,
    opened: Instant,
) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(CHUNK);
        let length = from.read_buf(&mut buffer).await?;
        let read = Instant::now().max(opened);
        let bytes = (length > 0).then(|| buffer.split().freeze());
        let chunk = Chunk { read, wanted: line.one_way(), bytes };
        // Nobody writes any more, so nobody has to read.
        if to.send(chunk).await.is_err() || length == 0 {
            return Ok(());
        }
    }
}

async fn write(
    mut to: OwnedWriteHalf,
    mut from: mpsc::Receiver<Chunk>,
    way: &Way,
) -> io::Result<()> {
    let timer = Timer::new()?;
    while let Some(chunk) = from.recv().await {
        timer.wait_until(way.aim(&chunk)).await?;
        match &chunk.bytes {
            Some(bytes) => {
                to.write_all(bytes).await?;
                way.done(&chunk);
            }
            None => to.shutdown().await?,
        }
    }
    Ok(())
}
