//! The cache in front of the port: a port itself, over any other. It stands where the wiring puts it:
//! over the database in a server that has one, or over the backend in a frontend. Switched off, it only
//! hands on.
//!
//! Reads of somebody who is signed in go through, but for the tags, which are the same for everybody:
//! so nobody sees another's view, and an author sees their own article at once, whatever is kept where.
//!
//! Everything that is kept becomes out of date
//!
//! - when a write has come through here, before whoever wrote has the answer;
//! - when somebody else says that something was written, if there is anybody who can ([`Cached::follow`]);
//! - after `--cache-seconds`. That is all that protects a frontend's cache from what other frontends
//!   write, a cache on SQLite from other processes, and any of them from a write whose visitor went away
//!   before it was done.

use std::sync::Arc;

use conduit::{
    Article, ArticlePage, ArticleSummary, ArticleUpdate, Caller, Comment, Conduit, Credentials,
    Error, Export, Job, ListArticles, NewArticle, NewComment, Outcome, Profile, Queue,
    Registration, Result, Token, User, UserUpdate, Window,
};

use crate::cache::{CacheArgs, Store, is_kept};

/// A port with a memory. Its clones share it.
#[derive(Clone)]
pub struct Cached<C> {
    inner: C,
    store: Option<Arc<Store>>,
}

impl<C: Conduit> Cached<C> {
    /// Puts a cache in front of `inner`, or nothing, as the settings say.
    pub fn new(inner: C, args: CacheArgs) -> Self {
        Self { inner, store: Store::new(args).map(Arc::new) }
    }

    /// The same, which is told by somebody else as well when things change, see [`follow`](Self::follow).
    ///
    /// # Errors
    /// Those of `subscribe`.
    pub fn following<E>(
        inner: C,
        args: CacheArgs,
        subscribe: impl FnOnce(Box<dyn Fn() + Send + Sync>) -> std::result::Result<(), E>,
    ) -> std::result::Result<Self, E> {
        let cached = Self::new(inner, args);
        cached.follow(subscribe)?;
        Ok(cached)
    }

    /// Hands to `subscribe` what is to be called whenever somebody else may have changed a list of
    /// articles, or the tags. Does nothing where nothing is kept.
    ///
    /// # Errors
    /// Those of `subscribe`.
    pub fn follow<E>(
        &self,
        subscribe: impl FnOnce(Box<dyn Fn() + Send + Sync>) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let Some(store) = self.store.clone() else { return Ok(()) };
        subscribe(Box::new(move || store.invalidate()))
    }

    /// Does something that changes what is kept.
    async fn write<T>(&self, write: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(store) = &self.store else { return write.await };
        let mut over = Over(Some(store));
        let done = write.await;
        if done.as_ref().is_err_and(certainly_not_done) {
            over.0 = None;
        }
        done
    }
}

/// A write that makes everything out of date when it is over, also if it is over because nobody waits
/// for it any more.
struct Over<'a>(Option<&'a Store>);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        if let Some(store) = self.0 {
            store.invalidate();
        }
    }
}

/// Otherwise anybody could empty the cache with writes that are refused.
fn certainly_not_done(error: &Error) -> bool {
    !matches!(error, Error::Unavailable(Outcome::Unknown) | Error::Internal(_))
}

impl<C: Conduit> Conduit for Cached<C> {
    // What reads from the store is on the heap: without one a call is to be no larger than what it is
    // handed on to.
    async fn articles(&self, caller: &Caller, list: &ListArticles) -> Result<ArticlePage> {
        match &self.store {
            Some(store) if is_kept(caller, list) => {
                let ask = || self.inner.articles(caller, list);
                Box::pin(store.read(&store.lists, list.clone(), caller, ask)).await
            }
            _ => self.inner.articles(caller, list).await,
        }
    }

    async fn tags(&self, caller: &Caller) -> Result<Vec<String>> {
        match &self.store {
            Some(store) => {
                let ask = || self.inner.tags(caller);
                Box::pin(store.read(&store.tags, (), caller, ask)).await
            }
            None => self.inner.tags(caller).await,
        }
    }

    async fn create_article(&self, caller: &Caller, new: NewArticle) -> Result<Article> {
        self.write(self.inner.create_article(caller, new)).await
    }

    async fn update_article(
        &self,
        caller: &Caller,
        slug: &str,
        changes: ArticleUpdate,
    ) -> Result<Article> {
        self.write(self.inner.update_article(caller, slug, changes)).await
    }

    async fn delete_article(&self, caller: &Caller, slug: &str) -> Result<()> {
        self.write(self.inner.delete_article(caller, slug)).await
    }

    async fn favorite(&self, caller: &Caller, slug: &str) -> Result<Article> {
        self.write(self.inner.favorite(caller, slug)).await
    }

    async fn unfavorite(&self, caller: &Caller, slug: &str) -> Result<Article> {
        self.write(self.inner.unfavorite(caller, slug)).await
    }

    /// A list shows its authors' names and pictures.
    async fn update_user(&self, caller: &Caller, changes: UserUpdate) -> Result<User> {
        self.write(self.inner.update_user(caller, changes)).await
    }

    // Nothing that is kept shows any of what follows.

    async fn register(&self, caller: &Caller, new: Registration) -> Result<User> {
        self.inner.register(caller, new).await
    }

    async fn login(&self, caller: &Caller, credentials: Credentials) -> Result<User> {
        self.inner.login(caller, credentials).await
    }

    async fn current_user(&self, caller: &Caller) -> Result<User> {
        self.inner.current_user(caller).await
    }

    async fn profile(&self, caller: &Caller, username: &str) -> Result<Profile> {
        self.inner.profile(caller, username).await
    }

    async fn follow(&self, caller: &Caller, username: &str) -> Result<Profile> {
        self.inner.follow(caller, username).await
    }

    async fn unfollow(&self, caller: &Caller, username: &str) -> Result<Profile> {
        self.inner.unfollow(caller, username).await
    }

    async fn feed(&self, caller: &Caller, window: Window) -> Result<ArticlePage> {
        self.inner.feed(caller, window).await
    }

    async fn article(&self, caller: &Caller, slug: &str) -> Result<Article> {
        self.inner.article(caller, slug).await
    }

    async fn comments(&self, caller: &Caller, slug: &str) -> Result<Vec<Comment>> {
        self.inner.comments(caller, slug).await
    }

    async fn add_comment(&self, caller: &Caller, slug: &str, new: NewComment) -> Result<Comment> {
        self.inner.add_comment(caller, slug, new).await
    }

    async fn delete_comment(&self, caller: &Caller, slug: &str, id: i64) -> Result<()> {
        self.inner.delete_comment(caller, slug, id).await
    }

    async fn related(&self, caller: &Caller, slug: &str) -> Result<Vec<ArticleSummary>> {
        self.inner.related(caller, slug).await
    }

    async fn start_export(&self, caller: &Caller) -> Result<Export> {
        self.inner.start_export(caller).await
    }

    async fn exports(&self, caller: &Caller) -> Result<Vec<Export>> {
        self.inner.exports(caller).await
    }

    async fn export_chunk(&self, caller: &Caller, id: i64, number: u32) -> Result<Vec<u8>> {
        self.inner.export_chunk(caller, id, number).await
    }

    async fn jobs(&self, caller: &Caller) -> Result<Vec<Job>> {
        self.inner.jobs(caller).await
    }

    async fn queue(&self, caller: &Caller, operator: &Token) -> Result<Queue> {
        self.inner.queue(caller, operator).await
    }

    async fn retry_job(&self, caller: &Caller, operator: &Token, id: i64) -> Result<()> {
        self.inner.retry_job(caller, operator, id).await
    }

    async fn ready(&self) -> Result<()> {
        self.inner.ready().await
    }
}

#[cfg(test)]
#[path = "cached_tests.rs"]
mod tests;
