//! What the port speaks of. Field names on the wire are the contract's (`camelCase`).

use std::fmt;

use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Token;

/// How many articles a list holds when nobody says otherwise (the contract's figure).
pub const DEFAULT_LIMIT: u32 = 20;

/// The longest list that one call may ask for: the cost of a call has to be bounded.
pub const MAX_LIMIT: u32 = 1_000;

/// An account as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct User {
    /// Where to reach the owner; also what they sign in with.
    pub email: String,
    /// Proof of identity for the calls that follow.
    pub token: Token,
    /// The public name.
    pub username: String,
    /// A few words about themselves; nothing when there are none, never an empty string.
    pub bio: Option<String>,
    /// Address of a picture; nothing when there is none, never an empty string.
    pub image: Option<String>,
}

/// An account as others see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Profile {
    /// The public name.
    pub username: String,
    /// A few words about themselves.
    pub bio: Option<String>,
    /// Address of a picture.
    pub image: Option<String>,
    /// Whether the caller follows this account; `false` for a caller who is not signed in.
    pub following: bool,
}

/// One article, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Article {
    /// The article's name in addresses: unique, and stable while the title is.
    pub slug: String,
    /// The headline.
    pub title: String,
    /// One line under the headline.
    pub description: String,
    /// The text, in Markdown.
    pub body: String,
    /// The tags, in alphabetical order.
    pub tag_list: Vec<String>,
    /// When it was published.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Whether the caller has favourited it.
    pub favorited: bool,
    /// How many accounts have.
    pub favorites_count: u64,
    /// Who wrote it.
    pub author: Profile,
}

/// One article in a list: everything but the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ArticleSummary {
    /// The article's name in addresses.
    pub slug: String,
    /// The headline.
    pub title: String,
    /// One line under the headline.
    pub description: String,
    /// The tags, in alphabetical order.
    pub tag_list: Vec<String>,
    /// When it was published.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Whether the caller has favourited it.
    pub favorited: bool,
    /// How many accounts have.
    pub favorites_count: u64,
    /// Who wrote it.
    pub author: Profile,
}

/// A window on a list of articles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ArticlePage {
    /// The articles in the window, newest first.
    pub articles: Vec<ArticleSummary>,
    /// How many articles match, inside and outside the window.
    pub articles_count: u64,
}

/// A remark under an article.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Comment {
    /// Its number, unique over all articles.
    pub id: i64,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The text, plain.
    pub body: String,
    /// Who wrote it.
    pub author: Profile,
}

/// What it takes to open an account. A field that is missing counts as blank.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Registration {
    /// The public name.
    pub username: String,
    /// The address to sign in with.
    pub email: String,
    /// The secret to sign in with.
    pub password: Password,
}

/// What it takes to sign in. A field that is missing counts as blank.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Credentials {
    /// The account's address.
    pub email: String,
    /// Its secret.
    pub password: Password,
}

/// What an account's owner wants to change about it. What is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct UserUpdate {
    /// Another address to sign in with.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Another public name.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Another secret.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
    /// Other words about themselves; `Some(None)` and an empty string both take them away.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub bio: Option<Option<String>>,
    /// Another picture; `Some(None)` and an empty string both take it away.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub image: Option<Option<String>>,
}

/// What it takes to publish an article. A text that is missing counts as blank.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "camelCase")]
pub struct NewArticle {
    /// The headline.
    pub title: String,
    /// One line under the headline.
    pub description: String,
    /// The text, in Markdown.
    pub body: String,
    /// The tags, in any order; one that is named twice counts once.
    pub tag_list: Vec<String>,
}

/// What an author wants to change about an article. What is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, rename_all = "camelCase")]
pub struct ArticleUpdate {
    /// Another headline.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Another line under it.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Another text.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Other tags in place of all that there were.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub tag_list: Option<Vec<String>>,
}

/// What it takes to comment on an article. A text that is missing counts as blank.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct NewComment {
    /// The text, plain.
    pub body: String,
}

/// Reads a field that may be left out, but if it is there, has to be what it ought to be. By itself
/// serde takes `null` for "left out", and the contract does not: there `null` is either a value of
/// its own (for a biography) or a mistake (for a username).
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    field: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(field).map(Some)
}

/// A password in clear, on its way to being hashed or compared. `Debug` never shows it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// Wraps a password.
    pub fn new(clear: impl Into<String>) -> Self {
        Self(clear.into())
    }

    /// The password itself. Every use of this method is a place where a secret could leak.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Which articles to list. Every filter that is given must match.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListArticles {
    /// Only articles with this tag.
    pub tag: Option<String>,
    /// Only articles by this username.
    pub author: Option<String>,
    /// Only articles that this username has favourited.
    pub favorited: Option<String>,
    /// How many at most: 1 to [`MAX_LIMIT`].
    pub limit: u32,
    /// How many of the newest to pass over first.
    pub offset: u32,
}

impl Default for ListArticles {
    fn default() -> Self {
        Self { tag: None, author: None, favorited: None, limit: DEFAULT_LIMIT, offset: 0 }
    }
}

/// Which part of a list to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// How many at most: 1 to [`MAX_LIMIT`].
    pub limit: u32,
    /// How many of the newest to pass over first.
    pub offset: u32,
}

impl Default for Window {
    fn default() -> Self {
        Self { limit: DEFAULT_LIMIT, offset: 0 }
    }
}

/// A point in time as the contract shows it: UTC, to the millisecond.
///
/// The database keeps microseconds. They are cut off here and not in the JSON encoder, so that a
/// caller in the same process and one behind a wire hold the same value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Timestamp(DateTime<Utc>);

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.trunc_subsecs(3))
    }
}

impl From<Timestamp> for DateTime<Utc> {
    fn from(time: Timestamp) -> Self {
        time.0
    }
}

impl fmt::Display for Timestamp {
    /// `2026-01-02T03:04:05.678Z`: always three digits and `Z`. Old clients insist on the fraction,
    /// also when it is zero.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let time = DateTime::parse_from_rfc3339(&text).map_err(de::Error::custom)?;
        Ok(time.with_timezone(&Utc).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_always_has_three_digits() {
        let whole_second = DateTime::from_timestamp(1_767_323_045, 0).unwrap();
        assert_eq!(Timestamp::from(whole_second).to_string(), "2026-01-02T03:04:05.000Z");
    }

    #[test]
    fn microseconds_do_not_survive_the_port() {
        let precise = DateTime::from_timestamp(1_767_323_045, 678_901_234).unwrap();
        let at_the_port = Timestamp::from(precise);
        let over_the_wire: Timestamp =
            serde_json::from_str(&serde_json::to_string(&at_the_port).unwrap()).unwrap();
        assert_eq!(over_the_wire, at_the_port);
    }

    #[test]
    fn null_is_not_the_same_as_left_out() {
        let read = |json: &str| serde_json::from_str::<UserUpdate>(json);
        assert_eq!(read("{}").unwrap(), UserUpdate::default());
        let cleared = UserUpdate { bio: Some(None), ..UserUpdate::default() };
        assert_eq!(read(r#"{"bio":null}"#).unwrap(), cleared);
        assert!(read(r#"{"email":null}"#).is_err());
        assert!(serde_json::from_str::<ArticleUpdate>(r#"{"tagList":null}"#).is_err());
    }

    #[test]
    fn a_password_is_not_shown() {
        let new = Registration { password: Password::new("hunter2-hunter2"), ..Default::default() };
        assert!(!format!("{new:?}").contains("hunter2"));
    }
}
