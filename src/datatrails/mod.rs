//! Speaks DataTrails: transport, sign-in, assets, events, Document Profile, Instaproof. Knows nothing of Dropbox's
//! protocol, of SQL or of the command line; touches the network only.

mod client;
mod document;
mod error;
mod model;
pub mod reference;

pub use client::{Client, Query, Settings, View};
pub use document::{Registration, Version, Withdrawal};
pub use error::{Error, Kind, Outcome};
pub use model::{Asset, Assets, Confirmation, Event, Events, PublicInfo};
