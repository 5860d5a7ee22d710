//! Pages of a list: which one is asked for, and the row of numbers under it.

use axum::http::Uri;
use conduit::{ArticlePage, ArticleSummary, Error, ListArticles, Resource};

/// How many articles a page shows.
const PER_PAGE: u32 = 10;

/// The largest offset that lists take is `i32::MAX`.
const MAX_PAGE: u32 = i32::MAX.unsigned_abs() / PER_PAGE;

/// The window of a list that an address asks for with `?page=N`; the first without it.
///
/// Pages that can exist have the numbers 1 and up, as far as an offset can count. Anything else (0,
/// -1, words) names no page: a mangled link should not pass for a good one. A number beyond the
/// last page is fine, that page is just empty.
///
/// # Errors
/// `NotFound` if the address names no page.
pub(crate) fn window(uri: &Uri) -> conduit::Result<ListArticles> {
    let text = parameter(uri, "page").unwrap_or("1");
    // `parse` alone would take a leading `+`, which means a space in an address.
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && (1..=MAX_PAGE).contains(number));
    let number = number.ok_or(Error::NotFound(Resource::Route))?;
    let offset = (number - 1) * PER_PAGE;
    Ok(ListArticles { limit: PER_PAGE, offset, ..ListArticles::default() })
}

/// What `feed.html` shows: a page of a list, and the way to the others.
pub(crate) struct Feed {
    pub(crate) articles: Vec<ArticleSummary>,
    pub(crate) pagination: Pagination,
}

impl Feed {
    /// The page that starts at `offset` in its list. With a number after it, `address` leads to any
    /// of the list's pages.
    pub(crate) fn new(address: String, offset: u32, page: ArticlePage) -> Self {
        let last = page.articles_count.div_ceil(u64::from(PER_PAGE));
        let current = u64::from(offset / PER_PAGE + 1);
        let pagination = Pagination { address, current, last };
        Self { articles: page.articles, pagination }
    }
}

/// A parameter of an address, as it stands there.
pub(crate) fn parameter<'a>(uri: &'a Uri, name: &str) -> Option<&'a str> {
    let mut parameters = uri.query().unwrap_or_default().split('&');
    parameters.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// What `pagination.html` shows.
pub(crate) struct Pagination {
    /// The address of all its pages, up to the number.
    pub(crate) address: String,
    pub(crate) current: u64,
    pub(crate) last: u64,
}

/// An element of the row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A link to that page.
    Page(u64),
    /// Some pages are left out.
    Gap,
}

impl Pagination {
    /// The row of numbers: all of them as long as they are few, else the first, the last and the
    /// neighbours. A list of a million articles gets a row as short as any other.
    pub(crate) fn steps(&self) -> impl Iterator<Item = Step> {
        const FEW: u64 = 10;
        const NEIGHBOURS: u64 = 2;
        let last = self.last;
        let current = self.current.min(last);
        let (mut from, mut to) = (current.saturating_sub(NEIGHBOURS), current + NEIGHBOURS);
        // A gap that would hide a single number is no gain.
        if from <= 3 || last <= FEW {
            from = 1;
        }
        if to + 2 >= last || last <= FEW {
            to = last;
        }
        let before = (from > 1).then_some([Step::Page(1), Step::Gap]);
        let after = (to < last).then_some([Step::Gap, Step::Page(last)]);
        let middle = (from..=to).map(Step::Page);
        before.into_iter().flatten().chain(middle).chain(after.into_iter().flatten())
    }
}

#[cfg(test)]
#[path = "pagination_tests.rs"]
mod tests;
