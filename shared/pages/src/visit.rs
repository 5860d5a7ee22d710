//! What all pages do alike: find out who is looking, ask the port for everything at once, forget a
//! session that is no longer good, and put a layout also around what went wrong.

use std::convert::Infallible;

use askama::Template;
use axum::{
    extract::{FromRequestParts, Path},
    http::{StatusCode, Uri, header, request::Parts},
    response::Response,
};
use conduit::{Caller, Conduit, Error, RequestId, Resource, Unauthorized, wire};

use crate::{
    App, Settings,
    error::{ErrorPage, PageError},
    layout::{Layout, Viewer, html},
    session,
};

/// A page, before it is known what it will say.
///
/// In two steps, because [`Visit::show`] may have to take the first one twice.
pub(crate) trait Page<C: Conduit>: Send + Sync {
    /// What the page shows.
    type Content: Send;

    /// Asks the port for it: all at once, where one thing does not depend on another.
    fn load(
        &self,
        port: &C,
        caller: &Caller,
    ) -> impl Future<Output = Result<Self::Content, PageError>> + Send;

    /// Fills the template.
    fn view(self, layout: Layout, content: Self::Content) -> impl Template;
}

/// One request of a visitor.
pub(crate) struct Visit {
    caller: Caller,
    uri: Uri,
}

impl<C: Conduit> FromRequestParts<App<C>> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App<C>) -> Result<Self, Infallible> {
        Ok(Self::new(parts, app.settings))
    }
}

/// The name that a page's address contains: a slug, a username, a tag.
pub(crate) struct Name(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let name = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(name.ok().map(|Path(name)| name)))
    }
}

impl Name {
    /// The name.
    ///
    /// # Errors
    /// `NotFound` if it is not UTF-8: nothing has such a name.
    pub(crate) fn get(&self) -> conduit::Result<&str> {
        self.0.as_deref().ok_or(Error::NotFound(Resource::Route))
    }
}

impl Visit {
    /// The visit that a request makes, whose time begins to run.
    pub(crate) fn new(parts: &Parts, settings: Settings) -> Self {
        let request_id = wire::to_request_id(&parts.headers)
            .or_else(|| RequestId::parse("none"))
            .expect("`none` is a harmless number");
        let token = session::token(&parts.headers);
        let caller = Caller::new(token, request_id, settings.budget);
        Self { caller, uri: parts.uri.clone() }
    }

    /// The address that was asked for.
    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The caller of a use case for which it does not matter who is signed in. A session that has
    /// gone bad can't get in the way of signing in again.
    pub(crate) fn guest(&self) -> Caller {
        Caller { token: None, ..self.caller.clone() }
    }

    /// Answers with a page.
    ///
    /// The navigation bar's call runs beside those of the page. They all run to their end even if
    /// one fails (`join!` and not `try_join!`), so that a page costs the same number of calls in
    /// every wiring and every run.
    pub(crate) async fn show<C: Conduit, P: Page<C>>(mut self, app: &App<C>, page: P) -> Response {
        let (mut viewer, mut content) =
            tokio::join!(viewer(&app.port, &self.caller), page.load(&app.port, &self.caller));
        let bad_session = self.caller.token.is_some()
            && (viewer.as_ref().is_err_and(is_bad_token)
                || matches!(&content, Err(PageError::Port(error)) if is_bad_token(error)));
        if bad_session {
            // Every call answered that the token is no good. To this visitor that means: signed
            // out. One more round as a guest, and the browser is told to drop the cookie.
            self.caller.token = None;
            (viewer, content) = (Ok(Viewer::Guest), page.load(&app.port, &self.caller).await);
        }
        let (viewer, content) = match viewer {
            Ok(viewer) => (viewer, content),
            Err(error) => (Viewer::Unreachable, Err(error.into())),
        };
        let layout = Layout::new(viewer, self.uri);
        let mut response = match content {
            Ok(content) => html(StatusCode::OK, &page.view(layout, content)),
            Err(error) => ErrorPage::answer(layout, &error, &self.caller.request_id),
        };
        if bad_session {
            response.headers_mut().append(header::SET_COOKIE, session::end(app.settings));
        }
        response
    }
}

fn is_bad_token(error: &Error) -> bool {
    *error == Error::Unauthorized(Unauthorized::Invalid)
}

/// Guests cost no call.
async fn viewer<C: Conduit>(port: &C, caller: &Caller) -> conduit::Result<Viewer> {
    if caller.token.is_none() {
        return Ok(Viewer::Guest);
    }
    match port.current_user(caller).await {
        Ok(user) => Ok(Viewer::Known { username: user.username, image: user.image }),
        Err(Error::Unavailable(_)) => Ok(Viewer::Unreachable),
        Err(error) => Err(error),
    }
}

/// Turns "not available" into `None`, for what a page can do without.
pub(crate) fn optional<T>(result: conduit::Result<T>) -> conduit::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::Unavailable(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
