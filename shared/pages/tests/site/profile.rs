//! Somebody's public page.

use axum::http::StatusCode;
use conduit::ArticlePage;
use contract::{
    dataset::{Dataset, Size},
    in_memory::InMemory,
};

use crate::{
    browser::Browser,
    script::{Script, article, profile, summary},
};

#[tokio::test]
async fn a_profile_has_the_parts_that_everybody_looks_for() {
    let page = Browser::on(&Script::default()).get("/profile/hiccup").await;
    assert_eq!(page.text("h4"), "hiccup");
    assert_eq!(page.text(".profile-page > .user-info h4"), "hiccup");
    assert_eq!(page.text(".user-info p"), "", "no bio: there, and empty");
    assert!(page.attr(".user-info img.user-img", "src").ends_with("default-avatar.svg"));
    let tabs = ".articles-toggle > ul.nav.nav-pills.outline-active > li.nav-item > a.nav-link";
    assert_eq!(page.texts(tabs), ["My Articles", "Favorited Articles"]);
    assert_eq!(page.text(&format!("{tabs}.active[href='/profile/hiccup']")), "My Articles");
    page.one(".article-preview");
    assert_eq!(page.text(".user-info button").trim(), "Follow hiccup");
    assert_eq!(page.count("a[href='/settings']"), 0);
}

#[tokio::test]
async fn favorites_are_the_other_tab() {
    let page = Browser::on(&Script::default()).get("/profile/hiccup/favorites").await;
    let active = ".articles-toggle .nav-link.active[href='/profile/hiccup/favorites']";
    assert_eq!(page.text(active), "Favorited Articles");
    assert_eq!(page.count(".articles-toggle .nav-link.active"), 1);
}

#[tokio::test]
async fn who_somebody_is_may_be_hostile() {
    let mut hostile = profile("<b>me</b>/..?");
    hostile.bio = Some("<script>alert(1)</script>".to_owned());
    hostile.image = Some("https://a.example/x.png\" onerror=\"alert(1)".to_owned());
    let script = Script { profile: Ok(hostile), ..Script::default() };
    let page = Browser::on(&script).get("/profile/whatever").await;
    assert_eq!(page.text("h4"), "<b>me</b>/..?");
    assert_eq!(page.text(".user-info p"), "<script>alert(1)</script>");
    let image = "https://a.example/x.png\" onerror=\"alert(1)";
    assert_eq!(page.attr(".user-img", "src"), image);
    assert_eq!(page.count("script:not([defer]), [onerror], b"), 0);
    page.one("a[href='/profile/%3Cb%3Eme%3C%2Fb%3E%2F..%3F/favorites']");
}

#[tokio::test]
async fn a_profile_lists_its_own_pages() {
    let articles = ArticlePage { articles: vec![summary(article())], articles_count: 11 };
    let script = Script { articles: Ok(articles), ..Script::default() };
    let browser = Browser::on(&script);
    for list in ["/profile/hiccup", "/profile/hiccup/favorites"] {
        let page = browser.get(&format!("{list}?page=2")).await;
        assert_eq!(page.attr(".page-item.active > a", "href"), format!("{list}?page=2"));
        assert_eq!(page.count("nav .page-link"), 0, "a test would take it for who is signed in");
    }
}

#[tokio::test]
async fn a_real_profile_shows_what_its_owner_wrote_and_nobody_else() {
    let size = Size { users: 3, articles: 12, ..Size::default() };
    let dataset = Dataset::new(size, 3);
    let browser = Browser::on(&InMemory::new(&dataset));
    for index in 0..size.users {
        let name = dataset.user(index).username;
        let page = browser.get(&format!("/profile/{name}")).await;
        let written = (0..size.articles).filter(|i| dataset.article(*i).author == index).count();
        assert_eq!(page.count(".article-preview"), written.min(10));
        assert!(page.texts(".article-preview .author").iter().all(|author| *author == name));
    }
    let nobody = browser.get("/profile/nobody").await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
    assert!(nobody.body.contains("Nobody here goes by that name"));
}
