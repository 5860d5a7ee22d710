//! Both architectures as routers in one process.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::{self, Body},
};
use bytes::Bytes;
use conduit::Conduit;
use contract::parity::{Answer, Arm, Target};
use http::HeaderValue;
use pages::Settings;
use remote::Remote;
use tower::ServiceExt;

use crate::served::{Served, remote};

/// The servers of one architecture, as routers.
pub(crate) struct Architecture {
    pub(crate) pages: Router,
    pub(crate) api: Router,
    /// The backend that the pages call, if they are not in the same server.
    pub(crate) _backend: Option<Served>,
}

/// Enough also when every core is busy with other tests: a page that comes too late is another page.
pub(crate) fn settings() -> Settings {
    Settings { budget: Duration::from_secs(20), ..Settings::default() }
}

/// One server for everything.
pub(crate) fn monolith(here: impl Conduit) -> Architecture {
    let server = api::router(here.clone()).merge(pages::router(here, settings()));
    Architecture { pages: server.clone(), api: server, _backend: None }
}

/// Pages in one server, everything else in another.
pub(crate) async fn split(here: impl Conduit) -> Architecture {
    split_by(remote, here).await
}

/// The same, where this makes the client for the backend's address.
pub(crate) async fn split_by(
    client: impl Fn(SocketAddr) -> Remote,
    here: impl Conduit,
) -> Architecture {
    let api = api::router(here.clone());
    let backend = Served::api(here).await;
    let pages = pages::router(client(backend.address), settings());
    Architecture { pages, api, _backend: Some(backend) }
}

impl Arm for Architecture {
    fn authority(&self, _: Target) -> String {
        "conduit.example".to_owned()
    }

    async fn send(&self, target: Target, request: http::Request<Bytes>) -> anyhow::Result<Answer> {
        let server = match target {
            Target::Page => &self.pages,
            Target::Api => &self.api,
        };
        let mut request = request.map(Body::from);
        // Plenty of time, for the API as well.
        request.headers_mut().insert(conduit::wire::BUDGET_MS, HeaderValue::from(20_000));
        let response = server.clone().oneshot(request).await?;
        let (parts, body) = response.into_parts();
        let body = body::to_bytes(body, usize::MAX).await?;
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }
}
