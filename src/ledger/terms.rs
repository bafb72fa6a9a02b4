//! The index of equality look-ups: each string of an attribute becomes a short digest, so that a look-up costs the same
//! among millions of records, whatever the length of the value.

use rusqlite::{Connection, params};
use sha2::{Digest as _, Sha256};

use super::Error;
use super::attributes::Attributes;

/// Where an attribute stands. The numbers go into the index, so they never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// The present state of an asset; the subject is the asset.
    Asset = 0,
    /// `event_attributes`; the subject is the event.
    Event = 1,
    /// `asset_attributes`; the subject is the event.
    AssetOfEvent = 2,
}

/// The term of one string: half a SHA-256, so that nobody can make another value look equal.
pub(super) fn term(scope: Scope, path: &str, value: &str) -> Vec<u8> {
    let length = (path.len() as u64).to_be_bytes();
    let digest = Sha256::new().chain_update([scope as u8]).chain_update(length).chain_update(path).chain_update(value);
    digest.finalize()[..16].to_vec()
}

/// Makes the index say `new` where it said `old`.
pub(super) fn replace(
    connection: &Connection,
    space: i64,
    scope: Scope,
    subject: i64,
    old: &Attributes,
    new: &Attributes,
) -> Result<(), Error> {
    let (old, new) = (old.flat(), new.flat());
    let mut delete = connection.prepare_cached("DELETE FROM terms WHERE space = ?1 AND term = ?2 AND subject = ?3")?;
    for (path, value) in old.difference(&new) {
        delete.execute(params![space, term(scope, path, value), subject])?;
    }
    let mut insert =
        connection.prepare_cached("INSERT OR IGNORE INTO terms (space, term, subject) VALUES (?1, ?2, ?3)")?;
    for (path, value) in new.difference(&old) {
        insert.execute(params![space, term(scope, path, value), subject])?;
    }
    Ok(())
}
