//! When two answers are the same, and what is shown when they are not.

use std::{collections::BTreeSet, fmt::Write};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use conduit::wire::REQUEST_ID;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_LENGTH, DATE, SET_COOKIE},
};

/// An answer, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, without any transfer coding.
    pub body: Bytes,
}

/// The answer without what must differ between two processes. This is everything that the gate
/// forgives:
///
/// - `date`: when the answer was sent;
/// - `x-request-id`: every server counts for itself;
/// - tokens: they hold the second of their issue and are signed with the server's own secret. They
///   appear as the value of a cookie that is set and as `"token"` in JSON;
/// - what happened within the last day, to the millisecond: the same request reaches one of them
///   later than the other. What is in the dataset is older, and is compared.
///
/// Where the body changes by that, its length is counted anew.
pub fn normalised(mut answer: Answer) -> Answer {
    answer.headers.remove(DATE);
    answer.headers.remove(REQUEST_ID);
    let cookies: Vec<_> = answer.headers.get_all(SET_COOKIE).iter().map(without_value).collect();
    answer.headers.remove(SET_COOKIE);
    for cookie in cookies {
        answer.headers.append(SET_COOKIE, cookie);
    }
    for body in [without_token, without_recent_times] {
        if let Some(body) = body(&answer.body) {
            answer.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            answer.body = body;
        }
    }
    answer
}

/// What stands in place of a time that was a moment ago.
const RECENTLY: &str = "RECENTLY";

/// The body without the times of the last day, or `None` if there are none in it.
fn without_recent_times(body: &Bytes) -> Option<Bytes> {
    const LENGTH: usize = "2026-01-02T03:04:05.678Z".len();
    let text = str::from_utf8(body).ok()?;
    let since = Utc::now() - TimeDelta::days(1);
    let recent = |time: &&str| DateTime::parse_from_rfc3339(time).is_ok_and(|time| time > since);
    let mut masked = String::new();
    let mut copied = 0;
    for (t, _) in text.match_indices('T') {
        let start = t.saturating_sub("2026-01-02".len());
        let end = start + LENGTH;
        if start >= copied && text.get(start..end).filter(recent).is_some() {
            masked.extend([&text[copied..start], RECENTLY]);
            copied = end;
        }
    }
    masked.push_str(&text[copied..]);
    (copied > 0).then(|| masked.into())
}

/// What stands in place of a token.
const TOKEN: &str = "TOKEN";

/// `name=value; …` with another value, if that is a token.
fn without_value(cookie: &HeaderValue) -> HeaderValue {
    let replaced = || {
        let text = cookie.to_str().ok()?;
        let (name, rest) = text.split_once('=')?;
        let end = rest.find(';').unwrap_or(rest.len());
        // What has no dot is no token: nothing, or a word that says what to show next.
        let value = if rest[..end].contains('.') { TOKEN } else { &rest[..end] };
        HeaderValue::try_from(format!("{name}={value}{}", &rest[end..])).ok()
    };
    replaced().unwrap_or_else(|| cookie.clone())
}

/// The body with another token, or `None` if there is none in it.
fn without_token(body: &Bytes) -> Option<Bytes> {
    const KEY: &str = r#""token":""#;
    let text = str::from_utf8(body).ok().filter(|text| text.starts_with('{'))?;
    let start = text.find(KEY)? + KEY.len();
    let end = start + text[start..].find('"')?;
    Some(format!("{}{TOKEN}{}", &text[..start], &text[end..]).into())
}

/// How two answers differ, in a few lines for a terminal; `None` if they don't. Normalise them
/// first.
pub fn difference(left: &Answer, right: &Answer) -> Option<String> {
    let mut text = String::new();
    if left.status != right.status {
        pair(&mut text, "status", left.status.as_str(), right.status.as_str());
    }
    let names: BTreeSet<&str> =
        left.headers.keys().chain(right.headers.keys()).map(HeaderName::as_str).collect();
    for name in names {
        let (one, other) = (values(&left.headers, name), values(&right.headers, name));
        if one != other {
            pair(&mut text, name, &one, &other);
        }
    }
    if left.body != right.body {
        bodies(&mut text, &left.body, &right.body);
    }
    (!text.is_empty()).then_some(text)
}

fn pair(text: &mut String, what: &str, left: &str, right: &str) {
    write!(text, "{what}\n  - {left}\n  + {right}\n").expect("writing to a string");
}

fn values(headers: &HeaderMap, name: &str) -> String {
    let values: Vec<_> =
        headers.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes())).collect();
    if values.is_empty() { "(absent)".to_owned() } else { values.join(" | ") }
}

/// The first line that differs, from a little before the first letter that does.
fn bodies(text: &mut String, left: &[u8], right: &[u8]) {
    let (left, right) = (String::from_utf8_lossy(left), String::from_utf8_lossy(right));
    let mut lines = (left.lines().map(Some).chain([None]))
        .zip(right.lines().map(Some).chain([None]))
        .enumerate();
    let differing = lines.find(|(_, (one, other))| one != other);
    // Only the ends of lines, or of the whole, may differ.
    let (number, (one, other)) = differing.unwrap_or((0, (Some(&left), Some(&right))));
    let (one, other) = (one.unwrap_or("(the end)"), other.unwrap_or("(the end)"));
    let same = one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count();
    let what = format!("body, line {}, from letter {}", number + 1, same + 1);
    pair(text, &what, &excerpt(one, same), &excerpt(other, same));
}

fn excerpt(line: &str, at: usize) -> String {
    const BEFORE: usize = 30;
    const LENGTH: usize = 120;
    let start = at.saturating_sub(BEFORE);
    let shown: String = line.chars().skip(start).take(LENGTH).collect();
    format!("{}{shown:?}", if start > 0 { "… " } else { "" })
}
