//! The scanner's thread: woken by the file system's own events (so that the longpoll rings at once), waits until they pause,
//! looks, and looks everywhere every few seconds in case an event was missed.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use notify::{EventKind, RecursiveMode, Watcher as _};
use tokio::sync::watch;

use super::facts::Error;
use super::scan::Scanner;

/// What the thread is told.
#[derive(Debug)]
pub enum Message {
    /// Something happened at these absolute paths.
    Paths(Vec<PathBuf>),
    /// Events were lost.
    Everything,
    /// Give this folder's tree new ids.
    ShareConversion(String),
    /// End.
    Stop,
}

/// A pause in the events that is taken for the end of a save.
const QUIET: Duration = Duration::from_millis(20);
/// Before a file that was being written is looked at again.
const AGAIN: Duration = Duration::from_millis(50);
/// Under a stream of events, look at least this often.
const PATIENCE: Duration = Duration::from_millis(250);
/// The unprompted look: at least this long after the last, and at least [`RESTRAINT`] times as long as that took.
const SAFETY: Duration = Duration::from_secs(3);
const RESTRAINT: u32 = 20;

/// A handle on the thread.
#[derive(Debug)]
pub struct Handle {
    sender: Sender<Message>,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Handle {
    /// Tells the thread something; without effect once it has ended.
    pub fn tell(&self, message: Message) {
        let _ = self.sender.send(message);
    }

    /// Ends the thread; a look that it is in is broken off.
    pub fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.tell(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whether the first look is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Not yet.
    Looking,
    /// It is, and the folder is watched.
    Ready,
    /// The thread ended with this error.
    Failed(String),
}

/// Starts the thread. `ready` tells when the first look is done.
///
/// # Errors
/// If the thread cannot be started.
pub fn start(mut scanner: Scanner, root: PathBuf, ready: watch::Sender<Readiness>) -> Result<Handle, Error> {
    let (sender, receiver) = mpsc::channel();
    let events = sender.clone();
    let stop = scanner.stopper();
    let run = move || {
        // Watching begins before the first look, so that nothing falls in between.
        let mut watcher = watcher(&root, events);
        if let Err(error) = run(&mut scanner, &receiver, &ready, watcher.as_mut())
            && !matches!(error, Error::Stopped)
        {
            tracing::error!(%error, "the simulated Dropbox no longer follows its folder");
            ready.send_replace(Readiness::Failed(error.to_string()));
        }
        drop(watcher);
    };
    let thread = thread::Builder::new()
        .name("sandbox-scanner".to_owned())
        .spawn(run)
        .map_err(|error| Error::Other(format!("the scanner cannot start: {error}")))?;
    Ok(Handle { sender, stop, thread: Some(thread) })
}

/// The events of the whole folder, or `None` (with a log line) where they cannot be had; then only the slow look remains.
fn watcher(root: &Path, sender: Sender<Message>) -> Option<notify::RecommendedWatcher> {
    let handler = move |event: notify::Result<notify::Event>| {
        let message = match event {
            Ok(event) if event.need_rescan() => Message::Everything,
            // Our own reading must not wake us.
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => return,
            Ok(event) => Message::Paths(event.paths),
            Err(_) => Message::Everything,
        };
        let _ = sender.send(message);
    };
    let watcher = notify::recommended_watcher(handler).and_then(|mut watcher| {
        watcher.watch(root, RecursiveMode::Recursive)?;
        Ok(watcher)
    });
    watcher.inspect_err(|error| tracing::warn!(%error, "no file system events: changes are found by looking only")).ok()
}

fn run(
    scanner: &mut Scanner,
    receiver: &Receiver<Message>,
    ready: &watch::Sender<Readiness>,
    mut watcher: Option<&mut notify::RecommendedWatcher>,
) -> Result<(), Error> {
    let began = Instant::now();
    let mut unsettled = scanner.scan(None)?;
    let mut took = began.elapsed();
    let mut rest = SAFETY.max(took * RESTRAINT);
    let mut looked = Instant::now();
    let mut doubtful = Vec::new();
    tracing::info!(entries = scanner.len(), "the folder is indexed");
    ready.send_replace(Readiness::Ready);
    loop {
        let wait = if unsettled.is_empty() { rest.saturating_sub(looked.elapsed()) } else { AGAIN };
        let mut everything = false;
        let mut dirty = std::mem::take(&mut unsettled);
        let mut message = match receiver.recv_timeout(wait) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        everything |= message.is_none() && dirty.is_empty();
        let since = Instant::now();
        while let Some(next) = message {
            match next {
                Message::Paths(paths) => add(&mut dirty, paths),
                Message::Everything => everything = true,
                Message::ShareConversion(folder) => scanner.share_conversion(&folder)?,
                Message::Stop => return Ok(()),
            }
            let patience = PATIENCE.saturating_sub(since.elapsed());
            message = receiver.recv_timeout(QUIET.min(patience)).ok();
            if patience.is_zero()
                && let Some(Message::Paths(paths)) = message
            {
                add(&mut dirty, paths);
                message = None;
            }
        }
        // By now the watch has heard of the moves that the last look found; what it watches again is looked at again.
        if let Some(watcher) = &mut watcher {
            renew(watcher, std::mem::take(&mut doubtful));
        }
        if everything || looked.elapsed() >= rest {
            let began = Instant::now();
            unsettled = scanner.scan(None)?;
            looked = Instant::now();
            took = looked - began;
            rest = SAFETY.max(took * RESTRAINT);
        } else if !dirty.is_empty() {
            unsettled = scanner.scan(Some(&dirty))?;
            doubtful = unannounced(&unsettled, &dirty);
            if scanner.misses(&dirty) {
                // Look everywhere, soon: as soon as a few such events may be answered by one look.
                rest = rest.min(looked.elapsed() + AGAIN.max(took * 2));
            }
        }
    }
}

/// An event at a path may concern what is in it and what it is in.
fn add(dirty: &mut HashSet<PathBuf>, paths: Vec<PathBuf>) {
    for path in paths {
        if let Some(parent) = path.parent() {
            dirty.insert(parent.to_owned());
        }
        dirty.insert(path);
    }
}

/// The uppermost folders that a look found and no event had named: they came inside a folder that was itself new. Where
/// the watch meets what moved there before it hears of the move, it ends its watch of it on hearing that it left its old
/// place.
fn unannounced(found: &HashSet<PathBuf>, dirty: &HashSet<PathBuf>) -> Vec<PathBuf> {
    let doubtful: HashSet<&Path> = found.difference(dirty).map(PathBuf::as_path).collect();
    let below = |path: &Path| path.ancestors().skip(1).any(|above| doubtful.contains(above));
    doubtful.iter().filter(|path| !below(path)).map(|path| path.to_path_buf()).collect()
}

/// Watches these trees again; without effect on what is watched already.
fn renew(watcher: &mut notify::RecommendedWatcher, folders: Vec<PathBuf>) {
    for folder in folders {
        if let Err(error) = watcher.watch(&folder, RecursiveMode::Recursive) {
            // Mostly it is gone again; else the slow look remains.
            tracing::debug!(%error, "a folder is not watched again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(root: &Path, below: &[&str]) -> HashSet<PathBuf> {
        below.iter().map(|path| root.join(path)).collect()
    }

    /// What the watch tells until it falls silent.
    fn told(receiver: &Receiver<Message>) -> HashSet<PathBuf> {
        let mut told = HashSet::new();
        while let Ok(message) = receiver.recv_timeout(Duration::from_millis(300)) {
            if let Message::Paths(paths) = message {
                told.extend(paths);
            }
        }
        told
    }

    #[test]
    fn only_the_uppermost_folder_that_no_event_named_is_doubtful() {
        let root = Path::new("/r");
        let found = paths(root, &["m", "m/g", "m/g/h", "busy"]);
        let dirty = paths(root, &["", "m", "d", "d/g", "busy", "busy/file"]);
        assert_eq!(unannounced(&found, &dirty), [root.join("m/g")]);
        assert!(unannounced(&paths(root, &["busy"]), &dirty).is_empty(), "a file in it is being written");
    }

    #[test]
    fn a_tree_that_moved_into_a_folder_just_made_is_still_watched() {
        let directory = tempfile::tempdir().expect("directory");
        let root = directory.path();
        let moves = 100;
        for n in 0..moves {
            std::fs::create_dir_all(root.join(format!("d/g{n}/h"))).expect("made");
        }
        let (sender, receiver) = mpsc::channel();
        let mut watcher = watcher(root, sender).expect("watched");
        let mut found = HashSet::new();
        for n in 0..moves {
            std::fs::create_dir(root.join(format!("m{n}"))).expect("made");
            // Now and then the move falls between the watch's hearing of the folder and its looking into it.
            let made = Instant::now();
            while made.elapsed() < Duration::from_micros(n % 50 * 4) {}
            std::fs::rename(root.join(format!("d/g{n}")), root.join(format!("m{n}/g"))).expect("moved");
            found.extend(paths(root, &[&format!("m{n}"), &format!("m{n}/g"), &format!("m{n}/g/h")]));
            thread::sleep(Duration::from_millis(1));
        }
        let mut dirty = HashSet::new();
        add(&mut dirty, told(&receiver).into_iter().collect());
        // And one for which it surely does.
        let _ = watcher.unwatch(&root.join("m0/g"));
        dirty.remove(&root.join("m0/g"));
        renew(&mut watcher, unannounced(&found, &dirty));
        for n in 0..moves {
            std::fs::write(root.join(format!("m{n}/g/h/file")), "x").expect("written");
        }
        let told = told(&receiver);
        let missed: Vec<_> = (0..moves).filter(|n| !told.contains(&root.join(format!("m{n}/g/h/file")))).collect();
        assert_eq!(missed, [0; 0]);
    }
}
