//! Tenancies and the account: who publishes where, what is known of each ledger, and conditions that last.

use rusqlite::{Connection, Row, params};

use super::open::{meta, set_meta};
use super::{Result, Store, Tenancy, TenancyId};

/// A tenancy as the configuration has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenancyWanted {
    /// Our name for it.
    pub name: String,
    /// Base URL.
    pub url: String,
    /// Client id.
    pub client_id: String,
}

/// Makes the rows agree with the configuration. A tenancy keeps its row, and so its assets, under its URL and client id
/// (with another name it was renamed), else under its name; whether a row whose URL changed still is the same tenancy is
/// decided before anything is published.
pub(super) fn sync(connection: &Connection, wanted: &[TenancyWanted]) -> Result<()> {
    let rows = same(connection, wanted)?;
    connection.execute("UPDATE tenancy SET connected = 0", [])?;
    for (tenancy, row) in wanted.iter().zip(rows) {
        match row {
            Some(id) => connection.execute(
                "UPDATE tenancy SET name = ?2, url = ?3, client_id = ?4, connected = 1 WHERE id = ?1",
                params![id, tenancy.name, tenancy.url, tenancy.client_id],
            )?,
            None => connection.execute(
                "INSERT INTO tenancy (name, url, client_id) VALUES (?1, ?2, ?3)",
                params![tenancy.name, tenancy.url, tenancy.client_id],
            )?,
        };
    }
    Ok(())
}

/// The row of each tenancy, each row at most once. The surest signs go first, and each over all tenancies, so that none
/// takes the row of another that comes after it in the configuration; connected rows go before others.
fn same(connection: &Connection, wanted: &[TenancyWanted]) -> Result<Vec<Option<TenancyId>>> {
    let mut statement =
        connection.prepare("SELECT id, name, url, client_id FROM tenancy ORDER BY connected DESC, id DESC")?;
    let mut rows: Vec<(TenancyId, TenancyWanted)> = statement
        .query_map([], |row| {
            Ok((row.get(0)?, TenancyWanted { name: row.get(1)?, url: row.get(2)?, client_id: row.get(3)? }))
        })?
        .collect::<Result<_, _>>()?;
    let signs: [fn(&TenancyWanted, &TenancyWanted) -> bool; 3] = [
        |row, tenancy| row == tenancy,
        |row, tenancy| row.url == tenancy.url && row.client_id == tenancy.client_id,
        |row, tenancy| row.name == tenancy.name,
    ];
    let mut found = vec![None; wanted.len()];
    for sign in signs {
        for (tenancy, found) in wanted.iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
            if let Some(at) = rows.iter().position(|(_, row)| sign(row, tenancy)) {
                *found = Some(rows.remove(at).0);
            }
        }
    }
    Ok(found)
}

pub(super) fn tenancy(row: &Row<'_>) -> rusqlite::Result<Tenancy> {
    Ok(Tenancy {
        id: row.get("id")?,
        name: row.get("name")?,
        tenant_identity: row.get("tenant_identity")?,
        own_listing: row.get("own_listing")?,
        public_listing: row.get("public_listing")?,
    })
}

impl Store {
    /// The tenancies of the configuration.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn tenancies(&self) -> Result<Vec<Tenancy>> {
        self.read(|connection| {
            let mut statement = connection.prepare("SELECT * FROM tenancy WHERE connected = 1 ORDER BY name")?;
            let rows = statement.query_map([], tenancy)?.collect::<Result<_, _>>()?;
            Ok(rows)
        })
        .await
    }

    /// Notes which listings have shown a record of ours, and the identity that it named.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn tenancy_proven(
        &self,
        id: TenancyId,
        own_listing: bool,
        public_listing: bool,
        tenant_identity: Option<String>,
    ) -> Result<()> {
        self.write(move |connection| {
            connection.execute(
                "UPDATE tenancy SET own_listing = max(own_listing, ?2), public_listing = max(public_listing, ?3),
                 tenant_identity = coalesce(tenant_identity, ?4) WHERE id = ?1",
                params![id, own_listing, public_listing, tenant_identity],
            )?;
            Ok(())
        })
        .await
    }

    /// Writes down how a tenancy is, for `status`.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn tenancy_state(&self, id: TenancyId, state: &'static str, held_until: Option<String>) -> Result<()> {
        self.write(move |connection| {
            connection.execute(
                "UPDATE tenancy SET state = ?2, held_until = ?3
                 WHERE id = ?1 AND (state IS NOT ?2 OR held_until IS NOT ?3)",
                params![id, state, held_until],
            )?;
            Ok(())
        })
        .await
    }

    /// The Dropbox account that this database belongs to.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn account(&self) -> Result<Option<String>> {
        self.read(|connection| Ok(meta(connection, "account_id")?)).await
    }

    /// Binds this database to an account, for good; gives the account that it belongs to.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn claim(&self, account_id: &str) -> Result<String> {
        let account_id = account_id.to_owned();
        self.write(move |connection| match meta(connection, "account_id")? {
            Some(present) => Ok(present),
            None => {
                set_meta(connection, "account_id", &account_id)?;
                Ok(account_id)
            }
        })
        .await
    }

    /// A condition began or changed its text; `since` is kept where it was there already.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn condition_began(&self, code: &'static str, subject: &str, text: &str) -> Result<()> {
        let (subject, text) = (subject.to_owned(), text.to_owned());
        self.write(move |connection| {
            connection.execute(
                "INSERT INTO condition VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET text = excluded.text",
                params![code, subject, now(), text],
            )?;
            Ok(())
        })
        .await
    }

    /// A condition ended.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn condition_ended(&self, code: &'static str, subject: &str) -> Result<()> {
        let subject = subject.to_owned();
        self.write(move |connection| {
            connection.execute("DELETE FROM condition WHERE code = ?1 AND subject = ?2", params![code, subject])?;
            Ok(())
        })
        .await
    }

    /// Forgets all conditions: a new start finds out anew.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn conditions_clear(&self) -> Result<()> {
        self.write(|connection| {
            connection.execute("DELETE FROM condition", [])?;
            Ok(())
        })
        .await
    }
}

/// The present time as the database writes it: RFC 3339, UTC, milliseconds.
pub(super) fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}
