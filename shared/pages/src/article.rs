//! One article, with what people say about it.

use askama::Template;
use axum::{extract::State, response::Response};
use conduit::{Article, ArticleSummary, Caller, Comment, Conduit, NewComment};
use serde::Deserialize;

use crate::{
    App,
    address::{of_article, see_other},
    error::PageError,
    filters,
    form::{Refusal, Sent, with_plain_line_breaks},
    layout::{Layout, Viewer},
    markdown,
    visit::{Name, Page, Visit, optional},
};

/// `article.html`
#[derive(Template)]
#[template(path = "article.html")]
struct ArticlePage {
    layout: Layout,
    slug: String,
    /// `None` if it can't be had right now, and the page is shown for the sake of a comment.
    article: Option<Shown>,
    /// `None` when they can't be had right now: the article is worth showing without them.
    comments: Option<Vec<Comment>>,
    /// The same with those that are like it.
    related: Option<Vec<ArticleSummary>>,
    remark: Remark,
}

/// An article as it is shown.
struct Shown {
    article: Article,
    /// Its text as clean HTML.
    body: String,
}

/// The form for a comment, as far as it is filled in.
#[derive(Default)]
struct Remark {
    typed: Fields,
    problems: Vec<String>,
}

/// What the form for a comment sends. A text that is missing counts as blank.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Fields {
    body: String,
}

/// What is asked for.
struct Reading {
    slug: Name,
    /// `None` for those who come to read; a comment that could not be taken otherwise.
    remark: Option<Remark>,
}

impl<C: Conduit> Page<C> for Reading {
    type Content = (String, Option<Article>, Option<Vec<Comment>>, Option<Vec<ArticleSummary>>);

    async fn load(&self, port: &C, caller: &Caller) -> Result<Self::Content, PageError> {
        let slug = self.slug.get()?;
        let (article, comments, related) = tokio::join!(
            port.article(caller, slug),
            port.comments(caller, slug),
            port.related(caller, slug),
        );
        // What somebody has written is not lost because what they wrote about is out of reach.
        let article = match self.remark {
            None => Some(article?),
            Some(_) => optional(article)?,
        };
        Ok((slug.to_owned(), article, optional(comments)?, optional(related)?))
    }

    fn view(
        self,
        layout: Layout,
        (slug, article, comments, related): Self::Content,
    ) -> impl Template {
        let article = article.map(|article| {
            let body = markdown::to_html(&article.body);
            Shown { article, body }
        });
        let remark = self.remark.unwrap_or_default();
        ArticlePage { layout, slug, article, comments, related, remark }
    }
}

/// `GET /article/{slug}`
pub(crate) async fn show<C: Conduit>(
    State(app): State<App<C>>,
    visit: Visit,
    slug: Name,
) -> Response {
    visit.show(&app, Reading { slug, remark: None }).await
}

/// What to say when the answer to a new comment was lost.
const DOUBT: &str = "We lost the connection and do not know whether your comment was posted. \
                     Please look for it before you post it again.";

/// `POST /article/{slug}/comments`
pub(crate) async fn comment<C: Conduit>(
    State(app): State<App<C>>,
    visit: Visit,
    slug: Name,
    Sent(sent): Sent<Fields>,
) -> Response {
    let name = match slug.get() {
        Ok(name) => name,
        Err(error) => return visit.fail(&app, error).await,
    };
    let visit = visit.at(&of_article(name));
    let typed = match sent {
        Ok(fields) => fields,
        Err(refusal) => return again(&app, visit, slug, Fields::default(), refusal).await,
    };
    let new = NewComment { body: with_plain_line_breaks(&typed.body) };
    let error = match app.port.add_comment(visit.caller(), name, new).await {
        Ok(_) => return see_other(visit.here()),
        Err(error) => error,
    };
    match Refusal::of(&error, DOUBT).or(Refusal::of_guest(&error)) {
        Some(refusal) => again(&app, visit, slug, typed, refusal).await,
        None => visit.fail(&app, error).await,
    }
}

/// The article again, with the comment that was not taken still in its form.
async fn again<C: Conduit>(
    app: &App<C>,
    visit: Visit,
    slug: Name,
    typed: Fields,
    Refusal { status, problems }: Refusal,
) -> Response {
    let remark = Some(Remark { typed, problems });
    visit.show_as(status, app, Reading { slug, remark }).await
}
