//! The embedded ledger over HTTP, in this process: every promise of its API.
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
