//! Synthetic entries for tests of scale: `/bulk` with any number of files, computed when they are asked for and stored nowhere.
//! File `i` is `/bulk/<i, nine digits>.txt`; its id, revision, times and content follow from `i` alone and never change.

use super::blobs::ContentHash;
use super::db::{ALIVE, Entry, Kind, Stat};
use crate::digest::Digest;

/// The folder's key and spelling.
pub const FOLDER: &str = "/bulk";
const ID: &str = "id:bulk-";
const REV: &str = "0b01c";
const EPOCH: i64 = 1_700_000_000;

/// The content of file `i`.
pub fn content(i: u64) -> Vec<u8> {
    format!("synthetic file {i}\n").into_bytes()
}

fn blank(path: String, kind: Kind, id: String) -> Entry {
    Entry {
        n: 0,
        path_lower: path.clone(),
        path_display: path,
        kind,
        id,
        rev: String::new(),
        size: 0,
        content_hash: None,
        sha256: None,
        client_modified: EPOCH,
        server_modified: EPOCH,
        target: None,
        stat: Stat::default(),
        born: 0,
        died: ALIVE,
    }
}

/// The folder.
pub fn folder() -> Entry {
    blank(FOLDER.to_owned(), Kind::Folder, format!("{ID}{:0>17}", "folder"))
}

/// File `i`.
pub fn file(i: u64) -> Entry {
    let content = content(i);
    Entry {
        rev: format!("{REV}{i:026x}"),
        size: content.len() as u64,
        content_hash: Some(ContentHash::of(&content)),
        sha256: Some(Digest::sha256(&content)),
        server_modified: EPOCH.saturating_add_unsigned(i),
        ..blank(format!("{FOLDER}/{i:09}.txt"), Kind::File, format!("{ID}{i:017}"))
    }
}

/// The entry that a path (as a key), an id or a revision means, if it is one of `count` synthetic ones.
pub fn find(name: &str, count: u64) -> Option<Entry> {
    if count == 0 {
        return None;
    }
    if name == FOLDER || name == folder().id {
        return Some(folder());
    }
    let i = if let Some(number) = name.strip_prefix("/bulk/") {
        number.strip_suffix(".txt")?.parse().ok()?
    } else if let Some(number) = name.strip_prefix(ID) {
        number.parse().ok()?
    } else {
        u64::from_str_radix(name.strip_prefix(REV).filter(|digits| digits.len() == 26)?, 16).ok()?
    };
    let found = file(i);
    (i < count && [&found.path_lower, &found.id, &found.rev].contains(&&name.to_owned())).then_some(found)
}

/// The number of a synthetic file.
pub fn number(entry: &Entry) -> Option<u64> {
    entry.id.strip_prefix(ID)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_synthetic_file_is_found_by_path_id_and_revision() {
        let file = file(41);
        for name in [&file.path_lower, &file.id, &file.rev] {
            assert_eq!(find(name, 42).as_ref(), Some(&file));
            assert_eq!(find(name, 41), None);
        }
        assert_eq!(file.id.len(), 25);
        assert_eq!(number(&file), Some(41));
        assert_eq!(number(&folder()), None);
    }
}
