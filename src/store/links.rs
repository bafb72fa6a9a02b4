//! Links: the configuration's folders and tenancies as rows, what unlinking cancels, what waits for an approval.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::tenancies::{self, TenancyWanted};
use super::{Applied, Current, LinkId, Policy, PublicationId, Result, Shown, Store, TenancyId, Watch, WatchId, news};
use crate::config::{Excludes, excludes};

/// A link as the configuration has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkWanted {
    /// The folder as configured, `/` for the root.
    pub folder: String,
    /// The tenancy's name.
    pub tenancy: String,
    /// Valid globs.
    pub exclude: Vec<String>,
}

/// What bringing the rows in line with the configuration did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Synced {
    /// Publications that unlinking cancelled.
    pub cancelled: u64,
}

/// One link of a watched folder.
#[derive(Debug, Clone)]
pub struct WatchLink {
    /// Its row.
    pub id: LinkId,
    /// Where it publishes.
    pub tenancy: TenancyId,
    /// What it leaves out.
    pub excludes: Excludes,
    /// A listing may register as many files as there are.
    pub approved: bool,
    /// Waits for an approval: so does every further file.
    pub held: bool,
    /// Is being filled from the database.
    pub filling: bool,
}

pub(super) fn watch(row: &Row<'_>) -> rusqlite::Result<Watch> {
    Ok(Watch {
        id: row.get("id")?,
        folder: row.get("folder")?,
        folder_id: row.get("folder_id")?,
        path_lower: row.get("path_lower")?,
        root: row.get("root")?,
        generation: row.get("generation")?,
        cursor: row.get("cursor")?,
        listing: row.get::<_, i64>("listing")? > 0,
    })
}

/// The links of a watched folder that are linked now.
pub(super) fn links_of(connection: &Connection, watch: WatchId) -> Result<Vec<WatchLink>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, tenancy, exclude, approved, held, fill IS NOT NULL FROM link WHERE watch = ?1 AND linked = 1",
    )?;
    let rows = statement.query_map([watch], |row| {
        let globs: Vec<String> = serde_json::from_str(&row.get::<_, String>(2)?).unwrap_or_default();
        // They were valid when the configuration was; a database that says otherwise lets nothing through unseen.
        let excludes = excludes(&globs).map_err(|_| rusqlite::Error::InvalidQuery)?;
        Ok(WatchLink {
            id: row.get(0)?,
            tenancy: row.get(1)?,
            excludes,
            approved: row.get(3)?,
            held: row.get(4)?,
            filling: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

impl Store {
    /// Brings tenancies, watched folders and links in line with the configuration, in one transaction. Unlinking cancels
    /// what is not in flight yet, unless another link of the tenancy holds the file.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn sync(&self, tenancies: Vec<TenancyWanted>, links: Vec<LinkWanted>) -> Result<Synced> {
        self.write(move |connection| {
            tenancies::sync(connection, &tenancies)?;
            let mut kept = Vec::new();
            for wanted in &links {
                kept.push(link(connection, wanted)?);
            }
            let mut synced = Synced::default();
            let mut statement = connection.prepare("SELECT id, watch FROM link WHERE linked = 1")?;
            let present: Vec<(LinkId, WatchId)> =
                statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
            // All marks first, so that a file held by another link that goes too is not spared.
            let gone: Vec<_> = present.into_iter().filter(|(id, _)| !kept.contains(id)).collect();
            for (id, _) in &gone {
                connection
                    .execute("UPDATE link SET linked = 0, held = 0, approved = 0, fill = NULL WHERE id = ?1", [id])?;
            }
            for (id, watch) in gone {
                synced.cancelled += cancel(connection, id)?;
                connection.execute("DELETE FROM skipped WHERE link = ?1", [id])?;
                connection.execute(
                    "UPDATE watch SET linked = 0, generation = generation + 1, cursor = NULL, listing = 0
                     WHERE id = ?1 AND linked = 1
                       AND NOT EXISTS (SELECT 1 FROM link WHERE link.watch = watch.id AND link.linked = 1)",
                    [watch],
                )?;
            }
            Ok(synced)
        })
        .await
    }

    /// The folders to be watched.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn watches(&self) -> Result<Vec<Watch>> {
        self.read(|connection| {
            let mut statement = connection.prepare("SELECT * FROM watch WHERE linked = 1 ORDER BY id")?;
            let rows = statement.query_map([], watch)?.collect::<Result<_, _>>()?;
            Ok(rows)
        })
        .await
    }

    /// One watched folder as it is now; `None` once it was unlinked.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn watch(&self, id: WatchId) -> Result<Option<Watch>> {
        self.read(move |connection| {
            let sql = "SELECT * FROM watch WHERE id = ?1 AND linked = 1";
            Ok(connection.prepare_cached(sql)?.query_row([id], watch).optional()?)
        })
        .await
    }

    /// Writes down where a folder was found. Where it is another place than before (or `relist` says so) the folder is
    /// listed anew: paths below it have changed.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn resolved(
        &self,
        id: WatchId,
        folder_id: Option<String>,
        path_lower: String,
        root: String,
        relist: bool,
    ) -> Result<()> {
        self.write(move |connection| {
            connection.execute(
                "UPDATE watch SET cursor = NULL, listing = 0 WHERE id = ?1
                 AND (?5 OR path_lower IS NOT ?3 OR root IS NOT ?4)",
                params![id, folder_id, path_lower, root, relist],
            )?;
            connection.execute(
                "UPDATE watch SET folder_id = ?2, path_lower = ?3, root = ?4 WHERE id = ?1",
                params![id, folder_id, path_lower, root],
            )?;
            Ok(())
        })
        .await
    }

    /// Forgets the cursor, so that the folder is listed anew. Nothing is published twice by it.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn forget_cursor(&self, id: WatchId) -> Result<()> {
        self.write(move |connection| {
            connection.execute("UPDATE watch SET cursor = NULL, listing = 0 WHERE id = ?1", [id])?;
            Ok(())
        })
        .await
    }

    /// Writes down how a watched folder is, for `status`.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn watch_state(&self, id: WatchId, state: &'static str) -> Result<()> {
        self.write(move |connection| {
            connection.execute("UPDATE watch SET state = ?2 WHERE id = ?1 AND state <> ?2", params![id, state])?;
            Ok(())
        })
        .await
    }

    /// Lets a folder publish in all of its tenancies, however many files it has; gives how many links it has, whether
    /// they waited or not. Large backlogs are released in chunks, so that nothing else waits for long.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn approve(&self, folder: &str) -> Result<u64> {
        let folder = folder.to_owned();
        let links: Vec<LinkId> = self
            .write(move |connection| {
                let mut statement = connection.prepare(
                    "SELECT link.id FROM link JOIN watch ON watch.id = link.watch
                     WHERE link.linked = 1 AND lower(watch.folder) = lower(?1)",
                )?;
                let ids: Vec<LinkId> = statement.query_map([&folder], |row| row.get(0))?.collect::<Result<_, _>>()?;
                for id in &ids {
                    connection.execute("UPDATE link SET approved = 1 WHERE id = ?1", [id])?;
                }
                Ok(ids)
            })
            .await?;
        for &id in &links {
            while self.write(move |connection| release(connection, id, 10_000)).await? > 0 {}
        }
        let ids = links.clone();
        self.write(move |connection| {
            for id in ids {
                connection.execute("UPDATE link SET held = 0 WHERE id = ?1", [id])?;
            }
            Ok(())
        })
        .await?;
        Ok(links.len() as u64)
    }

    /// The folders that wait for an approval, each with how many files.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn held(&self) -> Result<Vec<(String, String, u64)>> {
        self.read(|connection| {
            let mut statement = connection.prepare(
                "SELECT watch.folder, tenancy.name, (SELECT count(*) FROM publication WHERE held_by = link.id)
                 FROM link JOIN watch ON watch.id = link.watch JOIN tenancy ON tenancy.id = link.tenancy
                 WHERE link.linked = 1 AND link.held = 1 ORDER BY 1, 2",
            )?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)? as u64)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// A link that must be filled from the database, if there is one. One whose folder is being listed (anew), or is
    /// about to be, has its turn when that is over: only then the database says what is there.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn to_fill(&self) -> Result<Option<LinkId>> {
        self.read(|connection| {
            let sql = format!(
                "SELECT link.id FROM link JOIN watch ON watch.id = link.watch WHERE {FILLABLE} ORDER BY link.id LIMIT 1"
            );
            Ok(connection.query_row(&sql, [], |row| row.get(0)).optional()?)
        })
        .await
    }

    /// Fills one chunk of a link from what is known of its folder: a tenancy added to a folder that is watched already,
    /// or changed globs. `answers` are those to the ids of an earlier [`Applied::Asks`]. [`Applied::Dropped`] where it is
    /// not to be filled, or not now (see [`Store::to_fill`]).
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn fill(&self, id: LinkId, policy: Policy, answers: Vec<(String, Current)>) -> Result<Applied> {
        super::page::asked(self.write(move |connection| fill(connection, id, policy, &answers)).await)
    }
}

/// Makes one wanted link linked and gives its row.
fn link(connection: &Connection, wanted: &LinkWanted) -> Result<LinkId> {
    let watch: Option<(WatchId, bool)> = connection
        .query_row("SELECT id, linked FROM watch WHERE lower(folder) = lower(?1)", [&wanted.folder], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let watch = match watch {
        Some((id, true)) => id,
        Some((id, false)) => {
            connection.execute(
                "UPDATE watch SET linked = 1, generation = generation + 1, cursor = NULL, listing = 0,
                 folder_id = NULL, path_lower = NULL, root = NULL, state = 'starting' WHERE id = ?1",
                [id],
            )?;
            id
        }
        None => {
            connection.execute("INSERT INTO watch (folder) VALUES (?1)", [&wanted.folder])?;
            WatchId(connection.last_insert_rowid())
        }
    };
    let tenancy: TenancyId =
        connection.query_row("SELECT id FROM tenancy WHERE name = ?1 AND connected = 1", [&wanted.tenancy], |row| {
            row.get(0)
        })?;
    let globs = serde_json::to_string(&wanted.exclude).unwrap_or_else(|_| "[]".into());
    connection
        .execute("INSERT OR IGNORE INTO link (watch, tenancy, linked) VALUES (?1, ?2, 0)", params![watch, tenancy])?;
    // What is known of the folder already must reach a link that is new to it, or that lets other files in than before.
    connection.execute(
        "UPDATE link SET linked = 1, exclude = ?3,
         fill = CASE WHEN (linked = 0 OR exclude <> ?3) AND (SELECT cursor FROM watch WHERE id = ?1) IS NOT NULL
                THEN '' ELSE fill END
         WHERE watch = ?1 AND tenancy = ?2",
        params![watch, tenancy, globs],
    )?;
    Ok(connection.query_row(
        "SELECT id FROM link WHERE watch = ?1 AND tenancy = ?2",
        params![watch, tenancy],
        |row| row.get(0),
    )?)
}

/// Cancels what an unlinked link queued and what is not in flight yet, but for files that another link of the tenancy
/// holds: those go over to it. What waited for an approval then waits for the other link's, which is filled anew to
/// find out whether it needs one.
fn cancel(connection: &Connection, link: LinkId) -> Result<u64> {
    connection.execute(
        "UPDATE publication SET via = (
             SELECT l.id FROM asset JOIN place ON place.file = asset.file
             JOIN link l ON l.watch = place.watch AND l.tenancy = publication.tenancy AND l.linked = 1
             WHERE asset.id = publication.asset AND NOT EXISTS
                 (SELECT 1 FROM skipped WHERE skipped.link = l.id AND skipped.path_lower = place.path_lower
                      AND skipped.reason = 'excluded') LIMIT 1)
         WHERE via = ?1 AND open = 1 AND EXISTS (
             SELECT 1 FROM asset JOIN place ON place.file = asset.file
             JOIN link l ON l.watch = place.watch AND l.tenancy = publication.tenancy AND l.linked = 1
             WHERE asset.id = publication.asset AND NOT EXISTS
                 (SELECT 1 FROM skipped WHERE skipped.link = l.id AND skipped.path_lower = place.path_lower
                      AND skipped.reason = 'excluded'))",
        [link],
    )?;
    connection.execute(
        "UPDATE link SET fill = '' WHERE id IN (SELECT via FROM publication WHERE held_by = ?1 AND via <> ?1)",
        [link],
    )?;
    connection.execute("UPDATE publication SET held_by = via WHERE held_by = ?1 AND via <> ?1", [link])?;
    connection.execute_batch(CANCELLED)?;
    let n = connection.execute(
        "INSERT INTO cancelled SELECT id, asset FROM publication
         WHERE via = ?1 AND open = 1 AND state IN ('pending', 'hashed', 'parked')",
        [link],
    )?;
    drop_cancelled(connection)?;
    Ok(n as u64)
}

const CANCELLED: &str =
    "CREATE TEMP TABLE IF NOT EXISTS cancelled (id INTEGER PRIMARY KEY, asset INTEGER) STRICT; DELETE FROM cancelled";

/// Cancels one publication that is certainly not on the ledger, if its link is no more: it must not be sent again.
pub(super) fn cancel_unlinked(connection: &Connection, id: PublicationId) -> Result<()> {
    let unlinked: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM publication p JOIN link ON link.id = p.via
             WHERE p.id = ?1 AND p.state IN ('pending', 'hashed', 'parked') AND link.linked = 0)",
        )?
        .query_row([id], |row| row.get(0))?;
    if unlinked {
        connection.execute_batch(CANCELLED)?;
        connection.execute("INSERT INTO cancelled SELECT id, asset FROM publication WHERE id = ?1", [id])?;
        drop_cancelled(connection)?;
    }
    Ok(())
}

/// Deletes the publications in the table `cancelled` and sets their assets back to what was queued before, so that
/// linking again queues them again. A number that was fixed but never used is free again.
fn drop_cancelled(connection: &Connection) -> Result<()> {
    connection.execute_batch(
        "UPDATE asset SET
             sequence = sequence - (SELECT count(*) FROM publication p JOIN cancelled c ON c.id = p.id
                                    WHERE p.asset = asset.id AND p.sequence IS NOT NULL),
             version = version - (SELECT count(*) FROM publication p JOIN cancelled c ON c.id = p.id
                                  WHERE p.asset = asset.id AND p.version IS NOT NULL AND p.kind = 'version')
         WHERE id IN (SELECT asset FROM cancelled);
         DELETE FROM publication WHERE id IN (SELECT id FROM cancelled);
         DELETE FROM shown WHERE asset IN (SELECT asset FROM cancelled);
         UPDATE asset SET (queued_rev, queued_hash, queued_modified, withdrawn) =
             (SELECT p.rev, CASE WHEN p.state = 'unreadable' THEN NULL ELSE p.content_hash END, p.server_modified,
                     coalesce(p.kind = 'withdraw', 0)
              FROM (SELECT 1) LEFT JOIN publication p ON p.id =
                  (SELECT max(q.id) FROM publication q WHERE q.asset = asset.id)),
             queued_watch = NULL
         WHERE id IN (SELECT asset FROM cancelled);
         DELETE FROM cancelled",
    )?;
    Ok(())
}

/// Lets up to `most` publications of a link go that waited for its approval.
pub(super) fn release(connection: &Connection, link: LinkId, most: u64) -> Result<u64> {
    Ok(connection.execute(
        "UPDATE publication SET held_by = NULL WHERE id IN (SELECT id FROM publication WHERE held_by = ?1 LIMIT ?2)",
        params![link, most as i64],
    )? as u64)
}

/// At the end of a listing or a filling: what it would register either goes on or waits for an approval.
pub(super) fn settle_hold(connection: &Connection, link: &WatchLink, policy: Policy) -> Result<Option<u64>> {
    let n: u64 = connection
        .query_row("SELECT count(*) FROM publication WHERE held_by = ?1", [link.id], |row| row.get::<_, i64>(0))?
        as u64;
    let held = !link.approved && policy.hold_above > 0 && n > policy.hold_above;
    if !held {
        release(connection, link.id, u64::MAX >> 1)?;
    }
    connection.execute("UPDATE link SET held = ?2 WHERE id = ?1", params![link.id, held])?;
    Ok(held.then_some(n))
}

/// A link that is to be filled, of a folder whose listing is complete.
const FILLABLE: &str =
    "link.linked = 1 AND link.fill IS NOT NULL AND watch.linked = 1 AND watch.listing = 0 AND watch.cursor IS NOT NULL";

/// Rows looked at in one transaction of a filling.
const CHUNK: i64 = 500;

fn fill(connection: &Connection, id: LinkId, policy: Policy, answers: &[(String, Current)]) -> Result<Applied> {
    let sql = format!(
        "SELECT watch.id, link.fill, coalesce(watch.path_lower, '') FROM link JOIN watch ON watch.id = link.watch
         WHERE link.id = ?1 AND {FILLABLE}"
    );
    let found: Option<(WatchId, String, String)> = connection
        .prepare_cached(&sql)?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((watch_id, after, root)) = found else { return Ok(Applied::Dropped) };
    let links = links_of(connection, watch_id)?;
    let Some(link) = links.into_iter().find(|link| link.id == id) else { return Ok(Applied::Dropped) };
    let mut statement = connection.prepare_cached(
        "SELECT place.path_lower, file.file_id, file.rev, file.size, file.content_hash, file.server_modified,
                file.path_display, file.skip
         FROM place JOIN file ON file.id = place.file
         WHERE place.watch = ?1 AND place.path_lower > ?2 ORDER BY place.path_lower LIMIT ?3",
    )?;
    let rows: Vec<Shown> = statement
        .query_map(params![watch_id, after, CHUNK], |row| {
            let path_display: String = row.get(6)?;
            let skip: Option<String> = row.get(7)?;
            Ok(Shown {
                path_lower: row.get(0)?,
                file_id: row.get(1)?,
                rev: row.get(2)?,
                size: row.get::<_, i64>(3)? as u64,
                content_hash: row.get(4)?,
                server_modified: row.get(5)?,
                name: path_display.rsplit('/').next().unwrap_or_default().to_owned(),
                path_display,
                skip: skip.map(|reason| news::known_reason(&reason)),
            })
        })?
        .collect::<Result<_, _>>()?;
    let mut page = news::Pass::new(policy, answers, true);
    for shown in &rows {
        // For this link each file is back, and no cursor shows it: what is there is the answer of `get_metadata`,
        // wherever it is not what was queued last anyway.
        let at = news::At { watch: None, root: &root, predecessor: None, before: news::Before::Absent, found: None };
        page.consider(connection, &at, &link, shown)?;
    }
    if !page.asks.is_empty() {
        return Err(super::Error::Undecided(page.asks));
    }
    let mut held = Vec::new();
    let position = rows.last().map(|row| row.path_lower.clone()).filter(|_| rows.len() as i64 == CHUNK);
    connection.execute("UPDATE link SET fill = ?2 WHERE id = ?1", params![id, position])?;
    if position.is_none() {
        held.extend(settle_hold(connection, &link, policy)?.map(|n| (id, n)));
    }
    Ok(Applied::Written { queued: page.queued, held, swept: 0 })
}
