//! What is gone: deletions carry no id, so the path map of that linked folder, and everything below the path, says which.

use rusqlite::{Connection, params};

use super::{Result, WatchId};

/// The exclusive upper end of everything below `path`: `0` follows `/` in ASCII.
fn below(path: &str) -> (String, String) {
    (format!("{path}/"), format!("{path}0"))
}

/// Nothing is at `path` or below it any more. Remembers, until the drain ends, what went with a folder.
pub(super) fn delete(connection: &Connection, watch: WatchId, path: &str) -> Result<()> {
    let (first, end) = below(path);
    let was_file: bool = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM place WHERE watch = ?1 AND path_lower = ?2)")?
        .query_row(params![watch, path], |row| row.get(0))?;
    if was_file {
        vacate(connection, watch, path)?;
    } else {
        connection
            .prepare_cached("UPDATE gone SET by_tree = 1 WHERE watch = ?1 AND path_lower > ?2 AND path_lower < ?3")?
            .execute(params![watch, first, end])?;
    }
    vacate_below(connection, watch, path)
}

/// The file at `path` is there no more; what is below stays.
pub(super) fn vacate(connection: &Connection, watch: WatchId, path: &str) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO gone SELECT watch, path_lower, file, 0 FROM place WHERE watch = ?1 AND path_lower = ?2",
        )?
        .execute(params![watch, path])?;
    connection
        .prepare_cached("DELETE FROM place WHERE watch = ?1 AND path_lower = ?2")?
        .execute(params![watch, path])?;
    forget_skips(connection, watch, path, path, "=")
}

/// Everything below `path` is there no more.
pub(super) fn vacate_below(connection: &Connection, watch: WatchId, path: &str) -> Result<()> {
    let (first, end) = below(path);
    let any: bool = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM place WHERE watch = ?1 AND path_lower > ?2 AND path_lower < ?3)")?
        .query_row(params![watch, first, end], |row| row.get(0))?;
    if !any {
        return Ok(());
    }
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO gone SELECT watch, path_lower, file, 1 FROM place
             WHERE watch = ?1 AND path_lower > ?2 AND path_lower < ?3",
        )?
        .execute(params![watch, first, end])?;
    connection
        .prepare_cached("DELETE FROM place WHERE watch = ?1 AND path_lower > ?2 AND path_lower < ?3")?
        .execute(params![watch, first, end])?;
    forget_skips(connection, watch, &first, &end, "><")
}

fn forget_skips(connection: &Connection, watch: WatchId, first: &str, end: &str, range: &str) -> Result<()> {
    let condition = if range == "=" { "path_lower = ?2 AND ?3 = ?2" } else { "path_lower > ?2 AND path_lower < ?3" };
    connection
        .prepare_cached(&format!(
            "DELETE FROM skipped WHERE link IN (SELECT id FROM link WHERE watch = ?1) AND {condition}"
        ))?
        .execute(params![watch, first, end])?;
    Ok(())
}

/// The end of a listing: places that it did not show are there no more. Gives how many.
pub(super) fn sweep(connection: &Connection, watch: WatchId, listing: i64) -> Result<u64> {
    connection.execute(
        "DELETE FROM skipped WHERE link IN (SELECT id FROM link WHERE watch = ?1) AND path_lower IN
             (SELECT path_lower FROM place WHERE watch = ?1 AND seen < ?2)",
        params![watch, listing],
    )?;
    Ok(connection.execute("DELETE FROM place WHERE watch = ?1 AND seen < ?2", params![watch, listing])? as u64)
}
