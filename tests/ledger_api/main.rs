//! The embedded ledger over HTTP, in this process: every promise of its API.

mod faults;
mod lifecycle;
mod limits;
mod paging;
mod public;
mod queries;
mod signing_in;
mod store;
mod support;
