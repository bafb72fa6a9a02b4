//! The committer: takes records from PENDING over STORED and COMMITTED to CONFIRMED, in batches, in the order in which
//! they were accepted. Each step is one transaction, so a crash at any instant leaves a state to go on from.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::attributes::Attributes;
use super::create::event_by;
use super::faults::Script;
use super::records::{Leaf, View, status};
use super::sequence::{IdTimestamp, mmr_index};
use super::terms::{self, Scope};
use super::writer::Writer;
use super::{Error, time};

/// Records of each status that one step takes on; few enough that creations, which wait for it, hardly notice.
const BATCH: i64 = 250;
/// How the committer's requests are labelled in a fault script.
const LABEL: &str = "committer";

/// Runs until the bell's other end is dropped. A record is COMMITTED about `delay` after it was accepted.
pub(super) fn run(writer: &Arc<Writer>, bell: &Receiver<()>, delay: Duration, script: &Script) {
    let tick = (delay / 2).max(Duration::from_millis(1));
    let mut open = true;
    loop {
        if !open && bell.recv().is_err() {
            return;
        }
        let due = Instant::now() + tick;
        loop {
            match bell.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        if script.strike("committer_stall", LABEL).is_some() {
            open = true;
            continue;
        }
        match writer.write_blocking(|connection| step(connection, time::now_ms())) {
            Ok(left) => open = left,
            Err(Error::Closed) => return,
            Err(error) => {
                tracing::error!(error = %error, "the ledger could not commit records; it tries again");
                open = true;
            }
        }
    }
}

/// One step: each open record goes one status further. Says whether any is still open.
pub(super) fn step(connection: &Connection, now_ms: i64) -> Result<bool, Error> {
    let confirmed = open(connection, status::COMMITTED)?;
    let committed = open(connection, status::STORED)?;
    let stored = open(connection, status::PENDING)?;
    for id in confirmed {
        advance(connection, id, status::CONFIRMED)?;
    }
    let mut log = Log::open(connection)?;
    for id in committed {
        commit(connection, &mut log, id, now_ms)?;
    }
    for id in stored {
        advance(connection, id, status::STORED)?;
    }
    for status in [status::PENDING, status::STORED, status::COMMITTED] {
        let sql = format!(
            "SELECT 1 FROM events INDEXED BY events_open WHERE status = {status} AND status IN (1, 3, 4, 5) LIMIT 1"
        );
        if connection.prepare_cached(&sql)?.exists([])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The oldest events with this status.
fn open(connection: &Connection, status: i64) -> Result<Vec<i64>, Error> {
    // The number stands in the text, because a partial index is used for constants only.
    let sql = format!(
        "SELECT id FROM events INDEXED BY events_open WHERE status = {status} AND status IN (1, 3, 4, 5) ORDER BY id LIMIT {BATCH}"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

fn advance(connection: &Connection, event: i64, to: i64) -> Result<(), Error> {
    connection.prepare_cached("UPDATE events SET status = ?2 WHERE id = ?1")?.execute([event, to])?;
    connection
        .prepare_cached(
            "UPDATE assets SET status = ?2 WHERE id = (SELECT asset FROM events WHERE id = ?1 AND operation = 'NewAsset')",
        )?
        .execute([event, to])?;
    Ok(())
}

/// Where the log ends.
struct Log {
    next: u64,
    last: Option<IdTimestamp>,
}

impl Log {
    fn open(connection: &Connection) -> Result<Log, Error> {
        let last = connection
            .prepare_cached("SELECT seq, idtimestamp FROM leaves ORDER BY seq DESC LIMIT 1")?
            .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))
            .optional()?;
        let Some((seq, idtimestamp)) = last else { return Ok(Log { next: 0, last: None }) };
        let last =
            IdTimestamp::parse(&idtimestamp).ok_or_else(|| Error::Corrupt(format!("idtimestamp {idtimestamp:?}")))?;
        let next = u64::try_from(seq + 1).map_err(|_| Error::Corrupt(format!("commit sequence {seq}")))?;
        Ok(Log { next, last: Some(last) })
    }
}

fn commit(connection: &Connection, log: &mut Log, id: i64, now_ms: i64) -> Result<(), Error> {
    let (asset, tenancy, public, doomed, accepted_ms): (i64, i64, bool, bool, i64) = connection
        .prepare_cached("SELECT asset, tenancy, public, doomed, accepted_ms FROM events WHERE id = ?1")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?;
    let asset_failed: bool = connection
        .prepare_cached("SELECT status = 3 FROM assets WHERE id = ?1")?
        .query_row([asset], |row| row.get(0))?;
    if doomed || asset_failed {
        advance(connection, id, status::FAILED)?;
        return forget(connection, asset, tenancy);
    }
    let stamp = IdTimestamp::next(log.last, now_ms);
    let mut event = event_by(connection, id)?;
    let index = i64::try_from(mmr_index(log.next)).map_err(|_| Error::Corrupt("the log is full".into()))?;
    event.leaf = Some(Leaf { mmr_index: index, idtimestamp: stamp.hex(), committed_ms: stamp.ms });
    let fields = event.leaf_fields(if public { View::Public } else { View::Own(tenancy) });
    connection
        .prepare_cached(
            "INSERT INTO leaves (seq, event, mmr_index, idtimestamp, committed_ms, fields) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![log.next.cast_signed(), id, index, stamp.hex(), stamp.ms, fields])?;
    advance(connection, id, status::COMMITTED)?;
    log.next += 1;
    log.last = Some(stamp);

    let before: String = connection
        .prepare_cached("SELECT committed_attributes FROM assets WHERE id = ?1")?
        .query_row([asset], |row| row.get(0))?;
    let before = Attributes::from_json(&before)?;
    let newer = Attributes::from_json(&event.asset_attributes)?;
    let mut merged = before.clone();
    merged.merge(&newer);
    connection
        .prepare_cached("UPDATE assets SET committed_attributes = ?2, committed_at_ms = ?3 WHERE id = ?1")?
        .execute(params![asset, merged.json(), accepted_ms])?;
    if public {
        let none = Attributes::default();
        let own = Attributes::from_json(&event.event_attributes)?;
        terms::replace(connection, 0, Scope::Event, id, &none, &own)?;
        terms::replace(connection, 0, Scope::AssetOfEvent, id, &none, &newer)?;
        terms::replace(connection, 0, Scope::Asset, asset, &before, &merged)?;
    }
    Ok(())
}

/// Takes what a FAILED event said out of its asset's state again.
fn forget(connection: &Connection, asset: i64, tenancy: i64) -> Result<(), Error> {
    let (old, created): (String, i64) = connection
        .prepare_cached("SELECT attributes, created_ms FROM assets WHERE id = ?1")?
        .query_row([asset], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let old = Attributes::from_json(&old)?;
    let (mut merged, mut at, mut tracked) = (Attributes::default(), created, true);
    let mut statement = connection.prepare_cached(
        "SELECT asset_attributes, accepted_ms, operation FROM events \
         WHERE asset = ?1 AND (status <> 3 OR operation = 'NewAsset') ORDER BY id",
    )?;
    let mut rows = statement.query([asset])?;
    while let Some(row) = rows.next()? {
        merged.merge(&Attributes::from_json(&row.get::<_, String>(0)?)?);
        at = row.get(1)?;
        match row.get::<_, String>(2)?.as_str() {
            "StopTracking" => tracked = false,
            "StartTracking" => tracked = true,
            _ => {}
        }
    }
    connection
        .prepare_cached("UPDATE assets SET attributes = ?2, at_ms = ?3, tracked = ?4 WHERE id = ?1")?
        .execute(params![asset, merged.json(), at, tracked])?;
    terms::replace(connection, tenancy, Scope::Asset, asset, &old, &merged)
}
