//! What theory says about servers under load, as pure functions: nothing here measures, and nothing
//! here knows of a run.
//!
//! [`queues`] holds closed forms, [`network`] puts several servers together, [`simulation`] plays a
//! network event by event where no closed form exists (quotas, a core that is shared, balancers),
//! [`law`] is the Universal Scalability Law, and [`regression`] finds what a request costs from
//! many mixes of requests. The simulation agrees with the closed forms wherever both apply.

pub mod law;
pub mod network;
pub mod queues;
pub mod regression;
pub mod simulation;
