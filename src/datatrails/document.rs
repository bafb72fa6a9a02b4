//! The Document Profile: the bodies of the three creating requests, fixed byte for byte here: the same input always
//! gives the same bytes. All attribute values are strings, because the ledger accepts nothing else. Touches nothing.

use serde::Serialize;

use crate::digest::Digest;

/// What a masked name looks like (the original integration's rule).
const MASKED: &str = "xxx...";
/// The longest clear name, in bytes of JSON: keeps every request far below 8 KiB, and the value below the ledger's
/// 4,096 characters.
const CLEAR_NAME: usize = 2048;

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

/// A Withdraw event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawal {
    /// `droptrail_sequence`.
    pub sequence: u64,
}

#[derive(Serialize)]
struct CreateAsset {
    behaviours: [&'static str; 1],
    public: bool,
    attributes: Attributes,
}

#[derive(Serialize)]
struct CreateEvent {
    operation: &'static str,
    behaviour: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp_declared: Option<String>,
    event_attributes: EventAttributes,
    asset_attributes: Attributes,
}

#[derive(Serialize)]
struct EventAttributes {
    arc_display_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    droptrail_revision: Option<String>,
}

/// The attributes in the order in which they are sent; a request has those that it needs.
#[derive(Default, Serialize)]
struct Attributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    arc_profile: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arc_display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arc_display_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    document_hash_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    document_hash_alg: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    document_version: Option<String>,
    document_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropbox_content_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropbox_server_modified: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    droptrail_account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    droptrail_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    droptrail_revision: Option<String>,
    droptrail_sequence: String,
}

impl Registration {
    /// The JSON body of `POST /archivist/v2/assets`.
    pub fn body(&self) -> String {
        let name = self.version.clear_name.as_deref().map_or_else(|| MASKED.to_owned(), shortened);
        json(&CreateAsset {
            behaviours: ["RecordEvidence"],
            public: true,
            attributes: Attributes {
                arc_profile: Some("Document"),
                arc_display_name: Some(name),
                arc_display_type: Some("Document"),
                droptrail_account: Some(self.account_reference.to_string()),
                droptrail_file: Some(self.file_reference.to_string()),
                ..self.version.attributes()
            },
        })
    }
}

impl Version {
    /// The JSON body of a Publish event, `POST /archivist/v2/assets/{uuid}/events`.
    pub fn publish_body(&self) -> String {
        json(&CreateEvent {
            operation: "Record",
            behaviour: "RecordEvidence",
            timestamp_declared: Some(self.server_modified.clone()),
            event_attributes: EventAttributes {
                arc_display_type: "Publish",
                droptrail_revision: Some(self.revision_reference.to_string()),
            },
            asset_attributes: Attributes {
                arc_display_name: self.clear_name.as_deref().map(shortened),
                ..self.attributes()
            },
        })
    }

    fn attributes(&self) -> Attributes {
        Attributes {
            document_hash_value: Some(self.document_hash.to_string()),
            document_hash_alg: Some(self.document_hash_alg),
            document_version: Some(self.document_version.to_string()),
            document_status: "Published",
            dropbox_content_hash: self.content_hash.map(|hash| hash.to_string()),
            dropbox_server_modified: Some(self.server_modified.clone()),
            droptrail_revision: Some(self.revision_reference.to_string()),
            droptrail_sequence: self.sequence.to_string(),
            ..Attributes::default()
        }
    }
}

impl Withdrawal {
    /// The JSON body of a Withdraw event.
    pub fn body(&self) -> String {
        json(&CreateEvent {
            operation: "Record",
            behaviour: "RecordEvidence",
            timestamp_declared: None,
            event_attributes: EventAttributes { arc_display_type: "Withdraw", droptrail_revision: None },
            asset_attributes: Attributes {
                document_status: "Withdrawn",
                droptrail_sequence: self.sequence.to_string(),
                ..Attributes::default()
            },
        })
    }
}

fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).expect("strings and a boolean always serialise")
}

/// A name cut to [`CLEAR_NAME`] bytes of JSON, `...` marking the cut.
fn shortened(name: &str) -> String {
    let mut left = CLEAR_NAME;
    for (at, character) in name.char_indices() {
        let size = match character {
            '"' | '\\' => 2,
            '\0'..='\u{1f}' => 6,
            other => other.len_utf8(),
        };
        if size > left {
            return format!("{}...", &name[..at]);
        }
        left -= size;
    }
    name.to_owned()
}

#[cfg(test)]
mod tests;
