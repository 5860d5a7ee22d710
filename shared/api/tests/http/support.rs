//! A router without a server around it, over two ports: one that works, and one that never does.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode},
};
use conduit::{
    Article, ArticlePage, ArticleSummary, ArticleUpdate, Caller, Comment, Conduit, Credentials,
    Error, Export, Job, ListArticles, NewArticle, NewComment, Profile, Queue, Registration, Result,
    Token, User, UserUpdate, Window,
};
use contract::{
    dataset::{Dataset, PASSWORD, Size},
    in_memory::InMemory,
};
use serde_json::{Value, json};
use tower::ServiceExt;

/// What a request without any says of its body.
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

pub(crate) fn dataset() -> Dataset {
    Dataset::new(Size { users: 10, articles: 30, ..Size::default() }, 1)
}

/// The API over an app that works, as a server has it.
pub(crate) fn router() -> Router {
    api::router(InMemory::new(&dataset()))
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {:?}", self.text))
    }

    /// The answer as the status and the only problem it names, in the contract's one shape.
    pub(crate) fn problem(&self) -> (u16, String, String) {
        let json = self.json();
        assert_eq!(json.as_object().unwrap().len(), 1, "{json}");
        let errors = json["errors"].as_object().unwrap_or_else(|| panic!("no errors: {json}"));
        assert_eq!(errors.len(), 1, "{json}");
        let (field, messages) = errors.iter().next().unwrap();
        assert_eq!(self.headers["content-type"], "application/json");
        (self.status.as_u16(), field.clone(), messages[0].as_str().unwrap().to_owned())
    }
}

pub(crate) fn is(status: u16, field: &str, message: &str) -> (u16, String, String) {
    (status, field.to_owned(), message.to_owned())
}

pub(crate) async fn send(router: Router, request: Request<Body>) -> Answer {
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    Answer { status: parts.status, headers: parts.headers, text }
}

pub(crate) async fn ask_at(
    router: &Router,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Vec<u8>>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(format!("/api{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(router.clone(), request.body(Body::from(body.into())).unwrap()).await
}

pub(crate) async fn ask(
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Vec<u8>>,
) -> Answer {
    ask_at(&router(), method, path, headers, body).await
}

pub(crate) async fn get(path: &str, headers: &[(&str, &str)]) -> Answer {
    ask(Method::GET, path, headers, "").await
}

pub(crate) async fn post(path: &str, body: impl Into<Vec<u8>>) -> Answer {
    ask(Method::POST, path, &[JSON], body).await
}

/// Signs a user of the dataset in: the value for `authorization`.
pub(crate) async fn signed_in(router: &Router, user: u64) -> String {
    let email = dataset().user(user).email;
    let credentials = json!({"user": {"email": email, "password": PASSWORD}}).to_string();
    let answer = ask_at(router, Method::POST, "/users/login", &[JSON], credentials).await;
    format!("Token {}", answer.json()["user"]["token"].as_str().unwrap())
}

/// Stands for an app in trouble: it notes who called, and every call ends with the same error.
#[derive(Clone)]
pub(crate) struct InTrouble {
    error: Error,
    pub(crate) seen: Arc<Mutex<Option<Caller>>>,
}

impl InTrouble {
    pub(crate) fn new(error: Error) -> Self {
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
    async fn update_user(&self, caller: &Caller, _: UserUpdate) -> Result<User> {
        self.error(caller)
    }
    async fn follow(&self, caller: &Caller, _: &str) -> Result<Profile> {
        self.error(caller)
    }
    async fn unfollow(&self, caller: &Caller, _: &str) -> Result<Profile> {
        self.error(caller)
    }
    async fn feed(&self, caller: &Caller, _: Window) -> Result<ArticlePage> {
        self.error(caller)
    }
    async fn create_article(&self, caller: &Caller, _: NewArticle) -> Result<Article> {
        self.error(caller)
    }
    async fn update_article(&self, caller: &Caller, _: &str, _: ArticleUpdate) -> Result<Article> {
        self.error(caller)
    }
    async fn delete_article(&self, caller: &Caller, _: &str) -> Result<()> {
        self.error(caller)
    }
    async fn favorite(&self, caller: &Caller, _: &str) -> Result<Article> {
        self.error(caller)
    }
    async fn unfavorite(&self, caller: &Caller, _: &str) -> Result<Article> {
        self.error(caller)
    }
    async fn add_comment(&self, caller: &Caller, _: &str, _: NewComment) -> Result<Comment> {
        self.error(caller)
    }
    async fn delete_comment(&self, caller: &Caller, _: &str, _: i64) -> Result<()> {
        self.error(caller)
    }
    async fn related(&self, caller: &Caller, _: &str) -> Result<Vec<ArticleSummary>> {
        self.error(caller)
    }
    async fn start_export(&self, caller: &Caller) -> Result<Export> {
        self.error(caller)
    }
    async fn exports(&self, caller: &Caller) -> Result<Vec<Export>> {
        self.error(caller)
    }
    async fn export_chunk(&self, caller: &Caller, _: i64, _: u32) -> Result<Vec<u8>> {
        self.error(caller)
    }
    async fn jobs(&self, caller: &Caller) -> Result<Vec<Job>> {
        self.error(caller)
    }
    async fn queue(&self, caller: &Caller, _: &Token) -> Result<Queue> {
        self.error(caller)
    }
    async fn retry_job(&self, caller: &Caller, _: &Token, _: i64) -> Result<()> {
        self.error(caller)
    }
    async fn ready(&self) -> Result<()> {
        Ok(())
    }
}
