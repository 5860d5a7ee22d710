//! Signing in, signing up, signing out.

use std::mem;

use askama::Template;
use axum::{
    extract::{Query, State},
    http::{HeaderValue, header},
    response::Response,
};
use conduit::{Caller, Conduit, Credentials, Password, Registration, User};
use serde::Deserialize;

use crate::{
    App,
    address::{Local, see_other},
    error::PageError,
    filters::{self, query_value},
    form::{NOTHING_CHANGED, Refusal, Sent},
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
    next: Local,
}

/// Just the part of an address that says where to go next.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct NextQuery {
    next: Local,
}

/// Which of the two forms it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Login,
    Register,
}

impl Kind {
    /// What to say when the answer was lost. It matters whether there is an account now: a second
    /// attempt would find the name taken, by the visitor. Signing in changes nothing.
    fn doubt(self) -> &'static str {
        match self {
            Self::Login => NOTHING_CHANGED,
            Self::Register => {
                "We lost the connection and do not know whether your account was created. \
                 Please try to sign in with it before you sign up again."
            }
        }
    }
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
    Sent(sent): Sent<Fields>,
) -> Response {
    let mut fields = match sent {
        Ok(fields) => fields,
        Err(refusal) => return again(&app, visit, Kind::Login, Fields::default(), refusal).await,
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
    Sent(sent): Sent<Fields>,
) -> Response {
    let mut fields = match sent {
        Ok(fields) => fields,
        Err(refusal) => {
            return again(&app, visit, Kind::Register, Fields::default(), refusal).await;
        }
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
    with_cookie(see_other("/"), session::end(app.settings))
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
        Ok(cookie) => {
            return with_cookie(see_other(typed.next.0.as_deref().unwrap_or("/")), cookie);
        }
        Err(error) => error,
    };
    match Refusal::of(&error, kind.doubt()) {
        Some(refusal) => again(app, visit, kind, typed, refusal).await,
        None => visit.fail(app, error).await,
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
    visit.show_as(status, app, AuthForm { kind, typed, problems }).await
}

fn with_cookie(mut response: Response, cookie: HeaderValue) -> Response {
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
}
