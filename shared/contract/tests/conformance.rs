//! The contract of the API, walked through from outside: statuses, keys and values as clients that
//! were written for other servers expect them, on both architectures and both databases.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has to stop")]

mod architecture;
mod served;

use architecture::{Architecture, monolith, split};
use bytes::Bytes;
use contract::{
    databases,
    parity::{Arm, Target},
};
use http::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use serde_json::{Value, json};

/// Somebody with a client for the API.
struct Client<'a> {
    server: &'a Architecture,
    token: Option<String>,
}

impl<'a> Client<'a> {
    fn guest(server: &'a Architecture) -> Self {
        Self { server, token: None }
    }

    /// Opens an account and goes on as its owner.
    async fn newcomer(server: &'a Architecture, name: &str) -> Self {
        let email = format!("{name}@example.com");
        let user = json!({"user": {"username": name, "email": email, "password": "password"}});
        let answer = Self::guest(server).call("POST", "/users", user).await;
        assert_eq!(answer.0, 201, "{answer:?}");
        let token = answer.1["user"]["token"].as_str().unwrap().to_owned();
        Self { server, token: Some(token) }
    }

    /// Status and body of the answer; no body counts as null. `Null` sends no body.
    async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let mut request = http::Request::builder()
            .method(Method::try_from(method).unwrap())
            .uri(format!("http://conduit.example/api{path}"));
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Token {token}"));
        }
        if !body.is_null() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let bytes = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let answer = self.server.send(Target::Api, request.body(bytes).unwrap()).await.unwrap();
        let status = answer.status.as_u16();
        if answer.body.is_empty() {
            return (status, Value::Null);
        }
        let kind = answer.headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(kind.as_deref(), Some("application/json"), "{method} {path}");
        (status, serde_json::from_slice(&answer.body).unwrap())
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.call("GET", path, Value::Null).await
    }

    /// The answer to a call that has to be answered with this status.
    async fn ok(&self, status: u16, method: &str, path: &str, body: Value) -> Value {
        let answer = self.call(method, path, body).await;
        assert_eq!(answer.0, status, "{method} {path}: {}", answer.1);
        answer.1
    }

    async fn refused(&self, method: &str, path: &str, body: Value, status: u16, error: Value) {
        let answer = self.call(method, path, body).await;
        assert_eq!(answer, (status, json!({ "errors": error })), "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_on_every_wiring() {
    let (ones, others) = (databases::empty().await, databases::empty().await);
    for (one, other) in ones.iter().zip(&others) {
        for server in [monolith(one.connect().await), split(other.connect().await).await] {
            accounts(&server).await;
            articles(&server).await;
            lists(&server).await;
            comments(&server).await;
            errors(&server).await;
        }
    }
}

async fn accounts(server: &Architecture) {
    let ada = Client::newcomer(server, "ada").await;
    let user = ada.ok(200, "GET", "/user", Value::Null).await["user"].clone();
    assert_eq!(keys(&user), ["bio", "email", "image", "token", "username"]);
    assert_eq!((&user["bio"], &user["image"]), (&Value::Null, &Value::Null));
    let credentials = json!({"user": {"email": "ada@example.com", "password": "password"}});
    let login = Client::guest(server).ok(200, "POST", "/users/login", credentials).await;
    assert_eq!(login["user"]["username"], "ada");

    let put = async |change: Value| ada.call("PUT", "/user", json!({ "user": change })).await;
    for (change, key, value) in [
        (json!({"bio": "text"}), "bio", json!("text")),
        (
            json!({"image": "https://example.com/a.png"}),
            "image",
            json!("https://example.com/a.png"),
        ),
        (json!({"bio": ""}), "bio", Value::Null),
        (json!({"image": null}), "image", Value::Null),
        (json!({"bio": "again"}), "bio", json!("again")),
        (json!({"bio": null}), "bio", Value::Null),
        (json!({"password": "x".repeat(64)}), "username", json!("ada")),
        (json!({"email": "ada@new.example"}), "email", json!("ada@new.example")),
    ] {
        let (status, body) = put(change.clone()).await;
        assert_eq!((status, &body["user"][key]), (200, &value), "{change}");
        assert_eq!(keys(&body["user"]), keys(&user), "always complete");
    }
    for change in [
        json!({"email": ""}),
        json!({"email": null}),
        json!({"username": ""}),
        json!({"username": null}),
        json!({"password": ""}),
        json!({"password": null}),
        json!({"password": "1234567"}),
    ] {
        assert_eq!(put(change.clone()).await.0, 422, "{change}");
    }
    let user = ada.ok(200, "GET", "/user", Value::Null).await;
    assert_eq!(user["user"]["email"], "ada@new.example", "the first token is still good");
    ada.ok(200, "PUT", "/user", json!({"user": {"email": "ada@example.com"}})).await;
}

async fn articles(server: &Architecture) {
    let bob = Client::newcomer(server, "bob").await;
    let tags = json!(["training", "dragons"]);
    let new =
        json!({"article": {"title": "How to", "description": "d", "body": "b", "tagList": tags}});
    let created = bob.ok(201, "POST", "/articles", new.clone()).await["article"].clone();
    let all = [
        "author",
        "body",
        "createdAt",
        "description",
        "favorited",
        "favoritesCount",
        "slug",
        "tagList",
        "title",
        "updatedAt",
    ];
    assert_eq!(keys(&created), all);
    assert_eq!(keys(&created["author"]), ["bio", "following", "image", "username"]);
    assert_eq!(created["tagList"], json!(["dragons", "training"]), "in alphabetical order");
    let at = created["createdAt"].as_str().unwrap();
    assert!(at.len() == 24 && at.ends_with('Z') && at.as_bytes()[19] == b'.', "{at}");
    assert_eq!((&created["favorited"], &created["favoritesCount"]), (&json!(false), &json!(0)));

    let twin = bob.ok(201, "POST", "/articles", new).await["article"].clone();
    assert_ne!(twin["slug"], created["slug"], "the same title, another slug");
    let none = json!({"article": {"title": "No tags", "description": "d", "body": "b"}});
    let none = bob.ok(201, "POST", "/articles", none).await["article"].clone();
    assert_eq!(none["tagList"], json!([]));

    let path = format!("/articles/{}", created["slug"].as_str().unwrap());
    let put = async |change: Value| bob.call("PUT", &path, json!({ "article": change })).await;
    let (status, changed) = put(json!({"body": "other"})).await;
    assert_eq!((status, &changed["article"]["body"]), (200, &json!("other")));
    assert_eq!(changed["article"]["createdAt"], created["createdAt"]);
    assert_ne!(changed["article"]["updatedAt"], created["updatedAt"]);
    assert_eq!(changed["article"]["tagList"], created["tagList"], "left out is left alone");
    assert_eq!(put(json!({"tagList": null})).await.0, 422);
    assert_eq!(
        put(json!({"tagList": ["z", "a"]})).await.1["article"]["tagList"],
        json!(["a", "z"])
    );
    assert_eq!(put(json!({"tagList": []})).await.1["article"]["tagList"], json!([]));

    let favorite = format!("{path}/favorite");
    let marked = bob.ok(200, "POST", &favorite, Value::Null).await["article"].clone();
    assert_eq!((&marked["favorited"], &marked["favoritesCount"]), (&json!(true), &json!(1)));
    assert_eq!(keys(&marked), all, "one's own, and with its body");
    let unmarked = bob.ok(200, "DELETE", &favorite, Value::Null).await["article"].clone();
    assert_eq!((&unmarked["favorited"], &unmarked["favoritesCount"]), (&json!(false), &json!(0)));

    for article in [&created, &twin, &none] {
        let path = format!("/articles/{}", article["slug"].as_str().unwrap());
        assert_eq!(bob.call("DELETE", &path, Value::Null).await, (204, Value::Null));
        assert_eq!(bob.get(&path).await.0, 404);
    }
}

async fn lists(server: &Architecture) {
    let (cyd, dan) = (Client::newcomer(server, "cyd").await, Client::newcomer(server, "dan").await);
    assert_eq!(dan.get("/articles/feed").await, (200, json!({"articles": [], "articlesCount": 0})));
    let mut slugs = Vec::new();
    for number in 0..3 {
        let tag = json!([format!("tag-{number}"), "all"]);
        let new = json!({"title": "List", "description": "d", "body": "b", "tagList": tag});
        let answer = cyd.ok(201, "POST", "/articles", json!({ "article": new })).await;
        slugs.push(answer["article"]["slug"].as_str().unwrap().to_owned());
    }
    let profile = dan.ok(200, "POST", "/profiles/cyd/follow", Value::Null).await;
    assert_eq!(profile["profile"]["following"], true);
    for (path, count, first) in [
        ("/articles?limit=1", 3, Some(2)),
        ("/articles?limit=1&offset=1", 3, Some(1)),
        ("/articles?author=cyd&limit=2", 3, Some(2)),
        ("/articles?tag=tag-0", 1, Some(0)),
        ("/articles?tag=all&offset=2", 3, Some(0)),
        ("/articles?author=nobody", 0, None),
        ("/articles/feed", 3, Some(2)),
        ("/articles/feed?limit=1&offset=2", 3, Some(0)),
    ] {
        let list = dan.ok(200, "GET", path, Value::Null).await;
        assert_eq!(list["articlesCount"], count, "{path}");
        let expected = first.map_or(Value::Null, |first: usize| json!(slugs[first]));
        assert_eq!(list["articles"][0]["slug"], expected, "{path}");
        for article in list["articles"].as_array().unwrap() {
            assert!(article.get("body").is_none(), "no texts in lists");
            assert_eq!(article["author"]["following"], true);
        }
    }
    let tags = dan.ok(200, "GET", "/tags", Value::Null).await;
    assert_eq!(tags, json!({"tags": ["all", "tag-0", "tag-1", "tag-2"]}));
    let profile = dan.ok(200, "DELETE", "/profiles/cyd/follow", Value::Null).await;
    assert_eq!(profile["profile"]["following"], false);
    for slug in slugs {
        cyd.ok(204, "DELETE", &format!("/articles/{slug}"), Value::Null).await;
    }
}

async fn comments(server: &Architecture) {
    let (eve, fay) = (Client::newcomer(server, "eve").await, Client::newcomer(server, "fay").await);
    let new = json!({"article": {"title": "Talk", "description": "d", "body": "b"}});
    let slug = eve.ok(201, "POST", "/articles", new).await["article"]["slug"].clone();
    let path = format!("/articles/{}/comments", slug.as_str().unwrap());
    let said = json!({"comment": {"body": "text "}});
    let comment = fay.ok(201, "POST", &path, said).await["comment"].clone();
    assert_eq!(keys(&comment), ["author", "body", "createdAt", "id", "updatedAt"]);
    assert!(comment["id"].is_i64() && comment["body"] == "text ");
    let listed = Client::guest(server).ok(200, "GET", &path, Value::Null).await;
    assert_eq!(listed, json!({ "comments": [comment] }));

    let own = format!("{path}/{}", comment["id"]);
    eve.refused("DELETE", &own, Value::Null, 403, json!({"comment": ["forbidden"]})).await;
    let unknown = format!("{path}/99999");
    fay.refused("DELETE", &unknown, Value::Null, 404, json!({"comment": ["not found"]})).await;
    assert_eq!(fay.call("DELETE", &own, Value::Null).await, (204, Value::Null));
    assert_eq!(fay.get(&path).await, (200, json!({"comments": []})));
    eve.ok(204, "DELETE", &format!("/articles/{}", slug.as_str().unwrap()), Value::Null).await;
}

async fn errors(server: &Architecture) {
    let guest = Client::guest(server);
    let (gus, hal) = (Client::newcomer(server, "gus").await, Client::newcomer(server, "hal").await);
    let new = json!({"article": {"title": "Mine", "description": "d", "body": "b"}});
    let article = gus.ok(201, "POST", "/articles", new.clone()).await["article"].clone();
    let own = format!("/articles/{}", article["slug"].as_str().unwrap());
    let comment = json!({"comment": {"body": "text"}});
    let change = json!({"article": {"body": "x"}});
    let none = Value::Null;
    for (method, path, body) in [
        ("GET", "/user", &none),
        ("PUT", "/user", &json!({"user": {}})),
        ("POST", "/profiles/ada/follow", &none),
        ("DELETE", "/profiles/ada/follow", &none),
        ("GET", "/articles/feed", &none),
        ("POST", "/articles", &new),
        ("PUT", &own, &change),
        ("DELETE", &own, &none),
        ("POST", &format!("{own}/favorite"), &none),
        ("DELETE", &format!("{own}/favorite"), &none),
        ("POST", &format!("{own}/comments"), &comment),
        ("DELETE", &format!("{own}/comments/1"), &none),
    ] {
        guest.refused(method, path, body.clone(), 401, json!({"token": ["is missing"]})).await;
    }
    for (method, path, body) in [("PUT", &own, &change), ("DELETE", &own, &none)] {
        hal.refused(method, path, body.clone(), 403, json!({"article": ["forbidden"]})).await;
    }
    for (method, path, body) in [
        ("GET", "/articles/unknown", &none),
        ("PUT", "/articles/unknown", &change),
        ("DELETE", "/articles/unknown", &none),
        ("POST", "/articles/unknown/favorite", &none),
        ("DELETE", "/articles/unknown/favorite", &none),
        ("GET", "/articles/unknown/comments", &none),
        ("POST", "/articles/unknown/comments", &comment),
        ("DELETE", "/articles/unknown/comments/1", &none),
    ] {
        gus.refused(method, path, body.clone(), 404, json!({"article": ["not found"]})).await;
    }
    for (method, path) in
        [("GET", "/profiles/x"), ("POST", "/profiles/x/follow"), ("DELETE", "/profiles/x/follow")]
    {
        gus.refused(method, path, none.clone(), 404, json!({"profile": ["not found"]})).await;
    }
    bad_fields(&guest, &gus, &own, new).await;
    gus.ok(204, "DELETE", &own, Value::Null).await;
}

/// Fields that are blank, and names that are taken.
async fn bad_fields(guest: &Client<'_>, gus: &Client<'_>, own: &str, new: Value) {
    let user = |name: &str, email: &str, password: &str| json!({"user": {"username": name, "email": email, "password": password}});
    let taken = json!(["has already been taken"]);
    let blank = json!(["can't be blank"]);
    for (path, body, status, error) in [
        ("/users", user("gus", "new@b.c", "password"), 409, json!({"username": taken})),
        ("/users", user("new", "gus@example.com", "password"), 409, json!({"email": taken})),
        ("/users", user("", "new@b.c", "password"), 422, json!({"username": blank})),
        ("/users", user("new", "", "password"), 422, json!({"email": blank})),
        ("/users", user("new", "new@b.c", ""), 422, json!({"password": blank})),
        ("/users/login", user("", "", "password"), 422, json!({"email": blank})),
        ("/users/login", user("", "a@b.c", ""), 422, json!({"password": blank})),
        ("/users/login", user("", "a@b.c", "p"), 401, json!({"credentials": ["invalid"]})),
    ] {
        guest.refused("POST", path, body, status, error).await;
    }
    for field in ["title", "description", "body"] {
        let mut body = new.clone();
        body["article"][field] = json!("");
        let mut error = json!({});
        error[field] = blank.clone();
        gus.refused("POST", "/articles", body, 422, error).await;
    }
    let empty = json!({"comment": {"body": ""}});
    gus.refused("POST", &format!("{own}/comments"), empty, 422, json!({ "body": blank })).await;
}

fn keys(object: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = object.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}
