//! What an article is called in addresses.
//!
//! A slug is its title, as far as an address can show it, and eight digits that tell articles with
//! the same title apart. The digits are no random number: they are made of what is known about the
//! article, so that equal databases give equal slugs, and two architectures can be compared byte by
//! byte. The constraint on the column, not the digits, is what keeps slugs unique.

use sha2::{Digest, Sha256};

/// The longest part of a title that is taken over, in characters.
const LONGEST: usize = 60;

/// How a slug is told apart from others of the same title.
#[derive(Clone, Copy)]
pub(crate) enum Origin {
    /// The author's so-manieth article; counted on when that is taken, as by a renamed one.
    Published {
        /// The author's number.
        author: i64,
        /// How many articles they have ever published, with this one.
        published: i64,
        /// How many slugs were taken already.
        taken: u32,
    },
    /// An article that got a new title.
    Renamed {
        /// The article's number.
        article: i64,
    },
}

impl Origin {
    fn name(self) -> String {
        match self {
            Self::Published { author, published, taken } => format!("{author} {published} {taken}"),
            Self::Renamed { article } => article.to_string(),
        }
    }
}

/// The slug of an article.
pub(crate) fn slug(title: &str, origin: Origin) -> String {
    let digest = Sha256::digest(origin.name());
    let digits: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    match words(title).as_str() {
        "" => digits,
        words => format!("{words}-{digits}"),
    }
}

/// The title in small letters and digits of any script, with a hyphen wherever anything else was.
/// Two titles with the same words need no different slugs.
pub(crate) fn words(title: &str) -> String {
    let mut words = String::new();
    for letter in title.chars().flat_map(char::to_lowercase).take(LONGEST) {
        if letter.is_alphanumeric() {
            words.push(letter);
        } else if !words.is_empty() && !words.ends_with('-') {
            words.push('-');
        }
    }
    words.truncate(words.trim_end_matches('-').len());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_becomes_readable_words() {
        assert_eq!(words("How to train your dragon?"), "how-to-train-your-dragon");
        assert_eq!(words("  «Größe» & 漢字/.. "), "größe-漢字");
        assert_eq!(words("🦄 -- !"), "");
        assert_eq!(words(&"long ".repeat(100)).len(), LONGEST - 1);
    }

    #[test]
    fn no_slug_is_a_route_or_a_step_in_the_hierarchy() {
        let origin = Origin::Renamed { article: 1 };
        for title in ["feed", ".", "..", "🦄"] {
            let slug = slug(title, origin);
            assert!(slug.len() >= 8 && slug != "feed", "{slug}");
        }
    }

    #[test]
    fn equal_titles_have_different_slugs() {
        let published = |author, published, taken| Origin::Published { author, published, taken };
        let origins = [
            published(1, 1, 0),
            published(1, 2, 0),
            published(1, 1, 1),
            published(2, 1, 0),
            Origin::Renamed { article: 1 },
        ];
        let slugs: std::collections::BTreeSet<_> =
            origins.into_iter().map(|origin| slug("Title", origin)).collect();
        assert_eq!(slugs.len(), origins.len());
    }
}
