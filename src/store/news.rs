//! What is news: whether an entry makes a publication in a tenancy.
//!
//! An entry is news only if its `rev` was not shown before for that asset and its content differs from the version
//! queued last. Where a page alone cannot decide (older than what is queued, equal but shown by another cursor, gone and
//! back) `get_metadata` on the id does: the id goes into [`Pass::asks`] and the page is applied again with the answer.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::links::WatchLink;
use super::{ALG_DROPBOX, ALG_SHA256, AssetId, Current, Policy, Result, Shown, WatchId};
use crate::digest::Digest;

/// Whether a file had a place that its tenancy lets in, before this entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// It had.
    Placed,
    /// It had none: new, or gone and back.
    Absent,
}

/// Where an entry was shown.
#[derive(Debug)]
pub(super) struct At<'a> {
    /// The linked folder whose cursor shows it; `None` where it comes from the database.
    pub watch: Option<WatchId>,
    /// `path_lower` of the linked folder.
    pub root: &'a str,
    /// The file that was at this path when its whole tree went, or that a new listing replaces: perhaps the same file
    /// under an older id.
    pub predecessor: Option<i64>,
    pub before: Before,
    /// Why this revision cannot be published, as was found by reading it.
    pub found: Option<&'static str>,
}

/// One pass over a page or a chunk.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    policy: Policy,
    answers: HashMap<&'a str, &'a Current>,
    /// A listing or a filling: what it registers may have to wait for an approval.
    listing: bool,
    /// Publications queued.
    pub queued: u64,
    /// Ids that must be asked about.
    pub asks: Vec<String>,
}

struct Asset {
    id: AssetId,
    queued_rev: Option<String>,
    queued_hash: Option<Digest>,
    queued_modified: Option<String>,
    queued_watch: Option<WatchId>,
    withdrawn: bool,
}

impl<'a> Pass<'a> {
    pub fn new(policy: Policy, answers: &'a [(String, Current)], listing: bool) -> Self {
        let answers = answers.iter().map(|(id, current)| (id.as_str(), current)).collect();
        Pass { policy, answers, listing, queued: 0, asks: Vec::new() }
    }

    /// What was answered about an id.
    pub fn answer(&self, file_id: &str) -> Option<&'a Current> {
        self.answers.get(file_id).copied()
    }

    /// Decides about one file in one link, and queues what is news.
    pub fn consider(&mut self, connection: &Connection, at: &At<'_>, link: &WatchLink, shown: &Shown) -> Result<()> {
        if let Some(reason) = self.skip(at, link, shown) {
            connection.prepare_cached("INSERT OR REPLACE INTO skipped VALUES (?1, ?2, ?3)")?.execute(params![
                link.id,
                shown.path_lower,
                reason
            ])?;
            return Ok(());
        }
        connection
            .prepare_cached("DELETE FROM skipped WHERE link = ?1 AND path_lower = ?2")?
            .execute(params![link.id, shown.path_lower])?;
        let file: i64 = connection
            .prepare_cached("SELECT id FROM file WHERE file_id = ?1")?
            .query_row([&shown.file_id], |row| row.get(0))?;
        let mut asset = find(connection, link, file)?;
        if asset.is_none()
            && let Some(predecessor) = at.predecessor
        {
            let Some(same) = self.continues(connection, link, predecessor, shown)? else { return Ok(()) };
            if same {
                connection
                    .prepare_cached("UPDATE asset SET file = ?3 WHERE tenancy = ?1 AND file = ?2")?
                    .execute(params![link.tenancy, predecessor, file])?;
                asset = find(connection, link, file)?;
            }
        }
        let Some(asset) = asset else {
            connection
                .prepare_cached("INSERT INTO asset (tenancy, file, origin) VALUES (?1, ?2, ?3)")?
                .execute(params![link.tenancy, file, origin(connection, link, shown)?])?;
            let asset = AssetId(connection.last_insert_rowid());
            return self.queue(connection, at, link, asset, shown, true);
        };
        let seen = seen(connection, asset.id, &shown.rev)?;
        if asset.queued_rev.is_none() {
            return self.queue(connection, at, link, asset.id, shown, true);
        }
        let same = |version: &Shown| {
            let content = version.content_hash.is_some() && version.content_hash == asset.queued_hash;
            (content || Some(&version.rev) == asset.queued_rev.as_ref()) && !asset.withdrawn
        };
        if same(shown) {
            return touch(connection, at, &asset, shown, seen);
        }
        let later = match &asset.queued_modified {
            Some(queued) if shown.server_modified == *queued => at.watch.is_some() && asset.queued_watch == at.watch,
            Some(queued) => shown.server_modified > *queued,
            None => true,
        };
        match (at.before, seen, later) {
            (Before::Placed, false, true) => self.queue(connection, at, link, asset.id, shown, false),
            // A revision that was shown before is asked about too: mostly a cursor that lags behind another one, but
            // perhaps a file that went and was restored between two looks, which a page shows as nothing but this.
            _ => match self.answer(&shown.file_id) {
                None => {
                    self.ask(&shown.file_id);
                    Ok(())
                }
                Some(Current::File(current)) if current.rev == shown.rev => {
                    self.queue(connection, at, link, asset.id, shown, false)
                }
                // A revision that was shown before is the present one again: no page will bring it as news.
                Some(Current::File(current)) if !same(current) && self::seen(connection, asset.id, &current.rev)? => {
                    // The cursor that made us ask is not there yet.
                    let at = At { watch: None, ..*at };
                    self.queue(connection, &at, link, asset.id, current, false)
                }
                // A stale page; the present revision comes with its own page, or nothing of it is left.
                Some(_) => mark_shown(connection, asset.id, &shown.rev),
            },
        }
    }

    fn ask(&mut self, file_id: &str) {
        if !self.asks.iter().any(|asked| asked == file_id) {
            self.asks.push(file_id.to_owned());
        }
    }

    fn skip(&self, at: &At<'_>, link: &WatchLink, shown: &Shown) -> Option<&'static str> {
        let below = shown.path_lower.strip_prefix(at.root).unwrap_or(&shown.path_lower).trim_start_matches('/');
        if link.excludes.is_match(below) {
            return Some("excluded");
        }
        shown
            .skip
            .or(at.found)
            .or((self.policy.dropbox_hash && shown.content_hash.is_none()).then_some("no-content-hash"))
    }

    /// Whether a new id goes on with the asset of the file that was at its path; `None` while that must be asked.
    fn continues(
        &mut self,
        connection: &Connection,
        link: &WatchLink,
        predecessor: i64,
        shown: &Shown,
    ) -> Result<Option<bool>> {
        let Some(asset) = find(connection, link, predecessor)? else { return Ok(Some(false)) };
        let content_hash = shown.content_hash.is_some() && asset.queued_hash == shown.content_hash;
        let elsewhere: bool = connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM place JOIN watch ON watch.id = place.watch AND watch.linked = 1
                 WHERE place.file = ?1 AND place.path_lower <> ?2)",
            )?
            .query_row(params![predecessor, shown.path_lower], |row| row.get(0))?;
        if !content_hash || elsewhere {
            return Ok(Some(false));
        }
        let old_id: String = connection
            .prepare_cached("SELECT file_id FROM file WHERE id = ?1")?
            .query_row([predecessor], |row| row.get(0))?;
        match self.answer(&old_id) {
            None => {
                self.ask(&old_id);
                Ok(None)
            }
            Some(Current::Gone) => Ok(Some(true)),
            Some(Current::File(current)) => Ok(Some(current.path_lower == shown.path_lower)),
        }
    }

    fn queue(
        &mut self,
        connection: &Connection,
        at: &At<'_>,
        link: &WatchLink,
        asset: AssetId,
        shown: &Shown,
        first: bool,
    ) -> Result<()> {
        let held = first && (self.listing || link.held) && !link.approved && self.policy.hold_above > 0;
        let alg = if self.policy.dropbox_hash { ALG_DROPBOX } else { ALG_SHA256 };
        connection
            .prepare_cached(
                "INSERT INTO publication (tenancy, asset, kind, state, via, held_by, file_id, rev, size, content_hash,
                     server_modified, alg, document_hash, clear_name)
                 SELECT ?1, ?2, 'version', CASE WHEN hash IS NULL THEN 'pending' ELSE 'hashed' END, ?3, ?4, ?5, ?6, ?7,
                     ?8, ?9, ?10, hash, ?11
                 FROM (SELECT CASE WHEN ?10 = ?12 THEN ?8
                              ELSE (SELECT sha256 FROM content WHERE content_hash = ?8) END AS hash)",
            )?
            .execute(params![
                link.tenancy,
                asset,
                link.id,
                held.then_some(link.id),
                shown.file_id,
                shown.rev,
                shown.size as i64,
                shown.content_hash,
                shown.server_modified,
                alg,
                self.policy.clear_names.then_some(&shown.name),
                ALG_DROPBOX,
            ])?;
        connection
            .prepare_cached(
                "UPDATE asset SET queued_rev = ?2, queued_hash = ?3, queued_modified = ?4, queued_watch = ?5, withdrawn = 0
                 WHERE id = ?1",
            )?
            .execute(params![asset, shown.rev, shown.content_hash, shown.server_modified, at.watch])?;
        self.queued += 1;
        mark_shown(connection, asset, &shown.rev)
    }
}

/// What the reference of a new asset is made of: the file's id; where another asset of the tenancy has that, because it
/// went on under another id, with the revision that began this one.
fn origin(connection: &Connection, link: &WatchLink, shown: &Shown) -> Result<String> {
    let mut taken =
        connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM asset WHERE tenancy = ?1 AND origin = ?2)")?;
    let mut origin = shown.file_id.clone();
    while taken.query_row(params![link.tenancy, origin], |row| row.get(0))? {
        origin = format!("{origin}\n{}", shown.rev);
    }
    Ok(origin)
}

fn find(connection: &Connection, link: &WatchLink, file: i64) -> Result<Option<Asset>> {
    Ok(connection
        .prepare_cached(
            "SELECT id, queued_rev, queued_hash, queued_modified, queued_watch, withdrawn FROM asset
             WHERE tenancy = ?1 AND file = ?2",
        )?
        .query_row(params![link.tenancy, file], |row| {
            Ok(Asset {
                id: row.get(0)?,
                queued_rev: row.get(1)?,
                queued_hash: row.get(2)?,
                queued_modified: row.get(3)?,
                queued_watch: row.get(4)?,
                withdrawn: row.get(5)?,
            })
        })
        .optional()?)
}

fn seen(connection: &Connection, asset: AssetId, rev: &str) -> Result<bool> {
    Ok(connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM shown WHERE asset = ?1 AND rev = ?2)")?
        .query_row(params![asset, rev], |row| row.get(0))?)
}

fn mark_shown(connection: &Connection, asset: AssetId, rev: &str) -> Result<()> {
    connection.prepare_cached("INSERT OR IGNORE INTO shown VALUES (?1, ?2)")?.execute(params![asset, rev])?;
    Ok(())
}

/// Another revision of the version queued last: only remembered, so that what is older than it can be told. In the same
/// second two cursors cannot say which of their revisions was the later one, so that neither is believed about the next.
fn touch(connection: &Connection, at: &At<'_>, asset: &Asset, shown: &Shown, seen: bool) -> Result<()> {
    if seen {
        return Ok(());
    }
    connection
        .prepare_cached(
            "UPDATE asset SET queued_modified = max(coalesce(queued_modified, ''), ?2),
                 queued_watch = CASE WHEN ?2 > coalesce(queued_modified, '') THEN ?3
                                     WHEN ?2 = queued_modified AND queued_watch IS NOT ?3 THEN NULL
                                     ELSE queued_watch END
             WHERE id = ?1",
        )?
        .execute(params![asset.id, shown.server_modified, at.watch])?;
    mark_shown(connection, asset.id, &shown.rev)
}

/// A stored reason as one of those that we write.
pub(super) fn known_reason(reason: &str) -> &'static str {
    ["not-downloadable", "symlink", "no-content-hash", "restricted", "unsupported"]
        .into_iter()
        .find(|known| *known == reason)
        .unwrap_or("skipped")
}
