//! One trace follows a request from the entry through frontend, backend and SQL to the job that it
//! caused, in both architectures and on both databases, and says nothing that is nobody's business.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has to stop")]

mod site;

use std::{collections::BTreeSet, process::Stdio};

use contract::{
    collector::{Collector, Span},
    databases::{self, TestDatabase, small_dataset},
    dataset::PASSWORD,
    process::{Server, binary, command},
};
use site::Site;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// A trace that somebody in front of us has begun, and the header by which they say so.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const OUTER: &str = "00f067aa0ba902b7";
const TRACEPARENT: &str = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Starts one of the architectures, with some settings.
type Start = fn(&TestDatabase, &[(&str, &str)]) -> Site;

/// Runs a test on both databases and in both architectures.
async fn everywhere(test: impl AsyncFn(&TestDatabase, Start)) {
    for database in databases::all().await {
        test(&database, Site::monolith).await;
    }
    for database in databases::all().await {
        test(&database, Site::split).await;
    }
}

/// The spans of a trace that begin under this one.
fn below<'a>(spans: &'a [Span], parent: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.parent == parent).collect()
}

/// Their names, in alphabetical order.
fn names<'a>(spans: &[&'a Span]) -> Vec<&'a str> {
    let mut names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    names.sort_unstable();
    names
}

fn only<'a>(spans: &[&'a Span], what: &str) -> &'a Span {
    let found: Vec<_> = spans.iter().filter(|span| span.name == what).collect();
    assert_eq!(found.len(), 1, "{what} in {spans:#?}");
    found[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_one_trace_from_the_entry_to_the_database() {
    everywhere(async |database, start| {
        let collector = Collector::start().await.unwrap();
        let site = start(database, &[(ENDPOINT, &collector.url())]);
        let on = format!("{} on {}", site.name, database.engine);
        assert_eq!(site.ask("GET /", &[TRACEPARENT], "").status, 200, "{on}");
        let is_split = site.name == "split";
        site.stop();
        let spans = collector.take();
        let (spans, others): (Vec<_>, Vec<_>) =
            spans.into_iter().partition(|span| span.trace == TRACE);
        assert!(others.iter().all(|span| span.name == "job"), "{on}: {others:#?}");

        let page = only(&below(&spans, OUTER), "GET /");
        assert_eq!(page.attributes["http.route"], "/", "{on}");
        assert_eq!(page.attributes["http.response.status_code"], "200", "{on}");
        let statements = ["articles::first_page", "tags::list"];
        if !is_split {
            assert_eq!(page.service, "monolith");
            assert_eq!(names(&below(&spans, &page.id)), statements, "{on}: {spans:#?}");
            assert_eq!(spans.len(), 3, "{on}: {spans:#?}");
            return;
        }
        assert_eq!(page.service, "split-frontend");
        let calls = below(&spans, &page.id);
        assert_eq!(names(&calls), ["call GET", "call GET", "decode", "decode"], "{on}");
        let answers: Vec<_> = calls.iter().flat_map(|call| below(&spans, &call.id)).collect();
        assert_eq!(names(&answers), ["GET /api/articles", "GET /api/tags"], "{on}");
        assert!(answers.iter().all(|answer| answer.service == "split-backend"), "{on}");
        let inside: Vec<_> = answers.iter().flat_map(|it| below(&spans, &it.id)).collect();
        let [list, tags] = statements;
        assert_eq!(names(&inside), [list, "encode", "encode", tags], "{on}");
        assert_eq!(spans.len(), 11, "{on}: {spans:#?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_goes_on_with_the_trace_of_what_caused_it() {
    everywhere(async |database, start| goes_on(database, start, &[]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_in_the_request_does_so_too() {
    for database in databases::all().await {
        goes_on(&database, Site::monolith, &[("JOBS", "inline")]).await;
    }
}

/// Publishes an article, and follows it to the end of its job.
async fn goes_on(database: &TestDatabase, start: Start, more: &[(&str, &str)]) {
    let collector = Collector::start().await.unwrap();
    let endpoint = collector.url();
    let site = start(database, &[more, &[(ENDPOINT, &endpoint)]].concat());
    let on = format!("{} on {}", site.name, database.engine);
    let user = small_dataset().user(0);
    let session = site.sign_in(&user.email);
    let form = "title=Unheard-of&description=Unspoken&body=Unwritten&tag=untold";
    let answer = site.ask("POST /editor", &[&session, TRACEPARENT], form);
    assert_eq!(answer.status, 303, "{on}: {}", answer.text);
    site.wait_for_jobs("related", 1);
    let is_split = site.name == "split";
    site.stop();
    let spans = collector.take();

    let traced: Vec<_> = spans.iter().filter(|span| span.trace == TRACE).cloned().collect();
    let sent = only(&below(&traced, OUTER), "POST /editor");
    let (enqueued_by, worker) = if is_split {
        let call = only(&below(&traced, &sent.id), "call POST");
        (only(&below(&traced, &call.id), "POST /api/articles"), "split-backend-work")
    } else {
        (sent, "monolith")
    };
    let caused = below(&traced, &enqueued_by.id);
    for part in ["begin", "commit", "jobs::queue::enqueue"] {
        only(&caused, part);
    }
    let job = only(&caused, "job");
    assert_eq!((job.service.as_str(), job.failed), (worker, false), "{on}");
    assert_eq!(job.attributes["kind"], "related", "{on}");
    let by_job = below(&traced, &job.id);
    assert!(names(&by_job).contains(&"commit"), "{on}: {by_job:#?}");

    // Nobody began a trace but visitors: looking for jobs is none.
    let first = spans.iter().filter(|span| span.parent.is_empty());
    let first: Vec<_> = first.collect();
    assert_eq!(names(&first), ["POST /login"], "{on}");
    let token = session.split_once('=').unwrap().1;
    let secrets = [PASSWORD, token, &user.email, &user.username];
    for word in secrets.into_iter().chain(["nheard", "nspoken", "nwritten", "ntold"]) {
        let told = spans.iter().find(|span| format!("{span:?}").contains(word));
        assert!(told.is_none(), "{on}: {word} in {told:#?}");
    }
    assert!(spans.iter().all(|span| span.events == 0), "{on}: log lines stay here");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_requests_are_two_traces_and_what_is_not_traced_is_none() {
    everywhere(async |database, start| {
        let collector = Collector::start().await.unwrap();
        let endpoint = collector.url();
        let site = start(database, &[(ENDPOINT, &endpoint)]);
        let on = format!("{} on {}", site.name, database.engine);
        let article = format!("GET /article/{}", small_dataset().article(0).slug);
        for _ in 0..2 {
            assert_eq!(site.ask(&article, &[], "").status, 200, "{on}");
        }
        assert_eq!(site.ask("GET /nowhere", &[], "").status, 404, "{on}");
        let unsampled = TRACEPARENT.strip_suffix("01").unwrap().to_owned() + "00";
        assert_eq!(site.ask("GET /", &[&unsampled], "").status, 200, "{on}");
        site.stop();
        let spans = collector.take();
        let first: Vec<_> = spans.iter().filter(|span| span.parent.is_empty()).collect();
        let page = "GET /article/{slug}";
        assert_eq!(names(&first), [page, page, "GET none"], "{on}");
        let traces: BTreeSet<_> = first.iter().map(|span| &span.trace).collect();
        assert_eq!(traces.len(), 3, "{on}");
        assert!(spans.iter().all(|span| span.trace != TRACE), "{on}: {spans:#?}");

        // With no share of its own a server traces what others ask it to, and nothing else.
        let none = [(ENDPOINT, endpoint.as_str()), ("OTEL_TRACES_SAMPLER_ARG", "0")];
        let site = start(database, &none);
        assert_eq!(site.ask(&article, &[], "").status, 200, "{on}");
        assert_eq!(site.ask(&article, &[TRACEPARENT], "").status, 200, "{on}");
        site.stop();
        let spans = collector.take();
        assert!(spans.iter().all(|span| span.trace == TRACE), "{on}: {spans:#?}");
        only(&below(&spans, OUTER), page);
    })
    .await;
}

/// Nobody listens, or somebody who never answers: visitors notice nothing, and the log says it once.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_is_in_nobodys_way() {
    // Takes connections, by the system's queue, and nothing more.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().map(|address| (address, silent)).unwrap();
    for endpoint in ["http://127.0.0.1:1".to_owned(), format!("http://{}", silent.0)] {
        let data = tempfile::tempdir().unwrap();
        let said = data.path().join("said");
        let env = [
            ("LISTEN", "127.0.0.1:0"),
            ("DATA_DIR", data.path().to_str().unwrap()),
            ("LOG", "warn"),
            // So that there is more than one attempt.
            ("OTEL_BSP_SCHEDULE_DELAY", "50"),
            (ENDPOINT, &endpoint),
        ];
        let mut command = command(&binary("monolith"), &["serve"], &env);
        command.stderr(Stdio::from(std::fs::File::create(&said).unwrap()));
        let server = Server::start(command).unwrap();
        let warnings = || {
            let said = std::fs::read_to_string(&said).unwrap();
            said.lines().filter(|line| line.contains("--otlp-endpoint")).count()
        };
        while warnings() == 0 {
            assert_eq!(server.get("/").unwrap().status, 200, "{endpoint}");
        }
        for _ in 0..5 {
            assert_eq!(server.get("/").unwrap().status, 200, "{endpoint}");
        }
        server.terminate().unwrap();
        assert!(server.wait().unwrap().0.success(), "{endpoint}");
        assert_eq!(warnings(), 1, "{endpoint}");
    }
}
