//! How many SQL statements each use case sends: counted as the servers' metrics count them.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use conduit::{Conduit, Credentials, ListArticles, Password, Registration};
use contract::dataset::PASSWORD;
use in_process::SQL_STATEMENTS;
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    set_default_local_recorder,
};

use crate::fixture::{self, visitor};

/// Counts statements on this thread, and ignores all other metrics.
#[derive(Default)]
struct Statements(Arc<AtomicU64>);

impl Recorder for Statements {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        if key.name() == SQL_STATEMENTS { self.0.clone().into() } else { Counter::noop() }
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test]
async fn a_use_case_sends_as_few_statements_as_it_can() {
    let recorder = Statements::default();
    let count = Arc::clone(&recorder.0);
    let _guard = set_default_local_recorder(&recorder);
    let sent = || count.swap(0, Ordering::Relaxed);

    for fixture in fixture::all().await {
        let (app, on) = (&fixture.app, fixture.on());
        let ada = fixture.signed_in("ada").await;
        // Who looks makes no difference: a token is read without the database.
        for viewer in [&visitor(), &ada] {
            let filters = [("", "", ""), ("rust", "", ""), ("", "ada", ""), ("rust", "ada", "bob")];
            for (tag, author, favorited) in filters {
                let given = |name: &str| (!name.is_empty()).then(|| name.to_owned());
                let list = ListArticles {
                    tag: given(tag),
                    author: given(author),
                    favorited: given(favorited),
                    ..ListArticles::default()
                };
                sent();
                app.articles(viewer, &list).await.unwrap();
                assert_eq!(sent(), 2, "{on}: articles {list:?}");
            }
            app.article(viewer, "first").await.unwrap();
            assert_eq!(sent(), 1, "{on}: article");
            app.article(viewer, "unknown").await.unwrap_err();
            assert_eq!(sent(), 1, "{on}: unknown article");
            app.comments(viewer, "first").await.unwrap();
            assert_eq!(sent(), 1, "{on}: comments");
            app.comments(viewer, "unknown").await.unwrap_err();
            assert_eq!(sent(), 1, "{on}: comments of an unknown article");
            app.profile(viewer, "bob").await.unwrap();
            assert_eq!(sent(), 1, "{on}: profile");
            app.tags(viewer).await.unwrap();
            assert_eq!(sent(), 1, "{on}: tags");
            app.ready().await.unwrap();
            assert_eq!(sent(), 0, "{on}: ready");
        }
        app.current_user(&ada).await.unwrap();
        assert_eq!(sent(), 1, "{on}: current user");

        let password = || Password::new(PASSWORD);
        let login = Credentials { email: "ada@example.com".into(), password: password() };
        app.login(&visitor(), login).await.unwrap();
        assert_eq!(sent(), 1, "{on}: login");
        let new = Registration {
            username: "dora".into(),
            email: "dora@example.com".into(),
            password: password(),
        };
        app.register(&visitor(), new.clone()).await.unwrap();
        assert_eq!(sent(), 1, "{on}: register");
        app.register(&visitor(), new).await.unwrap_err();
        assert_eq!(sent(), 2, "{on}: register what is taken");
    }
}
