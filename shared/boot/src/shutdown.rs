//! From the signal to the end, in phases: who is about to stop says so first, and stops then.
//!
//! A balancer asks its servers every now and then whether they are ready, and sends them visitors
//! until one says no. A server that stopped listening at once would be sent a few more meanwhile,
//! who find nobody there.

use anyhow::Context;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// How far a server is. Later phases are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    /// Everything is answered as before, but for the question whether the server is ready, and no
    /// connection is kept.
    Leaving,
    /// No new connection is taken; requests in flight finish.
    Draining,
}

/// Leads a server through its phases.
pub(crate) struct Shutdown(watch::Sender<Phase>);

/// The moment from which on a server begins nothing new.
#[derive(Clone)]
pub struct Stop(watch::Receiver<Phase>);

impl Shutdown {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Phase::Serving))
    }

    pub(crate) fn watch(&self) -> Stop {
        Stop(self.0.subscribe())
    }

    /// Leaves until `delay` is over, then drains.
    pub(crate) async fn begin(&self, delay: impl Future<Output = ()>) {
        self.0.send_replace(Phase::Leaving);
        delay.await;
        self.0.send_replace(Phase::Draining);
    }
}

impl Stop {
    /// Waits for it. Visitors may still come for a while, but nothing is begun any more that nobody
    /// waits for, such as jobs.
    pub async fn begun(self) {
        self.reached(Phase::Leaving).await;
    }

    /// Waits until no new connections are taken either.
    pub(crate) async fn draining(self) {
        self.reached(Phase::Draining).await;
    }

    /// Whether it has come.
    pub(crate) fn has_begun(&self) -> bool {
        *self.0.borrow() >= Phase::Leaving
    }

    async fn reached(mut self, phase: Phase) {
        // An error means that the server is gone altogether.
        drop(self.0.wait_for(|now| *now >= phase).await);
    }
}

/// The signals that end a server.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn catch() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("SIGINT")?,
        })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_server_leaves_before_it_drains() {
        let shutdown = Shutdown::new();
        let stop = shutdown.watch();
        assert!(!stop.has_begun());

        let (over, delay) = tokio::sync::oneshot::channel();
        let mut end = Box::pin(shutdown.begin(delay.map(Result::unwrap)));
        assert!(end.as_mut().now_or_never().is_none(), "it takes its time");
        assert!(stop.has_begun());
        assert!(stop.clone().begun().now_or_never().is_some(), "nothing new is begun");
        assert!(stop.clone().draining().now_or_never().is_none(), "visitors are still let in");

        over.send(()).unwrap();
        end.await;
        assert!(stop.draining().now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_server_that_is_gone_has_stopped() {
        let stop = Shutdown::new().watch();
        assert!(stop.clone().begun().now_or_never().is_some());
        assert!(stop.draining().now_or_never().is_some());
    }
}
