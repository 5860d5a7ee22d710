//! Loading many rows quickly, into a database that nobody else writes to.
//!
//! Each call of a [`Loader`] is one transaction, and leaves the kept counts right, and the numbers
//! for new rows behind the loaded ones. The caller decides how much goes into one, and so how much
//! memory it takes. When all is loaded, [`Loader::finish`] prepares the database for use.
//!
//! Loading takes minutes, and may be killed. So the database itself says how far it is: as long as
//! something is being loaded a row of `counter` bears its name, and counts the calls that are done.
//! Whoever makes the same calls again goes on where the first was interrupted.

mod rows;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Executor, QueryBuilder, types::Json};

pub use self::rows::{ArticleRow, CommentRow, FollowRow, TagRow, UserRow};
use crate::{
    connect::CACHE_KIB,
    db::{Db, On, Tx, in_tx, on_read, on_write},
};

/// What loading fails with: the database's own error.
pub type Result<T> = sqlx::Result<T>;

/// Loads rows into one database.
pub struct Loader<'db> {
    db: &'db Db,
    tags: HashMap<String, i64>,
    /// The name of the row that counts the calls.
    journal: String,
    /// How many calls an earlier loader made before it was interrupted.
    done: i64,
    /// How many this one was asked for.
    calls: i64,
}

/// Begins the name of the row that counts the calls; what is being loaded follows.
const LOADING: &str = "loading ";

/// A load that was begun and not finished: what, and how many calls of it are done.
async fn begun(db: &Db) -> Result<Option<(String, i64)>> {
    const BEGUN: &str = "select name, value from counter where name like $1";
    let pattern = format!("{LOADING}%");
    let row: Option<(String, i64)> =
        on_read!(db, c => sqlx::query_as(BEGUN).bind(pattern).fetch_optional(c).await)?;
    Ok(row.map(|(name, done)| (name.trim_start_matches(LOADING).to_owned(), done)))
}

/// What was being loaded when it was interrupted, by the name that [`Loader::begin`] was given.
///
/// # Errors
/// The database's.
pub async fn interrupted(db: &Db) -> Result<Option<String>> {
    Ok(begun(db).await?.map(|(what, _)| what))
}

/// What links an article to a tag or to an account. It carries the article's time.
struct Link {
    article: i64,
    to: i64,
    time: DateTime<Utc>,
}

fn favorite_links(rows: &[ArticleRow]) -> Vec<Link> {
    let of = |row: &ArticleRow| {
        let (article, time) = (row.id, row.created_at);
        row.favorited_by.clone().into_iter().map(move |to| Link { article, to, time })
    };
    rows.iter().flat_map(of).collect()
}

/// How many, as the database counts.
fn count<T>(rows: &[T]) -> i64 {
    i64::try_from(rows.len()).unwrap_or(i64::MAX)
}

/// How many rows go into one statement. More saves little, and SQLite takes at most 32,766 values.
const ROWS: usize = 500;

/// Inserts `rows`, some hundred with each statement. A macro, for the reason that `db` gives.
macro_rules! insert {
    ($tx:expr, $into:expr, $rows:expr, |$values:ident, $row:ident| $push:expr) => {
        for rows in $rows.chunks(ROWS) {
            in_tx!($tx, connection => {
                let mut query = QueryBuilder::new(concat!("insert into ", $into, " "));
                query.push_values(rows, |mut $values, $row| { $push; });
                // Not kept in the connection's cache: the text is long, and the last one differs.
                query.build().persistent(false).execute(connection).await.map(drop)
            })?;
        }
    };
}

impl<'db> Loader<'db> {
    /// A loader for a migrated database that is empty, or in which loading `what` was interrupted:
    /// then it skips the calls that are done.
    ///
    /// # Errors
    /// The database's, and `InvalidArgument` where loading something else was interrupted.
    pub async fn begin(db: &'db Db, what: &str) -> Result<Self> {
        let journal = format!("{LOADING}{what}");
        let done = match begun(db).await? {
            Some((same, done)) if same == what => done,
            Some((other, _)) => {
                let problem = format!("it was left half filled with {other}, and not with {what}");
                return Err(sqlx::Error::InvalidArgument(problem));
            }
            None => 0,
        };
        // In a large table each new row belongs on another page of each index. So that these are not
        // read and written again for every row, as many as possible are kept, and the log is copied
        // into the file once in some hundred MiB.
        tune(db, "-400000", 50_000).await?;
        Ok(Self { db, tags: HashMap::new(), journal, done, calls: 0 })
    }

    /// The transaction of the next call; `None` when the call is done already.
    async fn next(&mut self) -> Result<Option<Tx>> {
        self.calls += 1;
        if self.calls <= self.done { Ok(None) } else { self.db.begin().await.map(Some) }
    }

    /// Ends the transaction of a call: counts it, and sees to it that new rows of `tables` get
    /// numbers after the loaded ones. (SQLite does that by itself.)
    async fn commit(&self, mut tx: Tx, tables: &[&str]) -> Result<()> {
        // Both fail, or count nothing, where another loader was faster: nothing is loaded twice.
        const FIRST: &str = "insert into counter (name, value) values ($1, $2)";
        const NEXT: &str = "update counter set value = $2 where name = $1 and value = $2 - 1";
        let (journal, calls) = (&self.journal, self.calls);
        let count = if calls == 1 { FIRST } else { NEXT };
        let counted = in_tx!(&mut tx, c => {
            let counted = sqlx::query(count).bind(journal).bind(calls).execute(c).await;
            counted.map(|result| result.rows_affected())
        })?;
        if counted != 1 {
            let problem = "somebody else is filling it at the same time".to_owned();
            return Err(sqlx::Error::InvalidArgument(problem));
        }
        if let On::Postgres(connection) = &mut tx.on {
            for table in tables {
                let sequence = format!("pg_get_serial_sequence('{table}', 'id')");
                let set = format!("select setval({sequence}, (select max(id) from {table}))");
                connection.execute(AssertSqlSafe(set)).await?;
            }
        }
        tx.commit().await.map(drop)
    }

    /// Loads accounts.
    ///
    /// # Errors
    /// The database's.
    pub async fn users(&mut self, rows: &[UserRow]) -> Result<()> {
        let Some(mut tx) = self.next().await? else { return Ok(()) };
        insert!(
            &mut tx,
            "account (id, username, email, password_hash, bio, image, created_at, updated_at)",
            rows,
            |values, row| values
                .push_bind(row.id)
                .push_bind(&row.username)
                .push_bind(&row.email)
                .push_bind(&row.password_hash)
                .push_bind(&row.bio)
                .push_bind(&row.image)
                .push_bind(row.created_at)
                .push_bind(row.created_at)
        );
        self.commit(tx, &["account"]).await
    }

    /// Loads tags. They have to be there before the articles that have them.
    ///
    /// # Errors
    /// The database's.
    pub async fn tags(&mut self, rows: &[TagRow]) -> Result<()> {
        self.tags.extend(rows.iter().map(|row| (row.name.clone(), row.id)));
        let Some(mut tx) = self.next().await? else { return Ok(()) };
        insert!(&mut tx, "tag (id, name)", rows, |values, row| values
            .push_bind(row.id)
            .push_bind(&row.name));
        self.commit(tx, &["tag"]).await
    }

    /// Loads articles with their tags and favourites.
    ///
    /// # Errors
    /// The database's, and `InvalidArgument` for a tag that was not loaded.
    pub async fn articles(&mut self, rows: &[ArticleRow]) -> Result<()> {
        let tags = self.tag_links(rows)?;
        let favorites = favorite_links(rows);
        let Some(mut tx) = self.next().await? else { return Ok(()) };
        insert!(
            &mut tx,
            "article (id, slug, author_id, created_at, updated_at, favorites_count, title, \
             description, tag_list, body)",
            rows,
            |values, row| values
                .push_bind(row.id)
                .push_bind(&row.slug)
                .push_bind(row.author_id)
                .push_bind(row.created_at)
                .push_bind(row.updated_at)
                .push_bind(count(&row.favorited_by))
                .push_bind(&row.title)
                .push_bind(&row.description)
                .push_bind(Json(&row.tag_list))
                .push_bind(&row.body)
        );
        insert!(
            &mut tx,
            "article_tag (article_id, tag_id, article_created_at)",
            &tags,
            |values, link| values.push_bind(link.article).push_bind(link.to).push_bind(link.time)
        );
        insert!(
            &mut tx,
            "favorite (article_id, account_id, article_created_at)",
            &favorites,
            |values, link| values.push_bind(link.article).push_bind(link.to).push_bind(link.time)
        );
        for column in ["article_count", "published_count"] {
            add(&mut tx, "account", column, rows.iter().map(|row| row.author_id)).await?;
        }
        add(&mut tx, "account", "favorite_count", favorites.iter().map(|link| link.to)).await?;
        add(&mut tx, "tag", "article_count", tags.iter().map(|link| link.to)).await?;
        let more = "update counter set value = value + $1 where name = 'article'";
        in_tx!(&mut tx, db => sqlx::query(more).bind(count(rows)).execute(db).await.map(drop))?;
        self.commit(tx, &["article"]).await
    }

    fn tag_links(&self, rows: &[ArticleRow]) -> Result<Vec<Link>> {
        let mut links = Vec::new();
        for row in rows {
            for name in &row.tag_list {
                let Some(&tag) = self.tags.get(name) else {
                    let problem = format!("the tag {name:?} was not loaded before its articles");
                    return Err(sqlx::Error::InvalidArgument(problem));
                };
                links.push(Link { article: row.id, to: tag, time: row.created_at });
            }
        }
        Ok(links)
    }

    /// Loads who follows whom.
    ///
    /// # Errors
    /// The database's.
    pub async fn follows(&mut self, rows: &[FollowRow]) -> Result<()> {
        let Some(mut tx) = self.next().await? else { return Ok(()) };
        insert!(&mut tx, "follow (follower_id, followed_id)", rows, |values, row| values
            .push_bind(row.follower_id)
            .push_bind(row.followed_id));
        self.commit(tx, &[]).await
    }

    /// Loads comments.
    ///
    /// # Errors
    /// The database's.
    pub async fn comments(&mut self, rows: &[CommentRow]) -> Result<()> {
        let Some(mut tx) = self.next().await? else { return Ok(()) };
        insert!(
            &mut tx,
            "comment (id, article_id, author_id, created_at, updated_at, body)",
            rows,
            |values, row| values
                .push_bind(row.id)
                .push_bind(row.article_id)
                .push_bind(row.author_id)
                .push_bind(row.created_at)
                .push_bind(row.created_at)
                .push_bind(&row.body)
        );
        self.commit(tx, &["comment"]).await
    }

    /// Prepares the loaded database for use. PostgreSQL learns now how its data is distributed,
    /// which it would otherwise do in the background, while somebody measures. (SQLite plans our
    /// queries well without knowing.)
    ///
    /// # Errors
    /// The database's.
    pub async fn finish(self) -> Result<()> {
        const END: &str = "delete from counter where name = $1";
        let journal = self.journal;
        on_write!(self.db, c => sqlx::query(END).bind(journal).execute(c).await.map(drop))?;
        match self.db {
            Db::Sqlite { write, .. } => {
                // Also moves all that was written into the database file itself, so that a copy of
                // that one file is a copy of the database.
                write.execute("pragma wal_checkpoint(truncate)").await?;
                tune(self.db, CACHE_KIB, 1_000).await?;
            }
            Db::Postgres(pool) => {
                // By name: without one it goes over the system's tables as well, and warns of each
                // that somebody else owns.
                let tables = "account, article, article_tag, comment, favorite, follow, tag";
                pool.execute(AssertSqlSafe(format!("vacuum analyze {tables}"))).await?;
            }
        }
        Ok(())
    }
}

/// How SQLite's one connection for writing works: the size of its cache as the pragma takes it, and
/// how many pages the log may have before it is copied into the file.
async fn tune(db: &Db, cache: &str, log_pages: u32) -> Result<()> {
    if let Db::Sqlite { write, .. } = db {
        let pragmas =
            format!("pragma cache_size = {cache}; pragma wal_autocheckpoint = {log_pages}");
        write.execute(AssertSqlSafe(pragmas)).await?;
    }
    Ok(())
}

/// Adds to a kept count: one for each time that a row's number occurs in `ids`.
async fn add(tx: &mut Tx, table: &str, column: &str, ids: impl Iterator<Item = i64>) -> Result<()> {
    let mut more: HashMap<i64, i64> = HashMap::new();
    for id in ids {
        *more.entry(id).or_default() += 1;
    }
    let more: Vec<_> = more.into_iter().collect();
    for more in more.chunks(ROWS) {
        in_tx!(&mut *tx, connection => {
            let count = format!("update {table} set {column} = {column} + v.column2 from (");
            let mut query = QueryBuilder::new(count);
            query.push_values(more, |mut values, (id, count)| {
                values.push_bind(*id).push_bind(*count);
            });
            query.push(format_args!(") v where {table}.id = v.column1"));
            query.build().persistent(false).execute(connection).await.map(drop)
        })?;
    }
    Ok(())
}
