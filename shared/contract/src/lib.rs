//! What must be true of every wiring, as a library: test data, the behaviour of the port, and what
//! "the same answer" means.
//!
//! The architectures are compared only because they are the same app. This crate is where that is
//! written down as code:
//!
//! - [`dataset`]: rows that are a pure function of a seed, so that both arms hold the same data;
//! - [`seed`], [`databases`], [`postgres`]: the same rows in real databases;
//! - [`in_memory`]: a third implementation of the port, without any I/O;
//! - [`suite`]: what every implementation must do;
//! - [`parity`]: which requests both architectures must answer alike, and what "alike" means;
//! - [`sql`]: what a test asks a database itself;
//! - [`process`], [`smoke`]: the servers as processes, started and asked from outside;
//! - [`kills`]: servers that die while they accept jobs, and the books on what became of those;
//! - [`collector`]: what servers send of their traces.

#[cfg(feature = "collector")]
pub mod collector;
pub mod databases;
pub mod dataset;
pub mod in_memory;
pub mod kills;
pub mod parity;
pub mod postgres;
pub mod process;
pub mod seed;
pub mod smoke;
pub mod sql;
pub mod suite;
