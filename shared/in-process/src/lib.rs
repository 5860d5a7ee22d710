//! The port, implemented in this process: use cases on a database.
//!
//! This is the only crate with SQL in it, and the only one that can read a token.
//!
//! Read in this order: [`InProcess`] below (the table of contents), `users`, `profiles`,
//! `articles` with `filters`, `authoring` with `slugs`, `favorites`, `comments`, `tags` and `exports`
//! (one use case after the other, with its SQL),
//! `listing` (how a list comes out), `db` (how one text of SQL runs on two databases), `statement` (what a trace shows of one), `connect` (how a
//! database is opened), `tokens` and `passwords` (who is who), `db_error` (what can go wrong), `jobs`
//! (what is done later), `notices` (what others do). The tables stand in `migrations/`.

mod articles;
mod authoring;
mod budget;
pub mod bulk;
mod clock;
mod comments;
mod config;
mod connect;
mod db;
mod db_error;
mod exports;
mod favorites;
mod filters;
mod hs256;
mod jobs;
mod listing;
mod notices;
mod passwords;
mod profiles;
pub mod provision;
mod secret;
mod slugs;
mod start_error;
mod statement;
mod tags;
mod tokens;
mod users;
pub mod validation;

use std::{sync::Arc, time::Duration};

use conduit::{
    Article, ArticlePage, ArticleSummary, ArticleUpdate, Caller, Comment, Conduit, Credentials,
    Error, Export, Job, ListArticles, NewArticle, NewComment, Outcome, Profile, Queue,
    Registration, Result, Token, User, UserUpdate, Window,
};

pub use clock::Clock;
pub use config::{
    AppArgs, DatabaseArgs, DatabaseUrl, IdentityArgs, Options, SECRET_FILE, SQLITE_FILE,
};
pub use connect::migrate;
pub use db::{Db, JOB_STATEMENTS, SQL_STATEMENTS};
pub use jobs::{
    JobArgs, JobPriority, Lab, Load, Missed, Naive, Placement, PlacementArgs, Point, Taken,
};
pub use start_error::StartError;
pub use tokens::LIFETIME as TOKEN_LIFETIME;

use budget::within;

/// The app in this process. Cheap to clone: the clones share their connections.
#[derive(Clone)]
pub struct InProcess {
    db: Db,
    tokens: Arc<tokens::Tokens>,
    clock: Clock,
    jobs: Arc<jobs::Jobs>,
}

impl InProcess {
    /// What a server has behind its port: [`connect`](Self::connect) with all of its settings.
    ///
    /// # Errors
    /// One line that names the setting to change, or the command to run first.
    pub async fn start(
        args: &AppArgs,
        placement: Placement,
        production: bool,
        lab: Lab,
    ) -> std::result::Result<Self, StartError> {
        let (jobs, lab, clock) = (args.jobs.clone(), Arc::new(lab), Clock::system());
        let options = Options { production, placement, jobs, lab, clock };
        Self::connect(&args.database, &args.identity, options).await
    }

    /// Opens the database and the secret that signs tokens. A missing SQLite file is created, and
    /// an old one migrated; PostgreSQL has to be migrated before, with [`migrate`].
    ///
    /// # Errors
    /// One line that names the setting to change, or the command to run first.
    pub async fn connect(
        database: &DatabaseArgs,
        identity: &IdentityArgs,
        options: Options,
    ) -> std::result::Result<Self, StartError> {
        let secret_file = identity.secret_file(&database.data_dir);
        if secret_file.starts_with(&database.data_dir) {
            database.create_data_dir()?;
        }
        let secret = secret::Secret::load(&secret_file, options.production)?;
        let db = connect::open(database).await?;
        metrics::describe_counter!(SQL_STATEMENTS, "SQL statements that use cases sent");
        metrics::describe_counter!(JOB_STATEMENTS, "SQL statements that jobs sent");
        let clock = options.lab.shift(options.clock);
        let jobs = jobs::Jobs::new(database, &db, &options.jobs, options.placement, options.lab)?;
        let tokens = Arc::new(tokens::Tokens::new(&secret, clock.clone()));
        Ok(Self { db, tokens, clock, jobs: Arc::new(jobs) })
    }

    /// Closes the database, after the statements that run on it. To be called last.
    pub async fn close(&self) {
        self.db.close().await;
    }

    /// The database, for loading data in bulk.
    pub fn db(&self) -> &Db {
        &self.db
    }
}

/// What only reads is not done when its time is up. What writes in a transaction goes through `write`;
/// the few that write without one decide for themselves what is known of them.
impl Conduit for InProcess {
    async fn ready(&self) -> Result<()> {
        let answers = self.db.answers(Duration::from_secs(1)).await;
        if answers { Ok(()) } else { Err(Error::Unavailable(Outcome::NotDone)) }
    }

    async fn register(&self, caller: &Caller, new: Registration) -> Result<User> {
        users::register(self, caller, new).await
    }

    async fn login(&self, caller: &Caller, credentials: Credentials) -> Result<User> {
        within(caller, Outcome::NotDone, users::login(self, credentials)).await
    }

    async fn current_user(&self, caller: &Caller) -> Result<User> {
        within(caller, Outcome::NotDone, users::current(self, caller)).await
    }

    async fn update_user(&self, caller: &Caller, changes: UserUpdate) -> Result<User> {
        users::update(self, caller, changes).await
    }

    async fn profile(&self, caller: &Caller, username: &str) -> Result<Profile> {
        within(caller, Outcome::NotDone, profiles::get(self, caller, username)).await
    }

    async fn follow(&self, caller: &Caller, username: &str) -> Result<Profile> {
        self.write(caller, profiles::set_following(self, caller, username, true)).await
    }

    async fn unfollow(&self, caller: &Caller, username: &str) -> Result<Profile> {
        self.write(caller, profiles::set_following(self, caller, username, false)).await
    }

    async fn articles(&self, caller: &Caller, list: &ListArticles) -> Result<ArticlePage> {
        within(caller, Outcome::NotDone, articles::list(self, caller, list)).await
    }

    async fn feed(&self, caller: &Caller, window: Window) -> Result<ArticlePage> {
        within(caller, Outcome::NotDone, articles::feed(self, caller, window)).await
    }

    async fn article(&self, caller: &Caller, slug: &str) -> Result<Article> {
        within(caller, Outcome::NotDone, articles::get(self, caller, slug)).await
    }

    async fn create_article(&self, caller: &Caller, new: NewArticle) -> Result<Article> {
        self.write(caller, authoring::create(self, caller, new)).await
    }

    async fn update_article(
        &self,
        caller: &Caller,
        slug: &str,
        changes: ArticleUpdate,
    ) -> Result<Article> {
        self.write(caller, authoring::update(self, caller, slug, changes)).await
    }

    async fn delete_article(&self, caller: &Caller, slug: &str) -> Result<()> {
        self.write(caller, authoring::delete(self, caller, slug)).await
    }

    async fn favorite(&self, caller: &Caller, slug: &str) -> Result<Article> {
        self.write(caller, favorites::set(self, caller, slug, true)).await
    }

    async fn unfavorite(&self, caller: &Caller, slug: &str) -> Result<Article> {
        self.write(caller, favorites::set(self, caller, slug, false)).await
    }

    async fn comments(&self, caller: &Caller, slug: &str) -> Result<Vec<Comment>> {
        within(caller, Outcome::NotDone, comments::list(self, caller, slug)).await
    }

    async fn add_comment(&self, caller: &Caller, slug: &str, new: NewComment) -> Result<Comment> {
        self.write(caller, comments::add(self, caller, slug, new)).await
    }

    async fn delete_comment(&self, caller: &Caller, slug: &str, id: i64) -> Result<()> {
        comments::delete(self, caller, slug, id).await
    }

    async fn tags(&self, caller: &Caller) -> Result<Vec<String>> {
        within(caller, Outcome::NotDone, tags::list(self)).await
    }

    async fn related(&self, caller: &Caller, slug: &str) -> Result<Vec<ArticleSummary>> {
        within(caller, Outcome::NotDone, articles::related(self, caller, slug)).await
    }

    async fn start_export(&self, caller: &Caller) -> Result<Export> {
        self.write(caller, exports::start(self, caller)).await
    }

    async fn exports(&self, caller: &Caller) -> Result<Vec<Export>> {
        within(caller, Outcome::NotDone, exports::list(self, caller)).await
    }

    async fn export_chunk(&self, caller: &Caller, id: i64, number: u32) -> Result<Vec<u8>> {
        within(caller, Outcome::NotDone, exports::chunk(self, caller, id, number)).await
    }

    async fn jobs(&self, caller: &Caller) -> Result<Vec<Job>> {
        within(caller, Outcome::NotDone, jobs::view::own(self, caller)).await
    }

    async fn queue(&self, caller: &Caller, operator: &Token) -> Result<Queue> {
        within(caller, Outcome::NotDone, jobs::view::queue(self, operator)).await
    }

    async fn retry_job(&self, caller: &Caller, operator: &Token, id: i64) -> Result<()> {
        self.write(caller, jobs::view::retry(self, operator, id)).await
    }
}

impl InProcess {
    /// Does what `work` has put into a transaction. Until the commit is sent, nothing is done,
    /// whatever happens; from then on a lost answer leaves it open. Then the jobs that it brings are
    /// set going.
    async fn write<T>(
        &self,
        caller: &Caller,
        work: impl Future<Output = Result<(db::Tx, T)>>,
    ) -> Result<T> {
        let (tx, value) = within(caller, Outcome::NotDone, work).await?;
        let commit = async { tx.commit().await.map_err(db_error::writing) };
        let jobs = within(caller, Outcome::Unknown, commit).await?;
        self.committed(jobs).await;
        Ok(value)
    }
}
