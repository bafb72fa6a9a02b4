//! What can go wrong in the ledger itself, as opposed to a request that it refuses. A leaf: touches nothing.

use std::path::PathBuf;

use rusqlite::ErrorCode;

/// A failure of the ledger.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory could not be used.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Another ledger serves this data directory.
    #[error("another ledger is already running on {}", .0.display())]
    Locked(PathBuf),
    /// The database refused.
    #[error("the ledger's database failed: {0}")]
    Database(#[from] rusqlite::Error),
    /// The database has a schema that this version cannot bring up to date.
    #[error("the ledger's database cannot be brought up to date: {0}")]
    Migration(#[from] rusqlite_migration::Error),
    /// A transaction could not begin or be made durable; nothing of it counts.
    #[error("the ledger could not store the record durably: {0}")]
    Commit(String),
    /// Something in the database is not as this version writes it.
    #[error("the ledger's database holds something unreadable: {0}")]
    Corrupt(String),
    /// More writes wait than the ledger is ready to hold.
    #[error("the ledger is overloaded")]
    Busy,
    /// The ledger is closing or closed.
    #[error("the ledger is closed")]
    Closed,
    /// A tenancy's name or domain is not usable.
    #[error("{0}")]
    Tenancy(String),
    /// Certificate or key cannot be used.
    #[error("{0}")]
    Tls(String),
    /// The fault script cannot be used.
    #[error("{0}")]
    Script(String),
}

impl Error {
    /// Whether trying again cannot help until a person has mended something.
    pub fn needs_a_person(&self) -> bool {
        match self {
            Error::Tenancy(_) | Error::Tls(_) | Error::Script(_) | Error::Migration(_) | Error::Corrupt(_) => true,
            Error::Io { source, .. } => source.kind() == std::io::ErrorKind::PermissionDenied,
            Error::Database(error) => matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::ReadOnly)
            ),
            _ => false,
        }
    }

    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { action, path, source }
    }
}
