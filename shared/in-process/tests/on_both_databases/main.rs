//! What the use cases mean, on SQLite and on PostgreSQL. One program, so that all of it shares one
//! PostgreSQL server.

#![expect(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

mod accounts;
mod articles;
mod exports;
mod fixture;
mod jobs;
mod kinds;
mod limits;
mod lists;
mod loading;
mod notices;
mod schema;
mod start;
mod statements;
mod writing;
