//! Lists of articles: order, filters, windows, counts.

use conduit::{ArticleSummary, Conduit, ListArticles};

use crate::fixture::{self, Fixture, time, visitor};

fn slugs(slugs: &[&str]) -> Vec<String> {
    slugs.iter().map(|slug| (*slug).to_owned()).collect()
}

fn by(tag: &str, author: &str, favorited: &str) -> ListArticles {
    let given = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    ListArticles {
        tag: given(tag),
        author: given(author),
        favorited: given(favorited),
        ..ListArticles::default()
    }
}

#[tokio::test]
async fn the_newest_article_comes_first_and_a_tie_goes_to_the_later_created() {
    for fixture in fixture::all().await {
        let (list, total) = fixture.list(&visitor(), ListArticles::default()).await;
        let newest_first = slugs(&["fourth", "third", "second", "first"]);
        assert_eq!((list, total), (newest_first, 4), "{}", fixture.on());
    }
}

#[tokio::test]
async fn every_combination_of_filters_finds_what_matches_all_of_them() {
    let cases: [(&str, &str, &str, &[&str]); 16] = [
        ("rust", "", "", &["second", "first"]),
        ("art", "", "", &["fourth", "first"]),
        ("", "ada", "", &["third", "first"]),
        ("", "bob", "", &["fourth", "second"]),
        ("", "", "ada", &["second", "first"]),
        ("", "", "bob", &["first"]),
        ("rust", "ada", "", &["first"]),
        ("art", "bob", "", &["fourth"]),
        ("rust", "", "ada", &["second", "first"]),
        ("art", "", "ada", &["first"]),
        ("", "bob", "ada", &["second"]),
        ("", "ada", "bob", &["first"]),
        ("rust", "bob", "ada", &["second"]),
        ("art", "bob", "ada", &[]),
        ("art", "ada", "bob", &["first"]),
        ("rust", "cyd", "", &[]),
    ];
    for fixture in fixture::all().await {
        for (tag, author, favorited, expected) in cases {
            let found = fixture.list(&visitor(), by(tag, author, favorited)).await;
            let expected = (slugs(expected), expected.len() as u64);
            let on = fixture.on();
            assert_eq!(found, expected, "{on}: tag {tag:?} author {author:?} fan {favorited:?}");
        }
    }
}

#[tokio::test]
async fn what_is_unknown_or_unused_matches_nothing() {
    for fixture in fixture::all().await {
        for filter in [
            by("unused", "", ""),
            by("no such tag", "", ""),
            by("", "nobody", ""),
            by("", "", "nobody"),
            by("", "cyd", ""),
            by("", "", "cyd"),
            by("rust", "nobody", ""),
            by("no such tag", "ada", "ada"),
            by("rust\0", "", ""),
            by("", "a'; drop table article; --", ""),
            by("Rust", "", ""),
        ] {
            let found = fixture.list(&visitor(), filter.clone()).await;
            assert_eq!(found, (vec![], 0), "{}: {filter:?}", fixture.on());
        }
    }
}

#[tokio::test]
async fn a_window_cuts_the_list_and_leaves_the_count() {
    let window = |tag: &str, author: &str, limit, offset| ListArticles {
        limit,
        offset,
        ..by(tag, author, "")
    };
    let most = i32::MAX.unsigned_abs();
    for fixture in fixture::all().await {
        for (list, expected, total) in [
            (window("", "", 1, 0), &["fourth"][..], 4),
            (window("", "", 1, 1), &["third"], 4),
            (window("", "", 2, 1), &["third", "second"], 4),
            (window("", "", 1_000, 3), &["first"], 4),
            (window("", "", 20, 4), &[], 4),
            (window("", "", 20, most), &[], 4),
            (window("rust", "", 1, 1), &["first"], 2),
            (window("", "bob", 1, 0), &["fourth"], 2),
            (window("rust", "ada", 1, 0), &["first"], 1),
            (window("rust", "ada", 1, 1), &[], 1),
        ] {
            let found = fixture.list(&visitor(), list.clone()).await;
            assert_eq!(found, (slugs(expected), total), "{}: {list:?}", fixture.on());
        }
    }
}

#[tokio::test]
async fn favourites_and_follows_are_those_of_the_viewer() {
    // Slug, favourited, number of favourites, author followed.
    type Seen = (&'static str, bool, u64, bool);
    let cases: [(&str, [Seen; 4]); 4] = [
        (
            "",
            [
                ("fourth", false, 0, false),
                ("third", false, 0, false),
                ("second", false, 1, false),
                ("first", false, 2, false),
            ],
        ),
        (
            "ada",
            [
                ("fourth", false, 0, true),
                ("third", false, 0, false),
                ("second", true, 1, true),
                ("first", true, 2, false),
            ],
        ),
        (
            "bob",
            [
                ("fourth", false, 0, false),
                ("third", false, 0, false),
                ("second", false, 1, false),
                ("first", true, 2, false),
            ],
        ),
        (
            "cyd",
            [
                ("fourth", false, 0, false),
                ("third", false, 0, false),
                ("second", false, 1, false),
                ("first", false, 2, false),
            ],
        ),
    ];
    for fixture in fixture::all().await {
        for (name, expected) in &cases {
            let viewer = match *name {
                "" => visitor(),
                name => fixture.signed_in(name).await,
            };
            let page = fixture.app.articles(&viewer, &ListArticles::default()).await.unwrap();
            let seen: Vec<_> = page.articles.iter().map(as_seen).collect();
            assert_eq!(seen, expected, "{}: {name}", fixture.on());
        }
    }
}

fn as_seen(article: &ArticleSummary) -> (&str, bool, u64, bool) {
    let ArticleSummary { slug, favorited, favorites_count, author, .. } = article;
    (slug, *favorited, *favorites_count, author.following)
}

#[tokio::test]
async fn a_list_shows_everything_but_the_text() {
    for Fixture { app, database } in fixture::all().await {
        let page = app.articles(&visitor(), &by("", "ada", "")).await.unwrap();
        let article = page.articles.last().unwrap();
        let on = database.engine;
        assert_eq!(article.title, "The first", "{on}");
        assert_eq!(article.description, "About the first", "{on}");
        assert_eq!(article.tag_list, ["art", "rust"], "{on}");
        assert_eq!(article.created_at, time(0).into(), "{on}");
        assert_eq!(article.updated_at, time(3_600).into(), "{on}");
        assert_eq!(article.author.username, "ada", "{on}");
        assert_eq!(article.author.bio.as_deref(), Some("Wrote the first program."), "{on}");
        assert_eq!(article.author.image.as_deref(), Some("https://example.com/a.svg"), "{on}");
        let untagged = page.articles.first().unwrap();
        assert_eq!((untagged.slug.as_str(), untagged.tag_list.as_slice()), ("third", &[][..]));
    }
}
