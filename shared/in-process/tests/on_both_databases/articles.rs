//! One article, its comments, and the tags of all.

use conduit::{Conduit, Error, Resource};

use crate::fixture::{self, time, visitor};

const NO_ARTICLE: Error = Error::NotFound(Resource::Article);

#[tokio::test]
async fn an_article_comes_whole() {
    for fixture in fixture::all().await {
        let article = fixture.app.article(&visitor(), "first").await.unwrap();
        let on = fixture.on();
        assert_eq!(article.slug, "first", "{on}");
        assert_eq!(article.title, "The first", "{on}");
        assert_eq!(article.description, "About the first", "{on}");
        assert_eq!(article.body, "# first", "{on}");
        assert_eq!(article.tag_list, ["art", "rust"], "{on}");
        assert_eq!(article.created_at, time(0).into(), "{on}");
        assert_eq!(article.created_at.to_string(), "2026-01-02T03:04:05.678Z", "{on}");
        assert_eq!(article.updated_at, time(3_600).into(), "{on}");
        assert_eq!((article.favorited, article.favorites_count), (false, 2), "{on}");
        assert_eq!(article.author.username, "ada", "{on}");
        assert_eq!(article.author.bio.as_deref(), Some("Wrote the first program."), "{on}");
        assert_eq!(article.author.image.as_deref(), Some("https://example.com/a.svg"), "{on}");
    }
}

#[tokio::test]
async fn an_article_is_favourited_and_its_author_followed_by_the_viewer_alone() {
    for fixture in fixture::all().await {
        let ada = fixture.signed_in("ada").await;
        let bob = fixture.signed_in("bob").await;
        for (viewer, slug, favorited, following) in [
            (&ada, "first", true, false),
            (&ada, "second", true, true),
            (&ada, "fourth", false, true),
            (&bob, "first", true, false),
            (&bob, "second", false, false),
            (&visitor(), "second", false, false),
        ] {
            let article = fixture.app.article(viewer, slug).await.unwrap();
            let seen = (article.favorited, article.author.following);
            assert_eq!(seen, (favorited, following), "{}: {slug}", fixture.on());
        }
    }
}

#[tokio::test]
async fn an_unknown_article_is_not_found_and_neither_are_its_comments() {
    for fixture in fixture::all().await {
        for slug in ["no-such-article", "", "First", "first ", "first\0", "' or true --"] {
            let on = fixture.on();
            let article = fixture.app.article(&visitor(), slug).await;
            assert_eq!(article.unwrap_err(), NO_ARTICLE, "{on}: {slug:?}");
            let comments = fixture.app.comments(&visitor(), slug).await;
            assert_eq!(comments.unwrap_err(), NO_ARTICLE, "{on}: {slug:?}");
        }
    }
}

#[tokio::test]
async fn comments_come_oldest_first_and_a_tie_goes_to_the_earlier_number() {
    for fixture in fixture::all().await {
        let comments = fixture.app.comments(&visitor(), "first").await.unwrap();
        let on = fixture.on();
        let order: Vec<_> = comments.iter().map(|c| (c.id, c.body.as_str())).collect();
        assert_eq!(order, [(10, "one"), (11, "two"), (5, "three")], "{on}");
        assert_eq!(comments[0].created_at, time(3).into(), "{on}");
        assert_eq!(comments[0].updated_at, time(3).into(), "{on}");
        assert_eq!(comments[1].author.bio.as_deref(), Some("Wrote the first program."), "{on}");
    }
}

#[tokio::test]
async fn the_author_of_a_comment_is_followed_by_the_viewer_alone() {
    for fixture in fixture::all().await {
        let ada = fixture.signed_in("ada").await;
        let bob = fixture.signed_in("bob").await;
        for (viewer, expected) in [
            (&ada, [("bob", true), ("ada", false), ("bob", true)]),
            (&bob, [("bob", false), ("ada", false), ("bob", false)]),
            (&visitor(), [("bob", false), ("ada", false), ("bob", false)]),
        ] {
            let comments = fixture.app.comments(viewer, "first").await.unwrap();
            let authors: Vec<_> =
                comments.iter().map(|c| (c.author.username.as_str(), c.author.following)).collect();
            assert_eq!(authors, expected, "{}", fixture.on());
        }
    }
}

#[tokio::test]
async fn an_article_without_comments_has_none() {
    for fixture in fixture::all().await {
        let comments = fixture.app.comments(&visitor(), "second").await;
        assert_eq!(comments, Ok(vec![]), "{}", fixture.on());
    }
}

#[tokio::test]
async fn tags_in_use_come_most_used_first_and_ties_by_name() {
    for fixture in fixture::all().await {
        let tags = fixture.app.tags(&visitor()).await.unwrap();
        assert_eq!(tags, ["art", "rust"], "{}", fixture.on());
    }
}
