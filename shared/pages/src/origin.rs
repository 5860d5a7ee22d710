//! Refuses forms that another site has made the visitor's browser send.
//!
//! Browsers state where a request comes from, and no page can forge that. So no secret number in
//! every form is needed, and no place to remember it. A proxy in front has to pass `Host` on.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Uri, header, uri::Authority},
    middleware::Next,
    response::Response,
};
use conduit::Conduit;

use crate::{
    App,
    error::{NoPage, PageError},
    visit::Visit,
};

/// Lets a request through if no other site can have caused it.
pub(crate) async fn check<C: Conduit>(
    State(app): State<App<C>>,
    request: Request,
    next: Next,
) -> Response {
    if is_ours(request.headers(), request.uri()) {
        return next.run(request).await;
    }
    let (parts, _) = request.into_parts();
    Visit::new(&parts, app.settings).show(&app, NoPage(PageError::ForeignOrigin)).await
}

/// Whether a request was made by a page of this site, or by something that is no browser (and so
/// carries nobody's cookies by itself).
fn is_ours(headers: &HeaderMap, uri: &Uri) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(origin) = text(header::ORIGIN) {
        // HTTP/2 has the host in the address instead of in a header.
        let host = text(header::HOST).or(uri.authority().map(Authority::as_str));
        let from = origin.strip_prefix("https://").or(origin.strip_prefix("http://"));
        return from.zip(host).is_some_and(|(from, host)| from.eq_ignore_ascii_case(host));
    }
    // `same-site` is a neighbouring subdomain: another origin, as above.
    let fetch_site = header::HeaderName::from_static("sec-fetch-site");
    text(fetch_site).is_none_or(|site| matches!(site, "same-origin" | "none"))
}
