//! The home page: all articles, or those with one tag.

use askama::Template;
use axum::{extract::State, http::Uri, response::Response};
use conduit::{Caller, Conduit, ListArticles};

use crate::{
    App,
    error::PageError,
    filters,
    layout::{Layout, Viewer},
    pagination::{Feed, Step, window},
    visit::{Name, Page, Visit, optional},
};

/// `home.html`
#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    layout: Layout,
    feed: Feed,
    /// The tag that all articles shown have in common, if that was asked for.
    tag: Option<String>,
    /// `None` when they can't be had right now: the page is worth showing without them.
    tags: Option<Vec<String>>,
}

/// What is asked for: a page of all articles, or of those with one tag.
struct Home {
    uri: Uri,
    tag: Option<Name>,
}

impl<C: Conduit> Page<C> for Home {
    type Content = (Feed, Option<String>, Option<Vec<String>>);

    async fn load(&self, port: &C, caller: &Caller) -> Result<Self::Content, PageError> {
        let tag = self.tag.as_ref().map(Name::get).transpose()?.map(str::to_owned);
        let list = ListArticles { tag, ..window(&self.uri)? };
        let (articles, tags) = tokio::join!(port.articles(caller, &list), port.tags(caller));
        let feed = Feed::new(&self.uri, &list, articles?);
        Ok((feed, list.tag, optional(tags)?))
    }

    fn view(self, layout: Layout, (feed, tag, tags): Self::Content) -> impl Template {
        HomePage { layout, feed, tag, tags }
    }
}

/// `GET /`
pub(crate) async fn home<C: Conduit>(State(app): State<App<C>>, visit: Visit) -> Response {
    let page = Home { uri: visit.uri().clone(), tag: None };
    visit.show(&app, page).await
}

/// `GET /tag/{tag}`
pub(crate) async fn tag<C: Conduit>(
    State(app): State<App<C>>,
    visit: Visit,
    tag: Name,
) -> Response {
    let page = Home { uri: visit.uri().clone(), tag: Some(tag) };
    visit.show(&app, page).await
}
