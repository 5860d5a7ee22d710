//! Which pages in browsers may read the API's answers: those that are named, and no others.

use axum::{
    Router,
    http::{HeaderMap, Method},
};
use conduit::{Error, Outcome};
use contract::in_memory::InMemory;

use crate::support::{InTrouble, JSON, ask_at, dataset, router};

const APP: &str = "https://app.example.com";
const OTHER: &str = "https://evil.example.com";

fn open_to(origins: &[&str], api: Router) -> Router {
    let origins = origins.iter().map(|&origin| origin.to_owned()).collect();
    let cors = api::Cors::new(&api::CorsArgs { origins }).unwrap();
    cors.around(api)
}

fn open() -> Router {
    open_to(&[APP, "http://localhost:5173"], api::router(InMemory::new(&dataset())))
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

const PREFLIGHT: [(&str, &str); 2] = [
    ("access-control-request-method", "PUT"),
    ("access-control-request-headers", "authorization,content-type"),
];

#[tokio::test]
async fn a_preflight_of_a_named_origin_is_granted() {
    for origin in [APP, "http://localhost:5173"] {
        let headers = [("origin", origin), PREFLIGHT[0], PREFLIGHT[1]];
        let answer = ask_at(&open(), Method::OPTIONS, "/articles/x", &headers, "").await;
        assert!(answer.status.is_success(), "{}", answer.status);
        let granted = |name| header(&answer.headers, name).unwrap().to_ascii_lowercase();
        assert_eq!(granted("access-control-allow-origin"), origin);
        for method in ["get", "post", "put", "delete"] {
            assert!(granted("access-control-allow-methods").contains(method), "{method}");
        }
        for name in ["authorization", "content-type"] {
            assert!(granted("access-control-allow-headers").contains(name), "{name}");
        }
        assert_eq!(granted("access-control-max-age"), "7200");
        assert!(granted("vary").contains("origin"), "a cache must not give it to another");
        assert_eq!(header(&answer.headers, "access-control-allow-credentials"), None);
    }
}

#[tokio::test]
async fn an_origin_that_is_not_named_is_granted_nothing() {
    for origin in [OTHER, "null", "https://app.example.com.evil.com", "http://app.example.com"] {
        let headers = [("origin", origin), PREFLIGHT[0], PREFLIGHT[1]];
        let answer = ask_at(&open(), Method::OPTIONS, "/articles/x", &headers, "").await;
        assert_eq!(header(&answer.headers, "access-control-allow-origin"), None, "{origin}");
        let answer = ask_at(&open(), Method::GET, "/tags", &[("origin", origin)], "").await;
        assert_eq!(header(&answer.headers, "access-control-allow-origin"), None, "{origin}");
    }
}

#[tokio::test]
async fn answers_and_errors_alike_may_be_read_by_a_named_origin() {
    let from_app = ("origin", APP);
    for (method, path, headers, status) in [
        (Method::GET, "/tags", vec![from_app], 200),
        (Method::GET, "/user", vec![from_app], 401),
        (Method::GET, "/articles/nothing", vec![from_app], 404),
        (Method::GET, "/nonsense", vec![from_app], 404),
        (Method::DELETE, "/tags", vec![from_app], 405),
        (Method::POST, "/users", vec![from_app], 415),
        (Method::POST, "/users", vec![from_app, JSON], 422),
    ] {
        let answer = ask_at(&open(), method, path, &headers, "").await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(header(&answer.headers, "access-control-allow-origin"), Some(APP), "{path}");
        let exposed = header(&answer.headers, "access-control-expose-headers").unwrap();
        assert!(exposed.contains("x-request-id"), "{exposed}");
    }
    for error in [Error::Unavailable(Outcome::NotDone), Error::Internal(String::new())] {
        let router = open_to(&[APP], api::router(InTrouble::new(error)));
        let answer = ask_at(&router, Method::GET, "/tags", &[from_app], "").await;
        assert!(answer.status.is_server_error());
        assert_eq!(header(&answer.headers, "access-control-allow-origin"), Some(APP));
    }
}

#[tokio::test]
async fn without_any_origin_nothing_is_different() {
    let closed = open_to(&["", " "], api::router(InMemory::new(&dataset())));
    for router in [closed, router()] {
        let headers = [("origin", APP), PREFLIGHT[0]];
        let answer = ask_at(&router, Method::OPTIONS, "/articles", &headers, "").await;
        assert_eq!(answer.status, 405);
        let answer = ask_at(&router, Method::GET, "/tags", &[("origin", APP)], "").await;
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
    }
}
