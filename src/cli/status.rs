//! `droptrail status`.

use std::process::ExitCode;

use super::{Failure, Global};

/// Options of `status`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
///
/// # Errors
/// See the exit statuses in the README.
pub fn run(_args: Args, _global: &Global) -> Result<ExitCode, Failure> {
    unimplemented!()
}
