//! Opaque, deterministic names of an account, a file or a revision, put on the ledger so that a record can be found
//! again with no local state: lower-case hex of
//! `sha256("droptrail/1\n" + kind + "\n" + account_id [+ "\n" + file_id [+ "\n" + rev]])`.

use crate::digest::Digest;

/// The reference of a Dropbox account.
pub fn account(account_id: &str) -> Digest {
    Digest::sha256(format!("droptrail/1\naccount\n{account_id}"))
}

/// The reference of a file.
pub fn file(account_id: &str, file_id: &str) -> Digest {
    Digest::sha256(format!("droptrail/1\nfile\n{account_id}\n{file_id}"))
}

/// The reference of a revision of a file.
pub fn revision(account_id: &str, file_id: &str, rev: &str) -> Digest {
    Digest::sha256(format!("droptrail/1\nrevision\n{account_id}\n{file_id}\n{rev}"))
}
