//! Cookies: how they are read, and how they are set.

use axum::http::{
    HeaderMap, HeaderValue,
    header::{COOKIE, InvalidHeaderValue},
};

use crate::Settings;

/// The value of a cookie that the browser has sent. An empty one counts as none.
pub(crate) fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
        .find(|value| !value.is_empty())
}

/// The `Set-Cookie` that leaves a value with the browser, for so many seconds.
///
/// `HttpOnly` keeps scripts away from it. `SameSite=Lax` keeps it out of requests that other sites
/// cause, except for following a link.
///
/// # Errors
/// If the value can't stand in a header.
pub(crate) fn set(
    name: &str,
    value: &str,
    max_age: u32,
    settings: Settings,
) -> Result<HeaderValue, InvalidHeaderValue> {
    let secure = if settings.secure_cookies { "; Secure" } else { "" };
    let mut line = HeaderValue::try_from(format!(
        "{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}"
    ))?;
    line.set_sensitive(true);
    Ok(line)
}

/// The `Set-Cookie` that takes it away again.
pub(crate) fn clear(name: &str, settings: Settings) -> HeaderValue {
    set(name, "", 0, settings).unwrap_or(HeaderValue::from_static(""))
}
