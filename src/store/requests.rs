//! What commands ask of the daemon: a row each, the only thing that a command writes while a daemon runs.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, params};

use super::tenancies::now;
use super::{OpenError, Result, Store, open};

/// A command's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Let a held folder publish.
    Approve(String),
    /// Try again what is parked.
    Retry,
}

impl Request {
    fn parts(&self) -> (&'static str, &str) {
        match self {
            Request::Approve(folder) => ("approve", folder),
            Request::Retry => ("retry", ""),
        }
    }
}

/// Leaves a request in the database in `state_dir`, for the daemon to find at SIGHUP or at its next start.
///
/// # Errors
/// If there is no database, or it cannot be written.
pub fn ask(state_dir: &Path, request: &Request) -> Result<(), OpenError> {
    let path = state_dir.join(open::FILE_NAME);
    // The shape of the file is checked first, by a connection that cannot write.
    drop(open::open_to_read(&path)?);
    let (kind, arg) = request.parts();
    let write = || -> rusqlite::Result<()> {
        let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute("INSERT INTO request (kind, arg, asked) VALUES (?1, ?2, ?3)", params![kind, arg, now()])?;
        Ok(())
    };
    write().map_err(|error| OpenError::Unusable(path.clone(), error.to_string()))
}

impl Store {
    /// The requests that wait, oldest first, each with its row.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn requests(&self) -> Result<Vec<(i64, Request)>> {
        self.read(|connection| {
            let mut statement = connection.prepare("SELECT id, kind, arg FROM request ORDER BY id")?;
            let rows = statement.query_map([], |row| {
                let (id, kind, arg): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok((id, if kind == "approve" { Request::Approve(arg) } else { Request::Retry }))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// A request was carried out.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn request_done(&self, id: i64) -> Result<()> {
        self.write(move |connection| {
            connection.execute("DELETE FROM request WHERE id = ?1", [id])?;
            Ok(())
        })
        .await
    }
}
