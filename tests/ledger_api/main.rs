//! The embedded ledger over HTTP, in this process: every promise of its API.

#![allow(clippy::disallowed_methods, reason = "a test may read its own server's answers whole")]
#![cfg(feature = "ledger")]

mod faults;
mod lifecycle;
mod limits;
mod model;
mod paging;
mod public;
mod queries;
mod signing_in;
mod store;
mod support;
