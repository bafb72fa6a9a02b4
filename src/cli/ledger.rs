//! `droptrail ledger`: runs the embedded ledger, or manages its tenancies.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};
use tokio_util::sync::CancellationToken;

use super::{Failure, Global};
use crate::ledger::serve::{Tls, serve};
use crate::ledger::{Error, Ledger, Operator, Options, faults};

/// Prints a line; a reader who has gone is no reason to fail.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, $($text)*).and_then(|()| out.flush());
    }};
}

/// Options of `ledger`.
#[derive(Debug, clap::Args)]
pub struct Args {
    // Boxed, because it is much larger than the options of other commands.
    #[command(flatten)]
    what: Box<What>,
}

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
struct What {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Option<Run>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a tenancy and print what it signs in with; the secret is shown only now.
    AddTenancy {
        /// Its name.
        name: String,
        /// Where the ledger keeps its data.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// A domain that you have verified to be the tenancy's.
        #[arg(long, value_name = "DOMAIN")]
        domain: Option<String>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Set a tenancy's verified domain; an empty one takes it away.
    SetDomain {
        /// The tenancy's name.
        name: String,
        /// The domain that you have verified.
        domain: String,
        /// Where the ledger keeps its data.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
    /// List the tenancies.
    Tenancies {
        /// Where the ledger keeps its data.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// Print JSON Lines.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Run {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// Where the ledger keeps its data; made if it is not there.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Base URL for links, where it is not the address itself.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Certificate chain (PEM); needed to listen elsewhere than on loopback.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key (PEM) of the certificate.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Seconds that an access token lasts.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    token_ttl: u64,
    /// Script of faults to simulate; read again whenever it changes.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// See the exit statuses in the README.
pub fn run(args: Args, _global: &Global) -> Result<ExitCode, Failure> {
    match (args.what.command, args.what.run) {
        (Some(Command::AddTenancy { name, data, domain, json }), _) => {
            let made = Operator::open(&data).and_then(|ledger| ledger.add_tenancy(&name, domain.as_deref()));
            let made = made.map_err(failure)?;
            if json {
                say!("{}", serde_json::to_string(&made).expect("strings are JSON"));
            } else {
                say!("tenancy        {}", made.name);
                say!("identity       {}", made.tenant_identity);
                say!("client id      {}", made.client_id);
                say!("client secret  {}", made.client_secret);
                say!("The secret is shown only this once; only its hash is kept.");
            }
        }
        (Some(Command::SetDomain { name, domain, data }), _) => {
            Operator::open(&data).and_then(|ledger| ledger.set_domain(&name, &domain)).map_err(failure)?;
        }
        (Some(Command::Tenancies { data, json }), _) => {
            for tenancy in Operator::open(&data).and_then(|ledger| ledger.tenancies()).map_err(failure)? {
                if json {
                    say!("{}", serde_json::to_string(&tenancy).expect("strings are JSON"));
                } else {
                    let domain = if tenancy.verified_domain.is_empty() { "-" } else { &tenancy.verified_domain };
                    say!("{}  {}  {}  {domain}", tenancy.name, tenancy.tenant_identity, tenancy.client_id);
                }
            }
        }
        (None, Some(run)) => return listen(run),
        (None, None) => {
            return Err(Failure::person("neither a command nor an address was given")
                .hint("run `droptrail ledger --listen 127.0.0.1:8088 --data DIR`, or see `droptrail ledger --help`"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn failure(error: Error) -> Failure {
    let message = error.to_string();
    match error {
        Error::Locked(_) => Failure::transient(message).hint("stop it first, or give another --data"),
        error if error.needs_a_person() => Failure::person(message),
        _ => Failure::transient(message),
    }
}

fn listen(run: Run) -> Result<ExitCode, Failure> {
    if !run.listen.ip().is_loopback() && run.tls_cert.is_none() {
        let message = format!("--listen {}: without TLS the ledger listens on loopback addresses only", run.listen);
        return Err(Failure::person(message).hint("give --tls-cert and --tls-key, or listen on 127.0.0.1"));
    }
    if let Some(url) = &run.public_url {
        let good = url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !good {
            return Err(Failure::person(format!("--public-url {url}: not an http or https URL")));
        }
    }
    let tls = match (&run.tls_cert, &run.tls_key) {
        (Some(certificate), Some(key)) => Some(Tls::load(certificate, key).map_err(failure)?),
        _ => None,
    };
    let script = faults::Script::default();
    let watch = match &run.faults {
        Some(path) => {
            let (watch, file) = faults::Watch::open(path).map_err(failure)?;
            script.load(file.seed, file.ledger);
            Some(watch)
        }
        None => None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::transient(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(serve_until_told(run, tls, script, watch))
}

async fn serve_until_told(
    run: Run,
    tls: Option<Tls>,
    script: faults::Script,
    watch: Option<faults::Watch>,
) -> Result<ExitCode, Failure> {
    let mut signals = signal_hook_tokio::Signals::new([SIGTERM, SIGINT])
        .map_err(|error| Failure::transient(format!("cannot listen for signals: {error}")))?;
    let options = Options {
        public_url: run.public_url,
        token_ttl: Duration::from_secs(run.token_ttl),
        script: script.clone(),
        ..Options::new(run.data)
    };
    let url_is_given = options.public_url.is_some();
    let ledger = Ledger::open(options).map_err(failure)?;
    let cannot_listen = |error| Failure::transient(format!("cannot listen on {}: {error}", run.listen));
    let listener = tokio::net::TcpListener::bind(run.listen).await.map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{address}");
    if !url_is_given {
        ledger.set_public_url(if address.ip().is_unspecified() {
            format!("{scheme}://{}:{}", host_name(), address.port())
        } else {
            url.clone()
        });
    }
    let end = CancellationToken::new();
    if let Some(watch) = watch {
        let load = move |file: faults::File| script.load(file.seed, file.ledger);
        tokio::spawn(watch.run(load, end.clone()));
    }
    let told = end.clone();
    tokio::spawn(async move {
        use futures_util::StreamExt as _;
        signals.next().await;
        told.cancel();
    });
    say!("{}", json!({"url": url}));
    serve(listener, ledger.router(), tls, end).await;
    let _ = tokio::task::spawn_blocking(move || ledger.close()).await;
    Ok(ExitCode::SUCCESS)
}

/// This machine's name, for links of a ledger that listens on all addresses.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}
