//! The replicas behind the relay: whose turn it is, and who has left.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::upstream::{Replica, State};

/// Time between two questions whether a replica that failed is ready again.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Who gets the next request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// One after the other.
    #[default]
    RoundRobin,
    /// Who has the fewest requests in hand; among equals, one after the other.
    LeastOutstanding,
}

/// What the relay has done so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// The replicas in the rotation or asked whether they are ready.
    pub replicas: Vec<ReplicaStats>,
    /// Requests that were sent once more, because nothing had come of it the first time.
    pub retried: u64,
    /// Requests that were answered by the relay itself: nobody was there, or the answer got lost.
    pub refused: u64,
}

/// The same of one replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaStats {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether it gets requests.
    pub state: State,
    /// Requests that it began to answer.
    pub answered: u64,
    /// Requests that it did not answer.
    pub failed: u64,
    /// Requests in hand.
    pub outstanding: usize,
}

/// All replicas.
#[derive(Debug)]
pub(super) struct Rotation {
    policy: Policy,
    replicas: Mutex<Vec<Arc<Replica>>>,
    turn: AtomicUsize,
    pub(super) retried: AtomicU64,
    pub(super) refused: AtomicU64,
}

impl Rotation {
    pub(super) fn new(policy: Policy, addresses: &[SocketAddr]) -> Self {
        let replicas = addresses.iter().map(|address| Arc::new(Replica::new(*address)));
        Self {
            policy,
            replicas: Mutex::new(replicas.collect()),
            turn: AtomicUsize::new(0),
            retried: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    fn replicas(&self) -> MutexGuard<'_, Vec<Arc<Replica>>> {
        self.replicas.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who gets a request that `tried` have failed to answer.
    pub(super) fn next(&self, tried: &[SocketAddr]) -> Option<Arc<Replica>> {
        let replicas = self.replicas();
        let able = |replica: &&Arc<Replica>| {
            replica.state() == State::In && !tried.contains(&replica.address)
        };
        let able: Vec<_> = replicas.iter().filter(able).collect();
        if able.is_empty() {
            return None;
        }
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % able.len();
        let (before, from) = able.split_at(first);
        let mut in_turn = from.iter().chain(before);
        let chosen = match self.policy {
            Policy::RoundRobin => in_turn.next(),
            // Of equals, the first.
            Policy::LeastOutstanding => in_turn.min_by_key(|replica| replica.outstanding()),
        };
        chosen.map(|replica| Arc::clone(replica))
    }

    /// Adds a replica that is ready.
    pub(super) fn add(&self, address: SocketAddr) -> anyhow::Result<()> {
        let mut replicas = self.replicas();
        let known = replicas.iter().any(|replica| replica.address == address);
        ensure!(!known, "{address} is there already");
        replicas.push(Arc::new(Replica::new(address)));
        Ok(())
    }

    /// Gives it nothing any more and returns when it has finished what it had.
    pub(super) async fn remove(&self, address: SocketAddr) -> anyhow::Result<()> {
        let replica = {
            let mut replicas = self.replicas();
            let known = replicas.iter().position(|replica| replica.address == address);
            replicas.remove(known.with_context(|| format!("{address} is not there"))?)
        };
        replica.leave().await;
        Ok(())
    }

    /// Takes a replica that failed out of the rotation until it says that it is ready.
    pub(super) fn take_out(&self, replica: &Arc<Replica>) {
        if !replica.take_out() {
            return;
        }
        let replica = Arc::clone(replica);
        tokio::spawn(async move {
            while replica.state() == State::Out {
                replica.ask().await;
                sleep(ASK_EVERY).await;
            }
        });
    }

    pub(super) fn stats(&self) -> Stats {
        let of = |replica: &Arc<Replica>| {
            let (answered, failed) = replica.counts();
            ReplicaStats {
                address: replica.address,
                state: replica.state(),
                answered,
                failed,
                outstanding: replica.outstanding(),
            }
        };
        Stats {
            replicas: self.replicas().iter().map(of).collect(),
            retried: self.retried.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn rotation(policy: Policy) -> Rotation {
        Rotation::new(policy, &[1, 2, 3].map(address))
    }

    fn ports(rotation: &Rotation, times: usize, tried: &[SocketAddr]) -> Vec<u16> {
        (0..times).map_while(|_| Some(rotation.next(tried)?.address.port())).collect()
    }

    #[test]
    fn everybody_has_a_turn_and_who_has_failed_a_request_does_not_get_it_again() {
        for policy in [Policy::RoundRobin, Policy::LeastOutstanding] {
            let rotation = rotation(policy);
            assert_eq!(ports(&rotation, 6, &[]), [1, 2, 3, 1, 2, 3]);
            assert_eq!(ports(&rotation, 2, &[address(1), address(3)]), [2, 2]);
            assert!(ports(&rotation, 1, &[1, 2, 3].map(address)).is_empty());
        }
    }

    #[tokio::test]
    async fn replicas_come_and_go() {
        let rotation = rotation(Policy::RoundRobin);
        rotation.remove(address(2)).await.unwrap();
        rotation.add(address(4)).unwrap();
        let mut seen = ports(&rotation, 6, &[]);
        seen.sort_unstable();
        assert_eq!(seen, [1, 1, 3, 3, 4, 4]);
        assert!(rotation.add(address(4)).is_err());
        assert!(rotation.remove(address(2)).await.is_err());
    }
}
