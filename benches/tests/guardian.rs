//! However the lab ends, nothing of it is left. The lab's part is played by a shell here, so that
//! it can be killed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use lab::{
    fleet::quota::{Kind, Limits, Quotas},
    probe,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Starts two processes that carry the mark, one the child of the other and each in a process group
/// of its own, prints their numbers, hands a directory to the guardian, and goes on "measuring".
/// The pipe to the guardian is held by the shell alone.
const LAB: &str = r#"
    CONDUIT_LAB_RUN=$2 setsid sh -c 'setsid sleep 1000 3>&- & echo $!; echo $$; wait' 3>&- &
    exec 1>&-
    echo "directory $1" >&3
    while :; do sleep 0.05 3>&-; done
"#;

struct Scene {
    lab: Child,
    guardian: Child,
    output: BufReader<ChildStdout>,
}

/// The guardian's input is a named pipe, of which `LAB` has the other end as descriptor 3.
fn set_up(dir: &Path, doomed: &Path, mark: &str) -> Scene {
    let pipe = dir.join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut lab = Command::new("sh")
        .args(["-c", &format!("exec 3>'{}'; {LAB}", pipe.display()), "lab"])
        .arg(doomed)
        .arg(mark)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(lab.stdout.take().unwrap());
    let guardian = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["guardian", mark])
        // Opening waits for the other end.
        .stdin(fs::File::open(&pipe).unwrap())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    Scene { lab, guardian, output }
}

fn next_pid(output: &mut impl BufRead) -> Pid {
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    Pid::from_raw(line.trim().parse().unwrap())
}

fn is_running(pid: Pid) -> bool {
    probe::state(pid).is_some_and(|state| state != 'Z')
}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(10), "still not the case: {what}");
        thread::yield_now();
    }
}

#[test]
fn killing_the_lab_ends_its_processes_and_removes_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let doomed = dir.path().join("doomed");
    fs::create_dir(&doomed).unwrap();
    fs::write(doomed.join("file"), "data").unwrap();
    let mark = format!("test-{}", std::process::id());
    let mut scene = set_up(dir.path(), &doomed, &mark);
    let grandchild = next_pid(&mut scene.output);
    let child = next_pid(&mut scene.output);
    // A frozen process must not escape either.
    kill(child, Signal::SIGSTOP).unwrap();
    assert!(is_running(child) && is_running(grandchild));

    scene.lab.kill().unwrap();
    scene.lab.wait().unwrap();

    eventually("the guardian ends its processes", || !is_running(child) && !is_running(grandchild));
    assert!(scene.guardian.wait().unwrap().success());
    assert!(!doomed.exists(), "its files are removed");
    assert!(dir.path().exists(), "and nobody else's");
}

/// A process that was frozen, even one that does not carry the mark, goes with its group.
#[test]
fn control_groups_are_removed_with_everything_in_them() {
    let mark = format!("{}-guardian", std::process::id());
    let quotas = Quotas::open(&mark);
    if let Kind::Affinity { why } = quotas.kind() {
        // Nobody can install them, so this is never a failure.
        println!("ignored: needs control groups: {why}");
        return;
    }
    let group = quotas.group("server", &Limits::default()).unwrap();
    let under = group.under();
    let mut server =
        Command::new(&under[0]).args(&under[1..]).args(["/bin/sleep", "1000"]).spawn().unwrap();
    eventually("it is in its group", || group.members().len() == 1);
    if group.freeze().unwrap() {
        eventually("it is frozen", || group.is_frozen().unwrap());
    }
    let directories = quotas.directories();

    let mut guardian = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["guardian", &mark])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut pipe = guardian.stdin.take().unwrap();
    for directory in &directories {
        assert!(directory.exists());
        writeln!(pipe, "group {}", directory.display()).unwrap();
    }
    // The lab is killed: it removes nothing itself.
    std::mem::forget((group, quotas));
    drop(pipe);
    assert!(guardian.wait().unwrap().success());
    assert!(directories.iter().all(|directory| !directory.exists()), "{directories:?}");
    assert!(!server.wait().unwrap().success());
}

#[test]
fn half_a_line_is_not_acted_upon() {
    let dir = tempfile::tempdir().unwrap();
    let precious = dir.path().join("precious");
    fs::create_dir(&precious).unwrap();
    let mut guardian = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["guardian", "test-half"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut pipe = guardian.stdin.take().unwrap();
    // The lab was killed while it wrote "…/precious-2".
    write!(pipe, "directory {}", precious.display()).unwrap();
    drop(pipe);
    assert!(guardian.wait().unwrap().success());
    assert!(precious.exists());
}
