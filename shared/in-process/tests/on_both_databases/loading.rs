//! Loading in bulk: kept counts equal counted ones, and life goes on after it.

use std::time::Instant;

use conduit::{Conduit, Password, Registration};
use contract::{
    databases,
    dataset::{Dataset, Size},
    seed,
};
use in_process::{
    DatabaseArgs, Db, InProcess,
    bulk::{self, Loader},
};

use crate::fixture::{self, visitor};

/// For each kept count, how many rows have one that differs from what there is to count.
const WRONG: [(&str, &str); 5] = [
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
        "articles with a tag",
        "select count(*) from tag t where article_count <>
            (select count(*) from article_tag where tag_id = t.id)",
    ),
    (
        "articles",
        "select count(*) from counter where name = 'article' and value <>
            (select count(*) from article)",
    ),
];

/// What is kept beside a link has to agree with where it comes from.
const COPIED: [&str; 2] = [
    "select count(*) from favorite f join article a on a.id = f.article_id
        where f.article_created_at <> a.created_at",
    "select count(*) from article_tag t join article a on a.id = t.article_id
        where t.article_created_at <> a.created_at",
];

async fn number(app: &InProcess, query: &'static str) -> i64 {
    match app.db() {
        Db::Sqlite { read, .. } => sqlx::query_scalar(query).fetch_one(read).await.unwrap(),
        Db::Postgres(pool) => sqlx::query_scalar(query).fetch_one(pool).await.unwrap(),
    }
}

#[tokio::test]
async fn kept_counts_are_those_that_one_would_count() {
    for database in databases::all().await {
        let app = database.connect().await;
        let on = database.engine;
        for (what, query) in WRONG {
            assert_eq!(number(&app, query).await, 0, "{on}: {what}");
        }
        for query in COPIED {
            assert_eq!(number(&app, query).await, 0, "{on}: {query}");
        }
        let size = databases::small_dataset().size();
        let rows = number(&app, "select count(*) from article").await;
        assert_eq!(rows.unsigned_abs(), size.articles, "{on}");
        assert!(number(&app, "select count(*) from comment").await > 0, "{on}");
        assert!(number(&app, "select count(*) from follow").await > 0, "{on}");
    }
}

#[tokio::test]
async fn both_databases_hold_the_same_after_loading_the_same() {
    let databases = databases::all().await;
    let mut answers = Vec::new();
    for database in &databases {
        let app = database.connect().await;
        let page = app.articles(&visitor(), &Default::default()).await.unwrap();
        let slug = page.articles[0].slug.clone();
        let comments = app.comments(&visitor(), &slug).await.unwrap();
        answers.push((page, comments, app.tags(&visitor()).await.unwrap()));
    }
    assert!(answers.windows(2).all(|two| two[0] == two[1]));
}

#[tokio::test]
async fn who_registers_after_loading_gets_a_new_number() {
    for fixture in fixture::all().await {
        let new = Registration {
            username: "dora".into(),
            email: "dora@example.com".into(),
            password: Password::new("correct horse"),
        };
        fixture.app.register(&visitor(), new).await.unwrap();
        let dora = "select id from account where username = 'dora'";
        assert_eq!(number(&fixture.app, dora).await, fixture::CYD + 1, "{}", fixture.on());
    }
}

#[tokio::test]
async fn a_batch_is_loaded_whole_or_not_at_all() {
    for fixture in fixture::all().await {
        let app = &fixture.app;
        let mut loader = Loader::begin(app.db(), "more").await.unwrap();
        let dataset = databases::small_dataset();
        let article = |id, slug: &str, tag_list| in_process::bulk::ArticleRow {
            id,
            slug: slug.into(),
            title: slug.into(),
            description: String::new(),
            body: String::new(),
            author_id: fixture::ADA,
            tag_list,
            favorited_by: vec![fixture::ADA],
            created_at: dataset.article(0).created_at,
            updated_at: dataset.article(0).created_at,
        };
        // The second one's slug is taken.
        let batch = [article(50, "fifth", vec![]), article(51, "first", vec![])];
        assert!(loader.articles(&batch).await.is_err());
        let unknown_tag = loader.articles(&[article(50, "fifth", vec!["nope".into()])]).await;
        assert!(unknown_tag.unwrap_err().to_string().contains("nope"));
        assert!(app.article(&visitor(), "fifth").await.is_err(), "{}", fixture.on());
        for (what, query) in WRONG {
            assert_eq!(number(app, query).await, 0, "{}: {what}", fixture.on());
        }
    }
}

#[tokio::test]
async fn progress_reaches_exactly_the_number_of_rows() {
    let dataset = Dataset::new(Size { users: 30, articles: 40, ..Size::default() }, 3);
    let folder = tempfile::tempdir().unwrap();
    let args = DatabaseArgs::in_data_dir(folder.path());
    let app = InProcess::connect(&args, &Default::default(), Default::default()).await.unwrap();
    let mut steps = Vec::new();
    let start = Instant::now();
    seed::load(app.db(), &dataset, |done, all| steps.push((done, all))).await.unwrap();
    println!("{} rows in {:?}", dataset.rows(), start.elapsed());
    assert!(steps.is_sorted() && steps[0].0 == 0, "{steps:?}");
    assert_eq!(steps.last(), Some(&(dataset.rows(), dataset.rows())));
}

/// Every table whose rows are loaded, and what new rows of it are numbered by.
const LOADED: [&str; 8] = [
    "select count(*) from account",
    "select count(*) from article",
    "select count(*) from tag",
    "select count(*) from comment",
    "select count(*) from follow",
    "select count(*) from favorite",
    "select count(*) from article_tag",
    "select count(*) from counter",
];

#[tokio::test]
async fn what_was_interrupted_is_loaded_to_the_end() {
    // Two batches of each, with few links.
    let size = Size { users: 1_001, articles: 1_001, ..Size::default() };
    let size = Size { tags_per_article: 1, favorites_per_article: 1, ..size };
    let size = Size { comments_per_article: 1, follows_per_user: 1, ..size };
    let dataset = Dataset::new(size, 5);
    for database in databases::empty().await {
        // Progress is told after every call. Wherever the first attempts stop, the transaction of
        // the call that comes next has begun and is lost.
        for stop_at in [1, 2, 4, 6, 8] {
            let app = database.connect().await;
            interrupt(&app, &dataset, stop_at).await;
            app.close().await;

            let app = database.connect().await;
            let left = bulk::interrupted(app.db()).await.unwrap();
            // The first may be lost before anything is loaded.
            let known = left == Some(dataset.to_string()) || stop_at == 1 && left.is_none();
            assert!(known, "{}: {left:?}", database.engine);
            for (what, query) in WRONG {
                assert_eq!(number(&app, query).await, 0, "{}: {what}", database.engine);
            }
            app.close().await;
        }
        let app = database.connect().await;
        let other = seed::load(app.db(), &Dataset::new(size, 6), |_, _| {}).await.unwrap_err();
        assert!(other.to_string().contains("half filled with 1001 articles"), "{other}");
        let early = register(&app, "early").await;
        assert_eq!(early, 1_002, "{}: behind what is loaded so far", database.engine);
        app.close().await;

        let app = database.connect().await;
        seed::load(app.db(), &dataset, |_, _| {}).await.unwrap();
        assert_eq!(bulk::interrupted(app.db()).await.unwrap(), None);
        let mut rows = 0;
        for query in LOADED {
            rows += number(&app, query).await;
        }
        // One more account, and the count of articles.
        assert_eq!(rows.unsigned_abs(), dataset.rows() + 2, "{}", database.engine);
        for query in COPIED {
            assert_eq!(number(&app, query).await, 0, "{}: {query}", database.engine);
        }
        assert_eq!(register(&app, "late").await, early + 1, "{}", database.engine);
        app.close().await;
    }
}

/// Begins to load, and is gone in the middle of the call after the one that reports as number
/// `stop_at`.
async fn interrupt(app: &InProcess, dataset: &Dataset, stop_at: usize) {
    let reports = std::cell::Cell::new(0);
    let stopped = tokio::sync::Notify::new();
    let load = seed::load(app.db(), dataset, |_, _| {
        reports.set(reports.get() + 1);
        if reports.get() == stop_at {
            stopped.notify_one();
        }
    });
    tokio::select! {
        // The notice is looked for first each time that the load waits for the database.
        biased;
        () = stopped.notified() => {}
        done = load => panic!("loaded to the end: {done:?}"),
    }
}

/// Opens an account, and gives its number.
async fn register(app: &InProcess, name: &str) -> i64 {
    let new = Registration {
        username: name.into(),
        email: fixture::email(name),
        password: Password::new("correct horse"),
    };
    app.register(&visitor(), new).await.unwrap();
    number(app, "select max(id) from account").await
}
