//! What is done later for the visitor: their exports, with how far each is, and their jobs. While
//! something is under way the script looks again, and without one there is a link for that.

use std::sync::Arc;

use askama::Template;
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderValue, header},
    response::Response,
};
use conduit::{Caller, Conduit, Error, Export, ExportState, Job, JobState, Resource};
use futures_util::stream;

use crate::{
    App,
    address::{of_sign_in, see_other},
    error::PageError,
    filters,
    layout::{Layout, Viewer},
    visit::{Name, Page, Visit},
};

/// Where the page is.
pub(crate) const ADDRESS: &str = "/jobs";

/// `jobs.html`
#[derive(Template)]
#[template(path = "jobs.html")]
struct JobsPage {
    layout: Layout,
    exports: Vec<Export>,
    jobs: Vec<Job>,
}

impl JobsPage {
    /// Whether the page will soon say something else.
    fn is_under_way(&self) -> bool {
        let waits = |job: &Job| !matches!(job.state, JobState::Dead | JobState::Parked);
        self.exports.iter().any(is_under_way) || self.jobs.iter().any(waits)
    }
}

fn is_under_way(export: &Export) -> bool {
    matches!(export.state, ExportState::Waiting | ExportState::Running)
}

struct Overview;

impl<C: Conduit> Page<C> for Overview {
    type Content = (Vec<Export>, Vec<Job>);

    async fn load(&self, port: &C, caller: &Caller) -> Result<Self::Content, PageError> {
        let (exports, jobs) = tokio::join!(port.exports(caller), port.jobs(caller));
        Ok((exports?, jobs?))
    }

    fn guests_go_to(&self, here: &str) -> Option<String> {
        Some(of_sign_in(here))
    }

    fn view(self, layout: Layout, (exports, jobs): Self::Content) -> impl Template {
        JobsPage { layout, exports, jobs }
    }
}

/// `GET /jobs`
pub(crate) async fn show<C: Conduit>(State(app): State<App<C>>, visit: Visit) -> Response {
    visit.show(&app, Overview).await
}

/// `POST /jobs/export`
pub(crate) async fn start_export<C: Conduit>(State(app): State<App<C>>, visit: Visit) -> Response {
    match app.port.start_export(visit.caller()).await {
        Ok(_) => see_other(ADDRESS),
        Err(error) => visit.at(ADDRESS).fail(&app, error).await,
    }
}

/// `GET /jobs/exports/{id}`: the file, chunk by chunk. However long it is, one chunk is in memory.
pub(crate) async fn download<C: Conduit>(
    State(app): State<App<C>>,
    visit: Visit,
    id: Name,
) -> Response {
    match open(&app, &visit, &id).await {
        Ok(response) => response,
        Err(error) => visit.fail(&app, error).await,
    }
}

async fn open<C: Conduit>(app: &App<C>, visit: &Visit, id: &Name) -> conduit::Result<Response> {
    let not_found = Error::NotFound(Resource::Export);
    let id: i64 = id.get()?.parse().map_err(|_| not_found.clone())?;
    let exports = app.port.exports(visit.caller()).await?;
    let is_it = |export: &Export| export.id == id && export.state == ExportState::Ready;
    let export = exports.into_iter().find(is_it).ok_or(not_found)?;

    // The first one now, so that what is wrong with it can still be said on a page.
    let first = app.port.export_chunk(visit.caller(), id, 0).await?;
    let (port, caller) = (app.port.clone(), Arc::new(visit.caller().clone()));
    let budget = app.settings.budget;
    let rest = stream::unfold(1..export.chunks, move |mut numbers| {
        let (port, caller) = (port.clone(), caller.clone());
        async move {
            let number = numbers.next()?;
            // Each chunk has as much time as a page.
            let Caller { token, request_id, .. } = (*caller).clone();
            let caller = Caller::new(token, request_id, budget);
            let chunk = port.export_chunk(&caller, id, number).await.map(Bytes::from);
            Some((chunk, numbers))
        }
    });
    let first = stream::iter([Ok::<_, Error>(Bytes::from(first))]);
    let mut response = Response::new(Body::from_stream(stream::StreamExt::chain(first, rest)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/epub+zip"));
    let name = HeaderValue::from_static("attachment; filename=\"articles.epub\"");
    headers.insert(header::CONTENT_DISPOSITION, name);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(export.bytes));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok(response)
}
