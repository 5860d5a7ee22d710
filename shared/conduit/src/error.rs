//! What can go wrong. The set is closed and small, so that each front door can answer every case.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// A `Result` with the port's error.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The caller is not who they would have to be.
    #[error("unauthorized: {0:?}")]
    Unauthorized(Unauthorized),
    /// The caller is known, and may not do this to that.
    #[error("forbidden: {0}")]
    Forbidden(Resource),
    /// There is no such thing.
    #[error("not found: {0}")]
    NotFound(Resource),
    /// The request collides with something that exists already.
    #[error("conflict: {0}")]
    Conflict(Problems),
    /// The request's fields break a rule.
    #[error("invalid: {0}")]
    Invalid(Problems),
    /// What the call needs can't be reached in time. For a write it matters a lot whether it was
    /// done, see [`Outcome`].
    #[error("unavailable: {0:?}")]
    Unavailable(Outcome),
    /// The app itself is at fault. The detail is logged once, with the request id, by the front
    /// door; `Display` leaves it out, so that it can't reach a visitor by accident.
    #[error("internal error")]
    Internal(String),
}

/// In which way a caller is not who they would have to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthorized {
    /// No token, where one is needed.
    Missing,
    /// A token that was not issued here, was tampered with, or has expired.
    Invalid,
    /// An unknown address or a wrong password; nobody is told which.
    Credentials,
}

/// What kind of thing was not found, or may not be touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// An article.
    Article,
    /// A comment.
    Comment,
    /// An account.
    Profile,
    /// A route of the API.
    Route,
    /// An export, or a part of its file.
    Export,
    /// A job.
    Job,
    /// The queue of jobs as a whole.
    Queue,
}

impl Resource {
    /// Every kind there is.
    pub const ALL: [Self; 7] = [
        Self::Article,
        Self::Comment,
        Self::Profile,
        Self::Route,
        Self::Export,
        Self::Job,
        Self::Queue,
    ];

    /// The key under which the contract reports it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Article => "article",
            Self::Comment => "comment",
            Self::Profile => "profile",
            Self::Route => "route",
            Self::Export => "export",
            Self::Job => "job",
            Self::Queue => "queue",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether an interrupted call had an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Certainly not: it never reached the place where it would have been done, or it only reads.
    NotDone,
    /// It may have been done; the answer was lost. Never repeat such a call by yourself.
    Unknown,
}

/// Field → messages, in alphabetical order of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Problems(BTreeMap<String, Vec<String>>);

impl Problems {
    /// No problems yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One problem with one field.
    pub fn one(field: &str, message: &str) -> Self {
        let mut problems = Self::new();
        problems.add(field, message);
        problems
    }

    /// Adds a problem with a field.
    pub fn add(&mut self, field: &str, message: &str) {
        self.0.entry(field.to_owned()).or_default().push(message.to_owned());
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each field with each of its messages.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(field, messages)| {
            messages.iter().map(move |message| (field.as_str(), message.as_str()))
        })
    }

    /// `Ok` when there are no problems, [`Error::Invalid`] otherwise.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all the problems.
    pub fn into_result(self) -> Result<()> {
        if self.is_empty() { Ok(()) } else { Err(Error::Invalid(self)) }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (field, message)) in self.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{field} {message}")?;
        }
        Ok(())
    }
}
