//! A port that says what it was told to say, and remembers what it was asked.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::DateTime;
use conduit::{
    Article, ArticlePage, ArticleSummary, Caller, Comment, Conduit, Credentials, Error,
    ListArticles, Profile, Registration, Result, Token, Unauthorized, User,
};

/// The only good token.
pub(crate) const TOKEN: &str = "good-token";

/// The answers of every use case. Change what a test is about, then put it behind the pages.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) register: Result<User>,
    pub(crate) login: Result<User>,
    pub(crate) current_user: Result<User>,
    pub(crate) profile: Result<Profile>,
    pub(crate) articles: Result<ArticlePage>,
    pub(crate) article: Result<Article>,
    pub(crate) comments: Result<Vec<Comment>>,
    pub(crate) tags: Result<Vec<String>>,
    pub(crate) calls: Arc<Mutex<Vec<String>>>,
}

pub(crate) fn profile(username: &str) -> Profile {
    Profile { username: username.to_owned(), bio: None, image: None, following: false }
}

pub(crate) fn user(username: &str) -> User {
    User {
        email: format!("{username}@example.com"),
        token: Token::new(TOKEN),
        username: username.to_owned(),
        bio: None,
        image: None,
    }
}

pub(crate) fn article() -> Article {
    let time = DateTime::from_timestamp(1_768_919_220, 0).expect("a valid time").into();
    Article {
        slug: "how-to-ride".to_owned(),
        title: "How to ride".to_owned(),
        description: "A dragon, that is".to_owned(),
        body: "Hold on *tight*.".to_owned(),
        tag_list: vec!["dragons".to_owned(), "training".to_owned()],
        created_at: time,
        updated_at: time,
        favorited: false,
        favorites_count: 7,
        author: profile("hiccup"),
    }
}

pub(crate) fn summary(article: Article) -> ArticleSummary {
    ArticleSummary {
        slug: article.slug,
        title: article.title,
        description: article.description,
        tag_list: article.tag_list,
        created_at: article.created_at,
        updated_at: article.updated_at,
        favorited: article.favorited,
        favorites_count: article.favorites_count,
        author: article.author,
    }
}

pub(crate) fn comment(body: &str) -> Comment {
    let time = article().created_at;
    let (created_at, updated_at) = (time, time);
    Comment { id: 1, created_at, updated_at, body: body.to_owned(), author: profile("astrid") }
}

impl Default for Script {
    fn default() -> Self {
        let articles = vec![summary(article())];
        Self {
            register: Ok(user("hiccup")),
            login: Ok(user("hiccup")),
            current_user: Ok(user("toothless")),
            profile: Ok(profile("hiccup")),
            articles: Ok(ArticlePage { articles, articles_count: 1 }),
            article: Ok(article()),
            comments: Ok(vec![comment("Nice!")]),
            tags: Ok(vec!["dragons".to_owned(), "training".to_owned()]),
            calls: Arc::default(),
        }
    }
}

impl Script {
    /// What was asked since the last time, in alphabetical order: the order of concurrent calls
    /// means nothing.
    pub(crate) fn take_calls(&self) -> Vec<String> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let mut calls = std::mem::take(&mut *calls);
        calls.sort();
        calls
    }

    fn answer<T: Clone>(&self, caller: &Caller, call: String, answer: &Result<T>) -> Result<T> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        match &caller.token {
            Some(token) if token.expose() != TOKEN => {
                Err(Error::Unauthorized(Unauthorized::Invalid))
            }
            _ => answer.clone(),
        }
    }
}

impl Conduit for Script {
    async fn ready(&self) -> Result<()> {
        Ok(())
    }

    async fn register(&self, caller: &Caller, new: Registration) -> Result<User> {
        let call = format!("register {} {} {}", new.username, new.email, new.password.expose());
        self.answer(caller, call, &self.register)
    }

    async fn login(&self, caller: &Caller, with: Credentials) -> Result<User> {
        let call = format!("login {} {}", with.email, with.password.expose());
        self.answer(caller, call, &self.login)
    }

    async fn current_user(&self, caller: &Caller) -> Result<User> {
        let answer = match caller.token {
            Some(_) => self.current_user.clone(),
            None => Err(Error::Unauthorized(Unauthorized::Missing)),
        };
        self.answer(caller, "current_user".to_owned(), &answer)
    }

    async fn profile(&self, caller: &Caller, username: &str) -> Result<Profile> {
        self.answer(caller, format!("profile {username}"), &self.profile)
    }

    async fn articles(&self, caller: &Caller, list: &ListArticles) -> Result<ArticlePage> {
        let ListArticles { tag, author, favorited, limit, offset } = list;
        let filter = |name: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!(" {name}={value}")).unwrap_or_default()
        };
        let filters = [("tag", tag), ("author", author), ("favorited", favorited)];
        let filters: String = filters.iter().map(|(name, value)| filter(name, value)).collect();
        self.answer(caller, format!("articles{filters} {offset}+{limit}"), &self.articles)
    }

    async fn article(&self, caller: &Caller, slug: &str) -> Result<Article> {
        self.answer(caller, format!("article {slug}"), &self.article)
    }

    async fn comments(&self, caller: &Caller, slug: &str) -> Result<Vec<Comment>> {
        self.answer(caller, format!("comments {slug}"), &self.comments)
    }

    async fn tags(&self, caller: &Caller) -> Result<Vec<String>> {
        self.answer(caller, "tags".to_owned(), &self.tags)
    }
}
