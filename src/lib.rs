//! The map of the house. Each module is a room; its opening paragraph says what it is for and what it may touch.
//!
//! `dropbox` and `datatrails` each speak one protocol and know nothing of each other, of SQL or of the command line.
//! `store` holds all SQL and knows no network. `daemon` is the only room that joins them. `cli` talks to people.
//! `ledger` and `sandbox` are servers that the daemon reaches over HTTP, exactly as it reaches the real services.

pub mod cli;
pub mod config;
pub mod daemon;
pub mod datatrails;
pub mod digest;
pub mod dropbox;
#[cfg(feature = "ledger")]
pub mod ledger;
pub mod observe;
pub mod retry;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod store;
