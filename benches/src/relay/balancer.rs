//! Whoever stands in front of several replicas: the lab's own relay, or HAProxy by flag.

use std::{fmt, net::SocketAddr, path::Path};

use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::{
    Policy, Relay,
    haproxy::{self, HaProxy},
};
use crate::intermediary::Program;

/// Which program balances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Balancing {
    /// The lab's own.
    #[default]
    Relay,
    /// HAProxy, which has to be installed.
    Haproxy,
}

/// A running balancer. It ends when this value goes.
#[derive(Debug)]
pub enum Balancer {
    /// The lab's own.
    Relay(Relay),
    /// HAProxy.
    HaProxy(HaProxy),
}

impl Balancing {
    /// As a report calls it.
    pub fn described(self) -> &'static str {
        match self {
            Self::Relay => "the lab\u{2019}s own balancer",
            Self::Haproxy => "HAProxy",
        }
    }
}

impl fmt::Display for Balancing {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(match self {
            Self::Relay => "relay",
            Self::Haproxy => "haproxy",
        })
    }
}

impl Balancing {
    /// Checks that it can be had.
    ///
    /// # Errors
    /// One line with the way out, when the program is not installed.
    pub fn check(self) -> anyhow::Result<()> {
        match self {
            Self::Relay => Ok(()),
            Self::Haproxy => haproxy::installed().map(drop),
        }
    }

    /// Starts one in front of `replicas`, which are ready, on the cores of the thread that calls.
    /// What it is configured by goes into `directory`.
    ///
    /// # Errors
    /// One line, when it does not come up.
    pub async fn start(
        self,
        program: &Program,
        policy: Policy,
        replicas: &[SocketAddr],
        directory: &Path,
    ) -> anyhow::Result<Balancer> {
        Ok(match self {
            Self::Relay => Balancer::Relay(Relay::start(program, policy, replicas).await?),
            Self::Haproxy => {
                Balancer::HaProxy(HaProxy::start(program, policy, replicas, directory).await?)
            }
        })
    }
}

impl Balancer {
    /// Where visitors go.
    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Relay(relay) => relay.address(),
            Self::HaProxy(haproxy) => haproxy.address,
        }
    }

    /// The process, for the probe.
    pub fn pid(&self) -> Pid {
        match self {
            Self::Relay(relay) => relay.pid(),
            Self::HaProxy(haproxy) => haproxy.pid,
        }
    }

    /// Waits for it to end by itself, which it must not do.
    pub async fn death(&mut self) -> anyhow::Error {
        match self {
            Self::Relay(relay) => relay.death().await,
            Self::HaProxy(haproxy) => haproxy.death().await,
        }
    }

    /// Ends it. Requests that it still has are lost.
    ///
    /// # Errors
    /// When it does not end in order.
    pub async fn stop(self) -> anyhow::Result<()> {
        match self {
            Self::Relay(relay) => relay.stop().await,
            Self::HaProxy(haproxy) => haproxy.stop().await,
        }
    }
}
