//! What a request that is fine is answered with, and what an app in trouble says.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use conduit::{Error, Outcome, Token};
use contract::dataset::PASSWORD;
use serde_json::{Value, json};

use crate::support::{
    Answer, InTrouble, JSON, ask, ask_at, dataset, get, is, post, router, send, signed_in,
};

#[tokio::test]
async fn an_account_is_created_and_bio_and_image_are_null() {
    let new = json!({"user": {"username": "new", "email": "n@e.w", "password": "longer than 8"}});
    let answer = post("/users", new.to_string()).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.headers["content-type"], "application/json");
    let user = &answer.json()["user"];
    assert_eq!(user["username"], "new");
    assert_eq!((&user["bio"], &user["image"]), (&Value::Null, &Value::Null));
    assert!(user.as_object().unwrap().contains_key("bio"));
    assert!(!user["token"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn signing_in_gives_a_token_that_works_in_both_spellings() {
    let email = dataset().user(3).email;
    let credentials = json!({"user": {"email": email, "password": PASSWORD}});
    let answer = post("/users/login", credentials.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK);
    let token = answer.json()["user"]["token"].as_str().unwrap().to_owned();
    for scheme in ["Token", "Bearer"] {
        let me = get("/user", &[("authorization", &format!("{scheme} {token}"))]).await;
        assert_eq!(me.status, StatusCode::OK);
        assert_eq!(me.json()["user"]["email"], email);
        assert_eq!(me.json()["user"]["token"], token);
    }
}

#[tokio::test]
async fn handlers_without_a_body_ignore_one() {
    for body in ["", "{\"user\": {}}", "{"] {
        let answer = ask(Method::GET, "/tags", &[JSON], body).await;
        assert_eq!(answer.status, StatusCode::OK, "{body:?}");
    }
}

/// What looks dangerous is none of the API's business: it hands texts on, letter by letter, and whoever
/// puts them into a page has to escape them.
#[tokio::test]
async fn any_text_that_is_text_comes_back_as_it_was_sent() {
    let router = router();
    let token = signed_in(&router, 1).await;
    let headers = [JSON, ("authorization", token.as_str())];
    for text in [
        "<script>alert(1)</script>",
        "\u{202e}مرحبا بالعالم",
        "🦄 👩‍👩‍👧 e\u{301}",
        "'; drop table article; --",
        "{{ 7 * 7 }} ${x} %s %00 \\u0000",
        "\u{feff}\u{200b}x\u{fffd}",
    ] {
        let article = json!({"title": text, "description": text, "body": text, "tagList": [text]});
        let body = json!({"article": article}).to_string();
        let answer = ask_at(&router, Method::POST, "/articles", &headers, body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{text:?}: {}", answer.text);
        let slug = answer.json()["article"]["slug"].as_str().unwrap().to_owned();
        let path = conduit::wire::path::of(conduit::wire::path::ARTICLE, &slug);
        let there = ask_at(&router, Method::GET, &path, &[], "").await.json()["article"].take();
        for field in ["title", "description", "body"] {
            assert_eq!(there[field], text, "{field}");
        }
        assert_eq!(there["tagList"], json!([text]));
    }
}

/// Of a field that nobody knows, and of the order of those that are known, nothing depends.
#[tokio::test]
async fn unknown_fields_are_ignored() {
    let email = dataset().user(3).email;
    let body = format!(
        "{{\"x\": [1], \"user\": {{\"password\": {}, \"admin\": true, \"email\": {}}}}}",
        json!(PASSWORD),
        json!(email)
    );
    assert_eq!(post("/users/login", body).await.status, StatusCode::OK);
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let answer = ask(Method::HEAD, "/tags", &[], "").await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, ""));
    assert_eq!(answer.headers["content-type"], "application/json");
}

#[tokio::test]
async fn list_items_have_no_body_and_articles_have_one() {
    let list = get("/articles?limit=3", &[]).await.json();
    assert_eq!(list["articles"].as_array().unwrap().len(), 3);
    assert_eq!(list["articlesCount"], 30);
    assert!(!list["articles"][0].as_object().unwrap().contains_key("body"));
    let slug = list["articles"][0]["slug"].as_str().unwrap().to_owned();
    let path = conduit::wire::path::of(conduit::wire::path::ARTICLE, &slug);
    let article = get(&path, &[]).await.json()["article"].take();
    assert!(article["body"].as_str().unwrap().len() > 1_000);
    assert_eq!(article["createdAt"], list["articles"][0]["createdAt"]);
}

async fn tags_in_trouble(error: Error) -> Answer {
    let request = Request::get("/api/tags").body(Body::empty()).unwrap();
    send(api::router(InTrouble::new(error)), request).await
}

#[tokio::test]
async fn what_is_unavailable_says_when_to_come_back_and_whether_it_was_done() {
    let not_done = tags_in_trouble(Error::Unavailable(Outcome::NotDone)).await;
    assert_eq!(not_done.problem(), is(503, "service", "is unavailable, nothing was changed"));
    assert_eq!(not_done.headers["retry-after"], "1");
    let unknown = tags_in_trouble(Error::Unavailable(Outcome::Unknown)).await;
    assert_eq!(unknown.problem(), is(503, "service", "did not answer, the outcome is unknown"));
}

#[tokio::test]
async fn a_fault_of_ours_is_not_explained_to_strangers() {
    let answer = tags_in_trouble(Error::Internal("the password is hunter2".into())).await;
    assert_eq!(answer.problem(), is(500, "server", "internal error"));
    assert!(!answer.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn token_number_and_budget_reach_the_port() {
    let port = InTrouble::new(Error::Internal(String::new()));
    let request = |budget: Option<&str>| {
        let request = Request::get("/api/user")
            .header("authorization", "Token t0ken")
            .header("x-request-id", "number-7");
        match budget {
            Some(budget) => request.header("x-budget-ms", budget),
            None => request,
        }
        .body(Body::empty())
        .unwrap()
    };
    for (budget, least, most) in [
        (Some("500"), Duration::ZERO, Duration::from_millis(500)),
        (None, Duration::from_millis(500), Duration::from_secs(2)),
        (Some("soon"), Duration::from_millis(500), Duration::from_secs(2)),
        (Some("86400000"), Duration::from_secs(2), Duration::from_secs(30)),
    ] {
        send(api::router(port.clone()), request(budget)).await;
        let caller = port.seen.lock().unwrap().take().unwrap();
        let left = caller.remaining();
        assert!(left > least && left <= most, "{budget:?} became {left:?}");
        assert_eq!(caller.token, Some(Token::new("t0ken")));
        assert_eq!(caller.request_id.as_str(), "number-7");
    }
}
