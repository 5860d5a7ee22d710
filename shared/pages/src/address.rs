//! Addresses of this site: where its pages are, and which ones may be gone to.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use conduit::wire::path;
use serde::Deserialize;

use crate::filters::query_value;

/// The page of an article.
pub(crate) const ARTICLE: &str = "/article/{slug}";
/// The page where an article is changed.
pub(crate) const EDITOR: &str = "/editor/{slug}";
/// The page of an account.
pub(crate) const PROFILE: &str = "/profile/{username}";

/// The address of an article's page.
pub(crate) fn of_article(slug: &str) -> String {
    path::of(ARTICLE, slug)
}

/// The address of the page where an article is changed.
pub(crate) fn of_editor(slug: &str) -> String {
    path::of(EDITOR, slug)
}

/// The address of somebody's page.
pub(crate) fn of_profile(username: &str) -> String {
    path::of(PROFILE, username)
}

/// The address of the sign-in form that leads back to `here`.
pub(crate) fn of_sign_in(here: &str) -> String {
    format!("/login?next={}", query_value(here))
}

/// An address that came with a request, if it is one of this site.
///
/// Anybody can have written the link or the form that it came with. Taken as it is, it would lead
/// from our sign-in page to a copy of it elsewhere.
#[derive(Default, Deserialize)]
#[serde(from = "String")]
pub(crate) struct Local(pub(crate) Option<String>);

impl From<String> for Local {
    fn from(address: String) -> Self {
        // Browsers read `//host` and `/\host` as another site, and pass over tabs and line breaks.
        let local = address.starts_with('/') && !address.starts_with("//");
        let plain = address.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
        Self((local && plain).then_some(address))
    }
}

/// After a form has done its work: off to a page, which a reload then shows again instead of
/// sending the form twice.
pub(crate) fn see_other(address: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    // `Local` and `path::of` let nothing through that could not stand in a header.
    let location = HeaderValue::from_str(address).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(header::LOCATION, location);
    response
}
