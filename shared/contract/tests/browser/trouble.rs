//! Pages about what went wrong: a person must find on.

use crate::{
    BOTH, at,
    browser::Scripts,
    everywhere,
    site::{Site, newest, person, stranger},
    visitor::Visitor,
};

#[tokio::test]
async fn what_is_not_there_is_said_with_a_way_on() {
    everywhere(&BOTH, async |visitor| {
        for path in ["/nothing-here", "/article/nothing-here", "/profile/nobody-here"] {
            visitor.open(path).await;
            visitor.sees_one(".error-page h1", "").await;
            visitor.sees("nav.navbar a", "Sign in").await;
            visitor.clicks(".error-page a", "Go to the home page").await;
            visitor.arrives_at("/").await;
        }
        visitor.signs_in(&stranger()).await;
        visitor.open(&format!("/editor/{}", newest().slug)).await;
        visitor.sees_one(".error-page h1", "").await;
        visitor.sees("nav.navbar a", "New Article").await;
        visitor.open(&format!("/article/{}", newest().slug)).await;
        visitor.misses("a", "Edit Article").await;
        visitor.misses("button", "Delete Article").await;
    })
    .await;
}

#[tokio::test]
async fn a_session_that_is_no_good_makes_a_guest() {
    everywhere(&BOTH, async |visitor| {
        visitor.signs_in(&person(0)).await;
        for mut cookie in visitor.driver.get_all_cookies().await.expect("cookies") {
            cookie.value.push_str("-not");
            visitor.driver.add_cookie(cookie).await.expect("a cookie");
        }
        visitor.driver.refresh().await.expect("the same page");
        visitor.sees_one("a[href='/login']", "Sign in").await;
        visitor.sees(".article-preview", "").await;
    })
    .await;
}

#[tokio::test]
async fn a_frontend_without_its_backend_says_so_and_recovers() {
    let stops = async |visitor: &Visitor| {
        visitor.signs_in(&person(0)).await;
        let heart = ".article-preview:nth-of-type(2) button:has(.ion-heart)";
        visitor.sees(heart, "").await;
        visitor.site.stop_backend();
        if visitor.scripts == Scripts::On {
            visitor.clicks(heart, "").await;
            visitor.sees(".toast", "").await;
        }
        visitor.open("/").await;
        visitor.sees_one(".error-page h1", "").await;
        visitor.sees("nav.navbar a", "Home").await;
        visitor.sees("nav.navbar", "Your account is not available right now").await;
        visitor.sees(".error-page a", "Try again").await;
        visitor.complaints().await;
        visitor.site.restart_backend();
        visitor
            .until("a page again", async || {
                visitor.clicks(".error-page a, .navbar-brand", "").await;
                visitor.count(".article-preview").await == 10
            })
            .await;
        visitor.sees("nav a[href^='/profile/']", &person(0).username).await;
        visitor.complaints().await;
    };
    for scripts in BOTH {
        at(Site::split().await, scripts, &stops).await;
    }
}
