//! Is a report what its raw data say? Everything is computed again, without any load, and compared
//! with what is stored.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

use super::{HTML, MARKDOWN, SUMMARY, VERDICTS, render};
use crate::store;

/// Verifies the report in a run's folder; the text says what was compared.
///
/// # Errors
/// When a file is missing, or differs from what the raw data give: the message names the first
/// number that does.
pub fn verify(folder: &Path) -> anyhow::Result<String> {
    let run = store::read(folder)?;
    let rendered = render(&run)?;
    let shown = folder.display();
    let stored = |name| {
        let path = folder.join(name);
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    let mut all = 0;
    for (name, computed) in [(SUMMARY, &rendered.summary), (VERDICTS, &rendered.verdicts)] {
        let stored: Value = serde_json::from_str(&stored(name)?)
            .with_context(|| folder.join(name).display().to_string())?;
        let computed: Value = serde_json::from_str(computed)?;
        if let Some(difference) = first_difference(&stored, &computed, "") {
            bail!("{shown}: {name}: {difference}");
        }
        all += numbers(&computed);
    }
    for (name, computed) in [(MARKDOWN, &rendered.markdown), (HTML, &rendered.html)] {
        if let Some(difference) = first_line(&stored(name)?, computed) {
            bail!("{shown}: {name}: {difference}");
        }
    }
    Ok(format!("{shown}: {all} numbers and the report computed again from raw data: identical"))
}

/// The first place where two values differ, with both.
fn first_difference(stored: &Value, computed: &Value, path: &str) -> Option<String> {
    match (stored, computed) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<_> =
                b.keys().chain(a.keys().filter(|k| !b.contains_key(*k))).collect();
            keys.dedup();
            keys.into_iter().find_map(|key| {
                let [a, b] = [a, b].map(|map| map.get(key).unwrap_or(&Value::Null));
                let dot = if path.is_empty() { "" } else { "." };
                first_difference(a, b, &format!("{path}{dot}{key}"))
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(i, (a, b))| first_difference(a, b, &format!("{path}[{i}]"))),
        _ if stored == computed => None,
        _ => Some(format!("{path} is {stored}, the raw data give {computed}")),
    }
}

/// The first line in which two texts differ, with both, from where they part.
fn first_line(stored: &str, computed: &str) -> Option<String> {
    if stored == computed {
        return None;
    }
    let pairs = stored.lines().zip(computed.lines()).enumerate();
    let differing = pairs.into_iter().find(|(_, (a, b))| a != b);
    Some(match differing {
        Some((number, (a, b))) => {
            let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
            // A little of what is the same, so that the place can be found.
            let excerpt = |line: &str| {
                line.chars().skip(same.saturating_sub(30)).take(70).collect::<String>()
            };
            format!("line {}: `{}`, the raw data give `{}`", number + 1, excerpt(a), excerpt(b))
        }
        None => "it is longer or shorter than what the raw data give".into(),
    })
}

/// How many numbers a value holds.
fn numbers(value: &Value) -> usize {
    match value {
        Value::Number(_) => 1,
        Value::Array(items) => items.iter().map(numbers).sum(),
        Value::Object(map) => map.values().map(numbers).sum(),
        _ => 0,
    }
}
