//! Pages are taken apart by the spans of real servers: each part is found where it has to be, on both
//! databases and in both architectures, and the parts add up.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod quarters;

use std::{collections::BTreeMap, fs, path::Path};

use contract::{
    collector::{Collector, Span},
    databases::{self, TestDatabase},
};
use http::Uri;
use lab::{
    count::{Guest, Part, Parts, Visit, parts_of, sent_to},
    databases::Databases,
    fleet::Rig,
    lanes::Quarters,
    record::Arm,
    servers::{BACKEND, Binaries, FRONTEND, MONOLITH},
};
use quarters::{binary, quarters};

/// How many calls a page makes, one after the other.
const CALLS: usize = 3;

/// How many pages are asked for.
const PAGES: usize = 4;

/// What came of asking one architecture for pages: each with its parts, and all spans.
async fn traced(database: &TestDatabase, arm: Arm) -> (Vec<Visit>, Vec<Parts>, Vec<Span>) {
    let collector = Collector::start().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let calls = directory.path().join("calls.json");
    fs::write(&calls, r#"{ "calls": true }"#).unwrap();
    let Quarters { database, token_secret, mark, layout, .. } =
        quarters(database, directory.path());
    let beside = Path::new(env!("CARGO_BIN_EXE_lab")).parent().unwrap();
    let rig = Rig {
        binaries: Binaries::in_directory(beside, &[MONOLITH, FRONTEND, BACKEND]),
        under: Vec::new(),
        jobs: "off",
        layout,
        mark,
        token_secret,
        planted: BTreeMap::new(),
        lab_file: Some(calls),
        env: sent_to(&collector),
        logs: directory.path().to_owned(),
    };
    let databases = Databases::from_iter([(arm, database)]);
    let fleet = rig.start(&databases, &[arm], "spans").await.unwrap();
    let mut guest = Guest::of(fleet.system(arm).unwrap().front);
    let page: Uri =
        format!("/lab/calls?articles={CALLS}&how=sequential&codec=true").parse().unwrap();
    let visits = guest.ask(&vec![page; PAGES]).await.unwrap();
    fleet.stop().await.unwrap();
    let spans = collector.take();
    let parts = parts_of(&visits, &spans).unwrap();
    (visits, parts, spans)
}

/// The spans of a trace in which each stands in the one before, by what they are called; several of them
/// where each time there are.
fn chain<'a>(spans: &[&'a Span], from: &str, names: &[&str]) -> Vec<&'a Span> {
    let Some((name, below)) = names.split_first() else { return Vec::new() };
    let mut ends = Vec::new();
    for span in spans.iter().filter(|span| span.parent == from && span.name == *name) {
        match below {
            [] => ends.push(*span),
            below => ends.extend(chain(spans, &span.id, below)),
        }
    }
    ends
}

/// Without overlaps nothing is counted twice, and nothing is lost.
fn adds_up(visits: &[Visit], pages: &[Parts], on: &str) {
    assert_eq!(pages.len(), PAGES, "{on}");
    for (visit, parts) in visits.iter().zip(pages) {
        let all = parts.values().sum::<u64>();
        assert_eq!(all, visit.time.end - visit.time.start, "{on}: {parts:?}");
    }
}

#[tokio::test]
async fn a_page_of_the_split_is_taken_apart_from_the_visitor_to_the_database() {
    if [FRONTEND, BACKEND].into_iter().any(|program| binary(program).is_none()) {
        return;
    }
    for database in databases::all().await {
        let on = format!("split on {}", database.engine);
        let (visits, pages, spans) = traced(&database, Arm::Split).await;
        adds_up(&visits, &pages, &on);
        for (visit, parts) in visits.iter().zip(&pages) {
            let spans: Vec<_> = spans.iter().filter(|span| span.trace == visit.trace).collect();
            let (entry, call, handler) = ("GET none", "call GET", "GET /api/articles");
            let entries = chain(&spans, &visit.id, &[entry]);
            assert_eq!(entries.len(), 1, "{on}: {spans:#?}");
            for (statement, times) in [("articles::first_page", 1), ("articles::later_page", 2)] {
                let found = chain(&spans, &visit.id, &[entry, call, handler, statement]);
                assert_eq!(found.len(), times, "{on}: {statement}: {spans:#?}");
            }
            let encoded = chain(&spans, &visit.id, &[entry, call, handler, "encode"]);
            assert_eq!(encoded.len(), CALLS, "{on}: {spans:#?}");
            // What it has decoded, it writes and reads once more.
            assert_eq!(chain(&spans, &visit.id, &[entry, "decode"]).len(), 2 * CALLS, "{on}");
            assert!(encoded.iter().all(|span| span.service == BACKEND), "{on}: {spans:#?}");

            let all: Vec<Part> = parts.keys().copied().collect();
            use Part::{Back, Decode, Encode, Entry, Handler, Statements, There, Visitor};
            let expected = [Visitor, Entry, There, Handler, Statements, Encode, Back, Decode];
            assert_eq!(all, expected, "{on}");
            assert!(parts.values().all(|ns| *ns > 0), "{on}: {parts:?}");
            let within: u64 =
                parts.iter().filter(|(it, _)| **it != Visitor).map(|(_, ns)| ns).sum();
            assert_eq!(within, entries[0].ended_ns - entries[0].begun_ns, "{on}: {parts:?}");
        }
    }
}

#[tokio::test]
async fn a_page_of_the_monolith_has_no_way_to_a_backend() {
    if binary(MONOLITH).is_none() {
        return;
    }
    for database in databases::all().await {
        let on = format!("monolith on {}", database.engine);
        let (visits, pages, _) = traced(&database, Arm::Monolith).await;
        adds_up(&visits, &pages, &on);
        for parts in &pages {
            let all: Vec<Part> = parts.keys().copied().collect();
            use Part::{Decode, Encode, Entry, Statements, Visitor};
            assert_eq!(all, [Visitor, Entry, Statements, Encode, Decode], "{on}");
        }
    }
}
