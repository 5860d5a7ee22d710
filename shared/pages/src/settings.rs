//! The visitor's own account, to look at and to change.

use std::mem;

use askama::Template;
use axum::{extract::State, http::header::SET_COOKIE, response::Response};
use conduit::{Caller, Conduit, Error, Outcome, Password, User, UserUpdate};
use serde::Deserialize;

use crate::{
    App,
    address::{of_profile, of_sign_in, see_other},
    error::PageError,
    filters,
    flash::Flash,
    form::{Refusal, Sent, with_plain_line_breaks},
    layout::{Layout, Viewer},
    session,
    visit::{Page, Visit},
};

/// What the form sends. A field that is missing counts as blank.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Fields {
    image: String,
    username: String,
    bio: String,
    email: String,
    password: Password,
}

impl From<&User> for Fields {
    fn from(user: &User) -> Self {
        Self {
            image: user.image.clone().unwrap_or_default(),
            username: user.username.clone(),
            bio: user.bio.clone().unwrap_or_default(),
            email: user.email.clone(),
            password: Password::default(),
        }
    }
}

impl Fields {
    /// What to ask for. A blank password means the old one; the other fields were filled in with
    /// what there is, so a blank one was emptied on purpose.
    fn changes(&mut self) -> UserUpdate {
        let password = mem::take(&mut self.password);
        UserUpdate {
            email: Some(self.email.clone()),
            username: Some(self.username.clone()),
            password: Some(password).filter(|password| !password.expose().is_empty()),
            bio: Some(Some(with_plain_line_breaks(&self.bio))),
            image: Some(Some(self.image.clone())),
        }
    }
}

/// `settings.html`
#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    layout: Layout,
    fields: Fields,
    problems: Vec<String>,
}

/// What is asked for: the account as it is, or as it was sent.
#[derive(Default)]
struct Account {
    typed: Option<Fields>,
    problems: Vec<String>,
}

impl<C: Conduit> Page<C> for Account {
    type Content = ();

    async fn load(&self, _: &C, _: &Caller) -> Result<(), PageError> {
        Ok(())
    }

    fn guests_go_to(&self, here: &str) -> Option<String> {
        Some(of_sign_in(here))
    }

    /// The account that the navigation bar needs is all that there is to show: without it, fields
    /// would look as if they were empty, and be emptied.
    fn admits(&self, viewer: &Viewer, (): &()) -> Result<(), PageError> {
        match (viewer, &self.typed) {
            (Viewer::Unreachable, None) => Err(Error::Unavailable(Outcome::NotDone).into()),
            _ => Ok(()),
        }
    }

    fn view(self, layout: Layout, (): ()) -> impl Template {
        let stored = layout.user().map(Fields::from);
        let fields = self.typed.or(stored).unwrap_or_default();
        SettingsPage { layout, fields, problems: self.problems }
    }
}

/// `GET /settings`
pub(crate) async fn form<C: Conduit>(State(app): State<App<C>>, visit: Visit) -> Response {
    visit.show(&app, Account::default()).await
}

/// What to say when the answer was lost.
const DOUBT: &str = "We lost the connection and do not know whether your changes were saved. \
                     You can safely save them once more.";

/// `POST /settings`
pub(crate) async fn update<C: Conduit>(
    State(app): State<App<C>>,
    visit: Visit,
    Sent(sent): Sent<Fields>,
) -> Response {
    let (typed, error) = match sent {
        Err(Refusal { status, problems }) => {
            return visit.show_as(status, &app, Account { typed: None, problems }).await;
        }
        Ok(mut typed) => match app.port.update_user(visit.caller(), typed.changes()).await {
            Ok(user) => return saved(&user, &app),
            Err(error) => (typed, error),
        },
    };
    let Some(Refusal { status, problems }) = Refusal::of(&error, DOUBT) else {
        return visit.fail(&app, error).await;
    };
    visit.show_as(status, &app, Account { typed: Some(typed), problems }).await
}

/// On to the profile, under the name that it has now. The session starts anew: the answer may hold
/// another token.
fn saved<C: Conduit>(user: &User, app: &App<C>) -> Response {
    let mut response = see_other(&of_profile(&user.username));
    match session::begin(&user.token, app.settings) {
        Ok(cookie) => drop(response.headers_mut().append(SET_COOKIE, cookie)),
        // The old one is still good.
        Err(error) => tracing::error!(%error, "the account was changed"),
    }
    Flash::Saved.after(response, app.settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_password_is_no_change_and_other_blanks_are() {
        let mut fields = Fields { username: "u".to_owned(), ..Fields::default() };
        let changes = fields.changes();
        assert_eq!(changes.password, None);
        assert_eq!(
            (changes.bio, changes.image),
            (Some(Some(String::new())), Some(Some(String::new())))
        );
        fields.password = Password::new("12345678");
        assert_eq!(fields.changes().password, Some(Password::new("12345678")));
        assert_eq!(fields.password, Password::default(), "it is not shown again");
    }
}
