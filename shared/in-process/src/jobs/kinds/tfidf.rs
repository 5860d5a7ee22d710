//! How alike two texts are: the cosine between their vectors of TF-IDF weights.
//!
//! A word counts for more the more often it occurs in the text (TF, term frequency, damped by a
//! logarithm) and the fewer texts have it (IDF, inverse document frequency). Formulas: Manning,
//! Raghavan, Schütze, "Introduction to Information Retrieval", chapter 6 (`ltc.ltc`).

use std::collections::BTreeMap;

/// How many words stand for a text.
const WORDS: usize = 32;

/// Of how many words, the most frequent ones, those are chosen. No text makes the memory that this
/// takes grow, however long it is.
const CANDIDATES: usize = 256;

/// Word → how often it occurs.
pub(super) type Counts = BTreeMap<String, i64>;

/// Word → how often it occurs, and in how many texts.
pub(super) type Words = BTreeMap<i64, (i64, i64)>;

/// The most frequent words of several texts, of which each counts as often as it says.
pub(super) fn count(texts: &[(&str, i64)]) -> Counts {
    let mut counts = Counts::new();
    for (text, times) in texts {
        for word in text.split(|letter: char| !letter.is_alphanumeric()) {
            if (3..=32).contains(&word.chars().count()) {
                *counts.entry(word.to_lowercase()).or_default() += times;
            }
        }
    }
    strongest(counts, CANDIDATES, |_, count| count)
}

/// Those words of a text that tell most about it. `known` says in how many of all `articles` texts a
/// word was found to matter so far.
pub(super) fn choose(counts: Counts, known: &BTreeMap<String, i64>, articles: i64) -> Counts {
    strongest(counts, WORDS, |word, count| {
        let found = known.get(word).copied().unwrap_or(0);
        millionths(frequency(count) * rarity(found, articles))
    })
}

/// The `most` entries with the greatest value; of equal ones those that come first.
fn strongest(counts: Counts, most: usize, value: impl Fn(&str, i64) -> i64) -> Counts {
    let mut all: Vec<_> = counts.into_iter().collect();
    all.sort_by_key(|(word, count)| std::cmp::Reverse(value(word, *count)));
    all.truncate(most);
    all.into_iter().collect()
}

/// How alike two texts are, from 0 to 1,000,000.
pub(super) fn likeness(one: &Words, other: &Words, articles: i64) -> i64 {
    let weight = |(count, found): &(i64, i64)| frequency(*count) * rarity(*found, articles);
    let length = |words: &Words| words.values().map(|w| weight(w).powi(2)).sum::<f64>().sqrt();
    let shared = one.iter().filter_map(|(word, here)| Some((here, other.get(word)?)));
    let product: f64 = shared.map(|(here, there)| weight(here) * weight(there)).sum();
    let lengths = length(one) * length(other);
    if lengths > 0.0 { millionths(product / lengths) } else { 0 }
}

fn frequency(count: i64) -> f64 {
    1.0 + whole(count.max(1)).ln()
}

/// Never zero: in a corpus of one text its words would otherwise all be worth nothing.
fn rarity(found: i64, articles: i64) -> f64 {
    ((1.0 + whole(articles.max(found))) / (1.0 + whole(found))).ln() + 0.1
}

#[expect(clippy::cast_precision_loss, reason = "counts of words and articles, far below 2^52")]
fn whole(count: i64) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, reason = "a weight is a small number")]
fn millionths(value: f64) -> i64 {
    (value * 1e6).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_letters_and_digits_of_any_script() {
        let counts = count(&[("Größe, größe! a an the", 1), ("the Rust-Lang", 3)]);
        let words: Vec<_> = counts.iter().map(|(word, count)| (word.as_str(), *count)).collect();
        assert_eq!(words, [("größe", 2), ("lang", 3), ("rust", 3), ("the", 4)]);
    }

    #[test]
    fn a_long_text_takes_no_more_than_a_short_one() {
        let text: String = (0..10_000).map(|number| format!("word{number} ")).collect();
        assert_eq!(count(&[(&text, 1)]).len(), CANDIDATES);
    }

    #[test]
    fn rare_words_tell_more_than_frequent_ones() {
        let words = |n: i64| (0..n).map(|i| (format!("rare{i:02}"), 1));
        let mut counts: Counts = words(32).collect();
        counts.insert("the".into(), 3);
        let known = BTreeMap::from([("the".to_owned(), 1_000)]);
        let chosen = choose(counts, &known, 1_000);
        assert_eq!(chosen.len(), WORDS);
        assert!(!chosen.contains_key("the"));
    }

    #[test]
    fn likeness_goes_from_nothing_to_the_same() {
        let one = Words::from([(1, (2, 5)), (2, (1, 50))]);
        let half = Words::from([(1, (1, 5)), (3, (1, 5))]);
        let none = Words::from([(9, (1, 1))]);
        assert_eq!(likeness(&one, &one, 100), 1_000_000);
        assert_eq!(likeness(&one, &none, 100), 0);
        assert!((100_000..900_000).contains(&likeness(&one, &half, 100)));
        assert_eq!(likeness(&one, &half, 100), likeness(&half, &one, 100));
        assert_eq!(likeness(&one, &Words::new(), 100), 0);
    }
}
