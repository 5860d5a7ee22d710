//! Who follows whom, and what they get to read because of it.

use conduit::{Conduit, MAX_LIMIT, Window};

use super::{Bench, expect_answer, guest};

pub(super) async fn check<C: Conduit>(bench: &Bench<'_, C>) {
    a_feed_has_the_articles_of_everyone_followed(bench).await;
    following_is_the_callers_own_and_can_be_repeated(bench).await;
    a_feed_changes_with_whom_one_follows(bench).await;
}

async fn a_feed_has_the_articles_of_everyone_followed<C: Conduit>(bench: &Bench<'_, C>) {
    let whole = Window { limit: MAX_LIMIT, offset: 0 };
    let mut readers = 0;
    for viewer in 0..6 {
        let caller = bench.user(viewer).await;
        let viewer = viewer as u64;
        let all = bench.known.feed(viewer, whole).articles_count;
        if all < 4 {
            continue;
        }
        readers += 1;
        let last = u32::try_from(all).expect("small") - 1;
        for window in [
            whole,
            Window::default(),
            Window { limit: 1, offset: 0 },
            Window { limit: 3, offset: 2 },
            Window { limit: 20, offset: last },
            Window { limit: 20, offset: last + 1 },
        ] {
            let feed = bench.port.feed(&caller, window).await;
            let expected = bench.known.feed(viewer, window);
            expect_answer(feed, Ok(expected), &format!("user {viewer} reads {window:?}"));
        }
    }
    assert!(readers >= 2, "the dataset has feeds to look at");
}

async fn following_is_the_callers_own_and_can_be_repeated<C: Conduit>(bench: &Bench<'_, C>) {
    let (name, _) = bench.newcomer().await;
    let (_, me) = bench.newcomer().await;
    let (_, other) = bench.newcomer().await;
    let mut profile = bench.port.profile(&guest(), &name).await.expect("there");
    for turn in ["once", "twice"] {
        profile.following = true;
        let answer = bench.port.follow(&me, &name).await;
        expect_answer(answer, Ok(profile.clone()), &format!("followed {turn}"));
    }
    expect_answer(bench.port.profile(&me, &name).await, Ok(profile.clone()), "and it stays so");
    profile.following = false;
    for caller in [&guest(), &other] {
        let seen = bench.port.profile(caller, &name).await;
        expect_answer(seen, Ok(profile.clone()), "nobody else follows");
    }
    let answer = bench.port.unfollow(&other, &name).await;
    expect_answer(answer, Ok(profile.clone()), "who never followed may stop");
    assert!(bench.port.profile(&me, &name).await.expect("there").following, "and only they do");
    for turn in ["once", "twice"] {
        let answer = bench.port.unfollow(&me, &name).await;
        expect_answer(answer, Ok(profile.clone()), &format!("unfollowed {turn}"));
    }
    expect_answer(bench.port.profile(&me, &name).await, Ok(profile), "and it stays so");
}

async fn a_feed_changes_with_whom_one_follows<C: Conduit>(bench: &Bench<'_, C>) {
    let (one_name, one) = bench.newcomer().await;
    let (two_name, two) = bench.newcomer().await;
    let (_, me) = bench.newcomer().await;
    let first = bench.published(&one, &[]).await.slug;
    let second = bench.published(&two, &[]).await.slug;
    let third = bench.published(&one, &[]).await.slug;
    let own = bench.published(&me, &[]).await.slug;
    let feed = async || {
        let page = bench.port.feed(&me, Window::default()).await.expect("a feed");
        assert!(page.articles.iter().all(|article| article.author.following));
        let slugs: Vec<_> = page.articles.into_iter().map(|article| article.slug).collect();
        assert_eq!(slugs.len() as u64, page.articles_count);
        slugs
    };
    assert!(feed().await.is_empty(), "who follows nobody reads nothing, not even their own");
    bench.port.follow(&me, &one_name).await.expect("anyone may");
    assert_eq!(feed().await, [third.as_str(), first.as_str()]);
    bench.port.follow(&me, &two_name).await.expect("anyone may");
    assert_eq!(feed().await, [&third, &second, &first].map(String::as_str), "in one order");
    bench.port.unfollow(&me, &one_name).await.expect("anyone may");
    assert_eq!(feed().await, [second.as_str()]);
    bench.clear(&one, &[&first, &third]).await;
    bench.clear(&two, &[&second]).await;
    bench.clear(&me, &[&own]).await;
}
