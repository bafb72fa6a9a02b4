//! Cursors: where a client is in what listing, sealed so that no other string is taken for one. They hold everything that they
//! need, so one works for ever, and the same one gives the same answer or a newer one.

use serde::{Deserialize, Serialize};

use super::seal;

/// Which listing, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The account that it belongs to.
    #[serde(rename = "a")]
    pub account: String,
    /// The namespace folder that paths were relative to, as a key; empty for the root.
    #[serde(rename = "v")]
    pub view: String,
    /// The listed folder's id; `None` is the root of the view.
    #[serde(rename = "f")]
    pub folder: Option<String>,
    /// The folder's path when it was listed, as a key.
    #[serde(rename = "p")]
    pub path: String,
    /// It was asked for by its id, not by its path.
    #[serde(rename = "i")]
    pub by_id: bool,
    /// `recursive`.
    #[serde(rename = "r")]
    pub recursive: bool,
    /// `include_deleted`.
    #[serde(rename = "d")]
    pub include_deleted: bool,
    /// Entries to a page.
    #[serde(rename = "l")]
    pub limit: u64,
    /// How far.
    #[serde(rename = "x")]
    pub at: Position,
}

/// How far a listing has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Position {
    /// In the first listing, a snapshot of one moment: everything up to a key has been shown.
    #[serde(rename = "l")]
    Listing(i64, String),
    /// In the first listing, in what is gone already (`include_deleted`), so many shown.
    #[serde(rename = "g")]
    Gone(i64, usize),
    /// In the first listing, in the synthetic entries, so many shown.
    #[serde(rename = "b")]
    Bulk(i64, u64),
    /// In the changes from one moment to another, so many shown; additions before deletions or not.
    #[serde(rename = "c")]
    Changes(i64, i64, usize, bool),
    /// Everything up to a moment has been shown.
    #[serde(rename = "i")]
    Idle(i64),
}

impl Cursor {
    /// As the client gets it.
    pub fn encode(&self, key: &str) -> String {
        format!("AA{}", seal::seal(key, "cursor", self))
    }

    /// Reads one back; `None` if it is not one of ours.
    pub fn decode(key: &str, text: &str) -> Option<Cursor> {
        seal::open(key, "cursor", text.strip_prefix("AA")?)
    }

    /// The same listing, elsewhere in it.
    #[must_use]
    pub fn moved(&self, at: Position) -> Cursor {
        Cursor { at, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_cursor_of_this_sandbox_is_read_back() {
        let cursor = Cursor {
            account: "dbid:x".to_owned(),
            view: String::new(),
            folder: None,
            path: "/ü".to_owned(),
            by_id: false,
            recursive: true,
            include_deleted: false,
            limit: 500,
            at: Position::Listing(3, "/😀".to_owned()),
        };
        let text = cursor.encode("key");
        assert_eq!(Cursor::decode("key", &text), Some(cursor));
        assert_eq!(Cursor::decode("other", &text), None);
        assert_eq!(Cursor::decode("key", &text[..text.len() - 1]), None);
        assert_eq!(Cursor::decode("key", "AA"), None);
    }
}
