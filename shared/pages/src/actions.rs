//! The buttons that stand beside an article, an account or a comment: forms without a field to fill
//! in.
//!
//! Each is one call of the port, and then the browser goes back to the page where the button was.
//! Guests see the buttons too, and are asked to sign in.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    response::Response,
};
use conduit::{Conduit, Error, Resource};
use serde::Deserialize;

use crate::{
    App,
    address::{Local, of_article, of_profile, see_other},
    error::{NoPage, PageError},
    flash::Flash,
    form::{Refusal, Sent},
    visit::{Name, Visit},
};

/// What such a form sends.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Button {
    /// The page where the button was.
    back: Local,
}

impl Button {
    /// The visit to the page where the button was, or to `otherwise`.
    fn visit(self, visit: Visit, otherwise: &str) -> Visit {
        visit.at(self.back.0.as_deref().unwrap_or(otherwise))
    }
}

/// What can be done to an article or an account with one of these buttons.
#[derive(Clone, Copy)]
enum Action {
    Favorite,
    Unfavorite,
    Follow,
    Unfollow,
}

/// `POST /article/{slug}/favorite`
pub(crate) async fn favorite<C: Conduit>(
    State(app): State<App<C>>,
    visit: Visit,
    slug: Name,
    sent: Sent<Button>,
) -> Response {
    act(&app, visit, Action::Favorite, &slug, sent).await
}

/// `POST /article/{slug}/unfavorite`
pub(crate) async fn unfavorite<C: Conduit>(
    State(app): State<App<C>>,
    visit: Visit,
    slug: Name,
    sent: Sent<Button>,
) -> Response {
    act(&app, visit, Action::Unfavorite, &slug, sent).await
}

/// `POST /profile/{username}/follow`
pub(crate) async fn follow<C: Conduit>(
    State(app): State<App<C>>,
    visit: Visit,
    username: Name,
    sent: Sent<Button>,
) -> Response {
    act(&app, visit, Action::Follow, &username, sent).await
}

/// `POST /profile/{username}/unfollow`
pub(crate) async fn unfollow<C: Conduit>(
    State(app): State<App<C>>,
    visit: Visit,
    username: Name,
    sent: Sent<Button>,
) -> Response {
    act(&app, visit, Action::Unfollow, &username, sent).await
}

async fn act<C: Conduit>(
    app: &App<C>,
    visit: Visit,
    action: Action,
    name: &Name,
    Sent(sent): Sent<Button>,
) -> Response {
    let name = match name.get() {
        Ok(name) => name,
        Err(error) => return visit.fail(app, error).await,
    };
    let home = match action {
        Action::Favorite | Action::Unfavorite => of_article(name),
        Action::Follow | Action::Unfollow => of_profile(name),
    };
    let visit = match sent {
        Ok(button) => button.visit(visit, &home),
        Err(refusal) => return unreadable(app, visit.at(&home), &refusal).await,
    };
    let (port, caller) = (&app.port, visit.caller());
    let answer = match action {
        Action::Favorite => port.favorite(caller, name).await.map(drop),
        Action::Unfavorite => port.unfavorite(caller, name).await.map(drop),
        Action::Follow => port.follow(caller, name).await.map(drop),
        Action::Unfollow => port.unfollow(caller, name).await.map(drop),
    };
    match answer {
        Ok(()) => see_other(visit.here()),
        Err(error) => visit.fail(app, error).await,
    }
}

/// `POST /article/{slug}/delete`
pub(crate) async fn delete_article<C: Conduit>(
    State(app): State<App<C>>,
    visit: Visit,
    slug: Name,
) -> Response {
    let slug = match slug.get() {
        Ok(slug) => slug,
        Err(error) => return visit.fail(&app, error).await,
    };
    let visit = visit.at(&of_article(slug));
    match app.port.delete_article(visit.caller(), slug).await {
        Ok(()) => Flash::Deleted.after(see_other("/"), app.settings),
        Err(error) => visit.fail(&app, error).await,
    }
}

/// `POST /article/{slug}/comments/{id}/delete`
pub(crate) async fn delete_comment<C: Conduit>(
    State(app): State<App<C>>,
    visit: Visit,
    path: Result<Path<(String, i64)>, PathRejection>,
) -> Response {
    // A number that is none is the number of no comment.
    let Ok(Path((slug, id))) = path else {
        return visit.fail(&app, Error::NotFound(Resource::Comment)).await;
    };
    let visit = visit.at(&of_article(&slug));
    match app.port.delete_comment(visit.caller(), &slug, id).await {
        Ok(()) => see_other(visit.here()),
        Err(error) => visit.fail(&app, error).await,
    }
}

async fn unreadable<C: Conduit>(app: &App<C>, visit: Visit, refusal: &Refusal) -> Response {
    visit.show(app, NoPage(PageError::Unreadable(refusal.status))).await
}
