//! The Document Profile: the bodies of the three creating requests, fixed byte for byte here.

use crate::digest::Digest;

/// What is said of one version of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// `document_hash_value`.
    pub document_hash: Digest,
    /// `document_hash_alg`: `sha256` or `dropbox-content-hash`.
    pub document_hash_alg: &'static str,
    /// `document_version`, 1 for the registration.
    pub document_version: u64,
    /// `dropbox_content_hash`; absent where unknown.
    pub content_hash: Option<Digest>,
    /// `dropbox_server_modified`, RFC 3339.
    pub server_modified: String,
    /// `droptrail_revision`.
    pub revision_reference: Digest,
    /// `droptrail_sequence`.
    pub sequence: u64,
    /// `arc_display_name`: `None` is masked (`xxx...`); else the file's name, which `names = "clear"` asked for.
    pub clear_name: Option<String>,
}

/// The registration of a file: a new public asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The first version.
    pub version: Version,
    /// `droptrail_account`.
    pub account_reference: Digest,
    /// `droptrail_file`.
    pub file_reference: Digest,
}

impl Registration {
    /// The JSON body of `POST /archivist/v2/assets`.
    pub fn body(&self) -> String {
        unimplemented!()
    }
}

impl Version {
    /// The JSON body of a Publish event, `POST /archivist/v2/assets/{uuid}/events`.
    pub fn publish_body(&self) -> String {
        unimplemented!()
    }
}

/// A Withdraw event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawal {
    /// `droptrail_sequence`.
    pub sequence: u64,
}

impl Withdrawal {
    /// The JSON body of a Withdraw event.
    pub fn body(&self) -> String {
        unimplemented!()
    }
}
