//! Bad input of every kind in every field, at both front doors: each is refused in the door's own
//! shape, with a status that blames the sender, and changes nothing.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has to stop")]

mod architecture;
mod served;

use architecture::{Architecture, monolith, split};
use bytes::Bytes;
use conduit::wire::{API, path};
use contract::{
    databases,
    dataset::{Article, Dataset, PASSWORD, Size},
    parity::{Answer, Request, Target, Visitors, Who},
};
use http::{
    HeaderValue, Method,
    header::{AUTHORIZATION, CONTENT_TYPE, COOKIE},
};
use serde_json::{Value, json};

const ME: Who = Who::User(0);

fn dataset() -> Dataset {
    Dataset::new(Size { users: 4, articles: 12, ..Size::default() }, 21)
}

/// An article by [`ME`], so that nothing but the input can be what is refused.
fn own_article() -> Article {
    let own = |index: &u64| dataset().author(*index) == 0;
    dataset().article((0..12).find(own).expect("the first account has written something"))
}

/// Something that is sent, with the fields it takes: in JSON and as a form.
struct Sent {
    method: Method,
    api: String,
    envelope: &'static str,
    page: Option<String>,
    sound: Value,
    /// Fields that may be blank, or not there.
    optional: &'static [&'static str],
}

fn everything_that_is_sent() -> Vec<Sent> {
    let Article { slug, title, .. } = own_article();
    let segment = path::of("{slug}", &slug);
    let user = json!({"username": "fresh", "email": "fresh@example.com", "password": "12345678"});
    let article = json!({"title": "t", "description": "d", "body": "b"});
    let sent = |method: Method, api: &str, envelope, page: Option<String>, sound| Sent {
        method,
        api: format!("{API}{api}"),
        envelope,
        page,
        sound,
        optional: &[],
    };
    let mut change = user.clone();
    change["bio"] = json!("about");
    change["image"] = json!("https://example.com/a.png");
    let mut login = user.clone();
    login.as_object_mut().unwrap().remove("username");
    vec![
        sent(Method::POST, path::USERS, "user", Some("/register".into()), user),
        sent(Method::POST, path::LOGIN, "user", Some("/login".into()), login),
        Sent {
            // In the form a blank password means the old one.
            optional: &["bio", "image", "password"],
            ..sent(Method::PUT, path::USER, "user", Some("/settings".into()), change)
        },
        sent(Method::POST, path::ARTICLES, "article", Some("/editor".into()), article),
        sent(
            Method::PUT,
            &path::of(path::ARTICLE, &slug),
            "article",
            Some(format!("/editor/{segment}")),
            // Another title would bring another slug.
            json!({"title": title, "description": "d", "body": "b"}),
        ),
        sent(
            Method::POST,
            &path::of(path::COMMENTS, &slug),
            "comment",
            Some(format!("/article/{segment}/comments")),
            json!({"body": "text"}),
        ),
    ]
}

/// Values that no text field takes.
fn bad_texts(field: &str) -> Vec<String> {
    let mut texts: Vec<String> = vec!["x".repeat(600_000)];
    if field != "password" {
        // A password may contain whatever its owner can type.
        texts.extend(["nul \0".to_owned(), "bell \u{7}".to_owned()]);
    }
    texts
}

const BLANK: [&str; 3] = ["", " ", "\t\n"];

/// Values of a type that no text field has.
fn wrong_types() -> Vec<String> {
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let mut values: Vec<String> =
        ["5", "-1.5e3", "true", "[]", "{}", r#"["x"]"#, r#""\ud800""#, "\"open", "nul", "'x'"]
            .map(str::to_owned)
            .into();
    values.push(deep);
    values
}

fn calls(sent: &Sent) -> Vec<Request> {
    let request =
        |body: String| Request::json(sent.api.clone(), body).method(sent.method.clone()).by(ME);
    let with = |field: &str, value: &str| {
        let mut object = sent.sound.clone();
        object[field] = json!("PLACE");
        let body = json!({ sent.envelope: object }).to_string().replace("\"PLACE\"", value);
        request(body)
    };
    let mut requests = Vec::new();
    for field in sent.sound.as_object().unwrap().keys() {
        let may_be_blank = ["bio", "image"].contains(&field.as_str());
        let blank = BLANK.into_iter().filter(|_| !may_be_blank).map(str::to_owned);
        // Signing in with a strange address is no mistake in form, it only leads nowhere.
        for text in blank.chain(bad_texts(field)) {
            requests.push(with(field, &json!(text).to_string()));
        }
        let null = if may_be_blank { None } else { Some("null".to_owned()) };
        for value in wrong_types().into_iter().chain(null) {
            requests.push(with(field, &value));
        }
        let twice = format!("\"y\",{}:\"z\"", json!(field));
        requests.push(with(field, &twice));
    }
    if sent.envelope == "article" {
        for tags in ["null", "5", "\"x\"", "[5]", "[null]", "[[]]", "[\"\"]", "[\"a\\u0000b\"]"] {
            requests.push(with("tagList", tags));
        }
        let many: Vec<_> = (0..51).map(|number| format!("tag-{number}")).collect();
        requests.push(with("tagList", &json!(many).to_string()));
    }
    let sound = json!({ sent.envelope: sent.sound }).to_string();
    for body in ["", "{", "[]", "null", "5", "\"x\"", "{}", "\u{feff}{}", "{\"user\":{}}x"] {
        requests.push(request(body.to_owned()));
    }
    for inner in ["null", "5", "[]", "\"x\""] {
        requests.push(request(format!("{{{}:{inner}}}", json!(sent.envelope))));
    }
    requests.push(Request {
        body: Bytes::from_static(b"{\"user\":\"\xff\xfe\"}"),
        ..request(String::new())
    });
    requests.push(request("x".repeat(3 * 1024 * 1024)));
    requests.push(request(sound.clone()).header(CONTENT_TYPE, "text/plain"));
    requests.push(request(sound.clone()).header(CONTENT_TYPE, "application/x-www-form-urlencoded"));
    let mut unsaid = request(sound);
    unsaid.headers.remove(CONTENT_TYPE);
    requests.push(unsaid);
    requests
}

fn forms(sent: &Sent) -> Vec<Request> {
    let Some(page) = &sent.page else { return Vec::new() };
    let fields = sent.sound.as_object().unwrap();
    let sound: Vec<_> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    let mut requests = Vec::new();
    for changed in fields.keys() {
        let blank = BLANK.into_iter().filter(|_| !sent.optional.contains(&changed.as_str()));
        for text in blank.map(str::to_owned).chain(bad_texts(changed)) {
            let fields: Vec<_> = sound
                .iter()
                .map(|&(name, value)| (name, if name == changed { text.as_str() } else { value }))
                .collect();
            requests.push(Request::form(page, &fields).by(ME));
        }
    }
    let form = || Request::form(page, &sound).by(ME);
    requests.push(Request { body: "title=%ff&body=%ff&email=%ff&username=%ff".into(), ..form() });
    requests.push(Request { body: Bytes::from(vec![b'x'; 3 * 1024 * 1024]), ..form() });
    requests.push(form().header(CONTENT_TYPE, "text/plain"));
    requests.push(form().header(CONTENT_TYPE, "application/json"));
    requests
}

/// The same in order, at both doors.
fn sound(sent: &Sent) -> Vec<Request> {
    let mut object = sent.sound.clone();
    let login = sent.page.as_deref() == Some("/login");
    if login {
        object["email"] = json!(dataset().user(1).email);
        object["password"] = json!(PASSWORD);
    }
    let body = json!({ sent.envelope: object }).to_string();
    let call = Request::json(sent.api.clone(), body).method(sent.method.clone()).by(ME);
    let fields = object.as_object().unwrap();
    let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
    // A name can be given away once.
    let page = sent.page.as_deref().unwrap_or_default();
    let (username, email) =
        (format!("fresh{page}"), format!("{}@example.com", page.trim_start_matches('/')));
    let fields: Vec<_> = fields
        .map(|(name, value)| match name {
            "username" => (name, username.as_str()),
            "email" if !login => (name, email.as_str()),
            _ => (name, value),
        })
        .collect();
    let form = sent.page.iter().map(|page| Request::form(page, &fields).by(ME));
    [call].into_iter().chain(form).collect()
}

/// Everything that anyone can see, as the API tells it.
async fn snapshot(visitors: &Visitors<Architecture>) -> Vec<Bytes> {
    let mut paths = vec![
        format!("{API}{}?limit=100", path::ARTICLES),
        format!("{API}{}", path::TAGS),
        format!("{API}{}", path::USER),
    ];
    for index in 0..12 {
        let slug = dataset().article(index).slug;
        paths.push(format!("{API}{}", path::of(path::ARTICLE, &slug)));
        paths.push(format!("{API}{}", path::of(path::COMMENTS, &slug)));
    }
    let mut seen = Vec::new();
    for path in paths {
        seen.push(visitors.ask(&Request::get(Target::Api, path).by(ME)).await.unwrap().body);
    }
    seen
}

fn shown(request: &Request, answer: &Answer) -> String {
    let body = String::from_utf8_lossy(&answer.body);
    let body: String = body.chars().take(300).collect();
    format!("{request}\n is answered {}: {body}", answer.status)
}

/// The sender is blamed, in the shape of this front door.
fn assert_refused(request: &Request, answer: &Answer) {
    assert!(answer.status.is_client_error(), "{}", shown(request, answer));
    let kind = answer.headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap());
    match request.target {
        Target::Api => {
            assert_eq!(kind, Some("application/json"), "{}", shown(request, answer));
            let body: Value = serde_json::from_slice(&answer.body).unwrap();
            let errors = body["errors"].as_object();
            let of_texts = |value: &Value| {
                value
                    .as_array()
                    .is_some_and(|texts| !texts.is_empty() && texts.iter().all(Value::is_string))
            };
            let shaped = errors.is_some_and(|e| !e.is_empty() && e.values().all(of_texts));
            assert!(shaped, "{}", shown(request, answer));
        }
        Target::Page => {
            assert_eq!(kind, Some("text/html; charset=utf-8"), "{}", shown(request, answer));
            let text = str::from_utf8(&answer.body).unwrap();
            assert!(text.contains("<nav class=\"navbar"), "{}", shown(request, answer));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_and_changes_nothing() {
    let everything = everything_that_is_sent();
    let (ones, others) = (databases::with(&dataset()).await, databases::with(&dataset()).await);
    for (one, other) in ones.iter().zip(&others) {
        for server in [monolith(one.connect().await), split(other.connect().await).await] {
            let known = [Target::Api, Target::Page].map(|t| Request::get(t, "/").by(ME));
            let visitors = Visitors::sign_in(server, &dataset(), &known).await.unwrap();
            let before = snapshot(&visitors).await;
            let mut count = 0;
            for sent in &everything {
                for request in calls(sent).into_iter().chain(forms(sent)) {
                    let answer = visitors.ask(&request).await.unwrap();
                    assert_refused(&request, &answer);
                    count += 1;
                }
            }
            assert!(snapshot(&visitors).await == before, "something has changed");
            // And it was the input that was refused: the same without the mistake is taken.
            for sent in everything.iter().rev() {
                for request in sound(sent) {
                    let answer = visitors.ask(&request).await.unwrap();
                    let taken = answer.status.is_success() || answer.status.is_redirection();
                    assert!(taken, "{}", shown(&request, &answer));
                }
            }
            println!("{count} bad inputs refused on {}", one.engine);
        }
    }
}

/// Tokens and cookies that nobody was ever given.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_in_with_a_bad_token() {
    for database in databases::with(&dataset()).await {
        let server = split(database.connect().await).await;
        let known = [Target::Api, Target::Page].map(|t| Request::get(t, "/").by(ME));
        let visitors = Visitors::sign_in(server, &dataset(), &known).await.unwrap();
        let slug = own_article().slug;
        for token in [
            "",
            "x",
            "a.b.c",
            "null",
            "ünïcode",
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIiwiZXhwIjo5OTk5OTk5OTk5fQ.",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIiwiZXhwIjo5OTk5OTk5OTk5fQ.AAAA",
            &"x".repeat(5_000),
        ] {
            let delete =
                Request::get(Target::Api, format!("{API}{}", path::of(path::ARTICLE, &slug)));
            let mut delete = delete.method(Method::DELETE);
            let value = HeaderValue::from_bytes(format!("Token {token}").as_bytes()).unwrap();
            delete.headers.insert(AUTHORIZATION, value);
            let answer = visitors.ask(&delete).await.unwrap();
            assert_refused(&delete, &answer);
            assert_eq!(answer.status, 401, "{token}");

            let mut home = Request::get(Target::Page, "/");
            let value =
                HeaderValue::from_bytes(format!("conduit_session={token}; other=1").as_bytes());
            home.headers.insert(COOKIE, value.unwrap());
            let answer = visitors.ask(&home).await.unwrap();
            assert_eq!(answer.status, 200, "{token}");
            let text = str::from_utf8(&answer.body).unwrap();
            assert!(text.contains("href=\"/login\""), "{token}: like any guest");
        }
        let article = Request::get(Target::Api, format!("{API}{}", path::of(path::ARTICLE, &slug)));
        assert_eq!(visitors.ask(&article).await.unwrap().status, 200, "nothing was deleted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_that_make_no_sense_are_refused() {
    for database in databases::with(&dataset()).await {
        let server = monolith(database.connect().await);
        let known = [Request::get(Target::Api, "/").by(ME)];
        let visitors = Visitors::sign_in(server, &dataset(), &known).await.unwrap();
        for query in [
            "limit=0",
            "limit=-1",
            "limit=99999999999999999999",
            "limit=ten",
            "limit=",
            "limit=1.5",
            "limit=%00",
            "offset=-1",
            "offset=99999999999999999999",
            "offset=x",
            "limit=1&limit=2",
            "limit=%ff",
        ] {
            for list in [path::ARTICLES, path::FEED] {
                let request = Request::get(Target::Api, format!("{API}{list}?{query}")).by(ME);
                let answer = visitors.ask(&request).await.unwrap();
                assert_refused(&request, &answer);
            }
        }
    }
}
