//! Nobody waits longer than they said they would.

use conduit::{Caller, Error, Outcome, Result};

/// What `call` answers, if it does so while the caller still waits. `outcome` says what is known of
/// the call's effect when it does not.
///
/// The future of a call that asks a database takes kilobytes, and is copied by everybody who awaits it as
/// part of a future of their own. So it goes to the heap at once, and what is handed on is its address.
pub(crate) fn within<T>(
    caller: &Caller,
    outcome: Outcome,
    call: impl Future<Output = Result<T>>,
) -> impl Future<Output = Result<T>> {
    let call = Box::pin(call);
    async move {
        let left = caller.remaining();
        if left.is_zero() {
            return Err(Error::Unavailable(Outcome::NotDone));
        }
        tokio::time::timeout(left, call).await.unwrap_or(Err(Error::Unavailable(outcome)))
    }
}

#[cfg(test)]
mod tests {
    use std::{future, time::Duration};

    use conduit::RequestId;

    use super::*;

    fn caller(budget: Duration) -> Caller {
        Caller::new(None, RequestId::parse("none").unwrap(), budget)
    }

    #[tokio::test]
    async fn a_call_that_takes_too_long_ends_with_what_is_known_of_it() {
        let caller = caller(Duration::from_millis(20));
        let never = within(&caller, Outcome::Unknown, future::pending::<Result<()>>()).await;
        assert_eq!(never, Err(Error::Unavailable(Outcome::Unknown)));
    }

    #[tokio::test]
    async fn a_call_without_any_time_left_is_not_begun() {
        let call = async { unreachable!("nobody waits for this") };
        let late = within::<()>(&caller(Duration::ZERO), Outcome::Unknown, call).await;
        assert_eq!(late, Err(Error::Unavailable(Outcome::NotDone)));
    }
}
