//! What the app ought to know: the rows of the dataset, and what follows from them, worked out in
//! the plainest way there is.

use std::collections::BTreeMap;

use conduit::{Article, ArticlePage, ArticleSummary, Comment, ListArticles, Profile, Window};

use crate::dataset::{self, Dataset};

/// All rows, with their links. Accounts and articles are named by their index.
pub(super) struct Known {
    pub(super) users: Vec<dataset::User>,
    /// Whom each account follows.
    pub(super) follows: Vec<Vec<u64>>,
    /// Oldest first.
    pub(super) articles: Vec<KnownArticle>,
}

pub(super) struct KnownArticle {
    pub(super) article: dataset::Article,
    /// In alphabetical order: by code points, which is what bytes in UTF-8 sort like.
    pub(super) tags: Vec<String>,
    /// Accounts that have favourited it.
    pub(super) fans: Vec<u64>,
    pub(super) comments: Vec<dataset::Comment>,
}

/// Who looks: the index of an account, or a guest.
pub(super) type Viewer = Option<u64>;

impl Known {
    pub(super) fn new(dataset: &Dataset) -> Self {
        let size = dataset.size();
        let article = |index| {
            let tags = dataset.article_tags(index).into_iter();
            let mut tags: Vec<_> = tags.map(|tag| dataset.tag(tag)).collect();
            tags.sort();
            KnownArticle {
                article: dataset.article(index),
                tags,
                fans: dataset.favorites(index),
                comments: dataset.comments(index),
            }
        };
        Self {
            users: (0..size.users).map(|user| dataset.user(user)).collect(),
            follows: (0..size.users).map(|user| dataset.follows(user)).collect(),
            articles: (0..size.articles).map(article).collect(),
        }
    }

    /// The account's name.
    pub(super) fn name(&self, user: u64) -> &str {
        &self.user(user).username
    }

    fn user(&self, index: u64) -> &dataset::User {
        &self.users[usize::try_from(index).expect("small")]
    }

    /// The account as `viewer` sees it.
    pub(super) fn profile(&self, user: u64, viewer: Viewer) -> Profile {
        let row = self.user(user);
        let follows =
            |viewer: u64| self.follows[usize::try_from(viewer).expect("small")].contains(&user);
        Profile {
            username: row.username.clone(),
            bio: row.bio.clone(),
            image: row.image.clone(),
            following: viewer.is_some_and(follows),
        }
    }

    /// What `articles` has to answer.
    pub(super) fn page(&self, list: &ListArticles, viewer: Viewer) -> ArticlePage {
        let matching: Vec<_> = self
            .articles
            .iter()
            .rev()
            .filter(|known| list.tag.as_ref().is_none_or(|tag| known.tags.contains(tag)))
            .filter(|known| {
                list.author.as_ref().is_none_or(|name| self.name(known.article.author) == name)
            })
            .filter(|known| {
                let is_fan = |name: &String| known.fans.iter().any(|&fan| self.name(fan) == name);
                list.favorited.as_ref().is_none_or(is_fan)
            })
            .collect();
        let window = matching.iter().skip(list.offset as usize).take(list.limit as usize);
        ArticlePage {
            articles: window.map(|known| self.summary(known, viewer)).collect(),
            articles_count: matching.len() as u64,
        }
    }

    /// What `feed` has to answer.
    pub(super) fn feed(&self, viewer: u64, window: Window) -> ArticlePage {
        let follows = &self.follows[usize::try_from(viewer).expect("small")];
        let followed = |known: &&KnownArticle| follows.contains(&known.article.author);
        let matching: Vec<_> = self.articles.iter().rev().filter(followed).collect();
        let window = matching.iter().skip(window.offset as usize).take(window.limit as usize);
        ArticlePage {
            articles: window.map(|known| self.summary(known, Some(viewer))).collect(),
            articles_count: matching.len() as u64,
        }
    }

    fn summary(&self, known: &KnownArticle, viewer: Viewer) -> ArticleSummary {
        let row = &known.article;
        ArticleSummary {
            slug: row.slug.clone(),
            title: row.title.clone(),
            description: row.description.clone(),
            tag_list: known.tags.clone(),
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
            favorited: viewer.is_some_and(|viewer| known.fans.contains(&viewer)),
            favorites_count: known.fans.len() as u64,
            author: self.profile(row.author, viewer),
        }
    }

    /// What `article` has to answer.
    pub(super) fn article(&self, known: &KnownArticle, viewer: Viewer) -> Article {
        let row = &known.article;
        Article {
            slug: row.slug.clone(),
            title: row.title.clone(),
            description: row.description.clone(),
            body: row.body.clone(),
            tag_list: known.tags.clone(),
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
            favorited: viewer.is_some_and(|viewer| known.fans.contains(&viewer)),
            favorites_count: known.fans.len() as u64,
            author: self.profile(row.author, viewer),
        }
    }

    /// What `comments` has to answer.
    pub(super) fn comments(&self, known: &KnownArticle, viewer: Viewer) -> Vec<Comment> {
        let mut rows: Vec<_> = known.comments.iter().collect();
        rows.sort_by_key(|row| (row.created_at, row.id));
        rows.into_iter()
            .map(|row| Comment {
                id: row.id,
                created_at: row.created_at.into(),
                updated_at: row.created_at.into(),
                body: row.body.clone(),
                author: self.profile(row.author, viewer),
            })
            .collect()
    }

    /// What `tags` has to answer.
    pub(super) fn tags(&self) -> Vec<String> {
        let mut uses = BTreeMap::<&String, i64>::new();
        for tag in self.articles.iter().flat_map(|known| &known.tags) {
            *uses.entry(tag).or_default() += 1;
        }
        let mut tags: Vec<_> = uses.into_iter().collect();
        tags.sort_by_key(|(tag, uses)| (-uses, *tag));
        tags.into_iter().map(|(tag, _)| tag.clone()).collect()
    }
}
