//! The API's description for human eyes: a page that draws itself from the OpenAPI document, so that
//! it can't say anything else, and from which the operations can be tried. Its three files are part
//! of the binary and load nothing from elsewhere, so it works offline, and its policy can forbid the
//! rest of the world.

use axum::{
    http::{
        HeaderName, HeaderValue,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
            X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::IntoResponse,
};

// Where they are, below the API. The page names the others relative to itself.
pub(crate) const PAGE: &str = "/docs";
pub(crate) const SCRIPT: &str = "/docs/docs.js";
pub(crate) const STYLESHEET: &str = "/docs/docs.css";

const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

pub(crate) async fn page() -> impl IntoResponse {
    file("text/html; charset=utf-8", include_str!("../static/docs.html"))
}

pub(crate) async fn script() -> impl IntoResponse {
    file("text/javascript; charset=utf-8", include_str!("../static/docs.js"))
}

pub(crate) async fn stylesheet() -> impl IntoResponse {
    file("text/css; charset=utf-8", include_str!("../static/docs.css"))
}

fn file(content_type: &'static str, text: &'static str) -> impl IntoResponse {
    (HEADERS, [(CONTENT_TYPE, content_type)], text)
}
