//! What people do with what others wrote: like it, follow it, answer it.

use crate::{
    BOTH, everywhere,
    site::{newest, newest_author, newest_likes},
};

#[tokio::test]
async fn an_article_is_liked_from_the_list_and_from_its_page() {
    everywhere(&BOTH, async |visitor| {
        visitor.signs_up("reader").await;
        let likes = newest_likes();
        let heart = ".article-preview:nth-of-type(2) button:has(.ion-heart)";
        visitor.sees(&format!("{heart}.btn-outline-primary"), &likes.to_string()).await;
        visitor.clicks(heart, "").await;
        visitor.sees(&format!("{heart}.btn-primary"), &(likes + 1).to_string()).await;
        assert_eq!(visitor.address().await, "/");

        visitor.clicks(".article-preview:nth-of-type(2) .preview-link", "").await;
        // Twice on the page, and both of them know.
        let unfavorite = format!("Unfavorite Article ({})", likes + 1);
        let buttons = async || visitor.texts("button.btn-primary:has(.ion-heart)").await;
        visitor.sees(".article-actions button", &unfavorite).await;
        assert_eq!(buttons().await, [unfavorite.as_str(), &unfavorite]);
        visitor.clicks(".article-actions button", &unfavorite).await;
        visitor.sees(".banner button", &format!("Favorite Article ({likes})")).await;
        visitor.misses("button", "Unfavorite").await;
        visitor.clicks(".banner button", "Favorite Article").await;
        visitor.sees(".article-actions button", &unfavorite).await;

        visitor.open("/profile/reader/favorites").await;
        visitor.sees_one(".article-preview", &newest().title).await;
    })
    .await;
}

#[tokio::test]
async fn what_the_people_one_follows_write_is_ones_feed() {
    everywhere(&BOTH, async |visitor| {
        visitor.signs_up("reader").await;
        visitor.clicks(".feed-toggle a", "Your Feed").await;
        visitor.arrives_at("/?feed=following").await;
        visitor.sees_one(".empty-feed-message", "Your feed is empty").await;
        assert_eq!(visitor.count(".article-preview").await, 0);
        visitor.clicks(".empty-feed-message a", "").await;
        visitor.arrives_at("/").await;

        let author = newest_author();
        visitor.open(&format!("/article/{}", newest().slug)).await;
        visitor.clicks(".banner button", &format!("Follow {}", author.username)).await;
        visitor.sees(".article-actions button", &format!("Unfollow {}", author.username)).await;
        visitor.open("/?feed=following").await;
        visitor.sees_one(".feed-toggle .nav-link.active", "Your Feed").await;
        visitor.sees(".article-preview", &newest().title).await;
        let authors = visitor.texts(".article-preview .author").await;
        assert!(authors.iter().all(|name| *name == author.username), "{authors:?}");

        visitor.clicks(".article-preview .author", "").await;
        visitor.sees_one(".user-info button", "Unfollow").await;
        visitor.clicks(".user-info button", "Unfollow").await;
        visitor.misses(".user-info button", "Unfollow").await;
        visitor.sees_one(".user-info button", &format!("Follow {}", author.username)).await;
        visitor.open("/?feed=following").await;
        visitor.sees(".empty-feed-message", "").await;
    })
    .await;
}

#[tokio::test]
async fn comments_are_written_and_taken_back() {
    everywhere(&BOTH, async |visitor| {
        visitor.signs_up("reader").await;
        visitor.open(&format!("/article/{}", newest().slug)).await;
        visitor.sees("textarea[placeholder='Write a comment...']", "").await;
        let others = visitor.count("p.card-text").await;
        assert_eq!(visitor.count(".mod-options").await, 0, "nobody else's can be deleted");

        // Shown as it was typed, whatever it looks like.
        let text = "<b>No</b>, *really*?  Twice:  blank.";
        visitor.fills(".comment-form textarea", text).await;
        visitor.clicks(".comment-form button", "Post Comment").await;
        visitor.sees_one("p.card-text", text).await;
        assert_eq!(visitor.value(".comment-form textarea").await, "");
        visitor.fills(".comment-form textarea", "A second one").await;
        visitor.clicks(".comment-form button", "Post Comment").await;
        visitor.sees_one("p.card-text", "A second one").await;
        assert_eq!(visitor.count("p.card-text").await, others + 2);

        visitor.clicks(".card:has(.card-text) .mod-options i.ion-trash-a", "").await;
        let is_gone = async || visitor.count("p.card-text").await == others + 1;
        visitor.until("one comment less", is_gone).await;
        visitor.clicks(".mod-options i.ion-trash-a", "").await;
        visitor.misses(".mod-options", "").await;
        assert_eq!(visitor.count("p.card-text").await, others);

        visitor.clicks(".comment-form button", "Post Comment").await;
        visitor.sees(".error-messages", "body").await;
        assert_eq!(visitor.count("p.card-text").await, others);
    })
    .await;
}
