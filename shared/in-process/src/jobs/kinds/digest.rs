//! Once a day, to everybody who follows somebody: what those published the day before, the most
//! popular first.
//!
//! **Twice is harmless**: a mail is entered into a ledger before it goes out, and who is in the ledger
//! for that day gets none. So nobody gets two. Who was entered when the process died, or when the
//! server's answer was lost, may have got none either; nobody can know, and it says so there. A mail
//! that the server certainly did not take leaves the ledger again, and the job is tried later.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::mail::{Mail, Sent};
use crate::{
    InProcess,
    db::{in_tx, on_read},
    jobs::{
        lab::Point,
        run::{Failure, Finished, Run},
    },
};

/// How many accounts are looked at in one query.
const PAGE: i64 = 100;

/// How many articles a digest has.
const ARTICLES: i64 = 10;

/// The day on whose morning it goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Digest {
    pub(crate) day: NaiveDate,
}

#[derive(FromRow)]
struct Follower {
    id: i64,
    email: String,
    username: String,
}

#[derive(FromRow)]
struct Article {
    slug: String,
    title: String,
    description: String,
    favorites_count: i64,
    author: String,
}

pub(crate) async fn run(run: &Run<'_>, Digest { day }: Digest) -> Result<Finished, Failure> {
    let day_name = day.to_string();
    // Whatever an earlier attempt was at when it ended.
    const INTERRUPTED: &str = "
        update digest_mail set state = 'unknown', written_at = $2
        where day = $1 and state = 'sending'";
    let now = run.app.clock.now();
    let mut tx = run.begin().await?;
    in_tx!(&mut tx, db => sqlx::query(INTERRUPTED)
        .bind(&day_name).bind(now).execute(db).await.map(drop))?;
    run.commit(tx).await?;

    let (mut last, mut done) = (0, 0);
    loop {
        let page = followers(run.app, &day_name, last).await?;
        let Some(end) = page.last() else { return Ok(Finished::NotYet) };
        last = end.id;
        for follower in page {
            let articles = popular(run.app, follower.id, day).await?;
            if !articles.is_empty() {
                deliver(run, &day_name, &follower, &articles).await?;
            }
            done += 1;
            run.progress(done, 0);
        }
    }
}

/// The next accounts that follow anybody and are not in the ledger.
async fn followers(app: &InProcess, day: &str, after: i64) -> sqlx::Result<Vec<Follower>> {
    const FOLLOWERS: &str = "
        select id, email, username from account
        where id > $1 and exists (select 1 from follow where follower_id = account.id)
            and not exists (select 1 from digest_mail where day = $2 and account_id = account.id)
        order by id limit $3";
    on_read!(&app.db, db => sqlx::query_as(FOLLOWERS)
        .bind(after).bind(day).bind(PAGE).fetch_all(db).await)
}

/// What those whom the account follows published the day before.
async fn popular(app: &InProcess, follower: i64, day: NaiveDate) -> sqlx::Result<Vec<Article>> {
    const POPULAR: &str = "
        select a.slug, a.title, a.description, a.favorites_count, u.username as author
        from follow f
            join article a on a.author_id = f.followed_id
            join account u on u.id = f.followed_id
        where f.follower_id = $1 and a.created_at >= $2 and a.created_at < $3
        order by a.favorites_count desc, a.created_at desc, a.id desc limit $4";
    let end: DateTime<Utc> = day.and_time(NaiveTime::MIN).and_utc();
    on_read!(&app.db, db => sqlx::query_as(POPULAR)
        .bind(follower).bind(end - TimeDelta::days(1)).bind(end).bind(ARTICLES)
        .fetch_all(db).await)
}

/// Ledger, mail, ledger.
async fn deliver(
    run: &Run<'_>,
    day: &str,
    follower: &Follower,
    articles: &[Article],
) -> Result<(), Failure> {
    const ENTER: &str = "
        insert into digest_mail (account_id, day, state, written_at) values ($1, $2, 'sending', $3)
        on conflict do nothing returning account_id";
    let (app, lab) = (run.app, &run.app.jobs.lab);
    let mut tx = run.begin().await?;
    let entered: Option<i64> = in_tx!(&mut tx, db => sqlx::query_scalar(ENTER)
        .bind(follower.id).bind(day).bind(app.clock.now()).fetch_optional(db).await)?;
    run.commit(tx).await?;
    if entered.is_none() {
        return Ok(());
    }
    lab.pass(Point::LedgerBeforeSend);
    let mail = compose(&app.jobs.mailer.site, day, follower, articles);
    let sent = app.jobs.mailer.send(&mail).await;
    lab.pass(Point::LedgerAfterSend);
    match sent {
        Sent::Accepted => note(run, day, follower.id, Some("sent")).await,
        Sent::Refused(reason) => {
            tracing::warn!(account = follower.id, reason, "a digest was refused");
            note(run, day, follower.id, Some("refused")).await
        }
        Sent::Unknown(reason) => {
            tracing::warn!(account = follower.id, reason, "a digest may have been sent");
            note(run, day, follower.id, Some("unknown")).await
        }
        Sent::NotNow(reason) => {
            note(run, day, follower.id, None).await?;
            Err(Failure::Retry(reason))
        }
    }
}

/// Writes what became of a mail; `None` takes it out of the ledger. Not under the job's fence: this
/// is about what has happened, and true whoever has the job by now.
async fn note(run: &Run<'_>, day: &str, account: i64, state: Option<&str>) -> Result<(), Failure> {
    const NOTE: &str = "
        update digest_mail set state = $3, written_at = $4 where account_id = $1 and day = $2";
    const STRIKE: &str =
        "delete from digest_mail where account_id = $1 and day = $2 and state = 'sending'";
    let mut tx = run.app.db.begin().await?;
    in_tx!(&mut tx, db => match state {
        Some(state) => sqlx::query(NOTE).bind(account).bind(day).bind(state)
            .bind(run.app.clock.now()).execute(db).await.map(drop),
        None => sqlx::query(STRIKE).bind(account).bind(day).execute(db).await.map(drop),
    })?;
    tx.commit().await?;
    Ok(())
}

fn compose(site: &str, day: &str, follower: &Follower, articles: &[Article]) -> Mail {
    let lines: String = articles
        .iter()
        .map(|article| {
            let Article { slug, title, description, favorites_count, author } = article;
            format!(
                "{title}\nby {author}, {favorites_count} favorites\n{description}\n\
                 {site}/article/{slug}\n\n"
            )
        })
        .collect();
    Mail {
        name: format!("digest-{day}-{}", follower.id),
        to: follower.email.clone(),
        subject: format!("What the people you follow wrote before {day}"),
        text: format!("Hello {},\n\n{lines}{site}\n", follower.username),
    }
}
