//! With a cache in front of the port nothing changes that anybody sees, wherever it stands; and on
//! PostgreSQL a replica hears of what another one writes.
//!
//! What is kept never becomes too old by itself here, so nothing is seen by waiting long enough.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has to stop")]

mod architecture;
mod served;

use std::time::{Duration, Instant};

use architecture::{monolith, split};
use boot::{CacheArgs, Cached};
use conduit::{
    ArticlePage, Caller, Conduit, Credentials, ListArticles, NewArticle, Password, RequestId,
    UserUpdate,
};
use contract::{
    databases::{self, TestDatabase, small_dataset},
    dataset::PASSWORD,
    parity::{Arm, Request, Visitors, corpus, difference, normalised},
    sql, suite,
};
use in_process::InProcess;
use served::{Served, remote};

const ON: CacheArgs = CacheArgs { cache_entries: 1_000, cache_seconds: 3_600 };

/// How long a condition may take to come about.
const LIMIT: Duration = Duration::from_secs(60);

/// The app as a server with a cache has it.
fn kept(app: &InProcess) -> Cached<InProcess> {
    Cached::following(app.clone(), ON, |it| app.on_change(it)).unwrap()
}

fn guest() -> Caller {
    Caller::new(None, RequestId::parse("caching").unwrap(), LIMIT)
}

/// Signs in account number `index` of the dataset.
async fn user(port: &impl Conduit, index: u64) -> Caller {
    let email = small_dataset().user(index).email;
    let credentials = Credentials { email, password: Password::new(PASSWORD) };
    let user = port.login(&guest(), credentials).await.unwrap();
    Caller { token: Some(user.token), ..guest() }
}

async fn list(port: &impl Conduit, caller: &Caller) -> ArticlePage {
    port.articles(caller, &ListArticles::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_port_keeps_its_promises() {
    for database in databases::all().await {
        println!("over the database, on {}", database.engine);
        // Each on connections of its own: they belong to the runtime that opened them, and a backend has
        // one of its own, which ends with it.
        suite::run(&kept(&database.connect().await), &small_dataset()).await;

        println!("over the database, behind an API, on {}", database.engine);
        let backend = Served::api(kept(&database.connect().await)).await;
        suite::run(&remote(backend.address), &small_dataset()).await;

        println!("over the backend, on {}", database.engine);
        let backend = Served::api(database.connect().await).await;
        let frontend = Cached::new(remote(backend.address), ON);
        suite::run(&frontend, &small_dataset()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_gets_the_same_bytes_as_without() {
    let requests = corpus(&small_dataset());
    let [plain, ones, others] =
        [databases::all().await, databases::all().await, databases::all().await];
    for ((plain, one), other) in plain.iter().zip(&ones).zip(&others) {
        let without = answers(monolith(plain.connect().await), &requests).await;
        let here = answers(monolith(kept(&one.connect().await)), &requests).await;
        let there = answers(split(kept(&other.connect().await)).await, &requests).await;
        for (index, request) in requests.iter().enumerate() {
            for with in [&here[index], &there[index]] {
                if let Some(difference) = difference(&without[index], with) {
                    panic!("on {}, {request}\n{difference}", plain.engine);
                }
            }
        }
    }
}

async fn answers(arm: impl Arm, requests: &[Request]) -> Vec<contract::parity::Answer> {
    let visitors = Visitors::sign_in(arm, &small_dataset(), requests).await.unwrap();
    let mut answers = Vec::new();
    for request in requests {
        answers.push(normalised(visitors.ask(request).await.unwrap()));
    }
    answers
}

#[tokio::test]
async fn nobody_sees_what_somebody_else_likes() {
    for database in databases::all().await {
        let port = kept(&database.connect().await);
        let (one, other) = (user(&port, 0).await, user(&port, 1).await);
        let before = list(&port, &guest()).await;
        let new = before.articles.iter().find(|article| {
            let fans = (0..100).find(|&index| small_dataset().article(index).slug == article.slug);
            let fans = small_dataset().favorites(fans.unwrap());
            !fans.contains(&0) && !fans.contains(&1)
        });
        let slug = new.unwrap().slug.clone();
        let likes = async |caller: &Caller| {
            let page = list(&port, caller).await;
            let article = page.articles.into_iter().find(|article| article.slug == slug).unwrap();
            (article.favorited, article.favorites_count)
        };
        let (_, count) = likes(&guest()).await;
        assert_eq!((likes(&one).await, likes(&other).await), ((false, count), (false, count)));

        port.favorite(&one, &slug).await.unwrap();
        // In this order: each of them could be shown what was kept for the one before.
        for _ in 0..2 {
            assert_eq!(likes(&one).await, (true, count + 1), "{}", database.engine);
            assert_eq!(likes(&guest()).await, (false, count + 1), "{}", database.engine);
            assert_eq!(likes(&other).await, (false, count + 1), "{}", database.engine);
        }
    }
}

/// Two processes on one PostgreSQL database, each with a cache.
struct Replicas {
    database: TestDatabase,
    apps: [InProcess; 2],
    here: Cached<InProcess>,
    there: Cached<InProcess>,
}

impl Replicas {
    /// `None` where PostgreSQL is not installed, which is then said.
    async fn start() -> Option<Self> {
        let database = databases::all().await.into_iter().find(|db| db.engine == "postgres")?;
        let apps = [database.connect().await, database.connect().await];
        let [here, there] = [kept(&apps[0]), kept(&apps[1])];
        let replicas = Self { database, apps, here, there };
        replicas.both_listen().await;
        Some(replicas)
    }

    async fn both_listen(&self) {
        const LISTENERS: &str = "select count(*) from pg_stat_activity
            where datname = current_database() and query ilike 'listen%conduit_lists%'";
        sql::until(&self.apps[0], 2, LISTENERS).await;
    }

    /// Asks the other replica, as a visitor who comes back, until it shows this.
    async fn is_shown(&self, what: &str, holds: impl Fn(&ArticlePage, &[String]) -> bool) {
        let begin = Instant::now();
        loop {
            let page = list(&self.there, &guest()).await;
            let tags = self.there.tags(&guest()).await.unwrap();
            if holds(&page, &tags) {
                return;
            }
            assert!(begin.elapsed() < LIMIT, "the other replica never shows {what}");
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_hears_of_every_write_of_another() {
    let Some(replicas) = Replicas::start().await else { return };
    let (port, author) = (&replicas.here, user(&replicas.here, 0).await);
    let total = list(port, &guest()).await.articles_count;
    let new = NewArticle {
        title: "Heard of".into(),
        description: "What it is about".into(),
        body: "Text".into(),
        tag_list: vec!["unheard-of".into()],
    };
    let slug = port.create_article(&author, new).await.unwrap().slug;
    let is_tag = |tag: &String| tag == "unheard-of";
    let shown = |page: &ArticlePage, tags: &[String]| {
        page.articles[0].slug == slug && page.articles_count == total + 1 && tags.iter().any(is_tag)
    };
    replicas.is_shown("the new article and its tag", shown).await;

    port.favorite(&author, &slug).await.unwrap();
    replicas.is_shown("the mark", |page, _| page.articles[0].favorites_count == 1).await;
    port.unfavorite(&author, &slug).await.unwrap();
    replicas.is_shown("no mark", |page, _| page.articles[0].favorites_count == 0).await;

    let image = Some(Some("https://example.com/me.svg".to_owned()));
    let changes = UserUpdate { image: image.clone(), ..UserUpdate::default() };
    port.update_user(&author, changes).await.unwrap();
    let has_image = |page: &ArticlePage| Some(page.articles[0].author.image.clone()) == image;
    replicas.is_shown("the author's picture", |page, _| has_image(page)).await;

    let title = Some("Another title".to_owned());
    let changes = conduit::ArticleUpdate { title, ..Default::default() };
    let slug = port.update_article(&author, &slug, changes).await.unwrap().slug;
    replicas.is_shown("the new title", |page, _| page.articles[0].slug == slug).await;

    port.delete_article(&author, &slug).await.unwrap();
    let gone = |page: &ArticlePage, tags: &[String]| {
        page.articles_count == total && !tags.iter().any(is_tag)
    };
    replicas.is_shown("that it is gone", gone).await;
    println!("heard on {}", replicas.database.engine);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_while_nobody_listened_is_made_up_for() {
    const CUT_OFF: &str = "select count(pg_terminate_backend(pid)) from pg_stat_activity
        where datname = current_database() and query ilike 'listen%conduit_lists%'";
    let Some(replicas) = Replicas::start().await else { return };
    let fan = user(&replicas.here, 0).await;
    for _ in 0..4 {
        // The other replica has the list in memory, and is deaf when it changes.
        let article = list(&replicas.there, &guest()).await.articles.remove(0);
        assert_eq!(sql::number(&replicas.apps[0], CUT_OFF).await, 2);
        let liked = replicas.here.article(&fan, &article.slug).await.unwrap().favorited;
        let now = if liked {
            replicas.here.unfavorite(&fan, &article.slug).await
        } else {
            replicas.here.favorite(&fan, &article.slug).await
        };
        let count = now.unwrap().favorites_count;
        assert_ne!(count, article.favorites_count);
        let shown = |page: &ArticlePage, _: &[String]| page.articles[0].favorites_count == count;
        replicas.is_shown("what was written meanwhile", shown).await;
        replicas.both_listen().await;
    }
}
