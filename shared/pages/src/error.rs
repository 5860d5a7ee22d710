//! What a visitor sees when there is no page to show: the layout, a sentence, and a way on.

use std::convert::Infallible;

use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use conduit::{Caller, Conduit, Error, Outcome, RequestId, Resource, wire};

use crate::{
    App, filters,
    layout::{Layout, Viewer, html},
    visit::{Page, Visit},
};

/// Why there is no page.
#[derive(Clone, Debug)]
pub(crate) enum PageError {
    /// The port could not do what the page needs.
    Port(Error),
    /// The route exists, but not for this method.
    MethodNotAllowed,
    /// The form can't be read, for the reason that this status stands for.
    Unreadable(StatusCode),
    /// The form was sent by another site, see [`crate::origin`].
    ForeignOrigin,
}

impl From<Error> for PageError {
    fn from(error: Error) -> Self {
        Self::Port(error)
    }
}

/// `error.html`
#[derive(Template)]
#[template(path = "error.html")]
pub(crate) struct ErrorPage {
    layout: Layout,
    heading: &'static str,
    explanation: &'static str,
    /// Whether the same address may well work in a moment.
    try_again: bool,
    /// What the visitor can tell us, so that we find the line in the log.
    request_id: Option<String>,
}

impl ErrorPage {
    /// The answer to a visitor whose page failed. This is where an internal error is logged.
    pub(crate) fn answer(layout: Layout, error: &PageError, request_id: &RequestId) -> Response {
        let (status, heading, explanation) = describe(error);
        let internal = status == StatusCode::INTERNAL_SERVER_ERROR;
        if let PageError::Port(Error::Internal(detail)) = error {
            tracing::error!(%request_id, detail, "a page failed");
        }
        let try_again = status == StatusCode::SERVICE_UNAVAILABLE;
        let request_id = internal.then(|| request_id.to_string());
        html(status, &Self { layout, heading, explanation, try_again, request_id })
    }
}

/// Status, heading and explanation.
fn describe(error: &PageError) -> (StatusCode, &'static str, &'static str) {
    match error {
        PageError::Port(error) => describe_port(error),
        PageError::MethodNotAllowed => (
            StatusCode::METHOD_NOT_ALLOWED,
            "That can't be done here",
            "This address does not take that kind of request.",
        ),
        PageError::Unreadable(StatusCode::PAYLOAD_TOO_LARGE) => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "That is too much",
            "The form is longer than we can take. Nothing was changed.",
        ),
        PageError::Unreadable(status) => {
            (*status, DID_NOT_WORK, "The form could not be read. Nothing was changed.")
        }
        PageError::ForeignOrigin => (
            StatusCode::FORBIDDEN,
            "Sent from another site",
            "For your safety, forms are only accepted from our own pages. Nothing was changed.",
        ),
    }
}

const NOT_FOUND: &str = "Page not found";
const DID_NOT_WORK: &str = "That did not work";

/// The same for what the port says.
fn describe_port(error: &Error) -> (StatusCode, &'static str, &'static str) {
    let (status, _) = wire::from_error(error);
    let (heading, explanation) = match error {
        Error::NotFound(Resource::Article) => {
            (NOT_FOUND, "There is no such article. It may have been deleted.")
        }
        Error::NotFound(Resource::Profile) => (NOT_FOUND, "Nobody here goes by that name."),
        Error::NotFound(_) => (NOT_FOUND, "Nothing is published at this address."),
        Error::Unauthorized(_) => ("Please sign in", "This is only shown to people who have."),
        Error::Forbidden(Resource::Queue) => ("That is not yours", "Only operators may do that."),
        Error::Forbidden(_) => ("That is not yours", "Only its author may do that."),
        Error::Conflict(_) => (DID_NOT_WORK, "It collides with something that exists already."),
        Error::Invalid(_) => (DID_NOT_WORK, "A part of the request breaks a rule."),
        Error::Unavailable(Outcome::Unknown) => (
            "Perhaps done, perhaps not",
            "We lost the connection before we heard what came of it. Please look before you try again.",
        ),
        Error::Unavailable(Outcome::NotDone) => (
            "Not available right now",
            "We can't reach a part of Conduit at the moment. Nothing was changed, and this usually passes quickly.",
        ),
        Error::Internal(_) => ("Something went wrong", "That is our fault, and it has been noted."),
    };
    (status, heading, explanation)
}

/// A page that is known from the start not to exist. Who is signed in still has to be asked.
pub(crate) struct NoPage(pub(crate) PageError);

impl<C: Conduit> Page<C> for NoPage {
    type Content = Infallible;

    async fn load(&self, _: &C, _: &Caller) -> Result<Infallible, PageError> {
        Err(self.0.clone())
    }

    fn view(self, _: Layout, content: Infallible) -> impl Template {
        never(content)
    }
}

/// Every page has to name its template, also one that never gets that far.
fn never(content: Infallible) -> ErrorPage {
    match content {}
}

/// Any route that does not exist.
pub(crate) async fn not_found<C: Conduit>(State(app): State<App<C>>, visit: Visit) -> Response {
    visit.show(&app, NoPage(Error::NotFound(Resource::Route).into())).await
}

/// A route that exists, with a method that it does not have.
pub(crate) async fn method_not_allowed<C: Conduit>(
    State(app): State<App<C>>,
    visit: Visit,
) -> Response {
    visit.show(&app, NoPage(PageError::MethodNotAllowed)).await
}
