//! What may differ between two databases, taken out: how they number their rows. It shows in the
//! numbers of comments, and in the eight digits at the end of a slug. Each is replaced by its place
//! in the order of first appearance, so that what is the same thing stays the same.

use std::collections::BTreeMap;

use bytes::Bytes;
use contract::parity::Answer;
use http::{
    HeaderValue,
    header::{CONTENT_LENGTH, LOCATION},
};

/// What has appeared on one database so far.
#[derive(Default)]
pub(crate) struct Seen(BTreeMap<String, usize>);

/// What stands before the number of a comment, in JSON and in pages.
const BEFORE_A_NUMBER: [&str; 3] = ["\"id\":", "/comments/", "comment-"];

impl Seen {
    /// The answer without the numbers of this database.
    pub(crate) fn masked(&mut self, mut answer: Answer) -> Answer {
        // The length says nothing beyond what the body does.
        answer.headers.remove(CONTENT_LENGTH);
        if let Ok(text) = str::from_utf8(&answer.body) {
            answer.body = Bytes::from(self.text(text));
        }
        if let Some(location) = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok()) {
            let masked = HeaderValue::try_from(self.text(location)).unwrap();
            answer.headers.insert(LOCATION, masked);
        }
        answer
    }

    fn text(&mut self, text: &str) -> String {
        let mut masked = String::new();
        let mut rest = text;
        while !rest.is_empty() {
            let word = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
            let (word, after) = rest.split_at(word);
            let number = !word.is_empty()
                && word.bytes().all(|byte| byte.is_ascii_digit())
                && BEFORE_A_NUMBER.iter().any(|before| masked.ends_with(before));
            let digits = word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
            if number || digits {
                let next = self.0.len();
                let place = self.0.entry(word.to_owned()).or_insert(next);
                masked.push_str(&format!("<{place}>"));
            } else {
                masked.push_str(word);
            }
            let next = after.chars().next().map_or(0, char::len_utf8);
            masked.push_str(&after[..next]);
            rest = &after[next..];
        }
        masked
    }
}

#[test]
fn the_same_thing_is_masked_the_same() {
    let mut seen = Seen::default();
    let masked = seen.text(r#"{"slug":"größe-0a1b2c3d","id":17} /article/x-ffffffff/comments/17"#);
    assert_eq!(masked, r#"{"slug":"größe-<0>","id":<1>} /article/x-<2>/comments/<1>"#);
    assert_eq!(
        seen.text("x-ffffffff 17 /static/0123456789abcdef/"),
        "x-<2> 17 /static/0123456789abcdef/"
    );
}
