//! The queue of jobs, for operators. They show a token of their own, which the browser keeps in a
//! cookie; whether it is the right one, only what stands behind the port can tell.

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header::SET_COOKIE},
    response::Response,
};
use conduit::{COUNTED, Caller, Conduit, Error, Queue, Resource, Token};
use serde::Deserialize;

use crate::{
    App,
    address::see_other,
    cookie,
    error::PageError,
    filters,
    form::Sent,
    layout::{Layout, Viewer},
    visit::{Name, Page, Visit},
};

/// Where the page is.
const ADDRESS: &str = "/operator";

const COOKIE: &str = "conduit_operator";

/// How long the browser keeps the token.
const MAX_AGE_SECONDS: u32 = 8 * 60 * 60;

/// `operator.html`
#[derive(Template)]
#[template(path = "operator.html")]
struct OperatorPage {
    layout: Layout,
    /// `None` without the right token.
    queue: Option<Queue>,
    /// Whether a wrong one was shown.
    refused: bool,
}

/// What the form sends.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Fields {
    token: String,
}

struct Overview {
    token: Option<Token>,
}

impl<C: Conduit> Page<C> for Overview {
    type Content = Option<Queue>;

    async fn load(&self, port: &C, caller: &Caller) -> Result<Self::Content, PageError> {
        let Some(token) = &self.token else { return Ok(None) };
        match port.queue(caller, token).await {
            Ok(queue) => Ok(Some(queue)),
            Err(Error::Forbidden(Resource::Queue)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn view(self, layout: Layout, queue: Self::Content) -> impl Template {
        let refused = self.token.is_some() && queue.is_none();
        OperatorPage { layout, queue, refused }
    }
}

fn shown(headers: &HeaderMap) -> Option<Token> {
    cookie::read(headers, COOKIE).map(Token::new)
}

/// `GET /operator`
pub(crate) async fn show<C: Conduit>(
    State(app): State<App<C>>,
    visit: Visit,
    headers: HeaderMap,
) -> Response {
    visit.show(&app, Overview { token: shown(&headers) }).await
}

/// `POST /operator`
pub(crate) async fn open<C: Conduit>(
    State(app): State<App<C>>,
    visit: Visit,
    Sent(sent): Sent<Fields>,
) -> Response {
    let token = sent.map(|fields| fields.token.trim().to_owned()).unwrap_or_default();
    let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b';' | b',' | b'"' | b'\\');
    let cookie = cookie::set(COOKIE, &token, MAX_AGE_SECONDS, app.settings);
    match cookie {
        Ok(cookie) if !token.is_empty() && token.bytes().all(plain) => {
            let mut response = see_other(ADDRESS);
            response.headers_mut().append(SET_COOKIE, cookie);
            response
        }
        // No token looks like that.
        _ => {
            let page = Overview { token: Some(Token::new("?")) };
            visit.at(ADDRESS).show_as(StatusCode::UNPROCESSABLE_ENTITY, &app, page).await
        }
    }
}

/// `POST /operator/jobs/{id}/retry`
pub(crate) async fn retry<C: Conduit>(
    State(app): State<App<C>>,
    visit: Visit,
    id: Name,
    headers: HeaderMap,
) -> Response {
    let done = async {
        let id = id.get()?.parse().map_err(|_| Error::NotFound(Resource::Job))?;
        let token = shown(&headers).unwrap_or(Token::new(""));
        app.port.retry_job(visit.caller(), &token, id).await
    };
    match done.await {
        // Somebody else was faster, and the page shows it.
        Ok(()) | Err(Error::NotFound(Resource::Job)) => see_other(ADDRESS),
        Err(error) => visit.at(ADDRESS).fail(&app, error).await,
    }
}
