//! A table of contents: parse the command line, start logging, dispatch.

use std::process::ExitCode;

fn main() -> ExitCode {
    droptrail::cli::main()
}
