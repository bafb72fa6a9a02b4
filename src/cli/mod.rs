//! One file per command: talks to people; no protocol, no SQL.

pub mod approve;
pub mod assets;
#[cfg(feature = "sandbox")]
pub mod demo;
mod failure;
#[cfg(feature = "ledger")]
pub mod ledger;
mod output;
pub mod run;
#[cfg(feature = "sandbox")]
pub mod sandbox;
#[cfg(feature = "sandbox")]
mod stage;
mod state;
pub mod status;
pub mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use failure::{Failure, Hint};
pub use output::Output;

/// Every file in chosen Dropbox folders gets an immutable, publicly verifiable record in DataTrails.
#[derive(Debug, Parser)]
#[command(name = "droptrail", version, about)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options that may stand before or after the command.
#[derive(Debug, Clone, clap::Args)]
pub struct Global {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", default_value = "/etc/droptrail/config.toml")]
    pub config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon.
    Run(run::Args),
    /// Check files of this machine against the public ledger by their content alone.
    Verify(verify::Args),
    /// Show how things stand.
    Status(status::Args),
    /// List what was recorded, with true names.
    Assets(assets::Args),
    /// Let a held folder publish.
    Approve(approve::Args),
    /// Run the embedded ledger, or manage its tenancies.
    #[cfg(feature = "ledger")]
    Ledger(ledger::Args),
    /// Run a simulated Dropbox over a local folder, with a ledger beside it.
    #[cfg(feature = "sandbox")]
    Sandbox(sandbox::Args),
    /// Show all of it together on a local folder.
    #[cfg(feature = "sandbox")]
    Demo(demo::Args),
}

/// Parses the command line, runs the command, and turns its end into an exit status.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let end = match cli.command {
        Command::Run(args) => run::run(args, &cli.global),
        Command::Verify(args) => verify::run(args, &cli.global),
        Command::Status(args) => status::run(args, &cli.global),
        Command::Assets(args) => assets::run(args, &cli.global),
        Command::Approve(args) => approve::run(args, &cli.global),
        #[cfg(feature = "ledger")]
        Command::Ledger(args) => ledger::run(args, &cli.global),
        #[cfg(feature = "sandbox")]
        Command::Sandbox(args) => sandbox::run(args, &cli.global),
        #[cfg(feature = "sandbox")]
        Command::Demo(args) => demo::run(args, &cli.global),
    };
    end.unwrap_or_else(|failure| failure.report())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_configuration_may_be_named_before_or_after_the_command() {
        for line in [["droptrail", "--config", "/x", "assets"], ["droptrail", "assets", "--config", "/x"]] {
            assert_eq!(Cli::parse_from(line).global.config, PathBuf::from("/x"));
        }
        let plain = Cli::parse_from(["droptrail", "assets"]);
        assert_eq!(plain.global.config, PathBuf::from("/etc/droptrail/config.toml"));
    }
}
