//! The JSON front door: the public API of the app, over whichever implementation of the port it is
//! given.
//!
//! A handler takes the request apart, calls the port, and wraps the answer. It decides nothing: the
//! rules stand behind the port, where the HTML front door meets the same ones. How requests and
//! answers look stands in [`conduit::wire`], where the client of this API finds it too.
//!
//! Reading order: [`router`] below (every route there is), any handler, `extract` (what a handler
//! may ask for), `failure` (what becomes of an error), `openapi` (how all of it is described), `docs`
//! (the same for human eyes), [`Cors`] (which browsers' pages may call).

mod answer;
mod articles;
mod comments;
mod cors;
mod docs;
mod extract;
mod failure;
mod jobs;
mod openapi;
mod profiles;
mod tags;
mod users;

use axum::{
    Router,
    routing::{any, delete, get, post},
};
use conduit::{
    Conduit, Error, Resource,
    wire::{API, path},
};

use answer::Json;
pub use cors::{Cors, CorsArgs};
use failure::Failure;
pub use openapi::document;

/// What the handlers share. A struct of its own around the port, because axum can't infer the type
/// of a bare `State<C>`.
#[derive(Clone)]
struct App<C> {
    port: C,
}

/// What a handler returns: an envelope of the contract, or an error.
type Answer<T> = Result<Json<T>, Failure>;

/// Every path of the API, relative to [`conduit::wire::API`], for whoever names requests by their route.
pub const ROUTES: &[&str] = &[
    path::USERS,
    path::LOGIN,
    path::USER,
    path::PROFILE,
    path::FOLLOW,
    path::ARTICLES,
    path::FEED,
    path::ARTICLE,
    path::FAVORITE,
    path::COMMENTS,
    path::COMMENT,
    path::TAGS,
    openapi::PATH,
    docs::PAGE,
    docs::SCRIPT,
    docs::STYLESHEET,
    path::RELATED,
    path::EXPORTS,
    path::EXPORT_CHUNK,
    path::JOBS,
    path::QUEUE,
    path::RETRY,
];

/// The API, below [`conduit::wire::API`]. It answers all that is there, unknown routes as well, so a server
/// can have other content beside it. (Whole paths in one router: to take the common beginning off each
/// request's path and to look up the rest in a second router costs more.)
pub fn router<C: Conduit>(port: C) -> Router {
    let at = |path: &str| format!("{API}{path}");
    Router::new()
        .route(&at(path::USERS), post(users::register))
        .route(&at(path::LOGIN), post(users::login))
        .route(&at(path::USER), get(users::current).put(users::update))
        .route(&at(path::PROFILE), get(profiles::show))
        .route(&at(path::FOLLOW), post(profiles::follow).delete(profiles::unfollow))
        .route(&at(path::ARTICLES), get(articles::list).post(articles::create))
        .route(&at(path::FEED), get(articles::feed))
        .route(
            &at(path::ARTICLE),
            get(articles::show).put(articles::update).delete(articles::delete),
        )
        .route(&at(path::FAVORITE), post(articles::favorite).delete(articles::unfavorite))
        .route(&at(path::COMMENTS), get(comments::list).post(comments::add))
        .route(&at(path::COMMENT), delete(comments::delete))
        .route(&at(path::TAGS), get(tags::list))
        .route(&at(openapi::PATH), get(openapi::serve))
        .route(&at(docs::PAGE), get(docs::page))
        .route(&at(docs::SCRIPT), get(docs::script))
        .route(&at(docs::STYLESHEET), get(docs::stylesheet))
        .route(&at(path::RELATED), get(jobs::related))
        .route(&at(path::EXPORTS), get(jobs::exports).post(jobs::start_export))
        .route(&at(path::EXPORT_CHUNK), get(jobs::export_chunk))
        .route(&at(path::JOBS), get(jobs::list))
        .route(&at(path::QUEUE), get(jobs::queue))
        .route(&at(path::RETRY), post(jobs::retry))
        .route(&at(""), any(unknown_route))
        .route(&at("/"), any(unknown_route))
        .route(&at("/{*unknown}"), any(unknown_route))
        .method_not_allowed_fallback(unknown_method)
        .with_state(App { port })
}

async fn unknown_route() -> Failure {
    Error::NotFound(Resource::Route).into()
}

/// The router adds the `Allow` header.
async fn unknown_method() -> Failure {
    Failure::method()
}
