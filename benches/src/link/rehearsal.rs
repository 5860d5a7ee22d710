//! A link with nothing but an echo at its other end, to see what it does on this machine.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::{Args, achieved::Achieved, delay::Line, start};

/// What is sent: as long as a small request.
const MESSAGE: [u8; 200] = [b'x'; 200];

/// Exchanges before the first that counts: until the link has learnt how late its timers are.
const WARM_UP: usize = 100;

/// What echoes took, as seen by who sent them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// Half of them took less, milliseconds.
    pub p50_ms: f64,
    /// One in a hundred took longer.
    pub p99_ms: f64,
    /// What the link says of itself, where there was one.
    pub achieved: Option<Achieved>,
}

/// Times `exchanges` exchanges of a small message, one after the other, with an echo in this process;
/// over a link of this round-trip time, or without one.
///
/// # Errors
/// When there is no port or no file descriptor left.
pub async fn rehearse(rtt_ms: Option<f64>, exchanges: usize) -> anyhow::Result<Rehearsal> {
    let (echo, echoing) = echo().await?;
    let (address, line) = match rtt_ms {
        None => (echo, None),
        Some(rtt_ms) => {
            let rtt_ms = Duration::from_secs_f64(rtt_ms / 1e3);
            let line = Arc::new(Line::new(rtt_ms));
            let args = Args { listen: ([127, 0, 0, 1], 0).into(), to: echo, rtt_ms };
            // Its thread waits for connections as long as this process lives, and costs nothing.
            let (address, _failure) = start(args, Arc::clone(&line)).await?;
            (address, Some(line))
        }
    };
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut times = Vec::with_capacity(exchanges);
    for number in 0..WARM_UP + exchanges {
        if number == WARM_UP {
            line.as_ref().map(|line| line.take());
        }
        let start = Instant::now();
        stream.write_all(&MESSAGE).await?;
        stream.read_exact(&mut [0; MESSAGE.len()]).await?;
        if number >= WARM_UP {
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    echoing.abort();
    times.sort_by(f64::total_cmp);
    let quantile = |q: f64| times.get((times.len() as f64 * q) as usize).copied();
    Ok(Rehearsal {
        p50_ms: quantile(0.5).unwrap_or_default(),
        p99_ms: quantile(0.99).unwrap_or_default(),
        achieved: line.map(|line| line.take()),
    })
}

/// Sends back whatever comes, on every connection.
pub(super) async fn echo() -> std::io::Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let echoing = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                stream.set_nodelay(true)?;
                let (mut from, mut to) = stream.into_split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    Ok((address, echoing))
}
