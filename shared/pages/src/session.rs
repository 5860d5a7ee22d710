//! The browser's session: a cookie that holds a token, and is never looked into here.
//!
//! Only the implementation behind the port can tell a good token from a bad one, so these few
//! functions need no secret, and a session needs no storage that replicas would have to share.

use axum::http::{HeaderMap, HeaderValue};
use conduit::{Error, Token};

use crate::{Settings, cookie};

const NAME: &str = "conduit_session";

/// How long a browser keeps the cookie. The token in it may expire earlier.
const MAX_AGE_SECONDS: u32 = 60 * 24 * 60 * 60;

/// The token of the visitor's session.
pub(crate) fn token(headers: &HeaderMap) -> Option<Token> {
    cookie::read(headers, NAME).map(Token::new)
}

/// The `Set-Cookie` that starts a session.
///
/// # Errors
/// `Internal` if the token holds anything that would end the cookie's value early.
pub(crate) fn begin(token: &Token, settings: Settings) -> conduit::Result<HeaderValue> {
    let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b';' | b',' | b'"' | b'\\');
    if !token.expose().bytes().all(plain) {
        return Err(Error::Internal("the token can't stand in a cookie".to_owned()));
    }
    cookie::set(NAME, token.expose(), MAX_AGE_SECONDS, settings)
        .map_err(|error| Error::Internal(format!("session cookie: {error}")))
}

/// The `Set-Cookie` that ends a session.
pub(crate) fn end(settings: Settings) -> HeaderValue {
    cookie::clear(NAME, settings)
}
