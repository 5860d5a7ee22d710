//! What stands on the wire: status, headers and error shape of the API, and the document that
//! describes them. What the answers *mean* is tested for every wiring by the suite in `contract`.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has to stop")]

mod answers;
mod cors;
mod openapi;
mod refusals;
mod support;
