//! What stands around every page, and how a page becomes an answer.

use std::borrow::Cow;

use askama::Template;
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, Uri, header},
    response::Response,
};
use conduit::{User, wire::path::SEGMENT};
use percent_encoding::utf8_percent_encode;

use crate::flash::Flash;

/// Who is looking, as far as it is known.
pub(crate) enum Viewer {
    /// Somebody without a session.
    Guest,
    /// Somebody who is signed in.
    Known(User),
    /// Somebody with a session that could not be looked up right now. The page is shown all the
    /// same, only without a name in the navigation bar.
    Unreachable,
}

/// What `layout.html` needs.
pub(crate) struct Layout {
    pub(crate) viewer: Viewer,
    uri: Uri,
    /// What is to be said about the form that led here.
    pub(crate) flash: Option<Flash>,
}

impl Layout {
    pub(crate) fn new(viewer: Viewer, uri: Uri, flash: Option<Flash>) -> Self {
        Self { viewer, uri, flash }
    }

    /// Whether nobody is signed in.
    pub(crate) fn is_guest(&self) -> bool {
        matches!(self.viewer, Viewer::Guest)
    }

    /// The account of whoever is looking.
    pub(crate) fn user(&self) -> Option<&User> {
        match &self.viewer {
            Viewer::Known(user) => Some(user),
            Viewer::Guest | Viewer::Unreachable => None,
        }
    }

    /// Whether that account is the one who is looking.
    pub(crate) fn is_viewer(&self, username: &str) -> bool {
        self.user().is_some_and(|user| user.username == username)
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
        here(&self.uri)
    }
}

/// Path and query of an address.
pub(crate) fn here(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |address| address.as_str())
}

/// More than nearly every page has bytes, so that its text is never moved while it grows.
const PAGE_CAPACITY: usize = 24 * 1024;

/// When it makes sense to try again after the app could not be reached.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// A page as an answer.
///
/// `no-cache`: a browser may keep the page for its back button, and asks again for everything else.
/// The policy allows our own script and nothing that stands in a page; pictures may come from
/// anywhere, because avatars do.
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
    // These, those that the server adds, and a cookie: room for all of them at once.
    headers.reserve(10);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS);
    }
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "private, no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; \
             img-src 'self' https: http: data:; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'none'",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
