//! The document says what the router does: the same operations, no more and no fewer.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{Method, StatusCode};
use conduit::{
    ArticleUpdate, Credentials, NewArticle, NewComment, Registration, UserUpdate,
    wire::{ArticleBody, CommentBody, UserBody},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::support::{ask_at, get, router};

/// What the router has besides the operations: their description, for machines and for people.
const DESCRIPTION: [&str; 4] = ["/openapi.json", "/docs", "/docs/docs.js", "/docs/docs.css"];

fn operations(document: &Value) -> BTreeMap<(String, String), Value> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap();
        methods.iter().map(|(method, operation)| {
            ((path.clone(), method.to_ascii_uppercase()), operation.clone())
        })
    });
    operations.collect()
}

/// Which of all thinkable methods a path of the router has: it says so itself when it is asked with
/// one that no path has.
async fn methods(path: &str) -> BTreeSet<String> {
    let answer = ask_at(&router(), Method::from_bytes(b"BREW").unwrap(), path, &[], "").await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    let allowed = answer.headers["allow"].to_str().unwrap().split(',');
    // HEAD comes along with every GET.
    allowed.filter(|method| *method != "HEAD").map(str::to_owned).collect()
}

#[tokio::test]
async fn the_document_and_the_router_have_the_same_operations() {
    let document = api::document();
    let operations = operations(&document);
    assert_eq!(operations.len(), 26);
    let mut described: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (path, method) in operations.keys() {
        described.entry(path).or_default().insert(method.clone());
    }
    for (path, described) in &described {
        assert_eq!(methods(&path.replace(['{', '}'], "")).await, *described, "{path}");
    }
    // And no path of the router is missing: they stand in one list in one file.
    let source = include_str!("../../src/lib.rs");
    let lines = source.lines().map(str::trim_start);
    let routes =
        lines.filter(|line| line.starts_with(".route(") && !line.contains("unknown")).count();
    assert_eq!(routes, described.len() + DESCRIPTION.len());
    assert_eq!(api::ROUTES.len(), routes);
    for path in api::ROUTES {
        let described = described.contains_key(path) || DESCRIPTION.contains(path);
        assert!(described, "{path}");
    }
    for path in DESCRIPTION {
        assert_eq!(methods(path).await, ["GET".to_owned()].into(), "{path}");
    }
}

#[tokio::test]
async fn the_document_is_served_to_anyone() {
    let answer = get("/openapi.json", &[]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.json(), api::document());
}

#[test]
fn the_outline_changes_only_on_purpose() {
    let lines = operations(&api::document()).into_iter().map(|((path, method), operation)| {
        let statuses = operation["responses"].as_object().unwrap().keys().cloned();
        let statuses = statuses.collect::<Vec<_>>().join(" ");
        let who = match operation["security"].as_array().unwrap().as_slice() {
            [] => "anyone",
            [_] => "signed in",
            _ => "either",
        };
        format!("{method:6} {path:38} {who:9}  {statuses}")
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}

fn reads<T: DeserializeOwned>(body: &Value) -> bool {
    serde_json::from_value::<T>(body.clone()).is_ok()
}

#[test]
fn every_example_of_a_body_is_one_that_the_handler_reads() {
    let mut count = 0;
    for ((path, method), operation) in operations(&api::document()) {
        let example = &operation["requestBody"]["content"]["application/json"]["example"];
        let read = match operation["operationId"].as_str().unwrap() {
            _ if example.is_null() => continue,
            "register" => reads::<UserBody<Registration>>(example),
            "login" => reads::<UserBody<Credentials>>(example),
            "updateUser" => reads::<UserBody<UserUpdate>>(example),
            "createArticle" => reads::<ArticleBody<NewArticle>>(example),
            "updateArticle" => reads::<ArticleBody<ArticleUpdate>>(example),
            "addComment" => reads::<CommentBody<NewComment>>(example),
            other => panic!("{other} takes a body"),
        };
        assert!(read, "{method} {path}: {example}");
        count += 1;
    }
    assert_eq!(count, 6);
}

/// Every place in a JSON value that satisfies `wanted`.
fn find<'v>(value: &'v Value, wanted: &impl Fn(&Value) -> bool) -> Vec<&'v Value> {
    let mut found: Vec<_> = if wanted(value) { vec![value] } else { Vec::new() };
    match value {
        Value::Array(items) => found.extend(items.iter().flat_map(|item| find(item, wanted))),
        Value::Object(fields) => found.extend(fields.values().flat_map(|it| find(it, wanted))),
        _ => {}
    }
    found
}

#[test]
fn everything_that_is_referred_to_is_there() {
    let document = api::document();
    let references = find(&document, &|value| value["$ref"].is_string());
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference["$ref"].as_str().unwrap().strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
}

#[test]
fn the_figures_are_the_ports() {
    let document = api::document();
    let at = |pointer: &str| document.pointer(pointer).unwrap_or_else(|| panic!("{pointer}"));
    let schemas = "/components/schemas";
    for (pointer, figure) in [
        ("/Registration/properties/username/maxLength", conduit::limits::MAX_USERNAME),
        ("/UserUpdate/properties/password/minLength", conduit::limits::MIN_PASSWORD),
        ("/UserUpdate/properties/bio/maxLength", conduit::limits::MAX_BIO),
        ("/NewArticle/properties/body/maxLength", conduit::limits::MAX_ARTICLE),
        ("/NewArticle/properties/tagList/maxItems", conduit::limits::MAX_TAGS),
        ("/NewComment/properties/body/maxLength", conduit::limits::MAX_COMMENT),
    ] {
        assert_eq!(*at(&format!("{schemas}{pointer}")), figure, "{pointer}");
    }
    let list = at("/paths/~1articles/get/parameters").as_array().unwrap();
    let limit = list.iter().find(|parameter| parameter["name"] == "limit").unwrap();
    assert_eq!(limit["schema"]["maximum"], conduit::MAX_LIMIT);
    assert_eq!(limit["schema"]["default"], conduit::DEFAULT_LIMIT);
    // Nullable, and yet always there.
    let profile = at("/components/schemas/Profile");
    assert!(profile["required"].as_array().unwrap().contains(&"bio".into()), "{profile}");
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let page = get("/docs", &[]).await;
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    for path in &DESCRIPTION[1..] {
        let file = get(path, &[]).await;
        assert_eq!(file.status, StatusCode::OK, "{path}");
        let policy = file.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        assert!(!file.text.contains("://"), "{path} names an address elsewhere");
    }
    // Nothing in the page that the policy would stop.
    assert!(!page.text.contains("style=") && !page.text.contains("<style"));
    assert_eq!(page.text.matches("<script").count(), page.text.matches("<script src=").count());
    // What it refers to is relative to where it is.
    let attributes = ["href=\"", "src=\""].map(|name| page.text.split(name).skip(1));
    let links: Vec<_> = attributes.into_iter().flatten().map(|it| it.split('"').next()).collect();
    assert_eq!(links.len(), 3);
    for link in links.into_iter().flatten() {
        assert_eq!(get(&format!("/{link}"), &[]).await.status, StatusCode::OK, "{link}");
    }
}

/// Where a schema says nothing, there is nothing: no tool takes `null` for a rule.
#[test]
fn no_rule_of_a_schema_is_null() {
    fn nulls(at: &str, value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Null => found.push(at.to_owned()),
            Value::Array(items) => items.iter().for_each(|item| nulls(at, item, found)),
            Value::Object(fields) => {
                for (name, field) in fields {
                    // What stands there is content, in which `null` may be right.
                    if !["example", "examples", "default", "enum", "const"].contains(&name.as_str())
                    {
                        nulls(&format!("{at}/{name}"), field, found);
                    }
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    nulls("", &api::document(), &mut found);
    assert_eq!(found, Vec::<String>::new());
}
