//! The simulated Dropbox, tested from outside: over loopback HTTP, on real folders.
#![cfg(feature = "sandbox")]
#![allow(missing_docs, clippy::unwrap_used)]

mod auth;
mod cli;
mod cursors;
mod downloads;
mod faults;
mod identity;
mod restart;
mod strict;
mod support;
