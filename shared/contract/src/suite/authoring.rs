//! Publishing, changing and taking away articles.

use conduit::{
    Article, ArticleUpdate, Conduit, Error, ListArticles, NewArticle, Problems, Resource, Window,
};

use super::{Bench, draft, expect_answer, fresh, guest, owned};

pub(super) async fn check<C: Conduit>(bench: &Bench<'_, C>) {
    a_published_article_is_what_was_given(bench).await;
    it_stands_in_every_list_that_it_belongs_to(bench).await;
    equal_titles_have_slugs_of_their_own(bench).await;
    a_change_leaves_alone_what_is_not_given(bench).await;
    a_new_title_brings_a_new_slug(bench).await;
    tags_are_replaced_as_a_whole(bench).await;
    others_may_not_touch_it(bench).await;
    what_is_deleted_is_gone_everywhere(bench).await;
    what_breaks_a_rule_is_not_published(bench).await;
}

async fn a_published_article_is_what_was_given<C: Conduit>(bench: &Bench<'_, C>) {
    let (name, me) = bench.newcomer().await;
    let tags = ["größe", " b ", "Alpha", "b", "a/b %"];
    let article = bench.published(&me, &tags).await;
    let given = draft();
    assert_eq!((&article.title, &article.body), (&given.title, &given.body), "kept as given");
    assert_eq!(article.description, given.description);
    assert_eq!(article.tag_list, ["Alpha", "a/b %", "b", "größe"], "in order, each once, trimmed");
    assert_eq!((article.favorited, article.favorites_count), (false, 0));
    assert_eq!(article.created_at, article.updated_at);
    let author = bench.port.profile(&me, &name).await.expect("there");
    assert_eq!(article.author, author);
    let seen = bench.port.article(&guest(), &article.slug).await;
    expect_answer(seen, Ok(article.clone()), "a guest reads it");
    let comments = bench.port.comments(&guest(), &article.slug).await;
    expect_answer(comments, Ok(Vec::new()), "nobody has commented");
    bench.clear(&me, &[&article.slug]).await;
}

async fn it_stands_in_every_list_that_it_belongs_to<C: Conduit>(bench: &Bench<'_, C>) {
    let (name, me) = bench.newcomer().await;
    let (other, _) = bench.newcomer().await;
    let (one, two) = (fresh("tag"), fresh("tag"));
    let all = ListArticles { limit: 1, ..ListArticles::default() };
    let before = bench.port.articles(&guest(), &all).await.expect("a list").articles_count;
    let first = bench.published(&me, &[&one]).await.slug;
    let second = bench.published(&me, &[&one, &two]).await.slug;
    let third = bench.published(&me, &[]).await.slug;
    let listed = async |list: ListArticles| {
        let page = bench.port.articles(&guest(), &list).await.expect("a list");
        let slugs: Vec<_> = page.articles.into_iter().map(|article| article.slug).collect();
        (slugs, page.articles_count)
    };
    assert_eq!(listed(all).await, (vec![third.clone()], before + 3), "newest first, all counted");
    let author = Some(name.clone());
    let by = |limit, offset| ListArticles {
        author: author.clone(),
        limit,
        offset,
        ..ListArticles::default()
    };
    assert_eq!(listed(by(1, 1)).await, (vec![second.clone()], 3));
    assert_eq!(bench.written_by(&name).await, [&third, &second, &first].map(String::as_str));
    assert!(bench.written_by(&other).await.is_empty());
    for (tag, expected) in
        [(&one, vec![second.clone(), first.clone()]), (&two, vec![second.clone()])]
    {
        let list = ListArticles { tag: Some(tag.clone()), ..ListArticles::default() };
        let count = expected.len() as u64;
        assert_eq!(listed(list).await, (expected, count), "tagged {tag}");
    }
    let tags = bench.port.tags(&guest()).await.expect("tags");
    let rank = |tag: &String| tags.iter().position(|listed| listed == tag);
    assert!(rank(&one).expect("listed") < rank(&two).expect("listed"), "the more used one first");
    bench.clear(&me, &[&first, &second, &third]).await;
    let tags = bench.port.tags(&guest()).await.expect("tags");
    assert!(!tags.contains(&one) && !tags.contains(&two), "no longer in use");
}

async fn equal_titles_have_slugs_of_their_own<C: Conduit>(bench: &Bench<'_, C>) {
    let (name, me) = bench.newcomer().await;
    let (_, other) = bench.newcomer().await;
    let first = bench.published(&me, &[]).await.slug;
    let second = bench.published(&me, &[]).await.slug;
    let others = bench.published(&other, &[]).await.slug;
    assert!(first != second && second != others && first != others);
    bench.clear(&me, &[&first]).await;
    // The number of articles is the same as before: a slug made of it alone would be taken.
    let third = bench.published(&me, &[]).await.slug;
    assert_eq!(bench.written_by(&name).await, [third.as_str(), second.as_str()]);
    bench.clear(&me, &[&second, &third]).await;
    bench.clear(&other, &[&others]).await;

    let publish = || {
        let (port, me) = (bench.port.clone(), me.clone());
        tokio::spawn(async move { port.create_article(&me, draft()).await })
    };
    let attempts: Vec<_> = (0..4).map(|_| publish()).collect();
    let mut slugs = Vec::new();
    for attempt in attempts {
        slugs.push(attempt.await.expect("no panic").expect("four at once").slug);
    }
    assert_eq!(bench.written_by(&name).await.len(), 4);
    for slug in slugs {
        bench.clear(&me, &[&slug]).await;
    }
}

fn only(change: impl FnOnce(&mut ArticleUpdate)) -> ArticleUpdate {
    let mut changes = ArticleUpdate::default();
    change(&mut changes);
    changes
}

async fn a_change_leaves_alone_what_is_not_given<C: Conduit>(bench: &Bench<'_, C>) {
    let (_, me) = bench.newcomer().await;
    let (_, fan) = bench.newcomer().await;
    let neighbour = bench.published(&me, &["x"]).await;
    let mut expected = bench.published(&me, &["x", "y"]).await;
    bench.port.favorite(&fan, &expected.slug).await.expect("anyone may");
    expected.favorites_count = 1;
    /// What a change does to the article.
    type Effect = fn(&mut Article);
    let steps: [(ArticleUpdate, Effect); 3] = [
        (only(|changes| changes.body = Some("Another text\n".to_owned())), |article| {
            article.body = "Another text\n".to_owned();
        }),
        (only(|changes| changes.description = Some("Another line".to_owned())), |article| {
            article.description = "Another line".to_owned();
        }),
        (ArticleUpdate::default(), |_| ()),
    ];
    for (changes, expect) in steps {
        expect(&mut expected);
        let answer = bench.port.update_article(&me, &expected.slug, changes.clone()).await;
        let answer = answer.expect("their own");
        assert!(answer.updated_at > expected.updated_at, "the change shows");
        expected.updated_at = answer.updated_at;
        expect_answer(Ok(answer), Ok(expected.clone()), &format!("{changes:?}"));
        let seen = bench.port.article(&guest(), &expected.slug).await;
        expect_answer(seen, Ok(expected.clone()), "and it stays so");
    }
    let seen = bench.port.article(&guest(), &neighbour.slug).await;
    expect_answer(seen, Ok(neighbour.clone()), "the article beside it is as it was");
    bench.clear(&me, &[&expected.slug, &neighbour.slug]).await;
}

async fn a_new_title_brings_a_new_slug<C: Conduit>(bench: &Bench<'_, C>) {
    let (name, me) = bench.newcomer().await;
    let old = bench.published(&me, &["x"]).await;
    let comment = conduit::NewComment { body: "Hear, hear".to_owned() };
    let comment = bench.port.add_comment(&me, &old.slug, comment).await.expect("anyone may");
    let same = only(|changes| changes.title = Some(old.title.clone()));
    let answer = bench.port.update_article(&me, &old.slug, same).await.expect("their own");
    assert_eq!(answer.slug, old.slug, "the same title, the same slug");

    let title = "Wholly other words 漢字".to_owned();
    let renamed = only(|changes| changes.title = Some(title.clone()));
    let new = bench.port.update_article(&me, &old.slug, renamed).await.expect("their own");
    assert_eq!(new.title, title);
    assert_ne!(new.slug, old.slug);
    assert_eq!((&new.tag_list, new.created_at), (&old.tag_list, old.created_at));
    let gone = bench.port.article(&guest(), &old.slug).await;
    expect_answer(gone, Err(Error::NotFound(Resource::Article)), "the old slug");
    let comments = bench.port.comments(&me, &new.slug).await;
    expect_answer(comments, Ok(vec![comment]), "comments move with it");
    assert_eq!(bench.written_by(&name).await, [new.slug.as_str()], "one article, not two");
    bench.clear(&me, &[&new.slug]).await;
}

async fn tags_are_replaced_as_a_whole<C: Conduit>(bench: &Bench<'_, C>) {
    let (_, me) = bench.newcomer().await;
    let (a, b, c) = (fresh("tag-a"), fresh("tag-b"), fresh("tag-c"));
    let article = bench.published(&me, &[&a, &b]).await;
    let steps =
        [(vec![&b, &c, &b], vec![&a]), (vec![], vec![&a, &b, &c]), (vec![&a], vec![&b, &c])];
    for (tags, unused) in steps {
        let given: Vec<_> = tags.iter().map(|tag| tag.as_str()).collect();
        let changes = only(|changes| changes.tag_list = Some(owned(&given)));
        let answer = bench.port.update_article(&me, &article.slug, changes).await;
        let mut expected = owned(&given);
        expected.dedup();
        expected.sort();
        expected.dedup();
        assert_eq!(answer.expect("their own").tag_list, expected);
        let all = bench.port.tags(&guest()).await.expect("tags");
        for tag in unused {
            assert!(!all.contains(tag), "{tag} is no longer in use");
            let list = ListArticles { tag: Some(tag.clone()), ..ListArticles::default() };
            let page = bench.port.articles(&guest(), &list).await.expect("a list");
            assert_eq!((page.articles.len(), page.articles_count), (0, 0), "{tag}");
        }
        for tag in tags {
            assert!(all.contains(tag), "{tag} is in use");
            let list = ListArticles { tag: Some(tag.clone()), ..ListArticles::default() };
            let page = bench.port.articles(&guest(), &list).await.expect("a list");
            assert_eq!((page.articles.len(), page.articles_count), (1, 1), "{tag}");
        }
    }
    bench.clear(&me, &[&article.slug]).await;
}

async fn others_may_not_touch_it<C: Conduit>(bench: &Bench<'_, C>) {
    let (_, me) = bench.newcomer().await;
    let (_, other) = bench.newcomer().await;
    let article = bench.published(&me, &["x"]).await;
    // Somebody with articles of their own is no more allowed to than somebody without.
    let others = bench.published(&other, &[]).await;
    let forbidden = || Error::Forbidden(Resource::Article);
    let changes = only(|changes| changes.title = Some("Mine".to_owned()));
    let answer = bench.port.update_article(&other, &article.slug, changes).await;
    expect_answer(answer, Err(forbidden()), "changing somebody else's");
    let answer = bench.port.delete_article(&other, &article.slug).await;
    expect_answer(answer, Err(forbidden()), "deleting somebody else's");
    let seen = bench.port.article(&me, &article.slug).await;
    expect_answer(seen, Ok(article.clone()), "it is as it was");
    bench.clear(&me, &[&article.slug]).await;
    bench.clear(&other, &[&others.slug]).await;
}

async fn what_is_deleted_is_gone_everywhere<C: Conduit>(bench: &Bench<'_, C>) {
    let (name, me) = bench.newcomer().await;
    let (fan_name, fan) = bench.newcomer().await;
    let tag = fresh("tag");
    let doomed = bench.published(&me, &[&tag]).await.slug;
    let kept = bench.published(&me, &[]).await.slug;
    bench.port.follow(&fan, &name).await.expect("anyone may");
    for slug in [&doomed, &kept] {
        bench.port.favorite(&fan, slug).await.expect("anyone may");
        let comment = conduit::NewComment { body: "Well said".to_owned() };
        bench.port.add_comment(&fan, slug, comment).await.expect("anyone may");
    }
    bench.clear(&me, &[&doomed]).await;
    let not_found = || Error::NotFound(Resource::Article);
    expect_answer(bench.port.article(&fan, &doomed).await, Err(not_found()), "the article");
    expect_answer(bench.port.comments(&fan, &doomed).await, Err(not_found()), "its comments");
    expect_answer(bench.port.delete_article(&me, &doomed).await, Err(not_found()), "again");
    assert_eq!(bench.written_by(&name).await, [kept.as_str()]);
    let favorited = ListArticles { favorited: Some(fan_name), ..ListArticles::default() };
    let favorites = bench.port.articles(&fan, &favorited).await.expect("a list");
    let feed = bench.port.feed(&fan, Window::default()).await.expect("a feed");
    for page in [favorites, feed] {
        let slugs: Vec<_> = page.articles.iter().map(|article| &article.slug).collect();
        assert_eq!((slugs, page.articles_count), (vec![&kept], 1));
    }
    let tags = bench.port.tags(&guest()).await.expect("tags");
    assert!(!tags.contains(&tag), "its tag is no longer in use");
    let comments = bench.port.comments(&guest(), &kept).await.expect("there");
    assert_eq!(comments.len(), 1, "the other article keeps its comment");
    bench.clear(&me, &[&kept]).await;
}

async fn what_breaks_a_rule_is_not_published<C: Conduit>(bench: &Bench<'_, C>) {
    let (name, me) = bench.newcomer().await;
    let article = bench.published(&me, &[]).await;
    let blank = |fields: &[&str]| {
        let mut problems = Problems::new();
        for field in fields {
            problems.add(field, "can't be blank");
        }
        Error::Invalid(problems)
    };
    let nothing = bench.port.create_article(&me, NewArticle::default()).await;
    expect_answer(nothing, Err(blank(&["body", "description", "title"])), "nothing at all");
    let changes = only(|changes| {
        changes.title = Some(" ".to_owned());
        changes.body = Some(String::new());
        changes.description = Some("not to be kept".to_owned());
    });
    let answer = bench.port.update_article(&me, &article.slug, changes).await;
    expect_answer(answer, Err(blank(&["body", "title"])), "a change to nothing");
    let long = "x".repeat(in_process::validation::MAX_TITLE + 1);
    for (title, tag) in
        [(long.as_str(), "x"), ("a\0b", "x"), ("a\nb", "x"), ("x", " "), ("x", "\0")]
    {
        let new = NewArticle { title: title.to_owned(), tag_list: owned(&[tag]), ..draft() };
        let answer = bench.port.create_article(&me, new).await;
        assert!(matches!(answer, Err(Error::Invalid(_))), "{title:?} {tag:?}: {answer:?}");
        let changes = only(|changes| {
            changes.title = Some(title.to_owned());
            changes.tag_list = Some(owned(&[tag]));
        });
        let answer = bench.port.update_article(&me, &article.slug, changes).await;
        assert!(matches!(answer, Err(Error::Invalid(_))), "{title:?} {tag:?}: {answer:?}");
    }
    assert_eq!(bench.written_by(&name).await, [article.slug.as_str()], "nothing was published");
    let seen = bench.port.article(&me, &article.slug).await;
    expect_answer(seen, Ok(article.clone()), "nothing was changed");
    bench.clear(&me, &[&article.slug]).await;
}
