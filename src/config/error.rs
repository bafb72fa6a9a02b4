//! What is wrong with a configuration or a secret file, in one short message for the person who must mend it. Holds no
//! secret and nothing of a secret file. Pure data.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::observe::escape;

/// A configuration that cannot be used. Shown as `FILE:LINE: KEY: what is wrong: how to mend it`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// The configuration file, or the secret file.
    pub file: PathBuf,
    /// Line in it, from 1, where one is to blame.
    pub line: Option<usize>,
    /// The key as it would be written with dots, for example `dropbox.longpoll`.
    pub key: Option<String>,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl Error {
    pub(super) fn of_file(file: &Path, message: impl Into<String>) -> Error {
        Error { file: file.to_owned(), line: None, key: None, message: message.into() }
    }

    pub(super) fn of_line(file: &Path, line: usize, message: impl Into<String>) -> Error {
        Error { line: Some(line), ..Error::of_file(file, message) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", escape(&self.file.to_string_lossy()))?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {}", escape(key))?;
        }
        write!(f, ": {}", escape(&self.message))
    }
}
