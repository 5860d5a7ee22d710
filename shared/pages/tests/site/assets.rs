//! The files that pages refer to: how they are kept, and how much is sent for a page altogether.

use std::io::Read;

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Method, Request, StatusCode},
};
use contract::{
    dataset::{Dataset, Size},
    in_memory::InMemory,
};
use flate2::read::GzDecoder;
use http_body_util::BodyExt;
use pages::Settings;
use tower::ServiceExt;

use crate::{browser::Browser, script::Script};

/// What comes back, byte by byte.
async fn fetch(method: Method, address: &str, accept: &'static str) -> (HeaderMap, Bytes) {
    let site: Router = pages::router(Script::default(), Settings::default());
    let request = Request::builder().method(method).uri(address).header("accept-encoding", accept);
    let response =
        site.oneshot(request.body(Body::empty()).expect("a request")).await.expect("infallible");
    assert_eq!(response.status(), StatusCode::OK, "{address}");
    let (parts, body) = response.into_parts();
    (parts.headers, body.collect().await.expect("a body").to_bytes())
}

/// The addresses of everything that a page needs and that we serve.
async fn linked(browser: &Browser, page: &str) -> Vec<String> {
    let page = browser.get(page).await;
    let elements = page.all("link[href^='/'], script[src], img[src^='/']");
    let address = |e: &scraper::ElementRef<'_>| {
        e.value().attr("href").or(e.value().attr("src")).expect("an address").to_owned()
    };
    let mut addresses: Vec<_> = elements.iter().map(address).collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

#[tokio::test]
async fn static_files_are_kept_for_ever_under_an_address_that_changes_with_them() {
    let browser = Browser::on(&Script::default());
    let page = browser.get("/").await;
    for (address, content_type) in [
        (page.attr("link[rel=stylesheet]", "href"), "text/css; charset=utf-8"),
        (page.attr("script[defer]", "src"), "text/javascript; charset=utf-8"),
        (page.attr("link[rel=icon]", "href"), "image/svg+xml"),
        (page.attr(".article-meta img", "src"), "image/svg+xml"),
    ] {
        let file = browser.get(address).await;
        assert_eq!(file.status, StatusCode::OK);
        assert_eq!(file.header("content-type"), content_type);
        assert_eq!(file.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(file.header("x-content-type-options"), "nosniff");
        assert!(!file.body.is_empty());
        // What another version calls the same file.
        let name = address.rsplit('/').next().expect("a name");
        let other = browser.get(&format!("/static/0000000000000000/{name}")).await;
        assert_eq!((other.status, other.header("cache-control")), (StatusCode::OK, "no-cache"));
    }
    let missing = browser.get("/static/0000000000000000/nothing.js").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    missing.one("nav.navbar");
}

#[tokio::test]
async fn static_files_are_compressed_for_those_who_accept_it() {
    let browser = Browser::on(&Script::default());
    let addresses = linked(&browser, "/").await;
    assert_eq!(addresses.len(), 4, "{addresses:?}");
    for address in addresses {
        let (plain_headers, plain) = fetch(Method::GET, &address, "gzip;q=0, br").await;
        let (headers, body) = fetch(Method::GET, &address, "gzip, deflate, br").await;
        // A cache between us and two browsers must keep both.
        assert_eq!(plain_headers["vary"], "accept-encoding");
        assert_eq!(headers["vary"], "accept-encoding");
        assert!(!plain_headers.contains_key("content-encoding"), "{address}");
        assert_eq!(headers["content-encoding"], "gzip", "{address}");
        let mut unpacked = Vec::new();
        GzDecoder::new(&body[..]).read_to_end(&mut unpacked).expect("gzip");
        assert_eq!(unpacked, plain, "{address}");
        assert!(body.len() < plain.len(), "{address}");

        let (head, nothing) = fetch(Method::HEAD, &address, "gzip").await;
        assert!(nothing.is_empty());
        assert_eq!(head["content-length"], body.len().to_string());
        for name in ["content-encoding", "content-type", "cache-control", "vary"] {
            assert_eq!(head[name], headers[name], "{name} of {address}");
        }
    }
}

/// A phone on a slow line: the first visit, nothing cached, the page itself not compressed.
#[tokio::test]
async fn a_first_visit_to_the_home_page_is_small() {
    const LIMIT: usize = 60 * 1024;
    let dataset = Dataset::new(Size { users: 20, articles: 40, ..Size::default() }, 1);
    let browser = Browser::on(&InMemory::new(&dataset));
    let page = browser.get("/").await;
    assert_eq!(page.count(".article-preview"), 10);
    let mut sent = page.body.len();
    for address in linked(&browser, "/").await {
        sent += fetch(Method::GET, &address, "gzip").await.1.len();
    }
    assert!(sent <= LIMIT, "{sent} bytes");

    // The stylesheet is all that the browser waits for before it draws the page.
    page.one("head > link[rel=stylesheet]");
    assert_eq!(page.count("script:not([defer])"), 0);
    let stylesheet = browser.get(page.attr("link[rel=stylesheet]", "href")).await.body;
    assert!(!stylesheet.contains("@import"));
    let pictures = stylesheet.matches("url(").count();
    assert_eq!(stylesheet.matches(r#"url("data:image/svg+xml,"#).count(), pictures);
    let script = browser.get(page.attr("script", "src")).await.body;
    assert!(script.len() <= 7 * 1024, "{} bytes", script.len());
}
