//! What visitors ask for.

use std::{net::SocketAddr, sync::Arc};

use contract::dataset::Dataset;
use http::Uri;

use crate::{load::Target, record::Page};

/// Articles that are asked for, at most. More would be a test of the disk, not of the server.
const ARTICLES: u64 = 1_000;

/// The addresses of every kind of page.
#[derive(Clone, Debug)]
pub struct Visitors {
    home: Arc<[Uri]>,
    articles: Arc<[Uri]>,
}

impl Visitors {
    /// Visitors of a site with this data.
    pub fn of(dataset: &Dataset) -> anyhow::Result<Self> {
        let path = |index| Ok(format!("/article/{}", dataset.article(index).slug).parse()?);
        let articles: anyhow::Result<Vec<Uri>> =
            (0..dataset.size().articles.min(ARTICLES)).map(path).collect();
        Ok(Self { home: Arc::from([Uri::from_static("/")]), articles: articles?.into() })
    }

    /// Visitors who ask `server` for a kind of page.
    pub fn to(&self, page: Page, server: SocketAddr) -> Target {
        let paths = match page {
            Page::Home => &self.home,
            Page::Article => &self.articles,
        };
        Target { server, paths: Arc::clone(paths) }
    }
}
