//! `trait Conduit`: the app's use cases, each with its rule, its errors, and whether it may be
//! repeated.

use std::future::Future;

use crate::{
    Article, ArticlePage, ArticleSummary, ArticleUpdate, Caller, Comment, Credentials, Export, Job,
    ListArticles, NewArticle, NewComment, Profile, Queue, Registration, Result, Token, User,
    UserUpdate, Window,
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
/// A call that needs somebody signed in fails with `Unauthorized(Missing)` for a caller without a
/// token, before it looks at anything else. Then the fields are checked (`Invalid`), then what the
/// call is about is looked up (`NotFound`), and last, whether the caller may do that (`Forbidden`).
///
/// *Repeatable* means: asking twice leaves the app as asking once does and gets the same answer, so
/// a client whose first answer was lost may ask again.
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

    /// Changes what is given of the caller's own account; their token stays good.
    ///
    /// Fails with `Unauthorized(Missing)`, `Invalid` (every field that breaks a rule) or `Conflict`
    /// (`username` or `email` taken by somebody else). Repeatable.
    fn update_user(
        &self,
        caller: &Caller,
        changes: UserUpdate,
    ) -> impl Future<Output = Result<User>> + Send;

    /// One account as others see it; `following` is the caller's view.
    ///
    /// Fails with `NotFound(Profile)`. Repeatable.
    fn profile(
        &self,
        caller: &Caller,
        username: &str,
    ) -> impl Future<Output = Result<Profile>> + Send;

    /// From now on the caller follows this account; also if they did already.
    ///
    /// Fails with `Unauthorized(Missing)` or `NotFound(Profile)`. Repeatable.
    fn follow(
        &self,
        caller: &Caller,
        username: &str,
    ) -> impl Future<Output = Result<Profile>> + Send;

    /// From now on the caller does not follow this account; also if they never did.
    ///
    /// Fails with `Unauthorized(Missing)` or `NotFound(Profile)`. Repeatable.
    fn unfollow(
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

    /// A window on the articles of everyone whom the caller follows, in the order of
    /// [`articles`](Self::articles), with the number of all of them.
    ///
    /// Fails with `Unauthorized(Missing)`. Repeatable.
    fn feed(
        &self,
        caller: &Caller,
        window: Window,
    ) -> impl Future<Output = Result<ArticlePage>> + Send;

    /// One article with its body.
    ///
    /// Fails with `NotFound(Article)`. Repeatable.
    fn article(&self, caller: &Caller, slug: &str) -> impl Future<Output = Result<Article>> + Send;

    /// Publishes an article in the caller's name, under a slug of its own: two articles may have
    /// the same title.
    ///
    /// Fails with `Unauthorized(Missing)` or `Invalid`. **Not repeatable**: the second attempt
    /// publishes a second article.
    fn create_article(
        &self,
        caller: &Caller,
        new: NewArticle,
    ) -> impl Future<Output = Result<Article>> + Send;

    /// Changes what is given of an article. A new title brings a new slug, and the old one is gone.
    ///
    /// Fails with `Unauthorized(Missing)`, `Invalid`, `NotFound(Article)`, or `Forbidden(Article)`
    /// for anyone but its author. **Not repeatable**: the second attempt may find the slug gone.
    fn update_article(
        &self,
        caller: &Caller,
        slug: &str,
        changes: ArticleUpdate,
    ) -> impl Future<Output = Result<Article>> + Send;

    /// Takes an article away, with its comments and everybody's favourite marks.
    ///
    /// Fails with `Unauthorized(Missing)`, `NotFound(Article)`, or `Forbidden(Article)` for anyone
    /// but its author. **Not repeatable**: the second attempt finds nothing.
    fn delete_article(
        &self,
        caller: &Caller,
        slug: &str,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Marks an article as one of the caller's favourites; also if it was already. Authors may
    /// favour their own.
    ///
    /// Fails with `Unauthorized(Missing)` or `NotFound(Article)`. Repeatable.
    fn favorite(&self, caller: &Caller, slug: &str)
    -> impl Future<Output = Result<Article>> + Send;

    /// Takes the mark away; also if there was none.
    ///
    /// Fails with `Unauthorized(Missing)` or `NotFound(Article)`. Repeatable.
    fn unfavorite(
        &self,
        caller: &Caller,
        slug: &str,
    ) -> impl Future<Output = Result<Article>> + Send;

    /// An article's comments, oldest first.
    ///
    /// Fails with `NotFound(Article)`. Repeatable.
    fn comments(
        &self,
        caller: &Caller,
        slug: &str,
    ) -> impl Future<Output = Result<Vec<Comment>>> + Send;

    /// Comments on an article in the caller's name.
    ///
    /// Fails with `Unauthorized(Missing)`, `Invalid` or `NotFound(Article)`. **Not repeatable**: the
    /// second attempt says it twice.
    fn add_comment(
        &self,
        caller: &Caller,
        slug: &str,
        new: NewComment,
    ) -> impl Future<Output = Result<Comment>> + Send;

    /// Takes a comment away.
    ///
    /// Fails with `Unauthorized(Missing)`, `NotFound(Article)`, `NotFound(Comment)` if the article
    /// has none with this number, or `Forbidden(Comment)` for anyone but who wrote it. **Not
    /// repeatable**: the second attempt finds nothing.
    fn delete_comment(
        &self,
        caller: &Caller,
        slug: &str,
        id: i64,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Every tag in use, the most used first, ties in alphabetical order.
    ///
    /// Repeatable.
    fn tags(&self, caller: &Caller) -> impl Future<Output = Result<Vec<String>>> + Send;

    /// The articles that are most like this one, at most five, the most alike first. They are
    /// computed some time after an article has changed.
    ///
    /// Fails with `NotFound(Article)`. Repeatable.
    fn related(
        &self,
        caller: &Caller,
        slug: &str,
    ) -> impl Future<Output = Result<Vec<ArticleSummary>>> + Send;

    /// Asks for all of the caller's articles as one file. It is made later; one that is under way is
    /// enough, and is then the answer.
    ///
    /// Fails with `Unauthorized(Missing)`. Repeatable.
    fn start_export(&self, caller: &Caller) -> impl Future<Output = Result<Export>> + Send;

    /// The caller's exports, the latest first, at most ten. Those that have expired are gone.
    ///
    /// Fails with `Unauthorized(Missing)`. Repeatable.
    fn exports(&self, caller: &Caller) -> impl Future<Output = Result<Vec<Export>>> + Send;

    /// One piece of a finished export's file, at most [`MAX_CHUNK`](crate::MAX_CHUNK) bytes; the
    /// first is number 0.
    ///
    /// Fails with `Unauthorized(Missing)`, or `NotFound(Export)` if the caller has no finished export
    /// with this number, or its file no such piece. Repeatable.
    fn export_chunk(
        &self,
        caller: &Caller,
        id: i64,
        number: u32,
    ) -> impl Future<Output = Result<Vec<u8>>> + Send;

    /// The caller's jobs that are not done, the latest first, at most 50.
    ///
    /// Fails with `Unauthorized(Missing)`. Repeatable.
    fn jobs(&self, caller: &Caller) -> impl Future<Output = Result<Vec<Job>>> + Send;

    /// The queue as a whole, for operators, who show a token of their own.
    ///
    /// Fails with `Forbidden(Queue)` when that is not the configured one, or none is. Repeatable.
    fn queue(
        &self,
        caller: &Caller,
        operator: &Token,
    ) -> impl Future<Output = Result<Queue>> + Send;

    /// Has a dead or parked job run again, with all of its attempts.
    ///
    /// Fails with `Forbidden(Queue)`, as [`queue`](Self::queue) does, or `NotFound(Job)` if no job
    /// with this number is dead or parked. **Not repeatable**: the second attempt finds it running.
    fn retry_job(
        &self,
        caller: &Caller,
        operator: &Token,
        id: i64,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Whether what stands behind the port (a database, another server) can be reached right now.
    ///
    /// Operators ask this, not visitors: it is the one method that is no part of the contract.
    /// Fails with `Unavailable`, within two seconds. Repeatable.
    fn ready(&self) -> impl Future<Output = Result<()>> + Send;
}
