//! What a test's own process sends to its database, and to its backend.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use in_process::SQL_STATEMENTS;
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    set_global_recorder,
};
use remote::BACKEND_CALLS;

/// What was sent since it was last asked, in this process: its only test counts alone.
#[derive(Clone, Default)]
pub(crate) struct Counts {
    statements: Arc<AtomicU64>,
    calls: Arc<AtomicU64>,
}

impl Counts {
    /// Counts from now on.
    pub(crate) fn begin() -> Self {
        let counts = Self::default();
        set_global_recorder(counts.clone()).unwrap();
        counts
    }

    /// Statements to the database, and calls of the backend.
    pub(crate) fn taken(&self) -> (u64, u64) {
        (self.statements.swap(0, Ordering::Relaxed), self.calls.swap(0, Ordering::Relaxed))
    }
}

impl Recorder for Counts {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match key.name() {
            SQL_STATEMENTS => self.statements.clone().into(),
            BACKEND_CALLS => self.calls.clone().into(),
            _ => Counter::noop(),
        }
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
