//! What visitors ask for.

use std::{net::SocketAddr, sync::Arc};

use conduit::wire::path;
use contract::dataset::Dataset;
use http::Uri;

use crate::{load::Target, record::Page};

/// Articles that are asked for, at most. More would be a test of the disk, not of the server.
const ARTICLES: u64 = 1_000;

/// The address of an article's page.
const ARTICLE: &str = "/article/{slug}";

/// The addresses of every kind of page.
#[derive(Clone, Debug)]
pub struct Visitors {
    home: Arc<[Uri]>,
    articles: Arc<[Uri]>,
}

impl Visitors {
    /// Visitors of a site with this data.
    pub fn of(dataset: &Dataset) -> anyhow::Result<Self> {
        // As browsers send it: a balancer takes no address with other characters in it.
        let path = |index| Ok(path::of(ARTICLE, &dataset.article(index).slug).parse()?);
        let articles: anyhow::Result<Vec<Uri>> =
            (0..dataset.size().articles.min(ARTICLES)).map(path).collect();
        Ok(Self { home: Arc::from([Uri::from_static("/")]), articles: articles?.into() })
    }

    /// The same, who leave the last article alone.
    pub fn without_last(&self) -> Self {
        let articles = self.articles.split_last().map_or(&[][..], |(_, others)| others);
        Self { home: Arc::clone(&self.home), articles: articles.into() }
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

    #[test]
    fn an_article_can_be_left_alone() {
        let size = Size { articles: 4, users: 3, ..Size::default() };
        let dataset = Dataset::new(size, 1);
        let visitors = Visitors::of(&dataset).unwrap();
        let last = path::of(ARTICLE, &dataset.article(3).slug);
        let asks = |visitors: &Visitors| visitors.mixed(1, 1).iter().any(|it| it.path() == last);
        assert!(asks(&visitors) && !asks(&visitors.without_last()));
        assert_eq!(visitors.without_last().mixed(1, 1).len(), 6);
    }

    #[test]
    fn every_address_is_one_that_a_browser_would_send() {
        let size = Size { articles: 200, users: 3, ..Size::default() };
        let dataset = Dataset::new(size, 1);
        assert!(
            (0..200).any(|index| !dataset.article(index).slug.is_ascii()),
            "titles of all kinds"
        );
        let visitors = Visitors::of(&dataset).unwrap();
        assert!(visitors.articles.iter().all(|address| address.path().is_ascii()));
    }
}
