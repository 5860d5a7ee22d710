//! The port over HTTP: every use case is a request to a server that has the public API.
//!
//! The same trait as in the process next door, but three things are different, and all of them show
//! in `client`: an answer can get lost, a call has to be given up at some point, and a request costs
//! something even if it does nothing.
//!
//! There is no state here but a pool of connections: no cache, no session, no secret. Nothing in
//! this crate decides a rule of the app; what the backend says is what the caller gets.

mod args;
mod client;
mod connections;
mod http1;
mod http2;
mod message;

use conduit::{
    Article, ArticlePage, ArticleSummary, ArticleUpdate, Caller, Comment, Conduit, Credentials,
    Error, Export, Job, ListArticles, NewArticle, NewComment, Profile, Queue, Registration,
    Resource, Result, Token, Unauthorized, User, UserUpdate, Window,
    wire::{
        ArticleBody, ArticlesBody, CommentBody, CommentsBody, ExportBody, ExportsBody, JobsBody,
        ListQuery, ProfileBody, QueueBody, RelatedBody, TagsBody, UserBody, WindowQuery, path,
    },
};
use http::Method;

pub use args::{BackendArgs, HttpVersion, StartError};
pub use client::BACKEND_CALLS;
use client::{Client, Repeat};

/// The app as another server offers it. Clones share one pool of connections.
#[derive(Clone)]
pub struct Remote {
    client: Client,
}

impl Remote {
    /// Gets ready to call the backend, without calling it yet: a frontend may start first.
    ///
    /// # Errors
    /// If the address is not one that can be called.
    pub fn new(args: &BackendArgs) -> std::result::Result<Self, StartError> {
        Ok(Self { client: Client::new(args.address()?, args.backend_http) })
    }
}

impl Conduit for Remote {
    async fn register(&self, caller: &Caller, new: Registration) -> Result<User> {
        let new = UserBody { user: new };
        let body: UserBody<User> =
            self.client.send(caller, Repeat::Never, Method::POST, path::USERS, &new).await?;
        Ok(body.user)
    }

    async fn login(&self, caller: &Caller, credentials: Credentials) -> Result<User> {
        let credentials = UserBody { user: credentials };
        let body: UserBody<User> = self
            .client
            .send(caller, Repeat::Reads, Method::POST, path::LOGIN, &credentials)
            .await?;
        Ok(body.user)
    }

    async fn current_user(&self, caller: &Caller) -> Result<User> {
        let body: UserBody<User> = self.client.get(caller, path::USER).await?;
        Ok(body.user)
    }

    async fn update_user(&self, caller: &Caller, changes: UserUpdate) -> Result<User> {
        let changes = UserBody { user: changes };
        let body: UserBody<User> =
            self.client.send(caller, Repeat::Writes, Method::PUT, path::USER, &changes).await?;
        Ok(body.user)
    }

    async fn profile(&self, caller: &Caller, username: &str) -> Result<Profile> {
        let path = self.path(caller, path::PROFILE, username, Resource::Profile)?;
        let body: ProfileBody = self.client.get(caller, &path).await?;
        Ok(body.profile)
    }

    async fn follow(&self, caller: &Caller, username: &str) -> Result<Profile> {
        let path = self.own(caller, path::FOLLOW, username, Resource::Profile)?;
        let body: ProfileBody = self.client.switch(caller, Method::POST, &path).await?;
        Ok(body.profile)
    }

    async fn unfollow(&self, caller: &Caller, username: &str) -> Result<Profile> {
        let path = self.own(caller, path::FOLLOW, username, Resource::Profile)?;
        let body: ProfileBody = self.client.switch(caller, Method::DELETE, &path).await?;
        Ok(body.profile)
    }

    async fn articles(&self, caller: &Caller, list: &ListArticles) -> Result<ArticlePage> {
        let page: ArticlesBody =
            self.client.search(caller, path::ARTICLES, &ListQuery::from(list)).await?;
        Ok(page)
    }

    async fn feed(&self, caller: &Caller, window: Window) -> Result<ArticlePage> {
        let page: ArticlesBody =
            self.client.search(caller, path::FEED, &WindowQuery::from(window)).await?;
        Ok(page)
    }

    async fn article(&self, caller: &Caller, slug: &str) -> Result<Article> {
        let path = self.path(caller, path::ARTICLE, slug, Resource::Article)?;
        let body: ArticleBody<Article> = self.client.get(caller, &path).await?;
        Ok(body.article)
    }

    async fn create_article(&self, caller: &Caller, new: NewArticle) -> Result<Article> {
        let new = ArticleBody { article: new };
        let body: ArticleBody<Article> =
            self.client.send(caller, Repeat::Never, Method::POST, path::ARTICLES, &new).await?;
        Ok(body.article)
    }

    async fn update_article(
        &self,
        caller: &Caller,
        slug: &str,
        changes: ArticleUpdate,
    ) -> Result<Article> {
        let path = self.own(caller, path::ARTICLE, slug, Resource::Article)?;
        let changes = ArticleBody { article: changes };
        let body: ArticleBody<Article> =
            self.client.send(caller, Repeat::Never, Method::PUT, &path, &changes).await?;
        Ok(body.article)
    }

    async fn delete_article(&self, caller: &Caller, slug: &str) -> Result<()> {
        let path = self.own(caller, path::ARTICLE, slug, Resource::Article)?;
        self.client.delete(caller, &path).await
    }

    async fn favorite(&self, caller: &Caller, slug: &str) -> Result<Article> {
        let path = self.own(caller, path::FAVORITE, slug, Resource::Article)?;
        let body: ArticleBody<Article> = self.client.switch(caller, Method::POST, &path).await?;
        Ok(body.article)
    }

    async fn unfavorite(&self, caller: &Caller, slug: &str) -> Result<Article> {
        let path = self.own(caller, path::FAVORITE, slug, Resource::Article)?;
        let body: ArticleBody<Article> = self.client.switch(caller, Method::DELETE, &path).await?;
        Ok(body.article)
    }

    async fn comments(&self, caller: &Caller, slug: &str) -> Result<Vec<Comment>> {
        let path = self.path(caller, path::COMMENTS, slug, Resource::Article)?;
        let body: CommentsBody = self.client.get(caller, &path).await?;
        Ok(body.comments)
    }

    async fn add_comment(&self, caller: &Caller, slug: &str, new: NewComment) -> Result<Comment> {
        let path = self.own(caller, path::COMMENTS, slug, Resource::Article)?;
        let new = CommentBody { comment: new };
        let body: CommentBody<Comment> =
            self.client.send(caller, Repeat::Never, Method::POST, &path, &new).await?;
        Ok(body.comment)
    }

    async fn delete_comment(&self, caller: &Caller, slug: &str, id: i64) -> Result<()> {
        let path = self.own(caller, path::COMMENT, slug, Resource::Article)?;
        self.client.delete(caller, &path::of(&path, &id.to_string())).await
    }

    async fn tags(&self, caller: &Caller) -> Result<Vec<String>> {
        let body: TagsBody = self.client.get(caller, path::TAGS).await?;
        Ok(body.tags)
    }

    async fn related(&self, caller: &Caller, slug: &str) -> Result<Vec<ArticleSummary>> {
        let path = self.path(caller, path::RELATED, slug, Resource::Article)?;
        let body: RelatedBody = self.client.get(caller, &path).await?;
        Ok(body.articles)
    }

    async fn start_export(&self, caller: &Caller) -> Result<Export> {
        let body: ExportBody = self.client.switch(caller, Method::POST, path::EXPORTS).await?;
        Ok(body.export)
    }

    async fn exports(&self, caller: &Caller) -> Result<Vec<Export>> {
        let body: ExportsBody = self.client.get(caller, path::EXPORTS).await?;
        Ok(body.exports)
    }

    async fn export_chunk(&self, caller: &Caller, id: i64, number: u32) -> Result<Vec<u8>> {
        let path = path::of(path::EXPORT_CHUNK, &id.to_string());
        self.client.bytes(caller, &path::of(&path, &number.to_string())).await
    }

    async fn jobs(&self, caller: &Caller) -> Result<Vec<Job>> {
        let body: JobsBody = self.client.get(caller, path::JOBS).await?;
        Ok(body.jobs)
    }

    async fn queue(&self, caller: &Caller, operator: &Token) -> Result<Queue> {
        let body: QueueBody = self.client.queue(caller, operator).await?;
        Ok(body.queue)
    }

    async fn retry_job(&self, caller: &Caller, operator: &Token, id: i64) -> Result<()> {
        self.client.retry(caller, operator, &path::of(path::RETRY, &id.to_string())).await
    }

    async fn ready(&self) -> Result<()> {
        self.client.ready().await
    }
}

impl Remote {
    /// The path of one thing by its name, if a path can hold that.
    fn path(&self, caller: &Caller, template: &str, name: &str, what: Resource) -> Result<String> {
        if can_stand_in_a_path(name) {
            return Ok(path::of(template, name));
        }
        // Nothing has such a name. But whoever calls with a bad token, or with a field that breaks a
        // rule, is told that first, as by every implementation, and only the backend can tell. So it
        // is asked for another name that nothing has.
        match caller.token {
            Some(_) => Ok(path::of(template, NOBODY)),
            None => Err(Error::NotFound(what)),
        }
    }

    /// The same for a call that is only for people who are signed in.
    fn own(&self, caller: &Caller, template: &str, name: &str, what: Resource) -> Result<String> {
        if caller.token.is_none() {
            return Err(Error::Unauthorized(Unauthorized::Missing));
        }
        self.path(caller, template, name, what)
    }
}

/// A name that a path can hold, and that nothing has: no implementation lets it into a database.
const NOBODY: &str = "\0";

/// The longest name that is asked for, in bytes. Escaping makes up to three of each, and a server
/// takes a request line of 64 KiB.
const LONGEST_NAME: usize = 16 * 1024;

/// Three names can't stand in a path, however they are escaped: the empty one would be another
/// route, and every client that follows the URL standard resolves `.` and `..` (also as `%2e`) as
/// steps in the hierarchy. A fourth kind is longer than a request line may be.
fn can_stand_in_a_path(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && name.len() <= LONGEST_NAME
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_names_fit_no_path() {
        let long = "x".repeat(LONGEST_NAME + 1);
        for name in ["", ".", "..", &long] {
            assert!(!can_stand_in_a_path(name));
        }
    }

    #[test]
    fn every_other_name_reaches_the_backend_as_it_is() {
        for name in ["...", "%2e", "%2E%2e", "a/../b", "?x#y", " ", "größe", "\0", "\\", ";", "+"]
        {
            assert!(can_stand_in_a_path(name));
            let path = path::of(path::ARTICLE, name);
            let uri: http::Uri = path.parse().unwrap();
            assert_eq!(uri.to_string(), path, "{name:?} is sent as it was written");
            assert_eq!(path.matches('/').count(), 2, "{name:?} stays one segment");
        }
    }
}
