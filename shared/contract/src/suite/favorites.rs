//! Favourites: whose they are, and how they are counted.

use conduit::{Conduit, ListArticles};

use super::{Bench, expect_answer, guest};

pub(super) async fn check<C: Conduit>(bench: &Bench<'_, C>) {
    a_mark_is_the_callers_own_and_counts_once(bench).await;
    marks_at_the_same_time_are_all_counted(bench).await;
    favorites_are_listed_by_who_has_them(bench).await;
}

async fn a_mark_is_the_callers_own_and_counts_once<C: Conduit>(bench: &Bench<'_, C>) {
    let (_, author) = bench.newcomer().await;
    let (_, fan) = bench.newcomer().await;
    let mut article = bench.published(&author, &["x"]).await;
    let neighbour = bench.published(&author, &[]).await;
    let slug = article.slug.clone();

    for turn in ["once", "twice"] {
        (article.favorited, article.favorites_count) = (true, 1);
        let answer = bench.port.favorite(&fan, &slug).await;
        expect_answer(answer, Ok(article.clone()), &format!("marked {turn}"));
    }
    expect_answer(bench.port.article(&fan, &slug).await, Ok(article.clone()), "and it stays so");
    article.favorited = false;
    expect_answer(bench.port.article(&guest(), &slug).await, Ok(article.clone()), "to a guest");
    expect_answer(bench.port.article(&author, &slug).await, Ok(article.clone()), "to its author");

    (article.favorited, article.favorites_count) = (true, 2);
    let answer = bench.port.favorite(&author, &slug).await;
    expect_answer(answer, Ok(article.clone()), "authors may favour their own");
    for turn in ["once", "twice"] {
        (article.favorited, article.favorites_count) = (false, 1);
        let answer = bench.port.unfavorite(&fan, &slug).await;
        expect_answer(answer, Ok(article.clone()), &format!("unmarked {turn}"));
    }
    let seen = bench.port.article(&fan, &neighbour.slug).await;
    expect_answer(seen, Ok(neighbour.clone()), "the article beside it was never touched");
    bench.clear(&author, &[&slug, &neighbour.slug]).await;
}

async fn marks_at_the_same_time_are_all_counted<C: Conduit>(bench: &Bench<'_, C>) {
    let (_, author) = bench.newcomer().await;
    let article = bench.published(&author, &[]).await.slug;
    let mut fans = Vec::new();
    for _ in 0..3 {
        fans.push(bench.newcomer().await.1);
    }
    // Each of them clicks three times without waiting.
    let mut clicks = Vec::new();
    for fan in fans.iter().chain(&fans).chain(&fans) {
        let (port, fan, slug) = (bench.port.clone(), fan.clone(), article.clone());
        clicks.push(tokio::spawn(async move { port.favorite(&fan, &slug).await }));
    }
    for click in clicks {
        assert!(click.await.expect("no panic").expect("marked").favorited);
    }
    let seen = bench.port.article(&guest(), &article).await.expect("there");
    assert_eq!(seen.favorites_count, 3, "three people, however often they clicked");
    bench.clear(&author, &[&article]).await;
}

async fn favorites_are_listed_by_who_has_them<C: Conduit>(bench: &Bench<'_, C>) {
    let (_, author) = bench.newcomer().await;
    let (fan_name, fan) = bench.newcomer().await;
    let (other_name, _) = bench.newcomer().await;
    let first = bench.published(&author, &[]).await.slug;
    let second = bench.published(&author, &[]).await.slug;
    let listed = async |name: &str| {
        let favorited = Some(name.to_owned());
        let list = ListArticles { favorited, ..ListArticles::default() };
        let page = bench.port.articles(&fan, &list).await.expect("a list");
        assert!(page.articles.iter().all(|article| article.favorited || name != fan_name));
        let slugs: Vec<_> = page.articles.into_iter().map(|article| article.slug).collect();
        assert_eq!(slugs.len() as u64, page.articles_count);
        slugs
    };
    // In the order in which they were marked, the later article comes first all the same.
    bench.port.favorite(&fan, &second).await.expect("anyone may");
    bench.port.favorite(&fan, &first).await.expect("anyone may");
    assert_eq!(listed(&fan_name).await, [second.as_str(), first.as_str()]);
    assert!(listed(&other_name).await.is_empty());
    bench.port.unfavorite(&fan, &second).await.expect("anyone may");
    assert_eq!(listed(&fan_name).await, [first.as_str()]);
    bench.clear(&author, &[&first, &second]).await;
    assert!(listed(&fan_name).await.is_empty());
}
