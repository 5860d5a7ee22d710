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
    address::{of_sign_in, see_other},
    error::{ErrorPage, NoPage, PageError},
    flash::Flash,
    layout::{Layout, Viewer, here, html},
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

    /// Where guests are sent instead, if `here` is a page for people who are signed in.
    fn guests_go_to(&self, _here: &str) -> Option<String> {
        None
    }

    /// Whether this visitor may see it.
    ///
    /// # Errors
    /// `Forbidden`, or what else keeps the page from them.
    fn admits(&self, _viewer: &Viewer, _content: &Self::Content) -> Result<(), PageError> {
        Ok(())
    }

    /// Fills the template.
    fn view(self, layout: Layout, content: Self::Content) -> impl Template;
}

/// One request of a visitor.
pub(crate) struct Visit {
    caller: Caller,
    uri: Uri,
    /// What is left to be said about the form before.
    flash: Option<Flash>,
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
        Self { caller, uri: parts.uri.clone(), flash: Flash::read(&parts.headers) }
    }

    /// The same visit, as if it were to the page at `address`: the one with the form that was sent.
    /// Links that lead back lead there.
    pub(crate) fn at(self, address: &str) -> Self {
        Self { uri: address.parse().unwrap_or(self.uri), ..self }
    }

    /// The address that was asked for.
    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// On whose behalf the port is called.
    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
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
    pub(crate) fn show<C: Conduit, P: Page<C>>(
        self,
        app: &App<C>,
        page: P,
    ) -> impl Future<Output = Response> + Send {
        self.show_as(StatusCode::OK, app, page)
    }

    /// Answers with a page that has its own status, if it can be shown at all.
    #[expect(clippy::manual_async_fn, reason = "what an `async fn` is given it would keep twice")]
    pub(crate) fn show_as<C: Conduit, P: Page<C>>(
        mut self,
        status: StatusCode,
        app: &App<C>,
        page: P,
    ) -> impl Future<Output = Response> + Send {
        async move {
            let elsewhere = page.guests_go_to(self.here());
            if let (Some(elsewhere), None) = (&elsewhere, &self.caller.token) {
                return see_other(elsewhere);
            }
            let (mut viewer, mut content) =
                tokio::join!(viewer(&app.port, &self.caller), page.load(&app.port, &self.caller));
            let bad_session = self.caller.token.is_some()
                && (viewer.as_ref().is_err_and(is_bad_token)
                    || matches!(&content, Err(PageError::Port(error)) if is_bad_token(error)));
            if bad_session {
                // Every call answered that the token is no good. To this visitor that means: signed
                // out. One more round as a guest, and the browser is told to drop the cookie.
                if let Some(elsewhere) = elsewhere {
                    return signed_out(see_other(&elsewhere), app.settings);
                }
                self.caller.token = None;
                (viewer, content) = (Ok(Viewer::Guest), page.load(&app.port, &self.caller).await);
            }
            let mut response = self.answer(status, page, viewer, content);
            if self.flash.is_some() {
                response.headers_mut().append(header::SET_COOKIE, Flash::said(app.settings));
            }
            if bad_session { signed_out(response, app.settings) } else { response }
        }
    }

    /// The page, or why there is none.
    fn answer<C: Conduit, P: Page<C>>(
        &self,
        status: StatusCode,
        page: P,
        viewer: conduit::Result<Viewer>,
        content: Result<P::Content, PageError>,
    ) -> Response {
        let (viewer, content) = match viewer {
            Ok(viewer) => (viewer, content),
            Err(error) => (Viewer::Unreachable, Err(error.into())),
        };
        let content = content.and_then(|content| {
            page.admits(&viewer, &content)?;
            Ok(content)
        });
        let layout = Layout::new(viewer, self.uri.clone(), self.flash);
        match content {
            Ok(content) => html(status, &page.view(layout, content)),
            Err(error) => ErrorPage::answer(layout, &error, &self.caller.request_id),
        }
    }

    /// Answers a form that can't be helped by another look at it: its sender has to sign in first,
    /// or what it is about is not there, or not theirs.
    pub(crate) async fn fail<C: Conduit>(self, app: &App<C>, error: Error) -> Response {
        match error {
            Error::Unauthorized(Unauthorized::Missing) => see_other(&of_sign_in(self.here())),
            Error::Unauthorized(Unauthorized::Invalid) => {
                signed_out(see_other(&of_sign_in(self.here())), app.settings)
            }
            error => self.show(app, NoPage(error.into())).await,
        }
    }

    /// Path and query of the page.
    pub(crate) fn here(&self) -> &str {
        here(&self.uri)
    }
}

/// Tells the browser to drop its session, which is no good.
fn signed_out(mut response: Response, settings: Settings) -> Response {
    response.headers_mut().append(header::SET_COOKIE, session::end(settings));
    response
}

fn is_bad_token(error: &Error) -> bool {
    *error == Error::Unauthorized(Unauthorized::Invalid)
}

/// Guests cost no call.
async fn viewer<C: Conduit>(port: &C, caller: &Caller) -> conduit::Result<Viewer> {
    if caller.token.is_none() {
        return Ok(Viewer::Guest);
    }
    // On the heap, so that it takes no place in what guests wait for.
    match Box::pin(port.current_user(caller)).await {
        Ok(user) => Ok(Viewer::Known(user)),
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
