//! PostgreSQL says when a list has changed, and says nothing when none has. SQLite tells nobody.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use conduit::{Conduit, NewComment, Password, UserUpdate};
use contract::sql;
use in_process::{Db, Options};
use sqlx::postgres::PgListener;

use crate::fixture::{self, Fixture};

/// Says what of the two was heard first: a change of a list, or that nothing was said before this.
async fn heard_a_change(fixture: &Fixture, listener: &mut PgListener) -> bool {
    sql::execute(&fixture.app, "notify nothing_more").await;
    let mut heard = false;
    loop {
        match listener.recv().await.unwrap().channel() {
            "nothing_more" => return heard,
            _ => heard = true,
        }
    }
}

#[tokio::test]
async fn only_what_lists_show_is_announced() {
    for fixture in fixture::all().await {
        let Db::Postgres(pool) = fixture.app.db() else { continue };
        let mut listener = PgListener::connect_with(pool).await.unwrap();
        listener.listen_all(["conduit_lists", "nothing_more"]).await.unwrap();
        let app = &fixture.app;
        let ada = fixture.signed_in("ada").await;

        app.follow(&ada, "cyd").await.unwrap();
        app.add_comment(&ada, "first", NewComment { body: "So it is.".into() }).await.unwrap();
        // They are set already: the row is locked, and nothing about it changes.
        app.favorite(&ada, "first").await.unwrap();
        let password = Some(Password::new("another password"));
        app.update_user(&ada, UserUpdate { password, ..UserUpdate::default() }).await.unwrap();
        app.drain_jobs().await.unwrap();
        assert!(!heard_a_change(&fixture, &mut listener).await, "nothing that a list shows");

        app.favorite(&ada, "third").await.unwrap();
        assert!(heard_a_change(&fixture, &mut listener).await, "a mark");
        let bio = Some(Some("Wrote the second one as well.".to_owned()));
        app.update_user(&ada, UserUpdate { bio, ..UserUpdate::default() }).await.unwrap();
        assert!(heard_a_change(&fixture, &mut listener).await, "an author");
        app.delete_article(&ada, "third").await.unwrap();
        assert!(heard_a_change(&fixture, &mut listener).await, "an article less");
        app.drain_jobs().await.unwrap();
        assert!(!heard_a_change(&fixture, &mut listener).await, "jobs change no list");
    }
}

#[tokio::test]
async fn whoever_has_no_connection_to_spare_is_told_so() {
    for fixture in fixture::all().await {
        let mut args = fixture.database.args.clone();
        args.db_connections = 2;
        let identity = &fixture.database.identity;
        let app = in_process::InProcess::connect(&args, identity, Options::default());
        let calls = Arc::new(AtomicU32::new(0));
        let count = calls.clone();
        let listening = app.await.unwrap().on_change(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        if fixture.on() == "sqlite" {
            listening.expect("nobody to listen to");
            assert_eq!(calls.load(Ordering::Relaxed), 0);
        } else {
            let refused = listening.unwrap_err().to_string();
            assert!(
                refused.starts_with("--db-connections: ") && refused.contains('3'),
                "{refused}"
            );
        }
    }
}
