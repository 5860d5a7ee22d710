//! What `/metrics` shows of jobs.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::TimeDelta;
use contract::sql::execute;
use in_process::{Db, InProcess, Options, Placement, SQL_STATEMENTS};
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    set_default_local_recorder,
};

use super::{Time, article, at, insert};
use crate::fixture::{self, Fixture};

/// Everything that is counted on this thread, and each gauge.
#[derive(Clone, Default)]
struct Board(Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>);

impl Board {
    fn entry(&self, key: &Key) -> Arc<AtomicU64> {
        let labels: Vec<_> = key.labels().map(metrics::Label::value).collect();
        let name = format!("{} {}", key.name(), labels.join(" "));
        self.0.lock().unwrap().entry(name.trim_end().to_owned()).or_default().clone()
    }

    fn counter(&self, name: &str) -> Option<u64> {
        self.0.lock().unwrap().get(name).map(|value| value.load(Ordering::Relaxed))
    }

    fn gauge(&self, name: &str) -> Option<f64> {
        self.counter(name).map(f64::from_bits)
    }

    /// All gauges of the queue's depth that are not zero.
    fn depth(&self) -> BTreeMap<String, f64> {
        let all = self.0.lock().unwrap();
        let gauges = all.iter().filter_map(|(name, value)| {
            let name = name.strip_prefix("conduit_job_queue_depth ")?;
            Some((name.to_owned(), f64::from_bits(value.load(Ordering::Relaxed))))
        });
        gauges.filter(|(_, value)| *value != 0.0).collect()
    }
}

impl Recorder for Board {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.entry(key).into()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.entry(key).into()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// Many jobs at once.
async fn insert_many(app: &InProcess, kind: &str, state: &str, jobs: u32, time: &str) {
    let typed = match app.db() {
        Db::Sqlite { .. } => ["", ""],
        Db::Postgres(_) => ["::jsonb", "::timestamptz"],
    };
    let [json, timestamp] = typed;
    let insert = format!(
        "insert into job (kind, task, state, due_at, priority, max_attempts, request_id, created_at)
        with recursive n (i) as (select 1 union all select i + 1 from n where i < {jobs})
        select '{kind}', '{{}}'{json}, '{state}', '{time}'{timestamp}, 100, 3, 'test',
            '{time}'{timestamp} from n"
    );
    execute(app, &insert).await;
}

#[tokio::test]
async fn what_waits_and_what_is_done_can_be_seen() {
    for fixture in &fixture::all().await {
        let board = Board::default();
        let _guard = set_default_local_recorder(&board);
        let time = Time::new();
        let (app, on) = (&fixture.again(at(&time)).await, fixture.on());
        // Nobody takes these: they are of kinds, or in states, that are left alone.
        let now = fixture::time(0).to_rfc3339();
        let later = (fixture::time(0) + TimeDelta::days(1)).to_rfc3339();
        insert_many(app, "export", "delayed", 3, &later).await;
        insert_many(app, "digest", "running", 2, &later).await;
        insert_many(app, "related", "dead", 4, &now).await;
        insert_many(app, "zzz", "parked", 5, &now).await;
        // A look comes before the first job is taken.
        insert_many(app, "synthetic", "ready", 7, &now).await;
        time.pass(TimeDelta::seconds(90));
        let none = ("conduit_jobs_total related dead", Some(0));
        app.drain_jobs().await.unwrap();
        assert_eq!(board.counter(none.0), none.1, "{on}: zero, not missing");
        let depth: Vec<_> = board.depth().into_iter().collect();
        let expected = [
            ("digest running", 2.0),
            ("export delayed", 3.0),
            ("related dead", 4.0),
            ("synthetic ready", 7.0),
            ("unknown parked", 5.0),
        ];
        assert_eq!(depth, expected.map(|(name, value)| (name.to_owned(), value)), "{on}");
        let age = |kind| board.gauge(&format!("conduit_job_oldest_ready_seconds {kind}")).unwrap();
        assert!((89.0..=91.0).contains(&age("synthetic")), "{on}: {}", age("synthetic"));
        assert_eq!(age("related").to_bits(), 0, "{on}: none waits");

        insert(app, "synthetic", "{\"fails\": \"error\"}", fixture::time(0)).await;
        insert(app, "synthetic", "{\"fails\": \"panic\"}", fixture::time(0)).await;
        execute(app, "update job set max_attempts = 1 where cast(task as text) like '%panic%'")
            .await;
        // Its workers vanished.
        execute(app, "update job set due_at = created_at, attempts = 3 where kind = 'digest'")
            .await;
        execute(app, "update job set max_attempts = 3, due_at = created_at where kind = 'digest'")
            .await;
        time.pass(TimeDelta::days(1));
        execute(app, "delete from job where kind = 'export'").await;
        app.drain_jobs().await.unwrap();
        for (ended, times) in [
            ("synthetic done", 7),
            ("synthetic failed", 1),
            ("synthetic dead", 1),
            ("digest dead", 2),
            ("export done", 0),
        ] {
            let counted = board.counter(&format!("conduit_jobs_total {ended}"));
            assert_eq!(counted, Some(times), "{on}: {ended}");
        }
    }
}

#[tokio::test]
async fn inline_jobs_are_counted_too_and_as_no_pages_cost() {
    for fixture in &fixture::all().await {
        let board = Board::default();
        let options = Options { placement: Placement::Inline, ..Options::default() };
        let (app, on) = (&fixture.again(options).await, fixture.on());
        let ada = Fixture::sign_in(app, "ada").await;
        let _guard = set_default_local_recorder(&board);
        conduit::Conduit::create_article(app, &ada, article("Queues")).await.unwrap();
        assert_eq!(board.counter("conduit_jobs_total related done"), Some(1), "{on}");
        let page = board.counter(SQL_STATEMENTS);
        app.drain_jobs().await.unwrap();
        assert_eq!(board.counter(SQL_STATEMENTS), page, "{on}: a look is no page's cost");
        assert!(!board.depth().contains_key("related ready"), "{on}");
    }
}

/// However many there are: a look ends at ten thousand of each.
#[tokio::test]
async fn a_look_is_bounded() {
    let most = u32::try_from(conduit::COUNTED).unwrap();
    for fixture in &fixture::all().await {
        let board = Board::default();
        let _guard = set_default_local_recorder(&board);
        let (app, on) = (&fixture.app, fixture.on());
        let later = (chrono::Utc::now() + TimeDelta::days(1)).to_rfc3339();
        insert_many(app, "synthetic", "delayed", most + 5, &later).await;
        insert_many(app, "related", "dead", most + 5, &later).await;
        app.drain_jobs().await.unwrap();
        let depth: Vec<_> = board.depth().into_iter().collect();
        let expected = [("related dead", 10_000.0), ("synthetic delayed", 10_000.0)];
        assert_eq!(depth, expected.map(|(name, value)| (name.to_owned(), value)), "{on}");
    }
}
