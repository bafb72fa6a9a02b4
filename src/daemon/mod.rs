//! The run: the only room that joins Dropbox, the store and the ledger.
//!
//! A *supervisor* owns the lock, the store and the signals. Under each configuration it runs a *shift*: a Dropbox session
//! (which runs one watcher per linked folder and the hasher), the filler, and for each tenancy a publisher, a settler
//! that looks up unknown outcomes, and a confirmer. They share nothing but the store and a wake-up, so that any of them
//! may die with the process at any instant: what the store says is all there is. No network call happens in a
//! transaction.

mod conditions;
mod confirmer;
mod connect;
mod context;
mod desk;
mod filler;
mod hasher;
mod lock;
mod lookup;
mod publisher;
mod resolve;
mod session;
mod settler;
mod supervisor;
mod tenancy;
mod watcher;

pub use context::{Notice, NoticeKind};
pub use lock::{Lock, LockError, holder};
pub use supervisor::{Failure, Options, Signal, run};
