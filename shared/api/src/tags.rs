//! The tags in use.

use axum::extract::State;
use conduit::{Conduit, wire::TagsBody};

use crate::{Answer, App, Json, extract::Who};

pub(crate) async fn list<C: Conduit>(
    State(app): State<App<C>>,
    Who(caller): Who,
) -> Answer<TagsBody> {
    let tags = app.port.tags(&caller).await?;
    Ok(Json(TagsBody { tags }))
}
