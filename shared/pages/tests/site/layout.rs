//! What every page has in common.

use std::collections::BTreeSet;

use axum::http::{Request, StatusCode};

use crate::{
    browser::Browser,
    script::{Script, TOKEN},
};

#[test]
fn every_route_of_the_router_has_a_name() {
    let source = include_str!("../../src/lib.rs").lines().map(str::trim_start);
    let paths = source.filter_map(|line| line.strip_prefix(".route(")?.split(',').next());
    let paths: BTreeSet<_> = paths.collect();
    assert_eq!(paths.len(), pages::ROUTES.len(), "{paths:?}");
    for path in paths.iter().filter(|path| path.starts_with('"')) {
        assert!(pages::ROUTES.contains(&path.trim_matches('"')), "{path}");
    }
}

const PAGES: [&str; 7] = [
    "/",
    "/tag/dragons",
    "/article/how-to-ride",
    "/profile/hiccup",
    "/profile/hiccup/favorites",
    "/login",
    "/register",
];

#[tokio::test]
async fn a_guest_is_offered_to_sign_in_exactly_once() {
    let browser = Browser::on(&Script::default());
    for address in PAGES {
        let page = browser.get(address).await;
        assert_eq!(page.status, StatusCode::OK, "{address}");
        assert_eq!(page.text("nav.navbar > .container > a.navbar-brand[href='/']"), "conduit");
        let links = page.texts("nav ul.nav.navbar-nav.pull-xs-right > li.nav-item > a.nav-link");
        assert_eq!(links, ["Home", "Sign in", "Sign up"], "{address}");
        if address != "/register" {
            assert_eq!(page.count("a[href='/login']"), 1, "{address}");
        }
        assert_eq!(page.count("nav a[href^='/profile/']"), 0, "{address}");
        assert_eq!(page.count("form[action='/logout']"), 0, "{address}");
        page.one("footer > .container > a.logo-font + span.attribution");
        page.one("html[lang=en] > head > meta[name=viewport]");
        page.one("meta[name=description]");
        page.one("a.skip-link[href='#content']");
        page.one("main#content");
        assert!(page.text("title").contains("Conduit"), "{address}");
    }
}

#[tokio::test]
async fn the_navigation_bar_knows_who_is_signed_in() {
    let browser = Browser::on(&Script::default()).signed_in(TOKEN);
    for address in PAGES {
        let page = browser.get(address).await;
        assert_eq!(page.text("nav a[href^='/profile/']").trim(), "toothless", "{address}");
        assert!(page.attr("nav img.user-pic", "src").ends_with("default-avatar.svg"));
        assert_eq!(page.count("a[href='/profile/toothless']"), 1, "{address}");
        assert_eq!(page.count("nav a[href='/login'], nav a[href='/register']"), 0, "{address}");
        assert_eq!(page.text("form[action='/logout'][method=post] > button"), "Sign out");
        assert!(!page.body.contains(TOKEN), "{address} shows the token");
        assert_eq!(page.cookie(), None, "{address}");
    }
}

#[tokio::test]
async fn the_first_submit_button_of_a_form_page_is_the_forms_own() {
    for browser in
        [Browser::on(&Script::default()), Browser::on(&Script::default()).signed_in(TOKEN)]
    {
        for (address, text) in [("/login", "Sign in"), ("/register", "Sign up")] {
            let page = browser.get(address).await;
            assert_eq!(page.text("button[type=submit]"), text);
        }
    }
    let user = Browser::on(&Script::default()).signed_in(TOKEN);
    for (address, text) in [("/settings", "Update Settings"), ("/editor", "Publish Article")] {
        assert_eq!(user.get(address).await.text("button[type=submit]"), text);
    }
}

#[tokio::test]
async fn the_link_to_the_current_page_is_marked() {
    let guest = Browser::on(&Script::default());
    for (address, link) in [("/", "Home"), ("/?page=2", "Home"), ("/login", "Sign in")] {
        let page = guest.get(address).await;
        assert_eq!(page.text("nav a.nav-link.active[aria-current=page]"), link);
    }
    assert_eq!(guest.get("/article/how-to-ride").await.count("nav .active"), 0);
    let user = Browser::on(&Script::default()).signed_in(TOKEN);
    let own = user.get("/profile/toothless").await;
    assert_eq!(own.text("nav a.nav-link.active").trim(), "toothless");
    assert_eq!(user.get("/profile/hiccup").await.count("nav .active"), 0);
}

/// Links and buttons that would lead nowhere yet must not be there.
#[tokio::test]
async fn every_link_leads_somewhere() {
    for browser in
        [Browser::on(&Script::default()), Browser::on(&Script::default()).signed_in(TOKEN)]
    {
        for address in PAGES {
            let page = browser.get(address).await;
            for link in page.all("a[href^='/'], link[href^='/'], img[src^='/']") {
                let element = link.value();
                let to = element.attr("href").or(element.attr("src")).expect("selected by it");
                assert_eq!(browser.get(to).await.status, StatusCode::OK, "{to} on {address}");
            }
            for form in page.all("form") {
                let to = form.value().attr("action").expect("an action");
                assert_ne!(browser.post(to, "").await.status, StatusCode::NOT_FOUND, "{to}");
            }
        }
    }
}

#[tokio::test]
async fn pages_are_private_and_run_no_script_but_ours() {
    let page = Browser::on(&Script::default()).get("/").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("cache-control"), "private, no-cache");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    for part in ["script-src 'self';", "connect-src 'self';", "style-src 'self';"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(page.attr("script", "src").starts_with("/static/"));
    assert_eq!(page.text("script"), "");
    assert_eq!(page.count("style, [style], [onclick], [onsubmit]"), 0);
}

#[tokio::test]
async fn a_head_request_has_the_headers_and_no_body() {
    let browser = Browser::on(&Script::default());
    let page = browser.send(Request::head("/"), "").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.body.is_empty());
}

#[tokio::test]
async fn a_page_is_the_same_every_time() {
    let browser = Browser::on(&Script::default()).signed_in(TOKEN);
    for address in PAGES {
        assert_eq!(browser.get(address).await.body, browser.get(address).await.body);
    }
}

/// What was measured stays true: a page asks once for each thing, and nothing twice.
#[tokio::test]
async fn a_page_makes_few_calls() {
    let script = Script::default();
    let guest = Browser::on(&script);
    let user = Browser::on(&script).signed_in(TOKEN);
    for (address, calls) in [
        ("/", vec!["articles 0+10", "tags"]),
        ("/tag/dragons?page=3", vec!["articles tag=dragons 20+10", "tags"]),
        (
            "/article/how-to-ride",
            vec!["article how-to-ride", "comments how-to-ride", "related how-to-ride"],
        ),
        ("/profile/hiccup", vec!["articles author=hiccup 0+10", "profile hiccup"]),
        ("/profile/hiccup/favorites", vec!["articles favorited=hiccup 0+10", "profile hiccup"]),
        ("/login", vec![]),
    ] {
        guest.get(address).await;
        assert_eq!(script.take_calls(), calls, "{address}");
        user.get(address).await;
        let mut with_user = calls;
        with_user.push("current_user");
        with_user.sort_unstable();
        assert_eq!(script.take_calls(), with_user, "{address}");
    }
}
