//! The API's own description: an OpenAPI 3.1 document, put together when it is first asked for.
//!
//! It is made from what the handlers themselves use: the wire's types (their schemas are derived),
//! the port's limits, the paths of the router, and the function that turns errors into answers. By
//! hand stands only what no type says: which operation takes and refuses what (`operations`), and
//! how a field has to look (`schemas`). A test compares the operations with the router's, and a
//! fuzzer everything with what the servers really answer.

mod examples;
mod operation;
mod operations;
mod schemas;

use std::{collections::BTreeMap, sync::LazyLock};

use axum::{
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
    response::IntoResponse,
};
use conduit::wire::API;
use serde_json::{Map, Value, json};

use operation::{Operation, Parameter};
use operations::operations;

/// Where the document is, below [`API`].
pub(crate) const PATH: &str = "/openapi.json";

/// The name of the one security scheme.
const TOKEN: &str = "token";

/// What stands at the top of the document.
const ABOUT: &str = "Articles, comments, tags and profiles. Whatever is wrong with a \
    request is answered in one form, `{\"errors\": {field: [message, …]}}`, with a status that says \
    whose turn it is: 4xx for the sender, 503 for a while later. A method that a path does not have \
    is answered 405, with those that it has in `Allow`. Every answer carries its number in \
    `X-Request-Id`; whoever asks for help should name it.";

/// How a caller proves who they are.
const HOW_TO_SIGN_IN: &str = "`Token` and the token from registering or signing in, with \
    a space between them. `Bearer` does as well.";

/// The document.
pub fn document() -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for operation in operations() {
        let method = operation.method.as_str().to_ascii_lowercase();
        paths.entry(operation.path).or_default().insert(method, operation.describe());
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Conduit",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": API}],
        "paths": paths,
        "components": {
            "schemas": schemas::components(),
            "securitySchemes": {TOKEN: {
                "type": "apiKey",
                "in": "header",
                "name": "Authorization",
                "description": HOW_TO_SIGN_IN,
            }},
        },
    })
}

pub(crate) async fn serve() -> impl IntoResponse {
    static TEXT: LazyLock<String> = LazyLock::new(|| document().to_string());
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")], TEXT.as_str())
}
