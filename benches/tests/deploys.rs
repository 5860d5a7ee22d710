//! A deploy from beginning to end, on real servers: whose jobs are interrupted, whose are not, and that
//! the books say so.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod quarters;

use std::path::PathBuf;

use contract::databases::{self, TestDatabase};
use futures_util::future::join_all;
use in_process::{InProcess, Options};
use lab::{
    deploys::{Case, Job, Launcher, Programs, Release, Subject, Trial, trial},
    durability::Place,
    record::Arm,
    servers::{BACKEND, FRONTEND, MONOLITH},
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

impl Site {
    async fn new(subject: Subject, programs: Programs, database: TestDatabase) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let quarters = quarters(&database, directory.path());
        let app = database.connect_with(Options::default()).await;
        let (launcher, on) = (Launcher { subject, programs, quarters }, database.engine);
        Self { launcher, app, on, _directory: directory, _database: database }
    }

    async fn deploys(&self, case: &Case) -> Trial {
        trial(&self.launcher, &self.app, case).await
    }
}

/// This subject on each database; none where a program is missing.
async fn sites(arm: Arm, place: Place, release: Release, grace_s: u32) -> Vec<Site> {
    let [pages, data] = if arm == Arm::Split { [FRONTEND, BACKEND] } else { [MONOLITH, MONOLITH] };
    let (Some(pages), Some(data)) = (binary(pages), binary(data)) else { return Vec::new() };
    let mut sites = Vec::new();
    for database in databases::all().await {
        let programs = Programs { pages: pages.clone(), data: data.clone() };
        let subject = Subject { arm, place, release, grace_s };
        sites.push(Site::new(subject, programs, database).await);
    }
    sites
}

/// Jobs that have begun when the deploy begins, and last for longer than it takes; and a short one.
fn case(number: u32) -> Case {
    let [long, short] = [80, 1].map(|rounds| Job { at_ms: 0, rounds });
    Case { number, jobs: vec![long, long, short], deploy_ms: 2_000 }
}

/// One deploy of each: all jobs were done, once each, and so many were interrupted.
async fn interrupted(sites: &[Site], number: u32, jobs: u64) {
    let case = case(number);
    let deploys = join_all(sites.iter().map(|site| site.deploys(&case))).await;
    for (trial, site) in deploys.iter().zip(sites) {
        let on = format!("{}, {}: {trial:?}", trial.subject.name(), site.on);
        assert_eq!((&trial.void, &trial.trouble), (&None, &None), "{on}");
        assert_eq!((trial.jobs, trial.lost, trial.twice), (3, 0, 0), "{on}");
        assert!(trial.running >= 2, "{on}");
        assert_eq!((trial.interrupted, trial.drained.is_some()), (jobs, number > 0), "{on}");
        // The processes that ran them have used at least what they are made of.
        assert!(trial.used_ms >= trial.asked_ms, "{on}");
    }
}

#[tokio::test]
async fn jobs_go_on_where_their_process_does_in_either_architecture() {
    let mut all = Vec::new();
    for (arm, place) in
        [(Arm::Monolith, Place::Apart), (Arm::Split, Place::Inside), (Arm::Split, Place::Apart)]
    {
        all.extend(sites(arm, place, Release::Interface, 0).await);
    }
    interrupted(&all, 1, 0).await;
}

#[tokio::test]
async fn jobs_begin_again_where_their_process_does_in_either_architecture() {
    let mut all = Vec::new();
    for (arm, release) in [(Arm::Monolith, Release::Interface), (Arm::Split, Release::Everything)] {
        all.extend(sites(arm, Place::Inside, release, 0).await);
    }
    // And nowhere else.
    interrupted(&all, 0, 0).await;
    interrupted(&all, 1, 2).await;
}

#[tokio::test]
async fn what_is_waited_for_ends_and_what_is_restarted_in_secret_is_noticed() {
    let patient = sites(Arm::Monolith, Place::Inside, Release::Interface, 60).await;
    interrupted(&patient, 1, 0).await;
    let planted = sites(Arm::Planted, Place::Apart, Release::Interface, 0).await;
    interrupted(&planted, 1, 2).await;
}

#[tokio::test]
async fn a_deploy_that_fails_is_void_and_the_next_trial_starts_clean() {
    for mut site in sites(Arm::Split, Place::Inside, Release::Interface, 0).await {
        let real = site.launcher.programs.pages.clone();
        site.launcher.programs.pages = PathBuf::from("/nowhere/to/be/found");
        let failed = site.deploys(&case(1)).await;
        assert!(failed.void.is_some() && failed.interrupted == 0, "{}: {failed:?}", site.on);
        site.launcher.programs.pages = real;
        interrupted(&[site], 1, 0).await;
    }
}
