//! A [`Dataset`] on its way into a database.

use std::ops::Range;

use anyhow::Result;
use in_process::{
    Db,
    bulk::{ArticleRow, CommentRow, FollowRow, Loader, TagRow, UserRow},
};

use crate::dataset::{Dataset, PASSWORD_HASH};

/// How many of `rows` accounts or articles go into one transaction. It bounds the memory: a thousand
/// articles are a few megabytes. But rows of one batch lie all over the indices, and each page that a
/// transaction touches is written once; so where there are many pages there should be few batches.
fn batch(rows: u64) -> u64 {
    (rows / 100).clamp(1_000, 10_000)
}

/// Loads a dataset into a migrated database that is empty, or where loading the same dataset was
/// interrupted: then it goes on. `progress` is told how many rows are loaded, and how many there
/// will be.
///
/// # Errors
/// What the database reports, and that it was left half filled with another dataset.
pub async fn load(db: &Db, dataset: &Dataset, mut progress: impl FnMut(u64, u64)) -> Result<()> {
    let all = dataset.rows();
    let mut done = 0;
    let mut loaded = |rows: usize| {
        done += rows as u64;
        progress(done, all);
    };
    let size = dataset.size();
    let mut loader = Loader::begin(db, &dataset.to_string()).await?;
    loaded(0);

    let tags = tags(dataset);
    loader.tags(&tags).await?;
    loaded(tags.len());

    for batch in batches(size.users) {
        let users = users(dataset, batch);
        loader.users(&users).await?;
        loaded(users.len());
    }
    // Now that there are all whom one could follow:
    for batch in batches(size.users) {
        let follows = follows(dataset, batch);
        loader.follows(&follows).await?;
        loaded(follows.len());
    }
    for batch in batches(size.articles) {
        let articles = articles(dataset, &tags, batch.clone());
        loader.articles(&articles).await?;
        let links = |article: &ArticleRow| article.tag_list.len() + article.favorited_by.len();
        loaded(articles.iter().map(|article| 1 + links(article)).sum());

        let comments = comments(dataset, batch);
        loader.comments(&comments).await?;
        loaded(comments.len());
    }
    Ok(loader.finish().await?)
}

fn batches(rows: u64) -> impl Iterator<Item = Range<u64>> {
    let batch = batch(rows);
    let starts = (0..rows).step_by(usize::try_from(batch).unwrap_or(usize::MAX));
    starts.map(move |start| start..rows.min(start + batch))
}

/// The number in the database of the row with this index.
fn id(index: u64) -> i64 {
    i64::try_from(index).map_or(i64::MAX, |index| index.saturating_add(1))
}

fn tags(dataset: &Dataset) -> Vec<TagRow> {
    let indices = 0..dataset.size().tags;
    indices.map(|index| TagRow { id: id(index), name: dataset.tag(index) }).collect()
}

fn users(dataset: &Dataset, batch: Range<u64>) -> Vec<UserRow> {
    let row = |index| {
        let user = dataset.user(index);
        UserRow {
            id: user.id,
            username: user.username,
            email: user.email,
            password_hash: PASSWORD_HASH.to_owned(),
            bio: user.bio,
            image: user.image,
            created_at: user.created_at,
        }
    };
    batch.map(row).collect()
}

fn follows(dataset: &Dataset, batch: Range<u64>) -> Vec<FollowRow> {
    let of = |index| {
        let row = move |other| FollowRow { follower_id: id(index), followed_id: id(other) };
        dataset.follows(index).into_iter().map(row)
    };
    batch.flat_map(of).collect()
}

fn articles(dataset: &Dataset, tags: &[TagRow], batch: Range<u64>) -> Vec<ArticleRow> {
    let row = |index| {
        let article = dataset.article(index);
        let name = |tag| usize::try_from(tag).ok().and_then(|tag| tags.get(tag));
        let own_tags = dataset.article_tags(index).into_iter().filter_map(name);
        let mut tag_list: Vec<String> = own_tags.map(|tag| tag.name.clone()).collect();
        tag_list.sort();
        ArticleRow {
            id: article.id,
            slug: article.slug,
            title: article.title,
            description: article.description,
            body: article.body,
            author_id: id(article.author),
            tag_list,
            favorited_by: dataset.favorites(index).into_iter().map(id).collect(),
            created_at: article.created_at,
            updated_at: article.updated_at,
        }
    };
    batch.map(row).collect()
}

fn comments(dataset: &Dataset, batch: Range<u64>) -> Vec<CommentRow> {
    let of = |index| {
        dataset.comments(index).into_iter().map(|comment| CommentRow {
            id: comment.id,
            article_id: id(comment.article),
            author_id: id(comment.author),
            body: comment.body,
            created_at: comment.created_at,
        })
    };
    batch.flat_map(of).collect()
}
