//! The daemon's own database, read beside it, to know what it has seen. What is *right* is never read here: that is the
//! ledger's to say.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Row, ToSql};

/// Reads a database that another process writes; it may not be there yet.
#[derive(Debug, Clone)]
pub struct Database(PathBuf);

impl Database {
    pub fn new(path: &Path) -> Database {
        Database(path.to_owned())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(&self.0, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        Ok(connection)
    }

    /// The rows of a query; none where there is no database or no such table yet.
    pub fn rows<T>(&self, sql: &str, parameters: &[&dyn ToSql], read: impl Fn(&Row<'_>) -> T) -> Vec<T> {
        let Ok(connection) = self.open() else { return Vec::new() };
        let mut statement = match connection.prepare(sql) {
            Ok(statement) => statement,
            Err(error) if error.to_string().contains("no such table") => return Vec::new(),
            Err(error) => panic!("{sql}: {error}"),
        };
        statement.query_map(parameters, |row| Ok(read(row))).unwrap().map(Result::unwrap).collect()
    }

    /// One number; `None` where there is no database, table or row.
    pub fn number(&self, sql: &str, parameters: &[&dyn ToSql]) -> Option<i64> {
        self.rows(sql, parameters, |row| row.get(0).unwrap()).pop()
    }

    pub fn texts(&self, sql: &str, parameters: &[&dyn ToSql]) -> Vec<String> {
        self.rows(sql, parameters, |row| row.get::<_, Option<String>>(0).unwrap().unwrap_or_default())
    }

    /// Publications that are not finished; `None` before there is a database.
    pub fn open_publications(&self) -> Option<i64> {
        self.number("SELECT count(*) FROM publication WHERE open = 1", &[])
    }

    /// How many versions of the file that is (or was last) at `path` are queued, sent or recorded in all tenancies.
    pub fn queued(&self, path: &str) -> i64 {
        let sql = "SELECT count(*) FROM publication p JOIN asset a ON a.id = p.asset JOIN file f ON f.id = a.file
                   WHERE lower(f.path_display) = lower(?1)";
        self.number(sql, &[&path]).unwrap_or(0)
    }

    /// Where a linked folder holds files: (linked folder, path in lower case).
    pub fn places(&self) -> Vec<(String, String)> {
        let sql = "SELECT w.folder, p.path_lower FROM place p JOIN watch w ON w.id = p.watch WHERE w.linked = 1 ORDER BY 1, 2";
        self.rows(sql, &[], |row| (row.get(0).unwrap(), row.get(1).unwrap()))
    }

    /// The same of those linked folders only that are not being listed anew: such a listing is in the order of names, not of time.
    pub fn watched(&self) -> Vec<(String, String)> {
        let sql = "SELECT w.folder, p.path_lower FROM place p JOIN watch w ON w.id = p.watch
                   WHERE w.linked = 1 AND w.listing = 0 AND w.cursor IS NOT NULL";
        self.rows(sql, &[], |row| (row.get(0).unwrap(), row.get(1).unwrap()))
    }

    pub fn has_place(&self, path_lower: &str) -> bool {
        self.places().iter().any(|(_, path)| path == path_lower)
    }

    /// Codes of the conditions that are present.
    pub fn conditions(&self) -> Vec<String> {
        self.texts("SELECT code FROM condition ORDER BY 1", &[])
    }

    /// Files that are skipped: (path in lower case, reason), without the harness's own.
    pub fn skipped(&self) -> Vec<(String, String)> {
        let sql =
            "SELECT DISTINCT path_lower, reason FROM skipped WHERE path_lower NOT LIKE '%/.barrier-%' ORDER BY 1, 2";
        self.rows(sql, &[], |row| (row.get(0).unwrap(), row.get(1).unwrap()))
    }

    /// The uuid on the ledger of each asset, with the path of its file.
    pub fn paths_of_assets(&self) -> Vec<(String, String)> {
        let sql =
            "SELECT a.identity, f.path_display FROM asset a JOIN file f ON f.id = a.file WHERE a.identity IS NOT NULL";
        self.rows(sql, &[], |row| (row.get(0).unwrap(), row.get(1).unwrap()))
    }
}
