//! `droptrail verify`: Instaproof for files on this machine. Hashes each file both ways, asks the public ledger, and
//! says which version of what it is and whose. Reads files and the configuration; asks ledgers; needs no account when
//! told whose records count.

mod accept;
mod report;

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use url::{Host, Url};

use self::accept::{Accepted, By};
use self::report::Report;
use super::{Failure, Global};
use crate::config::Config;
use crate::datatrails::instaproof::{self, Domains, Found, Search};
use crate::datatrails::{Client, Error, Kind, Settings};
use crate::digest::Digest;
use crate::dropbox::hash_reader;
use crate::observe::escape;

/// Deadline of a request to a ledger that the configuration does not know.
const TIMEOUT: Duration = Duration::from_secs(30);
const WHOSE: &str = "say whose records count with --by TENANT|DOMAIN, or accept anybody's with --any";

/// Options of `verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The files to check; only their hashes are sent
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Accept records by this tenancy: tenant/UUID, UUID, or its verified domain (may be repeated)
    #[arg(long, value_name = "TENANT|DOMAIN")]
    by: Vec<By>,
    /// Accept records by anybody: anyone can register any hash
    #[arg(long, conflicts_with = "by")]
    any: bool,
    /// Ask this ledger instead of those of the configuration
    #[arg(long, value_name = "URL", value_parser = base_url)]
    url: Option<Url>,
    /// Print one JSON object a file
    #[arg(long)]
    json: bool,
}

#[cfg(feature = "sandbox")]
impl Args {
    /// Checks one file against the ledgers and tenancies of the configuration.
    pub(super) fn of(file: PathBuf) -> Args {
        Args { files: vec![file], by: Vec::new(), any: false, url: None, json: false }
    }
}

/// A ledger to ask, and whose records count there.
struct Ledger {
    client: Client,
    accepted: Accepted,
    domains: Domains,
    /// It could not be asked, which was said, and is asked no more.
    failed: bool,
}

/// Runs the command.
///
/// # Errors
/// See the exit statuses in the README.
pub fn run(args: Args, global: &Global) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::transient(format!("cannot start: {error}")))?;
    runtime.block_on(verify(&args, &global.config, &mut io::stdout())).map(ExitCode::from)
}

/// Checks all files, writes what it finds to `out`, and gives the exit status.
async fn verify(args: &Args, config: &Path, out: &mut dyn io::Write) -> Result<u8, Failure> {
    let mut ledgers = ledgers(args, config).await?;
    let (mut unreadable, mut untold, mut missing) = (false, false, false);
    for file in &args.files {
        let path = file.clone();
        let hashed = tokio::task::spawn_blocking(move || hash_file(&path)).await;
        let (sha256, content_hash) = match hashed.map_err(io::Error::other).and_then(|hashed| hashed) {
            Ok(hashes) => hashes,
            Err(error) => {
                unreadable = true;
                complain(&format!("cannot read {}: {error}", escape(&file.to_string_lossy())));
                continue;
            }
        };
        let mut report = Report::new(file, sha256, content_hash);
        let mut whole = true;
        for ledger in &mut ledgers {
            let (found, is_all) = ledger.find(&[sha256, content_hash]).await;
            report.add(found, &ledger.accepted, ledger.client.url());
            whole &= is_all;
        }
        if !report.is_found() && !whole {
            untold = true;
            complain(&format!("{} could not be looked up", escape(&file.to_string_lossy())));
            continue;
        }
        missing |= !report.is_found();
        report.print(out, args.json).map_err(|error| Failure::transient(format!("cannot print: {error}")))?;
    }
    Ok(match (unreadable, untold, missing) {
        (true, ..) => 2,
        (_, true, _) => 1,
        (.., true) => 3,
        _ => 0,
    })
}

impl Ledger {
    /// What this ledger has, and whether that is all; what keeps it from telling is said once.
    async fn find(&mut self, hashes: &[Digest]) -> (Vec<Found>, bool) {
        if self.failed {
            return (Vec::new(), false);
        }
        let mut search = self.search(hashes).await;
        // Asking is harmless, and a kept connection may have gone stale while a large file was hashed.
        if search.as_ref().is_err_and(|error| error.kind == (Kind::Unavailable { after: None })) {
            search = self.search(hashes).await;
        }
        let (found, error) = match search {
            Ok(Search { found, incomplete }) => (found, incomplete),
            Err(error) => {
                self.failed = true;
                (Vec::new(), Some(error))
            }
        };
        if let Some(error) = &error {
            complain(&unreachable(self.client.url(), error));
        }
        (found, error.is_none())
    }

    async fn search(&mut self, hashes: &[Digest]) -> Result<Search, Error> {
        let accepted = &self.accepted;
        let wanted = |tenant: Option<&str>, domain: Option<&str>| accepted.has(tenant, domain);
        instaproof::find_with(&self.client, hashes, &mut self.domains, &wanted).await
    }
}

/// The ledgers to ask: the one of `--url`, else those of the configuration, each once.
async fn ledgers(args: &Args, file: &Path) -> Result<Vec<Ledger>, Failure> {
    let whose_is_said = args.any || !args.by.is_empty();
    let config = match crate::config::load(file) {
        Ok(config) => Some(config),
        // Without need for it, it is only asked for a certificate authority.
        Err(_) if args.url.is_some() && whose_is_said => None,
        Err(error) => {
            let hint = match args.url {
                Some(_) => WHOSE.to_owned(),
                None => format!("to do without a configuration, name the ledger with --url and {WHOSE}"),
            };
            return Err(Failure::person(error.to_string()).hint(hint));
        }
    };
    let mut seen = HashSet::new();
    let of_config = config.iter().flat_map(|config| config.tenancies.iter().map(|tenancy| tenancy.url.clone()));
    let urls: Vec<Url> = match &args.url {
        Some(url) => vec![url.clone()],
        None => of_config.filter(|url| seen.insert(url.clone())).collect(),
    };
    if urls.is_empty() {
        return Err(Failure::person("the configuration has no tenancy, so there is no ledger to ask")
            .hint(format!("name the ledger with --url and {WHOSE}")));
    }
    let mut ledgers = Vec::new();
    for url in urls {
        let client = Client::new(settings(config.as_ref(), &url)).map_err(|e| Failure::person(e.to_string()))?;
        let accepted = match (&config, args.any) {
            (_, true) => Accepted::Anybody,
            (Some(config), _) if args.by.is_empty() => {
                Accepted::These(accept::accepted_tenancies(config, &url).await?.into_iter().map(By::Tenant).collect())
            }
            _ => Accepted::These(args.by.clone()),
        };
        ledgers.push(Ledger { client, accepted, domains: Domains::default(), failed: false });
    }
    Ok(ledgers)
}

/// A client for the public view, with the certificate authority and the deadline that the configuration has for `url`.
fn settings(config: Option<&Config>, url: &Url) -> Settings {
    let known = config.and_then(|config| config.tenancies.iter().find(|tenancy| tenancy.url == *url));
    Settings {
        url: url.clone(),
        credentials: None,
        timeout: known.map_or(TIMEOUT, |tenancy| tenancy.timeout),
        ca_file: known.and_then(|tenancy| tenancy.ca_file.clone()),
    }
}

fn unreachable(url: &Url, error: &Error) -> String {
    format!("cannot ask {}: {error}", base(url))
}

/// A base URL as people write it.
fn base(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

/// Says what went wrong on standard error.
#[allow(clippy::print_stderr)]
fn complain(message: &str) {
    eprintln!("droptrail: {message}");
}

/// A base URL: scheme, host and port; `http` for this machine only.
fn base_url(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("{error}"))?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !bare || !url.username().is_empty() || url.password().is_some() || url.host().is_none() {
        return Err("a base URL has a scheme, a host and perhaps a port, as https://app.datatrails.ai".into());
    }
    let is_local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_local => Ok(url),
        "http" => Err("plain http is accepted for loopback addresses only; use https".into()),
        _ => Err("the scheme must be https".into()),
    }
}

/// SHA-256 and Dropbox content hash of a file, in one pass that keeps nothing of it.
fn hash_file(path: &Path) -> io::Result<(Digest, Digest)> {
    let hashed = hash_reader(std::fs::File::open(path)?)?;
    Ok((hashed.sha256, hashed.content_hash))
}

#[cfg(test)]
mod tests;
