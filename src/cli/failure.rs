//! How a command ends badly: what failed, what to do, and the exit status. Printed here and nowhere else.

use std::process::ExitCode;

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

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// Prints it to standard error and gives the exit status.
    #[allow(clippy::print_stderr)]
    pub fn report(self) -> ExitCode {
        eprintln!("droptrail: {}", self.message);
        if let Some(hint) = self.hint {
            eprintln!("  hint: {hint}");
        }
        ExitCode::from(self.status)
    }
}
