//! Hashing and checking passwords with Argon2id.
//!
//! Both are slow and hungry on purpose (tens of milliseconds and 19 MiB each, the OWASP
//! recommendation), so they run on threads of their own, and on all cores of the machine but one at a
//! time: a few dozen people who sign in at once can take neither all memory nor the last core, which
//! those who read need.

use std::sync::{Arc, LazyLock};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use conduit::{Error, Password, Result};
use tokio::sync::Semaphore;

/// The hash of a password that nobody has: what is checked when an address is unknown, so that the
/// answer takes as long as for a wrong password. Same algorithm, same cost as [`hash`].
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$ojUknAqQ2XUAy2YW/4Bg5Q$GlGkIwW3Wkv0XmY4Yy6EWbVeX7XO8K5cIE6wAzleP00";

/// One permit for each core that signing in may occupy.
static PERMITS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Arc::new(Semaphore::new(cores.saturating_sub(1).max(1)))
});

/// The hash to store for a password, with a salt of its own.
pub(crate) async fn hash(password: Password) -> Result<String> {
    apart(move || {
        Argon2::default()
            .hash_password(password.expose().as_bytes())
            .map(|hash: PasswordHash| hash.to_string())
            .map_err(|error| Error::Internal(format!("hashing a password: {error}")))
    })
    .await
}

/// Whether a password belongs to a stored hash. `None` stands for an unknown account: that takes
/// the same time, and is false.
pub(crate) async fn verify(password: Password, stored: Option<String>) -> Result<bool> {
    apart(move || {
        let known = stored.is_some();
        let hash = stored.as_deref().unwrap_or(NOBODY);
        let hash = PasswordHash::new(hash)
            .map_err(|error| Error::Internal(format!("a stored password hash: {error}")))?;
        let fits = Argon2::default().verify_password(password.expose().as_bytes(), &hash).is_ok();
        Ok(known && fits)
    })
    .await
}

/// Runs `work` on a thread for blocking work, when its turn comes.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let lost = |error: &dyn std::fmt::Display| Error::Internal(format!("hashing: {error}"));
    let permit = PERMITS.clone().acquire_owned().await.map_err(|error| lost(&error))?;
    let task = tokio::task::spawn_blocking(move || {
        // The permit goes along: a caller who gives up doesn't stop the thread, so it must not free
        // the place either.
        let _permit = permit;
        work()
    });
    task.await.map_err(|error| lost(&error))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_hash_and_no_other_does() {
        let stored = hash(Password::new("correct horse")).await.unwrap();
        assert!(stored.starts_with("$argon2id$"), "{stored}");
        assert!(verify(Password::new("correct horse"), Some(stored.clone())).await.unwrap());
        assert!(!verify(Password::new("correct hors"), Some(stored)).await.unwrap());
    }

    #[tokio::test]
    async fn two_hashes_of_one_password_differ() {
        let first = hash(Password::new("correct horse")).await.unwrap();
        assert_ne!(first, hash(Password::new("correct horse")).await.unwrap());
    }

    #[tokio::test]
    async fn nobody_costs_what_somebody_costs() {
        let cost = |hash: &str| {
            let hash = PasswordHash::new(hash).unwrap();
            (hash.algorithm.to_string(), hash.version, hash.params.to_string())
        };
        let somebody = hash(Password::new("correct horse")).await.unwrap();
        assert_eq!(cost(NOBODY), cost(&somebody));
        assert!(!verify(Password::new("correct horse"), None).await.unwrap());
    }

    #[tokio::test]
    async fn a_hash_that_cannot_be_read_is_our_fault() {
        let answer = verify(Password::new("x"), Some("plain text".into())).await;
        assert!(matches!(answer, Err(Error::Internal(_))));
    }
}
