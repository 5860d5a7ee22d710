//! Work that is done later: durable, at least once, anywhere.
//!
//! A job is a row. It is written in the transaction that causes it, so there is never one without
//! the other. A worker takes it in one short transaction (a *lease*: it is the worker's until then,
//! and a number that grows with each taking, the *fence*), runs it without holding a connection, and
//! deletes it. If the worker dies, the lease ends and somebody else takes the job; if it was only
//! frozen, the fence keeps out what it still wants to write. So each job runs at least once, and
//! each kind says why twice is harmless.
//!
//! Read in this order: `queue` (the statements), `run` (one job, from taking to outcome), `worker`
//! (the loop) with `lane` (how many at a time), `wake` (how it learns that there is something to do),
//! `schedule` (jobs by the clock),
//! `compute` (on whose threads), then the kinds, one file each. `lab` has what only experiments
//! switch on, the points at which a process can be made to die among it; `view`, `depth` and `meters`
//! what can be seen from outside; `steps` is for those who measure what the queue costs, `books` for
//! those who count what is left of it when servers die.

mod args;
mod backoff;
mod books;
mod compute;
mod depth;
pub(crate) mod kinds;
mod lab;
mod lane;
mod meters;
mod placement;
mod queue;
mod run;
mod schedule;
mod steps;
pub(crate) mod view;
mod wake;
mod worker;

pub use args::{JobArgs, JobPriority, Missed, Placement, PlacementArgs};
pub(crate) use kinds::{Kind, Task};
pub use lab::{Lab, Load, Naive, Point};
pub(crate) use placement::Jobs;
pub(crate) use queue::{Enqueued, NewJob, enqueue};
pub use steps::Taken;
