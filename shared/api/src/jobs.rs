//! What is done later, and what comes of it.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
};
use conduit::{
    Conduit,
    wire::{self, ExportBody, ExportsBody, JobsBody, QueueBody, RelatedBody},
};

use crate::{
    Answer, App, Json,
    extract::{Chunk, JobNumber, Name, SignedIn, Who},
    failure::Failure,
};

pub(crate) async fn related<C: Conduit>(
    State(app): State<App<C>>,
    Who(caller): Who,
    Name(slug): Name,
) -> Answer<RelatedBody> {
    let articles = app.port.related(&caller, &slug).await?;
    Ok(Json(RelatedBody { articles }))
}

pub(crate) async fn start_export<C: Conduit>(
    State(app): State<App<C>>,
    SignedIn(caller): SignedIn,
) -> Result<(StatusCode, Json<ExportBody>), Failure> {
    let export = app.port.start_export(&caller).await?;
    Ok((StatusCode::ACCEPTED, Json(ExportBody { export })))
}

pub(crate) async fn exports<C: Conduit>(
    State(app): State<App<C>>,
    SignedIn(caller): SignedIn,
) -> Answer<ExportsBody> {
    let exports = app.port.exports(&caller).await?;
    Ok(Json(ExportsBody { exports }))
}

pub(crate) async fn export_chunk<C: Conduit>(
    State(app): State<App<C>>,
    SignedIn(caller): SignedIn,
    Chunk(id, number): Chunk,
) -> Result<impl IntoResponse, Failure> {
    let chunk = app.port.export_chunk(&caller, id, number).await?;
    Ok(([(CONTENT_TYPE, "application/octet-stream")], chunk))
}

pub(crate) async fn list<C: Conduit>(
    State(app): State<App<C>>,
    SignedIn(caller): SignedIn,
) -> Answer<JobsBody> {
    let jobs = app.port.jobs(&caller).await?;
    Ok(Json(JobsBody { jobs }))
}

pub(crate) async fn queue<C: Conduit>(
    State(app): State<App<C>>,
    Who(caller): Who,
    headers: HeaderMap,
) -> Answer<QueueBody> {
    let queue = app.port.queue(&caller, &wire::to_operator(&headers)).await?;
    Ok(Json(QueueBody { queue }))
}

pub(crate) async fn retry<C: Conduit>(
    State(app): State<App<C>>,
    Who(caller): Who,
    JobNumber(id): JobNumber,
    headers: HeaderMap,
) -> Result<StatusCode, Failure> {
    app.port.retry_job(&caller, &wire::to_operator(&headers), id).await?;
    Ok(StatusCode::ACCEPTED)
}
