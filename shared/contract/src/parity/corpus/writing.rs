//! The requests that change something, and what is looked at afterwards.

use conduit::wire::path;
use http::Method;
use serde_json::{Value, json};

use super::{Origin, Request, Target, Who, api, page, resource, segment};
use crate::dataset::{self, Dataset};

/// Who does most of it, and who looks on.
const ACTOR: Who = Who::User(0);
const OTHER: Who = Who::User(1);

/// Everything that can be changed, at both front doors, by those who may and those who may not.
pub(super) fn writing(dataset: &Dataset) -> Vec<Request> {
    let things = Things::new(dataset);
    let mut requests = people(&things);
    requests.extend(articles(&things));
    requests.extend(comments(&things));
    requests.extend(settings(&things));
    requests.extend(looks(&things));
    requests.extend(deletions(&things));
    requests.extend(looks(&things));
    requests
}

/// What the requests are about.
struct Things {
    /// Two articles by [`ACTOR`], as far as there are so many.
    own: Vec<String>,
    /// Articles by others.
    others: Vec<String>,
    /// A comment, the article it stands under, and who wrote it.
    comment: Option<(String, i64, Who)>,
    somebody: String,
    /// An address that somebody else has.
    taken: String,
}

impl Things {
    fn new(dataset: &Dataset) -> Self {
        let size = dataset.size();
        // The newest are on the first pages of lists.
        let newest = || (0..size.articles).rev().take(400);
        let slugs = |own: bool| newest().filter(move |&index| (dataset.author(index) == 0) == own);
        let slug = |index| dataset.article(index).slug;
        let comment = newest().filter(|&index| dataset.author(index) != 0).find_map(|index| {
            let comment: dataset::Comment = dataset.comments(index).into_iter().next()?;
            Some((slug(index), comment.id, Who::User(comment.author)))
        });
        Self {
            own: slugs(true).take(2).map(slug).collect(),
            others: slugs(false).take(3).map(slug).collect(),
            comment,
            somebody: dataset.user(size.users.saturating_sub(1)).username,
            taken: dataset.user(1).email,
        }
    }
}

fn call(method: Method, path: String, body: &Value) -> Request {
    Request::json(path, body.to_string()).method(method)
}

/// A call without a body.
fn bare(method: Method, path: String) -> Request {
    resource(path).method(method)
}

/// By who may, by who may not, and by who is nobody.
fn by_all(request: &Request) -> [Request; 4] {
    [Who::Guest, Who::Forger(0), OTHER, ACTOR].map(|who| request.clone().by(who))
}

fn at_article(slug: &str, what: &str) -> String {
    format!("/article/{}{what}", segment(slug))
}

fn people(things: &Things) -> Vec<Request> {
    let mut requests = Vec::new();
    for name in [things.somebody.as_str(), "nobody", "..", "a\0b"] {
        let follow = api(&path::of(path::FOLLOW, name));
        let form = |what: &str| Request::form(format!("/profile/{}/{what}", segment(name)), &[]);
        for request in [
            bare(Method::POST, follow.clone()),
            form("follow"),
            bare(Method::DELETE, follow),
            form("unfollow"),
            form("follow"),
        ] {
            requests.extend(by_all(&request));
        }
    }
    let followed = format!("/profile/{}", segment(&things.somebody));
    let elsewhere = Request::form(format!("{followed}/follow"), &[]).by(ACTOR);
    requests.push(Request { origin: Origin::OtherSite, ..elsewhere });
    let back = [("back", "/?page=2"), ("back", "//elsewhere.example/"), ("back", "")];
    requests.extend(
        back.map(|field| Request::form(format!("{followed}/unfollow"), &[field]).by(ACTOR)),
    );
    requests
}

fn articles(things: &Things) -> Vec<Request> {
    let mut requests = Vec::new();
    let article = |title: &str, tags: Value| json!({"article": {"title": title, "description": "d", "body": "# b", "tagList": tags}});
    for body in [
        article("Größe & <b>bold</b>", json!(["parity", "a/b", "parity"])),
        article("Größe & <b>bold</b>", json!([])),
        article("", json!([])),
        article("x", json!([" "])),
        article("x", json!(null)),
        json!({"article": {}}),
        json!({}),
    ] {
        requests.extend(by_all(&call(Method::POST, api(path::ARTICLES), &body)));
    }
    let texts = [("title", "From a form"), ("description", "d"), ("body", "text")];
    let blank = [("title", "<i>"), ("description", ""), ("body", "typed"), ("tag", "kept")];
    let [title, description, body] = texts;
    for fields in [
        vec![title, description, body, ("tag", "parity"), ("tag", "b"), ("newtag", "late")],
        blank.to_vec(),
        vec![title, description, body, ("newtag", "<b>"), ("do", "addtag")],
        vec![title, description, body, ("tag", "b"), ("tag", "c"), ("do", "rm:b")],
        vec![("unknown", "x")],
    ] {
        requests.extend(by_all(&Request::form("/editor", &fields)));
        for slug in things.own.iter().skip(1).chain(&things.others[..1]) {
            requests.extend(by_all(&Request::form(format!("/editor/{}", segment(slug)), &fields)));
        }
    }
    let unknown = "nothing".to_owned();
    for slug in things.own[..1].iter().chain(&things.others[..1]).chain([&unknown]) {
        let path = api(&path::of(path::ARTICLE, slug));
        for change in [
            json!({"article": {"body": "changed"}}),
            json!({"article": {"tagList": []}}),
            json!({"article": {"tagList": null}}),
            json!({"article": {"title": ""}}),
            json!({"article": {}}),
        ] {
            requests.extend(by_all(&call(Method::PUT, path.clone(), &change)));
        }
    }
    for slug in things.others.iter().chain([&unknown]) {
        let favorite = api(&path::of(path::FAVORITE, slug));
        for request in [
            bare(Method::POST, favorite.clone()),
            bare(Method::DELETE, favorite),
            Request::form(at_article(slug, "/favorite"), &[("back", "/")]),
            Request::form(at_article(slug, "/favorite"), &[]),
            Request::form(at_article(slug, "/unfavorite"), &[]),
        ] {
            requests.extend(by_all(&request));
        }
    }
    requests
}

fn comments(things: &Things) -> Vec<Request> {
    let mut requests = Vec::new();
    let said = |text: &str| json!({"comment": {"body": text}});
    for slug in [things.others[0].as_str(), "nothing"] {
        let path = api(&path::of(path::COMMENTS, slug));
        for text in ["  two\nlines <b>", "", "nul \0"] {
            requests.extend(by_all(&call(Method::POST, path.clone(), &said(text))));
            let form = Request::form(at_article(slug, "/comments"), &[("body", text)]);
            requests.extend(by_all(&form));
        }
        for number in ["0", "x", "999999999", "-1", "99999999999999999999"] {
            requests.extend(by_all(&bare(Method::DELETE, format!("{path}/{number}"))));
            let form = at_article(slug, &format!("/comments/{number}/delete"));
            requests.extend(by_all(&Request::form(form, &[])));
        }
    }
    if let Some((slug, id, author)) = &things.comment {
        let number = format!("/comments/{id}");
        let call = bare(Method::DELETE, format!("{}/{id}", api(&path::of(path::COMMENTS, slug))));
        requests.push(call.clone().by(Who::Guest));
        requests
            .push(Request::form(at_article(slug, &format!("{number}/delete")), &[]).by(*author));
        requests.push(call.by(*author));
    }
    requests
}

fn settings(things: &Things) -> Vec<Request> {
    let mut requests = Vec::new();
    for change in [
        json!({"user": {"bio": "<b>bio</b>", "image": "https://example.com/a.png"}}),
        json!({"user": {"bio": null, "image": ""}}),
        json!({"user": {"email": null}}),
        json!({"user": {"email": "", "password": "short"}}),
        json!({"user": {}}),
        json!([]),
    ] {
        requests.extend(by_all(&call(Method::PUT, api(path::USER), &change)));
    }
    let taken = json!({"user": {"email": things.taken}});
    requests.push(call(Method::PUT, api(path::USER), &taken).by(ACTOR));
    for fields in [
        vec![("bio", "from a form"), ("image", ""), ("password", "")],
        vec![("username", ""), ("email", "kept <i>"), ("bio", "kept"), ("password", "short")],
        vec![("email", things.taken.as_str())],
    ] {
        let form = Request::form("/settings", &fields);
        requests.extend([Who::Guest, Who::Forger(0), ACTOR].map(|who| form.clone().by(who)));
    }
    requests
}

fn deletions(things: &Things) -> Vec<Request> {
    let mut requests = Vec::new();
    for slug in things.own[..1].iter().chain(&things.others[..1]) {
        requests.extend(by_all(&bare(Method::DELETE, api(&path::of(path::ARTICLE, slug)))));
    }
    for slug in things.own.iter().skip(1).chain(&things.others[..1]) {
        requests.extend(by_all(&Request::form(at_article(slug, "/delete"), &[])));
    }
    requests
}

/// Every page and resource on which something of all this can be seen.
fn looks(things: &Things) -> Vec<Request> {
    let mut requests = Vec::new();
    let mut pages: Vec<String> =
        ["/", "/?feed=following", "/settings", "/editor", "/tag/parity", "/editor/nothing"]
            .map(str::to_owned)
            .into();
    for slug in things.own.iter().chain(&things.others) {
        pages.push(at_article(slug, ""));
        pages.push(format!("/editor/{}", segment(slug)));
    }
    pages.push(format!("/profile/{}", segment(&things.somebody)));
    let resources = [
        api(path::TAGS),
        api(path::USER),
        api(path::FEED),
        format!("{}?limit=2&offset=1", api(path::FEED)),
        format!("{}?limit=0", api(path::FEED)),
        api(&path::of(path::COMMENTS, &things.others[0])),
        format!("{}?limit=5", api(path::ARTICLES)),
    ];
    for who in [Who::Guest, Who::Forger(0), ACTOR, OTHER] {
        requests.extend(pages.iter().map(|path| page(path.clone()).by(who)));
        requests.extend(resources.iter().map(|path| resource(path.clone()).by(who)));
    }
    debug_assert!(requests.iter().any(|request| request.target == Target::Page));
    requests
}
