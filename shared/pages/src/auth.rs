//! Signing in, signing up, signing out.

use std::mem;

use askama::Template;
use axum::{
    body::Body,
    extract::{Form, Query, State, rejection::FormRejection},
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use conduit::{
    Caller, Conduit, Credentials, Error, Outcome, Password, Problems, Registration, Unauthorized,
    User,
};
use serde::Deserialize;

use crate::{
    App,
    error::{NoPage, PageError, RETRY_AFTER_SECONDS},
    filters::{self, query_value},
    layout::{Layout, Viewer},
    session,
    visit::{Page, Visit},
};

/// What a form sends. A field that is missing counts as blank, as it does in the API.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Fields {
    username: String,
    email: String,
    password: Password,
    next: Next,
}

/// Where to go after signing in: an address of this site, or the home page.
///
/// The address comes with a link that anybody can have written. Taken as it is, it would lead from
/// our sign-in page to a copy of it elsewhere.
#[derive(Default, Deserialize)]
#[serde(from = "String")]
struct Next(Option<String>);

impl From<String> for Next {
    fn from(address: String) -> Self {
        // Browsers read `//host` and `/\host` as another site, and pass over tabs and line breaks.
        let local = address.starts_with('/') && !address.starts_with("//");
        let plain = address.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
        Self((local && plain).then_some(address))
    }
}

/// Just the part of an address that says where to go next.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct NextQuery {
    next: Next,
}

/// Which of the two forms it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Login,
    Register,
}

/// `auth.html`: the same form, with one field more for signing up.
#[derive(Template)]
#[template(path = "auth.html")]
struct AuthPage {
    layout: Layout,
    kind: Kind,
    /// What the visitor typed before. The password is not among it any more.
    typed: Fields,
    problems: Vec<String>,
}

impl AuthPage {
    /// The link to the other form, which must not forget where to go next.
    fn other_form(&self) -> String {
        let path = match self.kind {
            Kind::Login => "/register",
            Kind::Register => "/login",
        };
        match &self.typed.next.0 {
            Some(next) => format!("{path}?next={}", query_value(next)),
            None => path.to_owned(),
        }
    }
}

/// What is asked for: the form, as empty or as full as it was sent.
struct AuthForm {
    kind: Kind,
    typed: Fields,
    problems: Vec<String>,
}

impl<C: Conduit> Page<C> for AuthForm {
    type Content = ();

    async fn load(&self, _: &C, _: &Caller) -> Result<(), PageError> {
        Ok(())
    }

    fn view(self, layout: Layout, (): ()) -> impl Template {
        let Self { kind, typed, problems } = self;
        AuthPage { layout, kind, typed, problems }
    }
}

/// `GET /login`
pub(crate) async fn login_form<C: Conduit>(State(app): State<App<C>>, visit: Visit) -> Response {
    empty_form(&app, visit, Kind::Login).await
}

/// `GET /register`
pub(crate) async fn register_form<C: Conduit>(State(app): State<App<C>>, visit: Visit) -> Response {
    empty_form(&app, visit, Kind::Register).await
}

async fn empty_form<C: Conduit>(app: &App<C>, visit: Visit, kind: Kind) -> Response {
    let query = Query::<NextQuery>::try_from_uri(visit.uri()).unwrap_or_default();
    let typed = Fields { next: query.0.next, ..Fields::default() };
    visit.show(app, AuthForm { kind, typed, problems: Vec::new() }).await
}

/// `POST /login`
pub(crate) async fn login<C: Conduit>(
    State(app): State<App<C>>,
    visit: Visit,
    sent: Result<Form<Fields>, FormRejection>,
) -> Response {
    let mut fields = match sent {
        Ok(Form(fields)) => fields,
        Err(rejection) => return unreadable(&app, visit, Kind::Login, &rejection).await,
    };
    let password = mem::take(&mut fields.password);
    let credentials = Credentials { email: fields.email.clone(), password };
    let answer = app.port.login(&visit.guest(), credentials).await;
    finish(&app, visit, Kind::Login, fields, answer).await
}

/// `POST /register`
pub(crate) async fn register<C: Conduit>(
    State(app): State<App<C>>,
    visit: Visit,
    sent: Result<Form<Fields>, FormRejection>,
) -> Response {
    let mut fields = match sent {
        Ok(Form(fields)) => fields,
        Err(rejection) => return unreadable(&app, visit, Kind::Register, &rejection).await,
    };
    let password = mem::take(&mut fields.password);
    let (username, email) = (fields.username.clone(), fields.email.clone());
    let answer =
        app.port.register(&visit.guest(), Registration { username, email, password }).await;
    finish(&app, visit, Kind::Register, fields, answer).await
}

/// `POST /logout`: the browser forgets the token. Nobody else knows about sessions, so a token that
/// was copied before stays good until it expires; that is the price of servers without memory.
pub(crate) async fn logout<C: Conduit>(State(app): State<App<C>>) -> Response {
    go_to("/", session::end(app.settings))
}

/// The answer to a form that is no form, or is too long.
async fn unreadable<C: Conduit>(
    app: &App<C>,
    visit: Visit,
    kind: Kind,
    rejection: &FormRejection,
) -> Response {
    let problems = vec!["the form could not be read".to_owned()];
    let refusal = Refusal { status: rejection.status(), problems };
    again(app, visit, kind, Fields::default(), refusal).await
}

/// The answer to a form, once the port has said what came of it.
async fn finish<C: Conduit>(
    app: &App<C>,
    visit: Visit,
    kind: Kind,
    typed: Fields,
    answer: conduit::Result<User>,
) -> Response {
    let error = match answer.and_then(|user| session::begin(&user.token, app.settings)) {
        Ok(cookie) => return go_to(typed.next.0.as_deref().unwrap_or("/"), cookie),
        Err(error) => error,
    };
    match Refusal::of(kind, &error) {
        Some(refusal) => again(app, visit, kind, typed, refusal).await,
        None => visit.show(app, NoPage(error.into())).await,
    }
}

/// The form again, with what is wrong with it.
async fn again<C: Conduit>(
    app: &App<C>,
    visit: Visit,
    kind: Kind,
    typed: Fields,
    Refusal { status, problems }: Refusal,
) -> Response {
    let mut response = visit.show(app, AuthForm { kind, typed, problems }).await;
    // Not if the page has failed by itself, because of who is signed in.
    if response.status() == StatusCode::OK {
        *response.status_mut() = status;
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS);
    }
    response
}

/// After a form has done its work: off to a page, which a reload then shows again instead of
/// sending the form twice.
fn go_to(address: &str, cookie: HeaderValue) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    // `Next` lets nothing through that could not stand in a header.
    let location = HeaderValue::from_str(address).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}

/// What a form says above its fields, and under which status.
struct Refusal {
    status: StatusCode,
    problems: Vec<String>,
}

impl Refusal {
    /// Why signing in or up did not work; `None` if it is nothing that the visitor could change.
    fn of(kind: Kind, error: &Error) -> Option<Self> {
        let one = |status, message: &str| Self { status, problems: vec![message.to_owned()] };
        let all = |status, problems: &Problems| {
            let text = |(field, message)| format!("{field} {message}");
            Self { status, problems: problems.iter().map(text).collect() }
        };
        match error {
            Error::Unauthorized(Unauthorized::Credentials) => {
                Some(one(StatusCode::UNAUTHORIZED, "email or password is invalid"))
            }
            Error::Invalid(problems) => Some(all(StatusCode::UNPROCESSABLE_ENTITY, problems)),
            Error::Conflict(problems) => Some(all(StatusCode::CONFLICT, problems)),
            // It matters whether there is an account now: a second attempt would find the name
            // taken, by the visitor.
            Error::Unavailable(Outcome::Unknown) if kind == Kind::Register => Some(one(
                StatusCode::SERVICE_UNAVAILABLE,
                "We lost the connection and do not know whether your account was created. \
                 Please try to sign in with it before you sign up again.",
            )),
            Error::Unavailable(_) => Some(one(
                StatusCode::SERVICE_UNAVAILABLE,
                "Conduit can't be reached right now. Nothing was changed; please try again.",
            )),
            _ => None,
        }
    }
}
