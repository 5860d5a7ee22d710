//! The lab: starts both architectures, proves that they are the same app, and measures them.
//!
//! A run has three parts that share nothing but plain data:
//!
//! 1. An [`experiment`] says what is to be measured: a [`plan`], decided before anything runs.
//! 2. The instrument carries it out, [`run`] at the top, and leaves a [`record`].
//! 3. [`judge`] and [`report`] read the record. They can do so again at any time, without any load.
//!
//! The instrument, from the outside in: [`testbed`] is where the arms run; either [`servers`] builds the
//! programs and [`databases`] gives every arm its copy of the data, or there is a [`composition`]
//! that runs already; [`fleet`] starts, freezes and stops the servers, [`parity`] proves
//! that the arms are the same app, [`pilot`] sets the rates, [`executor`] goes through the plan
//! with [`load`] and [`probe`], [`journal`] keeps what an interrupted run needs to go on, [`guardian`]
//! sees to it that nothing is left behind.
//!
//! For arms of several processes: [`fleet::topology`] says what they consist of, [`fleet::budget`] that
//! they have the same in all, [`fleet::quota`] keeps them to it, [`relay`] balances between replicas,
//! [`link`] puts a distance between frontend and backend; both are [`intermediary`] processes.
//! [`fleet::deployment`] is such an arm as it runs, [`scaling`] looks for the best one, and [`jobs`] asks
//! what pages feel of jobs beside them, [`durability`] what is left of those when servers die,
//! [`deploys`] what becomes of them when the interface is replaced; and [`ticks`] whether
//! what is scheduled happens once; the latter three share [`lanes`]. [`capacity`] predicts what other arms would come to, by the theory
//! in [`model`].

pub mod affinity;
pub mod binomial;
pub mod capacity;
pub mod circumstances;
pub mod composition;
pub mod count;
pub mod databases;
pub mod deploys;
pub mod doctor;
pub mod durability;
pub mod executor;
pub mod experiment;
pub mod experiments;
pub mod fleet;
pub mod grid;
pub mod guardian;
pub mod intermediary;
pub mod jobs;
pub mod journal;
pub mod judge;
pub mod lanes;
pub mod ledger;
pub mod link;
pub mod load;
pub mod machine;
pub mod model;
pub mod noise;
pub mod parity;
pub mod pilot;
pub mod plan;
pub mod probe;
pub mod progress;
pub mod record;
pub mod relay;
pub mod report;
pub mod run;
pub mod scaling;
pub mod seed;
pub mod servers;
pub mod site;
pub mod stats;
pub mod store;
pub mod stretch;
#[cfg(test)]
mod synthetic;
pub mod testbed;
pub mod ticks;
pub mod up;
pub mod visitors;
pub mod words;
