//! The colours that meet: light enough on dark, dark enough on light, in both schemes.

use std::collections::BTreeMap;

const STYLESHEET: &str = include_str!("../../static/conduit.css");

/// What WCAG 2.1 AA asks of text (success criterion 1.4.3).
const TEXT: f64 = 4.5;

/// And of the outlines of fields and of the focus (1.4.11).
const OUTLINE: f64 = 3.0;

/// What stands on which ground.
const PAIRS: [(&[&str], &str, f64); 13] = [
    (&["text", "heading", "muted", "green", "green-strong", "error"], "page", TEXT),
    (&["text", "heading", "muted", "green", "green-strong", "error"], "raised", TEXT),
    (&["field-line", "green"], "page", OUTLINE),
    (&["success"], "success-ground", TEXT),
    (&["error"], "error-ground", TEXT),
    (&["on-dark"], "button", TEXT),
    (&["on-dark"], "button-hover", TEXT),
    (&["on-dark"], "secondary", TEXT),
    (&["on-dark"], "danger", TEXT),
    (&["on-dark"], "banner", TEXT),
    (&["on-dark", "banner-muted"], "banner-article", TEXT),
    (&["banner-green"], "banner-article", TEXT),
    (&["banner-error"], "banner-article", TEXT),
];

/// The colours in a block of declarations, `--name: #rrggbb;`.
fn colours(block: &'static str) -> BTreeMap<&'static str, [u8; 3]> {
    let colour = |line: &'static str| {
        let (name, value) = line.trim().strip_prefix("--")?.split_once(": #")?;
        let value = u32::from_str_radix(value.strip_suffix(';')?, 16).expect("a colour");
        let [_, red, green, blue] = value.to_be_bytes();
        Some((name, [red, green, blue]))
    };
    block.lines().filter_map(colour).collect()
}

/// The two schemes; the dark one says only what is different.
fn schemes() -> [(&'static str, BTreeMap<&'static str, [u8; 3]>); 2] {
    let (light, rest) = STYLESHEET.split_once("@media (prefers-color-scheme: dark)").expect("two");
    let (dark, _) = rest.split_once("\n}").expect("an end");
    let light = colours(light);
    let mut both = light.clone();
    both.extend(colours(dark));
    [("light", light), ("dark", both)]
}

/// Relative luminance, from the definition in WCAG 2.1.
fn luminance(colour: [u8; 3]) -> f64 {
    let linear = |channel: u8| {
        let part = f64::from(channel) / 255.0;
        if part <= 0.03928 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    let [red, green, blue] = colour.map(linear);
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

/// Contrast ratio, from the definition in WCAG 2.1: 1 to 21.
fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn black_on_white_is_the_most() {
    assert!((contrast([0; 3], [255; 3]) - 21.0).abs() < 1e-9);
    assert!((contrast([119; 3], [255; 3]) - 4.48).abs() < 0.01, "a well-known failure: #777");
}

#[test]
fn what_meets_can_be_told_apart() {
    for (scheme, colours) in schemes() {
        for (tops, ground, least) in PAIRS {
            for top in tops {
                let contrast = contrast(colours[top], colours[ground]);
                assert!(contrast >= least, "{scheme}: {top} on {ground} has {contrast:.2}");
            }
        }
    }
}

#[test]
fn every_colour_has_a_name_and_meets_another() {
    let (_, rest) = STYLESHEET.split_once("/* --- ground").expect("the end of the names");
    let hex = |text: &str| text.len() >= 3 && text.bytes().take(3).all(|b| b.is_ascii_hexdigit());
    let unnamed: Vec<_> = rest.split('#').skip(1).filter(|text| hex(text)).collect();
    assert!(unnamed.is_empty(), "{unnamed:?}");

    let met =
        |name: &str| PAIRS.iter().any(|(tops, ground, _)| tops.contains(&name) || *ground == name);
    // Lines between things, which nobody has to see.
    let missing: Vec<_> =
        schemes()[1].1.keys().copied().filter(|name| !met(name) && *name != "line").collect();
    assert!(missing.is_empty(), "{missing:?}");
}
