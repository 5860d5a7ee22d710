//! Predictions that can't be changed after the fact: they are written down and hashed before anything
//! that they are about is measured, and the hash stands in the record.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Predictions;

/// What was predicted, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sealed {
    /// When the file was written. All trials of the cells in it began later.
    pub at: DateTime<Utc>,
    /// SHA-256 of that file, in hexadecimal.
    pub sha256: String,
    /// Trials that had been measured by then.
    pub after_trials: usize,
    /// What it says.
    pub predictions: Predictions,
}

impl Sealed {
    /// Seals predictions, and returns the text to be written down.
    ///
    /// # Errors
    /// When a number is none: such a prediction is a bug.
    pub fn now(predictions: Predictions, after_trials: usize) -> anyhow::Result<(Self, String)> {
        let text = text(&predictions)?;
        let sha256 = hash(&text);
        Ok((Self { at: Utc::now(), sha256, after_trials, predictions }, text))
    }

    /// Whether these are the predictions that were hashed.
    pub fn is_whole(&self) -> bool {
        text(&self.predictions).is_ok_and(|text| hash(&text) == self.sha256)
    }
}

fn text(predictions: &Predictions) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(predictions)? + "\n")
}

fn hash(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capacity::Fitted;

    #[test]
    fn a_seal_breaks_when_a_number_is_changed() {
        let fitted = Fitted { demands: Vec::new(), condition: 2.5 };
        let predictions = Predictions { fitted, cells: Vec::new() };
        let (mut sealed, text) = Sealed::now(predictions, 3).unwrap();
        assert!(sealed.is_whole() && sealed.sha256.len() == 64 && text.ends_with("}\n"));
        sealed.predictions.fitted.condition = 2.4;
        assert!(!sealed.is_whole());
    }

    #[test]
    fn the_hash_is_that_of_common_tools() {
        // printf 'abc' | sha256sum
        assert!(hash("abc").starts_with("ba7816bf8f01cfea414140de5dae2223"));
    }
}
