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

    /// The addresses of a mix: for every `article` article pages `home` home pages, evenly mixed.
    pub fn mixed(&self, home: usize, article: usize) -> Arc<[Uri]> {
        let homes = || self.home.iter().cycle().take(home);
        let chunks = self.articles.chunks(article.max(1));
        chunks.flat_map(|articles| homes().chain(articles)).cloned().collect()
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

#[cfg(test)]
mod tests {
    use contract::dataset::Size;

    use super::*;

    #[test]
    fn a_mix_has_its_pages_in_proportion() {
        let size = Size { articles: 12, users: 3, ..Size::default() };
        let visitors = Visitors::of(&Dataset::new(size, 1)).unwrap();
        for (home, article) in [(3, 1), (1, 3)] {
            let mix = visitors.mixed(home, article);
            let homes = mix.iter().filter(|address| address.path() == "/").count();
            assert_eq!((homes, mix.len() - homes), (12 * home / article, 12));
        }
    }
}
