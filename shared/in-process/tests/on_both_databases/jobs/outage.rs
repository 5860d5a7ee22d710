//! The database goes away in the middle of the work.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::{TimeDelta, Utc};
use contract::{
    postgres::{PrivateServer, REQUIRE},
    sql::{execute, number, until},
};
use in_process::{Clock, DatabaseArgs, IdentityArgs, InProcess, Options};

use super::{Worker, insert};

/// For half a minute, by the clock that leases go by: longer than one. Here that takes as many seconds
/// as `CONDUIT_OUTAGE_SECONDS` says; without it, a moment. With all of them:
///
/// ```text
/// CONDUIT_OUTAGE_SECONDS=30 cargo test -p in-process --test on_both_databases database_is_away
/// ```
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_while_the_database_is_away() {
    const OUTAGE: i64 = 30;
    let started = tokio::task::spawn_blocking(PrivateServer::start).await.unwrap().unwrap();
    let Some(server) = started.filter(PrivateServer::is_private) else {
        let required = std::env::var(REQUIRE).is_ok_and(|value| value == "1");
        assert!(!required, "{REQUIRE}=1, and there is no PostgreSQL that can be stopped");
        return println!("ignored: needs PostgreSQL that can be stopped");
    };
    let folder = tempfile::tempdir().unwrap();
    let mut args = DatabaseArgs::in_data_dir(folder.path());
    args.database_url = Some(server.create_database("away").await.unwrap().into());
    in_process::migrate(&args).await.unwrap();
    let skipped = Arc::new(AtomicI64::new(0));
    let ahead = skipped.clone();
    let clock = Clock::new(move || Utc::now() + TimeDelta::seconds(ahead.load(Ordering::SeqCst)));
    let options = Options { clock, ..Options::default() };
    let app = &InProcess::connect(&args, &IdentityArgs::default(), options).await.unwrap();
    for number in 1..=400 {
        let task = format!("{{\"number\": {number}, \"sleep_ms\": 50}}");
        insert(app, "synthetic", &task, Utc::now()).await;
    }
    // An outage may take one attempt with it, and no more.
    execute(app, "update job set max_attempts = 2").await;
    let worker = Worker::start(app, Duration::from_secs(5));
    until(app, 1, "select count(*) from synthetic_effect").await;
    server.stop().unwrap();
    let seconds = std::env::var("CONDUIT_OUTAGE_SECONDS").ok().and_then(|text| text.parse().ok());
    let seconds: u32 = seconds.unwrap_or(2);
    // Nobody says when an outage was long enough.
    tokio::time::sleep(Duration::from_secs(seconds.into())).await;
    skipped.store(OUTAGE - i64::from(seconds), Ordering::SeqCst);
    server.start_again().unwrap();
    let answers = async { while conduit::Conduit::ready(app).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(20), answers).await.expect("a database again");
    until(app, 400, "select count(*) from synthetic_effect").await;
    worker.stop().await;
    assert_eq!(number(app, "select count(*) from job").await, 0);
    assert_eq!(number(app, "select count(*) from synthetic_effect where times = 1").await, 400);
}
