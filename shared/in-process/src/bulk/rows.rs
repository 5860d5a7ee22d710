//! The rows that are loaded, as plain data.

use chrono::{DateTime, Utc};

/// An account.
#[derive(Clone, Debug)]
pub struct UserRow {
    /// Its number.
    pub id: i64,
    /// The public name.
    pub username: String,
    /// The address to sign in with.
    pub email: String,
    /// The hash of the password, in PHC format.
    pub password_hash: String,
    /// A few words; `None` when there are none.
    pub bio: Option<String>,
    /// Address of a picture; `None` when there is none.
    pub image: Option<String>,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
}

/// A tag.
#[derive(Clone, Debug)]
pub struct TagRow {
    /// Its number.
    pub id: i64,
    /// What it is called.
    pub name: String,
}

/// An article.
#[derive(Clone, Debug)]
pub struct ArticleRow {
    /// Its number. Of two articles with the same time the one with the larger number is the newer.
    pub id: i64,
    /// Its name in addresses.
    pub slug: String,
    /// The headline.
    pub title: String,
    /// One line under the headline.
    pub description: String,
    /// The text.
    pub body: String,
    /// The account that wrote it.
    pub author_id: i64,
    /// The names of its tags, each loaded before, in alphabetical order.
    pub tag_list: Vec<String>,
    /// The accounts that have favourited it. They come with the article, because to count them
    /// afterwards would mean to write each article twice.
    pub favorited_by: Vec<i64>,
    /// When it was published.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// One account that follows another.
#[derive(Clone, Copy, Debug)]
pub struct FollowRow {
    /// Who follows
    pub follower_id: i64,
    /// whom.
    pub followed_id: i64,
}

/// A comment.
#[derive(Clone, Debug)]
pub struct CommentRow {
    /// Its number.
    pub id: i64,
    /// The article that it is about.
    pub article_id: i64,
    /// The account that wrote it.
    pub author_id: i64,
    /// The text.
    pub body: String,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}
