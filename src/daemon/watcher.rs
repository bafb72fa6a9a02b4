//! One watcher per linked folder, however many tenancies it is linked in: lists, drains, waits at the doorbell.
//!
//! The longpoll is a doorbell, never the list of changes; `continue` is also called unprompted every `dropbox.poll`.
//! An error never touches the cursor. There is never more than one list or continue at a time for a folder.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::time::Instant;

use super::context::Context;
use super::resolve::{Resolved, resolve, root_text};
use super::session::Trouble;
use crate::dropbox::{self, Client, Entry, Kind, Page, PathRoot};
use crate::observe::{Code, Happening};
use crate::retry::{Backoff, Policy};
use crate::store::{Applied, Change, Current, PageOf, Shown, Watch, WatchId};

/// After so many pages in a row whose cursor did not advance, or that held nothing, something is wrong.
const STALLED: u32 = 3;
const EMPTY: u32 = 100;
/// A folder is listed anew after so many pages whose cursor did not advance.
const HOPELESS: u32 = 8;
/// Questions about single ids under way at a time.
const QUESTIONS: usize = 4;
/// A longpoll that is answered sooner than this with "nothing" was not waited for.
const EARLY: Duration = Duration::from_secs(5);

pub(super) struct Watcher {
    context: Context,
    client: Client,
    id: WatchId,
    folder: String,
    /// What the session would take for a folder that is new.
    session_root: PathRoot,
    /// What this folder is asked under.
    root: PathRoot,
    backoff: Backoff,
    /// No longpoll before this moment.
    quiet_until: Option<Instant>,
    false_rings: u32,
    /// Listings that were cut short by a reset, in a row.
    resets: u32,
    last_look: Instant,
    must_resolve: bool,
}

/// Why a drain ended.
enum Drained {
    /// Everything up to now has been seen; with how many entries.
    Complete(u64),
    /// The link is no more.
    Unlinked,
    /// Dropbox does not have the folder.
    Missing,
}

impl Watcher {
    pub fn new(context: Context, client: Client, watch: &Watch, root: PathRoot) -> Self {
        let backoff = context.backoff();
        Watcher {
            context,
            client,
            id: watch.id,
            folder: watch.folder.clone(),
            session_root: root.clone(),
            root,
            backoff,
            quiet_until: None,
            false_rings: 0,
            resets: 0,
            last_look: Instant::now(),
            must_resolve: true,
        }
    }

    /// Runs until the shift ends, the link goes, or the session is no longer valid.
    pub async fn run(mut self) -> Result<(), Trouble> {
        loop {
            match self.drain().await {
                Ok(Drained::Unlinked) => return Ok(()),
                Ok(Drained::Missing) => {
                    let _ = self.context.store.watch_state(self.id, "folder-missing").await;
                    if !self.context.pause(self.context.config.dropbox.poll).await {
                        return Ok(());
                    }
                    self.must_resolve = true;
                }
                Ok(Drained::Complete(entries)) => {
                    self.healthy().await;
                    self.count_rings(entries);
                    if !self.wait().await? {
                        return Ok(());
                    }
                }
                Err(trouble) => {
                    if !self.recover(trouble).await? {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn healthy(&mut self) {
        self.backoff.reset();
        self.last_look = Instant::now();
        let _ = self.context.store.watch_state(self.id, "watching").await;
        let folder = self.folder.clone();
        let codes = [Code::DropboxUnreachable, Code::DropboxAppRefused, Code::DropboxScopeMissing];
        self.context.conditions.end_all(&codes, &folder).await;
        if self.resets == 0 {
            self.context.conditions.end(Code::ListingStalled, &folder).await;
        }
    }

    /// What to do about a failure; `false` ends the watcher.
    async fn recover(&mut self, trouble: Trouble) -> Result<bool, Trouble> {
        let conditions = &self.context.conditions;
        let wait = match &trouble {
            Trouble::Store(error) => {
                conditions.store_failed(error).await;
                self.backoff.next(Some(Duration::from_millis(200)))
            }
            Trouble::Dropbox(error) => match &error.kind {
                Kind::Revoked | Kind::InvalidClient | Kind::RootNotSupported => return Err(trouble),
                Kind::Reset => self.reset().await?,
                Kind::NotFound | Kind::WrongType => {
                    self.must_resolve = true;
                    self.resets += 1;
                    if self.resets == 1 { Duration::ZERO } else { self.backoff.next(Some(Duration::from_secs(1))) }
                }
                // A former root that is none any more: the folder goes over to the present one, matched by its ids.
                Kind::InvalidRoot if self.root != self.session_root => {
                    let text = format!("{}: its former root is gone", self.folder);
                    Happening::Summary { text: &text }.emit();
                    self.move_to_session_root().await?;
                    Duration::ZERO
                }
                Kind::InvalidRoot => return Err(trouble),
                Kind::MissingScope(scope) => {
                    let text = format!("the access lacks {scope}: {error}");
                    conditions.begin(Code::DropboxScopeMissing, &self.folder, text).await;
                    self.context.config.dropbox.poll
                }
                _ if error.heals() => {
                    let wait = self.backoff.next(error.floor());
                    self.context.say_waiting("dropbox", wait, &error.to_string());
                    if self.backoff.failures() >= 3 {
                        conditions.begin(Code::DropboxUnreachable, &self.folder, error.to_string()).await;
                    }
                    wait
                }
                _ => {
                    conditions.begin(Code::DropboxAppRefused, &self.folder, error.to_string()).await;
                    self.context.config.dropbox.poll
                }
            },
        };
        // After a time-out on our side the same call must not be repeated at once: the server may be at it still.
        Ok(self.context.pause(wait).await)
    }

    /// The cursor is dead: list anew. The first time is routine; a folder whose cursors die again and again is listed
    /// ever more slowly. Gives how long to wait before.
    async fn reset(&mut self) -> Result<Duration, Trouble> {
        self.context.store.forget_cursor(self.id).await?;
        self.resets += 1;
        if self.resets == 1 {
            return Ok(Duration::ZERO);
        }
        let text = format!("{}: Dropbox refuses the cursors of {} listings in a row", self.folder, self.resets);
        self.context.conditions.begin(Code::ListingStalled, &self.folder, text).await;
        let longest = self.context.config.retry.max;
        Ok(self.backoff.next(Some(longest.min(Duration::from_secs(1 << self.resets.min(16))))))
    }

    /// The stored root is dead: the folder is found and listed anew under the session's.
    async fn move_to_session_root(&mut self) -> Result<(), Trouble> {
        self.root = self.session_root.clone();
        self.must_resolve = true;
        if let Some(watch) = self.context.store.watch(self.id).await? {
            let path_lower = watch.path_lower.unwrap_or_default();
            let root = root_text(&self.session_root);
            self.context.store.resolved(self.id, watch.folder_id, path_lower, root, true).await?;
        }
        Ok(())
    }

    /// Lists or continues until there is no more.
    async fn drain(&mut self) -> Result<Drained, Trouble> {
        let mut stalled = 0;
        let mut empty = 0;
        let mut entries = 0;
        let mut pace = Backoff::new(Policy { initial: Duration::from_millis(100), max: Duration::from_secs(30) });
        loop {
            let Some(mut watch) = self.context.store.watch(self.id).await? else { return Ok(Drained::Unlinked) };
            if self.must_resolve || watch.path_lower.is_none() {
                if self.find(&watch).await?.is_none() {
                    return Ok(Drained::Missing);
                }
                self.must_resolve = false;
                let Some(found) = self.context.store.watch(self.id).await? else { return Ok(Drained::Unlinked) };
                watch = found;
            }
            let page = match &watch.cursor {
                None => self.client.list_folder(&self.root, watch.folder_id.as_deref().unwrap_or("")).await?,
                Some(cursor) => {
                    let page = self.client.list_folder_continue(&self.root, cursor).await?;
                    // A cursor of a finished listing that goes on is a sound one.
                    self.resets = if watch.listing { self.resets } else { 0 };
                    page
                }
            };
            if self.concerns_the_folder_itself(&watch, &page) {
                match self.find(&watch).await? {
                    None => return Ok(Drained::Missing),
                    // Somewhere else: its paths have changed, so it is listed anew by its id, and this page is dropped.
                    Some(found) if Some(&found.path_lower) != watch.path_lower.as_ref() => continue,
                    Some(_) => {}
                }
            }
            let advances = Some(&page.cursor) != watch.cursor.as_ref();
            entries += page.entries.len() as u64;
            let more = page.has_more;
            if !advances && !more && page.entries.is_empty() && !watch.listing {
                return Ok(Drained::Complete(entries));
            }
            stalled = if more && !advances { stalled + 1 } else { 0 };
            empty = if more && page.entries.is_empty() { empty + 1 } else { 0 };
            if !self.apply(&watch, page).await? {
                continue;
            }
            if !more {
                self.finished(&watch, entries).await?;
                return Ok(Drained::Complete(entries));
            }
            if stalled >= STALLED || empty >= EMPTY {
                let text = format!("{}: Dropbox keeps saying that there is more, and shows nothing", self.folder);
                self.context.conditions.begin(Code::ListingStalled, &self.folder, text).await;
                if stalled >= HOPELESS {
                    stalled = 0;
                    self.context.store.forget_cursor(self.id).await?;
                }
                let wait = pace.next(Some(Duration::from_millis(500)));
                if !self.context.pause(wait).await {
                    return Ok(Drained::Unlinked);
                }
            }
            if self.context.stop.is_cancelled() {
                return Ok(Drained::Unlinked);
            }
        }
    }

    /// Finds the folder and writes down where it is.
    async fn find(&mut self, watch: &Watch) -> Result<Option<Resolved>, Trouble> {
        let found = resolve(&self.context, &self.client, &self.session_root, watch).await?;
        if let Some(found) = &found {
            // Another id at the configured path: the old folder is gone, and cursors of it with it.
            let relist = watch.folder_id.is_some() && watch.folder_id != found.folder_id;
            let root = root_text(&found.root);
            let (folder_id, path_lower) = (found.folder_id.clone(), found.path_lower.clone());
            self.context.store.resolved(self.id, folder_id, path_lower, root, relist).await?;
            self.root = found.root.clone();
        }
        Ok(found)
    }

    /// Whether a page speaks of the linked folder itself, or of places outside of it: then it may have moved or gone, and
    /// nothing of the page is believed before its id was looked up.
    fn concerns_the_folder_itself(&self, watch: &Watch, page: &Page) -> bool {
        let Some(root) = watch.path_lower.as_deref().filter(|root| !root.is_empty()) else { return false };
        let inside = |path: &Option<String>| {
            path.as_deref().is_none_or(|path| path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/')))
        };
        page.entries.iter().any(|entry| match entry {
            Entry::File(file) => !inside(&file.path_lower),
            Entry::Folder(folder) => !inside(&folder.path_lower) && Some(&folder.id) != watch.folder_id.as_ref(),
            Entry::Deleted(deleted) => !inside(&deleted.path_lower),
            Entry::Unknown(_) => false,
        })
    }

    /// Writes a page, asking about single ids where the page alone cannot decide. `false`: the page was dropped.
    async fn apply(&mut self, watch: &Watch, page: Page) -> Result<bool, Trouble> {
        let page = PageOf {
            watch: watch.id,
            generation: watch.generation,
            asked_with: watch.cursor.clone(),
            changes: page.entries.into_iter().filter_map(change).filter(|change| belongs(watch, change)).collect(),
            cursor: page.cursor,
            has_more: page.has_more,
        };
        let mut answers = Vec::new();
        loop {
            let applied = self.context.store.apply(page.clone(), self.context.policy(), answers.clone()).await?;
            match applied {
                Applied::Dropped => return Ok(false),
                Applied::Written { queued, swept, .. } => {
                    if queued > 0 {
                        self.context.ring();
                    }
                    if swept > 0 {
                        let text = format!("{}: a new listing shows {swept} files no more", self.folder);
                        Happening::Summary { text: &text }.emit();
                    }
                    return Ok(true);
                }
                Applied::Asks(ids) => answers.extend(ask(&self.context, &self.client, &self.root, ids).await?),
            }
        }
    }

    /// A drain is complete.
    async fn finished(&mut self, watch: &Watch, entries: u64) -> Result<(), Trouble> {
        if watch.listing || watch.cursor.is_none() {
            self.context.ring();
            super::filler::note_held(&self.context).await?;
            Happening::FolderListed { folder: &self.folder, files: entries }.emit();
        }
        Ok(())
    }

    /// A ring that brought nothing slows the next longpoll down, more each time.
    fn count_rings(&mut self, entries: u64) {
        if entries > 0 {
            self.false_rings = 0;
        } else if self.false_rings > 0 {
            let floor = Duration::from_secs(1 << (self.false_rings - 1).min(5)).min(Duration::from_secs(30));
            let until = Instant::now() + floor;
            self.quiet_until = Some(self.quiet_until.map_or(until, |present| present.max(until)));
        }
    }

    /// Waits at the doorbell until there may be something, or for the unprompted look. `false`: the shift is over.
    async fn wait(&mut self) -> Result<bool, Trouble> {
        let look = self.last_look + self.context.config.dropbox.poll;
        let mut nudge = self.context.nudge.subscribe();
        let stop = self.context.stop.clone();
        loop {
            let ring = self.ring();
            tokio::select! {
                () = stop.cancelled() => return Ok(false),
                () = tokio::time::sleep_until(look) => {
                    // The slow look also sees whether the folder is where it was.
                    self.must_resolve = true;
                    return Ok(true);
                }
                _ = nudge.changed() => return Ok(true),
                rung = ring => match rung {
                    Ok(true) => {
                        self.false_rings += 1;
                        return Ok(true);
                    }
                    Ok(false) => {}
                    Err(trouble) => if !self.recover_at_the_door(trouble).await? { return Ok(!stop.is_cancelled()) },
                },
            }
        }
    }

    /// One longpoll, not before it is welcome. `true`: it rang.
    async fn ring(&mut self) -> Result<bool, Trouble> {
        if let Some(until) = self.quiet_until {
            tokio::time::sleep_until(until).await;
        }
        let Some(cursor) = self.context.store.watch(self.id).await?.and_then(|watch| watch.cursor) else {
            return Ok(true);
        };
        let asked = Instant::now();
        let ring = self.client.longpoll(&cursor, self.context.config.dropbox.longpoll).await?;
        self.quiet_until = ring.backoff.map(|backoff| Instant::now() + backoff);
        self.backoff.reset();
        self.resets = 0;
        if !ring.changes && asked.elapsed() < EARLY {
            // A doorbell that says at once that nothing happened does not wait for us.
            self.false_rings += 1;
            self.count_rings(0);
        } else if !ring.changes {
            self.false_rings = 0;
        }
        Ok(ring.changes)
    }

    /// A longpoll failed: the cursor stays as it is (unless the server says that it is dead), and the unprompted look
    /// goes on. `true`: wait on at the door.
    async fn recover_at_the_door(&mut self, trouble: Trouble) -> Result<bool, Trouble> {
        match trouble {
            Trouble::Dropbox(dropbox::Error { kind: Kind::Reset, .. }) => {
                let wait = self.reset().await?;
                self.context.pause(wait).await;
                Ok(false)
            }
            Trouble::Dropbox(error) => {
                let wait = self.backoff.next(error.floor().or(Some(Duration::from_millis(500))));
                self.quiet_until = Some(Instant::now() + wait);
                Ok(true)
            }
            Trouble::Store(error) => Err(Trouble::Store(error)),
        }
    }
}

/// What these ids are now. An answer that does not come is asked for again, so that those that came are not lost.
pub(super) async fn ask(
    context: &Context,
    client: &Client,
    root: &PathRoot,
    ids: Vec<String>,
) -> Result<Vec<(String, Current)>, dropbox::Error> {
    futures_util::stream::iter(ids)
        .map(|id| async move {
            let mut backoff = context.backoff();
            loop {
                match client.get_metadata(root, &id).await {
                    Ok(Entry::File(file)) => break Ok((id, shown(file).map_or(Current::Gone, Current::File))),
                    Ok(_) => break Ok((id, Current::Gone)),
                    Err(error) if error.heals() => {
                        let wait = backoff.next(error.floor());
                        if !context.pause(wait).await {
                            break Err(error);
                        }
                    }
                    Err(error) if unavailable(&error.kind) => break Ok((id, Current::Gone)),
                    Err(error) => break Err(error),
                }
            }
        })
        .buffered(QUESTIONS)
        .try_collect()
        .await
}

/// What Dropbox does not have or does not give: nothing of it can be recorded now.
fn unavailable(kind: &Kind) -> bool {
    matches!(kind, Kind::NotFound | Kind::WrongType | Kind::Restricted | Kind::Unsupported)
}

/// An entry as the store takes it; `None` for what has no place or no meaning for us.
fn change(entry: Entry) -> Option<Change> {
    match entry {
        Entry::File(file) => shown(file).map(Change::File),
        Entry::Folder(folder) => folder.path_lower.map(|path_lower| Change::Folder { path_lower }),
        Entry::Deleted(deleted) => deleted.path_lower.map(|path_lower| Change::Deleted { path_lower }),
        Entry::Unknown(tag) => {
            tracing::debug!("an entry with the unknown tag {tag} was passed over");
            None
        }
    }
}

/// A file outside of the linked folder is not ours to publish, whatever the page says.
fn belongs(watch: &Watch, change: &Change) -> bool {
    match (change, watch.path_lower.as_deref()) {
        (Change::File(file), Some(root)) => {
            file.path_lower.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'))
        }
        _ => true,
    }
}

fn shown(file: dropbox::File) -> Option<Shown> {
    let path_lower = file.path_lower?;
    let skip = match (file.is_downloadable, file.is_symlink) {
        (_, true) => Some("symlink"),
        (false, _) => Some("not-downloadable"),
        (true, false) => None,
    };
    Some(Shown {
        file_id: file.id,
        rev: file.rev,
        size: file.size,
        content_hash: file.content_hash,
        server_modified: file.server_modified,
        path_display: file.path_display.unwrap_or_else(|| path_lower.clone()),
        path_lower,
        name: file.name,
        skip,
    })
}
