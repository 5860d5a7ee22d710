//! What every server process does alike, so that no difference between the architectures can come
//! from here: one runtime, one set of flags, the same middleware, the same way to start, to drain
//! and to report.
//!
//! Reading order: [`run`] (what a `main` calls), [`ServerArgs`] (its flags), [`Server`] (bind, say
//! so, serve, drain; the end in phases is in `shutdown.rs`), then the middleware in `middleware.rs`,
//! `shedding.rs` with it, the operators' endpoints in `health.rs`, and what a server tells of itself in
//! `meters.rs` and `traces.rs`. [`Cached`] may stand in front of the port; what it keeps is in `cache.rs`.

mod args;
mod cache;
mod cached;
mod calls;
mod health;
mod lab_file;
mod listen;
mod meters;
mod middleware;
mod routes;
mod run;
mod serve;
mod shedding;
mod shutdown;
mod traces;

pub use args::{Runtime, ServerArgs};
pub use cache::{CACHE_HITS, CACHE_INVALIDATIONS, CACHE_MISSES, CacheArgs};
pub use cached::Cached;
pub use health::{HealthcheckArgs, healthcheck};
pub use routes::Routes;
pub use run::{once, run};
pub use serve::Server;
pub use shutdown::Stop;
pub use traces::TraceArgs;
