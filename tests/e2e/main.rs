//! The built binary, tested from outside: the daemon against a simulated Dropbox over a real folder and the embedded ledger.
#![cfg(feature = "sandbox")]
#![allow(missing_docs, clippy::unwrap_used)]

mod accounts;
mod bad_input;
mod changes;
mod crash;
mod demo;
mod faults;
mod links;
mod manners;
mod masking;
mod modes;
mod reload;
mod restart;
mod review;
mod skipped;
mod support;
mod tenancies;
mod versions;
mod wire;
