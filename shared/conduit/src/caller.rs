//! On whose behalf a call is made, under which number, and how long it may take.

use std::{
    fmt,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

/// The first argument of every call of the port.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who calls, as an unopened envelope: only the implementation with the secret can read it.
    pub token: Option<Token>,
    /// Ties together what one request of a visitor causes in all processes.
    pub request_id: RequestId,
    /// When the answer stops being of use. Each hop hands on what is left.
    pub deadline: Instant,
}

impl Caller {
    /// A caller whose budget starts to run now.
    pub fn new(token: Option<Token>, request_id: RequestId, budget: Duration) -> Self {
        Self { token, request_id, deadline: Instant::now() + budget }
    }

    /// What is left of the budget; zero when it is spent.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// Proof of identity: opaque to everyone but the implementation that issued it. `Debug` never shows
/// it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// Wraps a token as it was received or issued.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The token itself. Every use of this method is a place where it could leak.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The number of one visitor's request, the same in every process that works for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// The longest number that is taken over from outside.
    pub const MAX_LEN: usize = 64;

    /// Takes over a number from outside, if it is harmless: letters, digits and `-`, at most
    /// [`MAX_LEN`](Self::MAX_LEN) of them. Anything else could forge log lines.
    pub fn parse(text: &str) -> Option<Self> {
        let harmless = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (!text.is_empty() && text.len() <= Self::MAX_LEN && harmless).then(|| Self(text.to_owned()))
    }

    /// The number as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_cannot_forge_a_log_line() {
        assert!(RequestId::parse("a1-b2").is_some());
        assert!(RequestId::parse("a1\nERROR all is lost").is_none());
        assert!(RequestId::parse("").is_none());
        assert!(RequestId::parse(&"x".repeat(RequestId::MAX_LEN + 1)).is_none());
    }

    #[test]
    fn a_token_is_not_shown() {
        assert!(!format!("{:?}", Token::new("s3cret")).contains("s3cret"));
    }
}
