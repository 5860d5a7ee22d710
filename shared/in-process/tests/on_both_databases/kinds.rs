//! What the kinds of jobs do.

use chrono::Utc;
use conduit::{ArticleUpdate, Conduit, NewArticle};
use contract::sql::{execute, number, texts};
use in_process::InProcess;

use crate::{
    fixture::{self, ADA, BOB, CYD},
    jobs::insert,
};

fn article(title: &str, body: &str) -> NewArticle {
    NewArticle {
        title: title.into(),
        description: "d".into(),
        body: body.into(),
        tag_list: Vec::new(),
    }
}

/// The slugs that are related to an article, most alike first.
async fn related(app: &InProcess, slug: &str) -> Vec<String> {
    let query = format!(
        "select b.slug from related_article r
            join article a on a.id = r.article_id join article b on b.id = r.related_id
        where a.slug = '{slug}' order by r.score desc, b.id desc"
    );
    texts(app, &query).await
}

/// A word is counted where it stands, and nowhere else.
const WRONG_COUNTS: &str = "
    select count(*) from term t where article_count <>
        (select count(*) from article_term where term_id = t.id)";

#[tokio::test]
async fn related_articles_are_those_that_share_rare_words() {
    for fixture in &fixture::all().await {
        let (app, on) = (&fixture.app, fixture.on());
        let ada = fixture.signed_in("ada").await;
        let texts = [
            ("Sourdough", "flour water salt yeast oven bread crust"),
            ("Baking bread", "bread flour oven butter"),
            ("Steam engines", "boiler piston steam valve water"),
            ("Locomotives", "steam boiler rail piston whistle"),
        ];
        let mut slugs = Vec::new();
        for (title, body) in texts {
            slugs.push(app.create_article(&ada, article(title, body)).await.unwrap().slug);
        }
        app.drain_jobs().await.unwrap();
        // Also the first, whose neighbours came later: they were offered to it.
        assert_eq!(related(app, &slugs[0]).await[0], slugs[1], "{on}");
        assert_eq!(related(app, &slugs[1]).await[0], slugs[0], "{on}");
        assert_eq!(related(app, &slugs[2]).await[0], slugs[3], "{on}");
        assert_eq!(number(app, WRONG_COUNTS).await, 0, "{on}");

        // An article that changes its subject changes its company.
        let body = Some("piston boiler valve".to_owned());
        let title = Some("Pistons".to_owned());
        let update = ArticleUpdate { body, title, ..ArticleUpdate::default() };
        slugs[1] = app.update_article(&ada, &slugs[1], update).await.unwrap().slug;
        app.drain_jobs().await.unwrap();
        assert!(!related(app, &slugs[0]).await.contains(&slugs[1]), "{on}");
        assert!(related(app, &slugs[2]).await.contains(&slugs[1]), "{on}");
        assert_eq!(number(app, WRONG_COUNTS).await, 0, "{on}");

        app.delete_article(&ada, &slugs[3]).await.unwrap();
        app.drain_jobs().await.unwrap();
        assert_eq!(related(app, &slugs[2]).await[0], slugs[1], "{on}");
        let orphans = "select count(*) from article_term where article_id not in
            (select id from article)";
        assert_eq!(number(app, orphans).await, 0, "{on}");
        assert_eq!(number(app, WRONG_COUNTS).await, 0, "{on}");
    }
}

#[tokio::test]
async fn who_changes_the_subject_leaves_more_lists_than_are_looked_at() {
    for fixture in &fixture::all().await {
        let (app, on) = (&fixture.app, fixture.on());
        let ada = fixture.signed_in("ada").await;
        for other in 0..210 {
            let title = format!("Crumb{other}");
            app.create_article(&ada, article(&title, "b")).await.unwrap();
        }
        let one = app.create_article(&ada, article("Steam", "b")).await.unwrap().slug;
        app.drain_jobs().await.unwrap();
        let on_lists = format!(
            "from article other join article one on one.slug = '{one}' where other.id <> one.id"
        );
        execute(app, &format!("insert into related_article select other.id, one.id, 1 {on_lists}"))
            .await;
        let body = Some("boiler".to_owned());
        let changes = ArticleUpdate { body, ..ArticleUpdate::default() };
        app.update_article(&ada, &one, changes).await.unwrap();
        app.drain_jobs().await.unwrap();
        let left = "select count(*) from related_article r join article a on a.id = r.related_id
                    where a.title = 'Steam'";
        assert_eq!(number(app, left).await, 0, "{on}");
    }
}

/// Two jobs that put an article on the same list at once leave one too many there.
#[tokio::test]
async fn of_a_list_that_is_too_long_the_best_are_shown() {
    for fixture in &fixture::all().await {
        let (app, on) = (&fixture.app, fixture.on());
        let ada = fixture.signed_in("ada").await;
        let mut slugs = Vec::new();
        for other in 0..7 {
            let title = format!("Crumb{other}");
            slugs.push(app.create_article(&ada, article(&title, "b")).await.unwrap().slug);
        }
        app.drain_jobs().await.unwrap();
        execute(app, "delete from related_article").await;
        let all_of_them = "insert into related_article select one.id, other.id, other.id
            from article one join article other on one.title = 'Crumb6' and other.title like 'Crumb%'
            where one.id <> other.id";
        execute(app, all_of_them).await;
        let shown = app.related(&ada, &slugs[6]).await.unwrap();
        let shown: Vec<_> = shown.into_iter().map(|article| article.slug).collect();
        let best: Vec<_> = slugs[1..6].iter().rev().cloned().collect();
        assert_eq!(shown, best, "{on}");
    }
}

#[tokio::test]
async fn related_articles_computed_twice_are_the_same() {
    for fixture in &fixture::all().await {
        let (app, on) = (&fixture.app, fixture.on());
        let ada = fixture.signed_in("ada").await;
        let mut slugs = Vec::new();
        for number in 0..12 {
            let body = format!("common words {} and {}", number % 3, "pad ".repeat(number % 4));
            let new = article("Common title", &body);
            slugs.push(app.create_article(&ada, new).await.unwrap().slug);
        }
        app.drain_jobs().await.unwrap();
        let all = "select article_id || ' ' || related_id || ' ' || score from related_article
            order by article_id, related_id";
        let once = texts(app, all).await;
        for slug in &slugs {
            assert_eq!(app.related(&ada, slug).await.unwrap().len(), 5, "{on}");
        }
        let ids = texts(app, "select cast(id as text) from article order by id").await;
        for _ in 0..2 {
            for id in &ids {
                let task = format!("{{\"article\": {id}}}");
                insert(app, "related", &task, Utc::now()).await;
            }
            app.drain_jobs().await.unwrap();
        }
        let settled = texts(app, all).await;
        for id in &ids {
            insert(app, "related", &format!("{{\"article\": {id}}}"), Utc::now()).await;
        }
        app.drain_jobs().await.unwrap();
        assert_eq!(texts(app, all).await, settled, "{on}");
        assert!(!once.is_empty(), "{on}");
        assert_eq!(number(app, WRONG_COUNTS).await, 0, "{on}");
    }
}

/// Cyd follows Ada and Bob, and Ada follows Bob: two mails on the morning after, one on no other.
async fn digest(app: &InProcess, day: &str) {
    insert(app, "digest", &format!("{{\"day\": \"{day}\"}}"), Utc::now()).await;
    app.drain_jobs().await.unwrap();
}

#[tokio::test]
async fn each_follower_gets_one_mail_a_day() {
    for fixture in &fixture::all().await {
        let (app, on) = (&fixture.app, fixture.on());
        for followed in [ADA, BOB] {
            let follow =
                format!("insert into follow (follower_id, followed_id) values ({CYD}, {followed})");
            execute(app, &follow).await;
        }
        let mails = fixture.database.args.data_dir.join("mail");
        // The articles are of 2 January 2026.
        digest(app, "2026-01-02").await;
        digest(app, "2026-01-04").await;
        assert!(!mails.exists(), "{on}: nothing to tell");
        digest(app, "2026-01-03").await;
        digest(app, "2026-01-03").await;
        let read = |id: i64| {
            std::fs::read_to_string(mails.join(format!("digest-2026-01-03-{id}.eml"))).unwrap()
        };
        assert_eq!(std::fs::read_dir(&mails).unwrap().count(), 2, "{on}");
        let (to_ada, to_cyd) = (read(ADA), read(CYD));
        assert!(to_ada.contains("To: ada@example.com") && to_cyd.contains("To: cyd@example.com"));
        assert!(to_ada.contains("The second") && !to_ada.contains("The first"), "{on}");
        // The most popular first.
        let place = |title| to_cyd.find(title).unwrap();
        assert!(place("The first") < place("The second"), "{on}");
        assert!(place("The second") < place("The third"), "{on}");
        let sent = "select count(*) from digest_mail where state = 'sent'";
        assert_eq!(number(app, sent).await, 2, "{on}");
    }
}

#[tokio::test]
async fn a_mail_that_may_have_gone_out_is_not_sent_again() {
    for fixture in &fixture::all().await {
        let (app, on) = (&fixture.app, fixture.on());
        // As if the process had died between ledger and mail server.
        let entered = format!(
            "insert into digest_mail (account_id, day, state, written_at)
            values ({ADA}, '2026-01-03', 'sending', '2026-01-03T06:00:00.000000+00:00')"
        );
        execute(app, &entered).await;
        digest(app, "2026-01-03").await;
        assert!(!fixture.database.args.data_dir.join("mail").exists(), "{on}");
        let states = texts(app, "select state from digest_mail").await;
        assert_eq!(states, ["unknown"], "{on}");
    }
}

#[tokio::test]
async fn nobody_is_forgotten_while_the_mail_server_is_down() {
    use crate::jobs::{Time, at};
    use chrono::TimeDelta;
    use in_process::{JobArgs, Options};

    for fixture in &fixture::all().await {
        let on = fixture.on();
        let time = Time::new();
        // Nobody listens on this port: it was free a moment ago, and is not given away so soon.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let operator_token_file = fixture.database.args.data_dir.join("operator");
        std::fs::write(&operator_token_file, "a-token-of-operators").unwrap();
        let jobs = JobArgs {
            smtp_url: Some(format!("smtp://{free}")),
            operator_token_file: Some(operator_token_file),
            ..JobArgs::default()
        };
        let app = &fixture.again(Options { jobs: jobs.clone(), ..at(&time) }).await;
        insert(app, "digest", "{\"day\": \"2026-01-03\"}", fixture::time(0)).await;
        for attempt in 1..=3 {
            app.drain_jobs().await.unwrap();
            assert_eq!(number(app, "select count(*) from digest_mail").await, 0, "{on}");
            assert_eq!(number(app, "select attempts from job").await, attempt, "{on}");
            time.pass(TimeDelta::minutes(6));
        }
        // Operators see what it was, and have it tried again when the server is back: here, when
        // files will do.
        let operator = conduit::Token::new("a-token-of-operators");
        let failed = app.queue(&fixture::visitor(), &operator).await.unwrap().failed;
        assert!(failed.len() == 1 && !failed[0].reason.is_empty(), "{on}: {failed:?}");
        assert_eq!(failed[0].state, conduit::JobState::Dead, "{on}");
        let jobs = JobArgs { smtp_url: None, ..jobs };
        let app = fixture.again(Options { jobs, ..at(&time) }).await;
        app.retry_job(&fixture::visitor(), &operator, failed[0].id).await.unwrap();
        app.drain_jobs().await.unwrap();
        assert_eq!(texts(&app, "select state from digest_mail").await, ["sent"], "{on}");
    }
}
