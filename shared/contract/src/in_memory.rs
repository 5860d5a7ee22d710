//! A third implementation of the port: the rows of a [`Dataset`] in memory, and no I/O at all.
//!
//! It has two uses. The suite runs against it first, so that a test which fails on a database but
//! not here points at the SQL. And with it behind both architectures the lab can price the boundary
//! alone, without a database in the picture.
//!
//! It is no example to follow: passwords are compared in clear, a token is just a row number, and
//! what is changed is gone with the process.

mod rows;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use conduit::{
    Article, ArticlePage, ArticleSummary, ArticleUpdate, Caller, Comment, Conduit, Credentials,
    Error, Export, Job, ListArticles, NewArticle, NewComment, Outcome, Problems, Profile, Queue,
    Registration, Resource, Result, Token, Unauthorized, User, UserUpdate, Window,
};
use in_process::{Clock, validation};

use crate::dataset::Dataset;
use rows::{Account, Row, Rows};

/// The app without a database. Clones share one state.
#[derive(Clone)]
pub struct InMemory(Arc<RwLock<Rows>>);

impl InMemory {
    /// The app with all rows of the dataset: about 4 MB for the default size.
    pub fn new(dataset: &Dataset) -> Self {
        Self::at(dataset, Clock::system())
    }

    /// The same, by this clock.
    pub fn at(dataset: &Dataset, clock: Clock) -> Self {
        Self(Arc::new(RwLock::new(Rows::new(dataset, clock))))
    }

    fn read(&self) -> RwLockReadGuard<'_, Rows> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Rows> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_following(&self, caller: &Caller, username: &str, follow: bool) -> Result<Profile> {
        let mut rows = self.write();
        let viewer = signed_in(&rows, caller)?;
        let of = rows.account(username)?;
        let follows = &mut rows.accounts[viewer].follows;
        if follow {
            follows.insert(of);
        } else {
            follows.remove(&of);
        }
        Ok(rows.profile(Some(viewer), of))
    }

    fn set_favorite(&self, caller: &Caller, slug: &str, favorite: bool) -> Result<Article> {
        let mut rows = self.write();
        let viewer = signed_in(&rows, caller)?;
        let row = rows.row_mut(slug)?;
        if favorite {
            row.fans.insert(viewer);
        } else {
            row.fans.remove(&viewer);
        }
        rows.article(Some(viewer), slug)
    }
}

impl Conduit for InMemory {
    async fn register(&self, caller: &Caller, new: Registration) -> Result<User> {
        in_time(caller)?;
        validation::registration(&new).into_result()?;
        let mut rows = self.write();
        free(&rows, None, Some(&new.username), Some(&new.email))?;
        rows.accounts.push(Account {
            password: new.password.expose().to_owned(),
            username: new.username,
            email: new.email,
            ..Account::default()
        });
        let index = rows.accounts.len() - 1;
        Ok(rows.accounts[index].signed_in(token(index)))
    }

    async fn login(&self, caller: &Caller, credentials: Credentials) -> Result<User> {
        in_time(caller)?;
        validation::credentials(&credentials).into_result()?;
        let password = credentials.password.expose();
        let rows = self.read();
        let good = |a: &Account| a.email == credentials.email && a.password == password;
        let index = rows.accounts.iter().position(good);
        let index = index.ok_or(Error::Unauthorized(Unauthorized::Credentials))?;
        Ok(rows.accounts[index].signed_in(token(index)))
    }

    async fn current_user(&self, caller: &Caller) -> Result<User> {
        let rows = self.read();
        let index = signed_in(&rows, caller)?;
        Ok(rows.accounts[index].signed_in(token(index)))
    }

    async fn update_user(&self, caller: &Caller, changes: UserUpdate) -> Result<User> {
        let mut rows = self.write();
        let index = signed_in(&rows, caller)?;
        validation::user_update(&changes).into_result()?;
        let UserUpdate { email, username, password, bio, image } = changes;
        free(&rows, Some(index), username.as_deref(), email.as_deref())?;
        let account = &mut rows.accounts[index];
        replace(&mut account.email, email);
        replace(&mut account.username, username);
        replace(&mut account.password, password.map(|password| password.expose().to_owned()));
        replace(&mut account.bio, bio.map(validation::optional));
        replace(&mut account.image, image.map(validation::optional));
        Ok(account.signed_in(token(index)))
    }

    async fn profile(&self, caller: &Caller, username: &str) -> Result<Profile> {
        let rows = self.read();
        let viewer = viewer(&rows, caller)?;
        Ok(rows.profile(viewer, rows.account(username)?))
    }

    async fn follow(&self, caller: &Caller, username: &str) -> Result<Profile> {
        self.set_following(caller, username, true)
    }

    async fn unfollow(&self, caller: &Caller, username: &str) -> Result<Profile> {
        self.set_following(caller, username, false)
    }

    async fn articles(&self, caller: &Caller, list: &ListArticles) -> Result<ArticlePage> {
        let rows = self.read();
        let viewer = viewer(&rows, caller)?;
        let name = |index: usize| &rows.accounts[index].username;
        let matches = |row: &Row| {
            list.tag.as_ref().is_none_or(|tag| row.tags.contains(tag))
                && list.author.as_ref().is_none_or(|author| name(row.author) == author)
                && list
                    .favorited
                    .as_ref()
                    .is_none_or(|fan| row.fans.iter().any(|&index| name(index) == fan))
        };
        let window = Window { limit: list.limit, offset: list.offset };
        Ok(rows.page(viewer, window, matches))
    }

    async fn feed(&self, caller: &Caller, window: Window) -> Result<ArticlePage> {
        let rows = self.read();
        let viewer = signed_in(&rows, caller)?;
        let follows = &rows.accounts[viewer].follows;
        Ok(rows.page(Some(viewer), window, |row| follows.contains(&row.author)))
    }

    async fn article(&self, caller: &Caller, slug: &str) -> Result<Article> {
        let rows = self.read();
        let viewer = viewer(&rows, caller)?;
        rows.article(viewer, slug)
    }

    async fn create_article(&self, caller: &Caller, new: NewArticle) -> Result<Article> {
        let mut rows = self.write();
        let author = signed_in(&rows, caller)?;
        validation::new_article(&new).into_result()?;
        let slug = rows.publish(author, new);
        rows.article(Some(author), &slug)
    }

    async fn update_article(
        &self,
        caller: &Caller,
        slug: &str,
        changes: ArticleUpdate,
    ) -> Result<Article> {
        let mut rows = self.write();
        let author = signed_in(&rows, caller)?;
        if !validation::can_be_addressed(slug) {
            return Err(Error::NotFound(Resource::Article));
        }
        validation::article_update(&changes).into_result()?;
        if rows.row(slug)?.author != author {
            return Err(Error::Forbidden(Resource::Article));
        }
        let slug = rows.change(slug, changes)?;
        rows.article(Some(author), &slug)
    }

    async fn delete_article(&self, caller: &Caller, slug: &str) -> Result<()> {
        let mut rows = self.write();
        let author = signed_in(&rows, caller)?;
        if rows.row(slug)?.author != author {
            return Err(Error::Forbidden(Resource::Article));
        }
        rows.take_away(slug);
        Ok(())
    }

    async fn favorite(&self, caller: &Caller, slug: &str) -> Result<Article> {
        self.set_favorite(caller, slug, true)
    }

    async fn unfavorite(&self, caller: &Caller, slug: &str) -> Result<Article> {
        self.set_favorite(caller, slug, false)
    }

    async fn comments(&self, caller: &Caller, slug: &str) -> Result<Vec<Comment>> {
        let rows = self.read();
        let viewer = viewer(&rows, caller)?;
        let row = rows.row(slug)?;
        Ok(row.comments.iter().map(|comment| rows.comment(viewer, comment)).collect())
    }

    async fn add_comment(&self, caller: &Caller, slug: &str, new: NewComment) -> Result<Comment> {
        let mut rows = self.write();
        let author = signed_in(&rows, caller)?;
        if !validation::can_be_addressed(slug) {
            return Err(Error::NotFound(Resource::Article));
        }
        validation::new_comment(&new).into_result()?;
        let now = rows.clock.now();
        let comment = rows::Comment { id: rows.next(), author, body: new.body, created_at: now };
        let answer = rows.comment(Some(author), &comment);
        rows.row_mut(slug)?.comments.push(comment);
        Ok(answer)
    }

    async fn delete_comment(&self, caller: &Caller, slug: &str, id: i64) -> Result<()> {
        let mut rows = self.write();
        let viewer = signed_in(&rows, caller)?;
        let comments = &mut rows.row_mut(slug)?.comments;
        let at = comments.iter().position(|comment| comment.id == id);
        let at = at.ok_or(Error::NotFound(Resource::Comment))?;
        if comments[at].author != viewer {
            return Err(Error::Forbidden(Resource::Comment));
        }
        comments.remove(at);
        Ok(())
    }

    async fn tags(&self, caller: &Caller) -> Result<Vec<String>> {
        in_time(caller)?;
        Ok(self.read().tags())
    }

    // There is no worker in memory: what is done later is asked for, and stays so.

    async fn related(&self, caller: &Caller, slug: &str) -> Result<Vec<ArticleSummary>> {
        let rows = self.read();
        viewer(&rows, caller)?;
        rows.row(slug).map(|_| Vec::new())
    }

    async fn start_export(&self, caller: &Caller) -> Result<Export> {
        let mut rows = self.write();
        let account = signed_in(&rows, caller)?;
        Ok(rows.start_export(account))
    }

    async fn exports(&self, caller: &Caller) -> Result<Vec<Export>> {
        let rows = self.read();
        let account = signed_in(&rows, caller)?;
        Ok(rows.accounts[account].export.iter().cloned().collect())
    }

    async fn export_chunk(&self, caller: &Caller, _: i64, _: u32) -> Result<Vec<u8>> {
        signed_in(&self.read(), caller)?;
        Err(Error::NotFound(Resource::Export))
    }

    async fn jobs(&self, caller: &Caller) -> Result<Vec<Job>> {
        let rows = self.read();
        let account = signed_in(&rows, caller)?;
        Ok(rows.accounts[account].jobs.iter().rev().take(50).cloned().collect())
    }

    async fn queue(&self, caller: &Caller, _: &Token) -> Result<Queue> {
        in_time(caller)?;
        Err(Error::Forbidden(Resource::Queue))
    }

    async fn retry_job(&self, caller: &Caller, _: &Token, _: i64) -> Result<()> {
        in_time(caller)?;
        Err(Error::Forbidden(Resource::Queue))
    }

    async fn ready(&self) -> Result<()> {
        Ok(())
    }
}

/// What a token of this implementation starts with; a row number follows.
const TOKEN: &str = "in-memory.";

fn token(index: usize) -> Token {
    Token::new(format!("{TOKEN}{index}"))
}

/// Nothing here takes any time, but a call that comes too late is refused like everywhere.
fn in_time(caller: &Caller) -> Result<()> {
    if caller.remaining().is_zero() { Err(Error::Unavailable(Outcome::NotDone)) } else { Ok(()) }
}

/// The account that the caller's token belongs to, or `None` for a caller without a token.
fn viewer(rows: &Rows, caller: &Caller) -> Result<Option<usize>> {
    in_time(caller)?;
    let Some(token) = &caller.token else { return Ok(None) };
    let index = token.expose().strip_prefix(TOKEN).and_then(|index| index.parse().ok());
    match index {
        Some(index) if index < rows.accounts.len() => Ok(Some(index)),
        _ => Err(Error::Unauthorized(Unauthorized::Invalid)),
    }
}

fn signed_in(rows: &Rows, caller: &Caller) -> Result<usize> {
    viewer(rows, caller)?.ok_or(Error::Unauthorized(Unauthorized::Missing))
}

/// Fails with the fields that somebody has, other than the account number `own`.
fn free(
    rows: &Rows,
    own: Option<usize>,
    username: Option<&str>,
    email: Option<&str>,
) -> Result<()> {
    let mut taken = Problems::new();
    let others = || rows.accounts.iter().enumerate().filter(|(index, _)| Some(*index) != own);
    if others().any(|(_, other)| Some(other.username.as_str()) == username) {
        taken.add("username", "has already been taken");
    }
    if others().any(|(_, other)| Some(other.email.as_str()) == email) {
        taken.add("email", "has already been taken");
    }
    if taken.is_empty() { Ok(()) } else { Err(Error::Conflict(taken)) }
}

/// What is not given stays as it is.
fn replace<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}
