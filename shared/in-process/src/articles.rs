//! Reading articles, one or many. What a filter adds to the SQL stands in `filters`, how articles
//! come to be in `authoring`.

use chrono::{DateTime, Utc};
use conduit::{
    Article, ArticlePage, ArticleSummary, Caller, Error, ListArticles, Resource, Result, Window,
};
use serde::Deserialize;
use sqlx::{FromRow, QueryBuilder, types::Json};

use crate::{
    InProcess,
    db::{Db, Tx, in_tx, on_read},
    db_error,
    filters::{Selection, push_matches, push_total},
    jobs::kinds::related::LIST,
    listing::{Listed, fetch_all, flag, time},
    profiles::{ProfileRow, push_profile},
    validation,
};

/// An article without its text: the columns that [`push_summary!`] adds to a query.
#[derive(FromRow, Deserialize)]
struct SummaryRow {
    slug: String,
    title: String,
    description: String,
    tag_list: Json<Vec<String>>,
    #[serde(deserialize_with = "time")]
    created_at: DateTime<Utc>,
    #[serde(deserialize_with = "time")]
    updated_at: DateTime<Utc>,
    favorites_count: i64,
    #[serde(deserialize_with = "flag")]
    favorited: bool,
    #[sqlx(flatten)]
    author: ProfileRow,
}

/// An article of a list, with the number of all that match. They come together, because to ask for
/// a number costs about as much as to ask for a whole list.
#[derive(Deserialize)]
struct ListedRow {
    summary: SummaryRow,
    total: i64,
}

/// A [`SummaryRow`] as JSON.
macro_rules! summary_json {
    () => {
        "json_array(slug, title, description, json(tag_list), created_at, updated_at,
            favorites_count, favorited, json_array(username, bio, image, following))"
    };
}

/// The columns of a [`SummaryRow`] in their order; and whatever comes after them.
macro_rules! columns {
    ($($more:ty)?) => {
        (String, String, String, Json<Vec<String>>, DateTime<Utc>, DateTime<Utc>, i64, bool,
         String, Option<String>, Option<String>, bool, $($more)?)
    };
}

impl Listed for SummaryRow {
    const JSON: &str = summary_json!();

    type Columns = columns!();
}

impl Listed for ListedRow {
    const JSON: &str = concat!("json_array(", summary_json!(), ", total)");

    type Columns = columns!(i64);
}

impl From<columns!()> for SummaryRow {
    fn from(columns: columns!()) -> Self {
        let (slug, title, description, tag_list, created_at, updated_at, ..) = columns;
        let (.., favorites_count, favorited, username, bio, image, following) = columns;
        let author = (username, bio, image, following).into();
        Self {
            slug,
            title,
            description,
            tag_list,
            created_at,
            updated_at,
            favorites_count,
            favorited,
            author,
        }
    }
}

impl From<columns!(i64)> for ListedRow {
    fn from((a, b, c, d, e, f, g, h, i, j, k, l, total): columns!(i64)) -> Self {
        Self { summary: (a, b, c, d, e, f, g, h, i, j, k, l).into(), total }
    }
}

/// An article with its text.
#[derive(FromRow)]
struct ArticleRow {
    #[sqlx(flatten)]
    summary: SummaryRow,
    body: String,
}

/// Adds the columns of a [`SummaryRow`] to a query in which `a` is the article and `u` its author.
macro_rules! push_summary {
    ($query:expr, $viewer:expr) => {
        $query.push(
            "a.slug, a.title, a.description, a.tag_list, a.created_at, a.updated_at,
            a.favorites_count, ",
        );
        match Option::<i64>::from($viewer) {
            // Nothing is looked up for somebody without an account.
            None => $query.push("false"),
            Some(viewer) => $query
                .push("exists (select 1 from favorite where article_id = a.id and account_id = ")
                .push_bind(viewer)
                .push(")"),
        };
        $query.push(" as favorited, ");
        push_profile!($query, $viewer);
    };
}

/// Adds the whole query for the [`ArticleRow`] with a slug.
macro_rules! push_article {
    ($query:expr, $viewer:expr, $slug:expr) => {
        $query.push("select a.body, ");
        push_summary!($query, $viewer);
        $query
            .push(" from article a join account u on u.id = a.author_id where a.slug = ")
            .push_bind($slug);
    };
}

/// Adds the window that a list wants of what comes before.
///
/// The limit is written out, and the offset left out where it is zero: for a number that it does not
/// know PostgreSQL assumes a tenth of the table, and plans for that.
macro_rules! push_window {
    ($query:expr, $window:expr) => {
        $query.push(format_args!(" limit {}", $window.limit));
        if $window.offset > 0 {
            $query.push(" offset ").push_bind(i64::from($window.offset));
        }
    };
}

impl From<SummaryRow> for ArticleSummary {
    fn from(row: SummaryRow) -> Self {
        Self {
            slug: row.slug,
            title: row.title,
            description: row.description,
            tag_list: row.tag_list.0,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
            favorited: row.favorited,
            favorites_count: row.favorites_count.unsigned_abs(),
            author: row.author.into(),
        }
    }
}

impl From<ArticleRow> for Article {
    fn from(row: ArticleRow) -> Self {
        let ArticleSummary {
            slug,
            title,
            description,
            tag_list,
            created_at,
            updated_at,
            favorited,
            favorites_count,
            author,
        } = row.summary.into();
        Self {
            slug,
            title,
            description,
            body: row.body,
            tag_list,
            created_at,
            updated_at,
            favorited,
            favorites_count,
            author,
        }
    }
}

pub(crate) async fn get(app: &InProcess, caller: &Caller, slug: &str) -> Result<Article> {
    let viewer = app.tokens.viewer(caller)?;
    let not_found = || Error::NotFound(Resource::Article);
    if !validation::can_be_addressed(slug) {
        return Err(not_found());
    }
    let found: Option<ArticleRow> = on_read!(&app.db, db => {
        let mut query = QueryBuilder::new("");
        push_article!(query, viewer, slug);
        query.build_query_as().fetch_optional(db).await
    })
    .map_err(db_error::reading)?;
    found.map(Article::from).ok_or_else(not_found)
}

/// The article as a transaction has left it, which knows that there is one.
pub(crate) async fn read_back(tx: &mut Tx, viewer: i64, slug: &str) -> Result<Article> {
    let row: ArticleRow = in_tx!(tx, db => {
        let mut query = QueryBuilder::new("");
        push_article!(query, viewer, slug);
        query.build_query_as().fetch_one(db).await
    })
    .map_err(db_error::in_transaction)?;
    Ok(row.into())
}

pub(crate) async fn list(
    app: &InProcess,
    caller: &Caller,
    list: &ListArticles,
) -> Result<ArticlePage> {
    let viewer = app.tokens.viewer(caller)?;
    let Some(selection) = Selection::of(list) else {
        return Ok(ArticlePage { articles: Vec::new(), articles_count: 0 });
    };
    let rows = if list.offset == 0 {
        first_page(app, viewer, &selection, list).await
    } else {
        later_page(app, viewer, &selection, list).await
    };
    let rows = rows.map_err(db_error::reading)?;
    if rows.is_empty() && list.offset > 0 {
        // Beyond the last page there is no row to hold the number.
        let total = total(app, &selection).await.map_err(db_error::reading)?;
        return Ok(ArticlePage { articles: Vec::new(), articles_count: total.unsigned_abs() });
    }
    Ok(page(rows))
}

/// The first articles: the walk stops when they are found, and they need not be put in order.
async fn first_page(
    app: &InProcess,
    viewer: Option<i64>,
    selection: &Selection<'_>,
    list: &ListArticles,
) -> sqlx::Result<Vec<ListedRow>> {
    fetch_all!(&app.db, ListedRow, query => {
        query.push("select ");
        push_summary!(query, viewer);
        push_total!(query, selection);
        query.push(selection.from()).push(selection.join());
        query.push(" join account u on u.id = a.author_id");
        push_matches!(query, selection);
        query.push(selection.newest_first());
        push_window!(query, list);
    })
}

/// Articles after others. The inner query finds their numbers in an index alone, also of those that
/// are passed over; only the few that are left over are then looked up whole.
async fn later_page(
    app: &InProcess,
    viewer: Option<i64>,
    selection: &Selection<'_>,
    list: &ListArticles,
) -> sqlx::Result<Vec<ListedRow>> {
    fetch_all!(&app.db, ListedRow, query => {
        query.push("select ");
        push_summary!(query, viewer);
        push_total!(query, selection);
        query.push(format_args!(" from (select {} as id", selection.id()));
        query.push(selection.from());
        push_matches!(query, selection);
        query.push(selection.newest_first());
        push_window!(query, list);
        query.push(WHOLE);
    })
}

/// What follows on an inner query that has the articles' numbers.
const WHOLE: &str = ") page join article a on a.id = page.id join account u on u.id = a.author_id
    order by a.created_at desc, a.id desc";

/// A window on the articles of everyone whom the caller follows.
///
/// The inner query reads the entries of those authors in their index, sorts them, and keeps as many
/// as are asked for. So it costs what these authors have written, however large the app is.
pub(crate) async fn feed(app: &InProcess, caller: &Caller, window: Window) -> Result<ArticlePage> {
    const TOTAL: &str = "
        select cast(coalesce(sum(f_u.article_count), 0) as bigint)
        from follow f join account f_u on f_u.id = f.followed_id where f.follower_id = ";
    let (viewer, _) = app.tokens.account(caller)?;
    let rows = fetch_all!(&app.db, ListedRow, query => {
        query.push("select ");
        push_summary!(query, viewer);
        query.push(", (").push(TOTAL).push_bind(viewer).push(") as total");
        query.push(" from (select w.id from follow f ");
        match &app.db {
            Db::Sqlite { .. } => {
                query.push("join article w on w.author_id = f.followed_id");
            }
            // Asked like that, PostgreSQL may also walk along all articles, newest first, and look
            // whose they are: at 10,000 articles it held that for cheaper, and it took twice as long.
            // Author by author it has no choice, and reads no more of each than the window could need.
            Db::Postgres(_) => {
                query.push(
                    "cross join lateral (
                        select id, created_at from article where author_id = f.followed_id
                        order by created_at desc, id desc limit ",
                );
                query.push_bind(i64::from(window.limit) + i64::from(window.offset)).push(") w");
            }
        }
        query.push(" where f.follower_id = ").push_bind(viewer);
        query.push(" order by w.created_at desc, w.id desc");
        push_window!(query, window);
        query.push(WHOLE);
    })
    .map_err(db_error::reading)?;
    if rows.is_empty() && window.offset > 0 {
        let total: i64 = on_read!(&app.db, db => {
            let mut query = QueryBuilder::new(TOTAL);
            query.push_bind(viewer).build_query_scalar().fetch_one(db).await
        })
        .map_err(db_error::reading)?;
        return Ok(ArticlePage { articles: Vec::new(), articles_count: total.unsigned_abs() });
    }
    Ok(page(rows))
}

/// The articles that are most like one. The article itself comes along, as a first row that is left
/// out again: so one statement tells an unknown article from one that is like no other.
pub(crate) async fn related(
    app: &InProcess,
    caller: &Caller,
    slug: &str,
) -> Result<Vec<ArticleSummary>> {
    let viewer = app.tokens.viewer(caller)?;
    let not_found = || Error::NotFound(Resource::Article);
    if !validation::can_be_addressed(slug) {
        return Err(not_found());
    }
    let mut rows = fetch_all!(&app.db, SummaryRow, query => {
        query.push("select ");
        push_summary!(query, viewer);
        query
            .push(
                " from (
                    select id, 1000001 as score from article where slug = ",
            )
            .push_bind(slug)
            .push(
                " union all
                    select r.related_id, r.score
                    from article one join related_article r on r.article_id = one.id
                    where one.slug = ",
            )
            .push_bind(slug)
            .push(
                ") list join article a on a.id = list.id join account u on u.id = a.author_id
                order by list.score desc, a.id desc",
            );
    })
    .map_err(db_error::reading)?;
    if rows.is_empty() {
        return Err(not_found());
    }
    rows.remove(0);
    // Jobs that lengthen a list at the same time don't see each other's article, and leave both there until
    // the next one. The best are among them in any case. (A limit in the statement costs a fifth of the page.)
    rows.truncate(LIST);
    Ok(rows.into_iter().map(ArticleSummary::from).collect())
}

/// No row on a first page means that nothing matches.
fn page(rows: Vec<ListedRow>) -> ArticlePage {
    let total = rows.first().map_or(0, |row| row.total);
    ArticlePage {
        articles: rows.into_iter().map(|row| row.summary.into()).collect(),
        articles_count: total.unsigned_abs(),
    }
}

/// How many articles match.
async fn total(app: &InProcess, selection: &Selection<'_>) -> sqlx::Result<i64> {
    on_read!(&app.db, db => {
        let mut query = QueryBuilder::new("select 0");
        push_total!(query, selection);
        query.build_query_as().fetch_one(db).await
    })
    .map(|(_, total): (i32, i64)| total)
}
