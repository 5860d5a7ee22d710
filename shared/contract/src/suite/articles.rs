//! Single articles, what hangs on them, profiles, and tags.

use conduit::{Conduit, Error, Resource};

use super::{Bench, expect_answer, guest};

/// Names that nothing has, among them such as can't travel in the path of an address.
const UNKNOWN: [&str; 14] = [
    "",
    ".",
    "..",
    "...",
    "nothing",
    "%2e",
    "%",
    "a/b",
    "a\0b",
    " ",
    "?",
    "#",
    "größe",
    "' or 1=1 --",
];

pub(super) async fn check<C: Conduit>(bench: &Bench<'_, C>) {
    articles_are_whole_for_every_viewer(bench).await;
    comments_stand_under_their_article_oldest_first(bench).await;
    profiles_are_seen_through_the_viewers_eyes(bench).await;
    tags_in_use_by_number_of_uses(bench).await;
    unknown_names_are_not_found(bench).await;
}

async fn articles_are_whole_for_every_viewer<C: Conduit>(bench: &Bench<'_, C>) {
    let viewer = bench.user(1).await;
    // Neighbours, so that a mark or a tag that belongs to the next article is noticed.
    let some = bench.known.articles.iter().rev().take(30);
    let not_ascii = bench.known.articles.iter().filter(|known| !known.article.slug.is_ascii());
    assert!(not_ascii.clone().count() > 0, "the dataset has slugs to escape");
    for known in some.chain(not_ascii.take(5)) {
        let slug = &known.article.slug;
        let seen = bench.port.article(&guest(), slug).await;
        expect_answer(seen, Ok(bench.known.article(known, None)), slug);
        let seen = bench.port.article(&viewer, slug).await;
        expect_answer(seen, Ok(bench.known.article(known, Some(1))), slug);
    }
}

async fn comments_stand_under_their_article_oldest_first<C: Conduit>(bench: &Bench<'_, C>) {
    let articles = &bench.known.articles;
    let viewer = bench.user(2).await;
    let talked_about = articles.iter().filter(|known| known.comments.len() > 2).take(10);
    assert!(talked_about.clone().count() > 2, "the dataset has comments to put in order");
    let silent = articles.iter().filter(|known| known.comments.is_empty()).take(3);
    for known in talked_about.chain(silent) {
        let slug = &known.article.slug;
        let comments = bench.port.comments(&guest(), slug).await;
        expect_answer(comments, Ok(bench.known.comments(known, None)), slug);
        let comments = bench.port.comments(&viewer, slug).await;
        expect_answer(comments, Ok(bench.known.comments(known, Some(2))), slug);
    }
}

async fn profiles_are_seen_through_the_viewers_eyes<C: Conduit>(bench: &Bench<'_, C>) {
    let viewer = bench.user(0).await;
    let followed = &bench.known.follows[0];
    assert!(!followed.is_empty() && !followed.contains(&0));
    for index in 0..bench.known.users.len() as u64 {
        let name = bench.known.name(index);
        let seen = bench.port.profile(&guest(), name).await;
        expect_answer(seen, Ok(bench.known.profile(index, None)), name);
        let seen = bench.port.profile(&viewer, name).await;
        expect_answer(seen, Ok(bench.known.profile(index, Some(0))), name);
    }
}

async fn tags_in_use_by_number_of_uses<C: Conduit>(bench: &Bench<'_, C>) {
    let tags = bench.port.tags(&guest()).await;
    expect_answer(tags, Ok(bench.known.tags()), "all tags, the most used first");
}

async fn unknown_names_are_not_found<C: Conduit>(bench: &Bench<'_, C>) {
    let viewer = bench.user(3).await;
    let existing = &bench.known.articles[0].article.slug;
    let shouted = existing.to_uppercase();
    let cut = &existing[..existing.len() - 1];
    let long = "x".repeat(4_000);
    for name in UNKNOWN.into_iter().chain([shouted.as_str(), cut, &long]) {
        for caller in [&guest(), &viewer] {
            let article = bench.port.article(caller, name).await;
            expect_answer(article, Err(Error::NotFound(Resource::Article)), name);
            let comments = bench.port.comments(caller, name).await;
            expect_answer(comments, Err(Error::NotFound(Resource::Article)), name);
            let profile = bench.port.profile(caller, name).await;
            expect_answer(profile, Err(Error::NotFound(Resource::Profile)), name);
        }
    }
}
