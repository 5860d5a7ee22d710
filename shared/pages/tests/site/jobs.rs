//! What is done later: related articles, exports, jobs, and the operators' page.

use axum::http::StatusCode;
use conduit::{ExportState, FailedJob, Job, JobState, KindState, Queue};

use crate::{
    browser::Browser,
    script::{OPERATOR, Script, TOKEN, article, export, summary},
};

fn job(state: JobState) -> Job {
    Job {
        id: 7,
        kind: "related".to_owned(),
        state,
        attempts: 2,
        progress_done: 1,
        progress_total: 2,
        created_at: article().created_at,
    }
}

#[tokio::test]
async fn an_article_leads_to_those_that_are_like_it() {
    let mut other = summary(article());
    other.slug = "another".to_owned();
    other.title = "Another <one>".to_owned();
    let script = Script { related: Ok(vec![other]), ..Script::default() };
    let page = Browser::on(&script).get("/article/how-to-ride").await;
    assert_eq!(page.text(".related a[href='/article/another']"), "Another <one>");
    assert_eq!(page.count("h1"), 1);
    let script = Script::default();
    assert_eq!(Browser::on(&script).get("/article/how-to-ride").await.count(".related"), 0);
}

#[tokio::test]
async fn an_article_is_shown_without_them_when_they_are_out_of_reach() {
    let related = Err(conduit::Error::Unavailable(conduit::Outcome::NotDone));
    let script = Script { related, ..Script::default() };
    let page = Browser::on(&script).get("/article/how-to-ride").await;
    assert_eq!((page.status, page.count(".related")), (StatusCode::OK, 0));
}

#[tokio::test]
async fn an_export_shows_how_far_it_is_and_the_page_comes_again_by_itself() {
    let script = Script {
        exports: Ok(vec![export(ExportState::Running)]),
        jobs: Ok(vec![job(JobState::Delayed)]),
        ..Script::default()
    };
    let page = Browser::on(&script).signed_in(TOKEN).get("/jobs").await;
    assert_eq!(
        script.take_rounds(),
        (vec!["current_user".into(), "exports".into(), "jobs".into()], 1)
    );
    assert_eq!(page.attr("progress", "value"), "2");
    assert_eq!(page.attr("progress", "max"), "8");
    page.one("[data-region=jobs][data-watch] a[href='/jobs']");
    assert_eq!(page.with_text(".job-list span", "waits for its next attempt"), 1);

    let script = Script { exports: Ok(vec![export(ExportState::Ready)]), ..Script::default() };
    let page = Browser::on(&script).signed_in(TOKEN).get("/jobs").await;
    page.one("a[href='/jobs/exports/3'][download]");
    assert_eq!(page.count("[data-watch], a[href='/jobs']"), 0, "nothing is left to wait for");
}

#[tokio::test]
async fn guests_are_sent_to_sign_in() {
    let page = Browser::on(&Script::default()).get("/jobs").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert_eq!(page.header("location"), "/login?next=%2Fjobs");
}

#[tokio::test]
async fn an_export_is_asked_for_and_fetched_in_pieces() {
    let script = Script { exports: Ok(vec![export(ExportState::Ready)]), ..Script::default() };
    let browser = Browser::on(&script).signed_in(TOKEN);
    let answer = browser.post("/jobs/export", "").await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/jobs"));
    assert_eq!(script.take_calls(), ["start_export"]);

    let file = browser.get("/jobs/exports/3").await;
    assert_eq!(file.header("content-type"), "application/epub+zip");
    assert_eq!(file.body, "chunk 0 of 3;chunk 1 of 3;");
    for nothing in ["/jobs/exports/4", "/jobs/exports/x"] {
        assert_eq!(browser.get(nothing).await.status, StatusCode::NOT_FOUND, "{nothing}");
    }
}

#[tokio::test]
async fn operators_show_their_token_and_see_the_queue() {
    let created_at = article().created_at;
    let queue = Queue {
        kinds: vec![KindState {
            kind: "export".to_owned(),
            ready: 10_000,
            delayed: 0,
            running: 2,
            oldest_at: Some(created_at),
            done_in_hour: 5,
            failed_in_hour: 0,
        }],
        failed: vec![FailedJob {
            id: 9,
            kind: "digest".to_owned(),
            state: JobState::Dead,
            attempts: 8,
            reason: "<nobody> answers".to_owned(),
            request_id: "r-1".to_owned(),
            created_at,
        }],
        schedules: Vec::new(),
    };
    let script = Script { queue: Ok(queue), ..Script::default() };
    let browser = Browser::on(&script);
    let shut = browser.get("/operator").await;
    shut.one("input[name=token]");
    assert_eq!(script.take_calls(), [""; 0], "nothing is asked without a token");

    let answer = browser.post("/operator", &format!("token={OPERATOR}")).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let cookie = answer.cookie().unwrap().split(';').next().unwrap().to_owned();
    let operator = Browser::on(&script).with_cookie(&cookie);
    let page = operator.get("/operator").await;
    assert_eq!(page.with_text("td", "10000+"), 1);
    assert_eq!(page.text(".reason"), "<nobody> answers");
    assert!(!page.body.contains(OPERATOR), "the token stays in the cookie");
    let again = operator.post("/operator/jobs/9/retry", "").await;
    assert_eq!(again.header("location"), "/operator");

    let wrong = Browser::on(&script).with_cookie("conduit_operator=wrong");
    wrong.get("/operator").await.one(".error-messages");
    assert_eq!(wrong.post("/operator/jobs/9/retry", "").await.status, StatusCode::FORBIDDEN);
    let nonsense = browser.post("/operator", "token=%22%3B").await;
    assert_eq!(nonsense.status, StatusCode::UNPROCESSABLE_ENTITY);
}
