//! What a handler may ask of a request. Every extractor turns whatever is wrong with its part into
//! an error of the contract; axum's own would answer in plain text.

use std::{convert::Infallible, time::Duration};

use axum::extract::rejection::FailedToBufferBody;
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::BytesRejection},
    http::{HeaderMap, Uri, header::CONTENT_TYPE, request::Parts},
};
use conduit::{
    Caller, Error, ListArticles, RequestId, Resource, Unauthorized,
    wire::{self, ListQuery, WindowQuery, trace},
};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// How long an answer may take for a client that states no budget.
const DEFAULT_BUDGET: Duration = Duration::from_secs(2);

/// On whose behalf the request is made. Never fails: whether a token is needed, and whether it is
/// good, is decided behind the port.
pub(crate) struct Who(pub(crate) Caller);

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(caller(&parts.headers)))
    }
}

/// The same for a route that is of no use to strangers. Asked for first, it answers a request
/// without a token before anything else in it is looked at, as the contract wants.
pub(crate) struct SignedIn(pub(crate) Caller);

impl<S: Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let caller = caller(&parts.headers);
        if caller.token.is_none() {
            return Err(Error::Unauthorized(Unauthorized::Missing).into());
        }
        Ok(Self(caller))
    }
}

fn caller(headers: &HeaderMap) -> Caller {
    let budget = wire::to_budget(headers).unwrap_or(DEFAULT_BUDGET);
    Caller::new(wire::to_token(headers), request_id(headers), budget)
}

/// The server numbers every request before it comes here. Only a test that calls the router without
/// a server around it finds none.
fn request_id(headers: &HeaderMap) -> RequestId {
    wire::to_request_id(headers).or_else(|| RequestId::parse("none")).expect("`none` is harmless")
}

/// The slug or username in the path, decoded.
pub(crate) struct Name(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(_) => Err(Failure::invalid("path", "must be UTF-8")),
        }
    }
}

/// The slug in the path, and the number of a comment.
pub(crate) struct Numbered(pub(crate) String, pub(crate) i64);

impl<S: Send + Sync> FromRequestParts<S> for Numbered {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Ok(Path((slug, id))) = path else {
            return Err(Failure::invalid("path", "must be UTF-8"));
        };
        // What is no number is no comment's number.
        let id = id.parse().map_err(|_| Error::NotFound(Resource::Comment))?;
        Ok(Self(slug, id))
    }
}

/// The number of an export in the path, and that of a chunk of it. What is no number is none of them.
pub(crate) struct Chunk(pub(crate) i64, pub(crate) u32);

impl<S: Send + Sync> FromRequestParts<S> for Chunk {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path = Path::<(i64, u32)>::from_request_parts(parts, state).await;
        let Path((id, number)) = path.map_err(|_| Error::NotFound(Resource::Export))?;
        Ok(Self(id, number))
    }
}

/// The number of a job in the path.
pub(crate) struct JobNumber(pub(crate) i64);

impl<S: Send + Sync> FromRequestParts<S> for JobNumber {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path = Path::from_request_parts(parts, state).await;
        let Path(id) = path.map_err(|_| Error::NotFound(Resource::Job))?;
        Ok(Self(id))
    }
}

/// The list that the query string asks for.
pub(crate) struct List(pub(crate) ListArticles);

impl<S: Send + Sync> FromRequestParts<S> for List {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        query::<ListQuery, S>(parts, state).await.and_then(|query| Ok(Self(query.try_into()?)))
    }
}

/// The part of a list that the query string asks for.
pub(crate) struct Window(pub(crate) conduit::Window);

impl<S: Send + Sync> FromRequestParts<S> for Window {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        query::<WindowQuery, S>(parts, state).await.and_then(|query| Ok(Self(query.try_into()?)))
    }
}

async fn query<T: DeserializeOwned, S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
) -> Result<T, Failure> {
    // Axum would put a replacement character for what is no text, and find nothing by that name.
    if !is_text(&parts.uri) {
        return Err(Failure::invalid("query", "must be UTF-8"));
    }
    match Query::from_request_parts(parts, state).await {
        Ok(Query(query)) => Ok(query),
        Err(_) => Err(Failure::invalid("query", "must name each parameter once")),
    }
}

fn is_text(uri: &Uri) -> bool {
    percent_decode_str(uri.query().unwrap_or_default()).decode_utf8().is_ok()
}

/// The body, read as JSON. Handlers without it ignore whatever body a client sends.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        if !is_json(request.headers()) {
            return Err(Failure::media_type());
        }
        let bytes = Bytes::from_request(request, state).await.map_err(unreadable)?;
        trace::decode().in_scope(|| parse(&bytes)).map(Self)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = value.and_then(|value| value.split(';').next());
    media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}

fn unreadable(rejection: BytesRejection) -> Failure {
    match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            Failure::too_long()
        }
        _ => Failure::invalid("body", "could not be read"),
    }
}

/// Names the field that has the wrong type, but never repeats what was sent: it may be a password.
fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, Failure> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut reader, &mut track);
    let value: T = wire::object(tracked).map_err(|error: serde_json::Error| {
        if !error.is_data() {
            return Failure::invalid("body", "must be valid JSON");
        }
        if error.to_string().starts_with("duplicate field") {
            return Failure::invalid("body", "must name each field once");
        }
        match track.path().iter().next_back() {
            None => Failure::invalid("body", "must have the documented form"),
            Some(field) => Failure::invalid(&field.to_string(), "has the wrong type"),
        }
    })?;
    reader.end().map_err(|_| Failure::invalid("body", "must be valid JSON"))?;
    Ok(value)
}
