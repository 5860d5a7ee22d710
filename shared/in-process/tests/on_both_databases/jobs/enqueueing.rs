//! How a job gets into the queue: with what causes it, and not without.

use chrono::Utc;
use conduit::{ArticleUpdate, Conduit};
use contract::sql::{execute, number};
use in_process::{Options, Placement};

use super::{article, insert, until};
use crate::fixture::{self, Fixture};

#[tokio::test]
async fn a_job_comes_with_what_causes_it_and_not_without() {
    for Fixture { app, database, .. } in &fixture::all().await {
        let on = database.engine;
        let ada = Fixture::sign_in(app, "ada").await;
        app.create_article(&ada, article("")).await.unwrap_err();
        assert_eq!(number(app, "select count(*) from job").await, 0, "{on}");
        let slug = app.create_article(&ada, article("Queues")).await.unwrap().slug;
        assert_eq!(number(app, "select count(*) from job").await, 1, "{on}");

        // One that waits is enough for what comes until it begins.
        let body = Some("Other words".to_owned());
        app.update_article(&ada, &slug, ArticleUpdate { body, ..Default::default() })
            .await
            .unwrap();
        assert_eq!(number(app, "select count(*) from job").await, 1, "{on}");
        assert_eq!(app.drain_jobs().await.unwrap(), 1, "{on}");
        assert_eq!(number(app, "select count(*) from job").await, 0, "{on}");

        app.delete_article(&ada, &slug).await.unwrap();
        assert_eq!(app.drain_jobs().await.unwrap(), 1, "{on}");
    }
}

#[tokio::test]
async fn what_is_enqueued_while_a_job_runs_is_not_lost() {
    for fixture in &fixture::all().await {
        let (app, on) = (&fixture.app, fixture.on());
        let key = "update job set unique_key = 'k', task = '{\"number\": 1, \"sleep_ms\": 200}'";
        insert(app, "synthetic", "{}", Utc::now()).await;
        execute(app, key).await;
        let worker = tokio::spawn({
            let app = app.clone();
            async move { app.drain_jobs().await.unwrap() }
        });
        until(app, "state = 'running'").await;
        // Accepted, although its like runs: that one may not have seen what this one is about.
        insert(app, "synthetic", "{\"number\": 1}", Utc::now()).await;
        execute(app, "update job set unique_key = 'k' where state = 'ready'").await;
        assert_eq!(worker.await.unwrap(), 2, "{on}");
        assert_eq!(number(app, "select times from synthetic_effect").await, 2, "{on}");
    }
}

#[tokio::test]
async fn inline_jobs_are_done_when_the_request_is() {
    for fixture in &fixture::all().await {
        let options = Options { placement: Placement::Inline, ..Options::default() };
        let (app, on) = (&fixture.again(options).await, fixture.on());
        let ada = Fixture::sign_in(app, "ada").await;
        app.create_article(&ada, article("Queues")).await.unwrap();
        assert_eq!(number(app, "select count(*) from job").await, 0, "{on}");
        assert!(number(app, "select count(*) from article_term").await > 0, "{on}");
    }
}
