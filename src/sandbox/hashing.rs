//! Reads changed files consistently, a few at a time: a file that was written meanwhile is read again. Touches the local
//! folder (reading) and the blob store; the results go back to the scanner in batches.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::blobs::{Blobs, Content};
use super::db::Stat;
use super::facts::{Error, GRAIN, stat};

/// A file to read.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its key.
    pub path_lower: String,
    /// Its spelling.
    pub path_display: String,
    /// Where it is.
    pub path: PathBuf,
}

/// What became of it.
#[derive(Debug)]
pub enum Outcome {
    /// Read whole, and the same before and after.
    Read(Content, Stat),
    /// Written all the while, replaced, or gone: to be looked at again.
    Unsettled,
    /// It cannot be opened or read.
    Unreadable(io::Error),
    /// The blob store failed.
    Storage(io::Error),
}

const READERS: usize = 4;
const BATCH: usize = 500;
const BATCH_TIME: Duration = Duration::from_millis(100);
const ATTEMPTS: usize = 3;
/// Bytes of a file that is not read on the first sight of a change.
const LARGE: u64 = 4 << 20;

/// Reads all `jobs` and hands the outcomes to `store` in batches, on the calling thread.
///
/// # Errors
/// The first error of `store`; the remaining jobs are dropped then.
pub fn run(
    jobs: Vec<Job>,
    blobs: &Blobs,
    mut store: impl FnMut(Vec<(Job, Outcome)>) -> Result<(), Error>,
) -> Result<(), Error> {
    if jobs.is_empty() {
        return Ok(());
    }
    let readers = READERS.min(jobs.len());
    let queue = Mutex::new(VecDeque::from(jobs));
    let (sender, receiver) = mpsc::sync_channel(BATCH);
    thread::scope(|scope| {
        for _ in 0..readers {
            let (queue, sender) = (&queue, sender.clone());
            scope.spawn(move || {
                while let Some(job) = { queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front() } {
                    let outcome = read(&job, blobs);
                    if sender.send((job, outcome)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut end = Ok(());
        let mut batch = Vec::new();
        let mut since = Instant::now();
        loop {
            let got = receiver.recv_timeout(BATCH_TIME.saturating_sub(since.elapsed()));
            let over = matches!(got, Err(RecvTimeoutError::Disconnected));
            batch.extend(got.ok());
            if !batch.is_empty() && (over || batch.len() >= BATCH || since.elapsed() >= BATCH_TIME) {
                end = store(std::mem::take(&mut batch));
            }
            if batch.is_empty() {
                since = Instant::now();
            }
            if over || end.is_err() {
                break;
            }
        }
        queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
        drop(receiver);
        end
    })
}

fn read(job: &Job, blobs: &Blobs) -> Outcome {
    for _ in 0..ATTEMPTS {
        let mut file = match File::open(&job.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Outcome::Unsettled,
            Err(error) => return Outcome::Unreadable(error),
        };
        let before = match file.metadata() {
            Ok(meta) if meta.is_file() => stat(&meta),
            Ok(_) => return Outcome::Unsettled,
            Err(error) => return Outcome::Unreadable(error),
        };
        let_settle(before);
        // Most files that change while they are read can be told beforehand, which spares the reading.
        if !file.metadata().is_ok_and(|meta| stat(&meta) == before) {
            return Outcome::Unsettled;
        }
        match blobs.take(&mut file, before.size) {
            Ok(content) => {
                let after = fs::symlink_metadata(&job.path).map(|meta| stat(&meta));
                if after.is_ok_and(|after| after == before) && content.size == before.size {
                    return Outcome::Read(content, before);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::StorageFull => return Outcome::Storage(error),
            Err(error) => return Outcome::Unreadable(error),
        }
        thread::sleep(GRAIN);
    }
    Outcome::Unsettled
}

/// Waits until the file's last change is older than the grain of the clock that stamps changes; longer for a large file, which
/// is likely still being written and costly to read in vain, and for an empty one, which is likely about to be written.
fn let_settle(seen: Stat) {
    let changed = UNIX_EPOCH + Duration::from_nanos(u64::try_from(seen.ctime).unwrap_or(0));
    let rest = if seen.size > LARGE || seen.size == 0 { GRAIN * 10 } else { GRAIN };
    if let Ok(age) = SystemTime::now().duration_since(changed)
        && age < rest
    {
        thread::sleep(rest.saturating_sub(age));
    }
}
