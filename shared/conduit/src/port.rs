//! `trait Conduit`: the app's use cases, each with its rule, its errors, and whether it may be
//! repeated.

use std::future::Future;

use crate::{
    Article, ArticlePage, Caller, Comment, Credentials, ListArticles, Profile, Registration,
    Result, User,
};

/// What the app can do. One method per operation of the public contract.
///
/// Everything in a signature could be sent over a wire: plain data in, plain data out. The methods
/// are written `fn … -> impl Future + Send` here, because a bare `async fn` in a public trait does
/// not promise that its future may move between threads; implementations write plain `async fn`.
///
/// Errors that every method may answer with, also the in-process ones:
/// [`Unavailable`](crate::Error::Unavailable) when what it needs can't be reached within the
/// caller's budget, [`Internal`](crate::Error::Internal) when the app itself is at fault, and
/// [`Unauthorized(Invalid)`](crate::Unauthorized::Invalid) when a token is present but not good.
///
/// *Repeatable* means: asking twice leaves the app as asking once does, so a client whose first
/// answer was lost may ask again.
pub trait Conduit: Clone + Send + Sync + 'static {
    /// Creates an account and signs it in.
    ///
    /// Username and e-mail must be free; both are compared exactly as given. Fails with `Invalid`
    /// (blank or malformed fields, all of them at once) or `Conflict` (`username` or `email`
    /// taken). **Not repeatable**: after a lost answer the second attempt finds the name taken.
    fn register(
        &self,
        caller: &Caller,
        new: Registration,
    ) -> impl Future<Output = Result<User>> + Send;

    /// Signs in.
    ///
    /// An unknown address and a wrong password get the same answer after the same time. Fails with
    /// `Invalid` (blank fields) or `Unauthorized(Credentials)`. Repeatable: changes nothing.
    fn login(
        &self,
        caller: &Caller,
        credentials: Credentials,
    ) -> impl Future<Output = Result<User>> + Send;

    /// The account that the caller's token belongs to, with that same token.
    ///
    /// Fails with `Unauthorized(Missing)` without a token. Repeatable.
    fn current_user(&self, caller: &Caller) -> impl Future<Output = Result<User>> + Send;

    /// One account as others see it; `following` is the caller's view.
    ///
    /// Fails with `NotFound(Profile)`. Repeatable.
    fn profile(
        &self,
        caller: &Caller,
        username: &str,
    ) -> impl Future<Output = Result<Profile>> + Send;

    /// A window on the articles that match every given filter, newest first (ties: the later
    /// created first), with the number of all that match.
    ///
    /// An unknown tag, author or fan matches nothing; that is no error. Repeatable.
    fn articles(
        &self,
        caller: &Caller,
        list: &ListArticles,
    ) -> impl Future<Output = Result<ArticlePage>> + Send;

    /// One article with its body.
    ///
    /// Fails with `NotFound(Article)`. Repeatable.
    fn article(&self, caller: &Caller, slug: &str) -> impl Future<Output = Result<Article>> + Send;

    /// An article's comments, oldest first.
    ///
    /// Fails with `NotFound(Article)`. Repeatable.
    fn comments(
        &self,
        caller: &Caller,
        slug: &str,
    ) -> impl Future<Output = Result<Vec<Comment>>> + Send;

    /// Every tag in use, the most used first, ties in alphabetical order.
    ///
    /// Repeatable.
    fn tags(&self, caller: &Caller) -> impl Future<Output = Result<Vec<String>>> + Send;

    /// Whether what stands behind the port (a database, another server) can be reached right now.
    ///
    /// Operators ask this, not visitors: it is the one method that is no part of the contract.
    /// Fails with `Unavailable`, within two seconds. Repeatable.
    fn ready(&self) -> impl Future<Output = Result<()>> + Send;
}
