//! Pages: what a cursor shows next. A first listing is a snapshot of one moment; what follows are the differences between two
//! moments (state, not history). Reads the database only.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::bulk;
use super::cursor::{Cursor, Position};
use super::db::{Db, Entry, Kind, Scope};
use super::names;

/// One thing to show.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A file or folder.
    Live(Box<Entry>),
    /// What is gone: `path_lower`, `path_display`.
    Gone(String, String),
}

/// A page, before it is written as JSON.
#[derive(Debug)]
pub struct Page {
    /// In the order in which they must be applied.
    pub items: Vec<Item>,
    /// Where the next page begins.
    pub cursor: Cursor,
    /// Whether there is more now.
    pub has_more: bool,
}

#[derive(Debug, Clone)]
enum Change {
    Row(i64),
    Gone(String, String),
}

/// The differences computed last, so that a long drain is not computed anew for each page.
#[derive(Debug, Default)]
pub struct Cache(Mutex<Changes>);

type Key = (Option<Scope>, Option<Scope>, i64, i64, bool);
type Changes = HashMap<Key, Arc<Vec<Change>>>;

/// Drains remembered at a time.
const REMEMBERED: usize = 16;

/// What pages are made from.
pub struct Lister<'a> {
    /// The database.
    pub db: &'a Db,
    /// How many synthetic files there are.
    pub bulk: u64,
    /// Remembered differences.
    pub cache: &'a Cache,
    /// A renamed folder is lost to its cursors, instead of being followed.
    pub rename_breaks: bool,
}

/// What can end a page.
#[derive(Debug)]
pub enum Error {
    /// The listed folder is gone.
    Gone,
    /// The database failed.
    Db(rusqlite::Error),
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        Error::Db(error)
    }
}

impl Lister<'_> {
    /// Where the listed folder is at a moment.
    pub fn scope(&self, cursor: &Cursor, seq: i64) -> rusqlite::Result<Option<Scope>> {
        let recursive = cursor.recursive;
        let Some(id) = &cursor.folder else { return Ok(Some(Scope { base: cursor.view.clone(), recursive })) };
        if bulk::find(id, self.bulk).is_some() {
            return Ok(Some(Scope { base: bulk::FOLDER.to_owned(), recursive }));
        }
        let here = |entry: &Entry| entry.kind == Kind::Folder && names::within(&entry.path_lower, &cursor.view);
        let follows = |entry: &Entry| !self.rename_breaks || entry.path_lower == cursor.path;
        let mut found = self.db.by_id(id, seq)?.filter(here).filter(follows);
        // A listing by path goes on with whatever folder is there when its own is gone.
        if found.is_none() && !cursor.by_id {
            found = self.db.at_path(&cursor.path, seq)?.filter(here);
        }
        Ok(found.map(|entry| Scope { base: entry.path_lower, recursive }))
    }

    /// The page after `cursor`, of about `limit` items. `reversed` puts additions before deletions in a drain that begins now.
    ///
    /// # Errors
    /// If the folder is gone or the database fails.
    pub fn page(&self, cursor: &Cursor, limit: u64, reversed: bool) -> Result<Page, Error> {
        let limit = usize::try_from(limit.max(1)).unwrap_or(usize::MAX);
        let mut items = Vec::new();
        let mut at = cursor.at.clone();
        if let Position::Idle(seq) = at {
            at = Position::Changes(seq, self.db.newest()?, 0, reversed);
        }
        let moment = match at {
            Position::Listing(seq, _) | Position::Gone(seq, _) | Position::Bulk(seq, _) | Position::Idle(seq) => seq,
            Position::Changes(_, to, _, _) => to,
        };
        let scope = self.scope(cursor, moment)?.ok_or(Error::Gone)?;
        let has_more = loop {
            let room = limit - items.len();
            match at {
                Position::Listing(seq, after) => {
                    let mut rows = self.db.snapshot(&scope, seq, &after, room as u64 + 1)?;
                    let more = rows.len() > room;
                    rows.truncate(room);
                    let last = rows.last().map_or(after, |row| row.path_lower.clone());
                    items.extend(rows.into_iter().map(|row| Item::Live(Box::new(row))));
                    if more {
                        at = Position::Listing(seq, last);
                        break true;
                    }
                    at = if cursor.include_deleted { Position::Gone(seq, 0) } else { Position::Bulk(seq, 0) };
                }
                Position::Gone(seq, shown) => {
                    let gone = self.db.vanished(&scope, seq)?;
                    let rest = gone.len().saturating_sub(shown);
                    items.extend(
                        gone.into_iter().skip(shown).take(room).map(|(lower, display)| Item::Gone(lower, display)),
                    );
                    if rest > room {
                        at = Position::Gone(seq, shown + room);
                        break true;
                    }
                    at = Position::Bulk(seq, 0);
                }
                Position::Bulk(seq, shown) => {
                    let all = self.synthetic(&scope, cursor);
                    let next = all.start.saturating_add(shown)..all.end;
                    let rest = next.end.saturating_sub(next.start);
                    let entry = |i: u64| if i == 0 { bulk::folder() } else { bulk::file(i - 1) };
                    items.extend(next.take(room).map(|i| Item::Live(Box::new(entry(i)))));
                    if rest > room as u64 {
                        at = Position::Bulk(seq, shown + room as u64);
                        break true;
                    }
                    at = Position::Idle(seq);
                }
                Position::Changes(from, to, shown, reversed) => {
                    let changes = self.changes(cursor, from, to, reversed)?;
                    for change in changes.iter().skip(shown).take(room) {
                        match change {
                            Change::Gone(lower, display) => items.push(Item::Gone(lower.clone(), display.clone())),
                            Change::Row(n) => items.extend(self.db.row(*n)?.map(|row| Item::Live(Box::new(row)))),
                        }
                    }
                    if changes.len().saturating_sub(shown) > room {
                        at = Position::Changes(from, to, shown + room, reversed);
                        break true;
                    }
                    at = Position::Idle(to);
                }
                Position::Idle(_) => break false,
            }
        };
        Ok(Page { items, cursor: cursor.moved(at), has_more })
    }

    /// The numbers of the synthetic entries in scope: 0 is their folder, `i + 1` is file `i`.
    fn synthetic(&self, scope: &Scope, cursor: &Cursor) -> std::ops::Range<u64> {
        let inside = scope.base == bulk::FOLDER;
        match self.bulk {
            0 => 0..0,
            count if inside => u64::from(!scope.recursive)..count + 1,
            count if scope.base.is_empty() && cursor.view.is_empty() => 0..if scope.recursive { count + 1 } else { 1 },
            _ => 0..0,
        }
    }

    fn changes(&self, cursor: &Cursor, from: i64, to: i64, reversed: bool) -> Result<Arc<Vec<Change>>, Error> {
        let (before, after) = (self.scope(cursor, from)?, self.scope(cursor, to)?);
        let key = (before, after, from, to, reversed);
        if let Some(changes) = self.cache.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(changes));
        }
        let (before, after) = (&key.0, &key.1);
        let mut gone: Vec<Change> = Vec::new();
        if let Some(before) = before {
            // A folder that is gone takes along what was in it: one entry says it all.
            let mut covered = HashSet::new();
            for (lower, display) in self.db.deletions(before, from, to)? {
                let told = names::ancestors(&lower).any(|above| covered.contains(above));
                if !told {
                    gone.push(Change::Gone(lower.clone(), display));
                    covered.insert(lower);
                }
            }
        }
        let mut rows = Vec::new();
        if let Some(after) = after {
            rows.extend(self.db.upserts(after, from, to)?.into_iter().map(Change::Row));
        }
        let changes = if reversed { [rows, gone].concat() } else { [gone, rows].concat() };
        let changes = Arc::new(changes);
        let mut cache = self.cache.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= REMEMBERED {
            cache.clear();
        }
        cache.insert(key, Arc::clone(&changes));
        Ok(changes)
    }

    /// Whether a longpoll on this cursor rings: there is more to show, or the folder is gone.
    ///
    /// # Errors
    /// If the database fails.
    pub fn rings(&self, cursor: &Cursor) -> rusqlite::Result<bool> {
        let Position::Idle(seq) = cursor.at else { return Ok(true) };
        let newest = self.db.newest()?;
        if newest <= seq {
            return Ok(false);
        }
        let (Some(before), Some(after)) = (self.scope(cursor, seq)?, self.scope(cursor, newest)?) else {
            return Ok(true);
        };
        Ok(self.db.stirred(&before, seq)? || self.db.stirred(&after, seq)?)
    }
}
