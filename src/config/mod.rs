//! TOML → a validated [`Config`], with errors that name file, line and key.
//!
//! Touches the file system (the config file and secret files) and the environment variables that it is given; no
//! network, no database.

mod document;
mod error;
mod excludes;
mod links;
mod model;
mod reload;
mod secret;
mod sections;
mod values;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub use error::Error;
pub use excludes::{Excludes, excludes};
pub use model::{Config, Dropbox, Hash, Link, Log, LogFormat, Names, Publish, Root, Tenancy};
pub use reload::{reload_differences, with_reloadable};
pub use secret::read_secret;
pub use values::default_state_dir;

/// More than any sensible configuration; keeps a wrong `--config` (a disk image, say) from being read into memory.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// What systemd says about directories. A value, so that tests need no process environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// `$STATE_DIRECTORY`: directories separated by colons.
    pub state_directory: Option<OsString>,
    /// `$CREDENTIALS_DIRECTORY`.
    pub credentials_directory: Option<PathBuf>,
}

impl Environment {
    /// What this process was given. Empty variables count as absent.
    pub fn from_process() -> Environment {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Environment {
            state_directory: variable("STATE_DIRECTORY"),
            credentials_directory: variable("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        }
    }
}

/// Reads and validates the configuration file. Secret files need not exist yet.
///
/// # Errors
/// The file is missing, unreadable, not UTF-8 or not a valid configuration; names the place and the mend.
pub fn load(file: &Path) -> Result<Config, Error> {
    parse(file, &read(file)?, &Environment::from_process())
}

/// Validates `text`, the content of `file` (which is named in errors and not read).
///
/// # Errors
/// The first thing that is wrong, with file, line, key and mend.
pub fn parse(file: &Path, text: &str, env: &Environment) -> Result<Config, Error> {
    sections::config(&document::Document { file, text }, env)
}

fn read(file: &Path) -> Result<String, Error> {
    use std::io::{ErrorKind, Read as _};

    let refuse = |error: std::io::Error| {
        let mend = match error.kind() {
            ErrorKind::NotFound => "create it from config.example.toml, or name another with --config FILE",
            ErrorKind::PermissionDenied => "run as a user who may read it, or change its owner or mode",
            _ => "name a readable file with --config FILE",
        };
        Error::of_file(file, format!("cannot read the configuration: {}: {mend}", values::plain(&error)))
    };
    let opened = secret::open_without_waiting(file).map_err(refuse)?;
    if !opened.metadata().map_err(refuse)?.is_file() {
        return Err(Error::of_file(file, "is not a regular file: name a configuration file with --config FILE"));
    }
    let mut bytes = Vec::new();
    opened.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(refuse)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Error::of_file(file, "is larger than 4 MiB: name a configuration file with --config FILE"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count() + 1;
        Error::of_line(file, line, "is not UTF-8: save the file in that encoding")
    })
}
