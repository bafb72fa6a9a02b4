//! Each file in each tenancy and what it has on the ledger, and the files that are not published. Row by row, because
//! there may be millions; a row that is not asked for costs no more than a look at its path.

use rusqlite::{CachedStatement, Connection, Row, params};

use super::{Error, Report};
use crate::digest::Digest;

/// Which files.
pub enum Select<'a> {
    /// All of them.
    All,
    /// The file with this Dropbox id, `id:…`.
    FileId(&'a str),
    /// The file with this asset (lower-case uuid).
    Asset(&'a str),
    /// Files any version of which has this hash, Dropbox's content hash or the one that is published.
    Hash(Digest),
    /// Files whose path (as Dropbox shows it) passes.
    Path(Box<dyn Fn(&str) -> bool + 'a>),
}

/// One file in one tenancy, for people. The version described is the newest that the ledger has recorded; where it has
/// none, the one that is to be recorded next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetReport {
    /// The tenancy's name.
    pub tenancy: String,
    /// The ledger's base URL.
    pub url: String,
    /// Where the file is, or was last.
    pub path: String,
    /// `id:…`
    pub file_id: String,
    /// Its uuid on the ledger, once recorded.
    pub asset: Option<String>,
    /// `document_version`.
    pub document_version: Option<u64>,
    /// `document_hash_value`, once known.
    pub document_hash_value: Option<Digest>,
    /// `document_hash_alg`.
    pub document_hash_alg: String,
    /// Dropbox's content hash.
    pub dropbox_content_hash: Option<Digest>,
    /// State of the publication whose turn it is; where none waits, of the newest one.
    pub state: String,
    /// Why that publication is not further, where there is a reason.
    pub reason: Option<String>,
    /// RFC 3339: when the ledger acknowledged the version described.
    pub recorded_at: Option<String>,
    /// Publications that the ledger has not recorded yet.
    pub waiting: u64,
    /// The newest record is a Withdraw.
    pub withdrawn: bool,
}

/// A file that is not published, in one link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedReport {
    /// The tenancy's name.
    pub tenancy: String,
    /// The linked folder, as configured.
    pub folder: String,
    /// Where the file is.
    pub path: String,
    /// `id:…`
    pub file_id: String,
    /// Dropbox's content hash, where it named one.
    pub dropbox_content_hash: Option<Digest>,
    /// `excluded`, `not-downloadable`, …
    pub reason: String,
}

const DETAILS: &str = "
    SELECT t.name, t.url, f.path_display, f.file_id, a.identity, s.version, s.document_hash, s.alg, s.content_hash,
        n.state, CASE WHEN h.id IS NOT NULL THEN 'waits for the approval of ' || w.folder ELSE n.reason END,
        s.recorded_at,
        (SELECT count(*) FROM publication q WHERE q.asset = a.id AND q.open = 1 AND q.recorded_at IS NULL),
        coalesce((SELECT q.kind = 'withdraw' FROM publication q WHERE q.asset = a.id AND q.recorded_at IS NOT NULL
                  ORDER BY q.id DESC LIMIT 1), 0)
    FROM asset a JOIN tenancy t ON t.id = a.tenancy JOIN file f ON f.id = a.file
    JOIN publication s ON s.id = coalesce(
        (SELECT max(q.id) FROM publication q WHERE q.asset = a.id AND q.kind = 'version' AND q.recorded_at IS NOT NULL),
        (SELECT min(q.id) FROM publication q WHERE q.asset = a.id AND q.open = 1),
        (SELECT max(q.id) FROM publication q WHERE q.asset = a.id))
    JOIN publication n ON n.id = coalesce(
        (SELECT min(q.id) FROM publication q WHERE q.asset = a.id AND q.open = 1 AND q.recorded_at IS NULL),
        (SELECT max(q.id) FROM publication q WHERE q.asset = a.id))
    LEFT JOIN link h ON h.id = n.held_by LEFT JOIN watch w ON w.id = h.watch
    WHERE a.id = ?1";

impl Report {
    /// Calls `each` for every selected file in every tenancy that has, or is to have, a record of it, oldest first.
    ///
    /// # Errors
    /// If the database cannot be read, or `each` fails.
    pub fn assets<E: From<Error>>(
        &self,
        select: &Select<'_>,
        mut each: impl FnMut(AssetReport) -> Result<(), E>,
    ) -> Result<(), E> {
        let (condition, value): (&str, Option<&dyn rusqlite::ToSql>) = match select {
            Select::All | Select::Path(_) => ("?1 IS NULL", None),
            Select::FileId(id) => ("f.file_id = ?1", Some(id)),
            Select::Asset(uuid) => ("a.identity = ?1", Some(uuid)),
            Select::Hash(digest) => {
                ("a.id IN (SELECT asset FROM publication WHERE document_hash = ?1 OR content_hash = ?1)", Some(digest))
            }
        };
        let sql = format!(
            "SELECT a.id, f.path_display FROM asset a JOIN file f ON f.id = a.file WHERE {condition} ORDER BY a.id"
        );
        let mut details = self.connection.prepare_cached(DETAILS).map_err(read)?;
        rows(&self.connection, &sql, value, |row| {
            if let Select::Path(passes) = select
                && !passes(text(row, 1).map_err(read)?)
            {
                return Ok(());
            }
            match one(&mut details, row.get(0).map_err(read)?).map_err(read)? {
                Some(report) => each(report),
                None => Ok(()),
            }
        })
    }

    /// Calls `each` for every selected file that a link does not publish, by link and path. An asset selects nothing.
    ///
    /// # Errors
    /// If the database cannot be read, or `each` fails.
    pub fn skipped<E: From<Error>>(
        &self,
        select: &Select<'_>,
        mut each: impl FnMut(SkippedReport) -> Result<(), E>,
    ) -> Result<(), E> {
        let (condition, value): (&str, Option<&dyn rusqlite::ToSql>) = match select {
            Select::All | Select::Path(_) => ("?1 IS NULL", None),
            Select::FileId(id) => ("f.file_id = ?1", Some(id)),
            Select::Asset(_) => ("?1 IS NOT NULL", None),
            Select::Hash(digest) => ("f.content_hash = ?1", Some(digest)),
        };
        let sql = format!(
            "SELECT t.name, w.folder, f.path_display, f.file_id, f.content_hash, s.reason
             FROM skipped s JOIN link l ON l.id = s.link JOIN watch w ON w.id = l.watch JOIN tenancy t ON t.id = l.tenancy
             JOIN place p ON p.watch = l.watch AND p.path_lower = s.path_lower JOIN file f ON f.id = p.file
             WHERE l.linked = 1 AND {condition} ORDER BY s.link, s.path_lower"
        );
        rows(&self.connection, &sql, value, |row| {
            if let Select::Path(passes) = select
                && !passes(text(row, 2).map_err(read)?)
            {
                return Ok(());
            }
            let report = |row: &Row<'_>| -> rusqlite::Result<SkippedReport> {
                Ok(SkippedReport {
                    tenancy: row.get(0)?,
                    folder: row.get(1)?,
                    path: row.get(2)?,
                    file_id: row.get(3)?,
                    dropbox_content_hash: row.get(4)?,
                    reason: row.get(5)?,
                })
            };
            each(report(row).map_err(read)?)
        })
    }
}

fn read<E: From<Error>>(error: rusqlite::Error) -> E {
    E::from(Error::from(error))
}

fn text<'a>(row: &'a Row<'_>, column: usize) -> rusqlite::Result<&'a str> {
    Ok(row.get_ref(column)?.as_str()?)
}

/// Runs `sql`, whose only parameter is `value`, and hands over one row after the other.
fn rows<E: From<Error>>(
    connection: &Connection,
    sql: &str,
    value: Option<&dyn rusqlite::ToSql>,
    mut each: impl FnMut(&Row<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut statement = connection.prepare(sql).map_err(read)?;
    let mut rows = statement.query(params![value]).map_err(read)?;
    while let Some(row) = rows.next().map_err(read)? {
        each(row)?;
    }
    Ok(())
}

/// `None` where nothing was ever to be recorded, or what was has been cancelled.
fn one(details: &mut CachedStatement<'_>, asset: i64) -> rusqlite::Result<Option<AssetReport>> {
    use rusqlite::OptionalExtension as _;
    let number = |row: &Row<'_>, column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(|n| n as u64));
    details
        .query_row([asset], |row| {
            Ok(AssetReport {
                tenancy: row.get(0)?,
                url: row.get(1)?,
                path: row.get(2)?,
                file_id: row.get(3)?,
                asset: row.get(4)?,
                document_version: number(row, 5)?,
                document_hash_value: row.get(6)?,
                document_hash_alg: row.get(7)?,
                dropbox_content_hash: row.get(8)?,
                state: row.get(9)?,
                reason: row.get(10)?,
                recorded_at: row.get(11)?,
                waiting: number(row, 12)?.unwrap_or_default(),
                withdrawn: row.get(13)?,
            })
        })
        .optional()
}
