//! What becomes of an error: the contract's status and body, and the reason for the log if the app
//! itself is at fault.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use conduit::{
    Error, Problems,
    wire::{self, Detail, ErrorBody},
};

/// Why a request is not answered as its sender wished.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The port says so. The contract has a status for each of its errors.
    Port(Error),
    /// HTTP says so, before the port was asked: it knows nothing of methods and media types.
    Http(StatusCode, Problems),
}

impl Failure {
    /// A field, a parameter or a part of the request that breaks a rule.
    pub(crate) fn invalid(field: &str, message: &str) -> Self {
        Self::Port(Error::Invalid(Problems::one(field, message)))
    }

    /// A method that the route does not have.
    pub(crate) fn method() -> Self {
        Self::Http(StatusCode::METHOD_NOT_ALLOWED, Problems::one("method", "not allowed"))
    }

    /// A body that is longer than a server takes.
    pub(crate) fn too_long() -> Self {
        Self::Http(StatusCode::PAYLOAD_TOO_LARGE, Problems::one("body", "is too long"))
    }

    /// A body that does not call itself JSON.
    pub(crate) fn media_type() -> Self {
        let problems = Problems::one("content-type", "must be application/json");
        Self::Http(StatusCode::UNSUPPORTED_MEDIA_TYPE, problems)
    }

    /// What it is answered with.
    pub(crate) fn status_and_body(&self) -> (StatusCode, ErrorBody) {
        match self {
            Self::Port(error) => wire::from_error(error),
            Self::Http(status, problems) => (*status, ErrorBody { errors: problems.clone() }),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Port(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, body) = self.status_and_body();
        let mut response = (status, Json(body)).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Self::Port(Error::Internal(detail)) = self {
            response.extensions_mut().insert(Detail(detail));
        }
        response
    }
}
