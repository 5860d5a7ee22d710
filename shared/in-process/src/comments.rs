//! The comments under an article.

use chrono::{DateTime, Utc};
use conduit::{Caller, Comment, Error, NewComment, Outcome, Profile, Resource, Result};
use serde::Deserialize;
use sqlx::QueryBuilder;

use crate::{
    InProcess,
    authoring::lock,
    budget::within,
    db::{Tx, in_tx, on_read, on_write},
    db_error,
    jobs::kinds::synthetic,
    listing::{Listed, fetch_all, flag},
    profiles::push_profile,
    validation,
};

/// A comment with its author, or only nulls: the one row of an article without comments.
#[derive(Deserialize)]
struct CommentRow {
    id: Option<i64>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    body: Option<String>,
    username: Option<String>,
    bio: Option<String>,
    image: Option<String>,
    #[serde(deserialize_with = "flag")]
    following: bool,
}

impl Listed for CommentRow {
    const JSON: &str =
        "json_array(id, created_at, updated_at, body, username, bio, image, following)";

    type Columns = CommentColumns;
}

/// The columns of a [`CommentRow`] in their order.
type CommentColumns = (
    Option<i64>,
    Option<DateTime<Utc>>,
    Option<DateTime<Utc>>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    bool,
);

impl From<CommentColumns> for CommentRow {
    fn from(columns: CommentColumns) -> Self {
        let (id, created_at, updated_at, body, username, bio, image, following) = columns;
        Self { id, created_at, updated_at, body, username, bio, image, following }
    }
}

impl CommentRow {
    fn comment(self) -> Option<Comment> {
        Some(Comment {
            id: self.id?,
            created_at: self.created_at?.into(),
            updated_at: self.updated_at?.into(),
            body: self.body?,
            author: Profile {
                username: self.username?,
                bio: self.bio,
                image: self.image,
                following: self.following,
            },
        })
    }
}

/// Adds the columns of a [`CommentRow`] to a query in which `c` is the comment and `u` its author.
macro_rules! push_comment {
    ($query:expr, $viewer:expr) => {
        $query.push("select c.id, c.created_at, c.updated_at, c.body, ");
        push_profile!($query, $viewer);
    };
}

/// One statement also tells an unknown article (no row) from one without comments (a row of nulls),
/// because the comments are joined to the article and not the other way round.
pub(crate) async fn list(app: &InProcess, caller: &Caller, slug: &str) -> Result<Vec<Comment>> {
    let viewer = app.tokens.viewer(caller)?;
    let not_found = || Error::NotFound(Resource::Article);
    if !validation::can_be_addressed(slug) {
        return Err(not_found());
    }
    let rows = fetch_all!(&app.db, CommentRow, query => {
        push_comment!(query, viewer);
        query
            .push(
                " from article a
                left join comment c on c.article_id = a.id
                left join account u on u.id = c.author_id
                where a.slug = ",
            )
            .push_bind(slug)
            .push(" order by c.created_at, c.id");
    })
    .map_err(db_error::reading)?;
    if rows.is_empty() {
        return Err(not_found());
    }
    Ok(rows.into_iter().filter_map(CommentRow::comment).collect())
}

pub(crate) async fn add(
    app: &InProcess,
    caller: &Caller,
    slug: &str,
    new: NewComment,
) -> Result<(Tx, Comment)> {
    const INSERT: &str = "
        insert into comment (article_id, author_id, created_at, updated_at, body)
        values ($1, $2, $3, $3, $4)
        returning id";
    let (author, _) = app.tokens.account(caller)?;
    if !validation::can_be_addressed(slug) {
        return Err(Error::NotFound(Resource::Article));
    }
    validation::new_comment(&new).into_result()?;

    let (mut tx, article) = lock(app, slug).await?;
    let now = app.clock.now();
    let id: i64 = in_tx!(&mut tx, db => sqlx::query_scalar(INSERT)
        .bind(article.id).bind(author).bind(now).bind(&new.body).fetch_one(db).await)
    .map_err(db_error::by_account)?;
    let row: CommentColumns = in_tx!(&mut tx, db => {
        let mut query = QueryBuilder::new("");
        push_comment!(query, author);
        query.push(" from comment c join account u on u.id = c.author_id where c.id = ");
        query.push_bind(id).build_query_as().fetch_one(db).await
    })
    .map_err(db_error::in_transaction)?;
    let job = synthetic::with_comment(app, &mut tx, id, caller.request_id.as_str()).await;
    job.map_err(db_error::in_transaction)?;
    let missing = || Error::Internal("a new comment is all nulls".to_owned());
    Ok((tx, CommentRow::from(row).comment().ok_or_else(missing)?))
}

/// Nothing is counted and nothing hangs on a comment, so one statement is enough to delete it, once
/// it is known whose it is.
pub(crate) async fn delete(app: &InProcess, caller: &Caller, slug: &str, id: i64) -> Result<()> {
    const DELETE: &str = "delete from comment where id = $1";
    within(caller, Outcome::NotDone, check(app, caller, slug, id)).await?;
    let delete = async {
        on_write!(&app.db, db => sqlx::query(DELETE).bind(id).execute(db).await
            .map(|done| done.rows_affected()))
        .map_err(db_error::writing)
    };
    match within(caller, Outcome::Unknown, delete).await? {
        0 => Err(Error::NotFound(Resource::Comment)),
        _ => Ok(()),
    }
}

/// Whether the caller may delete this comment on this article.
async fn check(app: &InProcess, caller: &Caller, slug: &str, id: i64) -> Result<()> {
    // No row for an unknown article, a null for an unknown comment.
    const AUTHOR: &str = "
        select c.author_id from article a
        left join comment c on c.article_id = a.id and c.id = $2 where a.slug = $1";
    let (viewer, _) = app.tokens.account(caller)?;
    let no_article = Error::NotFound(Resource::Article);
    if !validation::can_be_addressed(slug) {
        return Err(no_article);
    }
    let author: Option<Option<i64>> = on_read!(&app.db, db => sqlx::query_scalar(AUTHOR)
        .bind(slug).bind(id).fetch_optional(db).await)
    .map_err(db_error::reading)?;
    match author.ok_or(no_article)? {
        None => Err(Error::NotFound(Resource::Comment)),
        Some(author) if author == viewer => Ok(()),
        Some(_) => Err(Error::Forbidden(Resource::Comment)),
    }
}
