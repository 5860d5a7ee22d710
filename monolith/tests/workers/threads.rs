//! Whose time jobs take.

use std::{fs, path::PathBuf};

use contract::sql::number;
use in_process::Load;

use crate::site::{NEVER, Site};

/// A thread of a process.
struct Thread {
    name: String,
    nice: i64,
    /// CPU time that it has taken, in ticks of 10 ms.
    ticks: u64,
}

/// All threads of a process, from `/proc/PID/task/*/stat` (proc(5)): its 2nd field is the name, the
/// 14th and 15th the time that it took, the 19th its nice value.
fn threads(pid: u32) -> Vec<Thread> {
    let tasks = fs::read_dir(PathBuf::from(format!("/proc/{pid}/task"))).unwrap();
    let stat = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok());
    stat.map(|line| {
        let (name, rest) = line.split_once('(').unwrap().1.rsplit_once(')').unwrap();
        let field = |number: usize| rest.split_whitespace().nth(number - 3).unwrap();
        Thread {
            name: name.to_owned(),
            nice: field(19).parse().unwrap(),
            ticks: field(14).parse::<u64>().unwrap() + field(15).parse::<u64>().unwrap(),
        }
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn low_priority_computes_on_threads_that_give_way() {
    let low: &[&str] = &["--job-priority", "low"];
    let runtimes: [&[&str]; 2] = [&[], &["--runtime", "event-loop"]];
    let sites = Site::all(Load { cpu_ms: 300, ..Load::default() }).await;
    for site in sites {
        let on = site.on_engine();
        let mut jobs = 0;
        for role in [&["work"] as &[&str], &["serve", "--jobs", "inside"]] {
            for runtime in runtimes {
                let args = [role, low, runtime].concat();
                let worker = site.start("low", &args, NEVER);
                site.enqueue(2).await;
                jobs += 2;
                site.effects(jobs).await;
                site.is_settled(jobs).await;
                let (low, other): (Vec<_>, Vec<_>) = threads(worker.process.pid())
                    .into_iter()
                    .partition(|thread| thread.name == "jobs, low");
                assert!(
                    !low.is_empty() && low.iter().all(|thread| thread.nice == 19),
                    "{on}: {args:?}"
                );
                assert!(other.iter().all(|thread| thread.nice < 19), "{on}: {args:?}");
                // They spin until the clock says so: on a busy machine they get less than all of it.
                let ticks: u64 = low.iter().map(|thread| thread.ticks).sum();
                assert!(ticks > 0, "{on}: {args:?}: it was they who computed");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_it_all_threads_are_alike() {
    for site in Site::all(Load { cpu_ms: 50, ..Load::default() }).await {
        let worker = site.start("normal", &["work"], NEVER);
        site.enqueue(1).await;
        site.effects(1).await;
        let nice: Vec<_> = threads(worker.process.pid()).iter().map(|thread| thread.nice).collect();
        assert!(nice.windows(2).all(|pair| pair[0] == pair[1]), "{}: {nice:?}", site.on_engine());
    }
}

/// A long computation is made of short ones: in between pages are served, and the lease is renewed.
#[tokio::test(flavor = "multi_thread")]
async fn on_one_thread_everybody_has_a_turn() {
    for site in Site::all(Load { cpu_ms: 5_000, ..Load::default() }).await {
        let on = site.on_engine();
        let args = ["serve", "--jobs", "inside", "--runtime", "event-loop"];
        // Several turns lie between two signs of life, and each is long where others compute as well.
        let worker = site.start("loop", &args, 4_000);
        site.enqueue(1).await;
        site.job("state = 'running'").await;
        assert_eq!(worker.process.get("/healthz").unwrap().status, 200, "{on}");
        let effects = number(&site.app, "select count(*) from synthetic_effect").await;
        assert_eq!(effects, 0, "{on}: an answer in the middle of it");
        site.effects(1).await;
        site.is_settled(1).await;
        assert!(!worker.log().contains("somebody else has this job"), "{on}: {}", worker.log());
    }
}
