//! How a command ends badly: what failed, what to do, and the exit status. Printed here and nowhere else.

use std::io::Write as _;
use std::process::ExitCode;

use crate::config;
use crate::observe::escape;

/// What to do about a failure.
pub type Hint = String;

/// A command's bad end.
#[derive(Debug)]
pub struct Failure {
    /// 1: may heal by itself. 2: a person must act first. Others are a command's own.
    pub status: u8,
    /// What failed, on what, and why. No secret.
    pub message: String,
    /// What to do.
    pub hint: Option<Hint>,
}

impl Failure {
    /// May heal by itself (exit 1).
    pub fn transient(message: impl Into<String>) -> Failure {
        Failure { status: 1, message: message.into(), hint: None }
    }

    /// A person must act first (exit 2).
    pub fn person(message: impl Into<String>) -> Failure {
        Failure { status: 2, message: message.into(), hint: None }
    }

    /// Nobody is left to tell: the reader of standard output has gone (exit 0, nothing printed).
    pub fn quiet() -> Failure {
        Failure { status: 0, message: String::new(), hint: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// Prints it to standard error, escaped, and gives the exit status. Does not mind if nobody reads it.
    pub fn report(self) -> ExitCode {
        let mut stderr = std::io::stderr().lock();
        if !self.message.is_empty() {
            let _ = writeln!(stderr, "droptrail: {}", escape(&self.message));
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(stderr, "  hint: {}", escape(hint));
        }
        ExitCode::from(self.status)
    }
}

/// A configuration or secret file that must be mended by a person first (exit 2); the message says how.
impl From<config::Error> for Failure {
    fn from(error: config::Error) -> Failure {
        Failure::person(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_configuration_error_needs_a_person_and_says_where_and_how() {
        let env = config::Environment::default();
        let error = config::parse(Path::new("/x.toml"), "[dropbox]\n", &env).expect_err("no app key");
        let failure = Failure::from(error);
        assert_eq!(failure.status, 2);
        assert_eq!(failure.message, "/x.toml:1: dropbox.app_key: is missing: write the key of your Dropbox app");
    }
}
