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

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc";
    const FILE: &str = "id:a4ayc_80_OEAAAAAAAAAXw";
    const REV: &str = "a1c10ce0dd78";

    #[test]
    fn references_never_change_because_the_ledger_holds_them_for_ever() {
        // Computed with Python's hashlib.
        let account_reference = "aef68b39035bb6078056b55d0eb0420c7fde0d7051c533513af58f208691375c";
        let file_reference = "9b805940e1c1f31422412c6eb7da4af4b0df61462fd728c73e7e7292afc2a690";
        let revision_reference = "6c3297241dc69d48824d9eb56b6f156dc1dfb93cc70f17ae876cc14ce001a6ad";
        assert_eq!(account(ACCOUNT).to_string(), account_reference);
        assert_eq!(file(ACCOUNT, FILE).to_string(), file_reference);
        assert_eq!(revision(ACCOUNT, FILE, REV).to_string(), revision_reference);
    }

    #[test]
    fn references_are_case_sensitive_and_differ_by_kind() {
        assert_ne!(file(ACCOUNT, FILE), file(ACCOUNT, &FILE.to_lowercase()));
        assert_ne!(file(ACCOUNT, FILE), revision(ACCOUNT, FILE, ""));
    }
}
