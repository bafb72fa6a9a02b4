//! The built binary, tested from outside: the daemon against a simulated Dropbox over a real folder and the embedded ledger.
#![cfg(feature = "sandbox")]
#![allow(missing_docs, clippy::unwrap_used)]

mod accounts;
mod changes;
mod faults;
mod links;
mod reload;
mod restart;
mod skipped;
mod support;
mod versions;
mod wire;
