//! The floor: the home page as somebody would write it who wants nothing else, by hand, straight on
//! axum, sqlx and askama. The same statements and the same HTML as the app's, and nothing around
//! them: no port, no layers, no budgets, no sessions, no errors but a bare 500. What the app costs
//! above it is what its structure costs.
//!
//! With `--backend-url` the same page over the least that a hop between two processes can be: the
//! same JSON, encoded, sent over a kept-alive connection, decoded. A test compares the bytes.

use std::{fmt::Display, net::SocketAddr, path::PathBuf, sync::Arc};

use askama::Template;
use axum::{Json, Router, extract::State, http::StatusCode, response::Html, routing::get};
use chrono::{DateTime, Datelike, Utc};
use clap::Parser;
use conduit::{ArticlePage, ArticleSummary, Profile, Timestamp, wire};
use lab::load::{Body, Connections};
use percent_encoding::{PercentEncode, utf8_percent_encode};
use serde::Deserialize;
use sqlx::{
    PgPool, SqlitePool, pool::PoolOptions, sqlite::SqliteConnectOptions, types::Json as Text,
};
use tokio::signal::unix::{SignalKind, signal};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The flags that the lab gives to servers.
#[derive(Parser)]
enum Args {
    Serve {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long, default_value = ".")]
        data_dir: PathBuf,
        #[arg(long, env = "DATABASE_URL")]
        database_url: Option<String>,
        #[arg(long, default_value_t = 8)]
        db_connections: u32,
        #[arg(long)]
        backend_url: Option<String>,
    },
}

/// Where the page's content comes from.
#[derive(Clone)]
enum Source {
    Sqlite(SqlitePool),
    Postgres(PgPool),
    Hop(Arc<Connections>),
}

type Answer<T> = Result<T, (StatusCode, String)>;

fn failure(error: impl Display) -> (StatusCode, String) {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Args::Serve { listen, data_dir, database_url, db_connections, backend_url } = Args::parse();
    let source = if let Some(url) = backend_url {
        Source::Hop(Arc::new(Connections::new(url.trim_start_matches("http://").parse()?)))
    } else if let Some(url) = database_url {
        let pool = PoolOptions::new().max_connections(db_connections).test_before_acquire(false);
        Source::Postgres(pool.connect(&url).await?)
    } else {
        let file = SqliteConnectOptions::new().filename(data_dir.join(in_process::SQLITE_FILE));
        let pool = PoolOptions::new().max_connections(db_connections).test_before_acquire(false);
        Source::Sqlite(pool.connect_with(file.read_only(true)).await?)
    };
    let app = Router::new()
        .route("/", get(home))
        .route("/json/list", get(async |State(from)| articles(&from).await.map(Json)))
        .route("/json/names", get(async |State(from)| tags(&from).await.map(Json)))
        .with_state(source);
    let listener = tokio::net::TcpListener::bind(listen).await?;
    println!("ready http://{} role=floor", listener.local_addr()?);
    let mut stop = signal(SignalKind::terminate())?;
    let stopped = async move { stop.recv().await.unwrap_or_default() };
    Ok(axum::serve(listener, app).with_graceful_shutdown(stopped).await?)
}

async fn home(State(from): State<Source>) -> Answer<Html<String>> {
    let (articles, tags) = tokio::join!(articles(&from), tags(&from));
    let (list, tags) = (articles?, tags?.tags);
    let page = Home { last: list.articles_count.div_ceil(10), list, tags };
    let mut html = String::with_capacity(24 * 1024);
    page.render_into(&mut html).map_err(failure)?;
    Ok(Html(html))
}

/// One statement to whichever database it is: SQLite answers with one value, PostgreSQL with rows.
/// Or the answer of somebody else who has a database.
macro_rules! ask {
    ($from:expr, $path:literal, $row:ty, $as_json:literal, $select:literal) => {
        match $from {
            Source::Sqlite(db) => {
                let list = concat!("select json_group_array(", $as_json, ") from (", $select, ")");
                let list: String = sqlx::query_scalar(list).fetch_one(db).await.map_err(failure)?;
                serde_json::from_str::<Vec<$row>>(&list).map_err(failure)?
            }
            Source::Postgres(db) => {
                sqlx::query_as::<_, $row>($select).fetch_all(db).await.map_err(failure)?
            }
            Source::Hop(backend) => {
                let mut request = http::Request::new(Body::default());
                *request.uri_mut() = http::Uri::from_static($path);
                let answer = backend.send(request).await.map_err(failure)?;
                let text = std::str::from_utf8(&answer.body).map_err(failure)?;
                return serde_json::from_str(text).map_err(failure);
            }
        }
    };
}

async fn articles(from: &Source) -> Answer<ArticlePage> {
    let rows = ask!(
        from,
        "/json/list",
        Row,
        "json_array(slug, title, description, json(tag_list), created_at, updated_at, \
         favorites_count, username, bio, image, total)",
        "select a.slug, a.title, a.description, a.tag_list, a.created_at, a.updated_at,
            a.favorites_count, false as favorited, u.username, u.bio, u.image,
            false as following,
            coalesce((select value from counter where name = 'article'), 0) as total
        from article a join account u on u.id = a.author_id
        order by a.created_at desc, a.id desc limit 10"
    );
    let articles_count = rows.first().map_or(0, |row| row.total.unsigned_abs());
    Ok(ArticlePage { articles: rows.into_iter().map(Row::article).collect(), articles_count })
}

async fn tags(from: &Source) -> Answer<wire::TagsBody> {
    let rows = ask!(
        from,
        "/json/names",
        (String,),
        "json_array(name)",
        "select name from tag where article_count > 0 order by article_count desc, name"
    );
    Ok(wire::TagsBody { tags: rows.into_iter().map(|(name,)| name).collect() })
}

#[derive(Deserialize, sqlx::FromRow)]
struct Row {
    slug: String,
    title: String,
    description: String,
    tag_list: Text<Vec<String>>,
    #[sqlx(try_from = "DateTime<Utc>")]
    created_at: Timestamp,
    #[sqlx(try_from = "DateTime<Utc>")]
    updated_at: Timestamp,
    favorites_count: i64,
    username: String,
    bio: Option<String>,
    image: Option<String>,
    total: i64,
}

impl Row {
    fn article(self) -> ArticleSummary {
        let Self { slug, title, description, username, bio, image, .. } = self;
        ArticleSummary {
            slug,
            title,
            description,
            tag_list: self.tag_list.0,
            created_at: self.created_at,
            updated_at: self.updated_at,
            favorited: false,
            favorites_count: self.favorites_count.unsigned_abs(),
            author: Profile { username, bio, image, following: false },
        }
    }
}

fn segment(name: &str) -> PercentEncode<'_> {
    utf8_percent_encode(name, wire::path::SEGMENT)
}

fn day(time: &Timestamp) -> String {
    const MONTHS: &str =
        "January,February,March,April,May,June,July,August,September,October,November,December";
    let time = DateTime::<Utc>::from(*time);
    let month = MONTHS.split(',').nth(time.month0() as usize).unwrap_or_default();
    format!("{month} {}, {}", time.day(), time.year())
}

#[derive(Template)]
#[template(path = "floor.html", whitespace = "preserve")]
struct Home {
    list: ArticlePage,
    tags: Vec<String>,
    last: u64,
}
