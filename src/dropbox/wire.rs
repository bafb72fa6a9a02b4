//! The wire forms of what Dropbox answers, and how they become the types of [`super::model`]. Touches nothing.
//!
//! Shapes are those of `files.stone`, `users.stone` and `common.stone` of dropbox/dropbox-api-spec. Unknown fields are
//! ignored; optional ones may be absent or `null`. Entries are read one at a time from their raw text, so that one that
//! cannot be read costs neither its page nor more memory than its text.

use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::text::quoted;
use super::{Account, Deleted, Entry, File, Folder, Page, Ring, RootInfo, retry_after};

/// More entries than this are no page: we ask for 2000, and the server may give "a bit more".
const MOST_ENTRIES: usize = 100_000;

/// Reads `ListFolderResult`.
pub(super) fn page(body: &[u8]) -> serde_json::Result<Page> {
    #[derive(Deserialize)]
    struct Wire {
        entries: Entries,
        #[serde(deserialize_with = "not_empty")]
        cursor: String,
        has_more: bool,
    }
    let Wire { entries, cursor, has_more } = serde_json::from_slice(body)?;
    Ok(Page { entries: entries.0, cursor, has_more })
}

/// Reads the `Metadata` of `get_metadata`. A tag that we know must be readable; an unknown one is survived.
pub(super) fn metadata(body: &[u8]) -> serde_json::Result<Entry> {
    let raw: &RawValue = serde_json::from_slice(body)?;
    let Tagged { tag } = serde_json::from_str(raw.get())?;
    read_entry(&tag, raw.get())
}

/// Reads `ListFolderLongpollResult`.
pub(super) fn ring(body: &[u8]) -> serde_json::Result<Ring> {
    #[derive(Deserialize)]
    struct Wire {
        changes: bool,
        backoff: Option<f64>,
    }
    let Wire { changes, backoff } = serde_json::from_slice(body)?;
    Ok(Ring { changes, backoff: backoff.and_then(retry_after::clamped) })
}

/// Reads `FullAccount`. An unknown kind of `root_info` is taken for one without a team root.
pub(super) fn account(body: &[u8]) -> serde_json::Result<Account> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(deserialize_with = "not_empty")]
        account_id: String,
        email: Option<String>,
        name: Option<Name>,
        root_info: Root,
    }
    #[derive(Deserialize)]
    struct Name {
        display_name: Option<String>,
    }
    #[derive(Deserialize)]
    struct Root {
        #[serde(rename = ".tag")]
        tag: String,
        root_namespace_id: Option<String>,
        home_namespace_id: Option<String>,
    }
    let Wire { account_id, email, name, root_info } = serde_json::from_slice(body)?;
    let known = matches!(root_info.tag.as_str(), "team" | "user");
    if known && (root_info.root_namespace_id.is_none() || root_info.home_namespace_id.is_none()) {
        return Err(serde_json::Error::missing_field("root_namespace_id or home_namespace_id"));
    }
    Ok(Account {
        account_id,
        email: email.unwrap_or_default(),
        display_name: name.and_then(|name| name.display_name).unwrap_or_default(),
        root_info: RootInfo {
            team: root_info.tag == "team",
            root_namespace_id: root_info.root_namespace_id.unwrap_or_default(),
            home_namespace_id: root_info.home_namespace_id.unwrap_or_default(),
        },
    })
}

#[derive(Deserialize)]
struct Tagged {
    #[serde(rename = ".tag")]
    tag: String,
}

/// The entries of a page, each read by itself.
struct Entries(Vec<Entry>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneByOne;
        impl<'de> Visitor<'de> for OneByOne {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of entries")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(raw) = seq.next_element::<&RawValue>()? {
                    if entries.len() == MOST_ENTRIES {
                        return Err(A::Error::custom("more entries than any page has"));
                    }
                    entries.push(entry(raw.get()));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_seq(OneByOne)
    }
}

fn entry(raw: &str) -> Entry {
    let Ok(Tagged { tag }) = serde_json::from_str(raw) else { return Entry::Unknown(String::new()) };
    read_entry(&tag, raw).unwrap_or_else(|_| Entry::Unknown(quoted(&tag, &[])))
}

fn read_entry(tag: &str, raw: &str) -> serde_json::Result<Entry> {
    Ok(match tag {
        "file" => Entry::File(file(raw)?),
        "folder" => Entry::Folder(folder(raw)?),
        "deleted" => Entry::Deleted(deleted(raw)?),
        unknown => Entry::Unknown(quoted(unknown, &[])),
    })
}

fn file(raw: &str) -> serde_json::Result<File> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(deserialize_with = "not_empty")]
        id: String,
        name: String,
        path_lower: Option<String>,
        path_display: Option<String>,
        #[serde(deserialize_with = "not_empty")]
        rev: String,
        size: u64,
        #[serde(deserialize_with = "utc_time")]
        server_modified: String,
        content_hash: Option<String>,
        is_downloadable: Option<bool>,
        symlink_info: Option<serde::de::IgnoredAny>,
    }
    let wire: Wire = serde_json::from_str(raw)?;
    Ok(File {
        id: wire.id,
        name: wire.name,
        path_lower: wire.path_lower,
        path_display: wire.path_display,
        rev: wire.rev,
        size: wire.size,
        server_modified: wire.server_modified,
        // A hash that is none of ours is as good as no hash: the content says what it is.
        content_hash: wire.content_hash.and_then(|hex| hex.parse().ok()),
        is_downloadable: wire.is_downloadable.unwrap_or(true),
        is_symlink: wire.symlink_info.is_some(),
    })
}

fn folder(raw: &str) -> serde_json::Result<Folder> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(deserialize_with = "not_empty")]
        id: String,
        name: String,
        path_lower: Option<String>,
        path_display: Option<String>,
    }
    let Wire { id, name, path_lower, path_display } = serde_json::from_str(raw)?;
    Ok(Folder { id, name, path_lower, path_display })
}

fn deleted(raw: &str) -> serde_json::Result<Deleted> {
    #[derive(Deserialize)]
    struct Wire {
        name: String,
        path_lower: Option<String>,
        path_display: Option<String>,
    }
    let Wire { name, path_lower, path_display } = serde_json::from_str(raw)?;
    Ok(Deleted { name, path_lower, path_display })
}

fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Err(D::Error::custom("empty")) } else { Ok(text) }
}

/// A Stone `Timestamp`, kept verbatim. Checked, because it is published as it stands.
fn utc_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let plain = text.ends_with('Z') && text.bytes().all(|b| b.is_ascii_digit() || b"-:.TZ".contains(&b));
    if plain && text.parse::<jiff::Timestamp>().is_ok() { Ok(text) } else { Err(D::Error::custom("no UTC time")) }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
