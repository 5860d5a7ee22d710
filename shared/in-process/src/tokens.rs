//! Tokens: who calls, signed, so that a call proves it without a look into the database.
//!
//! A token is a JWT with HMAC-SHA-256. It holds the account's number, when it was issued, and when
//! it expires. Nothing is stored, so a token can't be taken back before that.

use chrono::{DateTime, TimeDelta, Utc};
use conduit::{Caller, Error, Result, Token, Unauthorized};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::{clock::Clock, hs256, secret::Secret};

/// How long a token is good for.
pub const LIFETIME: TimeDelta = TimeDelta::days(60);

/// Issues tokens, and reads them.
#[derive(Clone)]
pub(crate) struct Tokens {
    issue_with: EncodingKey,
    read_with: DecodingKey,
    validation: Validation,
    clock: Clock,
}

/// What a token says, under the names that RFC 7519 registers.
#[derive(Serialize, Deserialize)]
struct Claims {
    /// The account's number; the RFC wants text.
    sub: String,
    /// When the token was issued, in seconds since 1970.
    iat: i64,
    /// From when on it is not accepted.
    exp: i64,
}

impl Tokens {
    pub(crate) fn new(secret: &Secret, clock: Clock) -> Self {
        hs256::install();
        let mut validation = Validation::new(Algorithm::HS256);
        // The library would ask the machine's clock; `read` asks ours.
        validation.validate_exp = false;
        Self {
            issue_with: EncodingKey::from_secret(secret.expose()),
            read_with: DecodingKey::from_secret(secret.expose()),
            validation,
            clock,
        }
    }

    /// A new token for an account.
    pub(crate) fn issue(&self, account: i64) -> Result<Token> {
        let now = self.clock.now();
        let expires = now + LIFETIME;
        let claims =
            Claims { sub: account.to_string(), iat: now.timestamp(), exp: expires.timestamp() };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.issue_with)
            .map(Token::new)
            .map_err(|error| Error::Internal(format!("issuing a token: {error}")))
    }

    /// The number of the account that calls, if the caller shows a token. A token that is not good
    /// is an error and not the absence of one: whoever sends it believes to be signed in.
    pub(crate) fn viewer(&self, caller: &Caller) -> Result<Option<i64>> {
        caller.token.as_ref().map(|token| self.read(token)).transpose()
    }

    /// The number of the account that calls, which has to be signed in, and its token.
    pub(crate) fn account<'c>(&self, caller: &'c Caller) -> Result<(i64, &'c Token)> {
        let token = caller.token.as_ref().ok_or(Error::Unauthorized(Unauthorized::Missing))?;
        Ok((self.read(token)?, token))
    }

    fn read(&self, token: &Token) -> Result<i64> {
        // In what way a token is not good is nobody's business.
        let invalid = || Error::Unauthorized(Unauthorized::Invalid);
        let read =
            jsonwebtoken::decode::<Claims>(token.expose(), &self.read_with, &self.validation);
        let claims = read.map_err(|_| invalid())?.claims;
        let expires = DateTime::<Utc>::from_timestamp(claims.exp, 0).ok_or_else(invalid)?;
        if self.clock.now() >= expires {
            return Err(invalid());
        }
        claims.sub.parse().map_err(|_| invalid())
    }
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
