//! Buttons: hearts, follows, comments, and taking things away.

use axum::http::StatusCode;
use conduit::{Article, ArticlePage, Error, Outcome, Problems, Resource};

use crate::{
    browser::Browser,
    script::{Script, TOKEN, article, comment, profile, summary, user},
};

const ARTICLE: &str = "/article/how-to-ride";

fn signed_in(script: &Script) -> Browser {
    Browser::on(script).signed_in(TOKEN)
}

/// Somebody who likes the article, and follows its author.
fn fan() -> Script {
    let mut author = profile("hiccup");
    author.following = true;
    let liked =
        Article { favorited: true, favorites_count: 8, author: author.clone(), ..article() };
    Script {
        articles: Ok(ArticlePage { articles: vec![summary(liked.clone())], articles_count: 1 }),
        article: Ok(liked),
        profile: Ok(author),
        ..Script::default()
    }
}

#[tokio::test]
async fn each_button_is_one_call_and_leads_back_to_its_page() {
    let script = Script::default();
    let browser = signed_in(&script);
    for (button, call) in [
        ("/article/how-to-ride/favorite", "favorite how-to-ride"),
        ("/article/how-to-ride/unfavorite", "unfavorite how-to-ride"),
        ("/profile/hiccup/follow", "follow hiccup"),
        ("/profile/hiccup/unfollow", "unfollow hiccup"),
    ] {
        let answer = browser.post(button, "back=%2Ftag%2Fdragons%3Fpage%3D2").await;
        let location = answer.header("location");
        assert_eq!((answer.status, location), (StatusCode::SEE_OTHER, "/tag/dragons?page=2"));
        assert_eq!(script.take_calls(), [call]);
        // Without a good word on where it was pressed, or with a bad one: to what it is about.
        let home = button.rsplit_once('/').unwrap().0;
        for form in ["", "back=https%3A%2F%2Fevil.example", "back=%2F%2Fevil.example"] {
            assert_eq!(browser.post(button, form).await.header("location"), home);
        }
        script.take_calls();
    }
}

#[tokio::test]
async fn buttons_say_what_they_will_do() {
    let page = signed_in(&Script::default()).get(ARTICLE).await;
    let texts = page.texts(".article-meta button");
    let offered = ["Follow hiccup", "Favorite Article (7)"];
    assert_eq!(texts, [offered, offered].concat());
    assert_eq!(page.count(".article-meta button.btn-outline-primary > i.ion-heart"), 2);
    assert_eq!(page.count(".article-meta button.btn-outline-secondary > i.ion-plus-round"), 2);
    assert_eq!(page.with_text("a", "Edit Article") + page.with_text("button", "Delete"), 0);

    let page = signed_in(&fan()).get(ARTICLE).await;
    let texts = page.texts(".article-meta button");
    let offered = ["Unfollow hiccup", "Unfavorite Article (8)"];
    assert_eq!(texts, [offered, offered].concat());
    assert_eq!(page.count(".article-meta button.btn-primary > i.ion-heart"), 2);
    assert_eq!(page.count("form[action='/article/how-to-ride/unfavorite']"), 2);

    let page = signed_in(&fan()).get("/").await;
    page.one(".article-preview form[action='/article/how-to-ride/unfavorite'] > .btn-primary");
    let page = signed_in(&fan()).get("/profile/hiccup").await;
    assert_eq!(page.text(".user-info button").trim(), "Unfollow hiccup");
}

#[tokio::test]
async fn authors_may_change_and_delete_and_nothing_else() {
    let script = Script { current_user: Ok(user("hiccup")), ..Script::default() };
    let browser = signed_in(&script);
    let page = browser.get(ARTICLE).await;
    assert_eq!(page.texts(".article-meta button"), ["Delete Article", "Delete Article"]);
    assert_eq!(page.texts(".article-meta a[href='/editor/how-to-ride']").len(), 2);
    assert_eq!(page.count("button.btn-outline-danger > i.ion-trash-a"), 2);
    let profile = browser.get("/profile/hiccup").await;
    assert_eq!(profile.text(".user-info a[href='/settings']").trim(), "Edit Profile Settings");
    assert_eq!(profile.count(".user-info button"), 0);

    script.take_calls();
    let answer = browser.post("/article/how-to-ride/delete", "").await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/"));
    assert!(answer.cookie().unwrap().starts_with("conduit_flash=deleted;"));
    assert_eq!(script.take_calls(), ["delete_article how-to-ride"]);
}

#[tokio::test]
async fn a_guest_who_presses_a_button_is_asked_to_sign_in_and_comes_back() {
    let script = Script::default();
    for browser in [Browser::on(&script), Browser::on(&script).signed_in("expired")] {
        for (button, next) in [
            ("/article/how-to-ride/favorite", "/tag/dragons"),
            ("/profile/hiccup/follow", "/tag/dragons"),
            ("/article/how-to-ride/delete", ARTICLE),
            ("/article/how-to-ride/comments/1/delete", ARTICLE),
        ] {
            let answer = browser.post(button, "back=%2Ftag%2Fdragons").await;
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{button}");
            assert_eq!(
                answer.header("location"),
                format!("/login?next={}", next.replace('/', "%2F"))
            );
        }
    }
}

#[tokio::test]
async fn a_comment_is_posted_as_it_was_typed() {
    let script = Script::default();
    let browser = signed_in(&script);
    let page = browser.get(ARTICLE).await;
    let form = format!("form.card.comment-form[action='{ARTICLE}/comments']");
    let text = page.one(&format!("{form} > .card-block > textarea[name=body]"));
    assert_eq!(text.value().attr("placeholder"), Some("Write a comment..."));
    page.one(&format!("{form} > .card-footer > img.comment-author-img"));
    assert_eq!(page.text(&format!("{form} button.btn.btn-sm.btn-primary")), "Post Comment");
    script.take_calls();

    let answer = browser.post(&format!("{ARTICLE}/comments"), "body=a%0D%0A+b++").await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, ARTICLE));
    assert_eq!(script.take_calls(), [r#"add_comment how-to-ride "a\n b  ""#]);
}

#[tokio::test]
async fn a_comment_that_is_refused_is_not_lost() {
    let blank = Error::Invalid(Problems::one("body", "can't be blank"));
    for (error, status) in [
        (blank, StatusCode::UNPROCESSABLE_ENTITY),
        (Error::Unavailable(Outcome::NotDone), StatusCode::SERVICE_UNAVAILABLE),
        (Error::Unavailable(Outcome::Unknown), StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let script = Script { refusal: Some(error), ..Script::default() };
        let page = signed_in(&script).post(&format!("{ARTICLE}/comments"), "body=long+text").await;
        assert_eq!(page.status, status);
        page.one(".error-messages > li");
        assert_eq!(page.text("textarea[name=body]"), "long text");
        assert_eq!(page.text("h1"), "How to ride");
        // Links and further forms belong to the article's page, not to the address of the form.
        assert_eq!(page.attr("link[rel=canonical]", "href"), ARTICLE);
        assert_eq!(page.count(&format!("input[name=back][value='{ARTICLE}']")), 4);
    }
    // Also if the article itself is out of reach by now, or the session.
    let gone = Error::Unavailable(Outcome::NotDone);
    let script = Script { refusal: Some(gone.clone()), article: Err(gone), ..Script::default() };
    let page = signed_in(&script).post(&format!("{ARTICLE}/comments"), "body=long+text").await;
    assert_eq!(page.text("textarea[name=body]"), "long text");
    let expired = Browser::on(&Script::default()).signed_in("expired");
    let page = expired.post(&format!("{ARTICLE}/comments"), "body=long+text").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert_eq!(page.text("textarea[name=body]"), "long text");
}

#[tokio::test]
async fn only_whoever_wrote_a_comment_can_take_it_away() {
    let page = signed_in(&Script::default()).get(ARTICLE).await;
    assert_eq!(page.count(".mod-options"), 0);
    let script = Script {
        current_user: Ok(user("astrid")),
        comments: Ok(vec![comment("mine")]),
        ..Script::default()
    };
    let browser = signed_in(&script);
    let page = browser.get(ARTICLE).await;
    page.one("span.mod-options > form > button > i.ion-trash-a");
    let address = page.attr(".mod-options > form", "action").to_owned();
    script.take_calls();
    let answer = browser.post(&address, "").await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, ARTICLE));
    assert_eq!(script.take_calls(), ["delete_comment how-to-ride 1"]);

    let forbidden = Some(Error::Forbidden(Resource::Comment));
    let script = Script { refusal: forbidden, ..Script::default() };
    assert_eq!(signed_in(&script).post(&address, "").await.status, StatusCode::FORBIDDEN);
    let odd = "/article/how-to-ride/comments/first/delete";
    assert_eq!(signed_in(&script).post(odd, "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_was_done_is_said_once() {
    let script = Script::default();
    let with = |flash: &'static str| {
        let browser = Browser::on(&script);
        async move { browser.with_cookie(flash).get("/").await }
    };
    let page = with("conduit_flash=deleted").await;
    assert_eq!(page.text(".flash[role=status]"), "It is gone for good.");
    assert!(page.cookie().unwrap().starts_with("conduit_flash=; Path=/; Max-Age=0;"));
    let page = with("conduit_flash=you+won").await;
    assert_eq!((page.count(".flash"), page.cookie()), (0, None), "only words of ours");
}

#[tokio::test]
async fn your_feed_is_for_those_who_are_signed_in() {
    let script = Script::default();
    let guest = Browser::on(&script).get("/?feed=following").await;
    assert_eq!((guest.status, guest.header("location")), (StatusCode::SEE_OTHER, "/login"));
    assert_eq!(script.take_calls(), Vec::<String>::new());
    let expired = Browser::on(&script).signed_in("expired").get("/?feed=following").await;
    assert_eq!((expired.status, expired.header("location")), (StatusCode::SEE_OTHER, "/login"));
    script.take_calls();

    let mut many = ArticlePage { articles: vec![summary(article())], articles_count: 25 };
    let script = Script { feed: Ok(many.clone()), ..Script::default() };
    let page = signed_in(&script).get("/?feed=following&page=2").await;
    assert_eq!(script.take_calls(), ["current_user", "feed 10+10", "tags"]);
    assert_eq!(page.text(".feed-toggle .active[href='/?feed=following']"), "Your Feed");
    assert_eq!(page.texts(".feed-toggle a"), ["Your Feed", "Global Feed"]);
    page.one(".page-link[href='/?feed=following&page=3']");

    many = ArticlePage { articles: Vec::new(), articles_count: 0 };
    let script = Script { feed: Ok(many), ..Script::default() };
    let page = signed_in(&script).get("/?feed=following").await;
    assert!(page.text(".empty-feed-message").contains("Your feed is empty"));
    page.one(".empty-feed-message a[href='/']");
    let unknown = signed_in(&script).get("/?feed=other").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}
