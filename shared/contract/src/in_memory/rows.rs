//! The rows that the in-memory port holds, and how answers are made of them.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashSet},
};

use chrono::{DateTime, TimeDelta, Utc};
use conduit::{
    Article, ArticlePage, ArticleSummary, ArticleUpdate, Error, Export, ExportState, Job, JobState,
    NewArticle, Profile, Resource, Result, Token, User, Window,
};
use in_process::{Clock, validation};

use super::replace;
use crate::dataset::{self, Dataset};

/// Everything there is. Accounts are named by their index, articles and comments by their id.
pub(super) struct Rows {
    pub(super) clock: Clock,
    pub(super) accounts: Vec<Account>,
    /// In the order of their ids, which is the order in which they were published.
    articles: BTreeMap<i64, Row>,
    by_slug: BTreeMap<String, i64>,
    /// Articles that a job is waiting for.
    to_relate: HashSet<i64>,
    /// The last number that was given to anything.
    last: i64,
}

#[derive(Default)]
pub(super) struct Account {
    pub(super) username: String,
    pub(super) email: String,
    pub(super) password: String,
    pub(super) bio: Option<String>,
    pub(super) image: Option<String>,
    pub(super) follows: HashSet<usize>,
    /// The one that was asked for.
    pub(super) export: Option<Export>,
    /// What waits for a worker, oldest first.
    pub(super) jobs: Vec<Job>,
}

/// An article with what hangs on it.
pub(super) struct Row {
    slug: String,
    title: String,
    description: String,
    body: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    pub(super) author: usize,
    /// In alphabetical order.
    pub(super) tags: Vec<String>,
    pub(super) fans: HashSet<usize>,
    /// Oldest first.
    pub(super) comments: Vec<Comment>,
}

pub(super) struct Comment {
    pub(super) id: i64,
    pub(super) author: usize,
    pub(super) body: String,
    pub(super) created_at: DateTime<Utc>,
}

impl Rows {
    pub(super) fn new(dataset: &Dataset, clock: Clock) -> Self {
        let size = dataset.size();
        let articles: BTreeMap<_, _> = (0..size.articles).map(|i| row(dataset, i)).collect();
        Self {
            clock,
            accounts: (0..size.users).map(|index| account(dataset, index)).collect(),
            to_relate: HashSet::new(),
            by_slug: articles.iter().map(|(&id, row)| (row.slug.clone(), id)).collect(),
            // Above every id of the dataset, whose comments count with gaps.
            last: articles.values().flat_map(|row| &row.comments).map(|c| c.id).max().unwrap_or(0)
                + articles.len() as i64,
            articles,
        }
    }

    /// A number that nothing has had before.
    pub(super) fn next(&mut self) -> i64 {
        self.last += 1;
        self.last
    }

    pub(super) fn account(&self, username: &str) -> Result<usize> {
        let of = self.accounts.iter().position(|account| account.username == username);
        of.ok_or(Error::NotFound(Resource::Profile))
    }

    pub(super) fn row(&self, slug: &str) -> Result<&Row> {
        let id = self.by_slug.get(slug).ok_or(Error::NotFound(Resource::Article))?;
        Ok(&self.articles[id])
    }

    pub(super) fn row_mut(&mut self, slug: &str) -> Result<&mut Row> {
        let found = self.by_slug.get(slug).and_then(|id| self.articles.get_mut(id));
        found.ok_or(Error::NotFound(Resource::Article))
    }

    /// Adds an article and returns its slug.
    pub(super) fn publish(&mut self, author: usize, new: NewArticle) -> String {
        let id = self.next();
        let now = self.clock.now();
        let row = Row {
            slug: format!("article-{id}"),
            title: new.title,
            description: new.description,
            body: new.body,
            created_at: now,
            updated_at: now,
            author,
            tags: validation::tags(new.tag_list),
            fans: HashSet::new(),
            comments: Vec::new(),
        };
        let slug = row.slug.clone();
        self.by_slug.insert(slug.clone(), id);
        self.articles.insert(id, row);
        self.enqueue_related(author, id);
        slug
    }

    /// Has what is related to an article computed, once until somebody does.
    fn enqueue_related(&mut self, author: usize, article: i64) {
        if self.to_relate.insert(article) {
            self.enqueue(author, "related");
        }
    }

    fn enqueue(&mut self, account: usize, kind: &str) {
        let job = Job {
            id: self.next(),
            kind: kind.to_owned(),
            state: JobState::Ready,
            attempts: 0,
            progress_done: 0,
            progress_total: 0,
            created_at: self.clock.now().into(),
        };
        self.accounts[account].jobs.push(job);
    }

    /// Asks for an export, if none is asked for already.
    pub(super) fn start_export(&mut self, account: usize) -> Export {
        if let Some(export) = &self.accounts[account].export {
            return export.clone();
        }
        let export = Export {
            id: self.next(),
            state: ExportState::Waiting,
            articles_done: 0,
            articles_total: self.articles.values().filter(|row| row.author == account).count()
                as u64,
            created_at: self.clock.now().into(),
            expires_at: None,
            bytes: 0,
            chunks: 0,
        };
        self.accounts[account].export = Some(export.clone());
        self.enqueue(account, "export");
        export
    }

    /// Changes an article and returns the slug that it has now.
    pub(super) fn change(&mut self, slug: &str, changes: ArticleUpdate) -> Result<String> {
        let new_slug = format!("article-{}", self.next());
        let now = self.clock.now();
        let row = self.row_mut(slug)?;
        let renamed = changes.title.as_ref().is_some_and(|title| *title != row.title);
        replace(&mut row.title, changes.title);
        replace(&mut row.description, changes.description);
        replace(&mut row.body, changes.body);
        replace(&mut row.tags, changes.tag_list.map(validation::tags));
        row.updated_at = now.max(row.updated_at + TimeDelta::milliseconds(1));
        if renamed {
            row.slug.clone_from(&new_slug);
        }
        let author = row.author;
        if let Some(&id) = self.by_slug.get(slug) {
            self.enqueue_related(author, id);
        }
        if !renamed {
            return Ok(slug.to_owned());
        }
        if let Some(id) = self.by_slug.remove(slug) {
            self.by_slug.insert(new_slug.clone(), id);
        }
        Ok(new_slug)
    }

    /// Takes away an article and all that hangs on it.
    pub(super) fn take_away(&mut self, slug: &str) {
        if let Some(id) = self.by_slug.remove(slug)
            && let Some(row) = self.articles.remove(&id)
        {
            self.enqueue_related(row.author, id);
        }
    }

    /// A window on the articles that match, newest first.
    pub(super) fn page(
        &self,
        viewer: Option<usize>,
        window: Window,
        matches: impl Fn(&Row) -> bool,
    ) -> ArticlePage {
        let all: Vec<_> = self.articles.values().rev().filter(|row| matches(row)).collect();
        let window = all.iter().skip(window.offset as usize).take(window.limit as usize);
        ArticlePage {
            articles: window.map(|row| self.summary(viewer, row)).collect(),
            articles_count: all.len() as u64,
        }
    }

    pub(super) fn article(&self, viewer: Option<usize>, slug: &str) -> Result<Article> {
        let row = self.row(slug)?;
        let short = self.summary(viewer, row);
        Ok(Article {
            slug: short.slug,
            title: short.title,
            description: short.description,
            body: row.body.clone(),
            tag_list: short.tag_list,
            created_at: short.created_at,
            updated_at: short.updated_at,
            favorited: short.favorited,
            favorites_count: short.favorites_count,
            author: short.author,
        })
    }

    fn summary(&self, viewer: Option<usize>, row: &Row) -> ArticleSummary {
        ArticleSummary {
            slug: row.slug.clone(),
            title: row.title.clone(),
            description: row.description.clone(),
            tag_list: row.tags.clone(),
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
            favorited: viewer.is_some_and(|viewer| row.fans.contains(&viewer)),
            favorites_count: row.fans.len() as u64,
            author: self.profile(viewer, row.author),
        }
    }

    pub(super) fn profile(&self, viewer: Option<usize>, of: usize) -> Profile {
        let account = &self.accounts[of];
        Profile {
            username: account.username.clone(),
            bio: account.bio.clone(),
            image: account.image.clone(),
            following: viewer.is_some_and(|viewer| self.accounts[viewer].follows.contains(&of)),
        }
    }

    pub(super) fn comment(&self, viewer: Option<usize>, comment: &Comment) -> conduit::Comment {
        conduit::Comment {
            id: comment.id,
            created_at: comment.created_at.into(),
            updated_at: comment.created_at.into(),
            body: comment.body.clone(),
            author: self.profile(viewer, comment.author),
        }
    }

    /// Every tag in use, the most used first, ties in alphabetical order.
    pub(super) fn tags(&self) -> Vec<String> {
        let mut uses = BTreeMap::<&String, usize>::new();
        for tag in self.articles.values().flat_map(|row| &row.tags) {
            *uses.entry(tag).or_default() += 1;
        }
        let mut tags: Vec<_> = uses.into_iter().collect();
        // The map is in alphabetical order, and a stable sort leaves it so among equals.
        tags.sort_by_key(|(_, uses)| Reverse(*uses));
        tags.into_iter().map(|(tag, _)| tag.clone()).collect()
    }
}

impl Account {
    pub(super) fn signed_in(&self, token: Token) -> User {
        User {
            email: self.email.clone(),
            token,
            username: self.username.clone(),
            bio: self.bio.clone(),
            image: self.image.clone(),
        }
    }
}

fn row(dataset: &Dataset, index: u64) -> (i64, Row) {
    let article = dataset.article(index);
    let mut tags: Vec<_> =
        dataset.article_tags(index).into_iter().map(|tag| dataset.tag(tag)).collect();
    tags.sort();
    let comment = |comment: dataset::Comment| Comment {
        id: comment.id,
        author: position(comment.author),
        body: comment.body,
        created_at: comment.created_at,
    };
    let row = Row {
        slug: article.slug,
        title: article.title,
        description: article.description,
        body: article.body,
        created_at: article.created_at,
        updated_at: article.updated_at,
        author: position(article.author),
        tags,
        fans: dataset.favorites(index).into_iter().map(position).collect(),
        comments: dataset.comments(index).into_iter().map(comment).collect(),
    };
    (article.id, row)
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
        ..Account::default()
    }
}

fn position(index: u64) -> usize {
    usize::try_from(index).expect("rows that are held in memory can be counted in a usize")
}
