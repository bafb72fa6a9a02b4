//! `droptrail status`: how things stand, on one screen or as one JSON object. Reads the configuration, the database and
//! the lock, beside a running daemon or without one; asks no network and writes nothing.

mod screen;

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde::Serialize;

use super::{Failure, Global, Output, state};
use crate::config::{self, Config};
use crate::daemon;
use crate::store::Error;
use crate::store::report::{LinkReport, Report, TenancyReport};

/// Options of `status`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit status: 0 running and healthy; 3 not running; 4 running, with conditions that last; \
    2 where a person must act on the configuration or the database; 1 what may heal by itself.")]
pub struct Args {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Publications that a person may have to look at: at most so many are shown.
const STUCK: u32 = 10;

/// Everything that is shown; its fields are the JSON contract.
#[derive(Debug, Serialize)]
struct Status {
    /// Dropbox's account id, once known.
    account: Option<String>,
    running: bool,
    /// The daemon's process id, where the lock names it.
    process: Option<u32>,
    links: Vec<Link>,
    tenancies: Vec<Tenancy>,
    conditions: Vec<Condition>,
    /// Parked and uncertain publications, the newest few.
    stuck: Vec<Stuck>,
}

#[derive(Debug, Serialize)]
struct Link {
    folder: String,
    tenancy: String,
    /// `new` where no daemon has seen it yet.
    state: String,
    files: u64,
    skipped: BTreeMap<String, u64>,
    /// Whether the configuration still has it.
    configured: bool,
}

#[derive(Debug, Default, Serialize)]
struct Tenancy {
    name: String,
    url: String,
    tenant_identity: Option<String>,
    /// `new` where no daemon has seen it yet.
    state: String,
    held_until: Option<String>,
    /// Not sent yet, held ones included.
    pending: u64,
    in_flight: u64,
    uncertain: u64,
    /// Acknowledged, not committed yet.
    recorded: u64,
    confirmed: u64,
    parked: u64,
    unreadable: u64,
    /// Whether the configuration still has it.
    configured: bool,
}

#[derive(Debug, Serialize)]
struct Condition {
    code: String,
    subject: String,
    since: String,
    text: String,
}

#[derive(Debug, Serialize)]
struct Stuck {
    tenancy: String,
    path: String,
    state: String,
    reason: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// See the exit statuses in the README.
pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let config = config::load(&global.config)?;
    let report = state::report(&config.state_dir)?;
    let process = daemon::holder(&config.state_dir);
    let status = gather(&config, report.as_ref(), process)?;
    let mut output = Output::stdout();
    if args.json {
        output.json(&status)?;
    } else {
        screen::show(&status, &config.file, &mut output)?;
    }
    output.finish()?;
    Ok(ExitCode::from(status.exit()))
}

impl Status {
    fn exit(&self) -> u8 {
        match (self.running, self.conditions.is_empty()) {
            (false, _) => 3,
            (true, false) => 4,
            (true, true) => 0,
        }
    }
}

/// `process` is the holder of the lock, 0 where it did not say who it is.
fn gather(config: &Config, report: Option<&Report>, process: Option<u32>) -> Result<Status, Error> {
    let mut status = Status {
        account: None,
        running: process.is_some(),
        process: process.filter(|id| *id != 0),
        links: Vec::new(),
        tenancies: Vec::new(),
        conditions: Vec::new(),
        stuck: Vec::new(),
    };
    if let Some(report) = report {
        report.freeze()?;
        status.account = report.account()?;
        status.links = report.links()?.into_iter().map(|link| seen_link(config, link)).collect();
        status.tenancies = report.tenancies()?.into_iter().map(|tenancy| seen_tenancy(config, tenancy)).collect();
        let condition = |c: crate::store::report::ConditionReport| Condition {
            code: c.code,
            subject: c.subject,
            since: c.since,
            text: c.text,
        };
        status.conditions = report.conditions()?.into_iter().map(condition).collect();
        let stuck = |s: crate::store::report::StuckReport| Stuck {
            tenancy: s.tenancy,
            path: s.path,
            state: s.state,
            reason: s.reason,
        };
        status.stuck = report.stuck(STUCK)?.into_iter().map(stuck).collect();
    }
    for link in &config.links {
        if !status.links.iter().any(|seen| same_link(link, &seen.folder, &seen.tenancy)) {
            status.links.push(Link {
                folder: link.folder.clone(),
                tenancy: link.tenancy.clone(),
                state: "new".into(),
                files: 0,
                skipped: BTreeMap::new(),
                configured: true,
            });
        }
    }
    for tenancy in &config.tenancies {
        if !status.tenancies.iter().any(|seen| seen.name == tenancy.name) {
            status.tenancies.push(Tenancy {
                name: tenancy.name.clone(),
                url: tenancy.url.to_string(),
                state: "new".into(),
                configured: true,
                ..Tenancy::default()
            });
        }
    }
    for tenancy in &mut status.tenancies {
        tenancy.url.truncate(tenancy.url.trim_end_matches('/').len());
    }
    Ok(status)
}

/// Whether the configuration's link is the database's: there, too, case does not count.
fn same_link(link: &config::Link, folder: &str, tenancy: &str) -> bool {
    link.tenancy == tenancy && link.folder.to_lowercase() == folder.to_lowercase()
}

fn seen_link(config: &Config, link: LinkReport) -> Link {
    Link {
        configured: config.links.iter().any(|one| same_link(one, &link.folder, &link.tenancy)),
        folder: link.folder,
        tenancy: link.tenancy,
        state: link.state,
        files: link.files,
        skipped: link.skipped,
    }
}

fn seen_tenancy(config: &Config, tenancy: TenancyReport) -> Tenancy {
    let counts = tenancy.counts;
    Tenancy {
        configured: config.tenancy(&tenancy.name).is_some(),
        name: tenancy.name,
        url: tenancy.url,
        tenant_identity: tenancy.tenant_identity,
        state: tenancy.state,
        held_until: tenancy.held_until,
        pending: counts.pending,
        in_flight: counts.in_flight,
        uncertain: counts.uncertain,
        recorded: counts.recorded,
        confirmed: counts.confirmed,
        parked: counts.parked,
        unreadable: counts.unreadable,
    }
}
