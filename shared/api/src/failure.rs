//! What becomes of an error: the contract's status and body, and one line in the log if the app
//! itself is at fault.

use axum::{
    Json,
    extract::Request,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    middleware::Next,
    response::{IntoResponse, Response},
};
use conduit::{
    Error,
    wire::{self, REQUEST_ID},
};

/// An error of the port on its way out. A type of its own, because the port knows no axum.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

/// What to log, attached to an answer: the place where an error becomes an answer does not know the
/// request's number any more, the layer around it does.
#[derive(Clone)]
struct Detail(String);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, body) = wire::from_error(&self.0);
        let mut response = (status, Json(body)).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Error::Internal(detail) = self.0 {
            response.extensions_mut().insert(Detail(detail));
        }
        response
    }
}

/// Logs an internal error once, with the number of the request that met it.
pub(crate) async fn log(request: Request, next: Next) -> Response {
    // Cheap: a header's value is shared, not copied.
    let number = request.headers().get(REQUEST_ID).cloned();
    let response = next.run(request).await;
    if let Some(Detail(detail)) = response.extensions().get() {
        let request_id = number.as_ref().and_then(|number| number.to_str().ok()).unwrap_or("none");
        tracing::error!(request_id, detail, "the API answers 500");
    }
    response
}
