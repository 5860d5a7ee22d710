//! What each page costs: statements to the database, and in the split calls to the backend. The
//! numbers are part of the design, so they stand here; whoever changes one has to say so.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has to stop")]

mod architecture;
mod counted;
mod served;

use architecture::{Architecture, monolith, split};
use axum::http::Method;
use conduit::wire::path;
use contract::{
    databases,
    dataset::{Dataset, Size},
    parity::{Request, Target, Visitors, Who, corpus},
};
use counted::Counts;

/// The most that any page may send that only shows something; a form may send one more.
const MOST_STATEMENTS: u64 = 6;

fn dataset() -> Dataset {
    Dataset::new(Size { users: 20, articles: 60, ..Size::default() }, 31)
}

/// Statements to the database, and in the split calls to the backend.
type Cost = (u64, u64);

/// Each kind of page with what it costs: for a guest, and for somebody signed in.
fn expected() -> Vec<(String, Cost, Cost)> {
    let mine = (0..60).find(|&index| dataset().author(index) == 0).unwrap();
    let mine = path::of("{}", &dataset().article(mine).slug);
    let others = (0..60).find(|&index| dataset().author(index) != 0).unwrap();
    let others = path::of("{}", &dataset().article(others).slug);
    let name = path::of("{}", &dataset().user(1).username);
    let tag = path::of("{}", &dataset().tag(0));
    vec![
        ("/".into(), (2, 2), (3, 3)),
        ("/?page=2".into(), (2, 2), (3, 3)),
        ("/?feed=following".into(), (0, 0), (3, 3)),
        (format!("/tag/{tag}"), (2, 2), (3, 3)),
        (format!("/article/{others}"), (3, 3), (4, 4)),
        (format!("/article/{mine}"), (3, 3), (4, 4)),
        (format!("/profile/{name}"), (2, 2), (3, 3)),
        (format!("/profile/{name}/favorites"), (2, 2), (3, 3)),
        ("/login".into(), (0, 0), (1, 1)),
        ("/register".into(), (0, 0), (1, 1)),
        ("/settings".into(), (0, 0), (1, 1)),
        ("/editor".into(), (0, 0), (1, 1)),
        (format!("/editor/{mine}"), (0, 0), (2, 2)),
        ("/jobs".into(), (0, 0), (3, 3)),
        ("/operator".into(), (0, 0), (1, 1)),
        ("/nonsense".into(), (0, 0), (1, 1)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_costs_what_it_is_meant_to_cost() {
    let counts = Counts::begin();
    let requests = corpus(&dataset());
    let (ones, others) = (databases::with(&dataset()).await, databases::with(&dataset()).await);
    for (one, other) in ones.iter().zip(&others) {
        let monolith = monolith(one.connect().await);
        let monolith = Visitors::sign_in(monolith, &dataset(), &requests).await.unwrap();
        let split = split(other.connect().await).await;
        let split = Visitors::sign_in(split, &dataset(), &requests).await.unwrap();
        counts.taken();
        let cost = async |visitors: &Visitors<Architecture>, request: &Request| {
            visitors.ask(request).await.unwrap();
            counts.taken()
        };
        let mut wrong = Vec::new();
        for (page, guest, user) in expected() {
            for (who, (statements, calls)) in [(Who::Guest, guest), (Who::User(0), user)] {
                let request = Request::get(Target::Page, &page).by(who);
                let here = cost(&monolith, &request).await;
                let there = cost(&split, &request).await;
                if here != (statements, 0) || there != (statements, calls) {
                    wrong.push(format!(
                        "{request}: {here:?}, {there:?} and not {statements}, {calls}"
                    ));
                }
            }
        }
        assert!(wrong.is_empty(), "on {}:\n{}", one.engine, wrong.join("\n"));

        // And whatever is asked of them, no page asks its database more often than this.
        for request in requests.iter().filter(|request| request.target == Target::Page) {
            let (here, _) = cost(&monolith, request).await;
            let (there, _) = cost(&split, request).await;
            assert_eq!(here, there, "{request}");
            // What changes an article also enqueues a job.
            let most = MOST_STATEMENTS + u64::from(request.method != Method::GET);
            assert!(here.max(there) <= most, "{request}: {here}, {there} statements");
        }
    }
}
