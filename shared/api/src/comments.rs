//! What readers wrote under an article.

use axum::{Json, extract::State};
use conduit::{Conduit, wire::CommentsBody};

use crate::{
    Answer, App,
    extract::{Name, Who},
};

pub(crate) async fn list<C: Conduit>(
    State(app): State<App<C>>,
    Who(caller): Who,
    Name(slug): Name,
) -> Answer<CommentsBody> {
    let comments = app.port.comments(&caller, &slug).await?;
    Ok(Json(CommentsBody { comments }))
}
