//! The harness. A [`Stage`] is one simulated Dropbox, one ledger and at most one daemon, all of them processes of the built
//! binary that it started itself, in a temporary directory of their own. Traffic stays on the loopback.
#![allow(dead_code, unused_imports)]

pub mod conf;
pub mod daemon;
pub mod database;
pub mod ledger;
pub mod more;
pub mod process;
pub mod proxy;
pub mod sandbox;
pub mod stage;

pub use conf::{Link, Tenancy};
pub use daemon::Daemon;
pub use ledger::{Asset, Version};
pub use proxy::{Deed, Proxy, Recorded};
pub use stage::Stage;

/// The hash of a content as it stands on the ledger.
pub fn sha256(content: &str) -> String {
    droptrail::digest::Digest::sha256(content).to_string()
}
