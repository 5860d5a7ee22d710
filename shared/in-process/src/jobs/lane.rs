//! The jobs of one kind in a worker. Each kind has slots of its own, so that no long one stops the
//! others.
//!
//! Where jobs are so short that all of them end while one transaction is committed, the slots would
//! be empty most of the time. So a lane also takes jobs *ahead*: a few times as many as the last round
//! saw end, because a transaction of many takes hardly longer than one of few. Jobs that take long see
//! few end, and few are taken ahead of their time; and who waits here for a slot in vain is handed back,
//! for whoever has one.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Kind, queue::How};

/// The most that are taken ahead.
const AHEAD: usize = 1_000;

/// How many are taken ahead for each that ended within the last round: a kind with 64 slots and short jobs
/// takes a thousand in its second round.
const FOR_EACH_DONE: usize = 16;

/// One kind's jobs.
pub(crate) struct Lane {
    pub(crate) kind: Kind,
    slots: Arc<Semaphore>,
    /// How many are taken: those that run, and those that wait for a slot.
    taken: usize,
    /// How many were done since the last round.
    done: usize,
    /// Whether there may be more to take: the last look found as many as it wanted.
    pub(crate) more: bool,
}

impl Lane {
    pub(crate) fn new(kind: Kind) -> Self {
        let slots = Arc::new(Semaphore::new(kind.slots()));
        Self { kind, slots, taken: 0, done: 0, more: true }
    }

    /// How many jobs to take.
    pub(crate) fn wants(&self) -> usize {
        let most = self.kind.slots() + (self.done * FOR_EACH_DONE).min(AHEAD);
        if self.more { most.saturating_sub(self.taken) } else { 0 }
    }

    /// So many were found when it wanted `most`.
    pub(crate) fn found(&mut self, jobs: usize, most: usize) {
        self.taken += jobs;
        self.more = jobs == most;
    }

    /// One is not this worker's any more.
    pub(crate) fn ended(&mut self, how: &How) {
        self.taken -= 1;
        self.done += usize::from(matches!(how, How::Done | How::Settled));
    }

    /// A round begins anew.
    pub(crate) fn written_down(&mut self) {
        self.done = 0;
    }

    /// A slot for a job that was taken; `None` when there is none in time, or none any more.
    pub(crate) fn slot(
        &self,
        patience: Duration,
    ) -> impl Future<Output = Option<OwnedSemaphorePermit>> + use<> {
        // One that is free is taken now, and not when the job is first polled: what has a slot runs,
        // also if the worker is told to stop a moment later.
        let free = self.slots.clone().try_acquire_owned().ok();
        let slots = self.slots.clone();
        async move {
            match free {
                Some(slot) => Some(slot),
                None => tokio::time::timeout(patience, slots.acquire_owned()).await.ok()?.ok(),
            }
        }
    }

    /// None of those that wait begins any more.
    pub(crate) fn close(&self) {
        self.slots.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_taken_ahead_where_they_end_quickly_and_not_where_they_do_not() {
        let mut lane = Lane::new(Kind::Export);
        let slots = Kind::Export.slots();
        assert_eq!(lane.wants(), slots);
        lane.found(slots, slots);
        assert_eq!(lane.wants(), 0, "those run");
        for _ in 0..slots {
            lane.ended(&How::Done);
        }
        let many = slots + slots * FOR_EACH_DONE;
        assert_eq!(lane.wants(), many, "all of them ended within one round");
        lane.written_down();
        lane.found(many, many);
        lane.ended(&How::Done);
        assert_eq!(lane.wants(), 0, "one ended, and others wait for its slot");
        lane.written_down();
        for _ in 1..many {
            lane.ended(&How::HandBack { due_at: None });
        }
        assert_eq!(lane.wants(), slots, "what is handed back says nothing of how long jobs take");
        lane.found(0, slots);
        assert_eq!(lane.wants(), 0, "there are none");
    }

    #[tokio::test]
    async fn who_was_given_a_slot_has_it_though_the_lane_is_closed_before_it_begins() {
        let lane = Lane::new(Kind::Digest);
        let slot = lane.slot(Duration::ZERO);
        lane.close();
        assert!(slot.await.is_some());
    }

    #[tokio::test]
    async fn who_waits_for_a_slot_in_vain_goes_away() {
        let lane = Lane::new(Kind::Digest);
        let long = Duration::from_secs(60);
        let first = lane.slot(long).await;
        assert!(first.is_some());
        assert!(lane.slot(Duration::ZERO).await.is_none());
        let waits = tokio::spawn(lane.slot(long));
        tokio::task::yield_now().await;
        drop(first);
        assert!(waits.await.unwrap().is_some());
        lane.close();
        assert!(lane.slot(long).await.is_none());
    }
}
