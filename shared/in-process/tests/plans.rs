//! Which way the databases take: every use case has to find its rows by an index.
//!
//! The statements are the ones that the use cases really send. They are taken from sqlx's log, which
//! belongs to the whole process; therefore these tests are a program of their own.

#![expect(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

use std::{
    fmt::{self, Write},
    sync::Mutex,
    time::Duration,
};

use conduit::{
    ArticleUpdate, Caller, Conduit, Credentials, ListArticles, NewArticle, NewComment, Password,
    RequestId, UserUpdate, Window,
};
use contract::{
    databases,
    dataset::{Dataset, PASSWORD, Size, User},
};
use in_process::{Db, InProcess};
use sqlx::{AssertSqlSafe, Connection, Row};
use tracing::{Event, Metadata, Subscriber, field, span};

static STATEMENTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Collects the text of each statement.
struct Collector;

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }

    fn event(&self, event: &Event<'_>) {
        let mut statement = Statement::default();
        event.record(&mut statement);
        STATEMENTS.lock().unwrap().push(statement.whole.unwrap_or(statement.summary));
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// A logged statement: sqlx logs the whole text only where the first words are not all of it.
#[derive(Default)]
struct Statement {
    summary: String,
    whole: Option<String>,
}

impl field::Visit for Statement {
    fn record_str(&mut self, field: &field::Field, text: &str) {
        match field.name() {
            "summary" => self.summary = text.to_owned(),
            "db.statement" if !text.is_empty() => self.whole = Some(text.trim().to_owned()),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &field::Field, _: &dyn fmt::Debug) {}
}

/// Enough rows that to read them all is not the quickest way.
fn dataset() -> Dataset {
    Dataset::new(Size { users: 200, articles: 3_000, ..Size::default() }, 2)
}

fn visitor() -> Caller {
    Caller::new(None, RequestId::parse("none").unwrap(), Duration::from_secs(20))
}

/// Lists with every combination of filters, on the first page and on a later one.
fn lists(tag: &str, author: &str, fan: &str) -> Vec<ListArticles> {
    let mut lists = Vec::new();
    for filters in 0..8 {
        for offset in [0, 10] {
            let given = |bit, name: &str| (filters & bit != 0).then(|| name.to_owned());
            let (tag, author) = (given(1, tag), given(2, author));
            lists.push(ListArticles { tag, author, favorited: given(4, fan), limit: 10, offset });
        }
    }
    lists
}

/// Every statement that the use cases send, each text once.
async fn statements(app: &InProcess) -> Vec<String> {
    let dataset = dataset();
    let (article, author) = (dataset.article(1_000), dataset.user(dataset.author(1_000)));
    let fan = dataset.user(3);
    STATEMENTS.lock().unwrap().clear();
    for list in lists(&dataset.tag(0), &author.username, &fan.username) {
        app.articles(&visitor(), &list).await.unwrap();
    }
    app.article(&visitor(), &article.slug).await.unwrap();
    app.comments(&visitor(), &article.slug).await.unwrap();
    app.profile(&visitor(), &author.username).await.unwrap();
    app.tags(&visitor()).await.unwrap();
    write(app, &article.slug, &author, &fan.email).await;
    let mut statements = STATEMENTS.lock().unwrap().clone();
    statements.retain(|statement| {
        ["select", "insert", "update", "delete"].iter().any(|verb| statement.starts_with(verb))
    });
    statements.sort();
    statements.dedup();
    statements
}

/// Everything that somebody who is signed in can do.
async fn write(app: &InProcess, slug: &str, author: &User, reader: &str) {
    let sign_in =
        |email: &str| Credentials { email: email.to_owned(), password: Password::new(PASSWORD) };
    let reader = app.login(&visitor(), sign_in(reader)).await.unwrap();
    let reader = Caller { token: Some(reader.token), ..visitor() };
    for offset in [0, 10] {
        app.feed(&reader, Window { limit: 10, offset }).await.unwrap();
    }
    let bio = UserUpdate { bio: Some(None), ..UserUpdate::default() };
    app.update_user(&reader, bio).await.unwrap();
    app.follow(&reader, &author.username).await.unwrap();
    app.unfollow(&reader, &author.username).await.unwrap();
    app.favorite(&reader, slug).await.unwrap();
    app.unfavorite(&reader, slug).await.unwrap();
    let comment = app.add_comment(&reader, slug, NewComment { body: "x".into() }).await.unwrap();
    app.delete_comment(&reader, slug, comment.id).await.unwrap();

    let author = app.login(&visitor(), sign_in(&author.email)).await.unwrap();
    let author = Caller { token: Some(author.token), ..visitor() };
    let text = || "x".to_owned();
    let (title, description, body) = (text(), text(), text());
    let new = NewArticle { title, description, body, tag_list: vec![text()] };
    let slug = app.create_article(&author, new).await.unwrap().slug;
    let tags = ArticleUpdate { tag_list: Some(vec!["y".into()]), ..ArticleUpdate::default() };
    app.update_article(&author, &slug, tags).await.unwrap();
    app.delete_article(&author, &slug).await.unwrap();
}

async fn plan(db: &Db, statement: &str) -> String {
    let explain = |how: &str| AssertSqlSafe(format!("{how} {statement}"));
    let mut plan = String::new();
    match db {
        Db::Sqlite { read, .. } => {
            let rows = sqlx::query(explain("explain query plan")).fetch_all(read).await.unwrap();
            for row in rows {
                writeln!(plan, "{}", row.get::<String, _>("detail")).unwrap();
            }
        }
        Db::Postgres(pool) => {
            // The plan that the server keeps for a prepared statement, whatever values it gets.
            let mut connection = pool.acquire().await.unwrap().detach();
            for preparation in [
                AssertSqlSafe("set plan_cache_mode = force_generic_plan".to_owned()),
                explain("prepare p as"),
            ] {
                sqlx::raw_sql(preparation).execute(&mut connection).await.unwrap();
            }
            let values = (1..).take_while(|number| statement.contains(&format!("${number}")));
            let nulls = match vec!["null"; values.count()].join(", ") {
                none if none.is_empty() => none,
                nulls => format!("({nulls})"),
            };
            let execute = AssertSqlSafe(format!("explain execute p{nulls}"));
            for row in sqlx::query(execute).fetch_all(&mut connection).await.unwrap() {
                writeln!(plan, "{}", row.get::<String, _>(0)).unwrap();
            }
            connection.close().await.unwrap();
        }
    }
    plan
}

/// Tables that grow with the app. To read all of them for one request is never right. (`tag` and
/// `counter` are small, and the list of tags is all of `tag`.)
const GROWING: [&str; 6] = ["article", "account", "article_tag", "favorite", "follow", "comment"];

/// Lines of a plan that read a whole growing table, or sort one.
fn scans(plan: &str) -> Vec<&str> {
    let reads_all = |line: &&str| {
        let line = line.trim_start_matches([' ', '-', '>']);
        let table = line.strip_prefix("Seq Scan on ").or_else(|| {
            // SQLite: `SCAN w USING … INDEX` walks an index in order, and stops when it has enough.
            line.strip_prefix("SCAN ").filter(|rest| !rest.contains(" INDEX "))
        });
        table.is_some_and(|table| {
            let name = table.split(' ').next().unwrap_or_default();
            GROWING.contains(&name) || ["a", "u", "c", "w", "f"].contains(&name)
        })
    };
    plan.lines().filter(reads_all).collect()
}

/// The index that a list has to walk.
fn walked(statement: &str) -> Option<&'static str> {
    const AUTHOR: &str = "join account u on u.id = a.author_id";
    let walks = [
        // The first page of a list, and what a later one begins with.
        (format!("from article a {AUTHOR} order"), "article_newest"),
        ("from article a order".to_owned(), "article_newest"),
        (format!("from article a {AUTHOR} where a.author_id"), "article_newest_by_author"),
        ("from article a where a.author_id".to_owned(), "article_newest_by_author"),
        ("from favorite w join".to_owned(), "favorite_newest"),
        ("from favorite w where".to_owned(), "favorite_newest"),
        ("from article_tag w join".to_owned(), "article_tag_newest"),
        ("from article_tag w where".to_owned(), "article_tag_newest"),
    ];
    let statement = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    walks.into_iter().find_map(|(text, index)| statement.contains(&text).then_some(index))
}

#[tokio::test]
async fn no_use_case_reads_a_whole_table() {
    tracing::subscriber::set_global_default(Collector).unwrap();
    for database in databases::with(&dataset()).await {
        let app = database.connect().await;
        let statements = statements(&app).await;
        assert!(statements.len() >= 40, "{statements:#?}");
        for statement in statements {
            let plan = plan(app.db(), &statement).await;
            println!("{}\n{statement}\n{plan}", database.engine);
            assert_eq!(scans(&plan), Vec::<&str>::new(), "{}", database.engine);
            if let Some(index) = walked(&statement) {
                assert!(plan.contains(index), "{}: not by {index}", database.engine);
            }
        }
    }
}
