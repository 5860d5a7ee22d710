//! Who reads and who writes while several servers are measured.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, ensure};
use bytes::Bytes;
use conduit::{Caller, Conduit, Credentials, ListArticles, Password, RequestId, wire::path::of};
use contract::dataset::PASSWORD;
use http::{
    HeaderValue, Method, Request, StatusCode, Uri,
    header::{CONTENT_TYPE, COOKIE, ORIGIN},
};
use in_process::Clock;

use crate::{
    load::{Body, Connections},
    site::Site,
};

/// Time for what is looked up before.
const BUDGET: Duration = Duration::from_secs(20);

/// Who writes, and about what.
pub(super) struct Writer {
    session: HeaderValue,
    /// The newest article's.
    slug: String,
}

impl Writer {
    /// An account of the data, signed in: all servers have the same secret, and so take its token.
    pub(super) async fn of(site: &Site) -> anyhow::Result<Self> {
        let app = site.seeded.open(&site.rig.token_secret, Clock::system()).await?;
        let id = RequestId::parse("lab").context("no number")?;
        let guest = Caller::new(None, id, BUDGET);
        let newest = ListArticles { limit: 1, ..ListArticles::default() };
        let newest = app.articles(&guest, &newest).await?.articles.pop().context("no article")?;
        let email = site.dataset.user(0).email;
        let credentials = Credentials { email, password: Password::new(PASSWORD) };
        let token = app.login(&guest, credentials).await?.token;
        app.close().await;
        let session = HeaderValue::try_from(format!("conduit_session={}", token.expose()))?;
        Ok(Self { session, slug: newest.slug })
    }

    /// Marks the newest article, or takes the mark away, as a visitor of `front` who is signed in does.
    pub(super) async fn like(
        &self,
        visitor: &Connections,
        front: SocketAddr,
        wanted: bool,
    ) -> anyhow::Result<()> {
        let what = if wanted { "/article/{}/favorite" } else { "/article/{}/unfavorite" };
        let mut request = Request::new(Body::default());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = of(what, &self.slug).parse()?;
        let headers = request.headers_mut();
        headers.insert(COOKIE, self.session.clone());
        headers.insert(ORIGIN, HeaderValue::try_from(format!("http://{front}"))?);
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        let status = visitor.send(request).await?.status;
        ensure!(status == StatusCode::SEE_OTHER, "a write was answered by {status}");
        Ok(())
    }
}

/// A page, as somebody gets it who is not signed in.
pub(super) async fn page(server: &Connections, address: &Uri) -> anyhow::Result<Bytes> {
    let mut request = Request::new(Body::default());
    *request.uri_mut() = address.clone();
    let answer = server.send(request).await?;
    ensure!(answer.status == StatusCode::OK, "{address} was answered by {}", answer.status);
    Ok(answer.body)
}
