//! Small facts that several parts need: what went wrong, what time it is, what the file system says of a file, fresh names.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::db::{ALIVE, Entry, Kind, Stat};

/// What can go wrong with the sandbox's own storage.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error("the sandbox's database: {0}")]
    Db(#[from] rusqlite::Error),
    /// A file or directory.
    #[error("{path}: {source}")]
    Io {
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Told to stop in the middle of a look.
    #[error("stopped")]
    Stopped,
    /// Something else, in words.
    #[error("{0}")]
    Other(String),
}

impl Error {
    /// Names the path that an error is about.
    pub fn io(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
        move |source| Error::Io { path: path.to_owned(), source }
    }
}

fn nanos(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).ok().and_then(|d| i64::try_from(d.as_nanos()).ok()).unwrap_or(0)
}

/// Seconds since the epoch, now.
pub fn now() -> i64 {
    nanos(SystemTime::now()) / 1_000_000_000
}

/// What the file system says of `meta`'s file.
pub fn stat(meta: &fs::Metadata) -> Stat {
    Stat {
        inode: meta.ino().cast_signed(),
        birth: meta.created().map_or(0, nanos),
        mtime: meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec()),
        ctime: meta.ctime().saturating_mul(1_000_000_000).saturating_add(meta.ctime_nsec()),
        size: meta.len(),
    }
}

/// 22 random characters, as in Dropbox's ids.
pub fn random_id() -> String {
    use base64::Engine as _;
    let bytes: [u8; 16] = rand::random();
    format!("id:{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}

/// A revision name: 31 hex digits, rising with time, never used before.
pub fn random_rev() -> String {
    let micros = nanos(SystemTime::now()) / 1000;
    format!("0{:014x}{:016x}", micros, rand::random::<u64>())
}

/// What appears at a path for the first time, with an id and a revision of its own; a file's content is still to be filled in.
pub fn new_entry(display: &str, path_lower: String, kind: Kind, seen: Stat) -> Entry {
    let folder = kind == Kind::Folder;
    Entry {
        n: 0,
        path_lower,
        path_display: display.to_owned(),
        kind,
        id: random_id(),
        rev: if folder { String::new() } else { random_rev() },
        size: 0,
        content_hash: None,
        sha256: None,
        client_modified: if folder { 0 } else { seen.mtime.div_euclid(1_000_000_000) },
        server_modified: if folder { 0 } else { now() },
        target: None,
        stat: if folder { Stat { size: 0, ..seen } } else { seen },
        born: 0,
        died: ALIVE,
    }
}

/// How long a file's last change must lie back before it is read: coarser than the clock that stamps changes, so that a later
/// write cannot leave the same stamp.
pub const GRAIN: Duration = Duration::from_millis(12);
