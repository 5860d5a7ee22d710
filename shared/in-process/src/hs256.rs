//! HMAC-SHA-256 for `jsonwebtoken`, and nothing else.
//!
//! The library leaves the cryptography to a provider. Its own ones bring either an RSA
//! implementation with a known weakness (RUSTSEC-2023-0071) or a large C library, for algorithms
//! that no token here uses. With this provider a token that asks for one of them can't be read.

use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{ErrorKind, Result},
    signature::{Error as SignatureError, Signer, Verifier},
};
use sha2::Sha256;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key: &EncodingKey| {
        let usable = *algorithm == Algorithm::HS256 && key.family() == AlgorithmFamily::Hmac;
        let bytes = if usable { key.as_bytes() } else { return Err(unsupported()) };
        Ok(Box::new(Hs256::new(bytes)?))
    },
    verifier_factory: |algorithm, key: &DecodingKey| {
        let usable = *algorithm == Algorithm::HS256 && key.family() == AlgorithmFamily::Hmac;
        let bytes = if usable { key.try_get_as_bytes()? } else { return Err(unsupported()) };
        Ok(Box::new(Hs256::new(bytes)?))
    },
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes this the process's provider. To do it again changes nothing.
pub(crate) fn install() {
    // The only error is that there is one already; every caller installs this same one.
    let _ = PROVIDER.install_default();
}

fn unsupported() -> jsonwebtoken::errors::Error {
    ErrorKind::InvalidAlgorithm.into()
}

/// A key, ready to sign or to verify one message.
struct Hs256(Hmac<Sha256>);

impl Hs256 {
    fn new(key: &[u8]) -> Result<Self> {
        let mac = Hmac::new_from_slice(key).map_err(|_| ErrorKind::InvalidKeyFormat)?;
        Ok(Self(mac))
    }

    fn over(&self, message: &[u8]) -> Hmac<Sha256> {
        self.0.clone().chain_update(message)
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, SignatureError> {
        Ok(self.over(message).finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(
        &self,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> std::result::Result<(), SignatureError> {
        // `verify_slice` takes the same time wherever the first difference is: from the time of an
        // answer nobody learns how much of a forged signature was right.
        self.over(message).verify_slice(signature).map_err(SignatureError::from_source)
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}
