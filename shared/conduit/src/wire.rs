//! How the port looks in HTTP: paths, envelopes, errors and the caller, each in both directions.
//!
//! The API crate goes from HTTP to the port and back, the remote crate from the port to HTTP and
//! back. Because both directions stand here, next to each other and under one round-trip test,
//! they can't drift apart.

pub mod path;
pub mod trace;

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::AUTHORIZATION};
use serde::{Deserialize, Serialize};

pub use crate::object::object;
use crate::{
    ArticlePage, ArticleSummary, Caller, Comment, DEFAULT_LIMIT, Error, Export, Job, ListArticles,
    MAX_LIMIT, Outcome, Problems, Profile, Queue, RequestId, Resource, Token, Unauthorized, Window,
    limits::MAX_OFFSET,
};

/// Where the API is mounted on every server that has one.
pub const API: &str = "/api";

/// The request's number, on requests and on answers.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What opens the operators' view.
pub const OPERATOR: HeaderName = HeaderName::from_static(OPERATOR_NAME);

/// The name of that header.
pub const OPERATOR_NAME: &str = "x-operator-token";

/// How many milliseconds the caller will still wait.
pub const BUDGET_MS: HeaderName = HeaderName::from_static("x-budget-ms");

/// The longest budget that is taken over from outside.
pub const MAX_BUDGET: Duration = Duration::from_secs(30);

/// `{"user": …}`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct UserBody<T> {
    /// What the envelope holds.
    #[serde(deserialize_with = "object")]
    pub user: T,
}

/// `{"profile": …}`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProfileBody {
    /// What the envelope holds.
    pub profile: Profile,
}

/// `{"article": …}`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct ArticleBody<T> {
    /// What the envelope holds.
    #[serde(deserialize_with = "object")]
    pub article: T,
}

/// `{"articles": …, "articlesCount": …}`, which the port's own type is already.
pub type ArticlesBody = ArticlePage;

/// `{"comment": …}`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct CommentBody<T> {
    /// What the envelope holds.
    #[serde(deserialize_with = "object")]
    pub comment: T,
}

/// `{"comments": …}`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CommentsBody {
    /// What the envelope holds.
    pub comments: Vec<Comment>,
}

/// `{"tags": …}`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TagsBody {
    /// What the envelope holds.
    pub tags: Vec<String>,
}

/// `{"articles": …}`: a list that has no other pages.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RelatedBody {
    /// What the envelope holds.
    pub articles: Vec<ArticleSummary>,
}

/// `{"export": …}`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExportBody {
    /// What the envelope holds.
    pub export: Export,
}

/// `{"exports": …}`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExportsBody {
    /// What the envelope holds.
    pub exports: Vec<Export>,
}

/// `{"jobs": …}`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobsBody {
    /// What the envelope holds.
    pub jobs: Vec<Job>,
}

/// `{"queue": …}`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QueueBody {
    /// What the envelope holds.
    pub queue: Queue,
}

/// `{"errors": {field: [message, …]}}`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// Field or resource → messages.
    pub errors: Problems,
}

// --- lists of articles ⇄ query string ---------------------------------------------------------

/// A [`ListArticles`] as query parameters.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ListQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    favorited: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<String>,
}

/// A [`Window`] as query parameters. The numbers are text, so that one that is not a number gets the
/// contract's error and not the framework's.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WindowQuery {
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<String>,
}

impl From<&ListArticles> for ListQuery {
    fn from(list: &ListArticles) -> Self {
        let WindowQuery { limit, offset } =
            Window { limit: list.limit, offset: list.offset }.into();
        let ListArticles { tag, author, favorited, .. } = list.clone();
        Self { tag, author, favorited, limit, offset }
    }
}

impl TryFrom<ListQuery> for ListArticles {
    type Error = Error;

    fn try_from(query: ListQuery) -> Result<Self, Error> {
        let ListQuery { tag, author, favorited, limit, offset } = query;
        let Window { limit, offset } = WindowQuery { limit, offset }.try_into()?;
        Ok(Self { tag, author, favorited, limit, offset })
    }
}

impl From<Window> for WindowQuery {
    fn from(Window { limit, offset }: Window) -> Self {
        Self { limit: Some(limit.to_string()), offset: (offset > 0).then(|| offset.to_string()) }
    }
}

impl TryFrom<WindowQuery> for Window {
    type Error = Error;

    fn try_from(query: WindowQuery) -> Result<Self, Error> {
        let mut problems = Problems::new();
        let limit = number(&mut problems, "limit", query.limit, DEFAULT_LIMIT, 1..=MAX_LIMIT);
        let offset = number(&mut problems, "offset", query.offset, 0, 0..=MAX_OFFSET);
        problems.into_result()?;
        Ok(Self { limit, offset })
    }
}

fn number(
    problems: &mut Problems,
    field: &str,
    text: Option<String>,
    default: u32,
    range: std::ops::RangeInclusive<u32>,
) -> u32 {
    let Some(text) = text else { return default };
    match text.parse() {
        Ok(number) if range.contains(&number) => number,
        _ => {
            let (least, most) = range.into_inner();
            problems.add(field, &format!("must be a whole number from {least} to {most}"));
            default
        }
    }
}

// --- error ⇄ status and body ------------------------------------------------------------------

const UNAVAILABLE: &str = "service";
const NOT_DONE: &str = "is unavailable, nothing was changed";
const UNKNOWN: &str = "did not answer, the outcome is unknown";

/// What the contract answers for an error.
pub fn from_error(error: &Error) -> (StatusCode, ErrorBody) {
    let (status, errors) = match error {
        Error::Unauthorized(Unauthorized::Missing) => {
            (StatusCode::UNAUTHORIZED, Problems::one("token", "is missing"))
        }
        Error::Unauthorized(Unauthorized::Invalid) => {
            (StatusCode::UNAUTHORIZED, Problems::one("token", "is invalid"))
        }
        Error::Unauthorized(Unauthorized::Credentials) => {
            (StatusCode::UNAUTHORIZED, Problems::one("credentials", "invalid"))
        }
        Error::Forbidden(what) => (StatusCode::FORBIDDEN, Problems::one(what.name(), "forbidden")),
        Error::NotFound(what) => (StatusCode::NOT_FOUND, Problems::one(what.name(), "not found")),
        Error::Conflict(problems) => (StatusCode::CONFLICT, problems.clone()),
        Error::Invalid(problems) => (StatusCode::UNPROCESSABLE_ENTITY, problems.clone()),
        Error::Unavailable(outcome) => {
            let message = match outcome {
                Outcome::NotDone => NOT_DONE,
                Outcome::Unknown => UNKNOWN,
            };
            (StatusCode::SERVICE_UNAVAILABLE, Problems::one(UNAVAILABLE, message))
        }
        Error::Internal(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, Problems::one("server", "internal error"))
        }
    };
    (status, ErrorBody { errors })
}

/// What an answer that is no success means. The inverse of [`from_error`]; an answer that the
/// contract does not know becomes [`Error::Internal`], except that gateways' 502 and 504 mean that
/// the other side was not reached or did not answer.
///
/// `errors` is the body's content, or `None` where the body is not the contract's.
pub fn to_error(status: StatusCode, errors: Option<Problems>) -> Error {
    let unexpected = || Error::Internal(format!("unexpected answer with status {status}"));
    let has = |field: &str, message: &str| {
        errors.as_ref().is_some_and(|e| e.iter().any(|pair| pair == (field, message)))
    };
    let resource = || {
        let named =
            |what: &Resource| errors.iter().flat_map(Problems::iter).any(|(f, _)| f == what.name());
        Resource::ALL.into_iter().find(named)
    };
    match status {
        StatusCode::UNAUTHORIZED if has("token", "is missing") => {
            Error::Unauthorized(Unauthorized::Missing)
        }
        StatusCode::UNAUTHORIZED if has("credentials", "invalid") => {
            Error::Unauthorized(Unauthorized::Credentials)
        }
        StatusCode::UNAUTHORIZED => Error::Unauthorized(Unauthorized::Invalid),
        StatusCode::FORBIDDEN => resource().map_or_else(unexpected, Error::Forbidden),
        StatusCode::NOT_FOUND => resource().map_or_else(unexpected, Error::NotFound),
        StatusCode::CONFLICT => errors.map_or_else(unexpected, Error::Conflict),
        // A text may be short enough for a form and too long for the backend, in the other encoding.
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::PAYLOAD_TOO_LARGE => {
            errors.map_or_else(unexpected, Error::Invalid)
        }
        StatusCode::SERVICE_UNAVAILABLE if !has(UNAVAILABLE, UNKNOWN) => {
            Error::Unavailable(Outcome::NotDone)
        }
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
            Error::Unavailable(Outcome::Unknown)
        }
        _ => unexpected(),
    }
}

/// What an internal error was, attached to the answer that doesn't tell. Where an error becomes an
/// answer the request's number is not known any more; what stands around all of it knows, and logs.
#[derive(Clone, Debug)]
pub struct Detail(pub String);

// --- caller ⇄ headers -------------------------------------------------------------------------

/// The headers that carry a caller over a hop.
pub fn from_caller(caller: &Caller) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(4);
    if let Some(token) = &caller.token {
        // A token that can't stand in a header is no token of ours: it goes over as an empty one,
        // and the other side finds it invalid, as the implementation in the same process would.
        let mut value = HeaderValue::try_from(format!("Token {}", token.expose()))
            .unwrap_or(HeaderValue::from_static("Token ?"));
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    if let Ok(id) = HeaderValue::try_from(caller.request_id.as_str()) {
        headers.insert(REQUEST_ID, id);
    }
    let left = caller.remaining().as_millis().try_into().unwrap_or(u64::MAX);
    headers.insert(BUDGET_MS, HeaderValue::from(left));
    headers
}

/// The token that a request carries: `Authorization: Token …`, or `Bearer …` as many clients say.
/// A header in any other form is a token that will be found invalid, not the absence of one.
pub fn to_token(headers: &HeaderMap) -> Option<Token> {
    let value = headers.get(AUTHORIZATION)?;
    let text = value.to_str().unwrap_or_default();
    let token = text.strip_prefix("Token ").or_else(|| text.strip_prefix("Bearer "));
    Some(Token::new(token.unwrap_or_default().trim()))
}

/// The token that a request carries for operators. Without one it is as good as with a wrong one.
pub fn to_operator(headers: &HeaderMap) -> Token {
    let value = headers.get(OPERATOR).and_then(|value| value.to_str().ok());
    Token::new(value.unwrap_or_default())
}

/// The header that carries such a token.
pub fn from_operator(operator: &Token) -> (HeaderName, HeaderValue) {
    let value = HeaderValue::try_from(operator.expose());
    let mut value = value.unwrap_or(HeaderValue::from_static("?"));
    value.set_sensitive(true);
    (OPERATOR, value)
}

/// The number of the request, if it carries a harmless one.
pub fn to_request_id(headers: &HeaderMap) -> Option<RequestId> {
    headers.get(REQUEST_ID)?.to_str().ok().and_then(RequestId::parse)
}

/// The budget that a request carries, at most [`MAX_BUDGET`].
pub fn to_budget(headers: &HeaderMap) -> Option<Duration> {
    let millis = headers.get(BUDGET_MS)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_millis(millis).min(MAX_BUDGET))
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
