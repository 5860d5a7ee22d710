//! What somebody can do, and the request that it takes.

use conduit::wire::{API, path};
use contract::parity::{Request, Target, Who};
use http::Method;
use proptest::{prelude::*, sample::Index};
use serde_json::{Map, Value, json};

/// How many accounts of the dataset take part.
const PEOPLE: u64 = 3;

/// One thing that somebody does.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) who: Who,
    /// At which front door.
    pub(crate) target: Target,
    pub(crate) act: Act,
}

#[derive(Clone, Debug)]
pub(crate) enum Act {
    Register { name: &'static str },
    Settings { field: &'static str, text: &'static str },
    Follow { whom: u64, wanted: bool },
    Publish { title: &'static str, tags: Vec<&'static str> },
    Edit { article: Index, change: Change },
    Delete { article: Index },
    Favorite { article: Index, wanted: bool },
    Comment { article: Index, text: &'static str },
    DeleteComment { article: Index, comment: Index },
}

#[derive(Clone, Debug)]
pub(crate) enum Change {
    Title(&'static str),
    Body(&'static str),
    Tags(Vec<&'static str>),
}

const TEXTS: [&str; 7] =
    ["", " ", "Plain words", "Größe & <b>bold</b>", "nul \0", "\u{202e}مرحبا 🦄", "two\nlines"];

fn text() -> impl Strategy<Value = &'static str> {
    // Mostly such as are taken, else little would happen.
    prop_oneof![3 => Just("Plain words"), 2 => proptest::sample::select(&TEXTS[..])]
}

fn tags() -> impl Strategy<Value = Vec<&'static str>> {
    proptest::sample::subsequence(vec!["a", "b c", "größe"], 0..=3)
}

fn act() -> impl Strategy<Value = Act> {
    let article = any::<Index>;
    let change = prop_oneof![
        text().prop_map(Change::Title),
        text().prop_map(Change::Body),
        tags().prop_map(Change::Tags),
    ];
    let field = proptest::sample::select(vec!["username", "email", "bio", "image"]);
    let name = proptest::sample::select(vec!["newcomer", "another", "Newcomer", ""]);
    prop_oneof![
        1 => name.prop_map(|name| Act::Register { name }),
        2 => (field, text()).prop_map(|(field, text)| Act::Settings { field, text }),
        3 => (0..PEOPLE, any::<bool>()).prop_map(|(whom, wanted)| Act::Follow { whom, wanted }),
        5 => (text(), tags()).prop_map(|(title, tags)| Act::Publish { title, tags }),
        4 => (article(), change).prop_map(|(article, change)| Act::Edit { article, change }),
        2 => article().prop_map(|article| Act::Delete { article }),
        4 => (article(), any::<bool>())
            .prop_map(|(article, wanted)| Act::Favorite { article, wanted }),
        4 => (article(), text()).prop_map(|(article, text)| Act::Comment { article, text }),
        3 => (article(), any::<Index>())
            .prop_map(|(article, comment)| Act::DeleteComment { article, comment }),
    ]
}

/// Any step.
pub(crate) fn step() -> impl Strategy<Value = Step> {
    let who = prop_oneof![
        12 => (0..PEOPLE).prop_map(Who::User),
        1 => Just(Who::Guest),
        1 => (0..PEOPLE).prop_map(Who::Forger),
    ];
    let target = prop_oneof![Just(Target::Api), Just(Target::Page)];
    (who, target, act()).prop_map(|(who, target, act)| Step { who, target, act })
}

/// A request by everyone at both doors, so that they can be signed in.
pub(crate) fn everyone() -> Vec<Request> {
    let by = |user| [Target::Api, Target::Page].map(|t| Request::get(t, "/").by(Who::User(user)));
    (0..PEOPLE).flat_map(by).collect()
}

/// What steps refer to, as it is now.
#[derive(Default)]
pub(crate) struct Things {
    /// Newest first.
    pub(crate) slugs: Vec<String>,
    /// The numbers of the comments under the article that the step is about.
    pub(crate) comments: Vec<i64>,
    /// What the people are called.
    pub(crate) names: Vec<String>,
}

impl Things {
    fn slug(&self, article: &Index) -> &str {
        if self.slugs.is_empty() { "nothing" } else { &self.slugs[article.index(self.slugs.len())] }
    }

    fn name(&self, whom: u64) -> &str {
        &self.names[usize::try_from(whom).unwrap()]
    }
}

impl Step {
    /// The slug of the article that the step is about.
    pub(crate) fn article<'a>(&self, things: &'a Things) -> Option<&'a str> {
        match &self.act {
            Act::Edit { article, .. }
            | Act::Delete { article }
            | Act::Favorite { article, .. }
            | Act::Comment { article, .. }
            | Act::DeleteComment { article, .. } => Some(things.slug(article)),
            Act::Register { .. }
            | Act::Settings { .. }
            | Act::Follow { .. }
            | Act::Publish { .. } => None,
        }
    }

    /// What is sent to do it.
    pub(crate) fn request(&self, things: &Things) -> Request {
        let request = match self.target {
            Target::Api => self.call(things),
            Target::Page => self.form(things),
        };
        request.by(self.who)
    }

    fn call(&self, things: &Things) -> Request {
        let to = |template: &str, name: &str| api(&path::of(template, name));
        match &self.act {
            Act::Register { name } => {
                Request::json(api(path::USERS), json!({ "user": registration(name) }).to_string())
            }
            Act::Settings { field, text } => {
                let changes = Map::from_iter([((*field).to_owned(), Value::from(*text))]);
                let body = json!({ "user": changes }).to_string();
                Request::json(api(path::USER), body).method(Method::PUT)
            }
            Act::Follow { whom, wanted } => switch(to(path::FOLLOW, things.name(*whom)), *wanted),
            Act::Publish { title, tags } => {
                let article =
                    json!({"title": title, "description": "d", "body": "text", "tagList": tags});
                Request::json(api(path::ARTICLES), json!({ "article": article }).to_string())
            }
            Act::Edit { article, change } => {
                let changes = match change {
                    Change::Title(title) => json!({ "title": title }),
                    Change::Body(body) => json!({ "body": body }),
                    Change::Tags(tags) => json!({ "tagList": tags }),
                };
                let body = json!({ "article": changes }).to_string();
                Request::json(to(path::ARTICLE, things.slug(article)), body).method(Method::PUT)
            }
            Act::Delete { article } => {
                let path = to(path::ARTICLE, things.slug(article));
                Request::get(Target::Api, path).method(Method::DELETE)
            }
            Act::Favorite { article, wanted } => {
                switch(to(path::FAVORITE, things.slug(article)), *wanted)
            }
            Act::Comment { article, text } => {
                let body = json!({ "comment": { "body": text } }).to_string();
                Request::json(to(path::COMMENTS, things.slug(article)), body)
            }
            Act::DeleteComment { article, comment } => {
                let number = number(things, comment);
                let path = to(path::COMMENTS, things.slug(article));
                Request::get(Target::Api, format!("{path}/{number}")).method(Method::DELETE)
            }
        }
    }

    fn form(&self, things: &Things) -> Request {
        let about = |article: &Index, what: &str| {
            format!("{}/{what}", page("article", things.slug(article)))
        };
        let switched = |wanted: bool, on: &'static str, off: &'static str| {
            if wanted { on } else { off }
        };
        match &self.act {
            Act::Register { name } => {
                let email = format!("{name}@example.com");
                let fields =
                    [("username", *name), ("email", &email), ("password", "correct horse")];
                Request::form("/register", &fields)
            }
            Act::Settings { field, text } => Request::form("/settings", &[(*field, *text)]),
            Act::Follow { whom, wanted } => {
                let what = switched(*wanted, "follow", "unfollow");
                let profile = page("profile", things.name(*whom));
                Request::form(format!("{profile}/{what}"), &[])
            }
            Act::Publish { title, tags } => {
                let texts = [("title", *title), ("description", "d"), ("body", "text")];
                Request::form("/editor", &editor(&texts, tags))
            }
            Act::Edit { article, change } => {
                let (mut title, mut body, mut tags) = ("Plain words", "text", &Vec::new());
                match change {
                    Change::Title(text) => title = text,
                    Change::Body(text) => body = text,
                    Change::Tags(given) => tags = given,
                }
                let texts = [("title", title), ("description", "d"), ("body", body)];
                let fields = editor(&texts, tags);
                Request::form(page("editor", things.slug(article)), &fields)
            }
            Act::Delete { article } => Request::form(about(article, "delete"), &[]),
            Act::Favorite { article, wanted } => {
                let what = switched(*wanted, "favorite", "unfavorite");
                Request::form(about(article, what), &[])
            }
            Act::Comment { article, text } => {
                Request::form(about(article, "comments"), &[("body", *text)])
            }
            Act::DeleteComment { article, comment } => {
                let number = number(things, comment);
                Request::form(about(article, &format!("comments/{number}/delete")), &[])
            }
        }
    }

    /// What is looked at after the step, by who did it.
    pub(crate) fn looks(&self, things: &Things) -> Vec<Request> {
        // Somebody with a forged token sees nothing but that.
        let who = if matches!(self.who, Who::Forger(_)) { Who::Guest } else { self.who };
        let resources = [path::TAGS, path::USER, path::FEED].map(api);
        let mut looks: Vec<_> =
            resources.into_iter().map(|path| Request::get(Target::Api, path)).collect();
        looks.push(Request::get(Target::Page, "/"));
        looks.push(Request::get(Target::Page, "/?feed=following"));
        if let Some(slug) = self.article(things) {
            looks.push(Request::get(Target::Page, page("article", slug)));
            looks.push(Request::get(Target::Page, page("editor", slug)));
            looks.push(Request::get(Target::Api, api(&path::of(path::ARTICLE, slug))));
        }
        if let Act::Follow { whom, .. } = self.act {
            looks.push(Request::get(Target::Page, page("profile", things.name(whom))));
        }
        if let Act::Settings { .. } = self.act {
            looks.push(Request::get(Target::Page, "/settings"));
        }
        looks.into_iter().map(|request| request.by(who)).collect()
    }
}

fn api(path: &str) -> String {
    format!("{API}{path}")
}

fn page(what: &str, name: &str) -> String {
    format!("/{what}/{}", percent_encoding::utf8_percent_encode(name, path::SEGMENT))
}

fn switch(path: String, wanted: bool) -> Request {
    let method = if wanted { Method::POST } else { Method::DELETE };
    Request::get(Target::Api, path).method(method)
}

fn registration(name: &str) -> Value {
    let email = format!("{name}@example.com");
    json!({"username": name, "email": email, "password": "correct horse"})
}

fn number(things: &Things, comment: &Index) -> i64 {
    let comments = &things.comments;
    if comments.is_empty() { 0 } else { comments[comment.index(comments.len())] }
}

fn editor<'a>(texts: &[(&'a str, &'a str)], tags: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    let mut fields = texts.to_vec();
    fields.extend(tags.iter().map(|tag| ("tag", *tag)));
    fields.push(("do", "publish"));
    fields
}
