//! The home page and its lists.

use axum::http::StatusCode;
use conduit::ArticlePage;
use contract::{
    dataset::{Dataset, Size},
    in_memory::InMemory,
};

use crate::{
    browser::Browser,
    script::{Script, TOKEN, article, summary},
};

/// 25 articles: two full pages and a half.
fn dataset() -> Dataset {
    let size = Size { users: 4, articles: 25, tags: 3, ..Size::default() };
    Dataset::new(size, 1)
}

fn holding(count: u64) -> Script {
    let articles = vec![summary(article())];
    Script { articles: Ok(ArticlePage { articles, articles_count: count }), ..Script::default() }
}

#[tokio::test]
async fn the_home_page_has_the_parts_that_everybody_looks_for() {
    let page = Browser::on(&Script::default()).get("/").await;
    assert_eq!(page.text(".home-page .banner h1.logo-font"), "conduit");
    page.one(".home-page .banner p");
    let tabs = ".feed-toggle > ul.nav.nav-pills.outline-active > li.nav-item > a.nav-link";
    assert_eq!(page.text(&format!("{tabs}.active[href='/']")), "Global Feed");
    assert_eq!(page.with_text(".nav-link", "Global Feed"), 1);
    assert_eq!(page.with_text(".nav-link", "Your Feed"), 0);
    assert_eq!(page.text(".sidebar > p"), "Popular Tags");
    let tags = page.texts(".sidebar .tag-list > a.tag-default.tag-pill");
    assert_eq!(tags, ["dragons", "training"]);
    page.one(".sidebar .tag-list > a[href='/tag/dragons']");
}

#[tokio::test]
async fn a_preview_has_one_of_everything() {
    let page = Browser::on(&Script::default()).get("/").await;
    page.one(".article-preview");
    assert_eq!(page.text(".article-preview h1"), "How to ride");
    assert_eq!(page.text(".article-preview p"), "A dragon, that is");
    assert_eq!(page.text(".article-preview .author[href='/profile/hiccup']"), "hiccup");
    assert_eq!(page.text(".article-preview .article-meta .info > span.date"), "January 20, 2026");
    page.one(".article-preview .article-meta a > img");
    page.one(".article-preview i.ion-heart");
    let heart = ".article-meta > form.pull-xs-right > button.btn.btn-sm.btn-outline-primary";
    assert_eq!(page.text(heart).trim(), "7");
    let link = ".article-preview > a.preview-link[href='/article/how-to-ride']";
    assert_eq!(page.text(&format!("{link} > span")), "Read more...");
    let tags = page.texts(&format!("{link} > ul.tag-list > li.tag-default.tag-pill.tag-outline"));
    assert_eq!(tags, ["dragons", "training"]);
    assert_eq!(page.count(".article-preview button"), 1);
}

#[tokio::test]
async fn an_article_without_tags_has_no_list_of_them() {
    let mut untagged = article();
    untagged.tag_list.clear();
    let articles = ArticlePage { articles: vec![summary(untagged)], articles_count: 1 };
    let script = Script { articles: Ok(articles), ..Script::default() };
    assert_eq!(Browser::on(&script).get("/").await.count(".article-preview .tag-list"), 0);
}

#[tokio::test]
async fn a_tag_has_its_own_tab() {
    let page = Browser::on(&Script::default()).get("/tag/dragons").await;
    assert_eq!(page.text(".feed-toggle .nav-link.active").trim(), "dragons");
    page.one(".feed-toggle .nav-link.active[href='/tag/dragons'] > i.ion-pound");
    assert_eq!(page.with_text(".nav-link", "dragons"), 1);
    assert_eq!(page.with_text(".nav-link[href='/']", "Global Feed"), 1);
    assert!(page.text("title").starts_with("#dragons"));
}

#[tokio::test]
async fn a_tag_may_contain_anything() {
    let script = Script { tags: Ok(vec!["c#/c++ & <ü>?".to_owned()]), ..Script::default() };
    let browser = Browser::on(&script);
    let page = browser.get("/").await;
    assert_eq!(page.text(".sidebar .tag-list > a"), "c#/c++ & <ü>?");
    let address = page.attr(".sidebar .tag-list > a", "href").to_owned();
    script.take_calls();
    let tagged = browser.get(&address).await;
    assert_eq!(script.take_calls()[0], "articles tag=c#/c++ & <ü>? 0+10");
    assert_eq!(tagged.text(".feed-toggle .active").trim(), "c#/c++ & <ü>?");
}

#[tokio::test]
async fn nothing_to_show_is_said_without_a_preview() {
    let nothing = ArticlePage { articles: Vec::new(), articles_count: 0 };
    let script = Script { articles: Ok(nothing), tags: Ok(Vec::new()), ..Script::default() };
    let page = Browser::on(&script).get("/").await;
    assert!(page.text(".empty-feed-message").contains("No articles are here"));
    assert_eq!(page.count(".article-preview"), 0);
    assert_eq!(page.count(".pagination"), 0);
    assert_eq!(page.count(".sidebar .tag-list > a"), 0);
}

#[tokio::test]
async fn pages_of_ten_hold_every_article_once() {
    let dataset = dataset();
    let browser = Browser::on(&InMemory::new(&dataset));
    let mut seen = Vec::new();
    for (number, count) in [(1, 10), (2, 10), (3, 5)] {
        let page = browser.get(&format!("/?page={number}")).await;
        assert_eq!(page.count(".article-preview"), count);
        let row = page.texts("ul.pagination > li.page-item > a.page-link");
        assert_eq!(row, ["1", "2", "3"]);
        assert_eq!(page.with_text(".pagination .page-link", "2"), 1);
        assert_eq!(page.text(".pagination .page-item.active > a"), number.to_string());
        seen.extend(page.texts(".article-preview h1"));
    }
    let newest_first: Vec<_> = (0..25).rev().map(|index| dataset.article(index).title).collect();
    assert_eq!(seen, newest_first);
}

#[tokio::test]
async fn the_links_of_a_tags_pages_stay_with_the_tag() {
    let page = Browser::on(&holding(25)).get("/tag/c%23?page=2").await;
    let links: Vec<_> =
        page.all(".page-link").iter().map(|link| link.value().attr("href").unwrap()).collect();
    assert_eq!(links, ["/tag/c%23?page=1", "/tag/c%23?page=2", "/tag/c%23?page=3"]);
}

#[tokio::test]
async fn a_million_articles_do_not_make_a_long_row() {
    let page = Browser::on(&holding(1_000_000)).get("/?page=500").await;
    let row = page.texts(".pagination > li");
    assert_eq!(row, ["1", "…", "498", "499", "500", "501", "502", "…", "100000"]);
}

#[tokio::test]
async fn one_page_needs_no_row_of_numbers() {
    assert_eq!(Browser::on(&holding(10)).get("/").await.count(".pagination"), 0);
    assert_eq!(Browser::on(&holding(11)).get("/").await.count(".pagination"), 1);
}

#[tokio::test]
async fn beyond_the_last_page_there_is_just_nothing() {
    let browser = Browser::on(&InMemory::new(&dataset()));
    let page = browser.get("/?page=4").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text(".empty-feed-message").contains("no articles on this page"));
    assert_eq!(page.texts(".page-link"), ["1", "2", "3"]);
    assert_eq!(page.count(".page-item.active"), 0);
}

#[tokio::test]
async fn a_number_that_names_no_page_is_not_found_and_costs_no_call() {
    let script = Script::default();
    let browser = Browser::on(&script);
    for bad in ["0", "-1", "abc", "", "1e3", "4294967297", "999999999999999999999"] {
        for list in ["/", "/tag/dragons", "/profile/hiccup", "/profile/hiccup/favorites"] {
            let page = browser.get(&format!("{list}?page={bad}")).await;
            assert_eq!(page.status, StatusCode::NOT_FOUND, "{list}?page={bad}");
            page.one("nav.navbar");
        }
    }
    assert_eq!(script.take_calls(), Vec::<String>::new());
}

#[tokio::test]
async fn hostile_words_stay_words() {
    let attack = r#""><script>alert(1)</script><img src=x onerror='alert(1)'>&amp;"#;
    let mut hostile = article();
    for field in [&mut hostile.slug, &mut hostile.title, &mut hostile.description] {
        *field = attack.to_owned();
    }
    hostile.author.username = attack.to_owned();
    hostile.author.image = Some("javascript:alert(1)".to_owned());
    hostile.tag_list = vec![attack.to_owned()];
    let mut viewer = crate::script::user(attack);
    viewer.image = Some(format!("https://a.example/{attack}"));
    let script = Script {
        articles: Ok(ArticlePage { articles: vec![summary(hostile)], articles_count: 1 }),
        tags: Ok(vec![attack.to_owned()]),
        current_user: Ok(viewer),
        ..Script::default()
    };
    let page = Browser::on(&script).signed_in(TOKEN).get("/").await;
    assert_eq!(page.count("script:not([defer]), [onerror]"), 0, "{}", page.body);
    for place in [".article-preview h1", ".article-preview p", ".article-preview .author"] {
        assert_eq!(page.text(place), attack);
    }
    assert_eq!(page.text(".article-preview .tag-default"), attack);
    assert_eq!(page.text(".sidebar .tag-default"), attack);
    assert_eq!(page.text("nav a[href^='/profile/']").trim(), attack);
    assert_eq!(page.attr("nav .user-pic", "src"), format!("https://a.example/{attack}"));
    assert!(page.attr(".article-meta img", "src").ends_with("default-avatar.svg"));
}
