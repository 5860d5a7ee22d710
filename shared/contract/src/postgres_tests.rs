//! A private server comes up, can be restarted, and never outlives its owner.

use super::*;
use crate::process::eventually;

/// Prints whose server it is, and waits to be killed.
#[test]
#[ignore = "the part of the owner, in a process of its own"]
fn an_owner_that_waits() {
    let server = PrivateServer::start().unwrap().unwrap();
    let folder = &server.own.as_ref().unwrap().folder;
    println!("\nowner of {} {}", server.pid().unwrap(), folder.display());
    loop {
        std::thread::park();
    }
}

#[test]
fn a_server_goes_when_its_owner_is_killed() {
    if programs().is_none() {
        return println!("ignored: needs PostgreSQL, installed");
    }
    let mut owner = Command::new(env::current_exe().unwrap())
        .args(["--exact", "postgres::tests::an_owner_that_waits", "--ignored", "--nocapture"])
        .env_remove(OVERRIDE)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    let said = lines.map_while(Result::ok).find_map(|line| {
        let (pid, folder) = line.strip_prefix("owner of ")?.split_once(' ')?;
        Some((PathBuf::from("/proc").join(pid), PathBuf::from(folder)))
    });
    let (process, folder) = said.unwrap();
    assert!(process.exists() && folder.exists());

    owner.kill().unwrap();
    owner.wait().unwrap();
    eventually("the server is gone", || !process.exists());
    eventually("its files are gone", || !folder.exists());
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let Some(programs) = programs() else {
        return println!("ignored: needs PostgreSQL, installed");
    };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let error = start_at(&programs, taken.local_addr().unwrap().port(), CARELESS).err().unwrap();
    assert!(error.to_string().contains("Address already in use"), "{error}");
}
