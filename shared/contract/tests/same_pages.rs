//! Both architectures in one process, over copies of one database: the same requests, the same
//! bytes.
//!
//! The lab repeats this over sockets before every measurement. Here it runs with every `cargo test`.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has to stop")]

mod architecture;
mod served;

use std::collections::BTreeSet;

use architecture::{Architecture, monolith, settings, split, split_by};
use axum::Router;
use contract::{
    databases,
    dataset::{Dataset, Size},
    parity::{Target, Visitors, Who, corpus, difference, normalised},
};
use http::{Method, StatusCode};
use remote::HttpVersion;
use served::remote_over;

fn dataset() -> Dataset {
    Dataset::new(Size { users: 30, articles: 130, ..Size::default() }, 11)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_requests_get_the_same_bytes() {
    alike(HttpVersion::One).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_requests_get_the_same_bytes_over_http2() {
    alike(HttpVersion::Two).await;
}

async fn alike(version: HttpVersion) {
    let requests = corpus(&dataset());
    let ones = databases::with(&dataset()).await;
    let others = databases::with(&dataset()).await;
    for (one, other) in ones.iter().zip(&others) {
        assert_eq!(one.engine, other.engine);
        let monolith =
            Visitors::sign_in(monolith(one.connect().await), &dataset(), &requests).await.unwrap();
        let split = split_by(|at| remote_over(version, at), other.connect().await).await;
        let split = Visitors::sign_in(split, &dataset(), &requests).await.unwrap();
        let mut statuses = BTreeSet::new();
        for request in &requests {
            let left = normalised(monolith.ask(request).await.unwrap());
            let right = normalised(split.ask(request).await.unwrap());
            if let Some(difference) = difference(&left, &right) {
                panic!("on {}, {request}\n{difference}", one.engine);
            }
            assert!(!left.status.is_server_error(), "{request}: {}", left.status);
            statuses.insert(left.status.as_u16());
        }
        println!("{} requests alike on {}: {statuses:?}", requests.len(), one.engine);
        for status in [200, 201, 303, 401, 403, 404, 405, 409, 422] {
            assert!(statuses.contains(&status), "no request of the corpus is answered {status}");
        }
    }
}

/// The gate would also pass if every page were the same error page. So: what is on them?
#[tokio::test(flavor = "multi_thread")]
async fn pages_show_what_they_are_about_and_to_whom() {
    let requests = corpus(&dataset());
    for database in databases::with(&dataset()).await {
        let split = Visitors::sign_in(split(database.connect().await).await, &dataset(), &requests)
            .await
            .unwrap();
        let me = dataset().user(0).username;
        for request in requests.iter().filter(|r| r.target == Target::Page) {
            if request.method != Method::GET {
                continue;
            }
            let answer = split.ask(request).await.unwrap();
            let text = str::from_utf8(&answer.body).unwrap();
            if answer.status == StatusCode::OK && request.who == Who::User(0) {
                assert!(text.contains(&me), "{request} is not signed in");
            }
            let slug = request.path.strip_prefix("/article/");
            if let (StatusCode::OK, Some(slug)) = (answer.status, slug) {
                assert!(text.contains("article-content"), "{request} for {slug}");
                assert!(!text.contains("<script>alert"), "{request} runs a stranger's script");
            }
        }
    }
}

/// Other data, other pages: the gate is not blind.
#[tokio::test(flavor = "multi_thread")]
async fn other_data_is_noticed() {
    let request = corpus(&dataset()).into_iter().find(|request| request.path == "/").unwrap();
    let arm = |port| Architecture {
        pages: pages::router(port, settings()),
        api: Router::new(),
        _backend: None,
    };
    let seeds = [11, 12].map(|seed| Dataset::new(dataset().size(), seed));
    let mut answers = Vec::new();
    for seed in seeds {
        let port = contract::in_memory::InMemory::new(&seed);
        let visitors = Visitors::sign_in(arm(port), &seed, &[]).await.unwrap();
        answers.push(normalised(visitors.ask(&request).await.unwrap()));
    }
    assert!(difference(&answers[0], &answers[1]).unwrap().contains("body, line"));
}
