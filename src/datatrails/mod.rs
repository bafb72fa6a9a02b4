//! Speaks DataTrails: transport, sign-in, assets, events, Document Profile, Instaproof. Knows nothing of Dropbox's
//! protocol, of SQL or of the command line; touches the network only.

mod auth;
mod client;
mod document;
mod error;
pub mod instaproof;
mod model;
mod rate;
pub mod reference;
#[cfg(test)]
pub(crate) mod testserver;
mod transport;
mod wire;

pub use client::{Client, Query, Settings, View};
pub use document::{Registration, Version, Withdrawal};
pub use error::{Error, Kind, Outcome};
pub use model::{Asset, Assets, Confirmation, Event, Events, PublicInfo};
