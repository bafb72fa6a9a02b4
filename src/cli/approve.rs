//! `droptrail approve`: lets a held folder publish. Shows what would become public for ever, asks, leaves the request in
//! the database and wakes the daemon; the daemon alone acts on it.

use std::io::{BufRead, IsTerminal as _, Write};
use std::path::Path;
use std::process::ExitCode;

use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

use super::{Failure, Global, Output, state};
use crate::config::{self, Config};
use crate::daemon;
use crate::observe::escape;
use crate::store::report::{HeldReport, LinkReport};
use crate::store::{Request, ask};

/// Options of `approve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The linked folder, as configured (case does not count).
    folder: String,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Print one JSON object; the question is asked on standard error.
    #[arg(long)]
    json: bool,
}

/// Linked folders named in a refusal, at most.
const NAMED: usize = 10;

/// What came of it; its fields are the JSON contract.
#[derive(Debug, Serialize)]
struct Approved {
    folder: String,
    /// Whether a request was left for the daemon; `false` where nothing waited.
    approved: bool,
    /// The links that waited.
    links: Vec<Waiting>,
    running: bool,
    /// Whether the daemon was told at once.
    woken: bool,
}

#[derive(Debug, Serialize)]
struct Waiting {
    tenancy: String,
    files: u64,
}

/// Runs the command.
///
/// # Errors
/// See the exit statuses in the README.
pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let config = config::load(&global.config)?;
    let folder = linked(&config, &args.folder)?;
    let mut output = Output::stdout();
    let (mut held, mut listing): (Vec<HeldReport>, bool) = (Vec::new(), false);
    if let Some(report) = state::report(&config.state_dir)? {
        held = report.held()?.into_iter().filter(|held| same(&held.folder, &folder)).collect();
        if held.is_empty() {
            let under_way = |link: LinkReport| same(&link.folder, &folder) && link.state == "listing";
            listing = report.links()?.into_iter().any(under_way);
        }
    }
    let running = daemon::holder(&config.state_dir);
    let mut approved = Approved {
        links: held.iter().map(|held| Waiting { tenancy: held.tenancy.clone(), files: held.files }).collect(),
        folder,
        approved: false,
        running: running.is_some(),
        woken: false,
    };
    // The database has the folder as it was spelled when it was first linked.
    let Some(first) = held.first() else {
        if args.json {
            output.json(&approved)?;
        } else {
            output.line(&format!("nothing of {} waits for an approval, so nothing was done", approved.folder))?;
            if listing {
                output.line("(it is being listed; whether it has to wait is known at the end of that)")?;
            }
        }
        output.finish()?;
        return Ok(ExitCode::SUCCESS);
    };
    let refused = !args.yes && !agreed(&approved, std::io::stdin().lock(), &mut std::io::stderr().lock());
    if !args.yes && !std::io::stdin().is_terminal() {
        // Nobody has typed the end of the question's line.
        let _ = writeln!(std::io::stderr());
    }
    if refused {
        return Err(Failure::transient(format!("{} is not approved; nothing was changed", approved.folder)));
    }
    ask(&config.state_dir, &Request::Approve(first.folder.clone()))?;
    approved.approved = true;
    let woken = running.map(wake);
    approved.woken = matches!(woken, Some(Ok(())));
    if args.json {
        output.json(&approved)?;
    } else {
        if args.yes {
            for line in preview(&approved) {
                output.line(&line)?;
            }
        }
        output.line(&next(&approved.folder, woken, &config.state_dir))?;
    }
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// The folder as the configuration spells it.
fn linked(config: &Config, wanted: &str) -> Result<String, Failure> {
    let wanted = if wanted == "/" { wanted } else { wanted.trim_end_matches('/') };
    if let Some(link) = config.links.iter().find(|link| same(&link.folder, wanted)) {
        return Ok(link.folder.clone());
    }
    let failure = Failure::person(format!("{wanted} is not a linked folder of {}", config.file.display()));
    let mut names: Vec<&str> = config.links.iter().map(|link| link.folder.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    Err(match names.len() {
        0 => failure.hint("no folder is linked: add a [[link]]"),
        n if n > NAMED => failure.hint(format!("linked are: {} and {} more", names[..NAMED].join(", "), n - NAMED)),
        _ => failure.hint(format!("linked are: {}", names.join(", "))),
    })
}

/// Dropbox paths are the same whatever their case.
fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

fn preview(approved: &Approved) -> Vec<String> {
    let line = |link: &Waiting| {
        let files = state::plural(link.files, "file");
        format!("{files} of {} will be recorded in tenancy {}, public for ever", approved.folder, link.tenancy)
    };
    approved.links.iter().map(line).collect()
}

/// Asks; anything but a plain yes is a no, and so is the end of the input.
fn agreed(approved: &Approved, mut input: impl BufRead, terminal: &mut impl Write) -> bool {
    let mut text: String = preview(approved).iter().map(|line| format!("{}\n", escape(line))).collect();
    text.push_str("A record cannot be taken back or deleted by anybody. Approve? [yes/no] ");
    if terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush()).is_err() {
        return false;
    }
    let mut answer = String::new();
    // More than any answer, so that an endless line cannot fill the memory.
    let read = std::io::Read::take(&mut input, 1024).read_line(&mut answer);
    read.is_ok() && ["yes", "y"].contains(&answer.trim().to_lowercase().as_str())
}

/// Has the running daemon look for requests.
fn wake(process: u32) -> Result<(), String> {
    // 0 would be this process's own group; the lock gives it where the process is not known.
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw).ok_or("its process id is not known")?;
    kill_process(pid, Signal::HUP).map_err(|error| std::io::Error::from(error).kind().to_string())
}

fn next(folder: &str, woken: Option<Result<(), String>>, state_dir: &Path) -> String {
    match woken {
        Some(Ok(())) => format!("{folder} is approved; the daemon goes on with it now (see droptrail status)"),
        Some(Err(why)) => format!(
            "{folder} is approved, but the daemon could not be told ({why}): reload it, for example with systemctl \
             reload droptrail; else it sees it when it starts again"
        ),
        None => {
            format!("{folder} is approved; no daemon runs on {}: it goes on when it is started", state_dir.display())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(answer: &str) -> (bool, String) {
        let approved = Approved {
            folder: "/A\u{202e}".into(),
            approved: false,
            links: vec![Waiting { tenancy: "acme".into(), files: 12_345 }],
            running: false,
            woken: false,
        };
        let mut terminal = Vec::new();
        let agreed = agreed(&approved, answer.as_bytes(), &mut terminal);
        (agreed, String::from_utf8(terminal).expect("UTF-8"))
    }

    #[test]
    fn only_a_plain_yes_approves() {
        for yes in ["yes\n", "y\n", " YES \r\n", "yes"] {
            assert!(answered(yes).0, "{yes:?}");
        }
        for no in ["", "\n", "no\n", "n\n", "yes please\n", "yesno\n", "\nyes\n", &"y".repeat(5000)] {
            assert!(!answered(no).0, "{no:?}");
        }
    }

    #[test]
    fn the_question_says_how_many_files_become_public_for_ever() {
        let (_, text) = answered("no\n");
        assert!(
            text.contains("12345 files of /A\\u{202e} will be recorded in tenancy acme, public for ever"),
            "{text}"
        );
        assert!(text.contains("cannot be taken back"), "{text}");
    }

    #[test]
    fn no_signal_is_ever_sent_to_an_unknown_process() {
        assert!(wake(0).is_err());
        assert!(wake(u32::MAX).is_err());
    }
}
