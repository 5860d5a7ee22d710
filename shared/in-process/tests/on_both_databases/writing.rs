//! What writing leaves behind: counts that are true, nothing from whoever may not write, and no
//! deadlock however many write at once. What the use cases answer is the contract suite's matter.

use std::collections::{BTreeMap, BTreeSet};

use conduit::{
    ArticleUpdate, Caller, Conduit, Error, ListArticles, NewArticle, NewComment, Resource,
    Unauthorized, UserUpdate,
};
use in_process::{Db, InProcess};

use crate::fixture::{self, CYD, caller, visitor};

/// Each kept count beside what it should be: how many rows have a wrong one.
const WRONG_COUNTS: [(&str, &str); 6] = [
    (
        "articles of an account",
        "select count(*) from account u where article_count <>
            (select count(*) from article where author_id = u.id)",
    ),
    (
        "favourites of an account",
        "select count(*) from account u where favorite_count <>
            (select count(*) from favorite where account_id = u.id)",
    ),
    (
        "favourites of an article",
        "select count(*) from article a where favorites_count <>
            (select count(*) from favorite where article_id = a.id)",
    ),
    (
        "articles of a tag",
        "select count(*) from tag t where article_count <>
            (select count(*) from article_tag where tag_id = t.id)",
    ),
    (
        "all articles",
        "select count(*) from counter where name = 'article' and value <>
            (select count(*) from article)",
    ),
    (
        "copied times",
        "select count(*) from article a
            join article_tag t on t.article_id = a.id join favorite f on f.article_id = a.id
            where t.article_created_at <> a.created_at or f.article_created_at <> a.created_at",
    ),
];

async fn number(db: &Db, query: &'static str) -> i64 {
    match db {
        Db::Sqlite { read, .. } => sqlx::query_scalar(query).fetch_one(read).await.unwrap(),
        Db::Postgres(pool) => sqlx::query_scalar(query).fetch_one(pool).await.unwrap(),
    }
}

async fn assert_counts_are_true(app: &InProcess, on: &str) {
    for (what, query) in WRONG_COUNTS {
        assert_eq!(number(app.db(), query).await, 0, "{on}: {what}");
    }
    // The tags in the article's own row are those by which it is found.
    let list = ListArticles { limit: 1_000, ..ListArticles::default() };
    let all = app.articles(&visitor(), &list).await.unwrap();
    let mut tagged = BTreeMap::<String, u64>::new();
    for tag in all.articles.into_iter().flat_map(|article| article.tag_list) {
        *tagged.entry(tag).or_default() += 1;
    }
    for tag in app.tags(&visitor()).await.unwrap() {
        let list = ListArticles { tag: Some(tag.clone()), ..ListArticles::default() };
        let found = app.articles(&visitor(), &list).await.unwrap().articles_count;
        assert_eq!(tagged.remove(&tag), Some(found), "{on}: {tag}");
    }
    assert!(tagged.is_empty(), "{on}: tags by which nothing is found: {tagged:?}");
}

fn article(title: &str, tags: &[&str]) -> NewArticle {
    NewArticle {
        title: title.into(),
        description: "d".into(),
        body: "b".into(),
        tag_list: tags.iter().map(|tag| (*tag).to_owned()).collect(),
    }
}

fn retag(tags: &[&str]) -> ArticleUpdate {
    let tag_list = tags.iter().map(|tag| (*tag).to_owned()).collect();
    ArticleUpdate { tag_list: Some(tag_list), ..ArticleUpdate::default() }
}

#[tokio::test]
async fn counts_follow_every_change() {
    for fixture in fixture::all().await {
        let (app, on) = (&fixture.app, fixture.on());
        assert_counts_are_true(app, on).await;
        let [ada, bob] = [fixture.signed_in("ada").await, fixture.signed_in("bob").await];
        let new =
            app.create_article(&ada, article("New", &["rust", "new", "rust "])).await.unwrap();
        assert_eq!(new.tag_list, ["new", "rust"], "{on}");
        assert_counts_are_true(app, on).await;
        for _ in 0..2 {
            app.favorite(&bob, &new.slug).await.unwrap();
            app.favorite(&ada, &new.slug).await.unwrap();
            app.unfavorite(&bob, "first").await.unwrap();
            app.follow(&bob, "ada").await.unwrap();
        }
        assert_counts_are_true(app, on).await;
        app.update_article(&ada, &new.slug, retag(&["art", "new"])).await.unwrap();
        app.update_article(&ada, "first", retag(&[])).await.unwrap();
        assert_counts_are_true(app, on).await;
        app.add_comment(&bob, &new.slug, NewComment { body: "!".into() }).await.unwrap();
        app.delete_article(&ada, &new.slug).await.unwrap();
        app.delete_article(&bob, "second").await.unwrap();
        assert_counts_are_true(app, on).await;
        let left = "select count(*) from comment where article_id not in (select id from article)";
        assert_eq!(number(app.db(), left).await, 0, "{on}");
    }
}

/// Nor does a slug come back when its article is gone: a transaction that takes it away may not be
/// over yet, and whoever asks for the same slug would have to wait for it.
#[tokio::test]
async fn a_slug_that_is_taken_is_passed_over() {
    for fixture in fixture::all().await {
        let (app, on) = (&fixture.app, fixture.on());
        let cyd = fixture.signed_in("cyd").await;
        let same = || app.create_article(&cyd, article("Same", &[]));
        let mut slugs = BTreeSet::from([same().await.unwrap().slug]);
        let second = same().await.unwrap().slug;
        app.delete_article(&cyd, &second).await.unwrap();
        slugs.insert(second);
        slugs.insert(same().await.unwrap().slug);
        assert_eq!(slugs.len(), 3, "{on}: {slugs:?}");

        // As after a restored backup: the count stands where it stood before.
        execute(app.db(), "update account set published_count = 0 where id = $1", CYD).await;
        assert!(slugs.insert(same().await.unwrap().slug), "{on}: {slugs:?}");
    }
}

/// The token is genuine, but the account is gone: from a database that was set up anew, for example.
#[tokio::test]
async fn the_token_of_an_account_that_is_gone_opens_nothing() {
    for fixture in fixture::all().await {
        let (app, on) = (&fixture.app, fixture.on());
        let cyd = fixture.signed_in("cyd").await;
        execute(app.db(), "delete from account where id = $1", CYD).await;
        let gone = Error::Unauthorized(Unauthorized::Invalid);
        let comment = NewComment { body: "!".into() };
        let bio = UserUpdate { bio: Some(Some("x".into())), ..UserUpdate::default() };
        let answers = [
            app.current_user(&cyd).await.map(drop),
            app.update_user(&cyd, bio).await.map(drop),
            app.follow(&cyd, "ada").await.map(drop),
            app.create_article(&cyd, article("New", &["rust"])).await.map(drop),
            app.favorite(&cyd, "first").await.map(drop),
            app.add_comment(&cyd, "first", comment).await.map(drop),
        ];
        for (number, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer, Err(gone.clone()), "{on}: {number}");
        }
        assert_counts_are_true(app, on).await;
    }
}

async fn execute(db: &Db, statement: &'static str, id: i64) {
    match db {
        Db::Sqlite { write, .. } => {
            sqlx::query(statement).bind(id).execute(write).await.map(drop).unwrap();
        }
        Db::Postgres(pool) => {
            sqlx::query(statement).bind(id).execute(pool).await.map(drop).unwrap();
        }
    }
}

/// One of six writers. Their articles, tags and favourites cross on purpose: each takes rows in the
/// order in which another one gives them back.
async fn busy(app: InProcess, me: Caller, turn: usize) -> Vec<Error> {
    let tags = [["a", "b"], ["b", "a"], ["c", "a"]];
    let mut errors = Vec::new();
    let mut own = Vec::new();
    for round in 0..8 {
        let chosen = tags[(turn + round) % 3];
        match app.create_article(&me, article("Busy", &chosen)).await {
            Ok(article) => own.push(article.slug),
            Err(error) => errors.push(error),
        }
        let list = ListArticles { offset: 1, limit: 3, ..ListArticles::default() };
        let others = app.articles(&me, &list).await.unwrap().articles;
        for other in others {
            let comment = NewComment { body: "!".into() };
            errors.extend(app.favorite(&me, &other.slug).await.err());
            errors.extend(app.add_comment(&me, &other.slug, comment).await.err());
            errors.extend(app.update_article(&me, &other.slug, retag(&chosen)).await.err());
        }
        if round % 2 == 1 {
            errors.extend(app.delete_article(&me, &own.remove(0)).await.err());
            errors.extend(app.unfavorite(&me, &own[0]).await.err());
        }
    }
    errors
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_cross_each_other_all_come_through() {
    for fixture in fixture::all().await {
        let (app, on) = (&fixture.app, fixture.on());
        let mut writers = Vec::new();
        for turn in 0..6 {
            let name = ["ada", "bob", "cyd"][turn % 3];
            let me = fixture.signed_in(name).await;
            writers.push(tokio::spawn(busy(app.clone(), caller(me.token), turn)));
        }
        for writer in writers {
            // What somebody else has deleted is not found, and other people's articles are theirs.
            // Nothing else may happen: no deadlock, no violated constraint.
            for error in writer.await.unwrap() {
                let expected =
                    [Error::NotFound(Resource::Article), Error::Forbidden(Resource::Article)];
                assert!(expected.contains(&error), "{on}: {error:?}");
            }
        }
        assert_counts_are_true(app, on).await;
    }
}
