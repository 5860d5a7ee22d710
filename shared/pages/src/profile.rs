//! Somebody's public page: what they wrote, or what they like.

use askama::Template;
use axum::{extract::State, http::Uri, response::Response};
use conduit::{Caller, Conduit, Profile};

use crate::{
    App,
    error::PageError,
    filters,
    layout::{Layout, Viewer},
    pagination::{Feed, Step, window},
    visit::{Name, Page, Visit},
};

/// Which of somebody's lists is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tab {
    Written,
    Favorited,
}

/// `profile.html`
#[derive(Template)]
#[template(path = "profile.html")]
struct ProfilePage {
    layout: Layout,
    profile: Profile,
    tab: Tab,
    feed: Feed,
}

/// What is asked for.
struct Account {
    uri: Uri,
    username: Name,
    tab: Tab,
}

impl<C: Conduit> Page<C> for Account {
    type Content = (Profile, Feed);

    async fn load(&self, port: &C, caller: &Caller) -> Result<Self::Content, PageError> {
        let username = self.username.get()?;
        let mut list = window(&self.uri)?;
        match self.tab {
            Tab::Written => list.author = Some(username.to_owned()),
            Tab::Favorited => list.favorited = Some(username.to_owned()),
        }
        let (profile, articles) =
            tokio::join!(port.profile(caller, username), port.articles(caller, &list));
        let address = format!("{}?page=", self.uri.path());
        Ok((profile?, Feed::new(address, list.offset, articles?)))
    }

    fn view(self, layout: Layout, (profile, feed): Self::Content) -> impl Template {
        ProfilePage { layout, profile, tab: self.tab, feed }
    }
}

/// `GET /profile/{username}`
pub(crate) async fn written<C: Conduit>(
    State(app): State<App<C>>,
    visit: Visit,
    username: Name,
) -> Response {
    let page = Account { uri: visit.uri().clone(), username, tab: Tab::Written };
    visit.show(&app, page).await
}

/// `GET /profile/{username}/favorites`
pub(crate) async fn favorited<C: Conduit>(
    State(app): State<App<C>>,
    visit: Visit,
    username: Name,
) -> Response {
    let page = Account { uri: visit.uri().clone(), username, tab: Tab::Favorited };
    visit.show(&app, page).await
}
