//! Speaks Dropbox: transport, sign-in, listing, watching, downloading, content hash. Knows nothing of DataTrails, of SQL
//! or of the command line; touches the network only.

mod client;
mod error;
mod model;
pub use client::{Client, Hashed, Settings};

pub use error::{Error, Kind};
pub use model::{Account, Deleted, Entry, File, Folder, Page, PathRoot, Ring, RootInfo};
