//! Which tokens are taken, and which are not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use conduit::RequestId;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::*;

const INVALID: Error = Error::Unauthorized(Unauthorized::Invalid);
const START: i64 = 1_767_323_045;

/// A clock that can be set, in seconds after [`START`].
fn clock() -> (Clock, Arc<AtomicI64>) {
    let later = Arc::new(AtomicI64::new(0));
    let shown = Arc::clone(&later);
    let time = move || DateTime::from_timestamp(START + shown.load(Ordering::Relaxed), 0).unwrap();
    (Clock::new(time), later)
}

fn tokens(secret: &str) -> Tokens {
    Tokens::new(&Secret::from(secret), clock().0)
}

fn caller(token: Option<Token>) -> Caller {
    Caller::new(token, RequestId::parse("none").unwrap(), Duration::from_secs(1))
}

fn viewer(tokens: &Tokens, token: &str) -> Result<Option<i64>> {
    tokens.viewer(&caller(Some(Token::new(token))))
}

/// A token with any header and claims, signed as ours are.
fn signed(secret: &str, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", base64(header.as_bytes()), base64(claims.as_bytes()));
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(&message);
    format!("{message}.{}", base64(&mac.finalize().into_bytes()))
}

/// Base64 for URLs, without padding (RFC 4648, section 5).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digits = bytes.chunks(3).flat_map(|three| {
        let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        (0..=three.len()).map(move |i| DIGITS[(bits >> (18 - 6 * i) & 63) as usize] as char)
    });
    digits.collect()
}

const HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;

#[test]
fn a_token_says_whose_it_is() {
    let tokens = tokens("secret");
    let token = tokens.issue(42).unwrap();
    assert_eq!(viewer(&tokens, token.expose()), Ok(Some(42)));
    assert_eq!(tokens.account(&caller(Some(token.clone()))), Ok((42, &token)));
}

#[test]
fn no_token_is_a_visitor_where_that_is_allowed() {
    let tokens = tokens("secret");
    assert_eq!(tokens.viewer(&caller(None)), Ok(None));
    let missing = Error::Unauthorized(Unauthorized::Missing);
    assert_eq!(tokens.account(&caller(None)), Err(missing));
}

#[test]
fn a_token_is_good_for_sixty_days_and_no_second_longer() {
    let (clock, later) = clock();
    let tokens = Tokens::new(&Secret::from("secret"), clock);
    let token = tokens.issue(42).unwrap();
    later.store(60 * 86_400 - 1, Ordering::Relaxed);
    assert_eq!(viewer(&tokens, token.expose()), Ok(Some(42)));
    later.store(60 * 86_400, Ordering::Relaxed);
    assert_eq!(viewer(&tokens, token.expose()), Err(INVALID));
}

#[test]
fn another_secret_signs_other_tokens() {
    let token = tokens("another secret").issue(42).unwrap();
    assert_eq!(viewer(&tokens("secret"), token.expose()), Err(INVALID));
}

#[test]
fn a_token_with_a_missing_or_changed_character_is_not_good() {
    let tokens = tokens("secret");
    let good = tokens.issue(42).unwrap().expose().to_owned();
    for length in 0..good.len() {
        assert_eq!(viewer(&tokens, &good[..length]), Err(INVALID), "cut to {length}");
    }
    for position in 0..good.len() {
        let other = if good.as_bytes()[position] == b'A' { 'B' } else { 'A' };
        let mut forged = good.clone();
        forged.replace_range(position..=position, &other.to_string());
        // Base64 has a few bits to spare in a last character: those say nothing.
        if position + 1 < good.len() {
            assert_eq!(viewer(&tokens, &forged), Err(INVALID), "changed at {position}");
        }
    }
}

#[test]
fn what_is_no_token_at_all_is_not_good() {
    let tokens = tokens("secret");
    for token in ["", ".", "..", "a.b.c", "null", "\u{0}", "ü.ü.ü", "?"] {
        assert_eq!(viewer(&tokens, token), Err(INVALID), "{token:?}");
    }
}

#[test]
fn a_token_cannot_choose_another_algorithm() {
    let tokens = tokens("secret");
    let claims = format!(r#"{{"sub":"42","iat":{START},"exp":{}}}"#, START + 60);
    assert_eq!(viewer(&tokens, &signed("secret", HEADER, &claims)), Ok(Some(42)));
    for algorithm in ["none", "None", "HS384", "HS512", "RS256", "ES256", "EdDSA", "PS256"] {
        let header = format!(r#"{{"typ":"JWT","alg":"{algorithm}"}}"#);
        let forged = signed("secret", &header, &claims);
        assert_eq!(viewer(&tokens, &forged), Err(INVALID), "{algorithm}");
    }
    let unsigned = format!("{}.{}.", base64(br#"{"alg":"none"}"#), base64(claims.as_bytes()));
    assert_eq!(viewer(&tokens, &unsigned), Err(INVALID));
}

#[test]
fn a_well_signed_token_still_has_to_say_what_ours_say() {
    let tokens = tokens("secret");
    let exp = START + 60;
    for claims in [
        format!(r#"{{"iat":{START},"exp":{exp}}}"#),
        format!(r#"{{"sub":"42","iat":{START}}}"#),
        format!(r#"{{"sub":"ada","iat":{START},"exp":{exp}}}"#),
        format!(r#"{{"sub":"42","iat":{START},"exp":{}}}"#, i64::MAX),
        format!(r#"{{"sub":"42","iat":{START},"exp":-1}}"#),
    ] {
        assert_eq!(viewer(&tokens, &signed("secret", HEADER, &claims)), Err(INVALID), "{claims}");
    }
}
