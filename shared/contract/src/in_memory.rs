//! A third implementation of the port: the rows of a [`Dataset`] in memory, and no I/O at all.
//!
//! It has two uses. The suite runs against it first, so that a test which fails on a database but
//! not here points at the SQL. And with it behind both architectures the lab can price the boundary
//! alone, without a database in the picture.
//!
//! It is no example to follow: passwords are compared in clear, a token is just a row number, and
//! accounts that are opened are gone with the process.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use conduit::{
    Article, ArticlePage, ArticleSummary, Caller, Comment, Conduit, Credentials, Error,
    ListArticles, Outcome, Problems, Profile, Registration, Resource, Result, Token, Unauthorized,
    User,
};

use crate::dataset::{self, Dataset};

/// The app without a database. Clones share one state.
#[derive(Clone)]
pub struct InMemory(Arc<State>);

struct State {
    /// Oldest first, as the dataset numbers them.
    articles: Vec<Row>,
    by_slug: BTreeMap<String, usize>,
    /// Most used first.
    tags: Vec<String>,
    accounts: RwLock<Vec<Account>>,
}

/// An article with what hangs on it. Accounts are named by their index.
struct Row {
    article: dataset::Article,
    author: usize,
    /// In alphabetical order.
    tags: Vec<String>,
    fans: HashSet<usize>,
    comments: Vec<dataset::Comment>,
}

struct Account {
    username: String,
    email: String,
    password: String,
    bio: Option<String>,
    image: Option<String>,
    follows: HashSet<usize>,
}

impl InMemory {
    /// The app with all rows of the dataset: about 4 MB for the default size.
    pub fn new(dataset: &Dataset) -> Self {
        let articles: Vec<_> =
            (0..dataset.size().articles).map(|index| row(dataset, index)).collect();
        let slugs = articles.iter().enumerate();
        let by_slug = slugs.map(|(index, row)| (row.article.slug.clone(), index)).collect();
        let accounts = (0..dataset.size().users).map(|index| account(dataset, index)).collect();
        let tags = by_use(&articles);
        Self(Arc::new(State { articles, by_slug, tags, accounts: RwLock::new(accounts) }))
    }

    fn accounts(&self) -> RwLockReadGuard<'_, Vec<Account>> {
        self.0.accounts.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn row(&self, slug: &str) -> Result<&Row> {
        let index = self.0.by_slug.get(slug).ok_or(Error::NotFound(Resource::Article))?;
        Ok(&self.0.articles[*index])
    }
}

impl Conduit for InMemory {
    async fn register(&self, caller: &Caller, new: Registration) -> Result<User> {
        in_time(caller)?;
        let password = new.password.expose();
        not_blank(&[("username", &new.username), ("email", &new.email), ("password", password)])?;
        let mut accounts = self.0.accounts.write().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Problems::new();
        if accounts.iter().any(|other| other.username == new.username) {
            taken.add("username", "has already been taken");
        }
        if accounts.iter().any(|other| other.email == new.email) {
            taken.add("email", "has already been taken");
        }
        if !taken.is_empty() {
            return Err(Error::Conflict(taken));
        }
        accounts.push(Account {
            password: password.to_owned(),
            username: new.username,
            email: new.email,
            bio: None,
            image: None,
            follows: HashSet::new(),
        });
        let index = accounts.len() - 1;
        Ok(accounts[index].signed_in(token(index)))
    }

    async fn login(&self, caller: &Caller, credentials: Credentials) -> Result<User> {
        in_time(caller)?;
        let password = credentials.password.expose();
        not_blank(&[("email", &credentials.email), ("password", password)])?;
        let accounts = self.accounts();
        let good = |a: &Account| a.email == credentials.email && a.password == password;
        let index =
            accounts.iter().position(good).ok_or(Error::Unauthorized(Unauthorized::Credentials))?;
        Ok(accounts[index].signed_in(token(index)))
    }

    async fn current_user(&self, caller: &Caller) -> Result<User> {
        let accounts = self.accounts();
        let missing = Error::Unauthorized(Unauthorized::Missing);
        let viewer = viewer(&accounts, caller)?.ok_or(missing)?;
        Ok(accounts[viewer].signed_in(token(viewer)))
    }

    async fn profile(&self, caller: &Caller, username: &str) -> Result<Profile> {
        let accounts = self.accounts();
        let viewer = viewer(&accounts, caller)?;
        let of = accounts.iter().position(|account| account.username == username);
        Ok(profile(&accounts, viewer, of.ok_or(Error::NotFound(Resource::Profile))?))
    }

    async fn articles(&self, caller: &Caller, list: &ListArticles) -> Result<ArticlePage> {
        let accounts = self.accounts();
        let viewer = viewer(&accounts, caller)?;
        let matches = |row: &&Row| {
            list.tag.as_ref().is_none_or(|tag| row.tags.contains(tag))
                && list.author.as_ref().is_none_or(|name| accounts[row.author].username == *name)
                && list
                    .favorited
                    .as_ref()
                    .is_none_or(|name| row.fans.iter().any(|&fan| accounts[fan].username == *name))
        };
        let all: Vec<_> = self.0.articles.iter().rev().filter(matches).collect();
        let window = all.iter().skip(list.offset as usize).take(list.limit as usize);
        Ok(ArticlePage {
            articles: window.map(|row| summary(&accounts, viewer, row)).collect(),
            articles_count: all.len() as u64,
        })
    }

    async fn article(&self, caller: &Caller, slug: &str) -> Result<Article> {
        let accounts = self.accounts();
        let viewer = viewer(&accounts, caller)?;
        let row = self.row(slug)?;
        let short = summary(&accounts, viewer, row);
        Ok(Article {
            slug: short.slug,
            title: short.title,
            description: short.description,
            body: row.article.body.clone(),
            tag_list: short.tag_list,
            created_at: short.created_at,
            updated_at: short.updated_at,
            favorited: short.favorited,
            favorites_count: short.favorites_count,
            author: short.author,
        })
    }

    async fn comments(&self, caller: &Caller, slug: &str) -> Result<Vec<Comment>> {
        let accounts = self.accounts();
        let viewer = viewer(&accounts, caller)?;
        let comment = |comment: &dataset::Comment| Comment {
            id: comment.id,
            created_at: comment.created_at.into(),
            updated_at: comment.created_at.into(),
            body: comment.body.clone(),
            author: profile(&accounts, viewer, position(comment.author)),
        };
        Ok(self.row(slug)?.comments.iter().map(comment).collect())
    }

    async fn tags(&self, caller: &Caller) -> Result<Vec<String>> {
        in_time(caller)?;
        Ok(self.0.tags.clone())
    }

    async fn ready(&self) -> Result<()> {
        Ok(())
    }
}

impl Account {
    fn signed_in(&self, token: Token) -> User {
        User {
            email: self.email.clone(),
            token,
            username: self.username.clone(),
            bio: self.bio.clone(),
            image: self.image.clone(),
        }
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
fn viewer(accounts: &[Account], caller: &Caller) -> Result<Option<usize>> {
    in_time(caller)?;
    let Some(token) = &caller.token else { return Ok(None) };
    let index = token.expose().strip_prefix(TOKEN).and_then(|index| index.parse().ok());
    match index {
        Some(index) if index < accounts.len() => Ok(Some(index)),
        _ => Err(Error::Unauthorized(Unauthorized::Invalid)),
    }
}

fn profile(accounts: &[Account], viewer: Option<usize>, of: usize) -> Profile {
    let account = &accounts[of];
    Profile {
        username: account.username.clone(),
        bio: account.bio.clone(),
        image: account.image.clone(),
        following: viewer.is_some_and(|viewer| accounts[viewer].follows.contains(&of)),
    }
}

fn summary(accounts: &[Account], viewer: Option<usize>, row: &Row) -> ArticleSummary {
    ArticleSummary {
        slug: row.article.slug.clone(),
        title: row.article.title.clone(),
        description: row.article.description.clone(),
        tag_list: row.tags.clone(),
        created_at: row.article.created_at.into(),
        updated_at: row.article.updated_at.into(),
        favorited: viewer.is_some_and(|viewer| row.fans.contains(&viewer)),
        favorites_count: row.fans.len() as u64,
        author: profile(accounts, viewer, row.author),
    }
}

fn not_blank(fields: &[(&str, &str)]) -> Result<()> {
    let mut problems = Problems::new();
    for (field, _) in fields.iter().filter(|(_, text)| text.trim().is_empty()) {
        problems.add(field, "can't be blank");
    }
    problems.into_result()
}

fn row(dataset: &Dataset, index: u64) -> Row {
    let mut tags: Vec<_> =
        dataset.article_tags(index).into_iter().map(|tag| dataset.tag(tag)).collect();
    tags.sort();
    Row {
        article: dataset.article(index),
        author: position(dataset.author(index)),
        tags,
        fans: dataset.favorites(index).into_iter().map(position).collect(),
        comments: dataset.comments(index),
    }
}

fn account(dataset: &Dataset, index: u64) -> Account {
    let user = dataset.user(index);
    Account {
        username: user.username,
        email: user.email,
        password: dataset::PASSWORD.to_owned(),
        bio: user.bio,
        image: user.image,
        follows: dataset.follows(index).into_iter().map(position).collect(),
    }
}

/// Every tag in use, the most used first, ties in alphabetical order.
fn by_use(articles: &[Row]) -> Vec<String> {
    let mut uses = BTreeMap::<&String, usize>::new();
    for tag in articles.iter().flat_map(|row| &row.tags) {
        *uses.entry(tag).or_default() += 1;
    }
    let mut tags: Vec<_> = uses.into_iter().collect();
    // The map is in alphabetical order, and a stable sort leaves it so among equals.
    tags.sort_by_key(|(_, uses)| std::cmp::Reverse(*uses));
    tags.into_iter().map(|(tag, _)| tag.clone()).collect()
}

fn position(index: u64) -> usize {
    usize::try_from(index).expect("rows that are held in memory can be counted in a usize")
}
