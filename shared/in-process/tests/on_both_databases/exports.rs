//! Exports: the book goes on from where it was, goes in time, and can be read.

use std::{
    env, fs,
    path::Path,
    process::{Command, Output},
};

use chrono::{TimeDelta, Utc};
use conduit::{Caller, Conduit, ExportState, NewArticle};
use contract::{
    postgres::REQUIRE,
    sql::{execute, number},
};
use in_process::InProcess;

use crate::{
    fixture::{self, ADA, Fixture},
    jobs::{Time, at, insert},
};

fn article(title: &str, body: &str) -> NewArticle {
    let tag_list = vec!["tag & <tag>".to_owned()];
    NewArticle { title: title.into(), description: "d".into(), body: body.into(), tag_list }
}

/// All chunks of an export's file.
async fn file(app: &InProcess, caller: &Caller) -> Vec<u8> {
    let export = app.exports(caller).await.unwrap().remove(0);
    assert_eq!(export.state, ExportState::Ready);
    let mut file = Vec::new();
    for number in 0..export.chunks {
        file.extend(app.export_chunk(caller, export.id, number).await.unwrap());
    }
    file
}

/// The names in the archive's table of contents, found as a reader finds them: from its end.
fn contents(file: &[u8]) -> Vec<String> {
    let number = |at: usize, length: usize| {
        file[at..at + length].iter().rev().fold(0_usize, |n, byte| n << 8 | usize::from(*byte))
    };
    let end = file.len() - 22;
    assert_eq!(&file[end..end + 4], b"PK\x05\x06");
    let (count, mut at) = (number(end + 10, 2), number(end + 16, 4));
    let mut names = Vec::new();
    for _ in 0..count {
        assert_eq!(&file[at..at + 4], b"PK\x01\x02");
        let (length, header) = (number(at + 28, 2), number(at + 42, 4));
        let name = &file[at + 46..at + 46 + length];
        assert_eq!(&file[header..header + 4], b"PK\x03\x04", "a file where it is said to be");
        assert_eq!(&file[header + 30..header + 30 + length], name);
        names.push(String::from_utf8(name.to_vec()).unwrap());
        at += 46 + length;
    }
    names
}

#[tokio::test]
async fn an_export_goes_on_from_its_checkpoint() {
    for fixture in &fixture::all().await {
        let (app, on) = (&fixture.app, fixture.on());
        let ada = fixture.signed_in("ada").await;
        for number in 0..30 {
            app.create_article(&ada, article(&format!("Number {number}"), "*text*")).await.unwrap();
        }
        app.start_export(&ada).await.unwrap();
        app.drain_jobs().await.unwrap();
        let whole = file(app, &ada).await;
        let names = contents(&whole);
        // 32 articles, what makes it a book, and the list of chapters.
        assert_eq!(names.len(), 32 + 4, "{on}: {names:?}");
        assert_eq!(names[0], "mimetype", "{on}");

        // As if a worker had died in the middle of a second one: two steps of it are there.
        let first = app.exports(&ada).await.unwrap().remove(0).id;
        app.start_export(&ada).await.unwrap();
        execute(app, "delete from job").await;
        let second = app.exports(&ada).await.unwrap().remove(0).id;
        assert_ne!(first, second, "{on}");
        let pieces = [
            format!(
                "insert into export_chunk (export_id, number, content, entries)
                select {second}, number, content, entries from export_chunk
                where export_id = {first} and number < 2"
            ),
            format!(
                "update export set state = 'running', chunks = 2, articles_done = 16,
                    bytes = (select sum(length(content)) from export_chunk where export_id = {second}),
                    last_id = (select id from article where author_id = {ADA}
                        order by created_at, id limit 1 offset 15),
                    last_created_at = (select created_at from article where author_id = {ADA}
                        order by created_at, id limit 1 offset 15)
                where id = {second}"
            ),
        ];
        for piece in pieces {
            execute(app, &piece).await;
        }
        insert(app, "export", &format!("{{\"export\": {second}}}"), Utc::now()).await;
        app.drain_jobs().await.unwrap();
        // Apart from its own number and time it is the same book.
        assert_eq!(contents(&file(app, &ada).await), names, "{on}");
        // And once more is no more.
        insert(app, "export", &format!("{{\"export\": {second}}}"), Utc::now()).await;
        app.drain_jobs().await.unwrap();
        assert_eq!(contents(&file(app, &ada).await), names, "{on}");
    }
}

#[tokio::test]
async fn an_export_is_gone_after_a_day_and_one_that_failed_may_be_asked_for_again() {
    for fixture in &fixture::all().await {
        let (time, on) = (Time::new(), fixture.on());
        let app = &fixture.again(at(&time)).await;
        let ada = Fixture::sign_in(app, "ada").await;
        let first = app.start_export(&ada).await.unwrap();
        assert_eq!(app.start_export(&ada).await.unwrap().id, first.id, "{on}: one at a time");
        execute(app, "update job set attempts = max_attempts, state = 'running'").await;
        time.pass(TimeDelta::seconds(1));
        app.drain_jobs().await.unwrap();
        let failed = app.exports(&ada).await.unwrap().remove(0);
        assert_eq!(failed.state, ExportState::Failed, "{on}");

        let second = app.start_export(&ada).await.unwrap();
        assert_ne!(second.id, first.id, "{on}");
        app.drain_jobs().await.unwrap();
        assert!(!file(app, &ada).await.is_empty(), "{on}");
        time.pass(TimeDelta::hours(25));
        assert_eq!(app.exports(&ada).await.unwrap(), [], "{on}");
        app.drain_jobs().await.unwrap();
        assert_eq!(number(app, "select count(*) from export_chunk").await, 0, "{on}");
    }
}

/// Articles that try what a book may not hold: title, text, and what a reader has to show of it.
const DIFFICULT: [(&str, &str, &str); 6] = [
    ("Levain & <crumb> \"2\"", "# One\n\nfive &amp; six &lt; &nbsp; &eacute;", "five & six <"),
    (
        "HTML",
        "<script>alert(1)</script>\n\n<b>never closed <p> <br> and *seven*\n\n</div> <!-- -- -->",
        "<script>alert(1)</script>",
    ),
    (
        "Links",
        "[bad](javascript:alert(1)) [here](#fragment) [there](/article/x) [odd](https://e.com/a b|c\"<>)\n\n\
         [space](<https://e.com/a b>) [good](https://e.com/?a=1&b=2 \"t & <t>\") <https://e.com/x> \
         [colon](http://[::1) [percent](https://e.com/%zz) [umlaut](https://müller.de/ä?ö#ü) \
         [signs](https://e.com/a{b}^c`|~!$'*+,;=:@) [two](https://e.com/#a#b) eight",
        "eight",
    ),
    (
        "Pictures",
        "![alt *text* & more](https://e.com/p.png \"title\") [![both](p.png)](https://e.com) nine\n\n![](x.png)",
        "nine",
    ),
    (
        "Layout",
        "1. one\n   - two\n     > three\n\n7. seven\n\n```rust\nlet x = \"<&>\";\n```\n\n    code\n\n---\n\na  \nten",
        "let x = \"<&>\";",
    ),
    ("Ünïcödé 日本語 \u{1f980}", "eleven \u{fffe} \u{202e}twelve\u{202c} \u{0301}", "eleven"),
];

/// Runs a program on a file; `None` where it is not installed.
fn open_with(program: &str, before: &[&str], book: &Path, after: &[&str]) -> Option<Output> {
    match Command::new(program).args(before).arg(book).args(after).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        output => Some(output.expect(program)),
    }
}

/// A book with everything difficult in it, in a file that a reader can open.
async fn difficult_book(fixture: &Fixture, folder: &Path) -> std::path::PathBuf {
    let (app, ada) = (&fixture.app, fixture.signed_in("ada").await);
    for (title, body, _) in DIFFICULT {
        app.create_article(&ada, article(title, body)).await.unwrap();
    }
    app.start_export(&ada).await.unwrap();
    app.drain_jobs().await.unwrap();
    let book = folder.join(format!("{}.epub", fixture.on()));
    fs::write(&book, file(app, &ada).await).unwrap();
    book
}

/// `MuPDF` is one of the engines that people read books with.
#[tokio::test]
async fn a_reader_opens_the_book_and_shows_all_of_it() {
    for fixture in &fixture::all().await {
        let (folder, on) = (tempfile::tempdir().unwrap(), fixture.on());
        let book = difficult_book(fixture, folder.path()).await;
        let read = open_with("mutool", &["draw", "-F", "text"], &book, &[]);
        let Some(read) = read else {
            let required = env::var(REQUIRE).is_ok_and(|value| value == "1");
            assert!(!required, "{REQUIRE}=1, and mutool is not installed");
            return println!("ignored: needs mutool (Debian's mupdf-tools)");
        };
        let said = String::from_utf8(read.stderr).unwrap();
        assert!(read.status.success(), "{on}: {said}");
        // What this engine always says: it has no colour profiles, and takes version 3 for a surprise.
        let usual = ["ICC support", "unknown epub version: 3.0"];
        let complaint = said.lines().find(|line| !usual.iter().any(|usual| line.contains(usual)));
        assert_eq!(complaint, None, "{on}");
        // Lines are broken where the page ends.
        let text = String::from_utf8(read.stdout).unwrap();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut at = text.find("Contents").unwrap();
        for (title, _, shown) in DIFFICULT {
            let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(text[at..].matches(&title).count() >= 1, "{on}: {title} in {text}");
            assert!(text.contains(shown), "{on}: {shown} in {text}");
            at = text.rfind(&title).unwrap();
        }
        let first = text.find("The first").unwrap();
        assert!(first < text.find("Levain").unwrap(), "{on}: oldest first");
    }
}

/// The publishers' own judge of books, which is pickier than any reader. It brings Java along:
///
/// ```text
/// apt-get install epubcheck
/// cargo test -p in-process --test on_both_databases -- --ignored the_judge
/// ```
#[tokio::test]
#[ignore = "needs epubcheck, and with it Java"]
async fn the_judge_of_books_has_nothing_to_say() {
    const EPUBCHECK: &str = "/usr/share/java/epubcheck.jar";
    for fixture in &fixture::all().await {
        let folder = tempfile::tempdir().unwrap();
        let book = difficult_book(fixture, folder.path()).await;
        let judged =
            open_with("java", &["-jar", EPUBCHECK], &book, &["--failonwarnings"]).expect("java");
        let said = String::from_utf8_lossy(&judged.stderr).into_owned();
        assert!(judged.status.success(), "{}: {said}", fixture.on());
        println!("{}", String::from_utf8_lossy(&judged.stdout));
    }
}
