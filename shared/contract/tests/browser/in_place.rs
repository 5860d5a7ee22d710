//! What the script adds: things change without a new page, and one is told.

use serde_json::json;

use crate::{
    browser::Scripts,
    everywhere,
    site::{newest, person},
    visitor::Visitor,
};

/// Marks the page, so that a new one is noticed.
async fn mark(visitor: &Visitor) {
    let _: () = visitor.script("window.isTheSamePage = true", []).await;
}

async fn is_the_same_page(visitor: &Visitor) -> bool {
    visitor.script("return window.isTheSamePage === true", []).await
}

#[tokio::test]
async fn a_heart_changes_where_it_is() {
    everywhere(&[Scripts::On], async |visitor| {
        visitor.signs_up("reader").await;
        visitor.open("/?page=2").await;
        mark(visitor).await;
        let heart = ".article-preview:nth-of-type(9) button:has(.ion-heart)";
        let _: () = visitor
            .script("document.querySelector(arguments[0]).scrollIntoView()", [json!(heart)])
            .await;
        let scrolled = async || -> f64 { visitor.script("return scrollY", []).await };
        let before = scrolled().await;
        assert!(before > 300.0, "{before}");
        let likes: usize = visitor.texts(heart).await[0].parse().expect("a number");

        let said = "[role=status]:not(.flash)";
        let says = async |text: &str| {
            let script =
                "return document.querySelector(arguments[0])?.textContent === arguments[1]";
            let script = async || visitor.script(script, [json!(said), json!(text)]).await;
            visitor.until(text, script).await;
        };
        visitor.clicks(heart, "").await;
        visitor.sees(&format!("{heart}.btn-primary"), &(likes + 1).to_string()).await;
        says("One of your favorites now.").await;
        // What screen readers call the button, too.
        visitor.sees(&format!("{heart}[aria-label^='Unfavorite ']"), "").await;
        visitor.clicks(heart, "").await;
        visitor.sees(&format!("{heart}.btn-outline-primary"), &likes.to_string()).await;
        says("Not one of your favorites any more.").await;

        assert!(is_the_same_page(visitor).await);
        assert_eq!(visitor.address().await, "/?page=2");
        assert!((scrolled().await - before).abs() < 1.0);
        // And it was not only the look of it.
        visitor.clicks(heart, "").await;
        says("One of your favorites now.").await;
        visitor.open("/profile/reader/favorites").await;
        assert_eq!(visitor.count(".article-preview").await, 1);
    })
    .await;
}

#[tokio::test]
async fn comments_and_followers_change_in_place() {
    everywhere(&[Scripts::On], async |visitor| {
        visitor.signs_up("reader").await;
        visitor.open(&format!("/article/{}", newest().slug)).await;
        mark(visitor).await;
        visitor.clicks(".banner button", "Follow ").await;
        visitor.sees(".article-actions button", "Unfollow ").await;
        visitor.fills(".comment-form textarea", "No reload").await;
        visitor.clicks(".comment-form button", "Post Comment").await;
        visitor.sees("p.card-text", "No reload").await;
        visitor.clicks(".comment-form button", "Post Comment").await;
        visitor.sees(".comment-form", "").await;
        visitor.sees("[role=alert]", "body").await;
        visitor.misses(".toast", "").await;
        visitor.clicks(".mod-options i", "").await;
        visitor.misses("p.card-text", "No reload").await;
        assert!(is_the_same_page(visitor).await);
    })
    .await;
}

#[tokio::test]
async fn a_lost_connection_is_said_and_nothing_looks_done() {
    everywhere(&[Scripts::On], async |visitor| {
        visitor.signs_up("reader").await;
        let heart = ".article-preview:nth-of-type(2) button:has(.ion-heart)";
        let likes = visitor.texts(heart).await;
        let network = async |offline: bool| {
            let parameters = json!({ "offline": offline, "latency": 0,
                "downloadThroughput": -1, "uploadThroughput": -1 });
            visitor.devtools("Network.emulateNetworkConditions", parameters).await;
        };
        visitor.devtools("Network.enable", json!({})).await;
        network(true).await;
        visitor.clicks(heart, "").await;
        visitor.sees(".toast", "The connection was lost.").await;
        visitor.sees(&format!("{heart}.btn-outline-primary"), &likes[0]).await;
        let complaints = visitor.complaints().await;
        assert!(
            complaints.iter().all(|line| line.contains("ERR_INTERNET_DISCONNECTED")),
            "{complaints:?}"
        );

        network(false).await;
        visitor.clicks(heart, "").await;
        visitor.sees(&format!("{heart}.btn-primary"), "").await;
        visitor.misses(".toast", "").await;
    })
    .await;
}

#[tokio::test]
async fn whoever_is_not_signed_in_any_more_is_asked_to() {
    everywhere(&[Scripts::On], async |visitor| {
        visitor.signs_in(&person(0)).await;
        visitor.driver.delete_all_cookies().await.expect("no cookies");
        visitor.clicks(".article-preview button:has(.ion-heart)", "").await;
        visitor.sees("h1", "Sign in").await;
        assert!(visitor.address().await.starts_with("/login"));
    })
    .await;
}
