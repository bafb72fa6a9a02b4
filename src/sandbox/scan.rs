//! The scanner: compares the local folder with what was known and decides what each difference means. The path decides a
//! file's identity first; an object (inode and birth time) at a new path whose old path is gone has moved; anything else is new.
//! Writes the database and the blob store; only one scanner exists per sandbox.

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use super::blobs::Blobs;
use super::db::{ALIVE, Db, Entry, Kind, Stat};
use super::facts::{Error, new_entry, random_id, random_rev, stat};
use super::hashing::{self, Job, Outcome};
use super::names;
use super::tree::Tree;
use crate::ledger::faults::Script;

/// Looks everywhere, at most, to be sure that what is missed has gone and not moved.
const ROUNDS: usize = 3;

/// What a walk found.
struct Walked {
    /// Files whose content must be read.
    jobs: Vec<Job>,
    /// Folders that are new.
    appeared: Vec<PathBuf>,
    /// Keys of what was not where it was, and is not buried yet.
    missed: HashSet<String>,
}

/// The scanner.
pub struct Scanner {
    db: Db,
    root: PathBuf,
    tree: Tree,
    blobs: Arc<Blobs>,
    script: Script,
    seq: i64,
    changed: bool,
    news: watch::Sender<i64>,
    complained: HashSet<PathBuf>,
    /// A path at the top that is not to be read, because something else is served there.
    reserved: Option<&'static str>,
    stop: Arc<AtomicBool>,
}

impl Scanner {
    /// Reads what was known from the database.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn open(
        db: Db,
        root: PathBuf,
        blobs: Arc<Blobs>,
        script: Script,
        news: watch::Sender<i64>,
        reserved: Option<&'static str>,
    ) -> Result<Scanner, Error> {
        let mut tree = Tree::default();
        db.alive(|entry| tree.put(entry))?;
        let seq = db.newest()?;
        Ok(Scanner {
            db,
            root,
            tree,
            blobs,
            script,
            seq,
            changed: false,
            news,
            complained: HashSet::new(),
            reserved,
            stop: Arc::default(),
        })
    }

    /// Set to true, this ends a look in its middle.
    pub fn stopper(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    fn go_on(&self) -> Result<(), Error> {
        if self.stop.load(Ordering::Relaxed) { Err(Error::Stopped) } else { Ok(()) }
    }

    /// How many entries are known.
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    /// Runs `work` as one moment: seen whole or not at all, and only if it changed something.
    fn moment<T>(&mut self, work: impl FnOnce(&mut Scanner) -> Result<T, Error>) -> Result<T, Error> {
        self.db.begin()?;
        self.seq += 1;
        self.changed = false;
        let done = work(self);
        if done.is_ok() && self.changed {
            self.db.set_meta("seq", &self.seq.to_string())?;
            self.db.commit()?;
            self.news.send_replace(self.seq);
        } else if done.is_ok() {
            self.seq -= 1;
            self.db.commit()?;
        } else {
            self.seq -= 1;
            self.db.rollback()?;
        }
        done
    }

    /// Brings a new state into being.
    fn bear(&mut self, mut entry: Entry) -> Result<(), Error> {
        if let Some(old) = self.tree.take(&entry.path_lower) {
            self.db.kill(old.n, self.seq)?;
        }
        entry.born = self.seq;
        entry.died = ALIVE;
        entry.n = self.db.insert(&entry)?;
        self.tree.put(entry);
        self.changed = true;
        Ok(())
    }

    /// Ends everything at and below a path.
    fn bury(&mut self, path_lower: &str) -> Result<(), Error> {
        for path in self.tree.subtree(path_lower) {
            if let Some(old) = self.tree.take(&path) {
                self.db.kill(old.n, self.seq)?;
                self.changed = true;
            }
        }
        Ok(())
    }

    /// Moves everything at and below a path; ids survive. With the same key (a case-only rename) no client is told.
    fn relocate(&mut self, from_lower: &str, to_display: &str) -> Result<(), Error> {
        let to_lower = names::lower(to_display);
        let new_rev = to_lower != from_lower && self.script.strike("move_new_rev", "").is_some();
        let moved: Vec<Entry> =
            self.tree.subtree(from_lower).into_iter().filter_map(|path| self.tree.take(&path)).collect();
        for old in moved {
            let path_display = names::rebase(&old.path_display, from_lower, to_display);
            let path_lower = names::lower(&path_display);
            if path_lower == old.path_lower {
                self.db.correct(old.n, &path_display, old.stat)?;
                self.tree.put(Entry { path_display, ..old });
                continue;
            }
            self.db.kill(old.n, self.seq)?;
            let rev = if new_rev && old.kind != Kind::Folder { random_rev() } else { old.rev.clone() };
            self.bear(Entry { path_lower, path_display, rev, ..old })?;
        }
        Ok(())
    }

    /// Gives a whole tree new ids and revisions, contents unchanged: what sharing or unsharing a folder looks like.
    ///
    /// # Errors
    /// If the database fails.
    pub fn share_conversion(&mut self, path: &str) -> Result<(), Error> {
        let path_lower = names::lower(path.trim_end_matches('/'));
        self.moment(|scanner| {
            if scanner.tree.get(&path_lower).is_none() {
                tracing::warn!(path, "share_conversion: there is no such folder");
                return Ok(());
            }
            for path in scanner.tree.subtree(&path_lower) {
                if let Some(old) = scanner.tree.get(&path).cloned() {
                    let rev = if old.kind == Kind::Folder { String::new() } else { random_rev() };
                    scanner.bear(Entry { id: random_id(), rev, ..old })?;
                }
            }
            Ok(())
        })
    }

    fn local(&self, path_display: &str) -> PathBuf {
        self.root.join(path_display.trim_start_matches('/'))
    }

    /// Looks at folders: all of them, or only those that `dirty` names (absolute paths). Gives those that must be looked at
    /// again soon, because a file in them was being written, or because they are new.
    ///
    /// # Errors
    /// If the folder itself is gone, or storage fails.
    pub fn scan(&mut self, dirty: Option<&HashSet<PathBuf>>) -> Result<HashSet<PathBuf>, Error> {
        fs::read_dir(&self.root).map_err(Error::io(&self.root))?;
        let (starts, everything) = match dirty {
            Some(dirty) => (self.starts(dirty), false),
            None => (vec![String::new()], true),
        };
        let mut walked = self.moment(|scanner| scanner.walk(starts, everything, Some(&HashSet::new())))?;
        let appeared = std::mem::take(&mut walked.appeared);
        // Folders are read one after another: what is missed may have moved to one that was read before. It has gone only if a
        // look everywhere, begun since, does not meet it.
        for round in 1..=ROUNDS {
            if walked.missed.is_empty() {
                break;
            }
            let missed = Some(&walked.missed).filter(|_| round < ROUNDS);
            walked = self.moment(|scanner| scanner.walk(vec![String::new()], true, missed))?;
        }
        let jobs = walked.jobs;
        let mut again = self.read_contents(jobs)?;
        if !everything {
            // A folder that has just come may have changed before anyone watched it.
            again.extend(appeared);
        }
        Ok(again)
    }

    /// Whether an event names a place that we cannot tell: a folder was renamed before the watch knew its new name.
    pub fn misses(&self, dirty: &HashSet<PathBuf>) -> bool {
        dirty.iter().filter_map(|path| path.strip_prefix(&self.root).ok()).any(|path| {
            path.parent().is_some_and(|parent| {
                let parent = names::lower(&parent.to_string_lossy());
                !parent.is_empty() && self.tree.get(&format!("/{parent}")).is_none()
            })
        })
    }

    /// The known folders to start from: the dirty ones, or the nearest known folder above.
    fn starts(&self, dirty: &HashSet<PathBuf>) -> Vec<String> {
        let mut starts: Vec<String> = dirty
            .iter()
            .filter_map(|path| path.strip_prefix(&self.root).ok())
            .map(|path| {
                let mut display = String::new();
                for part in path.iter() {
                    let below = format!("{display}/{}", part.to_string_lossy());
                    let known = self.tree.get(&names::lower(&below));
                    if !known.is_some_and(|known| known.kind == Kind::Folder) || !self.local(&below).is_dir() {
                        break;
                    }
                    display = below;
                }
                display
            })
            .collect();
        starts.sort();
        starts.dedup();
        starts
    }

    /// Looks at folders. What is no longer where it was is buried if it is among `missed` (`None`: in any case), else noted.
    fn walk(
        &mut self,
        starts: Vec<String>,
        everything: bool,
        missed: Option<&HashSet<String>>,
    ) -> Result<Walked, Error> {
        let mut queue: VecDeque<(String, bool)> = starts.into_iter().map(|start| (start, everything)).collect();
        let (mut jobs, mut looked, mut appeared) = (Vec::new(), Vec::new(), Vec::new());
        let mut missing = HashSet::new();
        while let Some((dir, deep)) = queue.pop_front() {
            self.go_on()?;
            let Some(found) = self.read_dir(&dir) else { continue };
            if deep && !everything {
                appeared.push(self.local(&dir));
            }
            let mut present = HashSet::new();
            for (display, meta) in found {
                let path_lower = names::lower(&display);
                present.insert(path_lower.clone());
                self.meet(&display, path_lower, &meta, deep, &mut queue, &mut jobs)?;
            }
            looked.push((names::lower(&dir), present));
        }
        // Only now: what a move took away is no longer known at its old path.
        for (dir, present) in looked {
            for child in self.tree.children(&dir) {
                if present.contains(&child) {
                    continue;
                }
                if missed.is_none_or(|missed| missed.contains(&child)) {
                    self.bury(&child)?;
                } else {
                    missing.insert(child);
                }
            }
        }
        jobs.retain(|job: &Job| {
            self.tree.get(names::parent(&job.path_lower)).is_some() || !job.path_lower[1..].contains('/')
        });
        Ok(Walked { jobs, appeared, missed: missing })
    }

    /// The storable names of a folder, those known already first where two collide.
    fn read_dir(&mut self, dir: &str) -> Option<Vec<(String, fs::Metadata)>> {
        let path = self.local(dir);
        let mut found = Vec::new();
        for item in fs::read_dir(&path).ok()?.flatten() {
            let os_name = item.file_name();
            let Some(name) = os_name.to_str() else {
                self.complain(&item.path(), "its name is not UTF-8");
                continue;
            };
            if let Some(reason) = names::refused(name) {
                self.complain(&item.path(), reason);
                continue;
            }
            let Ok(meta) = item.metadata() else { continue };
            let kind = meta.file_type();
            if !(kind.is_file() || kind.is_dir() || kind.is_symlink()) {
                self.complain(&item.path(), "it is neither a file nor a folder");
                continue;
            }
            let display = format!("{dir}/{name}");
            if self.reserved.is_some_and(|reserved| names::lower(&display) == reserved) {
                self.complain(&item.path(), "synthetic entries are served there");
                continue;
            }
            found.push((display, meta));
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let mut taken: HashSet<String> = HashSet::new();
        let (known, new): (Vec<_>, Vec<_>) = found.into_iter().partition(|(display, _)| {
            self.tree.get(&names::lower(display)).is_some_and(|e| e.path_display == *display)
        });
        let mut kept = Vec::new();
        for (display, meta) in known.into_iter().chain(new) {
            if taken.insert(names::lower(&display)) {
                kept.push((display, meta));
            } else {
                self.complain(&self.local(&display), "another name differs from it only in case or composition");
            }
        }
        Some(kept)
    }

    fn complain(&mut self, path: &Path, reason: &str) {
        if self.complained.insert(path.to_owned()) {
            tracing::warn!(path = %path.display().to_string().escape_debug(), reason, "ignored: Dropbox would not store it");
        }
    }

    /// One name in one folder: known, moved here, or new.
    fn meet(
        &mut self,
        display: &str,
        path_lower: String,
        meta: &fs::Metadata,
        deep: bool,
        queue: &mut VecDeque<(String, bool)>,
        jobs: &mut Vec<Job>,
    ) -> Result<(), Error> {
        let kind = match meta.file_type() {
            kind if kind.is_dir() => Kind::Folder,
            kind if kind.is_symlink() => Kind::Symlink,
            _ => Kind::File,
        };
        let seen = stat(meta);
        let mut fresh = false;
        // A file that became a link, or a link that became a file, is still the file at this path.
        let is_folder = |kind: Kind| kind == Kind::Folder;
        if self.tree.get(&path_lower).is_some_and(|known| is_folder(known.kind) != is_folder(kind)) {
            self.bury(&path_lower)?;
        }
        if self.tree.get(&path_lower).is_none() {
            fresh = true;
            if let Some(old) = self.moved_from(kind, seen) {
                self.relocate(&old, display)?;
            }
        }
        if self.tree.get(&path_lower).is_some_and(|known| known.path_display != display) {
            self.relocate(&path_lower, display)?;
        }
        let known = self.tree.get(&path_lower);
        match kind {
            Kind::Folder => {
                match known {
                    Some(known) if (known.stat.inode, known.stat.birth) == (seen.inode, seen.birth) => {}
                    Some(known) => {
                        let known = Entry { stat: Stat { size: 0, ..seen }, ..known.clone() };
                        self.db.correct(known.n, display, known.stat)?;
                        self.tree.put(known);
                    }
                    None => self.bear(new_entry(display, path_lower, kind, seen))?,
                }
                if deep || fresh {
                    queue.push_back((display.to_owned(), true));
                }
            }
            _ if known.is_some_and(|known| known.kind == kind && known.stat == seen) => {}
            Kind::File => {
                let path = self.local(display);
                jobs.push(Job { path_lower, path_display: display.to_owned(), path });
            }
            Kind::Symlink => self.symlink(display, path_lower, seen)?,
        }
        Ok(())
    }

    /// The path at which this very object was known, if nothing of its kind is there any more.
    fn moved_from(&self, kind: Kind, seen: Stat) -> Option<String> {
        self.tree.places((seen.inode, seen.birth)).into_iter().find(|place| {
            self.tree.get(place).is_some_and(|old| {
                old.kind == kind
                    && match fs::symlink_metadata(self.local(&old.path_display)) {
                        Ok(there) => there.is_dir() != (kind == Kind::Folder),
                        Err(_) => true,
                    }
            })
        })
    }

    fn symlink(&mut self, display: &str, path_lower: String, seen: Stat) -> Result<(), Error> {
        let Ok(target) = fs::read_link(self.local(display)) else { return Ok(()) };
        let target = Some(target.to_string_lossy().into_owned());
        let known = self.tree.get(&path_lower).cloned();
        if let Some(known) = &known
            && known.kind == Kind::Symlink
            && known.target == target
        {
            self.db.correct(known.n, display, seen)?;
            self.tree.put(Entry { stat: seen, ..known.clone() });
            return Ok(());
        }
        let mut entry = new_entry(display, path_lower, Kind::Symlink, seen);
        if let Some(known) = known {
            entry.id = known.id;
        }
        entry.target = target;
        entry.size = 0;
        entry.content_hash = Some(crate::digest::Digest::EMPTY);
        self.bear(entry)
    }

    /// Reads and stores the contents of new and changed files, a batch to a moment.
    fn read_contents(&mut self, jobs: Vec<Job>) -> Result<HashSet<PathBuf>, Error> {
        let mut unsettled = HashSet::new();
        let blobs = Arc::clone(&self.blobs);
        hashing::run(jobs, &blobs, |batch| {
            self.go_on()?;
            self.moment(|scanner| {
                for (job, outcome) in batch {
                    match outcome {
                        Outcome::Read(content, seen) => scanner.settle(&job, &content, seen)?,
                        Outcome::Unsettled => {
                            unsettled.extend(job.path.parent().map(Path::to_owned));
                        }
                        Outcome::Unreadable(error) => {
                            scanner.complain(&job.path, &format!("it cannot be read: {error}"))
                        }
                        Outcome::Storage(source) => {
                            return Err(Error::Io { path: scanner.blobs.dir().to_owned(), source });
                        }
                    }
                }
                Ok(())
            })
        })?;
        Ok(unsettled)
    }

    fn settle(&mut self, job: &Job, content: &super::blobs::Content, seen: Stat) -> Result<(), Error> {
        let known = self.tree.get(&job.path_lower).cloned();
        if let Some(known) = &known
            && known.kind == Kind::File
            && known.sha256 == Some(content.sha256)
            && known.stat.mtime == seen.mtime
        {
            // The same bytes with the same time: nothing that Dropbox would tell.
            self.db.correct(known.n, &job.path_display, seen)?;
            self.tree.put(Entry { stat: seen, ..known.clone() });
            return Ok(());
        }
        let mut entry = new_entry(&job.path_display, job.path_lower.clone(), Kind::File, seen);
        entry.size = content.size;
        entry.sha256 = Some(content.sha256);
        entry.content_hash = Some(content.content_hash);
        if let Some(known) = known {
            entry.id = known.id;
        } else if let Some(strike) = self.script.strike("restore_same_id", &job.path_lower)
            && let Some(old) = self.db.last_at_path(&job.path_lower)?
            && old.kind == Kind::File
            && old.died != ALIVE
            && self.db.by_id(&old.id, self.seq)?.is_none()
        {
            entry.id = old.id;
            if strike.text.as_deref() == Some("rev") && old.sha256 == entry.sha256 {
                entry.rev = old.rev;
                entry.server_modified = old.server_modified;
            }
        }
        self.bear(entry)
    }
}
