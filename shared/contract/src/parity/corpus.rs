//! The requests that both architectures must answer alike.

mod writing;

use conduit::wire::{API, path};
use http::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use percent_encoding::utf8_percent_encode;
use serde_json::json;

use super::{Origin, Request, Target, Who};
use crate::dataset::{Dataset, PASSWORD};

/// Some hundred requests: every page and every route of the API; signed in, as a guest, and with a
/// forged token; found and not found; good parameters and bad ones; forms that work and forms that
/// don't.
///
/// Many of them change something, so the order matters, and both databases change alike. For a
/// dataset in which there are a few articles by several people.
pub fn corpus(dataset: &Dataset) -> Vec<Request> {
    let mut requests = Vec::new();
    let names = Names::new(dataset);
    for who in [Who::Guest, Who::User(0), Who::User(1), Who::Forger(1)] {
        requests.extend(pages(&names).into_iter().map(|path| page(path).by(who)));
        requests.extend(resources(&names).into_iter().map(|path| resource(path).by(who)));
    }
    requests.extend(nothing_there().into_iter().map(page));
    requests.extend(bad_resources().into_iter().map(resource));
    requests.extend(forms(dataset));
    requests.extend(bodies(dataset));
    requests.extend(methods(&names));
    requests.extend(writing::writing(dataset));
    requests
}

/// A path below the API's prefix, with it.
pub(super) fn api(path: &str) -> String {
    format!("{API}{path}")
}

fn page(path: String) -> Request {
    Request::get(Target::Page, path)
}

fn resource(path: String) -> Request {
    Request::get(Target::Api, path)
}

/// The names that the requests are made of.
struct Names {
    slugs: Vec<String>,
    usernames: Vec<String>,
    tags: Vec<String>,
    last_page: u64,
}

impl Names {
    fn new(dataset: &Dataset) -> Self {
        let size = dataset.size();
        // The newest, some that share a moment, the oldest; not those that differ only in text.
        let step = usize::try_from(size.articles.div_ceil(8)).expect("small");
        let articles = (0..size.articles).rev().step_by(step.max(1));
        Self {
            slugs: articles.map(|index| dataset.article(index).slug).collect(),
            usernames: (0..size.users.min(5)).map(|index| dataset.user(index).username).collect(),
            tags: (0..size.tags.min(10)).map(|index| dataset.tag(index)).collect(),
            last_page: size.articles.div_ceil(10),
        }
    }
}

fn segment(name: &str) -> String {
    utf8_percent_encode(name, path::SEGMENT).to_string()
}

/// Pages that are there.
fn pages(names: &Names) -> Vec<String> {
    let mut paths: Vec<String> = [
        "/",
        "/?page=1",
        "/?page=2",
        "/?feed=following",
        "/login",
        "/register",
        "/jobs",
        "/operator",
    ]
    .map(String::from)
    .into();
    paths.push(format!("/?page={}", names.last_page));
    paths.push("/login?next=%2Farticle%2Fx".to_owned());
    paths.extend(names.slugs.iter().map(|slug| format!("/article/{}", segment(slug))));
    for username in names.usernames.iter().map(|name| segment(name)) {
        paths.push(format!("/profile/{username}"));
        paths.push(format!("/profile/{username}/favorites"));
    }
    for tag in names.tags.iter().map(|tag| segment(tag)) {
        paths.push(format!("/tag/{tag}"));
    }
    paths.push(format!("/tag/{}?page=2", segment(&names.tags[0])));
    paths.push(format!("/profile/{}?page=2", segment(&names.usernames[0])));
    paths
}

/// Pages that are not there, or not in this form.
fn nothing_there() -> Vec<String> {
    let mut paths: Vec<String> = [
        "/nonsense",
        "/.env",
        "/index.html",
        "/articles",
        "/article",
        "/article/",
        "/article/nothing",
        "/article/a/b",
        "/article/a%2Fb",
        "/article/a%00b",
        "/article/%2e%2e",
        "/article/%2E",
        "/article/%ff",
        "/article/%",
        "/article/%25",
        "/profile/nobody",
        "/profile/nobody/favorites",
        "/profile/%2e%2e/favorites",
        "/profile/%ff",
        "/profile/a%00b",
        "/tag/nothing",
        "/tag/%2e%2e",
        "/tag/a%00b",
        "/tag/%ff",
        "/static/0/nothing.css",
        "/?unknown=1",
        "/?tag=rust",
        "/?feed=nonsense",
        "/?%ff=%ff",
        "/login?next=https%3A%2F%2Felsewhere.example",
    ]
    .map(String::from)
    .into();
    let bad = ["0", "-1", "two", "", "2.5", "1e3", "%20", "%ff", "99999", "4294967296", "2&page=3"];
    for number in bad {
        paths.push(format!("/?page={number}"));
        paths.push(format!("/tag/rust?page={number}"));
    }
    paths
}

/// What the API has.
fn resources(names: &Names) -> Vec<String> {
    let mut paths = vec![api(path::TAGS), api(path::USER), api(path::ARTICLES)];
    paths.extend([path::EXPORTS, path::JOBS, path::QUEUE, "/exports/1/chunks/0"].map(api));
    for slug in &names.slugs {
        paths.push(api(&path::of(path::RELATED, slug)));
        paths.push(api(&path::of(path::ARTICLE, slug)));
        paths.push(api(&path::of(path::COMMENTS, slug)));
    }
    for username in &names.usernames {
        paths.push(api(&path::of(path::PROFILE, username)));
    }
    let user = segment(&names.usernames[0]);
    let tag = segment(&names.tags[0]);
    for query in [
        "limit=10".to_owned(),
        "limit=1&offset=1".to_owned(),
        "limit=3&offset=9".to_owned(),
        "limit=1000".to_owned(),
        "offset=100000".to_owned(),
        format!("author={user}"),
        format!("favorited={user}"),
        format!("tag={tag}&limit=5"),
        format!("tag={tag}&author={user}"),
        format!("tag={tag}&favorited={user}&limit=2"),
    ] {
        paths.push(format!("{}?{query}", api(path::ARTICLES)));
    }
    paths
}

/// What the API does not have, or not in this form.
fn bad_resources() -> Vec<String> {
    let mut paths: Vec<String> =
        ["/nonsense", "/articles/", "/articles/a/b", "/v2/tags"].map(api).into();
    paths.push(API.to_owned());
    for name in ["nothing", "a/b", "a\0b", "%", "größe", "..."] {
        paths.push(api(&path::of(path::ARTICLE, name)));
        paths.push(api(&path::of(path::COMMENTS, name)));
        paths.push(api(&path::of(path::RELATED, name)));
        paths.push(api(&path::of(path::PROFILE, name)));
    }
    paths.push(api("/articles/%ff"));
    paths.push(api("/profiles/%2e%2e"));
    for query in [
        "limit=0",
        "limit=-1",
        "limit=1001",
        "limit=ten",
        "limit=",
        "offset=-1",
        "offset=99999999999",
        "limit=1&limit=2",
        "limit=0&offset=-1",
        "tag=",
        "tag=nothing",
        "tag=%00",
        "author=%ff",
        "favorited=nobody",
        "unknown=1",
        "&&=&",
    ] {
        paths.push(format!("{}?{query}", api(path::ARTICLES)));
    }
    paths
}

/// Forms of the pages.
fn forms(dataset: &Dataset) -> Vec<Request> {
    let email = dataset.user(2).email;
    let taken = dataset.user(3).username;
    let good = [("email", email.as_str()), ("password", PASSWORD)];
    let new = [
        ("username", "parity-pages"),
        ("email", "parity-pages@example.com"),
        ("password", "correct horse"),
    ];
    let login = |fields: &[(&str, &str)]| Request::form("/login", fields);
    let register = |fields: &[(&str, &str)]| Request::form("/register", fields);
    let next = |next| [good[0], good[1], ("next", next)];
    vec![
        login(&good),
        login(&next("/article/somewhere?x=1")),
        login(&next("//elsewhere.example/")),
        login(&good).by(Who::User(0)),
        login(&good).by(Who::Forger(0)),
        login(&[("email", &email), ("password", "wrong")]),
        login(&[("email", "<b>nobody</b>@example.com"), ("password", PASSWORD)]),
        login(&[("email", ""), ("password", "")]),
        login(&[]),
        login(&[("email", "a\0b"), ("password", "\0")]),
        Request { body: "email=%ff&password=%ff".into(), ..login(&good) },
        Request { body: "x".repeat(70_000).into(), ..login(&good) },
        login(&good).header(CONTENT_TYPE, "text/plain"),
        Request { origin: Origin::OtherSite, ..login(&good) },
        Request { origin: Origin::Unsaid, ..login(&good) },
        register(&new),
        register(&new),
        login(&[("email", "parity-pages@example.com"), ("password", "correct horse")]),
        register(&[("username", &taken), ("email", &email), ("password", "correct horse")]),
        register(&[("username", &taken), ("email", "free@example.com"), ("password", "12345678")]),
        register(&[("username", "short"), ("email", "short@example.com"), ("password", "short")]),
        register(&[("username", "a\nb"), ("email", "no address"), ("password", "12345678")]),
        register(&[("username", &"long".repeat(100)), ("email", "l@example.com")]),
        register(&[]),
        Request { origin: Origin::OtherSite, ..register(&new) },
        Request::form("/logout", &[]),
        Request::form("/logout", &[]).by(Who::User(1)),
        Request { origin: Origin::OtherSite, ..Request::form("/logout", &[]).by(Who::User(1)) },
    ]
}

/// Bodies for the API.
fn bodies(dataset: &Dataset) -> Vec<Request> {
    let email = dataset.user(2).email;
    let taken = dataset.user(3).username;
    let good = json!({"user": {"email": email, "password": PASSWORD}}).to_string();
    let wrong = json!({"user": {"email": email, "password": "wrong"}}).to_string();
    let new = json!({"user": {"username": "parity-api", "email": "parity-api@example.com",
        "password": "correct horse"}})
    .to_string();
    let conflict = json!({"user": {"username": taken, "email": email, "password": "12345678"}});
    let login = |body: String| Request::json(api(path::LOGIN), body);
    let register = |body: String| Request::json(api(path::USERS), body);
    let mut requests = vec![
        login(good.clone()),
        login(good.clone()).by(Who::User(0)),
        login(good.clone()).by(Who::Forger(0)),
        login(good.clone()).header(CONTENT_TYPE, "text/plain"),
        login(wrong),
        register(new.clone()),
        register(new),
        register(conflict.to_string()),
        Request::json(api(path::LOGIN), b"{\"user\": {\"email\": \"\xff\"}}".as_slice()),
        login(format!("{{\"user\": {{\"email\": \"{}\"}}}}", "x".repeat(70_000))),
    ];
    let malformed = [
        "",
        "{",
        "[]",
        "null",
        "{}",
        r#"{"user": null}"#,
        r#"{"user": {}}"#,
        r#"{"user": {"email": 5}}"#,
        r#"{"user": {"email": "", "password": ""}}"#,
    ];
    for body in malformed {
        requests.push(login(body.to_owned()));
        requests.push(register(body.to_owned()));
    }
    for proof in ["Token nonsense", "Token ", "Bearer a.b.c", "Basic abc", ""] {
        requests.push(resource(api(path::USER)).header(AUTHORIZATION, proof));
        requests.push(resource(api(path::TAGS)).header(AUTHORIZATION, proof));
    }
    requests
}

/// Methods other than the usual one, also on what is not there.
fn methods(names: &Names) -> Vec<Request> {
    let pages = ["/".to_owned(), "/login".to_owned(), format!("/article/{}", names.slugs[0])];
    let nothing = ["/nonsense".to_owned(), "/article/nothing".to_owned()];
    let resources = [path::TAGS, path::LOGIN, path::USER, "/nonsense"].map(api);
    let mut requests = Vec::new();
    for method in [Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE, Method::PATCH] {
        let pages = pages.iter().chain(&nothing).cloned().map(page);
        let all = pages.chain(resources.iter().cloned().map(resource));
        requests.extend(all.map(|request| request.method(method.clone())));
    }
    requests
        .push(Request { origin: Origin::OtherSite, ..page("/".to_owned()).method(Method::POST) });
    requests.push(page("/".to_owned()).method(Method::POST));
    requests
}
