//! What happens when there is no time left, or no database.

use std::time::Duration;

use conduit::{Caller, Conduit, Error, Outcome, Password, Registration, RequestId};
use contract::{databases, postgres::PrivateServer};
use in_process::{DatabaseArgs, IdentityArgs, InProcess, Options};

use crate::fixture::{self, visitor};

const NOT_DONE: Error = Error::Unavailable(Outcome::NotDone);

fn registration(username: &str) -> Registration {
    Registration {
        username: username.into(),
        email: format!("{username}@example.com"),
        password: Password::new("correct horse"),
    }
}

#[tokio::test]
async fn a_caller_without_time_gets_no_work_done() {
    let hurried = Caller::new(None, RequestId::parse("none").unwrap(), Duration::ZERO);
    for fixture in fixture::all().await {
        let on = fixture.on();
        assert_eq!(fixture.app.article(&hurried, "first").await.unwrap_err(), NOT_DONE, "{on}");
        assert_eq!(fixture.app.tags(&hurried).await.unwrap_err(), NOT_DONE, "{on}");
        let register = fixture.app.register(&hurried, registration("dora")).await;
        assert_eq!(register.unwrap_err(), NOT_DONE, "{on}");
        assert!(fixture.app.profile(&visitor(), "dora").await.is_err(), "{on}");
    }
}

#[tokio::test]
async fn a_closed_database_is_unavailable() {
    for fixture in fixture::all().await {
        assert_eq!(fixture.app.ready().await, Ok(()), "{}", fixture.on());
        fixture.app.close().await;
        assert_eq!(fixture.app.ready().await, Err(NOT_DONE), "{}", fixture.on());
        assert_eq!(fixture.app.tags(&visitor()).await.unwrap_err(), NOT_DONE, "{}", fixture.on());
        let register = fixture.app.register(&visitor(), registration("dora")).await;
        assert_eq!(register.unwrap_err(), NOT_DONE, "{}", fixture.on());
    }
}

#[tokio::test]
async fn a_restart_of_postgres_is_survived() {
    // A server of its own, because the others use the shared one.
    if databases::server().await.is_none_or(|server| !server.is_private()) {
        return;
    }
    let start = || tokio::task::spawn_blocking(PrivateServer::start);
    let server = start().await.unwrap().unwrap().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = server.create_database("conduit").await.unwrap();
    let database =
        DatabaseArgs { database_url: Some(url.into()), ..DatabaseArgs::in_data_dir(folder.path()) };
    in_process::migrate(&database).await.unwrap();
    let identity = IdentityArgs::default();
    let app = InProcess::connect(&database, &identity, Options::default()).await.unwrap();
    app.register(&visitor(), registration("ada")).await.unwrap();

    server.stop().unwrap();
    assert_eq!(app.ready().await, Err(NOT_DONE));
    assert_eq!(app.profile(&visitor(), "ada").await.unwrap_err(), NOT_DONE);
    // The first write may find the connection broken, and then can't know; the second finds none.
    let write = app.register(&visitor(), registration("bob")).await.unwrap_err();
    assert!(matches!(write, Error::Unavailable(_)), "{write:?}");
    let write = app.register(&visitor(), registration("bob")).await.unwrap_err();
    assert_eq!(write, NOT_DONE);

    server.start_again().unwrap();
    assert_eq!(app.ready().await, Ok(()));
    assert_eq!(app.profile(&visitor(), "ada").await.unwrap().username, "ada");
    app.register(&visitor(), registration("bob")).await.unwrap();
    app.close().await;
}
