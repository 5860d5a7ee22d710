//! What was done, said once: on the page that a browser is sent to after its form has done its work.
//!
//! The sentence travels in a cookie, because nothing else connects the two requests. It travels as
//! a code, so that nobody can make a page of ours say something by planting a cookie.

use axum::{
    http::{HeaderMap, HeaderValue, header::SET_COOKIE},
    response::Response,
};

use crate::{Settings, cookie};

const NAME: &str = "conduit_flash";

/// A page that does not come within a minute won't come.
const MAX_AGE_SECONDS: u32 = 60;

/// What was done. Only what the next page does not show by itself is worth a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flash {
    /// The account was changed.
    Saved,
    /// An article is new.
    Published,
    /// An article was changed.
    Updated,
    /// An article is gone.
    Deleted,
}

impl Flash {
    const ALL: [Self; 4] = [Self::Saved, Self::Published, Self::Updated, Self::Deleted];

    fn code(self) -> &'static str {
        match self {
            Self::Saved => "saved",
            Self::Published => "published",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
        }
    }

    /// The sentence. It must not hold words of a button or a tab: tests look for those by text.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Saved | Self::Updated => "Your changes are saved.",
            Self::Published => "It is online now.",
            Self::Deleted => "It is gone for good.",
        }
    }

    /// What the browser was left to say, if that is one of ours.
    pub(crate) fn read(headers: &HeaderMap) -> Option<Self> {
        let code = cookie::read(headers, NAME)?;
        Self::ALL.into_iter().find(|flash| flash.code() == code)
    }

    /// Leaves it with the browser, for the page that this answer leads to.
    pub(crate) fn after(self, mut response: Response, settings: Settings) -> Response {
        if let Ok(line) = cookie::set(NAME, self.code(), MAX_AGE_SECONDS, settings) {
            response.headers_mut().append(SET_COOKIE, line);
        }
        response
    }

    /// The `Set-Cookie` that goes with the page on which it was said.
    pub(crate) fn said(settings: Settings) -> HeaderValue {
        cookie::clear(NAME, settings)
    }
}
