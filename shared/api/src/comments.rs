//! What readers wrote under an article.

use axum::{extract::State, http::StatusCode};
use conduit::{
    Comment, Conduit, NewComment,
    wire::{CommentBody, CommentsBody},
};

use crate::{
    Answer, App, Json,
    extract::{Body, Name, Numbered, SignedIn, Who},
    failure::Failure,
};

pub(crate) async fn list<C: Conduit>(
    State(app): State<App<C>>,
    Who(caller): Who,
    Name(slug): Name,
) -> Answer<CommentsBody> {
    let comments = app.port.comments(&caller, &slug).await?;
    Ok(Json(CommentsBody { comments }))
}

pub(crate) async fn add<C: Conduit>(
    State(app): State<App<C>>,
    SignedIn(caller): SignedIn,
    Name(slug): Name,
    Body(new): Body<CommentBody<NewComment>>,
) -> Result<(StatusCode, Json<CommentBody<Comment>>), Failure> {
    let comment = app.port.add_comment(&caller, &slug, new.comment).await?;
    Ok((StatusCode::CREATED, Json(CommentBody { comment })))
}

pub(crate) async fn delete<C: Conduit>(
    State(app): State<App<C>>,
    SignedIn(caller): SignedIn,
    Numbered(slug, id): Numbered,
) -> Result<StatusCode, Failure> {
    app.port.delete_comment(&caller, &slug, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
