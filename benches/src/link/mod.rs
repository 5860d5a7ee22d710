//! A link of a stated length between frontend and backend. Between two processes of one machine there
//! is none, and the kernel's own means to add one (netem) are missing on many. So bytes go through a
//! relay that holds them for half of the round-trip time in each direction, and measures for how long
//! it really did.
//!
//! It delays; it loses and reorders nothing, and its bandwidth is that of the machine. New
//! connections take a round trip before their first byte gets through, as a handshake does.
//!
//! Reading order: `delay` (the bytes), `achieved` (what is measured), then the two ends here:
//! [`run`] is the process `lab link`, [`Link`] is the lab's view of it.

mod achieved;
mod delay;
mod rehearsal;

use std::{net::SocketAddr, sync::Arc, thread, time::Duration};

use anyhow::{Context, bail, ensure};
use nix::unistd::Pid;
use tokio::{net::TcpListener, runtime, sync::oneshot};

use self::delay::Line;
pub use self::{
    achieved::{Achieved, Direction},
    rehearsal::{Rehearsal, rehearse},
};
use crate::{
    intermediary::{Intermediary, Program, answer, obey},
    load::punctual,
};

/// The lengths that are measured, milliseconds. With the first, the relay is there and adds nothing.
pub const RTTS_MS: [f64; 4] = [0.0, 0.2, 1.0, 5.0];

/// Its name in ready line, messages and results.
pub const ROLE: &str = "link";

/// Flags of the hidden command `lab link`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Args {
    /// Where to listen; port 0 is a free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The server at the other end.
    #[arg(long, value_name = "ADDR:PORT")]
    to: SocketAddr,
    /// What to add to the way there and back, milliseconds.
    #[arg(long, value_name = "MS", default_value = "0", value_parser = parse_rtt)]
    rtt_ms: Duration,
}

/// A running link.
#[derive(Debug)]
pub struct Link(Intermediary);

impl Link {
    /// Starts a link to `server`, on the cores of the thread that calls.
    ///
    /// # Errors
    /// One line, when it does not come up.
    pub async fn start(program: &Program, server: SocketAddr, rtt_ms: f64) -> anyhow::Result<Self> {
        let flags = ["--to", &server.to_string(), "--rtt-ms", &rtt_ms.to_string()];
        Ok(Self(Intermediary::start(program, ROLE, &flags.map(str::to_owned)).await?))
    }

    /// Where it listens: the server's address, as far as the other side is concerned.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// The process, for the probe.
    pub fn pid(&self) -> Pid {
        self.0.pid
    }

    /// From now on adds this much, also on connections that are open.
    pub async fn set_rtt_ms(&mut self, rtt_ms: f64) -> anyhow::Result<()> {
        self.0.order(&format!("rtt {rtt_ms}")).await
    }

    /// What it has added since this was last called: call it at both ends of a slice.
    pub async fn achieved(&mut self) -> anyhow::Result<Achieved> {
        self.0.order("achieved").await
    }

    /// Waits for it to end by itself, which it must not do.
    pub async fn death(&mut self) -> anyhow::Error {
        self.0.death().await
    }

    /// Ends it.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.0.stop().await
    }
}

/// The link's own life: `lab link`.
///
/// # Errors
/// One line, when it can't listen; the reason is not the other end, which may come later.
pub fn run(args: Args) -> anyhow::Result<()> {
    let line = Arc::new(Line::new(args.rtt_ms));
    let main = runtime::Builder::new_current_thread().enable_all().build()?;
    main.block_on(async {
        let (address, ended) = start(args, Arc::clone(&line)).await?;
        let orders = obey(ROLE, address, async |order| match order.split_once(' ') {
            None if order == "achieved" => answer(line.take()),
            Some(("rtt", ms)) => {
                line.set_rtt(parse_rtt(ms)?);
                answer(())
            }
            _ => bail!("no such order"),
        });
        tokio::select! {
            done = orders => done,
            error = ended => Err(error.context("the link's thread has ended")?),
        }
    })
}

/// Starts the thread that carries the bytes: nothing else that the process does can delay them. Gives
/// its address, and the error it may end with.
async fn start(
    args: Args,
    line: Arc<Line>,
) -> anyhow::Result<(SocketAddr, oneshot::Receiver<anyhow::Error>)> {
    let (listens, address) = oneshot::channel();
    let (fails, failure) = oneshot::channel();
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name(ROLE.to_owned()).spawn(move || {
        punctual();
        let ended = runtime.block_on(async {
            let listener = TcpListener::bind(args.listen).await;
            let listener = listener.with_context(|| format!("--listen {}", args.listen))?;
            let _ = listens.send(listener.local_addr()?);
            Ok(delay::serve(listener, args.to, line).await?)
        });
        if let Err(error) = ended {
            let _ = fails.send(error);
        }
    })?;
    match address.await {
        Ok(address) => Ok((address, failure)),
        Err(_) => Err(failure.await?),
    }
}

fn parse_rtt(text: &str) -> anyhow::Result<Duration> {
    let ms: f64 = text.parse()?;
    ensure!((0.0..=1000.0).contains(&ms), "a round trip of 0 to 1000 ms can be had");
    Ok(Duration::from_secs_f64(ms / 1e3))
}

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
