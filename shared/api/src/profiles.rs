//! Accounts as others see them.

use axum::extract::State;
use conduit::{Conduit, wire::ProfileBody};

use crate::{
    Answer, App, Json,
    extract::{Name, SignedIn, Who},
};

pub(crate) async fn show<C: Conduit>(
    State(app): State<App<C>>,
    Who(caller): Who,
    Name(username): Name,
) -> Answer<ProfileBody> {
    let profile = app.port.profile(&caller, &username).await?;
    Ok(Json(ProfileBody { profile }))
}

pub(crate) async fn follow<C: Conduit>(
    State(app): State<App<C>>,
    SignedIn(caller): SignedIn,
    Name(username): Name,
) -> Answer<ProfileBody> {
    let profile = app.port.follow(&caller, &username).await?;
    Ok(Json(ProfileBody { profile }))
}

pub(crate) async fn unfollow<C: Conduit>(
    State(app): State<App<C>>,
    SignedIn(caller): SignedIn,
    Name(username): Name,
) -> Answer<ProfileBody> {
    let profile = app.port.unfollow(&caller, &username).await?;
    Ok(Json(ProfileBody { profile }))
}
