//! What a handler answers with where all goes well.

use axum::response::{IntoResponse, Response};
use conduit::wire::trace;
use serde::Serialize;

/// A body of the contract, which is written down as a span of its trace.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        trace::encode().in_scope(|| axum::Json(self.0).into_response())
    }
}
