//! What commands read, beside a running daemon or without one: a read-only connection, and nothing is ever written.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, params};

use super::open::{FILE_NAME, meta, open_to_read};
use super::publications::{Counts, counts};
use super::{Error, OpenError, TenancyId};
use crate::digest::Digest;

/// A link, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkReport {
    /// As configured.
    pub folder: String,
    /// The tenancy's name.
    pub tenancy: String,
    /// `starting`, `listing`, `watching`, `held`, …
    pub state: String,
    /// Files that the folder has.
    pub files: u64,
    /// Files that are not published, by reason.
    pub skipped: BTreeMap<String, u64>,
}

/// A tenancy, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenancyReport {
    /// Its name.
    pub name: String,
    /// Its base URL.
    pub url: String,
    /// `tenant/<uuid>`, once a record named it.
    pub tenant_identity: Option<String>,
    /// `ok`, `held`, `database-behind`, …
    pub state: String,
    /// RFC 3339.
    pub held_until: Option<String>,
    /// How many publications are in which state.
    pub counts: Counts,
}

/// A condition that lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionReport {
    /// Its stable code.
    pub code: String,
    /// What it is about.
    pub subject: String,
    /// RFC 3339.
    pub since: String,
    /// For people.
    pub text: String,
}

/// One file in one tenancy, for people: its record as of the version queued last.
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
    /// `document_hash_value`.
    pub document_hash_value: Option<Digest>,
    /// `document_hash_alg`.
    pub document_hash_alg: String,
    /// Dropbox's content hash.
    pub dropbox_content_hash: Option<Digest>,
    /// The publication's state.
    pub state: String,
    /// Why it is not further, where there is a reason.
    pub reason: Option<String>,
    /// RFC 3339: when the ledger acknowledged it.
    pub recorded_at: Option<String>,
}

/// A reading connection.
#[derive(Debug)]
pub struct Report {
    connection: Connection,
}

impl Report {
    /// Opens the database in `state_dir` to read. `None` where there is none yet.
    ///
    /// # Errors
    /// If it is foreign, newer or damaged.
    pub fn open(state_dir: &Path) -> Result<Option<Report>, OpenError> {
        let path = state_dir.join(FILE_NAME);
        if !path.try_exists().map_err(|error| OpenError::Unusable(path.clone(), error.to_string()))? {
            return Ok(None);
        }
        Ok(Some(Report { connection: open_to_read(&path)? }))
    }

    /// The Dropbox account that the database belongs to.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn account(&self) -> Result<Option<String>, Error> {
        Ok(meta(&self.connection, "account_id")?)
    }

    /// The links.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn links(&self) -> Result<Vec<LinkReport>, Error> {
        let mut statement = self.connection.prepare(
            "SELECT link.id, watch.folder, tenancy.name,
                 CASE WHEN link.held THEN 'held' WHEN watch.listing > 0 THEN 'listing'
                      WHEN link.fill IS NOT NULL THEN 'filling' ELSE watch.state END,
                 (SELECT count(*) FROM place WHERE place.watch = watch.id)
             FROM link JOIN watch ON watch.id = link.watch JOIN tenancy ON tenancy.id = link.tenancy
             WHERE link.linked = 1 ORDER BY watch.folder, tenancy.name",
        )?;
        let rows = statement.query_map([], |row| {
            let link: i64 = row.get(0)?;
            let report = LinkReport {
                folder: row.get(1)?,
                tenancy: row.get(2)?,
                state: row.get(3)?,
                files: row.get::<_, i64>(4)? as u64,
                skipped: BTreeMap::new(),
            };
            Ok((link, report))
        })?;
        let mut reports = Vec::new();
        for row in rows {
            let (link, mut report) = row?;
            let mut skipped = self
                .connection
                .prepare_cached("SELECT reason, count(*) FROM skipped WHERE link = ?1 GROUP BY reason")?;
            let counted = skipped.query_map([link], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
            report.skipped = counted.collect::<Result<_, _>>()?;
            reports.push(report);
        }
        Ok(reports)
    }

    /// The tenancies of the configuration as the daemon saw it last.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn tenancies(&self) -> Result<Vec<TenancyReport>, Error> {
        let mut statement = self.connection.prepare(
            "SELECT id, name, url, tenant_identity, state, held_until FROM tenancy WHERE connected = 1 ORDER BY name",
        )?;
        let rows = statement.query_map([], |row| {
            let id: TenancyId = row.get(0)?;
            Ok((id, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
        })?;
        let mut reports = Vec::new();
        for row in rows {
            let (id, name, url, tenant_identity, state, held_until) = row?;
            let counts = counts(&self.connection, id)?;
            reports.push(TenancyReport { name, url, tenant_identity, state, held_until, counts });
        }
        Ok(reports)
    }

    /// The conditions that last.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn conditions(&self) -> Result<Vec<ConditionReport>, Error> {
        let mut statement =
            self.connection.prepare("SELECT code, subject, since, text FROM condition ORDER BY since, code")?;
        let rows = statement.query_map([], |row| {
            Ok(ConditionReport { code: row.get(0)?, subject: row.get(1)?, since: row.get(2)?, text: row.get(3)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Publications that a person must look at, newest first: tenancy, path, state, reason.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn stuck(&self, limit: u32) -> Result<Vec<(String, String, String, String)>, Error> {
        let mut statement = self.connection.prepare(
            "SELECT t.name, file.path_display, p.state, coalesce(p.reason, '')
             FROM publication p JOIN tenancy t ON t.id = p.tenancy JOIN asset ON asset.id = p.asset
             JOIN file ON file.id = asset.file
             WHERE p.tenancy = t.id AND p.open = 1 AND p.held_by IS NULL AND p.state IN ('parked', 'uncertain')
             ORDER BY p.id DESC LIMIT ?1",
        )?;
        let rows = statement.query_map([limit], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Calls `each` for every file in every tenancy, ordered by row; `selector` is a path as Dropbox shows it or an id.
    ///
    /// # Errors
    /// If the database cannot be read, or `each` fails.
    pub fn assets<E: From<Error>>(
        &self,
        selector: Option<&str>,
        mut each: impl FnMut(AssetReport) -> Result<(), E>,
    ) -> Result<(), E> {
        let read = |error: rusqlite::Error| E::from(Error::from(error));
        let mut statement = self
            .connection
            .prepare(
                "SELECT t.name, t.url, file.path_display, file.file_id, a.identity, p.version, p.document_hash, p.alg,
                     p.content_hash, p.state, p.reason, p.recorded_at
                 FROM asset a JOIN tenancy t ON t.id = a.tenancy JOIN file ON file.id = a.file
                 JOIN publication p ON p.id = (SELECT max(id) FROM publication q WHERE q.asset = a.id)
                 WHERE ?1 IS NULL OR file.file_id = ?1 OR file.path_display = ?1 OR lower(file.path_display) = lower(?1)
                 ORDER BY a.id",
            )
            .map_err(read)?;
        let mut rows = statement.query(params![selector]).map_err(read)?;
        while let Some(row) = rows.next().map_err(read)? {
            let report = (|| -> rusqlite::Result<AssetReport> {
                Ok(AssetReport {
                    tenancy: row.get(0)?,
                    url: row.get(1)?,
                    path: row.get(2)?,
                    file_id: row.get(3)?,
                    asset: row.get(4)?,
                    document_version: row.get::<_, Option<i64>>(5)?.map(|version| version as u64),
                    document_hash_value: row.get(6)?,
                    document_hash_alg: row.get(7)?,
                    dropbox_content_hash: row.get(8)?,
                    state: row.get(9)?,
                    reason: row.get(10)?,
                    recorded_at: row.get(11)?,
                })
            })()
            .map_err(read)?;
            each(report)?;
        }
        Ok(())
    }
}
