//! What visitors of both sites ask for, and how many of them come.

use std::collections::BTreeMap;

use contract::dataset::PASSWORD;
use serde_json::{Value, json};

use crate::{
    engine::Composition,
    visitors::{Load, Outcome, Visit, failed, in_turns, summary},
};

/// Whether the figures are to be published, from a machine that has nothing else to do.
pub(crate) fn publishes() -> bool {
    std::env::var_os("COMPOSE_FIGURES").is_some()
}

/// Servers with replicas and a balancer.
pub(crate) const BALANCED: [&str; 3] = ["monolith", "split-frontend", "split-backend"];

/// Visitors who come meanwhile, as a share of those who could be served. It is one half that is to be
/// shown; where other tests use the machine too, less of it is there.
const SHARE: f64 = 0.5;
const SHARE_BESIDE_OTHERS: f64 = 0.15;

/// Visitors who write, of each kind, a second.
const WRITERS: f64 = 3.0;

/// What visitors ask for, on both sites.
pub(crate) struct Visits {
    pub(crate) readers: Vec<Visit>,
    writers: Vec<Visit>,
    /// Readers a second on each site while something happens.
    pub(crate) rate: f64,
}

impl Visits {
    pub(crate) fn to(composition: &Composition) -> Self {
        let [monolith, frontend, backend] = BALANCED.map(|name| composition.address(name));
        let list = composition.ask(&backend, "/api/articles?limit=3", &[]).1;
        let list: Value = serde_json::from_str(&list).expect("JSON");
        let slug = |index: usize| list["articles"][index]["slug"].as_str().expect("an article");
        // What is written makes other articles longer than the one that is read.
        let (article, commented, discussed) = (slug(0), slug(1), slug(2));
        let author = list["articles"][0]["author"]["username"].as_str().expect("an author");
        let [in_monolith, in_split] =
            [&monolith, &backend].map(|address| sign_in(composition, address, author));

        let read = |name, address: &String, path: &str| {
            let head = format!("GET {path}");
            Visit { name, address: address.clone(), head, body: None }
        };
        let budget = if publishes() { "" } else { "\nx-budget-ms: 8000" };
        let comment = |name, address: &String, token: &str| Visit {
            name,
            address: address.clone(),
            head: format!(
                "POST /api/articles/{commented}/comments\nauthorization: Token {token}\n\
                 content-type: application/json{budget}"
            ),
            body: Some(|number| json!({ "comment": { "body": text(number) } }).to_string()),
        };
        // The form, so that a write goes through both servers.
        let form = Visit {
            name: FORM,
            address: frontend.clone(),
            head: format!(
                "POST /article/{discussed}/comments\ncookie: conduit_session={in_split}\n\
                 content-type: application/x-www-form-urlencoded"
            ),
            body: Some(|number| format!("body={}", text(number))),
        };
        let readers = vec![
            read(MONOLITH, &monolith, "/"),
            read(SPLIT, &frontend, &format!("/article/{article}")),
        ];
        Self {
            rate: 0.0,
            readers,
            writers: vec![
                comment("comment in the monolith", &monolith, &in_monolith),
                comment("comment in the split", &backend, &in_split),
                form,
            ],
        }
    }

    /// Finds out how many pages both sites serve at the same time.
    pub(crate) fn find_rate(&mut self) {
        in_turns(&self.readers, 8, 300);
        let (outcomes, rate) = in_turns(&self.readers, 8, 1_500);
        nobody_failed(&outcomes);
        println!("both sites serve {rate:.0} pages a second");
        let share = if publishes() { SHARE } else { SHARE_BESIDE_OTHERS };
        self.rate = rate / self.readers.len() as f64 * share;
    }

    /// Readers at this rate on each site, and a few writers.
    pub(crate) fn stream(&self, readers: f64) -> Load {
        let readers = self.readers.iter().map(|visit| (visit.clone(), readers));
        let writers = self.writers.iter().map(|visit| (visit.clone(), WRITERS));
        Load::start(readers.chain(writers).collect())
    }
}

pub(crate) const MONOLITH: &str = "page of the monolith";
pub(crate) const SPLIT: &str = "page of the split";
pub(crate) const FORM: &str = "form of the split";

/// What a visitor writes; unlike everything that was seeded.
pub(crate) fn text(number: u64) -> String {
    format!("visitor-{number}")
}

fn sign_in(composition: &Composition, address: &str, author: &str) -> String {
    let user = json!({
        "user": { "email": format!("{author}@example.com"), "password": PASSWORD },
    });
    let json = ["--header", "content-type: application/json", "--data", &user.to_string()];
    let (status, body) = composition.ask(address, "/api/users/login", &json);
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    body["user"]["token"].as_str().expect("a token").to_owned()
}

pub(crate) fn nobody_failed(outcomes: &[Outcome]) {
    let failed = failed(outcomes);
    // One burst, or again and again?
    let mut moments: BTreeMap<u64, usize> = BTreeMap::new();
    for outcome in &failed {
        *moments.entry(outcome.came.elapsed().as_secs()).or_default() += 1;
    }
    if !failed.is_empty() {
        println!("so many failed so many seconds ago: {moments:?}");
    }
    for Outcome { visit, came, took, said, .. } in failed.iter().take(5) {
        println!(
            "{visit}, {:.1?} ago, after {took:.3?}: {}",
            came.elapsed(),
            said.get(..200).unwrap_or(said)
        );
    }
    assert!(failed.is_empty(), "{:?} of {:?}", summary(failed), summary(outcomes));
}
