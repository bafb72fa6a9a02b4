//! The lock on `state_dir/lock`: one daemon a state, and its process id for commands that want to wake it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Held for as long as the value lives; the operating system lets go of it however the process ends.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // So that nobody wakes a stranger who has our number later.
        let _ = self.file.set_len(0);
    }
}

/// Why the lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another daemon runs on this state.
    #[error("another droptrail (process {pid}) runs on {dir}")]
    Held {
        /// The state directory.
        dir: PathBuf,
        /// Its process id, or `?`.
        pid: String,
    },
    /// The file cannot be made or locked.
    #[error("cannot lock {0}: {1}")]
    Io(PathBuf, std::io::Error),
}

impl Lock {
    /// Takes the lock and writes this process's id into it.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn take(state_dir: &Path) -> Result<Lock, LockError> {
        let path = state_dir.join("lock");
        let io = |error| LockError::Io(path.clone(), error);
        let mut file = open(&path).map_err(io)?;
        // Someone who only asks who holds it holds it for a moment too.
        let mut patience = 10;
        let locked = loop {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) if patience > 0 => {
                    patience -= 1;
                    std::thread::sleep(Duration::from_millis(20));
                }
                other => break other,
            }
        };
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = read_pid(&mut file).map_or_else(|| "?".to_owned(), |pid| pid.to_string());
                return Err(LockError::Held { dir: state_dir.into(), pid });
            }
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        file.set_len(0).map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Lock { file })
    }
}

/// The process id of the daemon that runs on this state, if one does.
pub fn holder(state_dir: &Path) -> Option<u32> {
    let mut file = File::open(state_dir.join("lock")).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => read_pid(&mut file).or(Some(0)),
        _ => None,
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    // Only a whole line: another may be about to be written.
    text.strip_suffix('\n')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_on_the_same_state_is_refused_and_told_which_process_has_it() {
        let dir = tempfile::tempdir().expect("dir");
        assert_eq!(holder(dir.path()), None);
        let lock = Lock::take(dir.path()).expect("free");
        let refused = Lock::take(dir.path()).expect_err("held").to_string();
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
        assert_eq!(holder(dir.path()), Some(std::process::id()));
        drop(lock);
        assert_eq!(holder(dir.path()), None);
        Lock::take(dir.path()).expect("free again");
    }
}
