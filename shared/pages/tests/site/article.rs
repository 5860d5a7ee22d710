//! One article.

use axum::http::StatusCode;
use contract::{
    dataset::{Dataset, Size},
    in_memory::InMemory,
};

use crate::{
    browser::Browser,
    script::{Script, TOKEN, article, comment},
};

const ADDRESS: &str = "/article/how-to-ride";

#[tokio::test]
async fn an_article_has_the_parts_that_everybody_looks_for() {
    let page = Browser::on(&Script::default()).get(ADDRESS).await;
    assert_eq!(page.text("h1"), "How to ride");
    page.one(".article-page > .banner > .container > h1");
    page.one(".article-page > .banner > .container > h1 + .article-meta");
    assert_eq!(page.count(".article-meta"), 2, "above and below");
    assert_eq!(page.texts(".article-meta .author"), ["hiccup", "hiccup"]);
    assert_eq!(page.texts(".article-meta .counter"), ["7", "7"]);
    assert_eq!(page.text(".container.page > .row.article-content p"), "Hold on tight.");
    page.one(".article-content p > em");
    assert_eq!(page.texts(".tag-list .tag-default"), ["dragons", "training"]);
    page.one(".tag-list .tag-default > a[href='/tag/dragons']");
    page.one(".article-actions > .article-meta");
    assert_eq!(page.count("hr"), 1);
    assert_eq!(page.text("title"), "How to ride - Conduit");
    assert_eq!(page.attr("meta[name=description]", "content"), "A dragon, that is");
}

#[tokio::test]
async fn an_article_without_tags_shows_none() {
    let mut untagged = article();
    untagged.tag_list.clear();
    let script = Script { article: Ok(untagged), ..Script::default() };
    assert_eq!(Browser::on(&script).get(ADDRESS).await.count(".tag-list, .tag-default"), 0);
}

#[tokio::test]
async fn the_text_is_rendered_and_harmless() {
    let mut hostile = article();
    hostile.body = "# Big\n\n```rust\nlet x = 1 < 2;\n```\n\n<script>alert(1)</script>\n\n\
                    [x](javascript:alert(1)) <img src=x onerror=alert(1)>"
        .to_owned();
    let script = Script { article: Ok(hostile), ..Script::default() };
    let page = Browser::on(&script).get(ADDRESS).await;
    assert_eq!(page.text(".banner h1"), "How to ride");
    assert_eq!(page.text(".article-content h1"), "Big");
    assert_eq!(page.text(".article-content pre > code.language-rust"), "let x = 1 < 2;\n");
    assert_eq!(
        page.count("script:not([defer]), [onerror], a[href^='javascript']"),
        0,
        "{}",
        page.body
    );
}

#[tokio::test]
async fn a_guest_may_sign_in_and_come_back() {
    let mut odd = article();
    odd.slug = "50% ünfair?".to_owned();
    let script = Script { article: Ok(odd), ..Script::default() };
    let page = Browser::on(&script).get("/article/50%25%20%C3%BCnfair%3F").await;
    let next = "next=%2Farticle%2F50%2525%2520%25C3%25BCnfair%253F";
    assert_eq!(page.text(&format!("a[href='/login?{next}']")), "Sign in");
    assert_eq!(page.text(&format!("a[href='/register?{next}']")), "sign up");
    assert_eq!(page.count("a[href='/login']"), 1, "only the one in the navigation bar");
    let form = Browser::on(&script).get(&format!("/login?{next}")).await;
    let value = form.attr("input[name=next]", "value");
    assert_eq!(value, "/article/50%25%20%C3%BCnfair%3F");
    let signed_in = Browser::on(&script).signed_in(TOKEN).get(ADDRESS).await;
    assert_eq!(signed_in.count(".sign-in-prompt"), 0);
}

#[tokio::test]
async fn a_comment_is_shown_as_it_was_written() {
    let text = "  *not* <b>markdown</b> & \"quotes\"\n\n second line  ".repeat(50);
    let script = Script { comments: Ok(vec![comment(&text)]), ..Script::default() };
    let page = Browser::on(&script).get(ADDRESS).await;
    assert_eq!(page.text(".card > .card-block > p.card-text"), text);
    page.one(".card-footer > a.comment-author > img.comment-author-img");
    assert_eq!(page.texts(".card-footer > a.comment-author"), ["", "astrid"]);
    assert_eq!(page.text(".card-footer > span.date-posted"), "January 20, 2026");
    assert_eq!(page.count(".card form, .card button, textarea"), 0);
}

#[tokio::test]
async fn comments_come_in_their_order() {
    let comments = ["one", "two", "three"].map(comment).to_vec();
    let script = Script { comments: Ok(comments), ..Script::default() };
    let page = Browser::on(&script).get(ADDRESS).await;
    assert_eq!(page.texts(".card-text"), ["one", "two", "three"]);
}

#[tokio::test]
async fn a_whole_dataset_can_be_read() {
    let size = Size { users: 3, articles: 5, ..Size::default() };
    let dataset = Dataset::new(size, 7);
    let browser = Browser::on(&InMemory::new(&dataset));
    for index in 0..size.articles {
        let article = dataset.article(index);
        let page = browser.get(&format!("/article/{}", article.slug)).await;
        assert_eq!(page.status, StatusCode::OK);
        assert_eq!(page.text(".banner h1"), article.title);
        assert_eq!(page.count(".card"), dataset.comments(index).len(), "{}", article.slug);
        assert!(page.count(".article-content pre code") > 0, "{}", article.body);
    }
    assert_eq!(browser.get("/article/no-such").await.status, StatusCode::NOT_FOUND);
}
