//! Turning away what would come too late. Requests that wait behind too many others are answered
//! when nobody waits for them any more, and until then they slow down everybody else. A server that
//! says no at once, which costs it next to nothing, goes on to serve as many as it can.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::HeaderValue;

/// Seconds after which whoever was turned away may try again. Whoever reads it does not try at once.
pub(crate) const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// How many requests a server has in hand, and may have.
pub(crate) struct InFlight {
    now: AtomicUsize,
    most: usize,
}

/// One of them; it is over when this goes, however it ends.
pub(crate) struct Admitted<'a>(&'a InFlight);

impl InFlight {
    pub(crate) fn at_most(most: usize) -> Self {
        Self { now: AtomicUsize::new(0), most }
    }

    /// Lets a request in, unless there are too many.
    pub(crate) fn admit(&self) -> Option<Admitted<'_>> {
        // Nothing else is read or written on the strength of this number, so no order is needed.
        let before = self.now.fetch_add(1, Ordering::Relaxed);
        let admitted = Admitted(self);
        (before < self.most).then_some(admitted)
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_turned_away_takes_no_place() {
        let in_flight = InFlight::at_most(2);
        let first = in_flight.admit();
        let second = in_flight.admit();
        assert!(first.is_some() && second.is_some());
        for _ in 0..3 {
            assert!(in_flight.admit().is_none());
        }
        drop(first);
        let third = in_flight.admit();
        assert!(third.is_some());
        assert!(in_flight.admit().is_none());
    }
}
