//! The port: everything the app can do, without a word about where it is done.
//!
//! Pages and API handlers are written against [`Conduit`]. Who stands behind it (a database in the
//! same process, or another server over HTTP) is decided in one line of each `main.rs`, and that
//! line is the only difference between the two architectures.
//!
//! Read in this order: [`Conduit`] (the use cases), the types it speaks of, [`Caller`] (on whose
//! behalf, and how long it may take), [`Error`] (what can go wrong), [`wire`] (how all of it looks
//! in HTTP, in both directions).
//!
//! This crate knows no framework: no axum, sqlx, reqwest or tokio. A test holds it to that.

mod caller;
mod error;
mod jobs;
pub mod limits;
mod object;
mod port;
mod types;
pub mod wire;

pub use caller::{Caller, RequestId, Token};
pub use error::{Error, Outcome, Problems, Resource, Result, Unauthorized};
pub use jobs::{
    COUNTED, Export, ExportState, FailedJob, Job, JobState, KindState, MAX_CHUNK, Queue,
    ScheduleState,
};
pub use port::Conduit;
pub use types::{
    Article, ArticlePage, ArticleSummary, ArticleUpdate, Comment, Credentials, DEFAULT_LIMIT,
    ListArticles, MAX_LIMIT, NewArticle, NewComment, Password, Profile, Registration, Timestamp,
    User, UserUpdate, Window,
};
