//! A page becomes rows: ONE transaction holds the files, the publications to make and the new cursor, so that a cursor
//! never gets ahead of the work that it implies.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::links::{WatchLink, links_of, settle_hold};
use super::news::{At, Before, Pass};
use super::tenancies::now;
use super::{Applied, Change, Current, Error, Policy, Result, Shown, Store, WatchId, gone, news};

/// A page, and what it was asked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageOf {
    /// The linked folder.
    pub watch: WatchId,
    /// The generation of the link that asked.
    pub generation: i64,
    /// The cursor that was sent; `None` for the first page of a listing.
    pub asked_with: Option<String>,
    /// In order.
    pub changes: Vec<Change>,
    /// The new cursor.
    pub cursor: String,
    /// The drain goes on.
    pub has_more: bool,
}

/// A page that must be asked about is rolled back with [`Error::Undecided`]; outside of this room that is an answer.
pub(super) fn asked(result: Result<Applied>) -> Result<Applied> {
    match result {
        Err(Error::Undecided(ids)) => Ok(Applied::Asks(ids)),
        other => other,
    }
}

impl Store {
    /// Applies a page and stores its cursor, all or nothing. `answers` are those to the ids of an earlier
    /// [`Applied::Asks`].
    ///
    /// # Errors
    /// If the database cannot be written; nothing was, then.
    pub async fn apply(&self, page: PageOf, policy: Policy, answers: Vec<(String, Current)>) -> Result<Applied> {
        asked(self.write(move |connection| apply(connection, &page, policy, &answers)).await)
    }
}

struct WatchRow {
    cursor: Option<String>,
    root: String,
    listing: i64,
    listings: i64,
}

fn apply(connection: &Connection, page: &PageOf, policy: Policy, answers: &[(String, Current)]) -> Result<Applied> {
    let row = connection
        .prepare_cached(
            "SELECT cursor, coalesce(path_lower, ''), listing, listings FROM watch
             WHERE id = ?1 AND generation = ?2 AND linked = 1",
        )?
        .query_row(params![page.watch, page.generation], |row| {
            Ok(WatchRow { cursor: row.get(0)?, root: row.get(1)?, listing: row.get(2)?, listings: row.get(3)? })
        })
        .optional()?;
    let Some(mut watch) = row.filter(|row| row.cursor == page.asked_with) else { return Ok(Applied::Dropped) };
    if page.asked_with.is_none() {
        watch.listings += 1;
        watch.listing = watch.listings;
    }
    let links = links_of(connection, page.watch)?;
    let mut pass = Pass::new(policy, answers, watch.listing > 0);
    for change in &page.changes {
        match change {
            Change::Deleted { path_lower } => gone::delete(connection, page.watch, path_lower)?,
            Change::Folder { path_lower } => gone::vacate(connection, page.watch, path_lower)?,
            Change::File(shown) => file(connection, page.watch, &watch, &links, &mut pass, shown)?,
        }
    }
    if !pass.asks.is_empty() {
        return Err(Error::Undecided(pass.asks));
    }
    let mut held = Vec::new();
    let mut swept = 0;
    if !page.has_more {
        if watch.listing > 0 {
            swept = gone::sweep(connection, page.watch, watch.listing)?;
            for link in &links {
                // One that is to be filled as well is settled when the filling ends.
                if !link.filling {
                    held.extend(settle_hold(connection, link, policy)?.map(|n| (link.id, n)));
                }
            }
            watch.listing = 0;
        }
        connection.prepare_cached("DELETE FROM gone WHERE watch = ?1")?.execute([page.watch])?;
    }
    connection
        .prepare_cached(
            "UPDATE watch SET cursor = ?2, listing = ?3, listings = ?4, drained_at = coalesce(?5, drained_at)
             WHERE id = ?1",
        )?
        .execute(params![page.watch, page.cursor, watch.listing, watch.listings, (!page.has_more).then(now)])?;
    Ok(Applied::Written { queued: pass.queued, held, swept })
}

fn file(
    connection: &Connection,
    watch: WatchId,
    row: &WatchRow,
    links: &[WatchLink],
    pass: &mut Pass<'_>,
    shown: &Shown,
) -> Result<()> {
    let known: Option<i64> = connection
        .prepare_cached("SELECT id FROM file WHERE file_id = ?1")?
        .query_row([&shown.file_id], |row| row.get(0))
        .optional()?;
    let mut before = Vec::with_capacity(links.len());
    for link in links {
        before.push(match known {
            Some(file) => placed_in(connection, link, file)?,
            None => Before::Absent,
        });
    }
    let (file, found) = upsert(connection, pass, shown)?;
    let occupant: Option<i64> = connection
        .prepare_cached("SELECT file FROM place WHERE watch = ?1 AND path_lower = ?2")?
        .query_row(params![watch, shown.path_lower], |row| row.get(0))
        .optional()?
        .filter(|occupant| *occupant != file);
    let mut predecessor = occupant.filter(|_| row.listing > 0);
    if occupant.is_some() {
        gone::vacate(connection, watch, &shown.path_lower)?;
    } else if predecessor.is_none() {
        predecessor = connection
            .prepare_cached(
                "SELECT file FROM gone WHERE watch = ?1 AND path_lower = ?2 AND by_tree = 1 AND file <> ?3",
            )?
            .query_row(params![watch, shown.path_lower, file], |row| row.get(0))
            .optional()?;
    }
    // A file where a folder was: what was below is gone.
    gone::vacate_below(connection, watch, &shown.path_lower)?;
    connection.prepare_cached("INSERT OR REPLACE INTO place VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        watch,
        shown.path_lower,
        file,
        row.listings
    ])?;
    for (link, before) in links.iter().zip(before) {
        let at = At { watch: Some(watch), root: &row.root, predecessor, before, found };
        pass.consider(connection, &at, link, shown)?;
    }
    Ok(())
}

/// Whether any link of the tenancy lets the file in where it is known to be.
fn placed_in(connection: &Connection, link: &WatchLink, file: i64) -> Result<Before> {
    let placed: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM place JOIN link ON link.watch = place.watch
             WHERE place.file = ?1 AND link.tenancy = ?2 AND link.linked = 1 AND NOT EXISTS
                 (SELECT 1 FROM skipped WHERE skipped.link = link.id AND skipped.path_lower = place.path_lower
                      AND skipped.reason = 'excluded'))",
        )?
        .query_row(params![file, link.tenancy], |row| row.get(0))?;
    Ok(if placed { Before::Placed } else { Before::Absent })
}

/// The file's row; gives its id, and the reason that was found by reading this revision, if any. A page that is staler
/// than what is known only says where the file is. A reason that was found by reading the content stays for as long as
/// the rev does.
fn upsert(connection: &Connection, pass: &Pass<'_>, shown: &Shown) -> Result<(i64, Option<&'static str>)> {
    let present = matches!(pass.answer(&shown.file_id), Some(Current::File(current)) if current.rev == shown.rev);
    Ok(connection
        .prepare_cached(
            "INSERT INTO file (file_id, rev, size, content_hash, server_modified, path_display, skip)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (file_id) DO UPDATE SET
                 path_display = excluded.path_display,
                 skip = CASE WHEN rev = excluded.rev AND skip IN ('restricted', 'unsupported') THEN skip
                        WHEN server_modified > excluded.server_modified AND NOT ?8 THEN skip ELSE excluded.skip END,
                 rev = CASE WHEN server_modified > excluded.server_modified AND NOT ?8 THEN rev ELSE excluded.rev END,
                 size = CASE WHEN server_modified > excluded.server_modified AND NOT ?8 THEN size ELSE excluded.size END,
                 content_hash = CASE WHEN server_modified > excluded.server_modified AND NOT ?8 THEN content_hash
                                ELSE excluded.content_hash END,
                 server_modified = CASE WHEN NOT ?8 THEN max(server_modified, excluded.server_modified)
                                   ELSE excluded.server_modified END
             RETURNING id, CASE WHEN rev = ?2 AND skip IN ('restricted', 'unsupported') THEN skip END",
        )?
        .query_row(
            params![
                shown.file_id,
                shown.rev,
                shown.size as i64,
                shown.content_hash,
                shown.server_modified,
                shown.path_display,
                shown.skip,
                present
            ],
            |row| Ok((row.get(0)?, row.get::<_, Option<String>>(1)?.map(|reason| news::known_reason(&reason)))),
        )?)
}
