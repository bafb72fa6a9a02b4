//! Each file in each tenancy and what it has on the ledger, and the files that are not published. Row by row, because
//! there may be millions; a row that is not asked for costs no more than a look at its path.

use rusqlite::{OptionalExtension as _, Row, ToSql, params};

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

/// Rows looked at before anything is handed over: no reading transaction stays open while a slow reader takes its time,
/// because it would keep the daemon's log file growing.
const CHUNK: usize = 500;

/// Link and place of a skipped file.
type Position = (i64, String);

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
        let mut after = Some(i64::MIN);
        while let Some(position) = after {
            let (reports, next) = self.asset_chunk(select, position).map_err(read)?;
            reports.into_iter().try_for_each(&mut each)?;
            after = next;
        }
        Ok(())
    }

    /// The next assets by row, and where to go on after them.
    fn asset_chunk(&self, select: &Select<'_>, after: i64) -> rusqlite::Result<(Vec<AssetReport>, Option<i64>)> {
        // One transaction is several times faster than one for each statement; it ends with this function.
        let _transaction = self.connection.unchecked_transaction()?;
        let (condition, value): (&str, Option<&dyn ToSql>) = match select {
            Select::All | Select::Path(_) => ("?1 IS NULL", None),
            Select::FileId(id) => ("f.file_id = ?1", Some(id)),
            Select::Asset(uuid) => ("a.identity = ?1", Some(uuid)),
            Select::Hash(digest) => {
                ("a.id IN (SELECT asset FROM publication WHERE document_hash = ?1 OR content_hash = ?1)", Some(digest))
            }
        };
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT a.id, f.path_display FROM asset a JOIN file f ON f.id = a.file
             WHERE a.id > ?2 AND {condition} ORDER BY a.id LIMIT ?3"
        ))?;
        let mut rows = statement.query(params![value, after, CHUNK as i64])?;
        let (mut reports, mut seen, mut last) = (Vec::new(), 0, None);
        while let Some(row) = rows.next()? {
            let id = row.get(0)?;
            (seen, last) = (seen + 1, Some(id));
            if select.passes(row.get_ref(1)?.as_str()?) {
                reports.extend(self.asset(id)?);
            }
        }
        Ok((reports, last.filter(|_| seen == CHUNK)))
    }

    /// `None` where nothing was ever to be recorded, or what was has been cancelled.
    fn asset(&self, id: i64) -> rusqlite::Result<Option<AssetReport>> {
        let number =
            |row: &Row<'_>, column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(|n| n as u64));
        let report = |row: &Row<'_>| {
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
        };
        self.connection.prepare_cached(DETAILS)?.query_row([id], report).optional()
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
        let mut after = (i64::MIN, String::new());
        loop {
            let chunk = self.skipped_chunk(select, &after).map_err(read)?;
            let more = chunk.len() == CHUNK;
            for (position, report) in chunk {
                after = position;
                if let Some(report) = report {
                    each(report)?;
                }
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// The next skipped files by link and place, each with where it stands; `None` where the path does not pass.
    fn skipped_chunk(
        &self,
        select: &Select<'_>,
        after: &Position,
    ) -> rusqlite::Result<Vec<(Position, Option<SkippedReport>)>> {
        let (condition, value): (&str, Option<&dyn ToSql>) = match select {
            Select::All | Select::Path(_) => ("?1 IS NULL", None),
            Select::FileId(id) => ("f.file_id = ?1", Some(id)),
            Select::Asset(_) => ("?1 IS NOT NULL", None),
            Select::Hash(digest) => ("f.content_hash = ?1", Some(digest)),
        };
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT t.name, w.folder, f.path_display, f.file_id, f.content_hash, s.reason, s.link, s.path_lower
             FROM skipped s JOIN link l ON l.id = s.link JOIN watch w ON w.id = l.watch JOIN tenancy t ON t.id = l.tenancy
             JOIN place p ON p.watch = l.watch AND p.path_lower = s.path_lower JOIN file f ON f.id = p.file
             WHERE l.linked = 1 AND (s.link, s.path_lower) > (?2, ?3) AND {condition}
             ORDER BY s.link, s.path_lower LIMIT ?4"
        ))?;
        let rows = statement.query_map(params![value, after.0, after.1, CHUNK as i64], |row| {
            let report = SkippedReport {
                tenancy: row.get(0)?,
                folder: row.get(1)?,
                path: row.get(2)?,
                file_id: row.get(3)?,
                dropbox_content_hash: row.get(4)?,
                reason: row.get(5)?,
            };
            Ok(((row.get(6)?, row.get(7)?), select.passes(&report.path).then_some(report)))
        })?;
        rows.collect()
    }
}

impl Select<'_> {
    fn passes(&self, path: &str) -> bool {
        match self {
            Select::Path(passes) => passes(path),
            _ => true,
        }
    }
}

fn read<E: From<Error>>(error: rusqlite::Error) -> E {
    E::from(Error::from(error))
}
