//! Finding one's way: pages of a list, tabs, tags, pictures.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    BOTH, everywhere,
    site::{newest, person},
    visitor::Visitor,
};

#[tokio::test]
async fn long_lists_come_in_pages_of_ten() {
    everywhere(&BOTH, async |visitor| {
        visitor.open("/").await;
        let mut seen = BTreeSet::new();
        for (page, articles) in [(1, 10), (2, 10), (3, 10), (4, 10), (5, 5)] {
            if page > 1 {
                let number = page.to_string();
                visitor.sees_one(".pagination .page-link", &number).await;
                visitor.clicks(".pagination .page-link", &number).await;
                visitor.arrives_at(&format!("/?page={page}")).await;
            }
            assert_eq!(visitor.texts(".page-item.active").await, [page.to_string()]);
            assert_eq!(visitor.count(".article-preview").await, articles);
            seen.extend(links(visitor, ".preview-link").await);
        }
        assert_eq!(seen.len(), 45, "each article once");

        // The same under a tag.
        visitor.open("/").await;
        let tag = visitor.texts(".sidebar .tag-pill").await.remove(0);
        visitor.clicks(".sidebar .tag-pill", &tag).await;
        visitor.sees_one(".feed-toggle .nav-link.active", &tag).await;
        visitor.sees_one(".feed-toggle .nav-link", "Global Feed").await;
        let of_tag = visitor.address().await;
        visitor.clicks(".pagination .page-link", "2").await;
        visitor.arrives_at(&format!("{of_tag}?page=2")).await;
        visitor.sees(".article-preview .tag-list", &tag).await;
        visitor.clicks(".feed-toggle .nav-link", "Global Feed").await;
        visitor.arrives_at("/").await;
    })
    .await;
}

#[tokio::test]
async fn a_profile_shows_what_somebody_wrote_and_what_they_like() {
    everywhere(&BOTH, async |visitor| {
        let author = person(1);
        visitor.signs_in(&person(0)).await;
        visitor.open(&format!("/profile/{}", author.username)).await;
        visitor.sees_one(".articles-toggle .nav-link.active", "My Articles").await;
        visitor.sees_one(".user-info button", author.username.as_str()).await;
        let authors: BTreeSet<_> =
            visitor.texts(".article-preview .author").await.into_iter().collect();
        assert_eq!(authors.into_iter().collect::<Vec<_>>(), [author.username]);
        visitor.clicks(".articles-toggle .nav-link", "Favorited Articles").await;
        visitor.sees_one(".articles-toggle .nav-link.active", "Favorited Articles").await;
        assert!(visitor.address().await.ends_with("/favorites"));
        assert!(visitor.texts(".article-preview .author").await.len() > 1);

        visitor.clicks("nav a[href^='/profile/']", "").await;
        visitor.sees_one("a", "Edit Profile Settings").await;
        visitor.misses("button", "Follow").await;
    })
    .await;
}

#[tokio::test]
async fn every_picture_of_a_list_is_there() {
    everywhere(&BOTH, async |visitor| {
        visitor.signs_in(&person(0)).await;
        for path in ["/", &format!("/article/{}", newest().slug)] {
            visitor.open(path).await;
            visitor.sees(".article-meta img", "").await;
            let broken: Vec<String> = visitor
                .script(
                    "return [...document.images].filter(i => !i.naturalWidth).map(i => i.src)",
                    [],
                )
                .await;
            assert!(broken.is_empty(), "{path}: {broken:?}");
            let sources: Vec<String> =
                visitor.script("return [...document.images].map(i => i.src)", []).await;
            assert!(sources.iter().all(|source| source.ends_with(".svg")), "{sources:?}");
        }
    })
    .await;
}

async fn links(visitor: &Visitor, css: &str) -> Vec<String> {
    let script = "return [...document.querySelectorAll(arguments[0])].map(a => a.pathname)";
    visitor.script(script, [json!(css)]).await
}
