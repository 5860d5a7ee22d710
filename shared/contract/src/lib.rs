//! What must be true of every wiring, as a library: test data, the behaviour of the port, and what
//! "the same answer" means.
//!
//! The architectures are compared only because they are the same app. This crate is where that is
//! written down as code:
//!
//! - [`dataset`]: rows that are a pure function of a seed, so that both arms hold the same data;
//! - [`in_memory`]: a third implementation of the port, without any I/O.

pub mod dataset;
pub mod in_memory;
pub mod process;
pub mod smoke;
