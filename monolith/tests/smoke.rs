//! The binary from outside: it starts, serves, drains and refuses.

use contract::smoke::Program;

const PROGRAM: Program = Program { binary: env!("CARGO_BIN_EXE_monolith"), role: "monolith" };

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
fn it_serves_pages_beside_the_api() {
    let data = tempfile::tempdir().unwrap();
    let server = PROGRAM.serve(&data);
    let home = server.get("/").unwrap();
    assert_eq!(home.status, 200);
    assert!(home.body.contains("class=\"home-page\""), "{}", home.body);
    assert_eq!(server.get("/nothing-here").unwrap().status, 404);
}
