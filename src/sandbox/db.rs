//! The sandbox's memory: one SQLite file in the state directory. What was where, from which moment to which: a row is never
//! changed in what it says, it dies and another is born, so that any earlier moment can still be listed. A moment is a
//! sequence number; each transaction that changes something is one moment.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Row as SqlRow, params};

use crate::digest::Digest;

/// A row that has not died.
pub const ALIVE: i64 = i64::MAX;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entry (
    n INTEGER PRIMARY KEY,
    path_lower TEXT NOT NULL,
    parent TEXT NOT NULL,
    path_display TEXT NOT NULL,
    kind INTEGER NOT NULL,
    id TEXT NOT NULL,
    rev TEXT NOT NULL,
    size INTEGER NOT NULL,
    content_hash BLOB,
    sha256 BLOB,
    client_modified INTEGER NOT NULL,
    server_modified INTEGER NOT NULL,
    target TEXT,
    inode INTEGER NOT NULL,
    birth INTEGER NOT NULL,
    mtime INTEGER NOT NULL,
    ctime INTEGER NOT NULL,
    born INTEGER NOT NULL,
    died INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS entry_path ON entry (path_lower, born);
CREATE INDEX IF NOT EXISTS entry_id ON entry (id, born);
CREATE INDEX IF NOT EXISTS entry_rev ON entry (rev) WHERE rev <> '';
CREATE INDEX IF NOT EXISTS entry_born ON entry (born);
CREATE INDEX IF NOT EXISTS entry_died ON entry (died);
PRAGMA user_version = 1;
";

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A regular file.
    File,
    /// A symbolic link, shown as a file with `symlink_info`.
    Symlink,
}

/// What the file system said of a file when it was read; two equal ones mean that nothing was written in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stat {
    /// Inode number.
    pub inode: i64,
    /// Birth time in ns since the epoch, 0 where the file system has none.
    pub birth: i64,
    /// Time of the last write, ns.
    pub mtime: i64,
    /// Time of the last change, ns.
    pub ctime: i64,
    /// Bytes.
    pub size: u64,
}

/// One state of one file or folder, from `born` until just before `died`.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Row number, 0 before it is stored.
    pub n: i64,
    /// The key of the path.
    pub path_lower: String,
    /// The path as it is spelt in the local folder.
    pub path_display: String,
    /// What it is.
    pub kind: Kind,
    /// `id:…`
    pub id: String,
    /// Hex; empty for folders.
    pub rev: String,
    /// Bytes; 0 for folders.
    pub size: u64,
    /// Dropbox's content hash.
    pub content_hash: Option<Digest>,
    /// The name of the content in the blob store.
    pub sha256: Option<Digest>,
    /// Seconds since the epoch.
    pub client_modified: i64,
    /// Seconds since the epoch.
    pub server_modified: i64,
    /// Where a symbolic link points.
    pub target: Option<String>,
    /// What the file system said.
    pub stat: Stat,
    /// The first moment at which this is so.
    pub born: i64,
    /// The first moment at which it is so no more, or [`ALIVE`].
    pub died: i64,
}

const COLUMNS: &str = "n, path_lower, path_display, kind, id, rev, size, content_hash, sha256, client_modified, server_modified, \
                       target, inode, birth, mtime, ctime, born, died";

fn entry(row: &SqlRow<'_>) -> rusqlite::Result<Entry> {
    let digest = |bytes: Option<Vec<u8>>| bytes.and_then(|bytes| Digest::from_bytes(&bytes));
    let size = row.get::<_, i64>(6)?.cast_unsigned();
    Ok(Entry {
        n: row.get(0)?,
        path_lower: row.get(1)?,
        path_display: row.get(2)?,
        kind: match row.get::<_, i64>(3)? {
            0 => Kind::Folder,
            1 => Kind::File,
            _ => Kind::Symlink,
        },
        id: row.get(4)?,
        rev: row.get(5)?,
        size,
        content_hash: digest(row.get(7)?),
        sha256: digest(row.get(8)?),
        client_modified: row.get(9)?,
        server_modified: row.get(10)?,
        target: row.get(11)?,
        stat: Stat { inode: row.get(12)?, birth: row.get(13)?, mtime: row.get(14)?, ctime: row.get(15)?, size },
        born: row.get(16)?,
        died: row.get(17)?,
    })
}

/// One connection. The scanner has one to write with, the server one to read with.
#[derive(Debug)]
pub struct Db(Connection);

impl Db {
    /// Opens or makes the database.
    ///
    /// # Errors
    /// If it cannot be opened, or is not one of ours.
    pub fn open(path: &Path) -> rusqlite::Result<Db> {
        let db = Connection::open(path)?;
        db.busy_timeout(std::time::Duration::from_secs(10))?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        // A killed process loses nothing by this; only a machine that loses its power might.
        db.pragma_update(None, "synchronous", "OFF")?;
        db.execute_batch(SCHEMA)?;
        db.set_prepared_statement_cache_capacity(64);
        Ok(Db(db))
    }

    /// Begins a moment.
    pub fn begin(&self) -> rusqlite::Result<()> {
        self.0.execute_batch("BEGIN IMMEDIATE")
    }

    /// Ends a moment.
    pub fn commit(&self) -> rusqlite::Result<()> {
        self.0.execute_batch("COMMIT")
    }

    /// Drops a moment.
    pub fn rollback(&self) -> rusqlite::Result<()> {
        self.0.execute_batch("ROLLBACK")
    }

    /// A named value.
    pub fn meta(&self, key: &str) -> rusqlite::Result<Option<String>> {
        self.0.prepare_cached("SELECT value FROM meta WHERE key = ?")?.query_row([key], |row| row.get(0)).optional()
    }

    /// Stores a named value.
    pub fn set_meta(&self, key: &str, value: &str) -> rusqlite::Result<()> {
        self.0.prepare_cached("INSERT OR REPLACE INTO meta VALUES (?, ?)")?.execute([key, value])?;
        Ok(())
    }

    /// The newest moment.
    pub fn newest(&self) -> rusqlite::Result<i64> {
        Ok(self.meta("seq")?.and_then(|seq| seq.parse().ok()).unwrap_or(0))
    }

    /// Stores a new state; gives its row number.
    pub fn insert(&self, e: &Entry) -> rusqlite::Result<i64> {
        let mut insert = self.0.prepare_cached(
            "INSERT INTO entry (path_lower, parent, path_display, kind, id, rev, size, content_hash, sha256, client_modified,
             server_modified, target, inode, birth, mtime, ctime, born, died) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        )?;
        let kind = match e.kind {
            Kind::Folder => 0,
            Kind::File => 1,
            Kind::Symlink => 2,
        };
        insert.insert(params![
            e.path_lower,
            super::names::parent(&e.path_lower),
            e.path_display,
            kind,
            e.id,
            e.rev,
            e.size.cast_signed(),
            e.content_hash.map(|d| d.0),
            e.sha256.map(|d| d.0),
            e.client_modified,
            e.server_modified,
            e.target,
            e.stat.inode,
            e.stat.birth,
            e.stat.mtime,
            e.stat.ctime,
            e.born,
            e.died
        ])
    }

    /// Ends a state at `seq`; one that was born at the same moment was never seen and goes altogether.
    pub fn kill(&self, n: i64, seq: i64) -> rusqlite::Result<()> {
        self.0.prepare_cached("DELETE FROM entry WHERE n = ? AND born = ?")?.execute([n, seq])?;
        self.0.prepare_cached("UPDATE entry SET died = ? WHERE n = ?")?.execute([seq, n])?;
        Ok(())
    }

    /// Corrects what no client is told of: spelling of the path (a case-only rename) and the file system's numbers.
    pub fn correct(&self, n: i64, path_display: &str, stat: Stat) -> rusqlite::Result<()> {
        let sql = "UPDATE entry SET path_display = ?, inode = ?, birth = ?, mtime = ?, ctime = ? WHERE n = ?";
        let mut update = self.0.prepare_cached(sql)?;
        update.execute(params![path_display, stat.inode, stat.birth, stat.mtime, stat.ctime, n])?;
        Ok(())
    }

    /// Everything that is alive, by path.
    pub fn alive(&self, mut each: impl FnMut(Entry)) -> rusqlite::Result<()> {
        let mut select =
            self.0.prepare(&format!("SELECT {COLUMNS} FROM entry WHERE died = {ALIVE} ORDER BY path_lower"))?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            each(entry(row)?);
        }
        Ok(())
    }

    fn one(&self, rest: &str, params: impl rusqlite::Params) -> rusqlite::Result<Option<Entry>> {
        self.0.prepare_cached(&format!("SELECT {COLUMNS} FROM entry WHERE {rest}"))?.query_row(params, entry).optional()
    }

    fn many(&self, rest: &str, params: impl rusqlite::Params) -> rusqlite::Result<Vec<Entry>> {
        let mut select = self.0.prepare_cached(&format!("SELECT {COLUMNS} FROM entry WHERE {rest}"))?;
        select.query_map(params, entry)?.collect()
    }

    /// The row `n`.
    pub fn row(&self, n: i64) -> rusqlite::Result<Option<Entry>> {
        self.one("n = ?", [n])
    }

    /// What is at a path at a moment.
    pub fn at_path(&self, path_lower: &str, seq: i64) -> rusqlite::Result<Option<Entry>> {
        self.one("path_lower = ?1 AND born <= ?2 AND died > ?2", params![path_lower, seq])
    }

    /// Where an id is at a moment.
    pub fn by_id(&self, id: &str, seq: i64) -> rusqlite::Result<Option<Entry>> {
        self.one("id = ?1 AND born <= ?2 AND died > ?2", params![id, seq])
    }

    /// The newest state of a revision.
    pub fn by_rev(&self, rev: &str) -> rusqlite::Result<Option<Entry>> {
        self.one("rev = ? AND rev <> '' ORDER BY born DESC LIMIT 1", [rev])
    }

    /// The newest state of whatever was last at a path, dead or alive.
    pub fn last_at_path(&self, path_lower: &str) -> rusqlite::Result<Option<Entry>> {
        self.one("path_lower = ? ORDER BY born DESC LIMIT 1", [path_lower])
    }

    /// All states of a path, or of an id (`id:…`), newest first.
    pub fn history(&self, path_or_id: &str) -> rusqlite::Result<Vec<Entry>> {
        let key = if path_or_id.starts_with("id:") { "id" } else { "path_lower" };
        self.many(&format!("{key} = ? ORDER BY born DESC, n DESC"), [path_or_id])
    }

    /// One page of what was in scope at a moment, by path, from just after `after`.
    pub fn snapshot(&self, scope: &Scope, seq: i64, after: &str, limit: u64) -> rusqlite::Result<Vec<Entry>> {
        let sql = format!(
            "path_lower >= ?3 AND path_lower < ?2 AND {} AND born <= ?4 AND died > ?4 ORDER BY path_lower LIMIT ?5",
            scope.sql()
        );
        let (low, high) = scope.bounds();
        // The smallest text that is greater than `after` is `after` and a NUL.
        let start = if after.is_empty() { low.clone() } else { format!("{after}\0") };
        self.many(&sql, params![low, high, start, seq, limit.cast_signed()])
    }

    /// The rows in scope at `to` that were not so at `from`, by path.
    pub fn upserts(&self, scope: &Scope, from: i64, to: i64) -> rusqlite::Result<Vec<i64>> {
        let sql = format!(
            "SELECT n FROM entry INDEXED BY entry_born WHERE {} AND born > ?3 AND born <= ?4 AND died > ?4 ORDER BY path_lower",
            scope.sql()
        );
        let (low, high) = scope.bounds();
        let mut select = self.0.prepare_cached(&sql)?;
        select.query_map(params![low, high, from, to], |row| row.get(0))?.collect()
    }

    /// The paths in scope at `from` that hold another id, or nothing, at `to`: (`path_lower`, `path_display`), by path.
    pub fn deletions(&self, scope: &Scope, from: i64, to: i64) -> rusqlite::Result<Vec<(String, String)>> {
        let sql = format!(
            "SELECT path_lower, path_display FROM entry AS old INDEXED BY entry_died
             WHERE {} AND died > ?3 AND died <= ?4 AND born <= ?3 AND NOT EXISTS (
                 SELECT 1 FROM entry AS new WHERE new.path_lower = old.path_lower AND new.id = old.id
                 AND new.born <= ?4 AND new.died > ?4)
             ORDER BY path_lower",
            scope.sql()
        );
        let (low, high) = scope.bounds();
        let mut select = self.0.prepare_cached(&sql)?;
        select.query_map(params![low, high, from, to], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }

    /// Paths in scope that held something once and hold nothing at `seq`: (`path_lower`, `path_display`), by path.
    pub fn vanished(&self, scope: &Scope, seq: i64) -> rusqlite::Result<Vec<(String, String)>> {
        let sql = format!(
            "SELECT path_lower, path_display, max(born) FROM entry AS old WHERE {} AND died <= ?3 AND NOT EXISTS (
                 SELECT 1 FROM entry AS new WHERE new.path_lower = old.path_lower AND new.born <= ?3 AND new.died > ?3)
             GROUP BY path_lower ORDER BY path_lower",
            scope.sql()
        );
        let (low, high) = scope.bounds();
        let mut select = self.0.prepare_cached(&sql)?;
        select.query_map(params![low, high, seq], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }

    /// Whether anything in scope began or ended after `seq`.
    pub fn stirred(&self, scope: &Scope, seq: i64) -> rusqlite::Result<bool> {
        let (low, high) = scope.bounds();
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM entry INDEXED BY entry_born WHERE {scope} AND born > ?3)
                 OR EXISTS (SELECT 1 FROM entry INDEXED BY entry_died WHERE {scope} AND died > ?3 AND died < {ALIVE})",
            scope = scope.sql()
        );
        self.0.prepare_cached(&sql)?.query_row(params![low, high, seq], |row| row.get(0))
    }
}

/// Which paths a listing is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// `path_lower` of the folder, `""` for the root.
    pub base: String,
    /// With everything below, and (except for the root) the folder itself; else its direct children only.
    pub recursive: bool,
}

impl Scope {
    fn sql(&self) -> &'static str {
        // '0' is the character after '/', so `base/` to `base0` is what lies below; the folder itself is bound `?1` without its
        // slash. All statements use the same two bounds, in either shape; the plus signs leave the choice of index to the rest.
        if self.recursive {
            "((+path_lower >= ?1 || '/' AND +path_lower < ?2) OR +path_lower = ?1)"
        } else {
            "(parent = ?1 AND ?2 <> '')"
        }
    }

    fn bounds(&self) -> (String, String) {
        (self.base.clone(), format!("{}0", self.base))
    }
}
