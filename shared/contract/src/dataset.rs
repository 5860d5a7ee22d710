//! Test data as a function: row number `i` of a [`Dataset`] depends on nothing but the seed, the
//! kind of row and `i`.
//!
//! So two databases filled from the same seed hold the same rows, whichever engines they are, and a
//! million articles need no memory: whoever wants the last one asks for the last one. The random
//! numbers are ChaCha8, whose stream is defined once and for all, unlike that of `StdRng`.
//!
//! Names, tags and titles are not all ASCII, some contain `/`, `%`, `&`, `<` or blanks, and some
//! articles were published in the same microsecond: what commonly goes wrong should be in the data.

mod words;

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The password of every account in a dataset.
pub const PASSWORD: &str = "conduit-dataset";

/// [`PASSWORD`] as argon2id (19 MiB, 2 passes, 1 lane) in the PHC string format. One hash for all
/// accounts: to compute it takes longer than to write a hundred rows.
pub const PASSWORD_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$Y29uZHVpdC1kYXRhc2V0IQ$mZJSIXpyQ2scm3CLn/w4jyUtw2C5qX0l2nvZebQ0CK0";

/// Seconds from one account, or article, to the next. A million articles take just under two years.
const STEP: i64 = 61;

/// 2023-01-01T00:00:00Z, when the first account is opened.
const FIRST_USER: i64 = 1_672_531_200;

/// 2024-01-01T00:00:00Z, when the first article is published.
const FIRST_ARTICLE: i64 = 1_704_067_200;

/// How many rows of each kind. Numbers *per* something are averages, and never more than there are
/// partners for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Accounts.
    pub users: u64,
    /// Articles.
    pub articles: u64,
    /// Different tags.
    pub tags: u64,
    /// Tags of an article; exactly as many, but every twentieth article has none.
    pub tags_per_article: u64,
    /// Accounts that have favourited an article.
    pub favorites_per_article: u64,
    /// Comments under an article.
    pub comments_per_article: u64,
    /// Accounts that an account follows.
    pub follows_per_user: u64,
}

impl Default for Size {
    fn default() -> Self {
        Self {
            users: 100,
            articles: 1_000,
            tags: 50,
            tags_per_article: 3,
            favorites_per_article: 5,
            comments_per_article: 2,
            follows_per_user: 10,
        }
    }
}

/// All the rows there would be, none of them held in memory. Rows are numbered from 0 (`index`); in
/// a database they have the id `index + 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dataset {
    size: Size,
    seed: u64,
}

/// Everything that decides about the rows, so that two datasets with the same words are the same.
impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Size { users, articles, tags, .. } = self.size;
        let Size { tags_per_article, favorites_per_article, .. } = self.size;
        let Size { comments_per_article, follows_per_user, .. } = self.size;
        let averages =
            [tags_per_article, favorites_per_article, comments_per_article, follows_per_user];
        let seed = self.seed;
        write!(f, "{articles} articles, {users} accounts, {tags} tags {averages:?}, seed {seed}")
    }
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Row id: `index + 1`.
    pub id: i64,
    /// The public name, such as `ada-lovelace-0017`.
    pub username: String,
    /// The username at `example.com`.
    pub email: String,
    /// About two thirds have one.
    pub bio: Option<String>,
    /// Every other account has one, at an address that nobody serves.
    pub image: Option<String>,
    /// When the account was opened.
    pub created_at: DateTime<Utc>,
}

/// An article.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Article {
    /// Row id: `index + 1`.
    pub id: i64,
    /// Index of the account that wrote it.
    pub author: u64,
    /// The title, made fit for a path, with the index behind it.
    pub slug: String,
    /// The headline.
    pub title: String,
    /// One line.
    pub description: String,
    /// About 2 KB of Markdown.
    pub body: String,
    /// When it was published. Never earlier than the article before; sometimes the same
    /// microsecond.
    pub created_at: DateTime<Utc>,
    /// The same, or an hour later for every fifth article.
    pub updated_at: DateTime<Utc>,
}

/// A comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Row id: grows with article and position, with gaps.
    pub id: i64,
    /// Index of the article it stands under.
    pub article: u64,
    /// Index of the account that wrote it.
    pub author: u64,
    /// Plain text.
    pub body: String,
    /// When it was written. Pairs of comments share one instant.
    pub created_at: DateTime<Utc>,
}

/// What a random number is for. Part of the key of its stream, so never renumber.
#[derive(Clone, Copy)]
enum Kind {
    User = 1,
    Author = 2,
    Article = 3,
    Tags = 4,
    FavoriteCount = 5,
    Favorites = 6,
    CommentCount = 7,
    Comment = 8,
    FollowCount = 9,
    Follows = 10,
    ArticleTime = 11,
}

/// A picture that needs no network: a square in a colour of its own. It ends in `.svg`, because
/// some clients tell a picture by its ending.
fn avatar(index: u64) -> String {
    let hue = index * 47 % 360;
    format!(
        "data:image/svg+xml,%3Csvg%20xmlns='http://www.w3.org/2000/svg'%20viewBox='0%200%208%208'\
         %3E%3Crect%20width='8'%20height='8'%20fill='hsl({hue},45%25,50%25)'/%3E%3C/svg%3E#{index}.svg"
    )
}

impl Dataset {
    /// The dataset of this size and seed.
    ///
    /// # Panics
    /// If there are articles but no accounts to write them.
    pub fn new(size: Size, seed: u64) -> Self {
        assert!(size.users > 0 || size.articles == 0, "articles need at least one user");
        Self { size, seed }
    }

    /// How many rows of each kind.
    pub fn size(&self) -> Size {
        self.size
    }

    /// What the rows are derived from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How many rows there are in all, links between rows included. Takes a moment for a million
    /// articles, because the links have to be counted.
    pub fn rows(&self) -> u64 {
        let links_of_users: u64 = (0..self.size.users).map(|u| self.follow_count(u)).sum();
        let under = |a| self.tag_count(a) + self.favorite_count(a) + self.comment_count(a);
        let links_of_articles: u64 = (0..self.size.articles).map(under).sum();
        let rows = self.size.users + self.size.tags + self.size.articles;
        rows + links_of_users + links_of_articles
    }

    /// Account number `index`.
    pub fn user(&self, index: u64) -> User {
        let mut rng = self.rng(Kind::User, index);
        let username = words::username(&mut rng, index);
        let bio = rng.random_ratio(2, 3).then(|| words::sentence(&mut rng));
        let image = (index % 2 == 1).then(|| avatar(index));
        User {
            id: id(index),
            email: format!("{username}@example.com"),
            username,
            bio,
            image,
            created_at: instant(FIRST_USER, index, 0),
        }
    }

    /// The accounts that account `index` follows, in ascending order, never itself.
    pub fn follows(&self, index: u64) -> Vec<u64> {
        let mut rng = self.rng(Kind::Follows, index);
        let others = self.size.users.saturating_sub(1);
        let picked = distinct(self.follow_count(index), || rng.random_range(0..others));
        picked.into_iter().map(|other| other + u64::from(other >= index)).collect()
    }

    /// The name of tag `index`.
    pub fn tag(&self, index: u64) -> String {
        words::tag(index)
    }

    /// Article number `index`, without its tags.
    pub fn article(&self, index: u64) -> Article {
        let mut rng = self.rng(Kind::Article, index);
        let title = words::title(&mut rng);
        let created_at = self.published(index);
        let edited = TimeDelta::hours(i64::from(index.is_multiple_of(5)));
        Article {
            id: id(index),
            author: self.author(index),
            slug: format!("{}-{index}", words::slug(&title)),
            description: words::sentence(&mut rng),
            body: words::article(&mut rng, &title),
            title,
            created_at,
            updated_at: created_at + edited,
        }
    }

    /// The account that wrote article `index`; cheaper than the whole article.
    pub fn author(&self, index: u64) -> u64 {
        self.rng(Kind::Author, index).random_range(0..self.size.users)
    }

    /// The tags of article `index`, in ascending order of their indices (not of their names). Low
    /// indices are the popular ones.
    pub fn article_tags(&self, index: u64) -> Vec<u64> {
        let mut rng = self.rng(Kind::Tags, index);
        let tags = self.size.tags;
        // The smaller of two dice: the first of fifty tags is used ninety-nine times as often as
        // the last.
        let skewed = || rng.random_range(0..tags).min(rng.random_range(0..tags));
        distinct(self.tag_count(index), skewed)
    }

    /// The accounts that have favourited article `index`, in ascending order.
    pub fn favorites(&self, index: u64) -> Vec<u64> {
        let mut rng = self.rng(Kind::Favorites, index);
        let users = self.size.users;
        distinct(self.favorite_count(index), || rng.random_range(0..users))
    }

    /// The comments under article `index`, oldest first.
    pub fn comments(&self, index: u64) -> Vec<Comment> {
        let published = self.published(index);
        let most = 2 * self.size.comments_per_article;
        let comment = |position| {
            let number = index * most + position;
            let mut rng = self.rng(Kind::Comment, number);
            let later = TimeDelta::minutes(7 * (1 + signed(position / 2)));
            Comment {
                id: id(number),
                article: index,
                author: rng.random_range(0..self.size.users),
                body: words::comment(&mut rng),
                created_at: published + later,
            }
        };
        (0..self.comment_count(index)).map(comment).collect()
    }

    fn published(&self, index: u64) -> DateTime<Utc> {
        // Every tenth article shares its time with the one before (with a round number of articles
        // such a pair straddles two pages of ten), and some others do within a page.
        let tied = |i: u64| i > 0 && (i.is_multiple_of(10) || i % 7 == 3);
        let first = (0..=index).rev().find(|&i| !tied(i)).unwrap_or(0);
        let micros = self.rng(Kind::ArticleTime, first).random_range(0..1_000_000);
        instant(FIRST_ARTICLE, first, micros)
    }

    fn tag_count(&self, index: u64) -> u64 {
        if index % 20 == 7 { 0 } else { self.size.tags_per_article.min(self.size.tags) }
    }

    fn favorite_count(&self, index: u64) -> u64 {
        self.around(self.size.favorites_per_article, Kind::FavoriteCount, index)
            .min(self.size.users)
    }

    fn comment_count(&self, index: u64) -> u64 {
        self.around(self.size.comments_per_article, Kind::CommentCount, index)
    }

    fn follow_count(&self, index: u64) -> u64 {
        let others = self.size.users.saturating_sub(1);
        self.around(self.size.follows_per_user, Kind::FollowCount, index).min(others)
    }

    /// A number from 0 to twice the mean. What an even row has above the mean, the next one lacks,
    /// so that the mean is met exactly.
    fn around(&self, mean: u64, kind: Kind, index: u64) -> u64 {
        let by = self.rng(kind, index / 2).random_range(0..=mean);
        if index.is_multiple_of(2) { mean + by } else { mean - by }
    }

    fn rng(&self, kind: Kind, index: u64) -> ChaCha8Rng {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8] = kind as u8;
        key[16..24].copy_from_slice(&index.to_le_bytes());
        ChaCha8Rng::from_seed(key)
    }
}

/// `count` different numbers from `pick`, ascending. The caller sees to it that `pick` has as many
/// to offer.
fn distinct(count: u64, mut pick: impl FnMut() -> u64) -> Vec<u64> {
    let mut picked = std::collections::BTreeSet::new();
    while (picked.len() as u64) < count {
        picked.insert(pick());
    }
    picked.into_iter().collect()
}

fn id(index: u64) -> i64 {
    signed(index) + 1
}

/// Databases count in signed numbers, and no dataset reaches 2^63 rows.
fn signed(number: u64) -> i64 {
    i64::try_from(number).expect("fewer than 2^63 rows")
}

fn instant(first: i64, index: u64, micros: u32) -> DateTime<Utc> {
    DateTime::from_timestamp(first + STEP * signed(index), micros * 1_000)
        .expect("a time within the next few thousand years")
}

#[cfg(test)]
#[path = "dataset_tests.rs"]
mod tests;
