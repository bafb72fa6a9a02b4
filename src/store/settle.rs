//! After the request: unknown outcomes until the ledger has answered, recorded ones until it has committed them, and
//! whether the database knows what the ledger shows.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::links::cancel_unlinked;
use super::publications::{COLUMNS, publication, select};
use super::tenancies::now;
use super::{Publication, PublicationId, Result, Store, TenancyId};

impl Store {
    /// At a start: what was in flight when the last run ended has an unknown outcome. Gives how many.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn doubt_in_flight(&self) -> Result<u64> {
        self.write(|connection| {
            let sql = "UPDATE publication SET state = 'uncertain', reason = 'sent, but no answer was seen'
                       WHERE tenancy IN (SELECT id FROM tenancy) AND state = 'in_flight' AND open = 1
                         AND held_by IS NULL";
            Ok(connection.execute(sql, [])? as u64)
        })
        .await
    }

    /// Publications with an unknown outcome.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn uncertain(&self, tenancy: TenancyId, limit: usize) -> Result<Vec<Publication>> {
        self.read(move |connection| select(connection, "p.state = 'uncertain'", tenancy, limit)).await
    }

    /// Publications that were sent and not answered yet, or whose outcome is unknown.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn under_way(&self, tenancy: TenancyId, limit: usize) -> Result<Vec<Publication>> {
        let condition = "p.state IN ('in_flight', 'uncertain')";
        self.read(move |connection| select(connection, condition, tenancy, limit)).await
    }

    /// The ledger certainly has no such record: it may be sent again, with its number and its body, unless it was
    /// unlinked meanwhile: then it is cancelled and never sent again.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn absent(&self, id: PublicationId) -> Result<()> {
        self.write(move |connection| {
            connection.execute(
                "UPDATE publication SET state = 'hashed', reason = NULL WHERE id = ?1 AND state = 'uncertain'",
                [id],
            )?;
            cancel_unlinked(connection, id)
        })
        .await
    }

    /// Recorded publications that are not committed yet, oldest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn unconfirmed(&self, tenancy: TenancyId, limit: usize) -> Result<Vec<Publication>> {
        self.read(move |connection| select(connection, "p.state = 'recorded'", tenancy, limit)).await
    }

    /// The ledger committed them: the next publications of their assets may leave.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn confirmed(&self, ids: Vec<PublicationId>) -> Result<()> {
        self.write(move |connection| {
            let mut statement = connection.prepare_cached(
                "UPDATE publication SET state = 'confirmed', open = 0, body = NULL, confirmed_at = ?2
                 WHERE id = ?1 AND state = 'recorded'",
            )?;
            let at = now();
            for id in ids {
                statement.execute(params![id, at])?;
            }
            Ok(())
        })
        .await
    }

    /// The ledger failed it for good: it is made again with its number (a registration as a new asset) before anything
    /// else of that file, unless it was unlinked meanwhile.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn failed(&self, id: PublicationId) -> Result<()> {
        self.write(move |connection| {
            connection.execute(
                "UPDATE asset SET identity = NULL WHERE id = (SELECT asset FROM publication
                 WHERE id = ?1 AND state = 'recorded' AND sequence = 1)",
                [id],
            )?;
            connection.execute(
                "UPDATE publication SET state = 'hashed', event = NULL, recorded_at = NULL, reason = 'the ledger failed it'
                 WHERE id = ?1 AND state = 'recorded'",
                [id],
            )?;
            cancel_unlinked(connection, id)
        })
        .await
    }

    /// Which recorded publications a page of the ledger's events speaks of: for each `(asset uuid, event uuid, number)`
    /// the publication that it is the record of, if it waits to be confirmed.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn recognise(
        &self,
        tenancy: TenancyId,
        events: Vec<(String, String, Option<u64>)>,
    ) -> Result<Vec<Option<PublicationId>>> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT p.id FROM asset a JOIN publication p ON p.asset = a.id
                 WHERE a.identity = ?2 AND a.tenancy = ?1 AND p.open = 1 AND p.state = 'recorded'
                   AND (p.event = ?3 OR (p.event IS NULL AND p.sequence = ?4))",
            )?;
            events
                .into_iter()
                .map(|(asset, event, number)| {
                    let number = number.map(|number| number as i64);
                    Ok(statement.query_row(params![tenancy, asset, event, number], |row| row.get(0)).optional()?)
                })
                .collect()
        })
        .await
    }

    /// Whether the database has recorded this: an asset's registration (`number` 1) or an event of it, or passed it over
    /// as a duplicate.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn knows(&self, tenancy: TenancyId, asset: &str, event: &str, number: Option<u64>) -> Result<bool> {
        let (asset, event) = (asset.to_owned(), event.to_owned());
        self.read(move |connection| {
            Ok(connection.query_row(
                "SELECT EXISTS (SELECT 1 FROM asset a JOIN publication p ON p.asset = a.id
                     WHERE a.identity = ?2 AND a.tenancy = ?1 AND p.recorded_at IS NOT NULL
                       AND (p.event = ?3 OR (p.event IS NULL AND p.sequence = ?4)))
                 OR EXISTS (SELECT 1 FROM passed_over WHERE tenancy = ?1 AND uuid IN (?2, ?3))",
                params![tenancy, asset, event, number.map(|number| number as i64)],
                |row| row.get(0),
            )?)
        })
        .await
    }

    /// Notes a duplicate of ours that was passed over, so that it is not taken for a record that the database lost.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn passed_over(&self, tenancy: TenancyId, uuids: Vec<String>) -> Result<()> {
        self.write(move |connection| {
            for uuid in uuids {
                connection.execute("INSERT OR IGNORE INTO passed_over VALUES (?1, ?2)", params![tenancy, uuid])?;
            }
            Ok(())
        })
        .await
    }

    /// The record that the ledger acknowledged last: a listing that does not show it cannot be believed about others.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn newest_record(&self, tenancy: TenancyId) -> Result<Option<Publication>> {
        self.read(move |connection| newest(connection, tenancy)).await
    }
}

fn newest(connection: &Connection, tenancy: TenancyId) -> Result<Option<Publication>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM publication p JOIN asset a ON a.id = p.asset
         WHERE p.tenancy = ?1 AND p.recorded_at IS NOT NULL ORDER BY p.recorded_at DESC, p.id DESC LIMIT 1"
    );
    Ok(connection.prepare_cached(&sql)?.query_row([tenancy], publication).optional()?)
}
