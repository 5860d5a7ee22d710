//! All of a user's articles as a book: long-running, with a checkpoint after every few articles.
//!
//! **Twice is harmless**: each step adds chunks of the file and moves the checkpoint in one
//! transaction, under the job's fence. Whoever comes second goes on where the first one stopped, and
//! finds nothing left to do when that was the end.
//!
//! The file is kept in the database, so every server of a deployment can hand it out, and it goes a
//! day after it was made.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use conduit::MAX_CHUNK;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, types::Json};

use super::{
    epub::{self, Book, Chapter},
    zip::{Entry, Piece},
};
use crate::{
    InProcess,
    db::{Tx, in_tx, on_read},
    jobs::run::{Failure, Finished, Run},
};

/// How many articles go into one step: many enough that a step is not all transaction.
const STEP: i64 = 8;

/// How many letters they have together, so that the longest ones fit into memory. One that has more
/// makes a step of its own.
const LETTERS: i64 = 128 * 1024;

/// How long a finished export is kept.
const KEPT: TimeDelta = TimeDelta::days(1);

/// The export that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Export {
    pub(crate) export: i64,
}

/// How far it has come.
#[derive(Clone, FromRow)]
struct Checkpoint {
    account_id: i64,
    state: String,
    created_at: DateTime<Utc>,
    articles_done: i64,
    articles_total: i64,
    last_created_at: Option<DateTime<Utc>>,
    last_id: Option<i64>,
    bytes: i64,
    chunks: i64,
}

#[derive(FromRow)]
struct ArticleRow {
    id: i64,
    created_at: DateTime<Utc>,
    title: String,
    description: String,
    body: String,
    tag_list: Json<Vec<String>>,
}

pub(crate) async fn run(run: &Run<'_>, Export { export }: Export) -> Result<Finished, Failure> {
    const CHECKPOINT: &str = "
        select account_id, state, created_at, articles_done, articles_total, last_created_at,
            last_id, bytes, chunks
        from export where id = $1";
    let db = &run.app.db;
    let found: Option<Checkpoint> =
        on_read!(db, db => sqlx::query_as(CHECKPOINT).bind(export).fetch_optional(db).await)?;
    // It may be gone with its account.
    let Some(mut at) = found else { return Ok(Finished::NotYet) };
    if at.state == "ready" {
        return Ok(Finished::NotYet);
    }
    at.articles_total = article_count(run.app, at.account_id).await?;
    loop {
        run.progress(at.articles_done, at.articles_total);
        let articles = next_articles(run.app, &at).await?;
        if articles.is_empty() {
            return finish(run, export, at).await;
        }
        at = step(run, export, at, articles).await?;
    }
}

async fn article_count(app: &InProcess, account: i64) -> sqlx::Result<i64> {
    const COUNT: &str = "select article_count from account where id = $1";
    on_read!(&app.db, db => sqlx::query_scalar(COUNT).bind(account).fetch_one(db).await)
}

/// The next articles after the checkpoint, oldest first. Their lengths are added up before any of
/// their texts is fetched.
async fn next_articles(app: &InProcess, at: &Checkpoint) -> sqlx::Result<Vec<ArticleRow>> {
    const NEXT: &str = "
        with step as (
            select id, letters, sum(letters) over (order by created_at, id) as up_to_here from (
                select id, created_at, length(body) as letters from article
                where author_id = $1 and (created_at, id) > ($2, $3)
                order by created_at, id limit $4) next)
        select a.id, created_at, title, description, body, tag_list
        from step join article a on a.id = step.id
        where up_to_here <= $5 or up_to_here = letters
        order by created_at, a.id";
    let from = at.last_created_at.unwrap_or(DateTime::UNIX_EPOCH);
    on_read!(&app.db, db => sqlx::query_as(NEXT)
        .bind(at.account_id).bind(from).bind(at.last_id.unwrap_or(0)).bind(STEP)
        .bind(LETTERS).fetch_all(db).await)
}

/// Adds chapters to the file.
async fn step(
    run: &Run<'_>,
    export: i64,
    mut at: Checkpoint,
    articles: Vec<ArticleRow>,
) -> Result<Checkpoint, Failure> {
    if let Some(last) = articles.last() {
        at.last_created_at = Some(last.created_at);
        at.last_id = Some(last.id);
    }
    at.articles_done += i64::try_from(articles.len()).unwrap_or(0);
    at.articles_total = at.articles_total.max(at.articles_done);
    "running".clone_into(&mut at.state);
    let begins = at.bytes.unsigned_abs();
    let piece = run.app.jobs.compute.run(move || {
        let mut piece = Piece::after(begins);
        if begins == 0 {
            epub::begin(&mut piece)?;
        }
        for article in articles {
            epub::chapter(&mut piece, &article.into())?;
        }
        Ok(piece)
    });
    let piece =
        piece.await.map_err(|error: super::zip::TooLong| Failure::Fatal(error.to_string()))?;
    let mut tx = run.begin().await?;
    append(&mut tx, export, &mut at, &piece).await?;
    save(&mut tx, export, &at, None, None).await?;
    run.commit(tx).await?;
    Ok(at)
}

/// Adds what comes last, and the job is done with it.
async fn finish(run: &Run<'_>, export: i64, mut at: Checkpoint) -> Result<Finished, Failure> {
    const ENTRIES: &str = "
        select entries from export_chunk
        where export_id = $1 and entries is not null order by number";
    const AUTHOR: &str = "select username from account where id = $1";
    let db = &run.app.db;
    let entries: Vec<Json<Vec<Entry>>> =
        on_read!(db, db => sqlx::query_scalar(ENTRIES).bind(export).fetch_all(db).await)?;
    let author: String =
        on_read!(db, db => sqlx::query_scalar(AUTHOR).bind(at.account_id).fetch_one(db).await)?;
    let book = Book {
        identifier: format!("urn:conduit:export:{export}"),
        author,
        modified: at.created_at.to_rfc3339_opts(SecondsFormat::Secs, true),
    };
    let begins = at.bytes.unsigned_abs();
    let piece = run.app.jobs.compute.run(move || {
        let mut piece = Piece::after(begins);
        let entries: Vec<_> = entries.into_iter().flat_map(|entries| entries.0).collect();
        if begins == 0 {
            epub::begin(&mut piece)?;
        }
        epub::end(&mut piece, &book, entries)?;
        Ok(piece)
    });
    let piece =
        piece.await.map_err(|error: super::zip::TooLong| Failure::Fatal(error.to_string()))?;
    let now = run.app.clock.now();
    "ready".clone_into(&mut at.state);
    let mut tx = run.begin().await?;
    append(&mut tx, export, &mut at, &piece).await?;
    save(&mut tx, export, &at, Some(now), Some(now + KEPT)).await?;
    run.commit_and_finish(tx).await
}

/// Writes a piece behind what is there.
async fn append(tx: &mut Tx, export: i64, at: &mut Checkpoint, piece: &Piece) -> sqlx::Result<()> {
    const APPEND: &str = "
        insert into export_chunk (export_id, number, content, entries) values ($1, $2, $3, $4)";
    let mut entries = Some(Json(&piece.entries));
    for chunk in piece.bytes.chunks(MAX_CHUNK) {
        in_tx!(tx, db => sqlx::query(APPEND)
            .bind(export).bind(at.chunks).bind(chunk).bind(entries.take())
            .execute(db).await.map(drop))?;
        at.chunks += 1;
        at.bytes += i64::try_from(chunk.len()).unwrap_or(0);
    }
    Ok(())
}

async fn save(
    tx: &mut Tx,
    export: i64,
    at: &Checkpoint,
    finished_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
) -> sqlx::Result<()> {
    const SAVE: &str = "
        update export set state = $2, articles_done = $3, articles_total = $4,
            last_created_at = $5, last_id = $6, bytes = $7, chunks = $8,
            finished_at = $9, expires_at = $10
        where id = $1";
    in_tx!(tx, db => sqlx::query(SAVE)
        .bind(export).bind(&at.state).bind(at.articles_done).bind(at.articles_total)
        .bind(at.last_created_at).bind(at.last_id).bind(at.bytes).bind(at.chunks)
        .bind(finished_at).bind(expires_at).execute(db).await.map(drop))
}

/// An export whose job is given up has failed, and a new one may be asked for.
pub(crate) async fn given_up(
    app: &InProcess,
    tx: &mut Tx,
    Export { export }: Export,
) -> sqlx::Result<()> {
    const FAIL: &str = "update export set state = 'failed', finished_at = $2, expires_at = $3
        where id = $1 and state <> 'ready'";
    let now = app.clock.now();
    in_tx!(tx, db => sqlx::query(FAIL)
        .bind(export).bind(now).bind(now + KEPT).execute(db).await.map(drop))
}

/// Takes away what has been kept for long enough; its chunks go with it.
pub(crate) async fn expire(tx: &mut Tx, now: DateTime<Utc>) -> sqlx::Result<()> {
    const EXPIRE: &str = "delete from export where expires_at <= $1";
    in_tx!(tx, db => sqlx::query(EXPIRE).bind(now).execute(db).await.map(drop))
}

impl From<ArticleRow> for Chapter {
    fn from(row: ArticleRow) -> Self {
        Self {
            id: row.id,
            title: row.title,
            description: row.description,
            body: row.body,
            date: row.created_at.format("%-d %B %Y").to_string(),
            tags: row.tag_list.0,
        }
    }
}
