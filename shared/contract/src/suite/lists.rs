//! Lists of articles: order, windows, filters, and whose view it is.

use std::collections::BTreeSet;

use conduit::{Conduit, ListArticles, MAX_LIMIT};

use super::{Bench, expect_answer, guest};

pub(super) async fn check<C: Conduit>(bench: &Bench<'_, C>) {
    newest_first_also_within_one_microsecond(bench).await;
    windows_join_without_gap_or_overlap(bench).await;
    filters_alone_and_together(bench).await;
    names_that_nothing_has_match_nothing(bench).await;
    every_viewer_sees_their_own_marks(bench).await;
}

async fn newest_first_also_within_one_microsecond<C: Conduit>(bench: &Bench<'_, C>) {
    let articles = &bench.known.articles;
    let tied = articles.windows(2).filter(|p| p[0].article.created_at == p[1].article.created_at);
    assert!(tied.count() > 5, "the dataset has ties to get wrong");

    let list = ListArticles { limit: MAX_LIMIT, ..ListArticles::default() };
    let page = bench.port.articles(&guest(), &list).await.expect("a list");
    let slugs: Vec<_> = page.articles.iter().map(|article| &article.slug).collect();
    let newest_first = articles.iter().rev().take(MAX_LIMIT as usize);
    let expected: Vec<_> = newest_first.map(|known| &known.article.slug).collect();
    assert_eq!(slugs, expected, "newest first, and of two at once the later created one first");
    assert_eq!(page.articles_count, articles.len() as u64);
}

async fn windows_join_without_gap_or_overlap<C: Conduit>(bench: &Bench<'_, C>) {
    let mut seen = Vec::new();
    for offset in (0..100).step_by(7) {
        let list = ListArticles { limit: 7, offset, ..ListArticles::default() };
        let page = bench.port.articles(&guest(), &list).await.expect("a list");
        assert_eq!(page.articles_count, bench.known.articles.len() as u64, "not the window's size");
        seen.extend(page.articles.into_iter().map(|article| article.slug));
    }
    let newest_first = bench.known.articles.iter().rev().map(|known| &known.article.slug);
    let expected: Vec<_> = newest_first.take(seen.len()).collect();
    assert_eq!(seen.iter().collect::<Vec<_>>(), expected);

    let count = u32::try_from(bench.known.articles.len()).expect("small");
    for (limit, offset) in [
        (1, 0),
        (1, 1),
        (1, count - 1),
        (1, count),
        (MAX_LIMIT, count - 1),
        (20, count + 1),
        (20, i32::MAX.unsigned_abs()),
    ] {
        let list = ListArticles { limit, offset, ..ListArticles::default() };
        same_as_known(bench, &list).await;
    }
}

async fn filters_alone_and_together<C: Conduit>(bench: &Bench<'_, C>) {
    // Every tag, so that also those with `%`, `/`, `&`, `<`, `+` and other scripts are looked for.
    let tags: BTreeSet<_> = bench.known.articles.iter().flat_map(|known| &known.tags).collect();
    for tag in tags {
        same_as_known(bench, &ListArticles { tag: Some(tag.clone()), ..short() }).await;
    }
    for user in &bench.known.users {
        let name = Some(user.username.clone());
        same_as_known(bench, &ListArticles { author: name.clone(), ..short() }).await;
        same_as_known(bench, &ListArticles { favorited: name, ..short() }).await;
    }
    // Combinations that match something: taken from articles that have it all.
    let complete = |known: &&_| has_tags_and_fans(known);
    let mut found = 0;
    for known in bench.known.articles.iter().filter(complete).step_by(9) {
        let tag = known.tags.first().cloned();
        let author = Some(bench.known.name(known.article.author).to_owned());
        let favorited = known.fans.first().map(|&fan| bench.known.name(fan).to_owned());
        for chosen in 1..8_u8 {
            let pick = |bit: u8, name: &Option<String>| {
                if chosen & bit == 0 { None } else { name.clone() }
            };
            let (tag, author, favorited) = (pick(1, &tag), pick(2, &author), pick(4, &favorited));
            same_as_known(bench, &ListArticles { tag, author, favorited, ..short() }).await;
            found += 1;
        }
    }
    assert!(found >= 35, "enough articles with tags and fans");
    // And one that does not: everybody's own tag with somebody else's name.
    let author = Some(bench.known.name(0).to_owned());
    same_as_known(bench, &ListArticles { author, favorited: Some("nobody".into()), ..short() })
        .await;
}

fn has_tags_and_fans(known: &super::known::KnownArticle) -> bool {
    !known.tags.is_empty() && !known.fans.is_empty()
}

async fn names_that_nothing_has_match_nothing<C: Conduit>(bench: &Bench<'_, C>) {
    let existing = bench.known.name(0);
    let shouted = existing.to_uppercase();
    let cut = &existing[..existing.len() - 1];
    for name in ["", " ", "nobody", "%", "_%", "a\0b", "'", ".", "..", "🦄", &shouted, cut] {
        let name = || Some(name.to_owned());
        for list in [
            ListArticles { tag: name(), ..short() },
            ListArticles { author: name(), ..short() },
            ListArticles { favorited: name(), ..short() },
            ListArticles { tag: name(), author: Some(existing.to_owned()), ..short() },
        ] {
            let page = bench.port.articles(&guest(), &list).await.expect("no error");
            assert_eq!((page.articles.len(), page.articles_count), (0, 0), "{list:?}");
        }
    }
}

async fn every_viewer_sees_their_own_marks<C: Conduit>(bench: &Bench<'_, C>) {
    let mut marked = BTreeSet::new();
    for viewer in 0..3 {
        let caller = bench.user(viewer).await;
        let list = ListArticles { limit: 100, ..ListArticles::default() };
        let page = bench.port.articles(&caller, &list).await;
        let expected = bench.known.page(&list, Some(viewer as u64));
        assert!(expected.articles.iter().any(|article| article.favorited));
        assert!(expected.articles.iter().any(|article| article.author.following));
        assert!(expected.articles.iter().any(|article| !article.author.following));
        marked
            .insert(expected.articles.iter().map(|article| article.favorited).collect::<Vec<_>>());
        expect_answer(page, Ok(expected), &format!("the newest articles for user {viewer}"));

        // A filter by somebody else's favourites does not change whose view it is.
        let other = Some(bench.known.name(viewer as u64 + 1).to_owned());
        let list = ListArticles { favorited: other, ..short() };
        let page = bench.port.articles(&caller, &list).await;
        let expected = bench.known.page(&list, Some(viewer as u64));
        expect_answer(page, Ok(expected), &format!("user {viewer} asks for {list:?}"));
    }
    assert_eq!(marked.len(), 3, "the three viewers have different favourites");
}

fn short() -> ListArticles {
    ListArticles { limit: 5, ..ListArticles::default() }
}

async fn same_as_known<C: Conduit>(bench: &Bench<'_, C>, list: &ListArticles) {
    let page = bench.port.articles(&guest(), list).await;
    expect_answer(page, Ok(bench.known.page(list, None)), &format!("{list:?}"));
}
