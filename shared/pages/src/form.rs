//! What all forms do alike: how they are read, and what they say when they come back.

use std::convert::Infallible;

use axum::{
    body::{Body, Bytes},
    extract::{Form, FromRequest, Request},
    http::{HeaderValue, StatusCode, header, request::Parts},
};
use conduit::{Error, Outcome, Problems, Unauthorized};
use percent_encoding::percent_decode;
use serde::de::DeserializeOwned;

/// What a form has sent, or why that can't be read.
pub(crate) struct Sent<T>(pub(crate) Result<T, Refusal>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Sent<T> {
    type Rejection = Infallible;

    async fn from_request(mut request: Request, state: &S) -> Result<Self, Infallible> {
        // A form without fields, which is a lone button, may come without a word on its kind.
        let urlencoded = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().entry(header::CONTENT_TYPE).or_insert(urlencoded);
        let (parts, body) = request.into_parts();
        // The limit on the length of a body goes with the request.
        let whole = Request::from_parts(parts.clone(), body);
        Ok(Self(match Bytes::from_request(whole, state).await {
            Ok(bytes) => read(parts, bytes, state).await,
            Err(rejection) => Err(Refusal::unreadable(rejection.status())),
        }))
    }
}

async fn read<S: Send + Sync, T: DeserializeOwned>(
    parts: Parts,
    bytes: Bytes,
    state: &S,
) -> Result<T, Refusal> {
    // Axum would put a replacement character for what is no text, and that would be published.
    if percent_decode(&bytes).decode_utf8().is_err() {
        return Err(Refusal::unreadable(StatusCode::UNPROCESSABLE_ENTITY));
    }
    match Form::from_request(Request::from_parts(parts, Body::from(bytes)), state).await {
        Ok(Form(fields)) => Ok(fields),
        Err(rejection) => Err(Refusal::unreadable(rejection.status())),
    }
}

/// A text with the line breaks that it was written with: browsers send each as two characters.
pub(crate) fn with_plain_line_breaks(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// What a form says when nothing came of it, because the app could not be reached.
pub(crate) const NOTHING_CHANGED: &str =
    "Conduit can't be reached right now. Nothing was changed; please try again.";

/// What a form says when it comes back, and under which status.
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) problems: Vec<String>,
}

impl Refusal {
    fn one(status: StatusCode, message: &str) -> Self {
        Self { status, problems: vec![message.to_owned()] }
    }

    /// It was no form, or was too long.
    fn unreadable(status: StatusCode) -> Self {
        let message = match status {
            StatusCode::PAYLOAD_TOO_LARGE => "the form is too long",
            _ => "the form could not be read",
        };
        Self::one(status, message)
    }

    /// Why it did not work; `None` if it is nothing that the visitor could change in the form.
    ///
    /// `doubt` is what to say when it may have worked all the same, because only the answer was
    /// lost.
    pub(crate) fn of(error: &Error, doubt: &str) -> Option<Self> {
        let all = |status, problems: &Problems| {
            let text = |(field, message)| format!("{} {message}", shown(field));
            Self { status, problems: problems.iter().map(text).collect() }
        };
        match error {
            Error::Unauthorized(Unauthorized::Credentials) => {
                Some(Self::one(StatusCode::UNAUTHORIZED, "email or password is invalid"))
            }
            Error::Invalid(problems) => Some(all(StatusCode::UNPROCESSABLE_ENTITY, problems)),
            Error::Conflict(problems) => Some(all(StatusCode::CONFLICT, problems)),
            Error::Unavailable(outcome) => {
                let message = match outcome {
                    Outcome::NotDone => NOTHING_CHANGED,
                    Outcome::Unknown => doubt,
                };
                Some(Self::one(StatusCode::SERVICE_UNAVAILABLE, message))
            }
            _ => None,
        }
    }

    /// What to say to somebody whose session has ended while they were writing. Sent away to sign
    /// in, they would lose what they wrote.
    pub(crate) fn of_guest(error: &Error) -> Option<Self> {
        let message = "You are not signed in any more. Sign in on another tab, then come back and \
                       press the button again.";
        match error {
            Error::Unauthorized(Unauthorized::Missing | Unauthorized::Invalid) => {
                Some(Self::one(StatusCode::UNAUTHORIZED, message))
            }
            _ => None,
        }
    }
}

/// What a field of the contract is called on a page.
fn shown(field: &str) -> &str {
    match field {
        "tagList" => "list of tags",
        other => other,
    }
}
