//! The lab's own balancer: one address in front of several replicas. It decides for every request,
//! not for every connection, because visitors keep their connections open: who balances connections
//! leaves a replica that joins without work, and calls that the replica's doing.
//!
//! A replica is taken to be healthy until it fails: then it is out until `/readyz` says otherwise.
//! Replicas come and go while it runs, and one that goes finishes what it has. It adds no header and
//! changes none, so an app can't tell that it is there, and it has no time limits of its own.
//!
//! Reading order: `upstream` (one replica), `rotation` (all of them), `forward` (one request), then
//! the two ends here: [`run`] is the process `lab relay`, [`Relay`] is the lab's view of it.
//! [`haproxy`] starts a balancer that others know, to compare.

mod balancer;
mod forward;
pub mod haproxy;
mod rotation;
mod upstream;

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use clap::ValueEnum;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use nix::unistd::Pid;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    time::{sleep, timeout},
};

use self::rotation::Rotation;
pub use self::{
    balancer::{Balancer, Balancing},
    rotation::{Policy, ReplicaStats, Stats},
    upstream::State,
};
use crate::intermediary::{Intermediary, Program, answer, obey};

/// Its name in ready line, messages and results.
pub const ROLE: &str = "relay";

/// How long a replica that is removed may take to finish what it has.
const DRAIN_LIMIT: Duration = Duration::from_secs(15);

/// Flags of the hidden command `lab relay`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Where to listen; port 0 is a free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Who gets the next request.
    #[arg(long, default_value = "round-robin")]
    policy: Policy,
    /// The servers behind it.
    #[arg(value_name = "ADDR:PORT")]
    replicas: Vec<SocketAddr>,
}

/// A running relay.
#[derive(Debug)]
pub struct Relay(Intermediary);

impl Relay {
    /// Starts a relay in front of `replicas`, which are ready, on the cores of the thread that calls.
    ///
    /// # Errors
    /// One line, when it does not come up.
    pub async fn start(
        program: &Program,
        policy: Policy,
        replicas: &[SocketAddr],
    ) -> anyhow::Result<Self> {
        let policy = policy.to_possible_value().context("a policy without a name")?;
        let mut flags = vec!["--policy".to_owned(), policy.get_name().to_owned()];
        flags.extend(replicas.iter().map(SocketAddr::to_string));
        Ok(Self(Intermediary::start(program, ROLE, &flags).await?))
    }

    /// Where visitors go.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// The process, for the probe.
    pub fn pid(&self) -> Pid {
        self.0.pid
    }

    /// Adds a replica that is ready: it gets requests from now on.
    ///
    /// # Errors
    /// One line, when it is there already.
    pub async fn add(&mut self, replica: SocketAddr) -> anyhow::Result<()> {
        self.0.order(&format!("add {replica}")).await
    }

    /// Removes a replica, and returns when it has finished what it had: it may be stopped then.
    ///
    /// # Errors
    /// One line, when it is not there or does not finish.
    pub async fn remove(&mut self, replica: SocketAddr) -> anyhow::Result<()> {
        self.0.order(&format!("remove {replica}")).await
    }

    /// What it has done since it was started.
    pub async fn stats(&mut self) -> anyhow::Result<Stats> {
        self.0.order("stats").await
    }

    /// Waits for it to end by itself, which it must not do.
    pub async fn death(&mut self) -> anyhow::Error {
        self.0.death().await
    }

    /// Ends it. Requests that it still has are lost.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.0.stop().await
    }
}

/// The relay's own life: `lab relay`.
///
/// # Errors
/// One line, when it can't listen.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(args.listen).await;
        let listener = listener.with_context(|| format!("--listen {}", args.listen))?;
        let address = listener.local_addr()?;
        let rotation = Arc::new(Rotation::new(args.policy, &args.replicas));
        tokio::spawn(serve(listener, Arc::clone(&rotation)));
        obey(ROLE, address, async |order| follow(&rotation, order).await).await
    })
}

async fn follow(rotation: &Rotation, order: &str) -> anyhow::Result<serde_json::Value> {
    match order.split_once(' ') {
        None if order == "stats" => answer(rotation.stats()),
        Some(("add", replica)) => answer(rotation.add(replica.parse()?)?),
        Some(("remove", replica)) => {
            let removed = timeout(DRAIN_LIMIT, rotation.remove(replica.parse()?)).await;
            ensure!(removed.is_ok(), "it still has requests after {DRAIN_LIMIT:?}");
            answer(removed??)
        }
        _ => bail!("no such order"),
    }
}

/// Takes visitors for ever.
async fn serve(listener: TcpListener, rotation: Arc<Rotation>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(visitor(stream, Arc::clone(&rotation)));
            }
            // Mostly that there is no file descriptor left: others have to go first.
            Err(_) => sleep(Duration::from_millis(1)).await,
        }
    }
}

async fn visitor(stream: TcpStream, rotation: Arc<Rotation>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let service = service_fn(|request| {
        let rotation = Arc::clone(&rotation);
        async { Ok::<_, Infallible>(forward::forward(rotation, request).await) }
    });
    let connection = http1::Builder::new()
        // An answer has the date that its server gave it.
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service);
    connection.await.map_err(io::Error::other)
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
