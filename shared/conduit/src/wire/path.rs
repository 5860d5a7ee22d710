//! Paths below [`API`](super::API), as the router writes them; [`of`] fills in a name.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Registration.
pub const USERS: &str = "/users";
/// Signing in.
pub const LOGIN: &str = "/users/login";
/// The caller's own account.
pub const USER: &str = "/user";
/// Somebody's public account.
pub const PROFILE: &str = "/profiles/{username}";
/// Whether the caller follows them.
pub const FOLLOW: &str = "/profiles/{username}/follow";
/// Lists of articles.
pub const ARTICLES: &str = "/articles";
/// The articles of those whom the caller follows. No article has the slug `feed`.
pub const FEED: &str = "/articles/feed";
/// One article.
pub const ARTICLE: &str = "/articles/{slug}";
/// Whether it is one of the caller's favourites.
pub const FAVORITE: &str = "/articles/{slug}/favorite";
/// An article's comments.
pub const COMMENTS: &str = "/articles/{slug}/comments";
/// One of them.
pub const COMMENT: &str = "/articles/{slug}/comments/{id}";
/// All tags.
pub const TAGS: &str = "/tags";
/// Articles that are like one.
pub const RELATED: &str = "/articles/{slug}/related";
/// The caller's exports.
pub const EXPORTS: &str = "/exports";
/// A piece of the file of one of them.
pub const EXPORT_CHUNK: &str = "/exports/{id}/chunks/{number}";
/// The caller's jobs.
pub const JOBS: &str = "/jobs";
/// The queue, for operators.
pub const QUEUE: &str = "/queue";
/// One of its jobs, to be run again.
pub const RETRY: &str = "/queue/{id}/retry";

/// Everything but the unreserved characters of RFC 3986 is escaped in a path segment.
pub const SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The path with `name` in place of its first `{…}`, escaped.
pub fn of(template: &str, name: &str) -> String {
    let (before, rest) = template.split_once('{').unwrap_or((template, ""));
    let after = rest.split_once('}').map_or("", |(_, after)| after);
    format!("{before}{}{after}", utf8_percent_encode(name, SEGMENT))
}
