//! The comments under an article.

use chrono::{DateTime, Utc};
use conduit::{Caller, Comment, Error, Profile, Resource, Result};
use sqlx::{FromRow, QueryBuilder};

use crate::{InProcess, db::on_read, db_error, profiles::push_profile, validation};

/// A comment with its author, or only nulls: the one row of an article without comments.
#[derive(FromRow)]
struct CommentRow {
    id: Option<i64>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    body: Option<String>,
    username: Option<String>,
    bio: Option<String>,
    image: Option<String>,
    following: bool,
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

/// One statement also tells an unknown article (no row) from one without comments (a row of nulls),
/// because the comments are joined to the article and not the other way round.
pub(crate) async fn list(app: &InProcess, caller: &Caller, slug: &str) -> Result<Vec<Comment>> {
    let viewer = app.tokens.viewer(caller)?;
    let not_found = || Error::NotFound(Resource::Article);
    if !validation::can_be_addressed(slug) {
        return Err(not_found());
    }
    let rows: Vec<CommentRow> = on_read!(&app.db, db => {
        let mut query = QueryBuilder::new("select c.id, c.created_at, c.updated_at, c.body, ");
        push_profile!(query, viewer);
        query
            .push(
                " from article a
                left join comment c on c.article_id = a.id
                left join account u on u.id = c.author_id
                where a.slug = ",
            )
            .push_bind(slug)
            .push(" order by c.created_at, c.id");
        query.build_query_as().fetch_all(db).await
    })
    .map_err(db_error::reading)?;
    if rows.is_empty() {
        return Err(not_found());
    }
    Ok(rows.into_iter().filter_map(CommentRow::comment).collect())
}
