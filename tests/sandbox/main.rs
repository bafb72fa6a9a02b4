//! The simulated Dropbox, tested from outside: over loopback HTTP, on real folders.

#![allow(clippy::disallowed_methods, reason = "a test may read its own server's answers whole")]
#![cfg(feature = "sandbox")]
#![allow(missing_docs, clippy::unwrap_used)]

mod auth;
mod cli;
mod cursors;
mod downloads;
mod faults;
mod identity;
mod model;
mod restart;
mod strict;
mod support;
