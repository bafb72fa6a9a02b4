//! Speaks Dropbox: transport, sign-in, listing, watching, downloading, content hash. Knows nothing of DataTrails, of SQL
//! or of the command line; touches the network only.

mod arg;
mod auth;
mod classify;
mod client;
mod content_hash;
mod download;
mod error;
mod model;
mod retry_after;
mod text;
mod transport;
mod wire;

#[cfg(test)]
mod tests;

pub use client::{Client, Settings};
pub use content_hash::{ContentHasher, Hashed, hash_reader};
pub use error::{Error, Kind};
pub use model::{Account, Deleted, Entry, File, Folder, Page, PathRoot, Ring, RootInfo};
