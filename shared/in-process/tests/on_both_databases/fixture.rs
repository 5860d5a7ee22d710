//! Three accounts and four articles, small enough to know by heart.
//!
//! | article | by  | tags      | published | favourites |
//! |---------|-----|-----------|-----------|------------|
//! | fourth  | bob | art       | + 2 s     |            |
//! | third   | ada |           | + 1 s     |            |
//! | second  | bob | rust      | + 1 s     | ada        |
//! | first   | ada | art, rust | + 0 s     | ada, bob   |
//!
//! Ada follows Bob; Cyd does nothing at all. The tag `unused` is on no article.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use conduit::{Caller, Conduit, Credentials, ListArticles, Password, RequestId, Token};
use contract::{
    databases::{self, TestDatabase},
    dataset::{PASSWORD, PASSWORD_HASH},
};
use in_process::{
    InProcess, Options,
    bulk::{ArticleRow, CommentRow, FollowRow, Loader, TagRow, UserRow},
};

pub(crate) const ADA: i64 = 1;
pub(crate) const BOB: i64 = 2;
pub(crate) const CYD: i64 = 3;

/// One database with the fixture in it.
pub(crate) struct Fixture {
    pub(crate) database: TestDatabase,
    pub(crate) app: InProcess,
}

/// The fixture on each database.
pub(crate) async fn all() -> Vec<Fixture> {
    let mut fixtures = Vec::new();
    for database in databases::empty().await {
        let app = database.connect().await;
        load(&app).await.expect("a loaded fixture");
        fixtures.push(Fixture { database, app });
    }
    fixtures
}

impl Fixture {
    /// The same app once more, as another process would have it.
    pub(crate) async fn again(&self, options: Options) -> InProcess {
        self.database.connect_with(options).await
    }

    /// For the message of an assertion.
    pub(crate) fn on(&self) -> &'static str {
        self.database.engine
    }

    /// Somebody who signs in.
    pub(crate) async fn signed_in(&self, name: &str) -> Caller {
        Self::sign_in(&self.app, name).await
    }

    /// Somebody who signs in to this app on the same data.
    pub(crate) async fn sign_in(app: &InProcess, name: &str) -> Caller {
        let credentials = Credentials { email: email(name), password: Password::new(PASSWORD) };
        let user = app.login(&visitor(), credentials).await.expect("an account");
        caller(Some(user.token))
    }

    /// The slugs of a list, as this caller gets it, and the number of all that match.
    pub(crate) async fn list(&self, caller: &Caller, list: ListArticles) -> (Vec<String>, u64) {
        let page = self.app.articles(caller, &list).await.expect("a list");
        (page.articles.into_iter().map(|article| article.slug).collect(), page.articles_count)
    }
}

/// Somebody without an account.
pub(crate) fn visitor() -> Caller {
    caller(None)
}

pub(crate) fn caller(token: Option<Token>) -> Caller {
    let request_id = RequestId::parse("none").expect("a harmless number");
    Caller::new(token, request_id, Duration::from_secs(20))
}

pub(crate) fn email(name: &str) -> String {
    format!("{name}@example.com")
}

/// Times of the fixture, in seconds after its first one.
pub(crate) fn time(seconds: i64) -> DateTime<Utc> {
    let start = DateTime::from_timestamp_micros(1_767_323_045_678_901).expect("a time");
    start + TimeDelta::seconds(seconds)
}

async fn load(app: &InProcess) -> in_process::bulk::Result<()> {
    let mut loader = Loader::begin(app.db(), "the fixture").await?;
    loader
        .users(&[
            user(ADA, "ada", Some("Wrote the first program."), Some("https://example.com/a.svg")),
            user(BOB, "bob", None, None),
            user(CYD, "cyd", None, None),
        ])
        .await?;
    let tags = [(1, "rust"), (2, "art"), (3, "unused")];
    loader.tags(&tags.map(|(id, name)| TagRow { id, name: name.into() })).await?;
    loader
        .articles(&[
            article(1, "first", ADA, &["art", "rust"], &[ADA, BOB], 0),
            article(2, "second", BOB, &["rust"], &[ADA], 1),
            article(3, "third", ADA, &[], &[], 1),
            article(4, "fourth", BOB, &["art"], &[], 2),
        ])
        .await?;
    loader.follows(&[FollowRow { follower_id: ADA, followed_id: BOB }]).await?;
    // Of two with the same time the lower number comes first; the lowest number is the latest.
    loader
        .comments(&[
            comment(10, BOB, "one", 3),
            comment(11, ADA, "two", 3),
            comment(5, BOB, "three", 4),
        ])
        .await?;
    loader.finish().await
}

fn user(id: i64, name: &str, bio: Option<&str>, image: Option<&str>) -> UserRow {
    UserRow {
        id,
        username: name.into(),
        email: email(name),
        password_hash: PASSWORD_HASH.into(),
        bio: bio.map(Into::into),
        image: image.map(Into::into),
        created_at: time(-60),
    }
}

fn article(
    id: i64,
    slug: &str,
    author_id: i64,
    tags: &[&str],
    fans: &[i64],
    at: i64,
) -> ArticleRow {
    ArticleRow {
        id,
        slug: slug.into(),
        title: format!("The {slug}"),
        description: format!("About the {slug}"),
        body: format!("# {slug}"),
        author_id,
        tag_list: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        favorited_by: fans.to_vec(),
        created_at: time(at),
        updated_at: time(at + 3_600),
    }
}

fn comment(id: i64, author_id: i64, body: &str, at: i64) -> CommentRow {
    CommentRow { id, article_id: 1, author_id, body: body.into(), created_at: time(at) }
}
