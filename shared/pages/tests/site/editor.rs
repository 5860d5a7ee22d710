//! Writing articles, with and without a script.

use axum::http::StatusCode;
use conduit::{Error, Outcome, Problems, Resource};

use crate::{
    browser::Browser,
    script::{Script, TOKEN, article, user},
};

const EDIT: &str = "/editor/how-to-ride";
const TYPED: &str = "title=T&description=D&body=one%0D%0Atwo&tag=a&tag=b+c";

/// The author of the scripted article.
fn author() -> Script {
    Script { current_user: Ok(user("hiccup")), ..Script::default() }
}

fn signed_in(script: &Script) -> Browser {
    Browser::on(script).signed_in(TOKEN)
}

#[tokio::test]
async fn the_editor_has_the_fields_that_everybody_fills_in() {
    let script = author();
    let page = signed_in(&script).get("/editor").await;
    assert_eq!(script.take_calls(), ["current_user"]);
    for (selector, placeholder) in [
        (".editor-page input[name=title]", "Article Title"),
        (".editor-page input[name=description]", "What's this article about?"),
        (".editor-page textarea[name=body]", "Write your article (in markdown)"),
        (".editor-page input[name=newtag]", "Enter tags"),
    ] {
        assert_eq!(page.attr(selector, "placeholder"), placeholder);
    }
    assert_eq!(page.attr("form[action='/editor']", "method"), "post");
    assert_eq!(page.with_text("button", "Publish Article"), 1);
    assert_eq!(page.count(".tag-pill"), 0);
    assert_eq!(page.text("nav .active"), " New Article", "{}", page.body);
}

#[tokio::test]
async fn an_article_is_published_with_its_tags_and_shown() {
    let script = author();
    let form = format!("{TYPED}&newtag=+forgotten+&do=publish");
    let answer = signed_in(&script).post("/editor", &form).await;
    let location = answer.header("location");
    assert_eq!((answer.status, location), (StatusCode::SEE_OTHER, "/article/how-to-ride"));
    assert!(answer.cookie().unwrap().starts_with("conduit_flash=published;"));
    let created = r#"create_article "T" "D" "one\ntwo" ["a", "b c", "forgotten"]"#;
    assert_eq!(script.take_calls(), [created]);
}

/// Enter in any field presses the first button. It must not publish.
#[tokio::test]
async fn the_first_button_adds_a_tag() {
    let script = author();
    let browser = signed_in(&script);
    let page = browser.get("/editor").await;
    let first = page.all("form[action='/editor'] button")[0].value();
    assert_eq!((first.attr("name"), first.attr("value")), (Some("do"), Some("addtag")));
    script.take_calls();

    let page = browser.post("/editor", &format!("{TYPED}&newtag=%3Cd%3E&do=addtag")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(script.take_calls(), ["current_user"], "nothing is published");
    assert_eq!(page.texts(".tag-list > span.tag-default.tag-pill"), ["a", "b c", "<d>"]);
    let inputs = page.all("input[name=tag]");
    let tags: Vec<_> = inputs.iter().map(|tag| tag.value().attr("value").unwrap()).collect();
    assert_eq!(tags, ["a", "b c", "<d>"]);
    assert_eq!(page.attr("input[name=newtag]", "value"), "");
    assert_eq!(page.attr("input[name=title]", "value"), "T");
    assert_eq!(page.text("textarea[name=body]"), "one\ntwo");

    let remove = page.all(".tag-pill > button:has(> i.ion-close-round)")[1].value();
    assert_eq!((remove.attr("name"), remove.attr("value")), (Some("do"), Some("rm:b c")));
    let page = browser.post("/editor", &format!("{TYPED}&do=rm%3Ab+c")).await;
    assert_eq!(page.texts(".tag-pill"), ["a"]);
}

#[tokio::test]
async fn changing_an_article_starts_with_what_it_says_and_can_clear_its_tags() {
    let script = author();
    let browser = signed_in(&script);
    let page = browser.get(EDIT).await;
    let (calls, rounds) = script.take_rounds();
    assert_eq!((calls, rounds), (vec!["article how-to-ride".into(), "current_user".into()], 1));
    assert_eq!(page.attr("input[name=title]", "value"), "How to ride");
    assert_eq!(page.text("textarea[name=body]"), "Hold on *tight*.");
    assert_eq!(page.texts(".tag-pill"), ["dragons", "training"]);
    page.one(&format!("form[action='{EDIT}']"));

    let answer = browser.post(EDIT, "title=T&description=D&body=B&do=publish").await;
    assert_eq!(answer.header("location"), "/article/how-to-ride");
    assert!(answer.cookie().unwrap().starts_with("conduit_flash=updated;"));
    let updated = r#"update_article how-to-ride Some("T") Some("D") Some("B") Some([])"#;
    assert_eq!(script.take_calls(), [updated]);
}

#[tokio::test]
async fn a_text_that_starts_with_a_line_break_keeps_it() {
    let mut indented = article();
    indented.body = "\n\n  code".to_owned();
    let script = Script { article: Ok(indented), ..author() };
    assert_eq!(signed_in(&script).get(EDIT).await.text("textarea"), "\n\n  code");
}

#[tokio::test]
async fn nobody_gets_to_change_what_somebody_else_wrote() {
    let script = Script::default();
    let browser = signed_in(&script);
    let page = browser.get(EDIT).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!((page.count("form[action^='/editor']"), page.count("nav.navbar")), (0, 1));
    // Whoever sends the form all the same is stopped behind the port.
    let refusal = Some(Error::Forbidden(Resource::Article));
    let script = Script { refusal, ..Script::default() };
    let page = signed_in(&script).post(EDIT, TYPED).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let missing = Script { article: Err(Error::NotFound(Resource::Article)), ..author() };
    assert_eq!(signed_in(&missing).get(EDIT).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_refused_comes_back_whole() {
    let problems = Problems::one("title", "can't be blank");
    for (error, status, message) in [
        (Error::Invalid(problems), StatusCode::UNPROCESSABLE_ENTITY, "title can't be blank"),
        (
            Error::Unavailable(Outcome::NotDone),
            StatusCode::SERVICE_UNAVAILABLE,
            "Nothing was changed",
        ),
        (
            Error::Unavailable(Outcome::Unknown),
            StatusCode::SERVICE_UNAVAILABLE,
            "look for it on your profile",
        ),
    ] {
        let script = Script { refusal: Some(error), ..author() };
        for address in ["/editor", EDIT] {
            let page = signed_in(&script).post(address, &format!("{TYPED}&newtag=z")).await;
            assert_eq!(page.status, status, "{address}");
            assert!(page.text(".error-messages > li").contains(message));
            assert_eq!(page.attr("input[name=description]", "value"), "D");
            assert_eq!(page.text("textarea[name=body]"), "one\ntwo");
            assert_eq!(page.texts(".tag-pill"), ["a", "b c", "z"]);
            page.one(&format!("form[action='{address}']"));
        }
    }
}

#[tokio::test]
async fn guests_are_sent_to_sign_in_but_not_away_from_what_they_have_written() {
    let script = author();
    for browser in [Browser::on(&script), Browser::on(&script).signed_in("expired")] {
        for address in ["/editor", EDIT] {
            let answer = browser.get(address).await;
            assert_eq!(answer.status, StatusCode::SEE_OTHER);
            assert_eq!(
                answer.header("location"),
                format!("/login?next={}", address.replace('/', "%2F"))
            );

            let page = browser.post(address, TYPED).await;
            assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{address}");
            assert!(page.text(".error-messages > li").contains("not signed in any more"));
            assert_eq!(page.text("textarea[name=body]"), "one\ntwo");
        }
    }
}

#[tokio::test]
async fn a_form_that_makes_no_sense_publishes_nothing() {
    let script = author();
    for form in ["title=a&title=b", "title=%ff"] {
        let page = signed_in(&script).post("/editor", form).await;
        assert!(page.status.is_client_error(), "{form}");
        page.one(".error-messages > li");
    }
    assert!(script.take_calls().iter().all(|call| call == "current_user"));
}
