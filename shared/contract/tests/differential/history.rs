//! Doing the same things everywhere, and comparing what comes of it.

use conduit::wire::{API, path};
use contract::{
    databases::TestDatabase,
    parity::{Answer, Request, Target, Visitors, Who, difference, normalised},
};
use serde_json::Value;

use crate::{
    Hours,
    architecture::Architecture,
    masked::Seen,
    step::{Step, Things},
};

/// Both architectures on copies of one database.
pub(crate) struct Pair {
    engine: &'static str,
    left: Visitors<Architecture>,
    right: Visitors<Architecture>,
    things: Things,
    seen: Seen,
    /// They live as long as this does.
    _databases: Vec<TestDatabase>,
}

impl Pair {
    pub(crate) fn new(
        engine: &'static str,
        left: Visitors<Architecture>,
        right: Visitors<Architecture>,
        databases: Vec<TestDatabase>,
    ) -> Self {
        let (things, seen) = (Things::default(), Seen::default());
        Self { engine, left, right, things, seen, _databases: databases }
    }

    /// The answer of both; or how they differ.
    async fn ask(&self, request: &Request) -> Result<Answer, String> {
        let left = normalised(self.left.ask(request).await.unwrap());
        let right = normalised(self.right.ask(request).await.unwrap());
        if left.status.is_server_error() {
            return Err(format!("on {}, {request} is answered {}", self.engine, left.status));
        }
        match difference(&left, &right) {
            None => Ok(left),
            Some(difference) => Err(format!("on {}, {request}\n{difference}", self.engine)),
        }
    }

    /// What there is to refer to, before this step.
    async fn look_round(&mut self, step: &Step) -> Result<(), String> {
        let list = Request::get(Target::Api, format!("{API}{}?limit=50", path::ARTICLES));
        let list = json(&self.ask(&list).await?);
        let slug = |article: &Value| article["slug"].as_str().unwrap().to_owned();
        self.things.slugs = list["articles"].as_array().unwrap().iter().map(slug).collect();

        self.things.names.clear();
        for user in 0..3 {
            let me = Request::get(Target::Api, format!("{API}{}", path::USER)).by(Who::User(user));
            let me = json(&self.ask(&me).await?);
            self.things.names.push(me["user"]["username"].as_str().unwrap().to_owned());
        }

        self.things.comments.clear();
        if let Some(slug) = step.article(&self.things) {
            let path = format!("{API}{}", path::of(path::COMMENTS, slug));
            let comments = json(&self.ask(&Request::get(Target::Api, path)).await?);
            if let Some(comments) = comments["comments"].as_array() {
                let ids = comments.iter().map(|comment| comment["id"].as_i64().unwrap());
                self.things.comments = ids.collect();
            }
        }
        Ok(())
    }
}

fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

/// Does everything everywhere.
///
/// # Errors
/// The first difference: between the architectures on one database, to the byte; or between the
/// databases, but for how they number their rows.
pub(crate) async fn run(pairs: &mut [Pair], hours: &Hours, steps: &[Step]) -> Result<(), String> {
    for step in steps {
        hours.pass();
        for pair in pairs.iter_mut() {
            pair.look_round(step).await?;
        }
        let mut answers = Vec::new();
        for pair in pairs.iter_mut() {
            let mut of_pair = Vec::new();
            let act = step.request(&pair.things);
            for request in [vec![act], step.looks(&pair.things)].concat() {
                let answer = pair.ask(&request).await?;
                of_pair.push((request, pair.seen.masked(answer)));
            }
            answers.push((pair.engine, of_pair));
        }
        let Some((first, others)) = answers.split_first() else { continue };
        for other in others {
            for ((request, one), (_, another)) in first.1.iter().zip(&other.1) {
                if let Some(difference) = difference(one, another) {
                    return Err(format!("{} and {}, {request}\n{difference}", first.0, other.0));
                }
            }
        }
    }
    Ok(())
}
