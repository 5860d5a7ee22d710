//! The loop that runs jobs. One per process, however many jobs run at a time.
//!
//! In each round it writes down what has ended and takes new jobs for the free slots, in one
//! transaction: the busier it is, the more goes into one.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
    pin::pin,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tokio::task::JoinSet;

use super::{
    Kind, Placement, Task,
    depth::Depth,
    lab::Point,
    lane::Lane,
    meters,
    queue::{self, Claimed, Ended, How},
    run, schedule, view,
};
use crate::{
    InProcess,
    db::{Tx, as_a_job},
    jobs::kinds::export,
};

/// How often somebody looks who was not woken. Wake-ups can get lost; this can't.
const POLL: Duration = Duration::from_secs(1);

/// When the house is kept for the first time: what was waiting for a worker comes first.
const SETTLED: Duration = Duration::from_millis(100);

/// How often the depth of the queue is looked at, for `/metrics`.
const LOOK: Duration = Duration::from_secs(5);

/// The longest pause between two attempts to reach the database.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// One worker's state.
struct Worker {
    app: InProcess,
    name: String,
    running: JoinSet<Ended>,
    /// By task, the job that it runs: what is cut off can't say who it was.
    jobs: BTreeMap<tokio::task::Id, (i64, i64, String)>,
    lanes: Vec<Lane>,
    /// What has ended and is not written down yet.
    ended: Vec<Ended>,
    /// When the depth of the queue is looked at next.
    look_at: Instant,
    /// Whether what an older program could not do is still to be taken up.
    new: bool,
}

impl InProcess {
    /// Runs jobs until `stop`: what the placement wants of a serving process, or all of it in one
    /// that was started for jobs alone ([`Placement::Inside`]). From then on it takes none; those
    /// that run get `grace`, and what is left after that is handed back at once.
    pub async fn run_jobs(
        self,
        placement: Placement,
        stop: impl Future<Output = ()> + Send,
        grace: Duration,
    ) {
        match placement {
            // Inline ones are run by the requests. What is left over of those (the process died, an
            // attempt failed), and what the clock brings, needs a worker.
            Placement::Inline | Placement::Inside => {
                as_a_job(Worker::new(self).run(stop, grace)).await;
            }
            Placement::Off => stop.await,
        }
    }

    /// Runs jobs until none is ready, and says how many ended. For tests, which don't wait for the
    /// clock: delayed ones stay.
    ///
    /// # Errors
    /// The database's.
    pub async fn drain_jobs(&self) -> sqlx::Result<usize> {
        as_a_job(async {
            let mut worker = Worker::new(self.clone());
            let mut ended = 0;
            loop {
                worker.house_keeping().await?;
                worker.exchange().await?;
                if worker.running.is_empty() && worker.ended.is_empty() {
                    return Ok(ended);
                }
                worker.join().await;
                ended += worker.ended.len();
            }
        })
        .await
    }
}

impl Worker {
    fn new(app: InProcess) -> Self {
        meters::describe();
        let lanes = Kind::ALL.map(Lane::new).into();
        let name = format!("{}-{:x}", std::process::id(), RandomState::new().hash_one(0));
        Self {
            app,
            name,
            running: JoinSet::new(),
            jobs: BTreeMap::new(),
            lanes,
            ended: Vec::new(),
            look_at: Instant::now(),
            new: true,
        }
    }

    async fn run(mut self, stop: impl Future<Output = ()> + Send, grace: Duration) {
        let jobs = self.app.jobs.clone();
        let mut clock = schedule::Clockwork::new(&jobs.schedules, self.app.clock.now());
        let mut stop = pin!(stop);
        // Not all at the same moment, where there are several.
        let jitter = Duration::from_millis(RandomState::new().hash_one(1) % 200);
        let first = tokio::time::Instant::now() + SETTLED + jitter;
        let mut poll = tokio::time::interval_at(first, POLL + jitter);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut pause = Duration::ZERO;
        tracing::info!(worker = self.name, "takes jobs");
        // After the first look, which would wait for another connection otherwise. What comes in between
        // tells nobody, so who begins to listen is woken at once.
        let mut listening = None;
        while (&mut stop).now_or_never().is_none() {
            if let Err(error) = self.exchange().await {
                pause = (pause * 2).clamp(Duration::from_millis(50), LONGEST_PAUSE);
                tracing::warn!(%error, "the queue is out of reach");
            } else {
                pause = Duration::ZERO;
            }
            if listening.is_none() {
                listening = Some(jobs.wake.listen(&self.app.db).await);
            }
            tokio::select! {
                // In this order: the end comes first, and the clock is not kept waiting by those
                // who always have something to say.
                biased;
                () = &mut stop => break,
                () = tokio::time::sleep(pause), if !pause.is_zero() => {}
                _ = poll.tick(), if pause.is_zero() => {
                    let kept = self.house_keeping().await;
                    if let Err(error) = kept.and(clock.tick(&self.app).await) {
                        tracing::warn!(%error, "house-keeping of the queue");
                    }
                }
                () = self.join(), if pause.is_zero() && !self.running.is_empty() => {}
                () = jobs.wake.woken(), if pause.is_zero() => self.look_again(),
            }
        }
        self.drain(grace).await;
    }

    /// There may be something to take, whatever the last look said.
    fn look_again(&mut self) {
        for lane in &mut self.lanes {
            lane.more = true;
        }
    }

    /// Waits for a job to end, and takes along what else has ended by then. As long as a moment's
    /// patience brings more, it is worth it: what is written down takes a commit, however many.
    async fn join(&mut self) {
        let mut next = self.running.join_next_with_id().await;
        while let Some(joined) = next {
            self.note(joined);
            next = self.running.try_join_next_with_id();
            if next.is_none() {
                tokio::task::yield_now().await;
                next = self.running.try_join_next_with_id();
            }
        }
    }

    fn note(&mut self, joined: Result<(tokio::task::Id, Ended), tokio::task::JoinError>) {
        let (task, ended) = match joined {
            Ok((task, ended)) => (task, Some(ended)),
            Err(error) => (error.id(), None),
        };
        let Some((id, fence, kind)) = self.jobs.remove(&task) else { return };
        let ended = ended.unwrap_or_else(|| {
            // What was cut off is handed back.
            let how = How::HandBack { due_at: None };
            self.app.jobs.tally.count(&kind, &how);
            Ended { id, fence, kind, how }
        });
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.kind.name() == ended.kind) {
            lane.ended(&ended.how);
        }
        self.ended.push(ended);
    }

    /// Writes down what has ended, and takes new jobs for the free slots.
    async fn exchange(&mut self) -> sqlx::Result<()> {
        let wanted: Vec<_> = self.lanes.iter().map(Lane::wants).enumerate().collect();
        let wanted: Vec<_> = wanted.into_iter().filter(|(_, most)| *most > 0).collect();
        if wanted.is_empty() && self.ended.is_empty() {
            return Ok(());
        }
        let app = self.app.clone();
        let until = app.clock.now() + app.jobs.lease;
        let mut tx = app.db.begin_by_index().await?;
        write_down(&app, &mut tx, &self.ended).await?;
        let mut claimed = Vec::new();
        for &(index, most) in &wanted {
            let jobs = queue::claim(&mut tx, self.lanes[index].kind, most, until).await?;
            claimed.push((index, most, jobs));
        }
        commit(&app, tx, &mut self.ended, claimed.iter().any(|(_, _, jobs)| !jobs.is_empty()))
            .await?;
        self.lanes.iter_mut().for_each(Lane::written_down);
        for (index, most, jobs) in claimed {
            self.lanes[index].found(jobs.len(), most);
            for job in jobs {
                self.start(index, job);
            }
        }
        Ok(())
    }

    fn start(&mut self, lane: usize, mut job: Claimed) {
        let who = (job.id, job.fence, job.kind.clone());
        let app = self.app.clone();
        // Whoever waits for a slot does nothing to keep its job, so it must be short.
        let patience = (app.jobs.lease / 3).to_std().unwrap_or_default().min(POLL);
        let slot = self.lanes[lane].slot(patience);
        let task = self.running.spawn(as_a_job(async move {
            let Some(_slot) = slot.await else {
                let how = How::HandBack { due_at: None };
                return Ended { id: job.id, fence: job.fence, kind: job.kind, how };
            };
            if app.jobs.lab.finish_first {
                // The bug that the test of durability has to find.
                let how = How::Done;
                let ended = Ended { id: job.id, fence: job.fence, kind: job.kind.clone(), how };
                drop(settle(&app, &mut vec![ended]).await);
                // Nothing is written down of it any more.
                job.fence = 0;
            }
            run::run(&app, job).await
        }));
        self.jobs.insert(task.id(), who);
    }

    /// What has to be done from time to time, by whoever is there.
    async fn house_keeping(&mut self) -> sqlx::Result<()> {
        let done = self.app.jobs.tally.take();
        let kept = self.keep_house(&done).await;
        if kept.is_err() {
            self.app.jobs.tally.add(done);
        }
        if self.look_at <= Instant::now() {
            self.look_at = Instant::now() + LOOK;
            meters::show(&Depth::look(&self.app.db).await?, self.app.clock.now());
        }
        kept
    }

    async fn keep_house(&mut self, done: &view::Counts) -> sqlx::Result<()> {
        let app = &self.app;
        let now = app.clock.now();
        let mut tx = app.db.begin_by_index().await?;
        if self.new {
            queue::unpark_known(&mut tx).await?;
        }
        let lost = queue::promote(&mut tx, now).await?;
        let dead = || lost.iter().filter(|lost| lost.is_dead());
        for lost in dead() {
            give_up(app, &mut tx, &lost.kind, &lost.task.0).await?;
        }
        queue::park_unknown(&mut tx).await?;
        export::expire(&mut tx, now).await?;
        view::note(&mut tx, &self.name, done, now).await?;
        tx.commit().await?;
        self.new = false;
        for lost in dead() {
            app.jobs.tally.count(&lost.kind, &How::Dead { reason: String::new() });
        }
        if !lost.is_empty() {
            app.jobs.lab.pass(Point::ReclaimAfterCommit);
        }
        self.look_again();
        Ok(())
    }

    /// Takes nothing new, lets what runs end within `grace`, and hands back the rest.
    async fn drain(mut self, grace: Duration) {
        self.lanes.iter().for_each(Lane::close);
        let left = self.running.len();
        tracing::info!(worker = self.name, left, "takes no more jobs");
        let deadline = Instant::now() + grace;
        let all = async {
            while !self.running.is_empty() {
                self.join().await;
                // Now, and not at the end: nobody knows how far this gets.
                if let Err(error) = settle(&self.app, &mut self.ended).await {
                    tracing::warn!(%error, "the queue is out of reach");
                }
            }
        };
        let in_time = tokio::time::timeout_at(deadline.into(), all).await.is_ok();
        if !in_time {
            self.running.abort_all();
            while !self.running.is_empty() {
                self.join().await;
            }
        }
        if let Err(error) = settle(&self.app, &mut self.ended).await {
            tracing::warn!(%error, "what is left goes on when its lease ends");
        }
        tracing::info!(worker = self.name, handed_back = !in_time, "runs no more jobs");
    }
}

/// Writes down how jobs ended.
pub(crate) async fn settle(app: &InProcess, ended: &mut Vec<Ended>) -> sqlx::Result<()> {
    let mut tx = app.db.begin().await?;
    write_down(app, &mut tx, ended).await?;
    commit(app, tx, ended, false).await
}

async fn write_down(app: &InProcess, tx: &mut Tx, ended: &[Ended]) -> sqlx::Result<()> {
    let is_done = |ended: &&Ended| matches!(ended.how, How::Done);
    let done: Vec<_> = ended.iter().filter(is_done).map(|job| (job.id, job.fence)).collect();
    queue::finish(tx, &done).await?;
    for ended in ended.iter().filter(|ended| !is_done(ended)) {
        if let How::Dead { .. } = ended.how
            && let Some(task) = queue::held(tx, ended.id, ended.fence).await?
        {
            give_up(app, tx, &ended.kind, &task.0).await?;
        }
        queue::give_back(tx, ended).await?;
    }
    Ok(())
}

/// What a kind has to set right when one of its jobs is given up.
async fn give_up(
    app: &InProcess,
    tx: &mut Tx,
    kind: &str,
    task: &serde_json::Value,
) -> sqlx::Result<()> {
    match Task::of(kind, task) {
        Ok(task) => task.given_up(app, tx).await,
        Err(_unknown) => Ok(()),
    }
}

async fn commit(
    app: &InProcess,
    tx: Tx,
    ended: &mut Vec<Ended>,
    claimed: bool,
) -> sqlx::Result<()> {
    let lab = &app.jobs.lab;
    let finished = ended.iter().any(|ended| matches!(ended.how, How::Done));
    let failed = ended.iter().any(|ended| matches!(ended.how, How::Again { .. }));
    let points = [
        (claimed, Point::ClaimBeforeCommit, Point::ClaimAfterCommit),
        (finished, Point::FinishBeforeCommit, Point::FinishAfterCommit),
        (failed, Point::FailureBeforeCommit, Point::FailureAfterCommit),
    ];
    for (_, before, _) in points.iter().filter(|(applies, ..)| *applies) {
        lab.pass(*before);
    }
    tx.commit().await?;
    for (_, _, after) in points.iter().filter(|(applies, ..)| *applies) {
        lab.pass(*after);
    }
    ended.clear();
    Ok(())
}
