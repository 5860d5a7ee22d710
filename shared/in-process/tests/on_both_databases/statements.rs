//! How many SQL statements each use case sends: counted as the servers' metrics count them.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use conduit::{
    ArticleUpdate, Conduit, Credentials, ListArticles, NewArticle, NewComment, Password,
    Registration, UserUpdate, Window,
};
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
                assert_eq!(sent(), 1, "{on}: articles {list:?}");
                let beyond = ListArticles { offset: 1_000, ..list };
                app.articles(viewer, &beyond).await.unwrap();
                assert_eq!(sent(), 2, "{on}: no row to hold the number: {beyond:?}");
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

        app.feed(&ada, Window::default()).await.unwrap();
        assert_eq!(sent(), 1, "{on}: feed");
        app.feed(&ada, Window { offset: 1_000, ..Window::default() }).await.unwrap();
        assert_eq!(sent(), 2, "{on}: feed, no row to hold the number");

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

#[tokio::test]
async fn writing_sends_the_same_statements_however_much_there_is() {
    let recorder = Statements::default();
    let count = Arc::clone(&recorder.0);
    let _guard = set_default_local_recorder(&recorder);
    let sent = || count.swap(0, Ordering::Relaxed);

    for fixture in fixture::all().await {
        let (app, on) = (&fixture.app, fixture.on());
        let ada = fixture.signed_in("ada").await;
        sent();
        let bio = UserUpdate { bio: Some(None), ..UserUpdate::default() };
        app.update_user(&ada, bio).await.unwrap();
        assert_eq!(sent(), 1, "{on}: update of an account");
        app.follow(&ada, "cyd").await.unwrap();
        assert_eq!(sent(), 2, "{on}: follow");
        app.unfavorite(&ada, "second").await.unwrap();
        assert_eq!(sent(), 5, "{on}: unfavorite");
        app.unfavorite(&ada, "second").await.unwrap();
        assert_eq!(sent(), 3, "{on}: unfavorite once more");
        let comment = app.add_comment(&ada, "second", NewComment { body: "!".into() }).await;
        assert_eq!(sent(), 3, "{on}: comment");
        app.delete_comment(&ada, "second", comment.unwrap().id).await.unwrap();
        assert_eq!(sent(), 2, "{on}: delete a comment");

        let tag_list = |n: u32| (0..n).map(|n| format!("tag {n}")).collect::<Vec<_>>();
        let text = || "x".to_owned();
        let (title, description, body) = (text(), text(), text());
        let new = NewArticle { title, description, body, tag_list: tag_list(20) };
        let slug = app.create_article(&ada, new).await.unwrap().slug;
        assert_eq!(sent(), 7, "{on}: publish");
        let tags = ArticleUpdate { tag_list: Some(tag_list(10)), ..ArticleUpdate::default() };
        app.update_article(&ada, &slug, tags).await.unwrap();
        assert_eq!(sent(), 7, "{on}: change the tags");
        let title = ArticleUpdate { title: Some(text()), ..ArticleUpdate::default() };
        app.update_article(&ada, &slug, title).await.unwrap();
        assert_eq!(sent(), 4, "{on}: change the title");
        app.delete_article(&ada, &slug).await.unwrap();
        assert_eq!(sent(), 7, "{on}: delete an article");
    }
}
