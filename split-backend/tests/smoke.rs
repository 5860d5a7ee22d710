//! The binary from outside: it starts, serves, drains and refuses.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
};

use contract::{
    process::{Server, command, eventually, refusal},
    smoke::Program,
};

const PROGRAM: Program =
    Program { binary: env!("CARGO_BIN_EXE_split-backend"), role: "split-backend" };

#[test]
fn it_comes_up_and_stops() {
    PROGRAM.comes_up_and_stops();
}

#[test]
fn it_drains_on_sigterm() {
    PROGRAM.drains();
}

#[test]
fn it_says_that_it_is_about_to_stop() {
    PROGRAM.leaves();
}

#[test]
fn it_refuses_bad_settings_in_one_line() {
    PROGRAM.refuses_bad_settings();
}

#[test]
fn it_has_no_pages() {
    let data = tempfile::tempdir().unwrap();
    let server = PROGRAM.serve(&data);
    assert_eq!(server.get("/").unwrap().status, 404);
    assert_eq!(server.get("/login").unwrap().status, 404);
}

fn status_by(socket: &Path) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(b"GET /api/tags HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

#[test]
fn it_listens_on_a_unix_socket_as_well() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("backend.sock");
    let [folder, socket] = [data.path(), &path].map(|path| path.to_str().unwrap());
    let args = ["serve", "--listen", "127.0.0.1:0", "--data-dir", folder, "--listen-unix", socket];
    let start = || Server::start(command(PROGRAM.binary, &args, &[])).unwrap();
    let server = start();
    assert!(status_by(&path).unwrap().contains(" 200 "));
    assert_eq!(server.get("/api/tags").unwrap().status, 200, "and on its port");

    // A second one is refused, and leaves the first one alone.
    let said = refusal(command(PROGRAM.binary, &args, &[])).unwrap();
    assert!(said.contains("error: --listen-unix: ") && said.contains("another server"), "{said}");
    assert!(status_by(&path).unwrap().contains(" 200 "));

    // The next one takes over what was left behind, even by one that was killed.
    drop(server);
    eventually("nobody listens", || status_by(&path).is_err());
    let server = start();
    assert!(status_by(&path).unwrap().contains(" 200 "));
    server.terminate().unwrap();
    assert!(server.wait().unwrap().0.success());
    assert!(status_by(&path).is_err());
}
