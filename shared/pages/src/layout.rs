//! What stands around every page, and how a page becomes an answer.

use std::borrow::Cow;

use askama::Template;
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, Uri, header},
    response::Response,
};
use conduit::wire::path::SEGMENT;
use percent_encoding::utf8_percent_encode;

/// Who is looking, as far as it is known.
pub(crate) enum Viewer {
    /// Somebody without a session.
    Guest,
    /// Somebody who is signed in.
    Known {
        /// Their public name.
        username: String,
        /// Their picture.
        image: Option<String>,
    },
    /// Somebody with a session that could not be looked up right now. The page is shown all the
    /// same, only without a name in the navigation bar.
    Unreachable,
}

/// What `layout.html` needs.
pub(crate) struct Layout {
    pub(crate) viewer: Viewer,
    uri: Uri,
}

impl Layout {
    pub(crate) fn new(viewer: Viewer, uri: Uri) -> Self {
        Self { viewer, uri }
    }

    /// Whether this is the page at `path`, so that its link can be marked.
    pub(crate) fn is_at(&self, path: &str) -> bool {
        self.uri.path() == path
    }

    /// Whether this is a page about that account.
    pub(crate) fn is_profile_of(&self, username: &str) -> bool {
        let name = self.path().strip_prefix("/profile/").and_then(|rest| rest.split('/').next());
        name.is_some_and(|name| Cow::from(utf8_percent_encode(username, SEGMENT)) == name)
    }

    /// The address of this very page, without the query.
    pub(crate) fn path(&self) -> &str {
        self.uri.path()
    }

    /// The address of this very page.
    pub(crate) fn here(&self) -> &str {
        self.uri.path_and_query().map_or("/", |address| address.as_str())
    }
}

/// More than nearly every page has bytes, so that its text is never moved while it grows.
const PAGE_CAPACITY: usize = 24 * 1024;

/// A page as an answer.
///
/// `no-cache`: a browser may keep the page for its back button, and asks again for everything else.
/// The policy forbids scripts altogether; pictures may come from anywhere, because avatars do.
pub(crate) fn html(status: StatusCode, page: &impl Template) -> Response {
    let mut text = String::with_capacity(PAGE_CAPACITY);
    let status = match page.render_into(&mut text) {
        Ok(()) => status,
        // Templates can't fail by themselves; if one ever does, half a page must not pass as whole.
        Err(error) => {
            tracing::error!(%error, "a template failed");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "private, no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; img-src 'self' https: http: data:; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
