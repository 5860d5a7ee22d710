//! One round: replicas with a schedule, what befalls them around each tick, and the books.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};
use contract::process::Server;
use in_process::InProcess;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use serde_json::json;
use tokio::{task::spawn_blocking, time::sleep};

use super::{Subject, Tick, Timer, Trouble};
use crate::{
    lanes::{Quarters, text},
    record::Arm,
    stats::{below, rounded},
};

/// Between two ticks, seconds: longer than it takes a replica to be late by a pause, the tolerance of
/// the schedule and its next look together. Of several ticks that are late at once only the last happens.
pub(super) const EVERY_S: u32 = 5;

/// For how long a replica is stopped, milliseconds.
pub(super) const PAUSE_MS: u32 = 2_500;

/// How far clocks are from the right time at most, milliseconds.
pub(super) const SKEW_MS: u32 = 2_000;

/// Until a replica that was killed is started again, milliseconds.
const DOWN_MS: i64 = 1_000;

/// A worker is taken for dead after so many milliseconds without a word.
const LEASE_MS: u32 = 2_000;

/// When something befalls a replica, milliseconds from a tick: it lasts for a second or more, so some are
/// away when a bare timer acts, and some when a row is taken, two seconds later. Who was hit is back
/// before the next tick's turn.
const AROUND_MS: [i64; 2] = [-500, 2_000];

/// How long after the last tick it is looked for, at the least; by then a clock that is behind has come
/// to it, too.
const AFTER_MS: i64 = 6_000;

/// And at the most.
const PATIENCE_MS: i64 = 60_000;

/// Between two looks at the books: that is how exactly it is known when a tick happened.
const LOOK: Duration = Duration::from_millis(25);

/// How the replicas of one subject are started.
#[derive(Clone, Debug)]
pub struct Launcher {
    /// Whose.
    pub subject: Subject,
    /// The program.
    pub binary: PathBuf,
    /// Where they live.
    pub quarters: Quarters,
}

/// What happens in a round.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// What befalls replicas.
    pub trouble: Trouble,
    /// How many ticks it lasts.
    pub ticks: u32,
    /// Seed of who is hit, and when.
    pub seed: u64,
}

/// What is done to a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Kill,
    Start,
    Stop,
    GoOn,
}

/// What is done when: milliseconds since 1970, the act, and the replica.
type Plan = Vec<(i64, Act, usize)>;

impl Launcher {
    async fn start(&self, replica: usize, trouble: Trouble) -> anyhow::Result<Server> {
        let Subject { arm, timer, replicas } = self.subject;
        let offset = if trouble == Trouble::Skew { offset_ms(replica, replicas) } else { 0 };
        let mut jobs = json!({
            "tick_seconds": EVERY_S,
            "clock_offset_ms": offset,
            "lease_ms": LEASE_MS,
        });
        if timer == Timer::Bare || (arm == Arm::Planted && replica == 0) {
            jobs["naive"] = json!("timer");
        }
        let lab = self.quarters.directory.join(format!("lab-{replica}.json"));
        fs::write(&lab, json!({ "jobs": jobs }).to_string())?;
        let flags = ["--lab", text(&lab)?, "--jobs", "inside"];
        let command = self.quarters.with_database(&self.binary, "serve", &flags)?;
        self.quarters.start(vec![command]).await?.pop().context("a server")
    }
}

/// How far a replica's clock is ahead: all of them from the one end to the other. One that is alone is
/// ahead, because only then could it be early.
fn offset_ms(replica: usize, replicas: u32) -> i64 {
    let most = i64::from(SKEW_MS);
    match i64::from(replicas) - 1 {
        0 => most,
        steps => 2 * most * replica as i64 / steps - most,
    }
}

/// Carries out one round. It never fails: what went wrong stands with its ticks.
pub async fn round(launcher: &Launcher, app: &InProcess, round: Round) -> Vec<Tick> {
    let carried_out = carry_out(launcher, app, round).await;
    let tick = |number: u32| {
        let (void, fired, after) = match &carried_out {
            Ok(books) => {
                let (fired, after) = books.of(number);
                (None, fired, after)
            }
            Err(error) => (Some(format!("{error:#}")), 0, None),
        };
        let (subject, trouble) = (launcher.subject, round.trouble);
        Tick { subject, trouble, number, fired, after, void }
    };
    (0..round.ticks).map(tick).collect()
}

/// What is known of a round's ticks.
struct Books {
    /// The first one, seconds since 1970.
    first: i64,
    /// How often each had an effect,
    effects: BTreeMap<i64, i64>,
    /// and when that was first seen.
    seen: BTreeMap<i64, DateTime<Utc>>,
}

impl Books {
    fn time(&self, number: u32) -> i64 {
        self.first + i64::from(number * EVERY_S)
    }

    /// Looks how often ticks had effects by now.
    async fn look(&mut self, app: &InProcess) -> anyhow::Result<()> {
        self.effects = app.synthetic_effects().await?;
        let now = Utc::now();
        for tick in self.effects.keys() {
            self.seen.entry(*tick).or_insert(now);
        }
        Ok(())
    }

    /// How often a tick had its effect, and how many seconds after its time that was first seen.
    fn of(&self, number: u32) -> (u64, Option<f64>) {
        let time = self.time(number);
        let fired = self.effects.get(&time).copied().unwrap_or_default();
        let after = self.seen.get(&time).map(|seen| seen.timestamp_millis() - time * 1_000);
        (fired.unsigned_abs(), after.map(|ms| rounded(ms as f64 / 1e3)))
    }
}

async fn carry_out(launcher: &Launcher, app: &InProcess, round: Round) -> anyhow::Result<Books> {
    // There is no comment without a word.
    app.forget_jobs("").await.context("what was left of the last round")?;
    let mut replicas = Vec::new();
    for replica in 0..launcher.subject.replicas as usize {
        replicas.push(Some(launcher.start(replica, round.trouble).await?));
    }
    // All have begun to look by then, also by a clock that is ahead.
    let every = i64::from(EVERY_S);
    let first = ((Utc::now().timestamp() + 3) / every + 1) * every;
    let mut books = Books { first, effects: BTreeMap::new(), seen: BTreeMap::new() };
    let mut plan = plan(round, launcher.subject.replicas as usize, first).into_iter().peekable();
    let end = books.time(round.ticks.saturating_sub(1)) * 1_000 + AFTER_MS;
    loop {
        let now = Utc::now().timestamp_millis();
        while let Some((_, act, replica)) = plan.next_if(|(at, ..)| *at <= now) {
            carry(launcher, &mut replicas[replica], act, replica, round.trouble).await?;
        }
        books.look(app).await?;
        let open = app.open_jobs().await?;
        if now > end && open == 0 && plan.peek().is_none() {
            break;
        }
        ensure!(now < end + PATIENCE_MS, "{open} jobs were not done a minute later");
        sleep(LOOK).await;
    }
    for server in replicas.iter_mut().flatten() {
        ensure!(!server.has_ended(), "a replica has died by itself");
    }
    // With SIGKILL: there is nothing left to do.
    spawn_blocking(move || drop(replicas)).await?;
    Ok(books)
}

async fn carry(
    launcher: &Launcher,
    replica: &mut Option<Server>,
    act: Act,
    number: usize,
    trouble: Trouble,
) -> anyhow::Result<()> {
    match (act, replica.take()) {
        (Act::Kill, Some(server)) => spawn_blocking(move || drop(server)).await?,
        // It was killed again before it was to be started: it comes back when the later one says so.
        (Act::Start, None) => *replica = Some(launcher.start(number, trouble).await?),
        (Act::Stop, Some(server)) => {
            server.freeze()?;
            *replica = Some(server);
        }
        (Act::GoOn, Some(server)) => {
            server.thaw()?;
            *replica = Some(server);
        }
        (_, unchanged) => *replica = unchanged,
    }
    Ok(())
}

/// Who is hit when, tick by tick.
fn plan(round: Round, replicas: usize, first: i64) -> Plan {
    let mut rng = ChaCha8Rng::seed_from_u64(round.seed);
    let [from, to] = AROUND_MS;
    let mut plan = Plan::new();
    for number in 0..round.ticks {
        let replica = below(&mut rng, replicas);
        let span = (to - from).unsigned_abs();
        let offset = from + i64::try_from(rng.next_u64() % span).unwrap_or_default();
        let at = (first + i64::from(number * EVERY_S)) * 1_000 + offset;
        match round.trouble {
            Trouble::None | Trouble::Skew => {}
            Trouble::Kill => {
                plan.extend([(at, Act::Kill, replica), (at + DOWN_MS, Act::Start, replica)]);
            }
            Trouble::Pause => {
                let later = at + i64::from(PAUSE_MS);
                plan.extend([(at, Act::Stop, replica), (later, Act::GoOn, replica)]);
            }
        }
    }
    plan.sort_by_key(|(at, ..)| *at);
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_lie_between_two_seconds_behind_and_ahead_and_one_alone_is_ahead() {
        let of = |replicas: u32| -> Vec<i64> {
            (0..replicas as usize).map(|replica| offset_ms(replica, replicas)).collect()
        };
        assert_eq!((of(1), of(2)), (vec![2_000], vec![-2_000, 2_000]));
        let eight = of(8);
        assert_eq!((eight[0], eight[7]), (-2_000, 2_000));
        assert!(eight.is_sorted());
    }

    #[test]
    fn who_is_hit_comes_back_before_it_is_hit_again() {
        for (trouble, hit) in [(Trouble::Kill, Act::Kill), (Trouble::Pause, Act::Stop)] {
            let plan = plan(Round { trouble, ticks: 200, seed: 3 }, 1, 600);
            assert_eq!(plan.len(), 400);
            for pair in plan.chunks(2) {
                let ((at, first, _), (back, second, _)) = (pair[0], pair[1]);
                assert!(first == hit && second != hit && at < back, "{pair:?}");
            }
        }
        assert!(plan(Round { trouble: Trouble::Skew, ticks: 9, seed: 3 }, 1, 600).is_empty());
    }
}
