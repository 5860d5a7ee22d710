//! One's own account.

use axum::http::StatusCode;
use conduit::{Error, Outcome, Problems, Unauthorized};

use crate::{
    browser::Browser,
    script::{Script, TOKEN, user},
};

const FORM: &str = "image=&username=hiccup&bio=a%0D%0Ab&email=h%40b.example&password=";

fn signed_in(script: &Script) -> Browser {
    Browser::on(script).signed_in(TOKEN)
}

#[tokio::test]
async fn the_form_is_filled_in_with_what_there_is() {
    let mut known = user("toothless");
    known.bio = Some("\n<night> fury".to_owned());
    let script = Script { current_user: Ok(known), ..Script::default() };
    let page = signed_in(&script).get("/settings").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(script.take_calls(), ["current_user"], "the navigation bar knows it all");
    assert_eq!(page.text(".settings-page h1"), "Your Settings");
    for (name, value, placeholder) in [
        ("image", "", "URL of profile picture"),
        ("username", "toothless", "Your Name"),
        ("email", "toothless@example.com", "Email"),
    ] {
        assert_eq!(page.attr(&format!("input[name={name}]"), "value"), value);
        assert_eq!(page.attr(&format!("input[name={name}]"), "placeholder"), placeholder);
    }
    // A parser drops the first line break, and only that one.
    assert_eq!(page.text("textarea[name=bio]"), "\n<night> fury");
    let password = page.one("input[name=password][type=password]").value();
    assert_eq!(
        (password.attr("value"), password.attr("placeholder")),
        (None, Some("New Password"))
    );
    let logout = "form[action='/logout'] > button.btn-outline-danger";
    assert_eq!(page.text(logout), "Or click here to logout.");
}

#[tokio::test]
async fn what_is_saved_is_what_was_typed_and_a_blank_password_stays() {
    let script = Script::default();
    let answer = signed_in(&script).post("/settings", FORM).await;
    let location = answer.header("location");
    assert_eq!((answer.status, location), (StatusCode::SEE_OTHER, "/profile/hiccup"));
    let saved =
        r#"update_user Some("h@b.example") Some("hiccup") None Some(Some("a\nb")) Some(Some(""))"#;
    assert_eq!(script.take_calls(), [saved]);
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert!(cookies[0].to_str().unwrap().starts_with("conduit_session=good-token;"));
    assert!(cookies[1].to_str().unwrap().starts_with("conduit_flash=saved;"));

    signed_in(&script).post("/settings", &format!("{FORM}12345678")).await;
    assert!(script.take_calls()[0].contains(r#"Some("12345678")"#));
}

#[tokio::test]
async fn what_is_refused_comes_back_without_the_password() {
    for (error, status, message) in [
        (
            Error::Conflict(Problems::one("username", "has already been taken")),
            StatusCode::CONFLICT,
            "username has already been taken",
        ),
        (
            Error::Invalid(Problems::one("password", "is too short")),
            StatusCode::UNPROCESSABLE_ENTITY,
            "password is too short",
        ),
        (
            Error::Unavailable(Outcome::Unknown),
            StatusCode::SERVICE_UNAVAILABLE,
            "do not know whether your changes were saved",
        ),
    ] {
        let script = Script { refusal: Some(error), ..Script::default() };
        let page = signed_in(&script).post("/settings", &format!("{FORM}sesame-open")).await;
        assert_eq!(page.status, status);
        assert!(page.text(".error-messages > li").contains(message), "{}", page.body);
        assert_eq!(page.attr("input[name=username]", "value"), "hiccup");
        assert_eq!(page.text("textarea[name=bio]"), "a\nb");
        assert!(!page.body.contains("sesame-open"));
        assert_eq!(page.text("nav a[href^='/profile/']").trim(), "toothless", "not changed yet");
    }
}

#[tokio::test]
async fn guests_and_ended_sessions_are_sent_to_sign_in() {
    let script = Script::default();
    for browser in [Browser::on(&script), Browser::on(&script).signed_in("expired")] {
        for answer in [browser.get("/settings").await, browser.post("/settings", FORM).await] {
            assert_eq!(answer.status, StatusCode::SEE_OTHER);
            assert_eq!(answer.header("location"), "/login?next=%2Fsettings");
        }
    }
}

/// An empty form would look as if the account were empty, and saving it would make it so.
#[tokio::test]
async fn without_the_account_there_is_no_form() {
    for (error, status) in [
        (Error::Unavailable(Outcome::NotDone), StatusCode::SERVICE_UNAVAILABLE),
        (Error::Internal(String::new()), StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        let script = Script { current_user: Err(error), ..Script::default() };
        let page = signed_in(&script).get("/settings").await;
        assert_eq!((page.status, page.count(".settings-page")), (status, 0));
    }
    let expired = Err(Error::Unauthorized(Unauthorized::Invalid));
    let script = Script { current_user: expired, ..Script::default() };
    let answer = signed_in(&script).get("/settings").await;
    assert_eq!(answer.header("location"), "/login?next=%2Fsettings");
    assert!(answer.cookie().unwrap().starts_with("conduit_session=; "));
}
