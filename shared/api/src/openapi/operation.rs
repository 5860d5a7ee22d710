//! One operation of the API, and its description in the document.

use std::collections::BTreeMap;

use axum::http::{Method, StatusCode};
use conduit::{Error, Outcome, Resource, Unauthorized, wire::ErrorBody};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{TOKEN, schemas};
use crate::failure::Failure;

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Anyone; nobody looks at a token.
    Public,
    /// Anyone; who shows a token gets the answer as they see things.
    Optional,
    /// Whoever is signed in.
    SignedIn,
}

/// A body: its schema, and one that is real.
pub(super) struct Content {
    media_type: &'static str,
    pub(super) schema: Value,
    pub(super) example: Value,
}

/// Where a parameter stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the path, always.
    Path,
    /// In the query, if it is given.
    Query,
    /// In a header, always.
    Header,
}

/// A part of the path or of the query, or a header.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) place: Place,
    pub(super) description: &'static str,
    pub(super) schema: Value,
}

/// One operation: what it takes, what it gives, and everything that it refuses.
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) access: Access,
    pub(super) parameters: Vec<Parameter>,
    pub(super) request: Option<Content>,
    pub(super) success: (StatusCode, Option<Content>),
    refusals: Vec<Failure>,
}

impl Operation {
    /// An operation that takes and gives nothing yet. What can go wrong with every request is there
    /// already, and so are the parts of the path.
    pub(super) fn new(
        method: Method,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        let writes = method != Method::GET;
        let operation = Self {
            method,
            path,
            id,
            summary,
            access: Access::Public,
            parameters: schemas::path_parameters(path),
            request: None,
            success: (StatusCode::NO_CONTENT, None),
            refusals: Vec::new(),
        };
        let named = operation.parameters.iter().any(Parameter::is_text);
        let operation = operation
            .refuses(Error::Internal(String::new()))
            .refuses(Error::Unavailable(Outcome::NotDone));
        let operation = if writes {
            operation.refuses(Error::Unavailable(Outcome::Unknown))
        } else {
            operation
        };
        if named { operation.refuses(Failure::invalid("path", "must be UTF-8")) } else { operation }
    }

    /// Whoever shows a token gets the answer as they see things.
    pub(super) fn for_anyone(mut self) -> Self {
        self.access = Access::Optional;
        self.refuses(Error::Unauthorized(Unauthorized::Invalid))
    }

    /// It is of no use to strangers.
    pub(super) fn for_signed_in(mut self) -> Self {
        self.access = Access::SignedIn;
        self.refuses(Error::Unauthorized(Unauthorized::Missing))
            .refuses(Error::Unauthorized(Unauthorized::Invalid))
    }

    /// It takes parameters in the query.
    pub(super) fn query(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        self.parameters.extend(parameters);
        self.refuses(Failure::invalid("query", "must name each parameter once"))
    }

    /// It takes a body like `example`.
    pub(super) fn takes<T: ToSchema + Serialize>(mut self, example: &T) -> Self {
        self.request = Some(Content::of(example));
        self.refuses(Failure::too_long())
            .refuses(Failure::media_type())
            .refuses(Failure::invalid("body", "must be valid JSON"))
    }

    /// It answers with a body like `example`.
    pub(super) fn gives<T: ToSchema + Serialize>(
        mut self,
        status: StatusCode,
        example: &T,
    ) -> Self {
        self.success = (status, Some(Content::of(example)));
        self
    }

    /// It answers with bytes.
    pub(super) fn gives_bytes(mut self) -> Self {
        self.success = (StatusCode::OK, Some(Content::bytes()));
        self
    }

    /// It is for operators, who show a token of their own.
    pub(super) fn for_operators(mut self) -> Self {
        self.parameters.push(schemas::operator());
        self.refuses(Error::Forbidden(Resource::Queue))
    }

    /// It answers with nothing but a status.
    pub(super) fn answers(mut self, status: StatusCode) -> Self {
        self.success = (status, None);
        self
    }

    /// What it is about may not exist.
    pub(super) fn needs(self, what: Resource) -> Self {
        self.refuses(Error::NotFound(what))
    }

    /// It refuses a request like this.
    pub(super) fn refuses(mut self, failure: impl Into<Failure>) -> Self {
        self.refusals.push(failure.into());
        self
    }

    /// Every refusal under its status, each as the answer that it gets.
    pub(super) fn refusals(&self) -> BTreeMap<StatusCode, Vec<ErrorBody>> {
        let mut refusals: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (status, body) in self.refusals.iter().map(Failure::status_and_body) {
            refusals.entry(status).or_default().push(body);
        }
        refusals
    }

    /// The operation in the words of OpenAPI.
    pub(super) fn describe(&self) -> Value {
        let mut described = json!({
            "operationId": self.id,
            "summary": self.summary,
            "tags": [self.group()],
            "responses": self.responses(),
            "security": match self.access {
                Access::Public => json!([]),
                Access::Optional => json!([{}, {TOKEN: []}]),
                Access::SignedIn => json!([{TOKEN: []}]),
            },
        });
        if !self.parameters.is_empty() {
            described["parameters"] = self.parameters.iter().map(Parameter::describe).collect();
        }
        if let Some(content) = &self.request {
            described["requestBody"] = json!({"required": true, "content": content.describe()});
        }
        described
    }

    /// The first part of the path.
    pub(super) fn group(&self) -> &'static str {
        self.path.split('/').nth(1).unwrap_or_default()
    }

    fn responses(&self) -> Map<String, Value> {
        let mut responses = Map::new();
        let (status, content) = &self.success;
        let mut success = json!({"description": reason(*status)});
        if let Some(content) = content {
            success["content"] = content.describe();
        }
        responses.insert(status.as_str().to_owned(), success);
        for (status, bodies) in self.refusals() {
            let examples: Map<_, _> = bodies
                .into_iter()
                .map(|body| (body.errors.to_string(), json!({"value": body})))
                .collect();
            let schema = json!({"$ref": schemas::reference("ErrorBody")});
            let content = json!({"application/json": {"schema": schema, "examples": examples}});
            let mut refusal = json!({"description": reason(status), "content": content});
            if status == StatusCode::SERVICE_UNAVAILABLE {
                refusal["headers"] = json!({"Retry-After": {
                    "description": "Seconds after which to try again.",
                    "schema": {"type": "integer", "minimum": 1},
                }});
            }
            responses.insert(status.as_str().to_owned(), refusal);
        }
        responses
    }
}

impl Content {
    fn of<T: ToSchema + Serialize>(example: &T) -> Self {
        // Every type of the wire is made of texts, numbers and lists; none can fail.
        let example = serde_json::to_value(example).unwrap_or_default();
        Self { media_type: "application/json", schema: schemas::inline::<T>(), example }
    }

    /// Bytes as they are.
    fn bytes() -> Self {
        let media_type = "application/octet-stream";
        Self { media_type, schema: json!({}), example: Value::Null }
    }

    fn describe(&self) -> Value {
        let mut described = json!({"schema": self.schema});
        if !self.example.is_null() {
            described["example"] = self.example.clone();
        }
        json!({self.media_type: described})
    }
}

impl Parameter {
    fn is_text(&self) -> bool {
        self.schema["type"] == "string"
    }

    fn describe(&self) -> Value {
        json!({
            "name": self.name,
            "in": match self.place {
                Place::Path => "path",
                Place::Query => "query",
                Place::Header => "header",
            },
            "required": self.place != Place::Query,
            "description": self.description,
            "schema": self.schema,
        })
    }
}

/// What a status is called.
pub(super) fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or_default()
}
