//! What commands read, beside a running daemon or without one: a read-only connection, and nothing is ever written.
//! Here is how things stand; what each file has on the ledger is in `records`.

mod records;

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;

use super::open::{FILE_NAME, meta, open_to_read};
use super::publications::{Counts, counts};
use super::{Error, OpenError, TenancyId};

pub use records::{AssetReport, Select, SkippedReport};

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

/// A publication that a person may have to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StuckReport {
    /// The tenancy's name.
    pub tenancy: String,
    /// Where the file is, or was last.
    pub path: String,
    /// `parked` or `uncertain`.
    pub state: String,
    /// Why.
    pub reason: Option<String>,
}

/// A link whose listing waits for an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldReport {
    /// As configured.
    pub folder: String,
    /// The tenancy's name.
    pub tenancy: String,
    /// Files that an approval would publish.
    pub files: u64,
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
        let connection = open_to_read(&path)?;
        // Another process is just making it.
        let version: i32 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(|error| OpenError::Unusable(path, error.to_string()))?;
        Ok((version > 0).then_some(Report { connection }))
    }

    /// From here on everything is read as it is at one moment, whatever the daemon writes meanwhile.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn freeze(&self) -> Result<(), Error> {
        Ok(self.connection.execute_batch("BEGIN")?)
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

    /// Publications that a person may have to look at: parked ones, then uncertain ones, newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn stuck(&self, limit: u32) -> Result<Vec<StuckReport>, Error> {
        let mut statement = self.connection.prepare(
            "SELECT t.name, file.path_display, p.state, p.reason
             FROM tenancy t CROSS JOIN publication p INDEXED BY publication_work
               ON p.tenancy = t.id AND p.open = 1 AND p.state IN ('parked', 'uncertain') AND p.held_by IS NULL
             JOIN asset ON asset.id = p.asset JOIN file ON file.id = asset.file
             ORDER BY p.state, p.id DESC LIMIT ?1",
        )?;
        let rows = statement.query_map([limit], |row| {
            Ok(StuckReport { tenancy: row.get(0)?, path: row.get(1)?, state: row.get(2)?, reason: row.get(3)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The links that wait for an approval.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn held(&self) -> Result<Vec<HeldReport>, Error> {
        let mut statement = self.connection.prepare(
            "SELECT watch.folder, tenancy.name, (SELECT count(DISTINCT asset) FROM publication WHERE held_by = link.id)
             FROM link JOIN watch ON watch.id = link.watch JOIN tenancy ON tenancy.id = link.tenancy
             WHERE link.linked = 1 AND link.held = 1 ORDER BY 1, 2",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(HeldReport { folder: row.get(0)?, tenancy: row.get(1)?, files: row.get::<_, i64>(2)? as u64 })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
