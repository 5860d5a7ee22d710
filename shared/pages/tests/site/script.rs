//! A port that says what it was told to say, and remembers what it was asked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::DateTime;
use conduit::{
    Article, ArticlePage, ArticleSummary, ArticleUpdate, Caller, Comment, Conduit, Credentials,
    Error, Export, ExportState, Job, ListArticles, NewArticle, NewComment, Profile, Queue,
    Registration, Resource, Result, Token, Unauthorized, User, UserUpdate, Window,
};

/// The only good token.
pub(crate) const TOKEN: &str = "good-token";

/// The only good token of operators.
pub(crate) const OPERATOR: &str = "operators-token";

/// The answers of every use case. Change what a test is about, then put it behind the pages.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) register: Result<User>,
    pub(crate) login: Result<User>,
    pub(crate) current_user: Result<User>,
    pub(crate) profile: Result<Profile>,
    pub(crate) articles: Result<ArticlePage>,
    pub(crate) feed: Result<ArticlePage>,
    pub(crate) article: Result<Article>,
    pub(crate) comments: Result<Vec<Comment>>,
    pub(crate) tags: Result<Vec<String>>,
    pub(crate) related: Result<Vec<ArticleSummary>>,
    pub(crate) exports: Result<Vec<Export>>,
    pub(crate) jobs: Result<Vec<Job>>,
    pub(crate) queue: Result<Queue>,
    /// What every use case answers that changes something and has no field above, instead of doing
    /// it.
    pub(crate) refusal: Option<Error>,
    pub(crate) log: Arc<Mutex<Log>>,
}

/// What was asked.
#[derive(Default)]
pub(crate) struct Log {
    calls: Vec<String>,
    rounds: usize,
    under_way: usize,
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

pub(crate) fn export(state: ExportState) -> Export {
    let created_at = article().created_at;
    Export {
        id: 3,
        state,
        articles_done: 2,
        articles_total: 8,
        created_at,
        expires_at: None,
        bytes: 2_048,
        chunks: 2,
    }
}

impl Default for Script {
    fn default() -> Self {
        let articles = vec![summary(article())];
        Self {
            register: Ok(user("hiccup")),
            login: Ok(user("hiccup")),
            current_user: Ok(user("toothless")),
            profile: Ok(profile("hiccup")),
            articles: Ok(ArticlePage { articles: articles.clone(), articles_count: 1 }),
            feed: Ok(ArticlePage { articles, articles_count: 1 }),
            article: Ok(article()),
            comments: Ok(vec![comment("Nice!")]),
            tags: Ok(vec!["dragons".to_owned(), "training".to_owned()]),
            related: Ok(Vec::new()),
            exports: Ok(Vec::new()),
            jobs: Ok(Vec::new()),
            queue: Ok(Queue::default()),
            refusal: None,
            log: Arc::default(),
        }
    }
}

impl Script {
    /// What was asked since the last time, in alphabetical order: the order of concurrent calls
    /// means nothing.
    pub(crate) fn take_calls(&self) -> Vec<String> {
        self.take_rounds().0
    }

    /// The same, and in how many rounds: calls that are under way at the same time are one.
    pub(crate) fn take_rounds(&self) -> (Vec<String>, usize) {
        let mut log = self.log();
        assert_eq!(log.under_way, 0);
        let Log { mut calls, rounds, .. } = std::mem::take(&mut *log);
        calls.sort();
        (calls, rounds)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer<T: Clone>(
        &self,
        caller: &Caller,
        call: String,
        answer: &Result<T>,
    ) -> Result<T> {
        {
            let mut log = self.log();
            log.calls.push(call);
            log.rounds += usize::from(log.under_way == 0);
            log.under_way += 1;
        }
        // Whoever asks for several things at once does so now.
        tokio::task::yield_now().await;
        self.log().under_way -= 1;
        match &caller.token {
            Some(token) if token.expose() != TOKEN => {
                Err(Error::Unauthorized(Unauthorized::Invalid))
            }
            _ => answer.clone(),
        }
    }

    /// Answers what only somebody who is signed in may ask.
    async fn answer_user<T: Clone>(
        &self,
        caller: &Caller,
        call: String,
        answer: &Result<T>,
    ) -> Result<T> {
        let answer = match caller.token {
            Some(_) => answer,
            None => &Err(Error::Unauthorized(Unauthorized::Missing)),
        };
        self.answer(caller, call, answer).await
    }

    /// Answers what changes something.
    async fn change<T: Clone>(&self, caller: &Caller, call: String, done: Result<T>) -> Result<T> {
        let answer = self.refusal.clone().map_or(done, Err);
        self.answer_user(caller, call, &answer).await
    }
}

impl Conduit for Script {
    async fn ready(&self) -> Result<()> {
        Ok(())
    }

    async fn register(&self, caller: &Caller, new: Registration) -> Result<User> {
        let call = format!("register {} {} {}", new.username, new.email, new.password.expose());
        self.answer(caller, call, &self.register).await
    }

    async fn login(&self, caller: &Caller, with: Credentials) -> Result<User> {
        let call = format!("login {} {}", with.email, with.password.expose());
        self.answer(caller, call, &self.login).await
    }

    async fn current_user(&self, caller: &Caller) -> Result<User> {
        self.answer_user(caller, "current_user".to_owned(), &self.current_user).await
    }

    async fn update_user(&self, caller: &Caller, changes: UserUpdate) -> Result<User> {
        let UserUpdate { email, username, password, bio, image } = changes;
        let name = username.clone().unwrap_or_default();
        let password = password.map(|password| password.expose().to_owned());
        let call = format!("update_user {email:?} {username:?} {password:?} {bio:?} {image:?}");
        self.change(caller, call, Ok(user(&name))).await
    }

    async fn profile(&self, caller: &Caller, username: &str) -> Result<Profile> {
        self.answer(caller, format!("profile {username}"), &self.profile).await
    }

    async fn follow(&self, caller: &Caller, username: &str) -> Result<Profile> {
        self.change(caller, format!("follow {username}"), Ok(profile(username))).await
    }

    async fn unfollow(&self, caller: &Caller, username: &str) -> Result<Profile> {
        self.change(caller, format!("unfollow {username}"), Ok(profile(username))).await
    }

    async fn articles(&self, caller: &Caller, list: &ListArticles) -> Result<ArticlePage> {
        let ListArticles { tag, author, favorited, limit, offset } = list;
        let filter = |name: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!(" {name}={value}")).unwrap_or_default()
        };
        let filters = [("tag", tag), ("author", author), ("favorited", favorited)];
        let filters: String = filters.iter().map(|(name, value)| filter(name, value)).collect();
        self.answer(caller, format!("articles{filters} {offset}+{limit}"), &self.articles).await
    }

    async fn feed(&self, caller: &Caller, window: Window) -> Result<ArticlePage> {
        let Window { limit, offset } = window;
        self.answer_user(caller, format!("feed {offset}+{limit}"), &self.feed).await
    }

    async fn article(&self, caller: &Caller, slug: &str) -> Result<Article> {
        self.answer(caller, format!("article {slug}"), &self.article).await
    }

    async fn create_article(&self, caller: &Caller, new: NewArticle) -> Result<Article> {
        let NewArticle { title, description, body, tag_list } = new;
        let call = format!("create_article {title:?} {description:?} {body:?} {tag_list:?}");
        self.change(caller, call, Ok(article())).await
    }

    async fn update_article(
        &self,
        caller: &Caller,
        slug: &str,
        changes: ArticleUpdate,
    ) -> Result<Article> {
        let ArticleUpdate { title, description, body, tag_list } = changes;
        let fields = format!("{title:?} {description:?} {body:?} {tag_list:?}");
        self.change(caller, format!("update_article {slug} {fields}"), Ok(article())).await
    }

    async fn delete_article(&self, caller: &Caller, slug: &str) -> Result<()> {
        self.change(caller, format!("delete_article {slug}"), Ok(())).await
    }

    async fn favorite(&self, caller: &Caller, slug: &str) -> Result<Article> {
        self.change(caller, format!("favorite {slug}"), Ok(article())).await
    }

    async fn unfavorite(&self, caller: &Caller, slug: &str) -> Result<Article> {
        self.change(caller, format!("unfavorite {slug}"), Ok(article())).await
    }

    async fn comments(&self, caller: &Caller, slug: &str) -> Result<Vec<Comment>> {
        self.answer(caller, format!("comments {slug}"), &self.comments).await
    }

    async fn add_comment(&self, caller: &Caller, slug: &str, new: NewComment) -> Result<Comment> {
        let call = format!("add_comment {slug} {:?}", new.body);
        self.change(caller, call, Ok(comment(&new.body))).await
    }

    async fn delete_comment(&self, caller: &Caller, slug: &str, id: i64) -> Result<()> {
        self.change(caller, format!("delete_comment {slug} {id}"), Ok(())).await
    }

    async fn tags(&self, caller: &Caller) -> Result<Vec<String>> {
        self.answer(caller, "tags".to_owned(), &self.tags).await
    }

    async fn related(&self, caller: &Caller, slug: &str) -> Result<Vec<ArticleSummary>> {
        self.answer(caller, format!("related {slug}"), &self.related).await
    }

    async fn start_export(&self, caller: &Caller) -> Result<Export> {
        self.change(caller, "start_export".to_owned(), Ok(export(ExportState::Waiting))).await
    }

    async fn exports(&self, caller: &Caller) -> Result<Vec<Export>> {
        self.answer_user(caller, "exports".to_owned(), &self.exports).await
    }

    async fn export_chunk(&self, caller: &Caller, id: i64, number: u32) -> Result<Vec<u8>> {
        let chunk = Ok(format!("chunk {number} of {id};").into_bytes());
        self.answer_user(caller, format!("export_chunk {id} {number}"), &chunk).await
    }

    async fn jobs(&self, caller: &Caller) -> Result<Vec<Job>> {
        self.answer_user(caller, "jobs".to_owned(), &self.jobs).await
    }

    async fn queue(&self, caller: &Caller, operator: &Token) -> Result<Queue> {
        let forbidden = Err(Error::Forbidden(Resource::Queue));
        let answer = if operator.expose() == OPERATOR { &self.queue } else { &forbidden };
        self.answer(caller, "queue".to_owned(), answer).await
    }

    async fn retry_job(&self, caller: &Caller, operator: &Token, id: i64) -> Result<()> {
        let forbidden = Err(Error::Forbidden(Resource::Queue));
        let answer = if operator.expose() == OPERATOR { Ok(()) } else { forbidden };
        self.answer(caller, format!("retry_job {id}"), &answer).await
    }
}
