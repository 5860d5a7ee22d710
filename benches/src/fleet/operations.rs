//! What can be done to running servers: start, stop, kill, pause, park, and a rolling restart.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use nix::{
    errno::Errno,
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::time::sleep;

use super::{Launch, Server, quota::Group};
use crate::{affinity, probe, record::Layout, relay::Relay};

/// How long servers may take to come to a stop when they are frozen.
const FREEZE_LIMIT: Duration = Duration::from_secs(2);

/// Time between two questions whether they have.
const POLL: Duration = Duration::from_millis(1);

/// How a server was parked, and is to be let go again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parked {
    /// By its control group's freezer.
    Freezer,
    /// By SIGSTOP.
    Signal,
}

/// Starts a server on the servers' cores and waits until it answers. With [`Group::under`] as the
/// launch's `under`, it is in its group from its first instruction on.
///
/// # Errors
/// One line that names the server, when it does not come up.
pub async fn start(launch: Launch<'_>, layout: &Layout) -> anyhow::Result<Server> {
    let Layout { server_cores, load_cores, .. } = layout;
    let started = affinity::elsewhere(server_cores, load_cores, || launch.spawn())??;
    started.answer().await
}

/// Stops a server in order, also one that is parked.
///
/// # Errors
/// When it does not end in time (it is killed then), or with an exit code other than 0.
pub async fn stop(server: Server, group: Option<&Group>) -> anyhow::Result<()> {
    // A frozen process takes no signal at all.
    group.map_or(Ok(false), Group::thaw)?;
    server.stop().await
}

/// Kills a server as a power cut would, and waits until it is gone.
///
/// # Errors
/// When it was gone already.
pub async fn kill(mut server: Server, group: Option<&Group>) -> anyhow::Result<()> {
    signal(server.pid, Signal::SIGKILL)?;
    group.map_or(Ok(false), Group::thaw)?;
    // How it died is no news.
    let _ = server.death().await;
    Ok(())
}

/// Stops a server where it is, by a signal. Its connections stay open, and nobody is answered: a
/// process that hangs.
///
/// # Errors
/// When it is gone.
pub async fn pause(server: Pid) -> anyhow::Result<()> {
    signal(server, Signal::SIGSTOP)?;
    let stopped = || Ok(matches!(probe::state(server), Some('T' | 'Z') | None));
    until("is stopped", server, stopped).await
}

/// Lets a paused server go on.
///
/// # Errors
/// When it is gone.
pub fn resume(server: Pid) -> anyhow::Result<()> {
    signal(server, Signal::SIGCONT)
}

/// Puts a server aside, warm and without CPU, while another arm is measured: by the freezer where
/// its group has one, which it can't notice, else by a signal.
///
/// # Errors
/// When it is gone, or does not come to a stop.
pub async fn park(server: Pid, group: Option<&Group>) -> anyhow::Result<Parked> {
    if let Some(group) = group
        && group.freeze()?
    {
        until("is frozen", server, || group.is_frozen()).await?;
        return Ok(Parked::Freezer);
    }
    pause(server).await?;
    Ok(Parked::Signal)
}

/// Lets a parked server go on.
///
/// # Errors
/// When it is gone.
pub fn unpark(server: Pid, group: Option<&Group>, parked: Parked) -> anyhow::Result<()> {
    match (parked, group) {
        (Parked::Signal, _) => resume(server),
        (Parked::Freezer, Some(group)) => group.thaw().map(|_| ()),
        (Parked::Freezer, None) => bail!("who was parked by a freezer is let go by its group"),
    }
}

/// Replaces all `replicas` behind `relay`, one after the other, while visitors come: the new one is
/// started, answers, and joins; the old one gets nothing any more, finishes what it has, and is
/// stopped. `start` is given the number of the replica. So there is always one more than is needed, or
/// exactly as many, and for a while the arm has the memory of one server more.
///
/// # Errors
/// The first thing that fails. Servers that are not given back have been killed then.
pub async fn rolling_restart(
    relay: &mut Relay,
    replicas: Vec<Server>,
    mut start: impl AsyncFnMut(usize) -> anyhow::Result<Server>,
) -> anyhow::Result<Vec<Server>> {
    let mut renewed = Vec::with_capacity(replicas.len());
    for (number, old) in replicas.into_iter().enumerate() {
        let new = start(number).await?;
        relay.add(new.address).await?;
        retire(relay, old.address).await?;
        old.stop().await?;
        renewed.push(new);
    }
    Ok(renewed)
}

async fn retire(relay: &mut Relay, old: SocketAddr) -> anyhow::Result<()> {
    relay.remove(old).await.with_context(|| format!("{old} can't be replaced"))
}

fn signal(group: Pid, signal: Signal) -> anyhow::Result<()> {
    match killpg(group, signal) {
        Err(Errno::ESRCH) => bail!("process {group} is gone"),
        done => done.with_context(|| format!("cannot send {signal} to process {group}")),
    }
}

async fn until(
    what: &str,
    server: Pid,
    condition: impl Fn() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + FREEZE_LIMIT;
    while !condition()? {
        if Instant::now() > deadline {
            bail!(
                "process {server} can't be parked: {FREEZE_LIMIT:?} later it is not true that it {what}"
            );
        }
        sleep(POLL).await;
    }
    Ok(())
}
