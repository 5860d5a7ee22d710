//! How articles come to be, change, and go, with the tags and the counts that hang on them.
//!
//! Two transactions that each wait for a row that the other has changed would wait for ever. So all
//! of them go through the rows in one order: the article, the count of all articles, accounts, tags
//! in the order of their names. Whatever hangs on an article (favourites, comments, tags) is changed
//! only after [`lock`], one transaction after the other. A new article comes after the counts, which
//! is no wait as long as its slug was never anybody's: so slugs are made of a number that only grows.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use conduit::{
    Article, ArticleUpdate, Caller, Error, NewArticle, Problems, Resource, Result, Unauthorized,
};
use sqlx::{FromRow, QueryBuilder, error::DatabaseError, types::Json};

use crate::{
    InProcess, articles,
    db::{Tx, in_tx},
    db_error,
    jobs::kinds::related,
    slugs::{self, Origin, slug},
    validation,
};

/// What has to be known of an article before it is changed.
#[derive(FromRow)]
pub(crate) struct Locked {
    pub(crate) id: i64,
    pub(crate) author_id: i64,
    pub(crate) created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    title: String,
    slug: String,
    tag_list: Json<Vec<String>>,
}

/// Begins a transaction in which nobody else changes this article, or what hangs on it.
///
/// An update that changes nothing is what takes a row for a transaction on both databases; only
/// PostgreSQL knows `select … for update`.
pub(crate) async fn lock(app: &InProcess, slug: &str) -> Result<(Tx, Locked)> {
    const LOCK: &str = "
        update article set favorites_count = favorites_count where slug = $1
        returning id, author_id, created_at, updated_at, title, slug, tag_list";
    let not_found = || Error::NotFound(Resource::Article);
    if !validation::can_be_addressed(slug) {
        return Err(not_found());
    }
    let mut tx = app.db.begin().await.map_err(db_error::in_transaction)?;
    let article: Option<Locked> =
        in_tx!(&mut tx, db => sqlx::query_as(LOCK).bind(slug).fetch_optional(db).await)
            .map_err(db_error::in_transaction)?;
    Ok((tx, article.ok_or_else(not_found)?))
}

impl Locked {
    fn by(self, account: i64) -> Result<Self> {
        let its_author = self.author_id == account;
        if its_author { Ok(self) } else { Err(Error::Forbidden(Resource::Article)) }
    }
}

pub(crate) async fn create(
    app: &InProcess,
    caller: &Caller,
    new: NewArticle,
) -> Result<(Tx, Article)> {
    let (author, _) = app.tokens.account(caller)?;
    validation::new_article(&new).into_result()?;
    let new = NewArticle { tag_list: validation::tags(new.tag_list), ..new };
    let now = app.clock.now();

    let mut tx = app.db.begin().await.map_err(db_error::in_transaction)?;
    count_article(&mut tx, 1).await?;
    let published = count_for_author(&mut tx, author, 1).await?;
    let (id, slug) = insert(&mut tx, author, published, &new, now).await?;
    count_tags(&mut tx, &[], &new.tag_list).await?;
    tag_article(&mut tx, id, now, &new.tag_list).await?;
    let article = articles::read_back(&mut tx, author, &slug).await?;
    changed(app, caller, &mut tx, id, author).await?;
    Ok((tx, article))
}

/// Has the related articles computed anew.
async fn changed(
    app: &InProcess,
    caller: &Caller,
    tx: &mut Tx,
    article: i64,
    author: i64,
) -> Result<()> {
    let enqueued = related::changed(app, tx, article, author, caller.request_id.as_str()).await;
    enqueued.map_err(db_error::in_transaction)
}

/// The new article's number, and the first slug for it that is free.
async fn insert(
    tx: &mut Tx,
    author: i64,
    published: i64,
    new: &NewArticle,
    now: DateTime<Utc>,
) -> Result<(i64, String)> {
    const INSERT: &str = "
        insert into article (slug, author_id, created_at, updated_at, title, description, body,
            tag_list)
        values ($1, $2, $3, $3, $4, $5, $6, $7)
        on conflict do nothing
        returning id";
    for taken in 0..8 {
        let slug = slug(&new.title, Origin::Published { author, published, taken });
        let id: Option<i64> = in_tx!(tx, db => sqlx::query_scalar(INSERT)
            .bind(&slug).bind(author).bind(now).bind(&new.title).bind(&new.description)
            .bind(&new.body).bind(Json(&new.tag_list)).fetch_optional(db).await)
        .map_err(db_error::in_transaction)?;
        if let Some(id) = id {
            return Ok((id, slug));
        }
    }
    Err(Error::Internal("eight slugs in a row were taken".to_owned()))
}

pub(crate) async fn update(
    app: &InProcess,
    caller: &Caller,
    slug: &str,
    changes: ArticleUpdate,
) -> Result<(Tx, Article)> {
    let (author, _) = app.tokens.account(caller)?;
    if !validation::can_be_addressed(slug) {
        return Err(Error::NotFound(Resource::Article));
    }
    validation::article_update(&changes).into_result()?;
    let tags = changes.tag_list.clone().map(validation::tags);

    let (mut tx, article) = lock(app, slug).await?;
    let article = article.by(author)?;
    // Readers see milliseconds, and a change has to show even if it follows within the same one.
    let now = app.clock.now().max(article.updated_at + TimeDelta::milliseconds(1));
    let slug = change(&mut tx, &article, &changes, tags.as_deref(), now).await?;
    if let Some(tags) = tags {
        count_tags(&mut tx, &article.tag_list, &tags).await?;
        untag_article(&mut tx, article.id).await?;
        tag_article(&mut tx, article.id, article.created_at, &tags).await?;
    }
    let now_read = articles::read_back(&mut tx, author, &slug).await?;
    changed(app, caller, &mut tx, article.id, author).await?;
    Ok((tx, now_read))
}

/// Changes the article's own row, and says what its slug is from now on.
async fn change(
    tx: &mut Tx,
    article: &Locked,
    changes: &ArticleUpdate,
    tags: Option<&[String]>,
    now: DateTime<Utc>,
) -> Result<String> {
    const CHANGE: &str = "
        update article set slug = $2, updated_at = $3, title = coalesce($4, title),
            description = coalesce($5, description), body = coalesce($6, body),
            tag_list = coalesce($7, tag_list)
        where id = $1";
    let renamed = |title: &&String| slugs::words(title) != slugs::words(&article.title);
    let slug = match changes.title.as_ref().filter(renamed) {
        Some(title) => slug(title, Origin::Renamed { article: article.id }),
        None => article.slug.clone(),
    };
    let ArticleUpdate { title, description, body, .. } = changes;
    in_tx!(tx, db => sqlx::query(CHANGE)
        .bind(article.id).bind(&slug).bind(now).bind(title).bind(description).bind(body)
        .bind(tags.map(Json)).execute(db).await.map(drop))
    .map_err(|error| {
        // One chance in four thousand million, and only among articles with the same title.
        if error.as_database_error().is_some_and(DatabaseError::is_unique_violation) {
            return Error::Conflict(Problems::one("title", "has already been taken"));
        }
        db_error::in_transaction(error)
    })?;
    Ok(slug)
}

pub(crate) async fn delete(app: &InProcess, caller: &Caller, slug: &str) -> Result<(Tx, ())> {
    const COUNT_FOR_FANS: &str = "
        update account set favorite_count = favorite_count - 1
        where id in (select account_id from favorite where article_id = $1)";
    // Comments, favourites and tags go with it, by their foreign keys.
    const DELETE: &str = "delete from article where id = $1";
    let (author, _) = app.tokens.account(caller)?;

    let (mut tx, article) = lock(app, slug).await?;
    let article = article.by(author)?;
    count_article(&mut tx, -1).await?;
    count_for_author(&mut tx, author, -1).await?;
    for statement in [COUNT_FOR_FANS, DELETE] {
        in_tx!(&mut tx, db => sqlx::query(statement).bind(article.id).execute(db).await.map(drop))
            .map_err(db_error::in_transaction)?;
    }
    count_tags(&mut tx, &article.tag_list, &[]).await?;
    changed(app, caller, &mut tx, article.id, author).await?;
    Ok((tx, ()))
}

async fn count_article(tx: &mut Tx, change: i64) -> Result<()> {
    const COUNT: &str = "update counter set value = value + $1 where name = 'article'";
    in_tx!(tx, db => sqlx::query(COUNT).bind(change).execute(db).await.map(drop))
        .map_err(db_error::in_transaction)
}

/// Counts an article of the author, and says how many they have ever published.
async fn count_for_author(tx: &mut Tx, author: i64, change: i64) -> Result<i64> {
    const COUNT: &str = "
        update account set article_count = article_count + $2,
            published_count = published_count + case when $2 > 0 then $2 else 0 end
        where id = $1
        returning published_count";
    let count: Option<i64> = in_tx!(tx, db => sqlx::query_scalar(COUNT)
        .bind(author).bind(change).fetch_optional(db).await)
    .map_err(db_error::in_transaction)?;
    // A good token of an account that is gone.
    count.ok_or(Error::Unauthorized(Unauthorized::Invalid))
}

/// Counts an article's tags: those that it had before, and those that it has now.
async fn count_tags(tx: &mut Tx, before: &[String], now: &[String]) -> Result<()> {
    let mut changes = BTreeMap::<&String, i64>::new();
    for (tags, change) in [(before, -1), (now, 1)] {
        for tag in tags {
            *changes.entry(tag).or_default() += change;
        }
    }
    changes.retain(|_, change| *change != 0);
    if changes.is_empty() {
        return Ok(());
    }
    in_tx!(tx, db => {
        let mut query = QueryBuilder::new("insert into tag (name, article_count) ");
        query.push_values(changes, |mut row, (name, change)| {
            row.push_bind(name).push_bind(change);
        });
        query.push(
            " on conflict (name) do update
            set article_count = tag.article_count + excluded.article_count",
        );
        query.build().execute(db).await.map(drop)
    })
    .map_err(db_error::in_transaction)
}

/// Puts tags on an article that has none. They all exist, because they were counted.
async fn tag_article(
    tx: &mut Tx,
    article: i64,
    created_at: DateTime<Utc>,
    tags: &[String],
) -> Result<()> {
    if tags.is_empty() {
        return Ok(());
    }
    in_tx!(tx, db => {
        let mut query = QueryBuilder::new(
            "insert into article_tag (article_id, tag_id, article_created_at) select ",
        );
        query.push_bind(article).push(", id, ").push_bind(created_at);
        query.push(" from tag where name in (");
        let mut names = query.separated(", ");
        for tag in tags {
            names.push_bind(tag);
        }
        query.push(")");
        query.build().execute(db).await.map(drop)
    })
    .map_err(db_error::in_transaction)
}

async fn untag_article(tx: &mut Tx, article: i64) -> Result<()> {
    const UNTAG: &str = "delete from article_tag where article_id = $1";
    in_tx!(tx, db => sqlx::query(UNTAG).bind(article).execute(db).await.map(drop))
        .map_err(db_error::in_transaction)
}
