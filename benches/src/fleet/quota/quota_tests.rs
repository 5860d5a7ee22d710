//! Quotas on this machine's kernel. Where groups can't be made, the tests say so.

use std::{
    io::Read,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use super::*;
use crate::{affinity, probe};

static NUMBER: AtomicU32 = AtomicU32::new(0);

fn mark() -> String {
    format!("{}-test-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst))
}

/// The groups of a run, unless there can't be any.
fn quotas() -> Option<Quotas> {
    let quotas = Quotas::open(&mark());
    if let Kind::Affinity { why } = quotas.kind() {
        // Nobody can install them, so this is never a failure.
        println!("ignored: needs control groups: {why}");
        return None;
    }
    Some(quotas)
}

/// A process that ends with the test, also when that fails: some of them would run for ever.
struct Running {
    child: Child,
    groups: Vec<PathBuf>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // What is frozen does not die.
        self.groups.iter().for_each(|group| thaw(group));
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(group: &Group, script: &str) -> Running {
    let under = group.under();
    let child = Command::new(&under[0])
        .args(&under[1..])
        .args(["/bin/sh", "-c", script])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let groups = group.tree.directories().into_iter().map(Path::to_owned).collect();
    Running { child: child.unwrap(), groups }
}

fn quota(millicores: u32) -> Limits {
    Limits { cpu: Some(Cpu::Quota(Millicores(millicores))), memory_mib: None }
}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "still not the case: {what}");
        thread::yield_now();
    }
}

#[test]
fn a_process_is_in_its_group_before_it_becomes_the_program() {
    let Some(quotas) = quotas() else { return };
    let group = quotas.group("first", &quota(500)).unwrap();
    let mut child = run(&group, "echo $$; cat /proc/self/cgroup; read x");
    let pid = child.child.id().to_string();
    drop(child.child.stdin.take());
    let mut output = String::new();
    child.child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    // The number that the lab knows is the program's: nothing stands between them.
    assert_eq!(output.lines().next(), Some(pid.as_str()));
    let groups = output.lines().filter(|line| line.ends_with("/first")).count();
    assert!(groups >= group.tree.directories().len(), "{output}");
}

#[test]
fn a_quota_holds_and_what_it_cost_is_counted() {
    let Some(quotas) = quotas() else { return };
    let group = quotas.group("burner", &quota(200)).unwrap();
    let child = run(&group, "while :; do :; done");
    eventually("it has been stopped by its quota", || group.used().unwrap().throttled_periods > 20);
    let (start, before) = (Instant::now(), group.used().unwrap());
    eventually("and again", || group.used().unwrap().since(before).throttled_periods > 40);
    let (used, elapsed) = (group.used().unwrap().since(before), start.elapsed());
    drop(child);
    // On a busy machine it gets less; more than its quota it never gets, but for a slice at each end.
    let allowed = elapsed.as_secs_f64() * 0.2 + 0.012;
    assert!(used.cpu.as_secs_f64() <= allowed, "{used:?} in {elapsed:?}");
    assert!(used.throttled > Duration::ZERO && used.periods >= used.throttled_periods);
}

#[test]
fn what_the_groups_inside_take_together_is_limited_by_the_one_around() {
    let Some(quotas) = quotas() else { return };
    let around = quotas.group("around", &quota(1000)).unwrap();
    let weights = [100, 300].map(|weight| {
        let limits = Limits { cpu: Some(Cpu::Weight(weight)), memory_mib: None };
        around.subgroup(&format!("weight-{weight}"), &limits).unwrap()
    });
    let all = affinity::cores().unwrap();
    // On one core, or they would not compete.
    let children = affinity::elsewhere(&all[..1], &all, || {
        weights.each_ref().map(|group| run(group, "while :; do :; done"))
    })
    .unwrap();
    let used = || weights.each_ref().map(|group| group.used().unwrap().cpu.as_secs_f64());
    let whole = || used().iter().sum::<f64>();
    eventually("both have begun", || used().iter().all(|seconds| *seconds > 0.01));
    let (before, start) = (used(), Instant::now());
    eventually("both have worked", || whole() > before.iter().sum::<f64>() + 0.4);
    let (after, elapsed) = (used(), start.elapsed().as_secs_f64());
    let [light, heavy] = [after[0] - before[0], after[1] - before[1]];
    drop(children);
    assert!(light + heavy <= elapsed + 0.05, "{light} + {heavy} s of CPU in {elapsed} s");
    assert!(heavy > 1.8 * light, "three times the weight: {heavy} s against {light} s");
}

#[test]
fn memory_over_the_limit_costs_the_process_its_life() {
    let Some(quotas) = quotas() else { return };
    let group = quotas.group("eater", &Limits { cpu: None, memory_mib: Some(16) }).unwrap();
    // Doubles a text until it is 64 MiB long.
    let script =
        "x=0123456789abcdef; i=0; while [ $i -lt 22 ]; do x=$x$x; i=$((i+1)); done; echo no";
    let mut child = run(&group, script);
    let mut output = String::new();
    child.child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    assert!(!child.child.wait().unwrap().success() && output.is_empty(), "{output}");
    let used = group.used().unwrap();
    assert_eq!(used.killed_for_memory, 1, "{used:?}");
    assert!(used.memory_peak_mib.is_none_or(|mib| (8.0..=16.0).contains(&mib)), "{used:?}");
}

#[test]
fn a_frozen_group_gets_no_cpu_and_can_be_cleared_all_the_same() {
    let Some(quotas) = quotas() else { return };
    let group = quotas.group("frozen", &quota(500)).unwrap();
    let mut child = run(&group, "while :; do :; done");
    eventually("it works", || group.used().unwrap().cpu > Duration::from_millis(5));
    assert_eq!(group.members().len(), 1);
    if !group.freeze().unwrap() {
        println!("ignored: needs the freezer");
        return;
    }
    eventually("it has come to a stop", || group.is_frozen().unwrap());
    let before = group.used().unwrap().cpu;
    let start = Instant::now();
    eventually("time passes", || start.elapsed() > Duration::from_millis(30));
    assert_eq!(group.used().unwrap().cpu, before);
    // What the guardian does. A signal alone would not reach the process.
    clear(&quotas.directories()).unwrap();
    child.child.wait().unwrap();
    assert!(quotas.directories().iter().all(|directory| !directory.exists()));
}

#[test]
fn groups_of_a_dead_run_go_at_the_next_start_and_those_of_a_living_one_stay() {
    let Some(living) = quotas() else { return };
    let kept = living.group("kept", &quota(500)).unwrap();
    let mut lab = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let dead = Quotas::open(&format!("{}-dead", lab.id()));
    let group = dead.group("orphan", &quota(500)).unwrap();
    let mut orphan = run(&group, "while :; do :; done");
    let pid = Pid::from_raw(orphan.child.id().try_into().unwrap());
    let left: Vec<_> = dead.directories();
    // The lab and its guardian were killed: nobody removes anything.
    std::mem::forget((group, dead));
    let _while_it_lives = quotas();
    assert!(left.iter().all(|directory| directory.exists()));

    lab.kill().unwrap();
    lab.wait().unwrap();
    let _next = quotas();
    // Another test that starts at this moment may be the one that does it.
    eventually("they are gone", || left.iter().all(|directory| !directory.exists()));
    eventually("its server, too", || probe::state(pid).is_none_or(|state| state == 'Z'));
    orphan.child.wait().unwrap();
    assert!(kept.tree.directories().iter().all(|directory| directory.exists()));
}

#[tokio::test]
async fn the_preflight_says_what_a_quota_comes_to() {
    let Some(quotas) = quotas() else { return };
    let cores = affinity::cores().unwrap();
    let found = preflight(&quotas, &cores[cores.len() - 1..], ("X", "y")).await.unwrap();
    let share = found.require().unwrap();
    // Less is possible while other tests run; more is not.
    assert!((0.02..=0.2625).contains(&share.achieved), "{share:?}");
    assert_eq!(affinity::cores().unwrap(), cores);
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Enforcement>(&text).unwrap(), found);
}

#[test]
fn a_share_that_is_off_names_both_figures_and_the_way_out() {
    let share = |achieved, throttled| Share { asked: Millicores(250), achieved, throttled };
    share(0.241, 1.0).check().unwrap();
    share(0.259, 1.0).check().unwrap();
    let busy = share(0.2, 0.1).check().unwrap_err().to_string();
    assert!(busy.contains("0.250 CPU") && busy.contains("0.200 CPU"), "{busy}");
    assert!(busy.contains("others use the core"), "{busy}");
    let broken = share(0.9, 0.0).check().unwrap_err().to_string();
    assert!(broken.contains("does not keep to it"), "{broken}");
    let none = Enforcement::Affinity { why: "no groups; run as root".to_owned() };
    let error = none.require().unwrap_err().to_string();
    assert_eq!(error, "this needs CPU quotas: no groups; run as root");
}
