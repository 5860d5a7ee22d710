//! Whether there is anything to escape. In most of what a page shows there is nothing, and that can be
//! seen of sixteen letters at once: the compiler turns what is done alike to each byte of a block into
//! instructions that do it to all of them. (As long as nothing in it looks like a decision: `|` and `&`, no
//! `||`, `&&` and `matches!`.) Only where there is something, each byte is looked at by itself.

use std::fmt::{self, Write};

use askama::filters::{self, Escaper};

/// Bytes that are looked at together.
const BLOCK: usize = 16;

/// The escaper of all pages (`askama.toml`). What is to be escaped, askama's own one escapes.
#[derive(Clone, Copy)]
pub(crate) struct Html;

impl Escaper for Html {
    fn write_escaped_str<W: Write>(&self, mut to: W, text: &str) -> fmt::Result {
        let means_something = |byte| {
            (byte == b'"') | (byte == b'&') | (byte == b'\'') | (byte == b'<') | (byte == b'>')
        };
        let mut rest = text;
        while let Some(at) = first(rest, means_something) {
            let (plain, found) = rest.split_at(at);
            let (found, after) = found.split_at(1);
            to.write_str(plain)?;
            filters::Html.write_escaped_str(&mut to, found)?;
            rest = after;
        }
        to.write_str(rest)
    }
}

/// Whether a name stands in an address as it is: letters, digits and the other unreserved characters of
/// RFC 3986, as [`SEGMENT`](conduit::wire::path::SEGMENT) says it.
pub(crate) fn is_plain_in_address(name: &str) -> bool {
    let is_mark = |byte| (byte == b'-') | (byte == b'.') | (byte == b'_') | (byte == b'~');
    first(name, |byte| !(byte.is_ascii_alphanumeric() | is_mark(byte))).is_none()
}

/// Where the first byte stands of which this is so.
fn first(text: &str, is_so: impl Fn(u8) -> bool) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_in = |block: &[u8; BLOCK]| block.iter().fold(false, |any, byte| any | is_so(*byte));
    let blocks = bytes.as_chunks().0;
    let passed = BLOCK * blocks.iter().take_while(|block| !is_in(block)).count();
    // What is left after all blocks is less than one. It is looked at with some of what was passed.
    let is_last = passed == BLOCK * blocks.len();
    if is_last && bytes.last_chunk().is_some_and(|last| !is_in(last)) {
        return None;
    }
    bytes[passed..].iter().position(|byte| is_so(*byte)).map(|at| passed + at)
}

#[cfg(test)]
mod tests {
    use conduit::wire::path::SEGMENT;
    use percent_encoding::utf8_percent_encode;

    use super::*;

    fn by_askama(text: &str) -> String {
        let mut html = String::new();
        filters::Html.write_escaped_str(&mut html, text).unwrap();
        html
    }

    /// Every character of one byte and some of two, in texts of up to three blocks, once and twice.
    fn texts() -> impl Iterator<Item = String> {
        let characters = (0..0x100).filter_map(char::from_u32);
        characters.flat_map(|odd| {
            (0..=3 * BLOCK).flat_map(move |len| {
                let around = |at| "x".repeat(at) + &odd.to_string() + &"y".repeat(len - at);
                [around(0), around(len / 2), around(len), around(0) + &around(len)]
            })
        })
    }

    #[test]
    fn html_is_escaped_as_askama_does() {
        for text in texts().chain([String::new()]) {
            let mut html = String::new();
            Html.write_escaped_str(&mut html, &text).unwrap();
            assert_eq!(html, by_askama(&text), "{text:?}");
        }
    }

    #[test]
    fn a_name_is_plain_exactly_where_nothing_of_it_has_to_be_escaped() {
        for name in texts().chain([String::new()]) {
            let escaped = utf8_percent_encode(&name, SEGMENT).to_string();
            assert_eq!(is_plain_in_address(&name), escaped == name, "{name:?}");
        }
    }
}
