//! Comments: written, read in order, taken away by who wrote them.

use conduit::{Comment, Conduit, Error, NewComment, Problems, Resource};

use super::{Bench, expect_answer, guest};

pub(super) async fn check<C: Conduit>(bench: &Bench<'_, C>) {
    comments_are_kept_as_given_in_the_order_of_writing(bench).await;
    only_who_wrote_it_takes_it_away(bench).await;
    a_number_is_never_used_again(bench).await;
    a_comment_needs_a_text(bench).await;
}

fn said(body: &str) -> NewComment {
    NewComment { body: body.to_owned() }
}

fn texts(comments: &[Comment]) -> Vec<&str> {
    comments.iter().map(|comment| comment.body.as_str()).collect()
}

async fn comments_are_kept_as_given_in_the_order_of_writing<C: Conduit>(bench: &Bench<'_, C>) {
    let (name, author) = bench.newcomer().await;
    let (_, other) = bench.newcomer().await;
    let article = bench.published(&author, &[]).await.slug;
    let neighbour = bench.published(&author, &[]).await.slug;
    let bodies = ["  two\r\n\r\n  lines\t", "<script>alert(1)</script>", "\u{202e}مرحبا 🦄"];
    let mut written = Vec::new();
    for (turn, body) in bodies.into_iter().enumerate() {
        let caller = if turn == 1 { &author } else { &other };
        let comment = bench.port.add_comment(caller, &article, said(body)).await;
        let comment = comment.expect("a sound comment");
        assert_eq!(comment.body, body, "kept as given");
        assert_eq!(comment.author.username == name, turn == 1, "by who said it");
        assert_eq!(comment.created_at, comment.updated_at);
        written.push(comment);
    }
    let seen = bench.port.comments(&other, &article).await;
    expect_answer(seen, Ok(written), "oldest first");
    let beside = bench.port.comments(&guest(), &neighbour).await;
    expect_answer(beside, Ok(Vec::new()), "the article beside it has none");

    bench.port.follow(&other, &name).await.expect("anyone may");
    let seen = bench.port.comments(&other, &article).await.expect("there");
    let following: Vec<_> = seen.iter().map(|comment| comment.author.following).collect();
    assert_eq!(following, [false, true, false], "through the viewer's eyes");
    bench.clear(&author, &[&article, &neighbour]).await;
}

async fn only_who_wrote_it_takes_it_away<C: Conduit>(bench: &Bench<'_, C>) {
    let (_, author) = bench.newcomer().await;
    let (_, other) = bench.newcomer().await;
    let article = bench.published(&author, &[]).await.slug;
    let neighbour = bench.published(&author, &[]).await.slug;
    let mut ids = Vec::new();
    for body in ["first", "second", "third"] {
        let comment = bench.port.add_comment(&other, &article, said(body)).await;
        ids.push(comment.expect("sound").id);
    }
    let no_comment = || Error::NotFound(Resource::Comment);
    for (caller, slug, id, error, question) in [
        (&author, &article, ids[1], Error::Forbidden(Resource::Comment), "the article's author"),
        (&other, &neighbour, ids[1], no_comment(), "under another article"),
        (&other, &article, i64::MAX, no_comment(), "a number that nothing has"),
        (&other, &article, 0, no_comment(), "zero"),
        (&other, &article, -ids[1], no_comment(), "a negative number"),
        (&other, &"nothing".to_owned(), ids[1], Error::NotFound(Resource::Article), "nowhere"),
    ] {
        let answer = bench.port.delete_comment(caller, slug, id).await;
        expect_answer(answer, Err(error), question);
    }
    let seen = bench.port.comments(&guest(), &article).await.expect("there");
    assert_eq!(texts(&seen), ["first", "second", "third"], "all still there");
    expect_answer(bench.port.delete_comment(&other, &article, ids[1]).await, Ok(()), "their own");
    let seen = bench.port.comments(&guest(), &article).await.expect("there");
    assert_eq!(texts(&seen), ["first", "third"], "that one is gone");
    let again = bench.port.delete_comment(&other, &article, ids[1]).await;
    expect_answer(again, Err(no_comment()), "again");
    bench.clear(&author, &[&article, &neighbour]).await;
}

async fn a_number_is_never_used_again<C: Conduit>(bench: &Bench<'_, C>) {
    let (_, me) = bench.newcomer().await;
    let article = bench.published(&me, &[]).await.slug;
    let mut last = 0;
    for _ in 0..3 {
        let comment = bench.port.add_comment(&me, &article, said("x")).await.expect("sound");
        assert!(comment.id > last, "{} after {last}", comment.id);
        last = comment.id;
        bench.port.delete_comment(&me, &article, last).await.expect("their own");
    }
    bench.clear(&me, &[&article]).await;
}

async fn a_comment_needs_a_text<C: Conduit>(bench: &Bench<'_, C>) {
    let (_, me) = bench.newcomer().await;
    let article = bench.published(&me, &[]).await.slug;
    let blank = || Err(Error::Invalid(Problems::one("body", "can't be blank")));
    for body in ["", " \n\t "] {
        let answer = bench.port.add_comment(&me, &article, said(body)).await;
        expect_answer(answer, blank(), &format!("{body:?}"));
    }
    let long = "x".repeat(in_process::validation::MAX_COMMENT + 1);
    for body in ["nul \0", long.as_str()] {
        let answer = bench.port.add_comment(&me, &article, said(body)).await;
        assert!(matches!(answer, Err(Error::Invalid(_))), "{answer:?}");
    }
    let seen = bench.port.comments(&guest(), &article).await;
    expect_answer(seen, Ok(Vec::new()), "nothing was said");
    bench.clear(&me, &[&article]).await;
}
