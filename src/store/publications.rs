//! Publications on their way: hashed, marked in flight, recorded, confirmed.
//!
//! An asset's publications leave in the order of their rows: one that is `open` holds back the later ones. Numbers are
//! fixed with the mark `in_flight`, so that they have no gaps.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::links::cancel_unlinked;
use super::tenancies::now;
use super::{Kind, Publication, PublicationId, Result, Store, TenancyId, Unhashed};
use crate::digest::Digest;

/// A request that is fixed byte for byte, about to be marked in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// Which publication.
    pub id: PublicationId,
    /// `droptrail_sequence`.
    pub sequence: u64,
    /// `document_version`.
    pub version: u64,
    /// The request.
    pub body: String,
}

/// What the ledger called a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The asset's uuid.
    pub asset: String,
    /// The event's uuid; `None` for a registration.
    pub event: Option<String>,
}

/// How many publications of a tenancy are in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// To be hashed or sent, held ones included.
    pub pending: u64,
    /// Sent, not answered yet.
    pub in_flight: u64,
    /// Sent, outcome unknown.
    pub uncertain: u64,
    /// Acknowledged, not committed yet.
    pub recorded: u64,
    /// Committed by the ledger.
    pub confirmed: u64,
    /// Waiting for a person.
    pub parked: u64,
    /// Versions whose content can no longer be had.
    pub unreadable: u64,
}

pub(super) fn counts(connection: &Connection, tenancy: TenancyId) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut statement = connection.prepare_cached("SELECT state, n FROM tally WHERE tenancy = ?1")?;
    let mut rows = statement.query([tenancy])?;
    while let Some(row) = rows.next()? {
        let n = row.get::<_, i64>(1)? as u64;
        match row.get::<_, String>(0)?.as_str() {
            "in_flight" => counts.in_flight = n,
            "uncertain" => counts.uncertain = n,
            "recorded" => counts.recorded = n,
            "confirmed" => counts.confirmed = n,
            "parked" => counts.parked = n,
            "unreadable" => counts.unreadable = n,
            _ => counts.pending += n,
        }
    }
    Ok(counts)
}

/// The columns of [`publication`].
pub(super) const COLUMNS: &str = "p.id, p.asset, p.kind, a.origin, a.identity, p.file_id, p.rev, p.content_hash,
    p.server_modified, p.alg, p.document_hash, p.clear_name, coalesce(p.sequence, a.sequence + 1) AS sequence,
    coalesce(p.version, a.version + (p.kind = 'version')) AS version, p.body, p.event, p.sent_at, p.recorded_at,
    (SELECT path_display FROM file WHERE file.id = a.file) AS path";

pub(super) fn publication(row: &Row<'_>) -> rusqlite::Result<Publication> {
    Ok(Publication {
        id: row.get("id")?,
        asset: row.get("asset")?,
        kind: if row.get::<_, String>("kind")? == "withdraw" { Kind::Withdraw } else { Kind::Version },
        origin: row.get("origin")?,
        identity: row.get("identity")?,
        file_id: row.get("file_id")?,
        rev: row.get("rev")?,
        content_hash: row.get("content_hash")?,
        server_modified: row.get("server_modified")?,
        alg: row.get("alg")?,
        document_hash: row.get("document_hash")?,
        clear_name: row.get("clear_name")?,
        sequence: row.get::<_, i64>("sequence")? as u64,
        version: row.get::<_, i64>("version")? as u64,
        body: row.get("body")?,
        event: row.get("event")?,
        sent_at: row.get("sent_at")?,
        recorded_at: row.get("recorded_at")?,
        path: row.get("path")?,
    })
}

/// Open publications of a tenancy that wait for no approval, under a condition on `p` and `a`, in the order of their rows.
pub(super) fn select(
    connection: &Connection,
    condition: &str,
    tenancy: TenancyId,
    limit: usize,
) -> Result<Vec<Publication>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM publication p JOIN asset a ON a.id = p.asset
         WHERE p.tenancy = ?1 AND p.open = 1 AND p.held_by IS NULL AND {condition} ORDER BY p.id LIMIT ?2"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![tenancy, limit as i64], publication)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whose turn it is: what may be sent, and what is no news after all.
fn turns(connection: &Connection, tenancy: TenancyId, limit: usize) -> Result<(Vec<Publication>, Vec<PublicationId>)> {
    let (mut found, mut old) = (Vec::new(), Vec::new());
    for publication in select(connection, TURN, tenancy, limit)? {
        if repeats(connection, &publication)? {
            old.push(publication.id);
        } else {
            found.push(publication);
        }
    }
    Ok((found, old))
}

/// Hashed, and nothing before it in its asset is open.
const TURN: &str = "p.state = 'hashed' AND NOT EXISTS
    (SELECT 1 FROM publication q WHERE q.asset = p.asset AND q.open = 1 AND q.id < p.id)";

/// Whether an unsent version has the content of the record before it, which is confirmed and no Withdraw.
fn repeats(connection: &Connection, publication: &Publication) -> Result<bool> {
    if publication.kind != Kind::Version || publication.body.is_some() || publication.is_registration() {
        return Ok(false);
    }
    let sql = "SELECT coalesce(kind = 'version' AND state = 'confirmed' AND content_hash = ?3, 0) FROM publication
               WHERE asset = ?1 AND id < ?2 ORDER BY id DESC LIMIT 1";
    let values = params![publication.asset, publication.id, publication.content_hash];
    Ok(connection.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()?.unwrap_or(false))
}

/// Puts unreadable versions back into the queue, each in its place: it is the last of its asset, so that nothing that
/// came after it was sent, and the link that queued it still shows that very revision and lets it in.
fn revive(connection: &Connection) -> Result<u64> {
    let mut statement = connection.prepare(
        "SELECT p.id FROM publication p WHERE p.tenancy IN (SELECT id FROM tenancy) AND p.state = 'unreadable'
           AND NOT EXISTS (SELECT 1 FROM publication later WHERE later.asset = p.asset AND later.id > p.id)
           AND EXISTS (SELECT 1 FROM asset JOIN file ON file.id = asset.file JOIN place ON place.file = file.id
               JOIN link ON link.id = p.via AND link.watch = place.watch
               WHERE asset.id = p.asset AND file.file_id = p.file_id AND file.rev = p.rev AND link.linked = 1
                 AND NOT EXISTS (SELECT 1 FROM skipped
                     WHERE skipped.link = link.id AND skipped.path_lower = place.path_lower))",
    )?;
    let ids: Vec<PublicationId> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for id in &ids {
        connection
            .prepare_cached(
                "UPDATE publication SET (state, document_hash) =
                     (SELECT CASE WHEN sha256 IS NULL THEN 'pending' ELSE 'hashed' END, sha256
                      FROM (SELECT (SELECT sha256 FROM content c WHERE c.content_hash = publication.content_hash) AS sha256)),
                     open = 1, attempts = 0, reason = NULL
                 WHERE id = ?1",
            )?
            .execute([id])?;
        connection
            .prepare_cached(
                "UPDATE asset SET queued_hash = p.content_hash FROM publication p WHERE p.id = ?1 AND asset.id = p.asset",
            )?
            .execute([id])?;
    }
    Ok(ids.len() as u64)
}

impl Store {
    /// Content that must be hashed before it can be published, oldest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn unhashed(&self, limit: usize) -> Result<Vec<Unhashed>> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT p.id, p.file_id, p.rev, p.size, p.content_hash, p.attempts FROM publication p
                 JOIN tenancy t ON t.id = p.tenancy
                 WHERE p.state = 'pending' AND p.held_by IS NULL AND t.connected = 1 ORDER BY p.id LIMIT ?1",
            )?;
            let rows = statement.query_map([limit as i64], |row| {
                Ok(Unhashed {
                    id: row.get(0)?,
                    file_id: row.get(1)?,
                    rev: row.get(2)?,
                    size: row.get::<_, i64>(3)? as u64,
                    content_hash: row.get(4)?,
                    attempts: row.get::<_, i64>(5)? as u32,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Content was hashed: remembered for good, and every publication that waits for the same content goes on.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn hashed(&self, id: PublicationId, content_hash: Digest, sha256: Digest) -> Result<()> {
        self.write(move |connection| {
            connection
                .prepare_cached("INSERT OR IGNORE INTO content VALUES (?1, ?2)")?
                .execute(params![content_hash, sha256])?;
            connection
                .prepare_cached(
                    "UPDATE asset SET queued_hash = ?2 WHERE queued_hash IS NULL AND (id, queued_rev) =
                 (SELECT asset, rev FROM publication WHERE id = ?1 AND content_hash IS NULL)",
                )?
                .execute(params![id, content_hash])?;
            connection
                .prepare_cached("UPDATE publication SET content_hash = ?2 WHERE id = ?1 AND content_hash IS NULL")?
                .execute(params![id, content_hash])?;
            connection
                .prepare_cached(
                    "UPDATE publication SET state = 'hashed', document_hash = ?2, attempts = 0
                     WHERE state = 'pending' AND content_hash = ?1",
                )?
                .execute(params![content_hash, sha256])?;
            Ok(())
        })
        .await
    }

    /// One more try in vain.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn attempted(&self, id: PublicationId) -> Result<()> {
        self.write(move |connection| {
            connection.prepare_cached("UPDATE publication SET attempts = attempts + 1 WHERE id = ?1")?.execute([id])?;
            Ok(())
        })
        .await
    }

    /// The content of a version can no longer be had: counted and shown, and the asset's next version goes on. With
    /// `skip` the file counts as skipped for that reason until its rev changes. Where the file has another revision of
    /// the same version by now, that one is read instead.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn unreadable(&self, id: PublicationId, reason: String, skip: Option<&'static str>) -> Result<()> {
        self.write(move |connection| {
            let elsewhere = connection.execute(
                "UPDATE publication SET (file_id, rev) = (SELECT file.file_id, file.rev FROM asset
                     JOIN file ON file.id = asset.file WHERE asset.id = publication.asset), attempts = 0
                 WHERE id = ?1 AND state = 'pending' AND EXISTS (SELECT 1 FROM asset
                     JOIN file ON file.id = asset.file AND file.skip IS NULL
                     WHERE asset.id = publication.asset AND file.content_hash = publication.content_hash
                       AND file.rev <> publication.rev)",
                [id],
            )?;
            if elsewhere > 0 {
                return Ok(());
            }
            connection.execute(
                "UPDATE publication SET state = 'unreadable', open = 0, reason = ?2 WHERE id = ?1 AND state = 'pending'",
                params![id, reason],
            )?;
            // What was never recorded does not count as known content.
            connection.execute(
                "UPDATE asset SET queued_hash = NULL WHERE id = (SELECT asset FROM publication WHERE id = ?1)
                 AND queued_rev = (SELECT rev FROM publication WHERE id = ?1)",
                [id],
            )?;
            if let Some(skip) = skip {
                connection.execute(
                    "UPDATE file SET skip = ?2 WHERE (file_id, rev) = (SELECT file_id, rev FROM publication WHERE id = ?1)",
                    params![id, skip],
                )?;
                connection.execute(
                    "INSERT OR REPLACE INTO skipped SELECT link.id, place.path_lower, ?2
                     FROM publication p JOIN asset ON asset.id = p.asset JOIN file ON file.id = asset.file
                     JOIN place ON place.file = file.id JOIN link ON link.watch = place.watch AND link.tenancy = p.tenancy
                     WHERE p.id = ?1 AND link.linked = 1 AND file.rev = p.rev",
                    params![id, skip],
                )?;
            }
            Ok(())
        })
        .await
    }

    /// Publications whose turn it is: hashed, not held, and nothing of their asset before them is open. One whose content
    /// proves to be what was recorded last (its listing, or that of the one between, had no content hash) is dropped
    /// here: it is no news.
    ///
    /// # Errors
    /// If the database cannot be read or written.
    pub async fn sendable(&self, tenancy: TenancyId, limit: usize) -> Result<Vec<Publication>> {
        loop {
            let (found, old) = self.read(move |connection| turns(connection, tenancy, limit)).await?;
            if old.is_empty() {
                return Ok(found);
            }
            self.write(move |connection| {
                for id in old {
                    connection.execute("DELETE FROM publication WHERE id = ?1 AND state = 'hashed'", [id])?;
                }
                Ok(())
            })
            .await?;
            // What waited behind them has its turn now.
        }
    }

    /// Marks requests as in flight, in one durable commit, before any of them leaves. Gives those that are still to be
    /// sent: one that was cancelled meanwhile is left out.
    ///
    /// # Errors
    /// If the database cannot be written; then nothing may be sent.
    pub async fn mark_in_flight(&self, fixed: Vec<Fixed>) -> Result<Vec<PublicationId>> {
        self.write(move |connection| {
            let mut marked = Vec::with_capacity(fixed.len());
            for request in &fixed {
                let changed = connection
                    .prepare_cached(
                        "UPDATE publication SET state = 'in_flight', sequence = ?2, version = ?3, body = ?4, sent_at = ?5,
                         attempts = attempts + 1 WHERE id = ?1 AND state = 'hashed'",
                    )?
                    .execute(params![
                        request.id,
                        request.sequence as i64,
                        request.version as i64,
                        request.body,
                        now()
                    ])?;
                if changed == 0 {
                    continue;
                }
                connection
                    .prepare_cached(
                        "UPDATE asset SET sequence = ?2, version = ?3 WHERE id = (SELECT asset FROM publication WHERE id = ?1)",
                    )?
                    .execute(params![request.id, request.sequence as i64, request.version as i64])?;
                marked.push(request.id);
            }
            Ok(marked)
        })
        .await
    }

    /// The ledger acknowledged it, or a look-up found it.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn recorded(&self, id: PublicationId, record: Recorded) -> Result<()> {
        self.write(move |connection| {
            let changed = connection
                .prepare_cached(
                    "UPDATE publication SET state = 'recorded', event = ?2, recorded_at = ?3, reason = NULL
                     WHERE id = ?1 AND state IN ('in_flight', 'uncertain')",
                )?
                .execute(params![id, record.event, now()])?;
            if changed == 0 {
                return Ok(());
            }
            connection
                .prepare_cached(
                    "UPDATE asset SET identity = ?2 WHERE id = (SELECT asset FROM publication WHERE id = ?1)",
                )?
                .execute(params![id, record.asset])?;
            Ok(())
        })
        .await
    }

    /// The request was certainly not acted on: it may be sent again, unless it was unlinked meanwhile.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn not_made(&self, id: PublicationId, reason: String) -> Result<()> {
        self.leave(id, "in_flight", "hashed", reason).await
    }

    /// Nobody knows whether the request was acted on: it is looked up before it is ever sent again.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn unknown(&self, id: PublicationId, reason: String) -> Result<()> {
        self.leave(id, "in_flight", "uncertain", reason).await
    }

    /// No retry can heal it: it waits for a person, and holds back its asset's later ones.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn park(&self, id: PublicationId, reason: String) -> Result<()> {
        self.write(move |connection| {
            connection.execute(
                "UPDATE publication SET state = 'parked', reason = ?2
                 WHERE id = ?1 AND state IN ('pending', 'hashed', 'in_flight')",
                params![id, reason],
            )?;
            cancel_unlinked(connection, id)
        })
        .await
    }

    /// Tries again what is parked, and what was given up as unreadable although, as far as is known, it still is there;
    /// gives how many there were.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn unpark(&self) -> Result<u64> {
        self.write(|connection| {
            let revived = revive(connection)?;
            let sql = "UPDATE publication SET attempts = 0, reason = NULL,
                state = CASE WHEN document_hash IS NULL AND kind = 'version' THEN 'pending' ELSE 'hashed' END
                WHERE tenancy IN (SELECT id FROM tenancy) AND state = 'parked' AND open = 1
                  AND held_by IS NULL";
            Ok(connection.execute(sql, [])? as u64 + revived)
        })
        .await
    }

    async fn leave(&self, id: PublicationId, from: &'static str, to: &'static str, reason: String) -> Result<()> {
        self.write(move |connection| {
            connection
                .prepare_cached("UPDATE publication SET state = ?3, reason = ?4 WHERE id = ?1 AND state = ?2")?
                .execute(params![id, from, to, reason])?;
            cancel_unlinked(connection, id)
        })
        .await
    }

    /// How many publications of a tenancy are in each state.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn counts(&self, tenancy: TenancyId) -> Result<Counts> {
        self.read(move |connection| counts(connection, tenancy)).await
    }
}
