//! Whatever is wrong with a request is answered with the right status, in the contract's one shape:
//! never with text, and never with a fault of ours.

use axum::http::{HeaderValue, Method, Request, StatusCode};
use serde_json::json;

use crate::support::{JSON, ask, ask_at, dataset, get, is, post, router, send, signed_in};

const PUT: Method = Method::PUT;
const POST: Method = Method::POST;
const GET: Method = Method::GET;
const DELETE: Method = Method::DELETE;

/// Every operation that is of no use to strangers. Nothing that these paths name exists.
const PROTECTED: [(Method, &str); 11] = [
    (GET, "/user"),
    (PUT, "/user"),
    (POST, "/profiles/nobody/follow"),
    (DELETE, "/profiles/nobody/follow"),
    (GET, "/articles/feed?limit=nonsense"),
    (POST, "/articles"),
    (PUT, "/articles/nothing"),
    (DELETE, "/articles/%ff"),
    (POST, "/articles/nothing/favorite"),
    (DELETE, "/articles/nothing/favorite"),
    (DELETE, "/articles/nothing/comments/none"),
];

/// Every operation with a body, what its envelope is called, and a text in it that must be one.
const WITH_BODY: [(Method, &str, &str, &str); 6] = [
    (POST, "/users", "user", "username"),
    (POST, "/users/login", "user", "email"),
    (PUT, "/user", "user", "password"),
    (POST, "/articles", "article", "title"),
    (PUT, "/articles/nothing", "article", "description"),
    (POST, "/articles/nothing/comments", "comment", "body"),
];

#[tokio::test]
async fn a_protected_route_asks_for_a_token_before_anything_else() {
    let router = router();
    let bodies: [&[u8]; 3] = [b"", b"{", b"\xff"];
    for (method, path) in PROTECTED.into_iter().chain([(POST, "/articles/nothing/comments")]) {
        for body in bodies {
            let answer = ask_at(&router, method.clone(), path, &[], body).await;
            assert_eq!(answer.problem(), is(401, "token", "is missing"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_token_that_is_none_of_ours_is_invalid() {
    let router = router();
    let good = signed_in(&router, 1).await;
    let forged = format!("{good}0");
    let none = "Token eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.";
    let long = format!("Token {}", "x".repeat(10_000));
    for bad in ["", "Token", "Token ", "Token nonsense", "Basic abc", &forged, none, &long] {
        let answer = ask_at(&router, GET, "/user", &[("authorization", bad)], "").await;
        assert_eq!(answer.problem(), is(401, "token", "is invalid"), "{bad:?}");
    }
    for bytes in [b"Token \xfc".as_slice(), b"\xff\xfe", "Token ü☂".as_bytes()] {
        let mut request = Request::get("/api/user").body(axum::body::Body::empty()).unwrap();
        let value = HeaderValue::from_bytes(bytes).unwrap();
        request.headers_mut().insert("authorization", value);
        let answer = send(router.clone(), request).await;
        assert_eq!(answer.problem(), is(401, "token", "is invalid"), "{bytes:?}");
    }
}

/// Browsers send cookies by themselves, whichever site asks them to; a token only goes into a header
/// by the hand of a page that knows it. So the API must not take the pages' cookie for a token.
#[tokio::test]
async fn cookies_are_nobodys_proof_of_identity() {
    let router = router();
    let token = signed_in(&router, 1).await;
    let token = token.strip_prefix("Token ").unwrap();
    for cookie in [format!("conduit_session={token}"), "a=b; c".into(), "\u{fc}=;;".into()] {
        let answer = ask_at(&router, GET, "/user", &[("cookie", &cookie)], "").await;
        assert_eq!(answer.problem(), is(401, "token", "is missing"), "{cookie}");
        let answer = ask_at(&router, GET, "/tags", &[("cookie", &cookie)], "").await;
        assert_eq!(answer.status, StatusCode::OK, "{cookie}");
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
    const NO_JSON: &str = "must be valid JSON";
    const FORM: &str = "must have the documented form";
    const TYPE: &str = "has the wrong type";
    let router = router();
    let token = signed_in(&router, 1).await;
    let deep = |open: &str, close: &str| open.repeat(100_000) + &close.repeat(100_000);
    for (method, path, envelope, text) in WITH_BODY {
        let inside = |value: &str| format!("{{\"{envelope}\": {{\"{text}\": {value}}}}}");
        for (body, field, message) in [
            (String::new(), "body", NO_JSON),
            (" ".into(), "body", NO_JSON),
            ("{".into(), "body", NO_JSON),
            ("nonsense".into(), "body", NO_JSON),
            ("\u{feff}{}".into(), "body", NO_JSON),
            (format!("{} trailing", inside("\"x\"")), "body", NO_JSON),
            (inside("\"\\ud800\""), "body", NO_JSON),
            (inside("\"\\x\""), "body", NO_JSON),
            (inside("NaN"), "body", NO_JSON),
            (deep("[", "]"), "body", FORM),
            (inside(&deep("[", "]")), text, TYPE),
            (inside(&deep("{\"a\":", "}")), text, TYPE),
            ("null".into(), "body", FORM),
            ("true".into(), "body", FORM),
            ("17".into(), "body", FORM),
            ("\"text\"".into(), "body", FORM),
            ("[]".into(), "body", FORM),
            (format!("[{{\"{text}\": \"x\"}}]"), "body", FORM),
            ("{}".into(), "body", FORM),
            (format!("{{\"{envelope}\": null}}"), envelope, TYPE),
            (format!("{{\"{envelope}\": 5}}"), envelope, TYPE),
            (format!("{{\"{envelope}\": []}}"), envelope, TYPE),
            (format!("{{\"{envelope}\": [\"a\", \"b\", \"c\"]}}"), envelope, TYPE),
            (inside("null"), text, TYPE),
            (inside("5"), text, TYPE),
            (inside("1e999"), "body", NO_JSON),
            (inside("true"), text, TYPE),
            (inside("[\"x\"]"), text, TYPE),
            (inside("{}"), text, TYPE),
            (inside(&format!("\"x\", \"{text}\": \"y\"")), "body", "must name each field once"),
            (
                format!("{{\"{envelope}\": {{}}, \"{envelope}\": {{}}}}"),
                "body",
                "must name each field once",
            ),
        ] {
            let headers = [JSON, ("authorization", token.as_str())];
            let shown = body.chars().take(80).collect::<String>();
            let answer = ask_at(&router, method.clone(), path, &headers, body).await;
            assert_eq!(answer.problem(), is(422, field, message), "{method} {path} {shown}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_no_text_is_refused() {
    for bytes in [b"{\"user\": {\"email\": \"\xff\"}}".as_slice(), b"\xff\xfe{\0}\0", b"\0"] {
        let answer = post("/users/login", bytes).await;
        assert_eq!(answer.problem(), is(422, "body", "must be valid JSON"), "{bytes:?}");
    }
}

#[tokio::test]
async fn a_list_of_tags_is_a_list_of_texts() {
    let router = router();
    let token = signed_in(&router, 1).await;
    let headers = [JSON, ("authorization", token.as_str())];
    for tags in ["null", "\"a\"", "{}", "[1]", "[null]", "[[\"a\"]]", "[\"a\", {}]"] {
        for (method, path) in [(POST, "/articles"), (PUT, "/articles/nothing")] {
            let body = format!("{{\"article\": {{\"tagList\": {tags}}}}}");
            let answer = ask_at(&router, method, path, &headers, body).await;
            assert_eq!(answer.status, 422, "{tags}");
            assert_eq!(answer.problem().2, "has the wrong type", "{tags}");
        }
    }
}

#[tokio::test]
async fn a_secret_in_the_wrong_place_is_not_repeated() {
    let answer = post("/users/login", r#"{"user": {"password": 31337}}"#).await;
    assert!(!answer.text.contains("31337"), "{}", answer.text);
    let answer = post("/users/login", r#"{"user": {"password": "31337" hunter2}}"#).await;
    assert!(!answer.text.contains("31337") && !answer.text.contains("hunter2"));
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
    let router = router();
    let token = signed_in(&router, 1).await;
    let wrong = is(415, "content-type", "must be application/json");
    for (method, path, ..) in WITH_BODY {
        for media_type in ["", "text/plain", "application/jsonx", "application", "\u{fc}"] {
            let headers = [("content-type", media_type), ("authorization", &token)];
            let answer = ask_at(&router, method.clone(), path, &headers, "{}").await;
            assert_eq!(answer.problem(), wrong, "{method} {path} {media_type:?}");
        }
        let answer = ask_at(&router, method, path, &[("authorization", &token)], "{}").await;
        assert_eq!(answer.problem(), wrong, "{path}: none at all");
    }
    let body = r#"{"user": {"email": "x", "password": "y"}}"#;
    let fine = [("content-type", "Application/JSON; charset=utf-8")];
    let answer = ask(POST, "/users/login", &fine, body).await;
    assert_eq!(answer.problem(), is(401, "credentials", "invalid"));
}

#[tokio::test]
async fn a_body_that_is_too_long_has_the_same_shape() {
    let router = router();
    let token = signed_in(&router, 1).await;
    let headers = [JSON, ("authorization", token.as_str())];
    // Axum's own limit is 2 MB; servers set theirs around the router.
    let long = "x".repeat(3_000_000);
    for (method, path, ..) in WITH_BODY {
        let answer = ask_at(&router, method, path, &headers, long.as_str()).await;
        assert_eq!(answer.problem(), is(413, "body", "is too long"), "{path}");
    }
}

#[tokio::test]
async fn numbers_in_a_query_are_checked() {
    let router = router();
    let token = signed_in(&router, 1).await;
    let headers = [("authorization", token.as_str())];
    for path in ["/articles", "/articles/feed"] {
        for query in [
            "limit=0",
            "limit=-1",
            "limit=1001",
            "limit=ten",
            "limit=",
            "limit=1.5",
            "limit=%00",
            "limit=99999999999999999999999",
            "offset=-1",
            "offset=9e9",
            "offset=2147483648",
            "offset=18446744073709551616",
        ] {
            let path = format!("{path}?{query}");
            let (status, field, message) =
                ask_at(&router, GET, &path, &headers, "").await.problem();
            assert_eq!((status, field.as_str()), (422, query.split('=').next().unwrap()));
            assert!(message.contains("whole number"), "{message}");
        }
        for (query, message) in [
            ("limit=1&limit=2", "must name each parameter once"),
            ("limit=%ff", "must be UTF-8"),
            ("tag=%c3%28", "must be UTF-8"),
            ("%fe=1", "must be UTF-8"),
        ] {
            let answer = ask_at(&router, GET, &format!("{path}?{query}"), &headers, "").await;
            assert_eq!(answer.problem(), is(422, "query", message), "{path}?{query}");
        }
        for fine in
            ["unknown=1&limit=1", "limit=1000&offset=2147483647", "", "&&", "%", "tag=%C3%BC"]
        {
            let answer = ask_at(&router, GET, &format!("{path}?{fine}"), &headers, "").await;
            assert_eq!(answer.status, StatusCode::OK, "{path}?{fine}");
        }
    }
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    assert_eq!(get("/articles/x", &[]).await.problem(), is(404, "article", "not found"));
    assert_eq!(get("/articles/x/comments", &[]).await.problem(), is(404, "article", "not found"));
    assert_eq!(get("/profiles/x", &[]).await.problem(), is(404, "profile", "not found"));
    assert_eq!(get("/profiles/%00", &[]).await.problem(), is(404, "profile", "not found"));
}

#[tokio::test]
async fn an_unknown_route_is_said_to_be_one_whatever_the_method() {
    let router = router();
    for path in ["/nonsense", "/", "", "/articles/", "/articles/x/y/z", "/articles/x/comments/"] {
        for method in [GET, POST, PUT, DELETE, Method::PATCH, Method::OPTIONS] {
            let answer = ask_at(&router, method.clone(), path, &[], "{").await;
            assert_eq!(answer.problem(), is(404, "route", "not found"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_path_that_is_no_text_is_refused() {
    for path in ["/articles/%ff", "/articles/%c3%28/comments", "/profiles/%fe"] {
        assert_eq!(get(path, &[]).await.problem(), is(422, "path", "must be UTF-8"), "{path}");
    }
}

#[tokio::test]
async fn the_number_of_a_comment_is_one_or_there_is_no_such_comment() {
    let router = router();
    let token = signed_in(&router, 1).await;
    let headers = [("authorization", token.as_str())];
    let slug = dataset().article(0).slug;
    for id in ["x", "-1", "1.0", "%00", "9223372036854775808", "99999999"] {
        let path = format!("/articles/{slug}/comments/{id}");
        let answer = ask_at(&router, DELETE, &path, &headers, "").await;
        assert_eq!(answer.problem(), is(404, "comment", "not found"), "{id}");
    }
}

#[tokio::test]
async fn a_method_that_a_route_lacks_is_refused_with_those_it_has() {
    for (method, path, allowed) in [
        (DELETE, "/tags", "GET,HEAD"),
        (GET, "/users/login", "POST"),
        (Method::PATCH, "/articles/x", "GET,HEAD,PUT,DELETE"),
        (Method::OPTIONS, "/articles", "GET,HEAD,POST"),
        (Method::TRACE, "/user", "GET,HEAD,PUT"),
        (Method::from_bytes(b"BREW").unwrap(), "/tags", "GET,HEAD"),
    ] {
        let answer = ask(method, path, &[], "").await;
        assert_eq!(answer.problem(), is(405, "method", "not allowed"));
        assert_eq!(answer.headers["allow"], allowed);
    }
}
