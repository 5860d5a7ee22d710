//! A kill from beginning to end, on real servers: what the queue keeps, what memory loses, what a bug
//! loses, and that nothing is left of a trial that went wrong.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod quarters;

use std::{fs, path::Path, process::Command};

use contract::{
    databases::{self, TestDatabase},
    kills::House,
};
use in_process::{Options, Point};
use lab::{
    durability::{Blow, Keeping, Launcher, Place, Subject, Trial, trial},
    record::Arm,
    servers::{BACKEND, MONOLITH},
};
use quarters::{binary, quarters};

/// One system on one database.
struct Victim {
    launcher: Launcher,
    house: House,
    on: &'static str,
    _directory: tempfile::TempDir,
    _database: TestDatabase,
}

impl Victim {
    async fn new(subject: Subject, binary: &Path, database: TestDatabase) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let quarters = quarters(&database, directory.path());
        let app = database.connect_with(Options::default()).await;
        let email = databases::small_dataset().user(0).email;
        let house = House::open(app, email).await.unwrap();
        let launcher = Launcher { subject, binary: binary.to_owned(), quarters };
        let on = database.engine;
        Self { launcher, house, on, _directory: directory, _database: database }
    }

    async fn dies(&mut self, blow: Blow) -> Trial {
        trial(&self.launcher, &mut self.house, blow).await
    }
}

async fn victims(arm: Arm, keeping: Keeping, place: Place) -> Vec<Victim> {
    let program = if arm == Arm::Split { BACKEND } else { MONOLITH };
    let Some(binary) = binary(program) else { return Vec::new() };
    let mut victims = Vec::new();
    for database in databases::all().await {
        victims.push(Victim::new(Subject { arm, keeping, place }, &binary, database).await);
    }
    victims
}

/// A kill after which nothing is missing.
fn kept(trial: &Trial, on: &str) {
    assert_eq!((&trial.void, &trial.trouble), (&None, &None), "{on}");
    let amiss = (trial.lost, trial.twice, trial.unasked, trial.unanswered_lost);
    assert_eq!(amiss, (0, 0, 0, 0), "{on}: {trial:?}");
    assert!(trial.accepted > 0, "{on}: {trial:?}");
}

#[tokio::test]
async fn the_queue_keeps_what_was_accepted_wherever_its_worker_runs() {
    for (arm, place) in [(Arm::Monolith, Place::Inside), (Arm::Split, Place::Apart)] {
        for mut victim in victims(arm, Keeping::Queue, place).await {
            let whole = victim.dies(Blow::None).await;
            kept(&whole, victim.on);
            assert_eq!(whole.at_stake, 0);
            for blow in [Blow::At(Point::EffectBeforeCommit, 2), Blow::After(200)] {
                let killed = victim.dies(blow).await;
                kept(&killed, victim.on);
                assert!(killed.at_stake > 0 && killed.recovered.is_some(), "{killed:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_only_in_memory_is_lost_and_so_is_what_ended_too_early() {
    for (arm, keeping) in [(Arm::Monolith, Keeping::Spawn), (Arm::Planted, Keeping::Queue)] {
        for mut victim in victims(arm, keeping, Place::Inside).await {
            // Without a kill nobody would notice.
            kept(&victim.dies(Blow::None).await, victim.on);
            let killed = victim.dies(Blow::At(Point::EffectBeforeCommit, 1)).await;
            assert!(killed.void.is_none() && killed.lost > 0, "{}: {killed:?}", victim.on);
            assert_eq!((killed.lost, killed.recovered), (killed.at_stake, None), "{}", victim.on);
        }
    }
}

#[tokio::test]
async fn a_server_that_does_not_come_back_costs_its_jobs_and_the_next_trial_starts_clean() {
    for mut victim in victims(Arm::Monolith, Keeping::Queue, Place::Inside).await {
        // One that starts once only: the second time there is no such program.
        let real = victim.launcher.binary.clone();
        let once = victim.launcher.quarters.directory.join("once");
        let script = format!("#!/bin/sh\nrm \"$0\"\nexec {} \"$@\"\n", real.display());
        let draft = victim.launcher.quarters.directory.join("draft");
        fs::write(&draft, script).unwrap();
        // Copied by another process: a child that another test starts meanwhile would hold our own
        // descriptor of the file, and a file that is open for writing can't be executed.
        let mut install = Command::new("install");
        let installed = install.args(["-m", "755"]).args([&draft, &once]).status().unwrap();
        assert!(installed.success());
        victim.launcher.binary = once;
        let killed = victim.dies(Blow::After(300)).await;
        assert!(killed.void.is_none() && killed.at_stake > 0, "{}: {killed:?}", victim.on);
        assert_eq!(killed.lost, killed.at_stake, "{}", victim.on);
        assert!(killed.trouble.unwrap().starts_with("started again"), "{}", victim.on);
        // It never comes up at all.
        let never = victim.dies(Blow::After(300)).await;
        assert!(never.void.is_some() && never.accepted == 0, "{}: {never:?}", victim.on);
        victim.launcher.binary = real;
        kept(&victim.dies(Blow::After(200)).await, victim.on);
    }
}
