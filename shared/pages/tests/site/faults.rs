//! Sessions that are no good, and a backend that is not there.

use std::sync::{Arc, Mutex};

use axum::http::{Request, StatusCode};
use conduit::{Error, Outcome, Resource};

use crate::{
    browser::Browser,
    script::{Script, TOKEN},
};

const GONE: Error = Error::Unavailable(Outcome::NotDone);

#[tokio::test]
async fn a_bad_session_means_signed_out_on_every_page() {
    let script = Script::default();
    for token in ["forged", "a.b.c", "%00", "\u{fc}"] {
        let browser = Browser::on(&script).signed_in(token);
        for address in [
            "/",
            "/tag/x",
            "/article/x",
            "/profile/x",
            "/profile/x/favorites",
            "/login",
            "/register",
        ] {
            let page = browser.get(address).await;
            assert_eq!(page.status, StatusCode::OK, "{address} with {token}");
            assert_eq!(page.count("nav a[href='/login']"), 1, "{address} with {token}");
            assert_eq!(page.count("nav a[href^='/profile/']"), 0);
            if token.is_ascii() {
                let cookie = page.cookie().expect("the browser is told to forget it");
                assert!(cookie.starts_with("conduit_session=; Path=/; Max-Age=0;"), "{cookie}");
            }
        }
        assert_eq!(browser.get("/no-such-page").await.status, StatusCode::NOT_FOUND);
        let guest = Browser::on(&script);
        let (as_forged, as_guest) = (browser.get("/").await.body, guest.get("/").await.body);
        assert_eq!(as_forged, as_guest, "the very same page");
    }
}

#[tokio::test]
async fn a_bad_session_costs_one_more_round() {
    let script = Script::default();
    Browser::on(&script).signed_in("forged").get("/").await;
    let calls = ["articles 0+10", "articles 0+10", "current_user", "tags", "tags"];
    assert_eq!(script.take_calls(), calls);
}

/// An implementation need not look at the token of a call that does not depend on it.
#[tokio::test]
async fn a_bad_session_is_noticed_even_if_only_the_navigation_bar_does() {
    use conduit::Unauthorized;
    let expired = Err(Error::Unauthorized(Unauthorized::Invalid));
    let script = Script { current_user: expired, ..Script::default() };
    let page = Browser::on(&script).signed_in(TOKEN).get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.count("a[href='/login']"), 1);
    assert!(page.cookie().is_some());
}

#[tokio::test]
async fn without_tags_the_home_page_is_still_worth_showing() {
    let script = Script { tags: Err(GONE), ..Script::default() };
    let page = Browser::on(&script).get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    page.one(".article-preview");
    assert!(page.text(".sidebar").contains("Tags are not available right now"));
}

#[tokio::test]
async fn without_comments_the_article_is_still_worth_showing() {
    let script = Script { comments: Err(GONE), ..Script::default() };
    let page = Browser::on(&script).get("/article/x").await;
    assert_eq!(page.status, StatusCode::OK);
    page.one(".article-content p");
    assert!(page.body.contains("Comments are not available right now"));
    assert_eq!(page.count(".card"), 0);
}

#[tokio::test]
async fn without_the_viewer_the_page_is_still_worth_showing() {
    let script = Script { current_user: Err(GONE), ..Script::default() };
    let browser = Browser::on(&script).signed_in(TOKEN);
    for address in ["/", "/article/x", "/profile/x", "/login"] {
        let page = browser.get(address).await;
        assert_eq!(page.status, StatusCode::OK, "{address}");
        assert!(page.text("nav").contains("not available right now"));
        assert_eq!(page.count("nav a[href='/login']"), 0, "signed in all the same");
        page.one("form[action='/logout']");
        assert_eq!(page.count(".sign-in-prompt"), 0);
        assert_eq!(page.cookie(), None, "the session may well be good");
    }
}

#[tokio::test]
async fn without_its_main_content_a_page_says_when_to_try_again() {
    let everything = Script {
        current_user: Err(GONE),
        profile: Err(GONE),
        articles: Err(GONE),
        article: Err(GONE),
        comments: Err(GONE),
        tags: Err(GONE),
        ..Script::default()
    };
    for browser in [Browser::on(&everything), Browser::on(&everything).signed_in(TOKEN)] {
        for address in ["/", "/tag/x?page=2", "/article/x", "/profile/x", "/profile/x/favorites"] {
            let page = browser.get(address).await;
            assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{address}");
            assert_eq!(page.header("retry-after"), "5");
            assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
            page.one("nav.navbar");
            assert_eq!(page.text("h1"), "Not available right now");
            assert_eq!(page.text(&format!("main a[href='{address}']")), "Try again");
        }
    }
    let without_profile = Script { profile: Err(GONE), ..Script::default() };
    let page = Browser::on(&without_profile).get("/profile/x").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn an_internal_error_gives_a_number_and_no_detail() {
    let broken = || Error::Internal("secret detail".to_owned());
    for script in [
        Script { articles: Err(broken()), ..Script::default() },
        Script { tags: Err(broken()), ..Script::default() },
        Script { current_user: Err(broken()), ..Script::default() },
    ] {
        let page = Browser::on(&script).signed_in(TOKEN).get("/").await;
        assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(page.text("main code"), "request-1");
        assert!(!page.body.contains("secret detail"));
        page.one("nav.navbar");
    }
}

/// What a log holds in the end.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panicked").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn an_internal_error_is_logged_once_with_its_number_and_detail() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let articles = Err(Error::Internal("secret detail".to_owned()));
    Browser::on(&Script { articles, ..Script::default() }).get("/").await;
    drop(guard);
    let text = String::from_utf8(log.0.lock().expect("nobody panicked").clone()).expect("UTF-8");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("ERROR") && text.contains("request-1"), "{text}");
    assert!(text.contains("secret detail"), "{text}");
}

#[tokio::test]
async fn what_is_not_there_is_not_found_inside_the_layout() {
    let script = Script {
        article: Err(Error::NotFound(Resource::Article)),
        comments: Err(Error::NotFound(Resource::Article)),
        profile: Err(Error::NotFound(Resource::Profile)),
        ..Script::default()
    };
    let browser = Browser::on(&script).signed_in(TOKEN);
    for address in [
        "/article/x",
        "/profile/x",
        "/profile/x/favorites",
        "/no-such-page",
        "/article",
        "/article/",
        "/article/x/y",
        "/tag/%FF",
        "/article/%FF",
        "/profile/%FF",
        "/favicon.ico",
        "/static/",
    ] {
        let page = browser.get(address).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{address}");
        assert_eq!(page.text("h1"), "Page not found", "{address}");
        assert_eq!(page.text("nav a[href^='/profile/']").trim(), "toothless", "{address}");
        page.one("main a[href='/']");
    }
    script.take_calls();
    assert_eq!(Browser::on(&script).get("/no-such-page").await.status, StatusCode::NOT_FOUND);
    assert_eq!(script.take_calls(), Vec::<String>::new(), "a guest's wrong turn costs nothing");
}

#[tokio::test]
async fn a_wrong_method_is_refused_inside_the_layout() {
    let browser = Browser::on(&Script::default());
    for request in [Request::delete("/"), Request::put("/article/x"), Request::post("/tag/x")] {
        let page = browser.send(request, "").await;
        assert_eq!(page.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(page.header("allow"), "GET,HEAD");
        page.one("nav.navbar");
    }
    let page = browser.get("/logout").await;
    assert_eq!((page.status, page.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST"));
}
