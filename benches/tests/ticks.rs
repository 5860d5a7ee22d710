//! Ticks from beginning to end, on real replicas: each happens once where it is a row, whatever befalls
//! them, and not where each has a timer of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod quarters;

use std::path::PathBuf;

use contract::databases::{self, TestDatabase};
use futures_util::future::join_all;
use in_process::{InProcess, Options};
use lab::{
    record::Arm,
    servers::MONOLITH,
    ticks::{Launcher, Round, Subject, Tick, Timer, Trouble, round},
};
use quarters::{binary, quarters};

/// One system on one database.
struct Site {
    launcher: Launcher,
    app: InProcess,
    on: &'static str,
    _directory: tempfile::TempDir,
    _database: TestDatabase,
}

/// This subject on each database; none where the program is missing.
async fn sites(arm: Arm, timer: Timer, replicas: u32) -> Vec<Site> {
    let Some(binary) = binary(MONOLITH) else { return Vec::new() };
    let mut sites = Vec::new();
    for database in databases::all().await {
        let directory = tempfile::tempdir().unwrap();
        let subject = Subject { arm, timer, replicas };
        let quarters = quarters(&database, directory.path());
        let app = database.connect_with(Options::default()).await;
        sites.push(Site {
            launcher: Launcher { subject, binary: binary.clone(), quarters },
            app,
            on: database.engine,
            _directory: directory,
            _database: database,
        });
    }
    sites
}

impl Site {
    /// Its ticks in this trouble, with what is to be said of them.
    async fn ticks(&self, trouble: Trouble, ticks: u32) -> (Vec<Tick>, String) {
        let of_round = Round { trouble, ticks, seed: 8 };
        let ticks = round(&self.launcher, &self.app, of_round).await;
        let on = format!("{}, {}: {ticks:?}", self.launcher.subject.name(), self.on);
        assert!(ticks.iter().all(|tick| tick.void.is_none()), "{on}");
        (ticks, on)
    }
}

#[tokio::test]
async fn a_tick_that_is_a_row_happens_once_whatever_befalls_replicas() {
    let mut rounds = Vec::new();
    let several = [(Trouble::Kill, 2), (Trouble::Pause, 2), (Trouble::Skew, 2)];
    for (trouble, replicas) in [(Trouble::Kill, 1)].into_iter().chain(several) {
        for site in sites(Arm::Monolith, Timer::Row, replicas).await {
            rounds.push(async move { site.ticks(trouble, 2).await });
        }
    }
    for (ticks, on) in join_all(rounds).await {
        assert!(ticks.iter().all(|tick| tick.fired == 1 && !tick.early()), "{on}");
    }
}

#[tokio::test]
async fn a_timer_in_each_process_happens_as_often_as_there_are_and_by_its_own_clock() {
    let two = sites(Arm::Monolith, Timer::Bare, 2).await;
    let two = join_all(two.iter().map(|site| site.ticks(Trouble::None, 2)));
    let planted = sites(Arm::Planted, Timer::Row, 2).await;
    let planted = join_all(planted.iter().map(|site| site.ticks(Trouble::None, 2)));
    let ahead = sites(Arm::Monolith, Timer::Bare, 1).await;
    let ahead = join_all(ahead.iter().map(|site| site.ticks(Trouble::Skew, 2)));
    let (two, planted, ahead) = tokio::join!(two, planted, ahead);
    for (ticks, on) in two.into_iter().chain(planted) {
        assert!(ticks.iter().all(|tick| tick.fired == 2 && !tick.early()), "{on}");
    }
    for (ticks, on) in ahead {
        assert!(ticks.iter().all(|tick| tick.fired == 1), "{on}");
        assert!(ticks.iter().any(Tick::early), "{on}");
    }
}

#[tokio::test]
async fn replicas_that_do_not_come_up_make_a_round_void_and_the_next_one_starts_clean() {
    for mut site in sites(Arm::Monolith, Timer::Row, 1).await {
        let real = site.launcher.binary.clone();
        site.launcher.binary = PathBuf::from("/nowhere/to/be/found");
        let of_round = Round { trouble: Trouble::None, ticks: 2, seed: 8 };
        let failed = round(&site.launcher, &site.app, of_round).await;
        assert_eq!(failed.len(), 2);
        assert!(failed.iter().all(|tick| tick.void.is_some() && tick.fired == 0), "{failed:?}");
        site.launcher.binary = real;
        let (ticks, on) = site.ticks(Trouble::None, 1).await;
        assert!(ticks.iter().all(|tick| tick.fired == 1), "{on}");
    }
}
