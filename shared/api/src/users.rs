//! Opening an account, signing in, and one's own account.

use axum::{extract::State, http::StatusCode};
use conduit::{Conduit, Credentials, Registration, User, UserUpdate, wire::UserBody};

use crate::{
    Answer, App, Json,
    extract::{Body, SignedIn, Who},
    failure::Failure,
};

pub(crate) async fn register<C: Conduit>(
    State(app): State<App<C>>,
    Who(caller): Who,
    Body(new): Body<UserBody<Registration>>,
) -> Result<(StatusCode, Json<UserBody<User>>), Failure> {
    let user = app.port.register(&caller, new.user).await?;
    Ok((StatusCode::CREATED, Json(UserBody { user })))
}

pub(crate) async fn login<C: Conduit>(
    State(app): State<App<C>>,
    Who(caller): Who,
    Body(credentials): Body<UserBody<Credentials>>,
) -> Answer<UserBody<User>> {
    let user = app.port.login(&caller, credentials.user).await?;
    Ok(Json(UserBody { user }))
}

pub(crate) async fn current<C: Conduit>(
    State(app): State<App<C>>,
    SignedIn(caller): SignedIn,
) -> Answer<UserBody<User>> {
    let user = app.port.current_user(&caller).await?;
    Ok(Json(UserBody { user }))
}

pub(crate) async fn update<C: Conduit>(
    State(app): State<App<C>>,
    SignedIn(caller): SignedIn,
    Body(changes): Body<UserBody<UserUpdate>>,
) -> Answer<UserBody<User>> {
    let user = app.port.update_user(&caller, changes.user).await?;
    Ok(Json(UserBody { user }))
}
