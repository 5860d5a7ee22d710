//! The floor is worth comparing with only while it gives the same page: the same bytes, from the same
//! statements, alone and over its hop.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has to stop")]

use std::{fmt, process::Command, sync::Mutex};

use axum::body::{Body, to_bytes};
use conduit::wire::API;
use contract::{
    databases,
    dataset::{Dataset, Size},
    process::{Server, command},
};
use http::Request;
use tower::ServiceExt;
use tracing::{Event, Metadata, Subscriber, field, span};

/// Every statement of this process, as sqlx logs it.
static STATEMENTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Collector;

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Text);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// Keeps the whole text of a statement.
struct Text;

impl field::Visit for Text {
    fn record_str(&mut self, field: &field::Field, text: &str) {
        if field.name() == "db.statement" && !text.is_empty() {
            STATEMENTS.lock().unwrap().push(one_line(text));
        }
    }

    fn record_debug(&mut self, _: &field::Field, _: &dyn fmt::Debug) {}
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The query itself, without what SQLite has around it to make one value of all rows.
fn inner(statement: &str) -> &str {
    let around = statement.strip_prefix("select json_group_array(");
    let inner = around.and_then(|rest| rest.split_once(" from (select "));
    inner.map_or(statement, |(_, inner)| inner.trim_end_matches(')')).trim_start_matches("select ")
}

fn floor(args: &[&str], env: &[(&str, &str)]) -> Server {
    let mut all = vec!["serve", "--listen", "127.0.0.1:0"];
    all.extend(args);
    let floor: Command = command(env!("CARGO_BIN_EXE_floor"), &all, env);
    Server::start(floor).unwrap()
}

/// Enough articles for a row of page numbers with a gap in it, as on the site that is measured.
fn dataset() -> Dataset {
    Dataset::new(Size { users: 20, articles: 200, ..Size::default() }, 5)
}

#[tokio::test]
async fn the_floor_gives_the_same_page_from_the_same_statements() {
    tracing::subscriber::set_global_default(Collector).unwrap();
    let source = one_line(include_str!("../floor.rs"));
    for database in databases::with(&dataset()).await {
        let app = database.connect().await;
        let pages = pages::router(app, pages::Settings::default());
        STATEMENTS.lock().unwrap().clear();
        let request = Request::get("/").body(Body::empty()).unwrap();
        let answer = pages.oneshot(request).await.unwrap();
        let page = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let page = String::from_utf8(page.to_vec()).unwrap();
        let mut statements = STATEMENTS.lock().unwrap().clone();
        statements.retain(|statement| statement.starts_with("select "));

        let data_dir = database.args.data_dir.display().to_string();
        let url = database.args.database_url.as_ref().map(in_process::DatabaseUrl::expose);
        let env: Vec<_> = url.map(|url| ("DATABASE_URL", url)).into_iter().collect();
        let alone = floor(&["--data-dir", &data_dir], &env);
        let backend = format!("http://{}", alone.address);
        let over_a_hop = floor(&["--backend-url", &backend], &[]);
        for server in [&alone, &over_a_hop] {
            let floor = server.get("/").unwrap();
            assert_eq!(floor.status, 200, "{}", floor.body);
            assert_eq!(floor.body, page, "on {}", database.engine);
        }
        for (path, request) in [("list", "articles?limit=10"), ("names", "tags")] {
            let app = database.connect().await;
            let router = api::router(app);
            let request = Request::get(format!("{API}/{request}")).body(Body::empty()).unwrap();
            let answer = router.oneshot(request).await.unwrap();
            let json = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
            assert_eq!(
                alone.get(&format!("/json/{path}")).unwrap().body.as_bytes(),
                json,
                "{path}"
            );
        }
        assert_eq!(statements.len(), 2, "{statements:#?}");
        for statement in statements {
            let inner = inner(&statement);
            assert!(source.contains(inner), "{}: the floor does not ask: {inner}", database.engine);
        }
    }
}
