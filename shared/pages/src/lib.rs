//! The HTML front door: every page of the app, rendered on the server, generic over the port.
//!
//! [`router`] is all there is to call. It does not know whether the port behind it is a database in
//! the same process or another server; that is why both architectures send the same bytes.
//!
//! Read in this order: the list of routes below; `visit` (what every page does alike: who is
//! looking, one round of concurrent calls, what happens when a call fails); then any page, for
//! instance `article`. A page is what it asks the port for, a struct, and the struct's template.

mod actions;
mod address;
mod article;
mod assets;
mod auth;
mod cookie;
mod editor;
mod error;
mod escape;
mod feed;
mod filters;
mod flash;
mod form;
mod jobs;
mod layout;
mod markdown;
mod operator;
mod origin;
mod pagination;
mod profile;
mod session;
mod settings;
mod visit;

pub use assets::address_of;

use std::time::Duration;

use axum::{
    Router, middleware,
    routing::{get, post},
};
use conduit::Conduit;

/// What a front door has to be told.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long one page may take, all its calls of the port together.
    pub budget: Duration,
    /// Whether browsers may send the session cookie over HTTPS only. Must be off where the site is
    /// reached over plain HTTP, else nobody can stay signed in.
    pub secure_cookies: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { budget: Duration::from_secs(2), secure_cookies: false }
    }
}

/// What every handler is given.
#[derive(Clone)]
struct App<C> {
    port: C,
    settings: Settings,
}

/// Every path of the pages once, for whoever names requests by their route.
pub const ROUTES: &[&str] = &[
    "/",
    "/tag/{tag}",
    address::ARTICLE,
    "/article/{slug}/favorite",
    "/article/{slug}/unfavorite",
    "/article/{slug}/delete",
    "/article/{slug}/comments",
    "/article/{slug}/comments/{id}/delete",
    address::PROFILE,
    "/profile/{username}/favorites",
    "/profile/{username}/follow",
    "/profile/{username}/unfollow",
    "/login",
    "/register",
    "/logout",
    "/settings",
    "/editor",
    address::EDITOR,
    jobs::ADDRESS,
    "/jobs/export",
    "/jobs/exports/{id}",
    "/operator",
    "/operator/jobs/{id}/retry",
    "/static/{hash}/{name}",
];

/// All pages, on any implementation of the port. Meant to stand at the root of a server; an API may
/// be merged with it, and keeps its own answers to unknown routes.
pub fn router<C: Conduit>(port: C, settings: Settings) -> Router {
    let app = App { port, settings };
    // What changes something stands here, where no other site can reach it.
    let forms = Router::new()
        .route("/login", post(auth::login))
        .route("/register", post(auth::register))
        .route("/logout", post(auth::logout))
        .route("/settings", post(settings::update))
        .route("/editor", post(editor::publish))
        .route(address::EDITOR, post(editor::save))
        .route("/article/{slug}/favorite", post(actions::favorite))
        .route("/article/{slug}/unfavorite", post(actions::unfavorite))
        .route("/article/{slug}/delete", post(actions::delete_article))
        .route("/article/{slug}/comments", post(article::comment))
        .route("/article/{slug}/comments/{id}/delete", post(actions::delete_comment))
        .route("/profile/{username}/follow", post(actions::follow))
        .route("/profile/{username}/unfollow", post(actions::unfollow))
        .route("/jobs/export", post(jobs::start_export))
        .route("/operator", post(operator::open))
        .route("/operator/jobs/{id}/retry", post(operator::retry))
        .layer(middleware::from_fn_with_state(app.clone(), origin::check));
    Router::new()
        .route("/", get(feed::home))
        .route("/tag/{tag}", get(feed::tag))
        .route(address::ARTICLE, get(article::show))
        .route(address::PROFILE, get(profile::written))
        .route("/profile/{username}/favorites", get(profile::favorited))
        .route("/login", get(auth::login_form))
        .route("/register", get(auth::register_form))
        .route("/settings", get(settings::form))
        .route("/editor", get(editor::empty))
        .route(address::EDITOR, get(editor::open))
        .route(jobs::ADDRESS, get(jobs::show))
        .route("/jobs/exports/{id}", get(jobs::download))
        .route("/operator", get(operator::show))
        .route("/static/{hash}/{name}", get(assets::serve))
        .merge(forms)
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .with_state(app)
}
