//! Jobs by the clock. A tick of a schedule is a row that can be inserted only once, together with its
//! job: so it happens once, however many replicas there are, and whatever becomes of the one that
//! takes it.

use std::{collections::BTreeMap, str::FromStr, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use croner::Cron;

use super::{
    JobArgs, Lab, Naive, NewJob, Task,
    args::Missed,
    enqueue,
    kinds::{digest, synthetic},
    lab::Point,
};
use crate::{
    InProcess, StartError,
    db::{Db, Tx, in_tx, on_read, on_write},
};

/// A tick is taken so long after its time. Of two replicas the one whose clock is ahead by no more
/// than that does not act early.
pub(crate) const TOLERANCE: TimeDelta = TimeDelta::seconds(2);

/// A tick that is later than that was missed.
const LATE: TimeDelta = TimeDelta::minutes(1);

/// For how long ticks are remembered.
const REMEMBERED: TimeDelta = TimeDelta::days(7);

/// When something is due, and what that is.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub(crate) name: &'static str,
    times: Times,
    missed: Missed,
}

/// The times of a schedule.
#[derive(Clone, Debug)]
enum Times {
    Cron(Box<Cron>, Tz),
    /// The lab's: every so many seconds since 1970.
    Every(i64),
}

impl Schedule {
    /// All that this process keeps.
    pub(crate) fn all(args: &JobArgs, lab: &Arc<Lab>) -> Result<Vec<Self>, StartError> {
        let cron = Cron::from_str(&args.digest_schedule)
            .map_err(|error| StartError::job_setting("--digest-schedule", error))?;
        let zone = Tz::from_str(&args.digest_time_zone)
            .map_err(|error| StartError::job_setting("--digest-time-zone", error))?;
        let times = Times::Cron(Box::new(cron), zone);
        let mut all = vec![Self { name: "digest", times, missed: args.digest_missed }];
        if let Some(seconds) = lab.tick_seconds {
            let times = Times::Every(i64::from(seconds.max(1)));
            all.push(Self { name: "synthetic", times, missed: Missed::CatchUp });
        }
        Ok(all)
    }

    /// The first tick after `time`, if there is one.
    pub(crate) fn after(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match &self.times {
            Times::Cron(cron, zone) => {
                let next = cron.find_next_occurrence(&time.with_timezone(zone), false).ok()?;
                Some(next.with_timezone(&Utc))
            }
            Times::Every(seconds) => {
                let next = (time.timestamp().div_euclid(*seconds) + 1) * seconds;
                DateTime::from_timestamp(next, 0)
            }
        }
    }

    /// The tick to act on at `now`, when `last` was the last one that anybody took.
    fn due(&self, last: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut tick = self.after(last).filter(|tick| *tick + TOLERANCE <= now)?;
        // Of several that were missed the latest one stands for all.
        while let Some(next) = self.after(tick).filter(|next| *next + TOLERANCE <= now) {
            tick = next;
        }
        let in_time = now - tick <= LATE;
        (in_time || self.missed == Missed::CatchUp).then_some(tick)
    }

    fn task(&self, tick: DateTime<Utc>) -> Task {
        match self.times {
            Times::Cron(_, zone) => {
                Task::Digest(digest::Digest { day: tick.with_timezone(&zone).date_naive() })
            }
            Times::Every(_) => Task::Synthetic(synthetic::Synthetic::tick(tick)),
        }
    }
}

/// One process's view of the schedules.
pub(crate) struct Clockwork {
    schedules: Vec<Schedule>,
    /// Of each schedule, the last tick that is known to be taken; before the first, since when it is
    /// kept.
    last: BTreeMap<&'static str, DateTime<Utc>>,
    began: DateTime<Utc>,
}

impl Clockwork {
    pub(crate) fn new(schedules: &[Schedule], began: DateTime<Utc>) -> Self {
        Self { schedules: schedules.to_vec(), last: BTreeMap::new(), began }
    }

    /// Takes the ticks that are due, unless somebody else does.
    pub(crate) async fn tick(&mut self, app: &InProcess) -> sqlx::Result<()> {
        let now = app.clock.now();
        // A bare timer knows of nobody else: neither of clocks that go wrong, nor of what was done
        // before it began.
        let bare = app.jobs.lab.naive == Some(Naive::Timer);
        let now = if bare { now + TOLERANCE } else { now };
        for schedule in &self.schedules {
            let last = match self.last.get(schedule.name) {
                Some(last) => *last,
                None if bare => self.began,
                None => match last_taken(&app.db, schedule.name).await? {
                    Some(last) => last,
                    None => kept_since(&app.db, schedule.name, self.began).await?,
                },
            };
            self.last.insert(schedule.name, last);
            if let Some(tick) = schedule.due(last, now) {
                take(app, schedule, tick).await?;
                self.last.insert(schedule.name, tick);
            }
        }
        Ok(())
    }
}

/// The last tick of a schedule that anybody took.
pub(crate) async fn last_taken(db: &Db, schedule: &str) -> sqlx::Result<Option<DateTime<Utc>>> {
    const LAST: &str = "select due_at from tick where schedule = $1 order by due_at desc limit 1";
    on_read!(db, db => sqlx::query_scalar(LAST).bind(schedule).fetch_optional(db).await)
}

/// Since when a schedule is kept, by whichever process began first: what is due while that one dies is
/// not forgotten by the next.
async fn kept_since(db: &Db, schedule: &str, began: DateTime<Utc>) -> sqlx::Result<DateTime<Utc>> {
    // An update that changes nothing gives back what the first one wrote.
    const KEEP: &str = "
        insert into schedule (name, began_at) values ($1, $2)
        on conflict (name) do update set name = excluded.name
        returning began_at";
    on_write!(db, db => sqlx::query_scalar(KEEP).bind(schedule).bind(began).fetch_one(db).await)
}

/// Takes a tick, and enqueues its job, unless somebody has it. Both or neither.
async fn take(app: &InProcess, schedule: &Schedule, tick: DateTime<Utc>) -> sqlx::Result<()> {
    let lab = &app.jobs.lab;
    let mut tx = app.db.begin().await?;
    // A timer without rows does not know whether it is the only one.
    let bare = lab.naive == Some(Naive::Timer);
    if !bare && !write_down(&mut tx, schedule, tick).await? {
        return Ok(());
    }
    let request_id = format!("tick-{}-{}", schedule.name, tick.timestamp());
    let task = schedule.task(tick);
    let new = NewJob { task, unique_key: None, account: None, request_id: &request_id };
    enqueue(app, &mut tx, new).await?;
    lab.pass(Point::TickBeforeCommit);
    let enqueued = tx.commit().await?;
    lab.pass(Point::TickAfterCommit);
    app.committed(enqueued).await;
    Ok(())
}

/// Writes down that a tick is taken; false when somebody has done so.
async fn write_down(tx: &mut Tx, schedule: &Schedule, tick: DateTime<Utc>) -> sqlx::Result<bool> {
    const TAKE: &str = "insert into tick (schedule, due_at) values ($1, $2) on conflict do nothing returning due_at";
    const FORGET: &str = "delete from tick where schedule = $1 and due_at < $2";
    let taken: Option<DateTime<Utc>> = in_tx!(tx, db => sqlx::query_scalar(TAKE)
        .bind(schedule.name).bind(tick).fetch_optional(db).await)?;
    if taken.is_some() {
        in_tx!(tx, db => sqlx::query(FORGET)
            .bind(schedule.name).bind(tick - REMEMBERED).execute(db).await.map(drop))?;
    }
    Ok(taken.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn digest(zone: &str, missed: Missed) -> Schedule {
        let args =
            JobArgs { digest_time_zone: zone.into(), digest_missed: missed, ..JobArgs::default() };
        Schedule::all(&args, &Arc::default()).unwrap().remove(0)
    }

    #[test]
    fn six_in_the_morning_moves_with_the_clocks_of_its_zone() {
        let schedule = digest("Europe/Vienna", Missed::CatchUp);
        let winter = schedule.after(at("2026-03-28T00:00:00Z")).unwrap();
        let summer = schedule.after(winter).unwrap();
        assert_eq!(winter, at("2026-03-28T05:00:00Z"));
        assert_eq!(summer, at("2026-03-29T04:00:00Z"));
    }

    #[test]
    fn an_hour_that_a_zone_does_not_have_is_no_reason_to_leave_a_day_out() {
        let args = JobArgs {
            digest_schedule: "30 2 * * *".into(),
            digest_time_zone: "Europe/Vienna".into(),
            ..JobArgs::default()
        };
        let schedule = Schedule::all(&args, &Arc::default()).unwrap().remove(0);
        let mut time = at("2026-03-27T12:00:00Z");
        let days: Vec<_> = (0..3)
            .map(|_| {
                time = schedule.after(time).unwrap();
                time.date_naive().to_string()
            })
            .collect();
        assert_eq!(days, ["2026-03-28", "2026-03-29", "2026-03-30"]);
    }

    #[test]
    fn nobody_is_early_whose_clock_is_two_seconds_ahead() {
        let schedule = digest("UTC", Missed::CatchUp);
        let last = at("2026-01-01T06:00:00Z");
        // 05:59:58 for everybody else.
        assert_eq!(schedule.due(last, at("2026-01-02T06:00:00Z")), None);
        let tick = at("2026-01-02T06:00:00Z");
        assert_eq!(schedule.due(last, tick + TOLERANCE), Some(tick));
    }

    #[test]
    fn after_days_without_workers_there_is_one_digest_or_none() {
        let last = at("2026-01-01T06:00:00Z");
        let now = at("2026-01-05T09:00:00Z");
        let tick = at("2026-01-05T06:00:00Z");
        assert_eq!(digest("UTC", Missed::CatchUp).due(last, now), Some(tick));
        assert_eq!(digest("UTC", Missed::Skip).due(last, now), None);
        let in_time = tick + TimeDelta::seconds(30);
        assert_eq!(digest("UTC", Missed::Skip).due(last, in_time), Some(tick));
    }

    #[test]
    fn a_wrong_setting_is_named() {
        let wrong = |args: JobArgs| Schedule::all(&args, &Arc::default()).unwrap_err().to_string();
        let cron = JobArgs { digest_schedule: "61 * * * *".into(), ..JobArgs::default() };
        assert!(wrong(cron).starts_with("--digest-schedule: "));
        let zone = JobArgs { digest_time_zone: "Mars".into(), ..JobArgs::default() };
        assert!(wrong(zone).starts_with("--digest-time-zone: "));
    }
}
