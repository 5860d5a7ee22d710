//! Accounts as others see them.

use axum::{Json, extract::State};
use conduit::{Conduit, wire::ProfileBody};

use crate::{
    Answer, App,
    extract::{Name, Who},
};

pub(crate) async fn show<C: Conduit>(
    State(app): State<App<C>>,
    Who(caller): Who,
    Name(username): Name,
) -> Answer<ProfileBody> {
    let profile = app.port.profile(&caller, &username).await?;
    Ok(Json(ProfileBody { profile }))
}
