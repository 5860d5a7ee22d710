//! One article, with what people say about it.

use askama::Template;
use axum::{extract::State, response::Response};
use conduit::{Article, Caller, Comment, Conduit};

use crate::{
    App,
    error::PageError,
    filters,
    layout::{Layout, Viewer},
    markdown,
    visit::{Name, Page, Visit, optional},
};

/// `article.html`
#[derive(Template)]
#[template(path = "article.html")]
struct ArticlePage {
    layout: Layout,
    article: Article,
    /// The article's text as clean HTML.
    body: String,
    /// `None` when they can't be had right now: the article is worth showing without them.
    comments: Option<Vec<Comment>>,
}

/// What is asked for.
struct Slug(Name);

impl<C: Conduit> Page<C> for Slug {
    type Content = (Article, Option<Vec<Comment>>);

    async fn load(&self, port: &C, caller: &Caller) -> Result<Self::Content, PageError> {
        let slug = self.0.get()?;
        let (article, comments) =
            tokio::join!(port.article(caller, slug), port.comments(caller, slug));
        Ok((article?, optional(comments)?))
    }

    fn view(self, layout: Layout, (article, comments): Self::Content) -> impl Template {
        let body = markdown::to_html(&article.body);
        ArticlePage { layout, article, body, comments }
    }
}

/// `GET /article/{slug}`
pub(crate) async fn show<C: Conduit>(
    State(app): State<App<C>>,
    visit: Visit,
    slug: Name,
) -> Response {
    visit.show(&app, Slug(slug)).await
}
