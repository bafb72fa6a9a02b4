//! `droptrail assets`: what each file has on the ledger, with its true name; or which files are not published, and why.
//! Reads the configuration and the database, row by row, beside a running daemon or without one; writes nothing.

mod select;
mod shown;

use std::io::Write;
use std::process::ExitCode;

use super::{Failure, Global, Output, state};
use crate::config;
use crate::store::report::{AssetReport, Report, Select};
use shown::{Asset, Skipped};

/// Options of `assets`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Each file of each tenancy is shown with the newest version that the ledger has recorded, or, \
    where it has recorded none yet (recorded_at is null), with the version that is to be recorded next.\n\n\
    The state is that of the publication whose turn it is. `confirmed` or `recorded`: the version shown is the newest, \
    nothing waits. `pending`, `hashed`, `in_flight`, `uncertain` or `parked`: something newer than what is recorded \
    waits; `reason` says what for, where there is a reason, and `waiting` how many there are. `unreadable`: the newest \
    version could not be read any more and is not recorded. `withdrawn` is true where the newest record withdraws the \
    document.\n\n\
    Case does not count in a path or glob. In a glob `*` and `?` stay within one name and `**` does not; one without a \
    leading slash may begin at any folder. Quote it, so that the shell leaves it alone.")]
pub struct Args {
    /// Only these: a path or folder as Dropbox shows it, a file id (id:…), an asset's uuid, a hash, or a glob.
    #[arg(value_name = "PATH|FOLDER|ID|HASH|GLOB", allow_hyphen_values = false)]
    select: Option<String>,
    /// List the files that are not published instead, each with the reason.
    #[arg(long)]
    skipped: bool,
    /// Print JSON Lines.
    #[arg(long)]
    json: bool,
}

/// So few matches of a selector are shown with everything that is known of them.
const FEW: usize = 3;

/// Runs the command.
///
/// # Errors
/// See the exit statuses in the README.
pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let config = config::load(&global.config)?;
    let select = select::parse(args.select.as_deref())?;
    let mut output = Output::stdout();
    match state::report(&config.state_dir)? {
        Some(report) if args.json => json(&report, &select, args.skipped, &mut output)?,
        Some(report) if args.skipped => skipped(&report, &select, &mut output)?,
        Some(report) => assets(&report, &select, args.select.is_some(), &mut output)?,
        None if args.json => {}
        None => output.line("nothing yet: the daemon has not run on this state_dir so far")?,
    }
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}

fn json<W: Write>(report: &Report, select: &Select<'_>, skipped: bool, output: &mut Output<W>) -> Result<(), Failure> {
    if skipped {
        report.skipped(select, |row| output.json_line(&Skipped::from(row)))
    } else {
        report.assets(select, |row| output.json_line(&Asset::from(row)))
    }
}

/// A few that were selected are shown in full; more become lines, the first ones held back until that is known.
fn assets<W: Write>(
    report: &Report,
    select: &Select<'_>,
    selected: bool,
    output: &mut Output<W>,
) -> Result<(), Failure> {
    let room = if selected { FEW } else { 0 };
    let mut first: Vec<AssetReport> = Vec::new();
    let mut n = 0usize;
    report.assets(select, |row| {
        n += 1;
        if n <= room {
            first.push(row);
            return Ok(());
        }
        if n == room + 1 {
            output.line(shown::HEADINGS)?;
            for row in first.drain(..) {
                shown::line(&Asset::from(row), output)?;
            }
        }
        shown::line(&Asset::from(row), output)
    })?;
    for row in first {
        shown::block(&Asset::from(row), output)?;
    }
    if n == 0 {
        output.line("no such file is recorded or waits to be; see --skipped for those that are not published")?;
    }
    Ok(())
}

fn skipped<W: Write>(report: &Report, select: &Select<'_>, output: &mut Output<W>) -> Result<(), Failure> {
    let mut n = 0usize;
    report.skipped(select, |row| {
        if n == 0 {
            output.line(shown::SKIPPED_HEADINGS)?;
        }
        n += 1;
        output.line(&format!("{:<18}  {:<16}  {}", row.reason, row.tenancy, row.path))
    })?;
    if n == 0 {
        output.line("no such file is skipped")?;
    }
    Ok(())
}
