//! The parity gate: both architectures must answer the same requests with the same bytes.
//!
//! Nothing is worth measuring about two apps that are not the same app. So before every measurement
//! a fixed [`corpus`] of requests goes to both, in the same order, over copies of one database, and
//! each pair of answers is compared: status, headers, body. What has to differ is taken out first by
//! [`normalised`], which is the one place where anything is forgiven.
//!
//! This module knows no HTTP client. Whoever runs the gate implements [`Arm`]: the lab over sockets,
//! a test over routers in its own process.

mod answer;
mod corpus;

use std::{collections::BTreeMap, fmt};

use anyhow::Context;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, ORIGIN, SET_COOKIE},
};

use conduit::wire;

pub use answer::{Answer, difference, normalised};
pub use corpus::corpus;

use crate::dataset::{Dataset, PASSWORD};

/// Which server of an architecture a request is for. In the monolith both are the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The one with the pages.
    Page,
    /// The one with the JSON API.
    Api,
}

/// Who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// Nobody in particular.
    Guest,
    /// Account number so-and-so of the dataset, signed in.
    User(u64),
    /// Somebody with that account's token, in which one letter was changed.
    Forger(u64),
}

/// From which site a request says it comes, in its `Origin` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It does not say: a link, a bookmark, a program.
    Unsaid,
    /// A page of the site itself.
    OwnSite,
    /// A page of somebody else.
    OtherSite,
}

/// One request of the corpus.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where it goes.
    pub target: Target,
    /// Its method.
    pub method: Method,
    /// Path and query, for the API with its prefix.
    pub path: String,
    /// Who sends it.
    pub who: Who,
    /// From which site.
    pub origin: Origin,
    /// Further headers.
    pub headers: HeaderMap,
    /// Its body, often empty.
    pub body: Bytes,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({:?}, {:?})", self.method, self.path, self.target, self.who)?;
        if !self.body.is_empty() {
            let shown = String::from_utf8_lossy(&self.body[..self.body.len().min(80)]);
            write!(f, " with {shown:?}")?;
        }
        Ok(())
    }
}

impl Request {
    /// A plain question, by a guest.
    pub fn get(target: Target, path: impl Into<String>) -> Self {
        Self {
            target,
            method: Method::GET,
            path: path.into(),
            who: Who::Guest,
            origin: Origin::Unsaid,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// The same with another method.
    pub fn method(self, method: Method) -> Self {
        Self { method, ..self }
    }

    /// The same by somebody else.
    pub fn by(self, who: Who) -> Self {
        Self { who, ..self }
    }

    /// The same with another header.
    pub fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }

    /// A form, sent as a browser sends it.
    pub fn form(path: impl Into<String>, fields: &[(&str, &str)]) -> Self {
        let encoded = |text| percent_encoding::utf8_percent_encode(text, wire::path::SEGMENT);
        let pairs = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
        let request = Self::get(Target::Page, path)
            .method(Method::POST)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let body = pairs.collect::<Vec<_>>().join("&").into();
        Self { origin: Origin::OwnSite, body, ..request }
    }

    /// A body for the API that says it is JSON, whatever it is.
    pub fn json(path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        let request = Self::get(Target::Api, path)
            .method(Method::POST)
            .header(CONTENT_TYPE, "application/json");
        Self { body: body.into(), ..request }
    }
}

/// One architecture, as the gate sees it.
pub trait Arm {
    /// Host and port of the server that a request is for.
    fn authority(&self, target: Target) -> String;

    /// Sends a request, whose address is complete, and takes in the whole answer.
    ///
    /// # Errors
    /// If no answer came.
    fn send(
        &self,
        target: Target,
        request: http::Request<Bytes>,
    ) -> impl Future<Output = anyhow::Result<Answer>> + Send;
}

/// An architecture with the users of the corpus signed in on it.
pub struct Visitors<A> {
    arm: A,
    /// The header that proves who somebody is, different for pages and API.
    proofs: BTreeMap<(Target, u64), (HeaderName, String)>,
}

impl<A: Arm> Visitors<A> {
    /// Signs in everyone who appears in `requests`, at each front door where they do.
    ///
    /// # Errors
    /// If somebody can't sign in, or no answer comes.
    pub async fn sign_in(arm: A, dataset: &Dataset, requests: &[Request]) -> anyhow::Result<Self> {
        let mut visitors = Self { arm, proofs: BTreeMap::new() };
        for request in requests {
            let (Who::User(user) | Who::Forger(user)) = request.who else { continue };
            let key = (request.target, user);
            if !visitors.proofs.contains_key(&key) {
                let sign_in = sign_in(request.target, &dataset.user(user).email);
                let answer = visitors.ask(&sign_in).await?;
                let proof = proof(request.target, &answer);
                let proof = proof.with_context(|| format!("{sign_in} gave {}", answer.status))?;
                visitors.proofs.insert(key, proof);
            }
        }
        Ok(visitors)
    }

    /// The architecture itself.
    pub fn arm(&self) -> &A {
        &self.arm
    }

    /// Sends one request: exactly one, so that what it costs can be counted around this call.
    ///
    /// # Errors
    /// If no answer comes, or the request is by somebody who was not signed in.
    pub async fn ask(&self, request: &Request) -> anyhow::Result<Answer> {
        let authority = self.arm.authority(request.target);
        let mut message = http::Request::builder()
            .method(request.method.clone())
            .uri(format!("http://{authority}{}", request.path))
            .header(HOST, &authority);
        match request.origin {
            Origin::Unsaid => {}
            Origin::OwnSite => message = message.header(ORIGIN, format!("http://{authority}")),
            Origin::OtherSite => message = message.header(ORIGIN, "https://elsewhere.example"),
        }
        if let Some((name, value)) = self.proof_of(request)? {
            message = message.header(name, value);
        }
        for (name, value) in &request.headers {
            message = message.header(name, value);
        }
        let message = message.body(request.body.clone());
        let message = message.with_context(|| format!("{request} is no request"))?;
        self.arm.send(request.target, message).await.with_context(|| request.to_string())
    }

    fn proof_of(&self, request: &Request) -> anyhow::Result<Option<(&HeaderName, String)>> {
        let (Who::User(user) | Who::Forger(user)) = request.who else { return Ok(None) };
        let (name, value) = self
            .proofs
            .get(&(request.target, user))
            .with_context(|| format!("user {user} is not signed in"))?;
        let genuine = matches!(request.who, Who::User(_));
        Ok(Some((name, if genuine { value.clone() } else { forged(value) })))
    }
}

fn sign_in(target: Target, email: &str) -> Request {
    match target {
        Target::Page => Request::form("/login", &[("email", email), ("password", PASSWORD)]),
        Target::Api => {
            let user = serde_json::json!({ "email": email, "password": PASSWORD });
            let body = serde_json::json!({ "user": user }).to_string();
            Request::json(corpus::api(wire::path::LOGIN), body)
        }
    }
}

/// The header that a signed-in visitor sends from now on.
fn proof(target: Target, answer: &Answer) -> Option<(HeaderName, String)> {
    match target {
        Target::Page => {
            let cookie = answer.headers.get(SET_COOKIE)?.to_str().ok()?;
            let pair = cookie.split(';').next()?;
            Some((COOKIE, pair.to_owned()))
        }
        Target::Api => {
            let body: wire::UserBody<conduit::User> = serde_json::from_slice(&answer.body).ok()?;
            Some((AUTHORIZATION, format!("Token {}", body.user.token.expose())))
        }
    }
}

/// Changes a letter in the last part of a token, where a signature would be.
fn forged(value: &str) -> String {
    let at = value.len() - 8;
    let letter = if value.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{letter}{}", &value[..at], &value[at + 1..])
}

#[cfg(test)]
#[path = "parity_tests.rs"]
mod tests;
