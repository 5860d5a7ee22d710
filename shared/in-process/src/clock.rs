//! Where the time comes from. It is handed in, so that tests can set it and two servers on equal
//! databases can give equal answers.

use std::{fmt, sync::Arc};

use chrono::{DateTime, SubsecRound, Utc};

/// A source of the time. Cheap to clone.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>);

impl Clock {
    /// The time of the machine.
    pub fn system() -> Self {
        Self::new(Utc::now)
    }

    /// A clock that shows what `time` returns.
    pub fn new(time: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self(Arc::new(time))
    }

    /// The time, cut to microseconds: PostgreSQL keeps no more, and what was written has to be
    /// equal to what is read back.
    pub fn now(&self) -> DateTime<Utc> {
        (self.0)().trunc_subsecs(6)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock(…)")
    }
}
