//! Writing an article, and changing one.

use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use conduit::{Article, ArticleUpdate, Caller, Conduit, Error, NewArticle, Outcome, Resource};
use serde::Deserialize;

use crate::{
    App,
    address::{of_article, of_editor, of_sign_in, see_other},
    error::PageError,
    filters,
    flash::Flash,
    form::{Refusal, Sent, with_plain_line_breaks},
    layout::{Layout, Viewer},
    visit::{Name, Page, Visit},
};

/// An article that is being written.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<(String, String)>")]
pub(crate) struct Draft {
    title: String,
    description: String,
    body: String,
    /// The tags that have been added.
    tags: Vec<String>,
    /// The tag that is being typed.
    new_tag: String,
    /// Which button has sent the form.
    button: Button,
}

/// The buttons of the form. Pressing Enter in any of its fields presses the first of them, as HTML
/// has it, so that one adds a tag instead of publishing what is only half written.
#[derive(Debug, Default, PartialEq, Eq)]
enum Button {
    #[default]
    Publish,
    AddTag,
    RemoveTag(String),
}

impl From<&str> for Button {
    fn from(value: &str) -> Self {
        match value.strip_prefix("rm:") {
            Some(tag) => Self::RemoveTag(tag.to_owned()),
            None if value == "addtag" => Self::AddTag,
            None => Self::Publish,
        }
    }
}

impl TryFrom<Vec<(String, String)>> for Draft {
    type Error = &'static str;

    fn try_from(pairs: Vec<(String, String)>) -> Result<Self, Self::Error> {
        let mut draft = Self::default();
        let mut seen = Vec::new();
        for (name, value) in pairs {
            match name.as_str() {
                "tag" => draft.add_tag(&value),
                _ if seen.contains(&name) => return Err("a field was sent twice"),
                "title" => draft.title = value,
                "description" => draft.description = value,
                "body" => draft.body = with_plain_line_breaks(&value),
                "newtag" => draft.new_tag = value,
                "do" => draft.button = Button::from(value.as_str()),
                _ => {}
            }
            seen.push(name);
        }
        Ok(draft)
    }
}

impl From<Article> for Draft {
    fn from(article: Article) -> Self {
        Self {
            title: article.title,
            description: article.description,
            body: article.body,
            tags: article.tag_list,
            ..Self::default()
        }
    }
}

impl Draft {
    fn add_tag(&mut self, tag: &str) {
        let tag = tag.trim();
        if !tag.is_empty() && !self.tags.iter().any(|other| other == tag) {
            self.tags.push(tag.to_owned());
        }
    }

    /// A tag that somebody has typed without adding it is meant all the same.
    fn take_new_tag(&mut self) {
        let tag = std::mem::take(&mut self.new_tag);
        self.add_tag(&tag);
    }

    fn article(&self) -> NewArticle {
        NewArticle {
            title: self.title.clone(),
            description: self.description.clone(),
            body: self.body.clone(),
            tag_list: self.tags.clone(),
        }
    }

    fn changes(&self) -> ArticleUpdate {
        let NewArticle { title, description, body, tag_list } = self.article();
        ArticleUpdate {
            title: Some(title),
            description: Some(description),
            body: Some(body),
            tag_list: Some(tag_list),
        }
    }
}

/// `editor.html`
#[derive(Template)]
#[template(path = "editor.html")]
struct EditorPage {
    layout: Layout,
    draft: Draft,
    is_new: bool,
    problems: Vec<String>,
}

/// What is asked for: an empty editor, one with the article of that slug, or what was typed before.
struct Editor {
    slug: Option<Name>,
    typed: Option<Draft>,
    problems: Vec<String>,
}

impl<C: Conduit> Page<C> for Editor {
    /// The article as it is stored, if that is to be shown.
    type Content = Option<Article>;

    async fn load(&self, port: &C, caller: &Caller) -> Result<Self::Content, PageError> {
        match (&self.slug, &self.typed) {
            (Some(slug), None) => Ok(Some(port.article(caller, slug.get()?).await?)),
            _ => Ok(None),
        }
    }

    /// Whoever has typed something keeps it, also if they are not signed in any more.
    fn guests_go_to(&self, here: &str) -> Option<String> {
        self.typed.is_none().then(|| of_sign_in(here))
    }

    /// Only the author gets to see the text with a button under it. That they may change it is
    /// decided behind the port, when they press it.
    fn admits(&self, viewer: &Viewer, stored: &Self::Content) -> Result<(), PageError> {
        let Some(article) = stored else { return Ok(()) };
        match viewer {
            Viewer::Known(user) if user.username == article.author.username => Ok(()),
            Viewer::Known(_) | Viewer::Guest => Err(Error::Forbidden(Resource::Article).into()),
            Viewer::Unreachable => Err(Error::Unavailable(Outcome::NotDone).into()),
        }
    }

    fn view(self, layout: Layout, stored: Self::Content) -> impl Template {
        let Self { slug, typed, problems } = self;
        let draft = typed.or(stored.map(Draft::from)).unwrap_or_default();
        EditorPage { layout, draft, is_new: slug.is_none(), problems }
    }
}

/// `GET /editor`
pub(crate) async fn empty<C: Conduit>(State(app): State<App<C>>, visit: Visit) -> Response {
    visit.show(&app, Editor { slug: None, typed: None, problems: Vec::new() }).await
}

/// `GET /editor/{slug}`
pub(crate) async fn open<C: Conduit>(
    State(app): State<App<C>>,
    visit: Visit,
    slug: Name,
) -> Response {
    visit.show(&app, Editor { slug: Some(slug), typed: None, problems: Vec::new() }).await
}

/// What to say when the answer was lost.
const DOUBT: &str = "We lost the connection and do not know whether your article was saved. \
                     Please look for it on your profile before you press the button again.";

/// `POST /editor`
pub(crate) async fn publish<C: Conduit>(
    State(app): State<App<C>>,
    visit: Visit,
    Sent(sent): Sent<Draft>,
) -> Response {
    let draft = match pressed(sent) {
        Pressed::Publish(draft) => draft,
        Pressed::Other(draft) => return again(&app, visit, None, draft, None).await,
        Pressed::Nothing(refusal) => {
            return again(&app, visit, None, Draft::default(), Some(refusal)).await;
        }
    };
    match app.port.create_article(visit.caller(), draft.article()).await {
        Ok(article) => leave(&article, Flash::Published, &app),
        Err(error) => refuse(&app, visit, None, draft, error).await,
    }
}

/// `POST /editor/{slug}`
pub(crate) async fn save<C: Conduit>(
    State(app): State<App<C>>,
    visit: Visit,
    slug: Name,
    Sent(sent): Sent<Draft>,
) -> Response {
    let name = match slug.get() {
        Ok(name) => name.to_owned(),
        Err(error) => return visit.fail(&app, error).await,
    };
    let visit = visit.at(&of_editor(&name));
    let draft = match pressed(sent) {
        Pressed::Publish(draft) => draft,
        Pressed::Other(draft) => return again(&app, visit, Some(slug), draft, None).await,
        Pressed::Nothing(refusal) => {
            return again(&app, visit, Some(slug), Draft::default(), Some(refusal)).await;
        }
    };
    match app.port.update_article(visit.caller(), &name, draft.changes()).await {
        Ok(article) => leave(&article, Flash::Updated, &app),
        Err(error) => refuse(&app, visit, Some(slug), draft, error).await,
    }
}

/// What came of pressing a button.
enum Pressed {
    /// The article is finished.
    Publish(Draft),
    /// A tag was added or removed.
    Other(Draft),
    /// The form could not be read.
    Nothing(Refusal),
}

fn pressed(sent: Result<Draft, Refusal>) -> Pressed {
    let mut draft = match sent {
        Ok(draft) => draft,
        Err(refusal) => return Pressed::Nothing(refusal),
    };
    match &draft.button {
        Button::Publish => {
            draft.take_new_tag();
            Pressed::Publish(draft)
        }
        Button::AddTag => {
            draft.take_new_tag();
            Pressed::Other(draft)
        }
        Button::RemoveTag(removed) => {
            draft.tags.retain(|tag| tag != removed);
            Pressed::Other(draft)
        }
    }
}

fn leave<C: Conduit>(article: &Article, said: Flash, app: &App<C>) -> Response {
    said.after(see_other(&of_article(&article.slug)), app.settings)
}

async fn refuse<C: Conduit>(
    app: &App<C>,
    visit: Visit,
    slug: Option<Name>,
    draft: Draft,
    error: Error,
) -> Response {
    match Refusal::of(&error, DOUBT).or(Refusal::of_guest(&error)) {
        Some(refusal) => again(app, visit, slug, draft, Some(refusal)).await,
        None => visit.fail(app, error).await,
    }
}

/// The editor again, with what was typed.
async fn again<C: Conduit>(
    app: &App<C>,
    visit: Visit,
    slug: Option<Name>,
    draft: Draft,
    refusal: Option<Refusal>,
) -> Response {
    let (status, problems) = match refusal {
        Some(Refusal { status, problems }) => (status, problems),
        None => (StatusCode::OK, Vec::new()),
    };
    visit.show_as(status, app, Editor { slug, typed: Some(draft), problems }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(pairs: &[(&str, &str)]) -> Result<Draft, &'static str> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        pairs.collect::<Vec<_>>().try_into()
    }

    #[test]
    fn a_tag_counts_once_and_blanks_do_not_count() {
        let draft = draft(&[("tag", "a"), ("tag", " b "), ("tag", "a"), ("tag", " ")]).unwrap();
        assert_eq!(draft.tags, ["a", "b"]);
    }

    #[test]
    fn other_fields_come_once() {
        assert!(draft(&[("title", "a"), ("title", "b")]).is_err());
        assert!(draft(&[("tag", "a"), ("title", "b"), ("tag", "c")]).is_ok());
    }

    #[test]
    fn line_breaks_are_plain() {
        assert_eq!(draft(&[("body", "a\r\nb\nc")]).unwrap().body, "a\nb\nc");
    }
}
