//! The embedded ledger: a DataTrails-compatible server over SQLite.

pub mod faults;
