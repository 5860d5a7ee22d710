//! `lab explain`: an experiment's card, as it was fixed before anything was measured.

use std::fmt::Write;

use crate::experiment::Card;

/// Width of a terminal that nobody finds too wide.
const WIDTH: usize = 88;

/// The whole card, ready to print.
pub fn explain(card: &Card) -> String {
    let mut text = format!("{}  {}\n", card.id, card.title);
    for (heading, body) in sections(card) {
        // Writing to a String can't fail.
        let _ = write!(text, "\n{heading}\n");
        for paragraph in body {
            text.push_str(&wrapped(&paragraph));
        }
    }
    text
}

/// What a card says, heading by heading; the report prints the same.
pub(super) fn sections(card: &Card) -> Vec<(&'static str, Vec<String>)> {
    let one = |text: &str| vec![text.to_owned()];
    let many = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    vec![
        ("Claim", one(card.claim)),
        ("Hypothesis", one(card.hypothesis)),
        ("Smallest effect of interest", one(card.smallest_effect)),
        ("Region", one(card.region)),
        ("Decision rule", one(card.decision_rule)),
        ("What would refute it", one(card.refuted_by)),
        ("What is unfair about it", many(card.unfair)),
        ("What this does not show", many(card.not_shown)),
    ]
}

/// Indented, no line longer than [`WIDTH`].
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from("  ");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push_str(line.trim_end());
            lines.push('\n');
            line = String::from("  ");
        }
        line.push_str(word);
        line.push(' ');
    }
    lines + line.trim_end() + "\n"
}
