//! Articles: written, changed, deleted.

use crate::{
    BOTH, at,
    browser::Scripts,
    everywhere,
    site::{Site, person},
    visitor::{ENTER, Visitor},
};

#[tokio::test]
async fn an_article_is_published_changed_and_deleted() {
    everywhere(&BOTH, async |visitor| {
        visitor.signs_up("author").await;
        visitor.clicks("nav a", "New Article").await;
        visitor.arrives_at("/editor").await;
        visitor.fills("input[name=title]", "A dragon's life").await;
        visitor.fills("input[name=description]", "From the egg").await;
        visitor.fills("textarea[name=body]", "It begins *slowly*.").await;
        // Enter adds a tag, and does not publish what is half written.
        for tag in ["dragons", "mistake", "eggs & more", "dragons"] {
            visitor.fills("input[placeholder='Enter tags']", tag).await;
            visitor.presses(ENTER).await;
            visitor.sees_one(".tag-pill", tag).await;
            visitor
                .until("empty", async || visitor.value("input[name=newtag]").await.is_empty())
                .await;
        }
        assert_eq!(visitor.texts(".tag-pill").await, ["dragons", "mistake", "eggs & more"]);
        visitor.clicks(".tag-pill:nth-child(2) i.ion-close-round", "").await;
        visitor.misses(".tag-pill", "mistake").await;
        assert_eq!(visitor.value("input[name=title]").await, "A dragon's life");
        visitor.clicks("button", "Publish Article").await;

        visitor.sees_one("h1", "A dragon's life").await;
        let article = visitor.address().await;
        let slug = article.strip_prefix("/article/").expect("an article's address");
        assert!(slug.starts_with("a-dragon-s-life"), "{slug}");
        visitor.sees_one("[role=status]", "It is online now.").await;
        assert_eq!(visitor.texts(".article-content p").await, ["It begins slowly."]);
        let tags = ".tag-list .tag-default";
        assert_eq!(visitor.texts(tags).await, ["dragons", "eggs & more"]);
        visitor.driver.refresh().await.expect("the same page");
        visitor.sees_one("h1", "A dragon's life").await;
        visitor.misses("[role=status]", "It is online now.").await;

        visitor.clicks("a", "Edit Article").await;
        visitor.arrives_at(&format!("/editor/{slug}")).await;
        assert_eq!(visitor.value("input[name=description]").await, "From the egg");
        assert_eq!(visitor.value("textarea[name=body]").await, "It begins *slowly*.");
        for left in [1, 0] {
            visitor.clicks(".tag-pill i.ion-close-round", "").await;
            let is_left = async || visitor.count(".tag-pill").await == left;
            visitor.until("one tag less", is_left).await;
        }
        visitor.fills("textarea[name=body]", "It ends *late*.").await;
        visitor.clicks("button[type=submit]", "Publish Article").await;
        visitor.arrives_at(&article).await;
        assert_eq!(visitor.texts(".article-content p").await, ["It ends late."]);
        assert_eq!(visitor.count(tags).await, 0);

        visitor.clicks("button", "Delete Article").await;
        visitor.arrives_at("/").await;
        visitor.sees_one("[role=status]", "It is gone for good.").await;
        visitor.misses(".article-preview", "A dragon's life").await;
        visitor.open(&article).await;
        visitor.sees(".error-page h1", "").await;
    })
    .await;
}

/// The monolith runs its jobs itself.
#[tokio::test]
async fn an_export_comes_to_its_end_under_the_visitors_eyes() {
    for scripts in BOTH {
        at(Site::monolith().await, scripts, &async |visitor: &Visitor| {
            visitor.signs_in(&person(0)).await;
            visitor.open("/settings").await;
            visitor.clicks("a", "Exports and jobs").await;
            visitor.clicks("button[type=submit]", "Export all my articles").await;
            visitor.arrives_at("/jobs").await;
            let done = async || {
                if scripts == Scripts::Off {
                    visitor.open("/jobs").await;
                }
                visitor.count("a[download]").await == 1
            };
            visitor.until("the book is there", done).await;
            visitor
                .until("nothing to wait for", async || visitor.count("[data-watch]").await == 0)
                .await;
        })
        .await;
    }
}

#[tokio::test]
async fn an_unfinished_article_comes_back_with_what_is_missing() {
    everywhere(&BOTH, async |visitor| {
        visitor.signs_in(&person(0)).await;
        visitor.open("/editor").await;
        visitor.fills("input[name=title]", "Only a title").await;
        visitor.fills("input[name=newtag]", "a tag").await;
        visitor.presses(ENTER).await;
        visitor.sees(".tag-pill", "a tag").await;
        visitor.clicks("button[type=submit]", "Publish Article").await;
        visitor.sees(".error-messages li", "description").await;
        visitor.sees(".error-messages li", "body").await;
        assert_eq!(visitor.address().await, "/editor");
        assert_eq!(visitor.value("input[name=title]").await, "Only a title");
        assert_eq!(visitor.texts(".tag-pill").await, ["a tag"]);
    })
    .await;
}
