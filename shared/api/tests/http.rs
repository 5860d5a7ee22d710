//! What stands on the wire: status, headers and error shape of the API. What the answers *mean* is
//! tested for every wiring by the suite in `contract`.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has to stop")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode},
};
use conduit::{
    Article, ArticlePage, Caller, Comment, Conduit, Credentials, Error, ListArticles, Outcome,
    Profile, Registration, Result, Token, User,
};
use contract::{
    dataset::{Dataset, PASSWORD, Size},
    in_memory::InMemory,
};
use serde_json::{Value, json};
use tower::ServiceExt;

fn dataset() -> Dataset {
    Dataset::new(Size { users: 10, articles: 30, ..Size::default() }, 1)
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {:?}", self.text))
    }

    /// The answer as the status and the only problem it names.
    fn problem(&self) -> (u16, String, String) {
        let json = self.json();
        let errors = json["errors"].as_object().unwrap_or_else(|| panic!("no errors: {json}"));
        assert_eq!(errors.len(), 1, "{json}");
        let (field, messages) = errors.iter().next().unwrap();
        assert_eq!(self.headers["content-type"], "application/json");
        (self.status.as_u16(), field.clone(), messages[0].as_str().unwrap().to_owned())
    }
}

fn is(status: u16, field: &str, message: &str) -> (u16, String, String) {
    (status, field.to_owned(), message.to_owned())
}

async fn send(router: Router, request: Request<Body>) -> Answer {
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    Answer { status: parts.status, headers: parts.headers, text }
}

async fn ask(method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    let mut request = Request::builder().method(method).uri(format!("/api{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let router = Router::new().nest_service("/api", api::router(InMemory::new(&dataset())));
    send(router, request.body(Body::from(body)).unwrap()).await
}

async fn get(path: &str, headers: &[(&str, &str)]) -> Answer {
    ask(Method::GET, path, headers, Vec::new()).await
}

async fn post(path: &str, body: impl Into<Vec<u8>>) -> Answer {
    ask(Method::POST, path, &[("content-type", "application/json")], body.into()).await
}

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
async fn a_protected_route_asks_for_a_token_before_anything_else() {
    let bodies: [&[u8]; 3] = [b"", b"{", b"\xff"];
    for body in bodies {
        let answer = ask(Method::GET, "/user", &[], body.to_vec()).await;
        assert_eq!(answer.problem(), is(401, "token", "is missing"));
    }
    for bad in ["Token nonsense", "Token ", "Basic abc", "\u{fc}"] {
        let answer = get("/user", &[("authorization", bad)]).await;
        assert_eq!(answer.problem(), is(401, "token", "is invalid"), "{bad:?}");
    }
}

#[tokio::test]
async fn a_bad_token_is_refused_where_a_good_one_would_make_a_difference() {
    let bad = [("authorization", "Token nonsense")];
    let slug = dataset().article(0).slug;
    for path in ["/articles", &format!("/articles/{slug}/comments"), "/profiles/nobody"] {
        assert_eq!(get(path, &bad).await.problem(), is(401, "token", "is invalid"), "{path}");
    }
    assert_eq!(get("/tags", &bad).await.status, StatusCode::OK);
}

#[tokio::test]
async fn whatever_is_wrong_with_a_body_is_answered_in_the_contracts_shape() {
    let valid = "must be valid JSON";
    for (body, field, message) in [
        ("", "body", valid),
        ("{", "body", valid),
        ("{\"user\":{}} trailing", "body", valid),
        ("\"text\"", "body", "must have the documented form"),
        ("[]", "body", "must have the documented form"),
        ("{}", "body", "must have the documented form"),
        ("{\"user\": 5}", "user", "has the wrong type"),
        ("{\"user\": {\"email\": 5}}", "email", "has the wrong type"),
        (
            "{\"user\": {\"email\": \"a@b.c\", \"password\": null}}",
            "password",
            "has the wrong type",
        ),
    ] {
        assert_eq!(post("/users/login", body).await.problem(), is(422, field, message), "{body}");
    }
    let no_text = post("/users/login", b"{\"user\": {\"email\": \"\xff\"}}".as_slice()).await;
    assert_eq!(no_text.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_secret_in_the_wrong_place_is_not_repeated() {
    let answer = post("/users/login", r#"{"user": {"password": 31337}}"#).await;
    assert!(!answer.text.contains("31337"), "{}", answer.text);
}

#[tokio::test]
async fn missing_fields_are_blank_fields_and_reported_together() {
    let answer = post("/users", r#"{"user": {}}"#).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let blank = json!(["can't be blank"]);
    let errors = json!({"email": blank, "password": blank, "username": blank});
    assert_eq!(answer.json(), json!({ "errors": errors }));
}

#[tokio::test]
async fn only_json_is_taken_and_its_media_type_may_have_parameters() {
    let body = r#"{"user": {"email": "x", "password": "y"}}"#;
    let to = |headers: &'static [(&str, &str)]| {
        ask(Method::POST, "/users/login", headers, body.as_bytes().to_vec())
    };
    let wrong = is(422, "content-type", "must be application/json");
    assert_eq!(to(&[]).await.problem(), wrong);
    assert_eq!(to(&[("content-type", "text/plain")]).await.problem(), wrong);
    assert_eq!(to(&[("content-type", "application/jsonx")]).await.problem(), wrong);
    let fine = to(&[("content-type", "Application/JSON; charset=utf-8")]).await;
    assert_eq!(fine.problem(), is(401, "credentials", "invalid"));
}

#[tokio::test]
async fn a_body_that_is_too_long_has_the_same_shape() {
    // axum's own limit is 2 MB; servers set theirs around the router.
    let long = format!("{{\"user\": {{\"email\": \"{}\"}}}}", "x".repeat(3_000_000));
    assert_eq!(post("/users/login", long).await.problem(), is(422, "body", "is too long"));
}

#[tokio::test]
async fn handlers_without_a_body_ignore_one() {
    let headers = [("content-type", "application/json")];
    for body in ["", "{\"user\": {}}", "{"] {
        let answer = ask(Method::GET, "/tags", &headers, body.into()).await;
        assert_eq!(answer.status, StatusCode::OK, "{body:?}");
    }
}

#[tokio::test]
async fn numbers_in_a_query_are_checked() {
    for query in ["limit=0", "limit=-1", "limit=1001", "limit=ten", "offset=-1", "offset=9e9"] {
        let (status, field, message) = get(&format!("/articles?{query}"), &[]).await.problem();
        assert_eq!((status, field.as_str()), (422, query.split('=').next().unwrap()));
        assert!(message.contains("whole number"), "{message}");
    }
    let twice = get("/articles?limit=1&limit=2", &[]).await;
    assert_eq!(twice.problem(), is(422, "query", "must name each parameter once"));
    assert_eq!(get("/articles?unknown=1&limit=1", &[]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    assert_eq!(get("/articles/x", &[]).await.problem(), is(404, "article", "not found"));
    assert_eq!(get("/articles/x/comments", &[]).await.problem(), is(404, "article", "not found"));
    assert_eq!(get("/profiles/x", &[]).await.problem(), is(404, "profile", "not found"));
    for path in ["/nonsense", "/", "", "/articles/", "/articles/x/y/z", "/articles/x/comments/"] {
        assert_eq!(get(path, &[]).await.problem(), is(404, "route", "not found"), "{path}");
    }
}

#[tokio::test]
async fn a_path_that_is_no_text_is_refused() {
    let answer = get("/articles/%ff", &[]).await;
    assert_eq!(answer.problem(), is(422, "path", "must be UTF-8"));
}

#[tokio::test]
async fn a_method_that_a_route_lacks_is_refused_with_those_it_has() {
    for (method, path, allowed) in
        [(Method::DELETE, "/tags", "GET,HEAD"), (Method::GET, "/users/login", "POST")]
    {
        let answer = ask(method, path, &[], Vec::new()).await;
        assert_eq!(answer.problem(), is(405, "method", "not allowed"));
        assert_eq!(answer.headers["allow"], allowed);
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let answer = ask(Method::HEAD, "/tags", &[], Vec::new()).await;
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

/// Stands for an app in trouble: it notes who called, and every call ends with the same error.
#[derive(Clone)]
struct InTrouble {
    error: Error,
    seen: Arc<Mutex<Option<Caller>>>,
}

impl InTrouble {
    fn new(error: Error) -> Self {
        Self { error, seen: Arc::default() }
    }

    fn error<T>(&self, caller: &Caller) -> Result<T> {
        *self.seen.lock().unwrap() = Some(caller.clone());
        Err(self.error.clone())
    }
}

impl Conduit for InTrouble {
    async fn register(&self, caller: &Caller, _: Registration) -> Result<User> {
        self.error(caller)
    }
    async fn login(&self, caller: &Caller, _: Credentials) -> Result<User> {
        self.error(caller)
    }
    async fn current_user(&self, caller: &Caller) -> Result<User> {
        self.error(caller)
    }
    async fn profile(&self, caller: &Caller, _: &str) -> Result<Profile> {
        self.error(caller)
    }
    async fn articles(&self, caller: &Caller, _: &ListArticles) -> Result<ArticlePage> {
        self.error(caller)
    }
    async fn article(&self, caller: &Caller, _: &str) -> Result<Article> {
        self.error(caller)
    }
    async fn comments(&self, caller: &Caller, _: &str) -> Result<Vec<Comment>> {
        self.error(caller)
    }
    async fn tags(&self, caller: &Caller) -> Result<Vec<String>> {
        self.error(caller)
    }
    async fn ready(&self) -> Result<()> {
        Ok(())
    }
}

async fn tags_in_trouble(error: Error) -> Answer {
    let request = Request::get("/tags").body(Body::empty()).unwrap();
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
        let request = Request::get("/user")
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
