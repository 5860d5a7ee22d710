//! What is done later. The first checks hold whether or not anybody does it; those of [`with_workers`]
//! wait until somebody has.

use std::time::{Duration, Instant};

use conduit::{
    Caller, Conduit, Error, Export, ExportState, NewArticle, Resource, Token, Unauthorized,
};

use super::{Bench, expect_answer, guest};

/// For how long it may take until a job is done.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn check<C: Conduit>(bench: &Bench<'_, C>) {
    related_articles_are_asked_for_by_slug(bench).await;
    an_export_is_for_one_account(bench).await;
    the_queue_is_for_operators(bench).await;
}

async fn related_articles_are_asked_for_by_slug<C: Conduit>(bench: &Bench<'_, C>) {
    let (_, author) = bench.newcomer().await;
    let article = bench.published(&author, &[]).await;
    for caller in [&guest(), &author] {
        let related = bench.port.related(caller, &article.slug).await.expect("an article");
        assert!(related.len() <= 5, "at most five: {}", related.len());
        assert!(related.iter().all(|other| other.slug != article.slug), "not itself");
        for slug in ["no-such-article", "", ".."] {
            let answer = bench.port.related(caller, slug).await;
            expect_answer(answer, Err(Error::NotFound(Resource::Article)), slug);
        }
    }
    let jobs = bench.port.jobs(&author).await.expect("their jobs");
    assert!(jobs.len() <= 1 && jobs.iter().all(|job| job.kind == "related"), "{jobs:?}");
    bench.clear(&author, &[&article.slug]).await;
}

async fn an_export_is_for_one_account<C: Conduit>(bench: &Bench<'_, C>) {
    let port = bench.port;
    let missing = || Err(Error::Unauthorized(Unauthorized::Missing));
    let stranger = guest();
    let answers = [
        port.start_export(&stranger).await.map(drop),
        port.exports(&stranger).await.map(drop),
        port.export_chunk(&stranger, 1, 0).await.map(drop),
        port.jobs(&stranger).await.map(drop),
    ];
    for answer in answers {
        expect_answer(answer, missing(), "an export, for nobody");
    }

    let [(_, one), (_, other)] = [bench.newcomer().await, bench.newcomer().await];
    expect_answer(port.exports(&one).await, Ok(Vec::new()), "none was asked for");
    expect_answer(port.jobs(&one).await, Ok(Vec::new()), "nothing was done");
    let first = port.start_export(&one).await.expect("an export");
    let second = port.start_export(&other).await.expect("an export");
    assert_ne!(first.id, second.id, "each account has its own");
    let own: Vec<_> = ids(&port.exports(&one).await.expect("their exports"));
    assert_eq!(own, [first.id], "and sees no other");
    for (caller, id, number) in
        [(&other, first.id, 0), (&one, second.id, 0), (&one, first.id, 1_000_000), (&one, -1, 0)]
    {
        let answer = port.export_chunk(caller, id, number).await;
        expect_answer(answer, Err(Error::NotFound(Resource::Export)), "no file of theirs");
    }
}

fn ids(exports: &[Export]) -> Vec<i64> {
    exports.iter().map(|export| export.id).collect()
}

async fn the_queue_is_for_operators<C: Conduit>(bench: &Bench<'_, C>) {
    let (_, user) = bench.newcomer().await;
    for caller in [&guest(), &user] {
        for token in ["", "guessed", "größer"] {
            let token = Token::new(token);
            let answer = bench.port.queue(caller, &token).await.map(drop);
            expect_answer(answer, Err(Error::Forbidden(Resource::Queue)), "the queue");
            let answer = bench.port.retry_job(caller, &token, 1).await;
            expect_answer(answer, Err(Error::Forbidden(Resource::Queue)), "a job again");
        }
    }
}

/// What has to come about where somebody does the jobs.
pub(super) async fn with_workers<C: Conduit>(bench: &Bench<'_, C>) {
    let (_, author) = bench.newcomer().await;
    let words = "sourdough levain autolyse banneton crumb";
    let mut slugs = Vec::new();
    for title in ["Levain & <crumb>", "Sourdough, again"] {
        let text = || words.to_owned();
        let new = NewArticle {
            title: title.to_owned(),
            description: text(),
            body: text(),
            tag_list: Vec::new(),
        };
        slugs.push(bench.port.create_article(&author, new).await.expect("an article").slug);
    }
    eventually("the articles are related", async || {
        let [one, two] = [related(bench, &slugs[0]).await, related(bench, &slugs[1]).await];
        one.first() == Some(&slugs[1]) && two.first() == Some(&slugs[0])
    })
    .await;

    let book = export(bench, &author).await;
    assert!(book.starts_with(b"PK\x03\x04"), "an archive");
    assert_eq!(&book[30..58], b"mimetypeapplication/epub+zip", "of the kind that readers know");
    eventually("nothing is left to do", async || {
        bench.port.jobs(&author).await.expect("their jobs").is_empty()
    })
    .await;
    let slugs: Vec<_> = slugs.iter().map(String::as_str).collect();
    bench.clear(&author, &slugs).await;
}

async fn related<C: Conduit>(bench: &Bench<'_, C>, slug: &str) -> Vec<String> {
    let related = bench.port.related(&guest(), slug).await.expect("an article");
    related.into_iter().map(|article| article.slug).collect()
}

/// The whole file, when it is there.
async fn export<C: Conduit>(bench: &Bench<'_, C>, caller: &Caller) -> Vec<u8> {
    let id = bench.port.start_export(caller).await.expect("an export").id;
    eventually("the export is ready", async || {
        let exports = bench.port.exports(caller).await.expect("their exports");
        let state = exports.iter().find(|export| export.id == id).map(|export| export.state);
        assert_ne!(state, Some(ExportState::Failed));
        state == Some(ExportState::Ready)
    })
    .await;
    let exports = bench.port.exports(caller).await.expect("their exports");
    let export = exports.into_iter().find(|export| export.id == id).expect("it was there");
    assert_eq!((export.articles_done, export.articles_total), (2, 2));
    let mut file = Vec::new();
    for number in 0..export.chunks {
        file.extend(bench.port.export_chunk(caller, id, number).await.expect("a chunk"));
    }
    assert_eq!(file.len() as u64, export.bytes, "all of it");
    let beyond = bench.port.export_chunk(caller, id, export.chunks).await;
    expect_answer(beyond, Err(Error::NotFound(Resource::Export)), "beyond the end");
    file
}

/// Asks until it is so.
async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let begin = Instant::now();
    while !is_so().await {
        assert!(begin.elapsed() < PATIENCE, "still not so: {what}");
        tokio::task::yield_now().await;
    }
}
