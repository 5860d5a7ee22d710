//! The home page: all articles, those with one tag, or those of everyone whom the visitor follows.

use askama::Template;
use axum::{extract::State, http::Uri, response::Response};
use conduit::{Caller, Conduit, Error, ListArticles, Resource, Window};

use crate::{
    App,
    error::PageError,
    filters,
    layout::{Layout, Viewer},
    pagination::{Feed, Step, parameter, window},
    visit::{Name, Page, Visit, optional},
};

/// The list of those whom the visitor follows.
const FOLLOWING: &str = "/?feed=following";

/// Which list is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
enum List {
    All,
    Following,
    Tag(String),
}

/// `home.html`
#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    layout: Layout,
    list: List,
    feed: Feed,
    /// `None` when they can't be had right now: the page is worth showing without them.
    tags: Option<Vec<String>>,
}

/// What is asked for.
struct Home {
    uri: Uri,
    /// Whose tag stands in the address.
    tag: Option<Name>,
}

impl Home {
    /// # Errors
    /// `NotFound` for a list that there is not.
    fn list(&self) -> conduit::Result<List> {
        match (&self.tag, parameter(&self.uri, "feed")) {
            (Some(tag), _) => Ok(List::Tag(tag.get()?.to_owned())),
            (None, None) => Ok(List::All),
            (None, Some("following")) => Ok(List::Following),
            (None, Some(_)) => Err(Error::NotFound(Resource::Route)),
        }
    }
}

impl<C: Conduit> Page<C> for Home {
    type Content = (List, Feed, Option<Vec<String>>);

    async fn load(&self, port: &C, caller: &Caller) -> Result<Self::Content, PageError> {
        let list = self.list()?;
        let window = window(&self.uri)?;
        let articles = async {
            match &list {
                List::All => port.articles(caller, &window).await,
                List::Following => {
                    let ListArticles { limit, offset, .. } = window;
                    port.feed(caller, Window { limit, offset }).await
                }
                List::Tag(tag) => {
                    let tag = Some(tag.clone());
                    port.articles(caller, &ListArticles { tag, ..window.clone() }).await
                }
            }
        };
        let (articles, tags) = tokio::join!(articles, port.tags(caller));
        let pages = match list {
            List::Following => format!("{FOLLOWING}&page="),
            List::All | List::Tag(_) => format!("{}?page=", self.uri.path()),
        };
        let feed = Feed::new(pages, window.offset, articles?);
        Ok((list, feed, optional(tags)?))
    }

    /// To the plain form: whoever signs in comes to the home page anyway.
    fn guests_go_to(&self, _here: &str) -> Option<String> {
        (self.list() == Ok(List::Following)).then(|| "/login".to_owned())
    }

    fn view(self, layout: Layout, (list, feed, tags): Self::Content) -> impl Template {
        HomePage { layout, list, feed, tags }
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
