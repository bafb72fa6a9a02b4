//! Opening the database: made, migrated, or refused with a word. A database that will not open is never replaced by an
//! empty one, because that would publish everything again.

use std::fs::OpenOptions;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use super::{Store, schema};
use crate::digest::Digest;

/// The database's file name in `state_dir`.
pub const FILE_NAME: &str = "droptrail.db";

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not an SQLite database, or not ours.
    #[error("{0} is not a droptrail database")]
    Foreign(PathBuf),
    /// Written by a newer droptrail.
    #[error("{0} was written by a newer droptrail (schema {1}, this one knows {known})", known = schema::VERSION)]
    Newer(PathBuf, i32),
    /// It is damaged.
    #[error("{0} is damaged: {1}")]
    Damaged(PathBuf, String),
    /// It cannot be read or written; may heal (disk full, permission).
    #[error("cannot open {0}: {1}")]
    Unusable(PathBuf, String),
}

impl OpenError {
    fn of(path: &Path, error: &rusqlite::Error) -> OpenError {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => OpenError::Foreign(path.into()),
            Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged(path.into(), error.to_string()),
            _ => OpenError::Unusable(path.into(), error.to_string()),
        }
    }
}

/// How the database was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The process that had it open last did not close it: its integrity should be checked, behind READY.
    pub unclean: bool,
}

impl Store {
    /// Opens the database in `state_dir`, makes it where there is none, and brings an older schema up to date.
    /// Does not scan it.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing was replaced or repaired.
    pub fn open(state_dir: &Path) -> Result<(Store, Found), OpenError> {
        let path = state_dir.join(FILE_NAME);
        let fail = |error: rusqlite::Error| OpenError::of(&path, &error);
        let new = !path.try_exists().map_err(|error| OpenError::Unusable(path.clone(), error.to_string()))?;
        if new {
            make(state_dir, &path)?;
        }
        let mut connection = Connection::open_with_flags(&path, FLAGS).map_err(fail)?;
        inspect(&connection, &path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
            .map_err(|error| OpenError::Unusable(path.clone(), error.to_string()))?;
        configure(&connection).map_err(fail)?;
        migrate(&mut connection, &path)?;
        let unclean = !new && meta(&connection, "clean").map_err(fail)?.as_deref() != Some("1");
        set_meta(&connection, "clean", "0").map_err(fail)?;
        // An empty file needs no download: its hash is known to everybody.
        connection.execute("INSERT OR IGNORE INTO content VALUES (?1, ?1)", params![Digest::EMPTY]).map_err(fail)?;
        let store = Store::start(connection).map_err(|error| OpenError::Unusable(path, error.to_string()))?;
        Ok((store, Found { unclean }))
    }

    /// `PRAGMA quick_check`, on a connection of its own so that work goes on beside it: what it found wrong, if anything.
    ///
    /// # Errors
    /// If the database cannot be read at all.
    pub fn check(state_dir: &Path) -> Result<Option<String>, OpenError> {
        let path = state_dir.join(FILE_NAME);
        let connection = open_to_read(&path)?;
        let found: String = connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(|error| OpenError::of(&path, &error))?;
        Ok((found != "ok").then_some(found))
    }
}

/// Never makes a file: only [`make`] does.
const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// Makes a new database under another name, whole, and then gives it its own: a start that is cut short leaves nothing
/// behind that the next one would have to refuse, and an empty file is never ours.
fn make(state_dir: &Path, path: &Path) -> Result<(), OpenError> {
    let unusable = |error: std::io::Error| OpenError::Unusable(path.into(), error.to_string());
    if beside(path, "-wal").try_exists().map_err(unusable)? {
        let reason = "the file itself is missing, but its -wal file is there: bring it back, or move both away";
        return Err(OpenError::Damaged(path.into(), reason.into()));
    }
    let unfinished = beside(path, ".new");
    for left in [unfinished.clone(), beside(&unfinished, "-wal"), beside(&unfinished, "-shm")] {
        match std::fs::remove_file(left) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(unusable(error)),
            _ => {}
        }
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished).map_err(unusable)?;
    let fill = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(&unfinished, FLAGS)?;
        connection.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
        configure(&connection)?;
        Ok(connection)
    };
    let mut connection = fill().map_err(|error| OpenError::of(path, &error))?;
    migrate(&mut connection, path)?;
    // Closing folds the log into the file.
    connection.close().map_err(|(_, error)| OpenError::of(path, &error))?;
    std::fs::rename(&unfinished, path).map_err(unusable)?;
    std::fs::File::open(state_dir).and_then(|directory| directory.sync_all()).map_err(unusable)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    schema::migrations().to_latest(connection).map_err(|error| match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => OpenError::of(path, &err),
        other => OpenError::Damaged(path.into(), other.to_string()),
    })
}

/// Opens the database of a daemon that may be running, to read only.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| OpenError::of(path, &error))?;
    connection
        .busy_timeout(std::time::Duration::from_secs(5))
        .and_then(|()| connection.pragma_update(None, "trusted_schema", false))
        .map_err(|error| OpenError::of(path, &error))?;
    inspect(&connection, path)?;
    Ok(connection)
}

/// Refuses what is not ours or newer than us, before anything is written.
fn inspect(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let pragma = |name: &str| -> Result<i32, OpenError> {
        connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).map_err(|e| OpenError::of(path, &e))
    };
    if pragma("application_id")? != schema::APPLICATION_ID {
        return Err(OpenError::Foreign(path.into()));
    }
    match pragma("user_version")? {
        newer if newer > schema::VERSION => Err(OpenError::Newer(path.into(), newer)),
        _ => Ok(()),
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // A fixed cache, so that memory does not grow with the database.
    connection.pragma_update(None, "cache_size", -8192)?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(())
}

pub(super) fn meta(connection: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    connection.prepare_cached("SELECT value FROM meta WHERE key = ?1")?.query_row([key], |row| row.get(0)).optional()
}

pub(super) fn set_meta(connection: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value")?
        .execute([key, value])?;
    Ok(())
}

/// The last write of an orderly end.
pub(super) fn mark_clean(connection: &Connection) {
    let _ = set_meta(connection, "clean", "1");
    let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
}
