//! `droptrail sandbox`: a simulated Dropbox over a local folder, with a ledger beside it, on one loopback address.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Failure, Global};
use crate::ledger::faults::{self, Script};
use crate::ledger::{self, Ledger, serve};
use crate::sandbox::log::Log;
use crate::sandbox::{Options, Sandbox, fault_help, loopback_only, write_private};

/// Options of `sandbox`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = fault_help())]
pub struct Args {
    /// The folder that is the root of the simulated Dropbox.
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// The loopback address to listen on; port 0 takes any free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where the state is kept; goes on where it left off. Without it, a temporary directory.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// A fault script, read again whenever it changes.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Serve this many synthetic files in /bulk besides.
    #[arg(long, value_name = "N", default_value_t = 0)]
    entries: u64,
    /// Append one JSON line for each request to this file.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// How long an access token is good for, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 14_400)]
    expires_in: u64,
    /// Simulate a team member's account: the folder is the team's root, `Sandbox User` in it the home.
    #[arg(long)]
    team: bool,
}

/// How long requests in flight may take at the end.
const LAST_REQUESTS: Duration = Duration::from_millis(700);

/// Runs the command.
///
/// # Errors
/// See the exit statuses in the README.
pub fn run(args: Args, _global: &Global) -> Result<ExitCode, Failure> {
    if !args.listen.ip().is_loopback() {
        return Err(Failure::person(format!(
            "--listen {}: the sandbox listens on loopback addresses only",
            args.listen
        ))
        .hint("use 127.0.0.1:PORT or [::1]:PORT"));
    }
    if !args.folder.is_dir() {
        return Err(Failure::person(format!("--folder {}: not a directory", args.folder.display())));
    }
    if let Some(path) = &args.faults {
        faults::read(path).map_err(|error| Failure::person(format!("--faults: {error}")))?;
    }
    let _ = tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false).try_init();
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Failure::transient(format!("the runtime cannot start: {error}")))?;
    let end = runtime.block_on(serve_all(args));
    runtime.shutdown_timeout(Duration::from_millis(500));
    end.map(|()| ExitCode::SUCCESS)
}

fn temporary_state() -> Result<PathBuf, Failure> {
    let dir = std::env::temp_dir().join(format!("droptrail-sandbox-{}", uuid::Uuid::new_v4()));
    rustix::fs::mkdir(&dir, rustix::fs::Mode::RWXU)
        .map_err(|error| Failure::transient(format!("{}: {error}", dir.display())))?;
    Ok(dir)
}

/// A temporary state goes when the sandbox ends.
struct Temporary(Option<PathBuf>);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(dir) = self.0.take() {
            let _ = fs::remove_dir_all(dir);
        }
    }
}

async fn serve_all(args: Args) -> Result<(), Failure> {
    let mut stops = Vec::new();
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        stops.push(signal(kind).map_err(|error| Failure::transient(format!("signals cannot be caught: {error}")))?);
    }
    let (state, temporary) = match &args.state {
        Some(state) => {
            fs::create_dir_all(state)
                .map_err(|error| Failure::person(format!("--state {}: {error}", state.display())))?;
            (state.clone(), None)
        }
        None => {
            let dir = temporary_state()?;
            (dir.clone(), Some(dir))
        }
    };
    let _temporary = Temporary(temporary);
    let state = state.canonicalize().map_err(|error| Failure::person(format!("{}: {error}", state.display())))?;
    let log = args.log.as_deref().map(Log::open).transpose();
    let log = log.map_err(|error| Failure::person(format!("--log: {error}")))?;
    let listener = TcpListener::bind(args.listen).await;
    let listener = listener.map_err(|error| Failure::transient(format!("--listen {}: {error}", args.listen)))?;
    let url = address(&listener)?;

    let ledger_script = Script::default();
    let options = Options {
        expires_in: args.expires_in,
        entries: args.entries,
        team: args.team,
        on_code: Arc::new(tell_code),
        ..Options::new(&args.folder, state.join("dropbox"))
    };
    let sandbox = Sandbox::open(options).map_err(|error| Failure::person(error.to_string()))?;
    let (ledger, access) = open_ledger(&state, &url, ledger_script.clone())?;
    let config = write_config(&state, &url, &sandbox, &access)?;

    let shutdown = CancellationToken::new();
    // One address for everything: what the ledger has no route for is the Dropbox's.
    let router = logged("ledger", loopback_only(ledger.router()), log.as_ref());
    let router = router.merge(logged("dropbox", sandbox.router(), log.as_ref()));
    let server = tokio::spawn(serve::serve(listener, router, None, shutdown.clone()));
    let stop = async {
        let [terminate, interrupt] = &mut stops[..] else { return };
        tokio::select! { _ = terminate.recv() => (), _ = interrupt.recv() => () }
    };
    let load = |file: faults::File| {
        sandbox.load_faults(file.seed, file.dropbox);
        ledger_script.load(file.seed, file.ledger);
    };
    let follow = async {
        if let Some(path) = args.faults.clone() {
            faults::watch(path, load, shutdown.clone()).await;
        }
        std::future::pending::<()>().await;
    };
    let ready = async {
        sandbox.ready().await.map_err(|error| Failure::transient(error.to_string()))?;
        print_ready(&url, &sandbox, &access, &config);
        std::future::pending().await
    };
    // In this order: the faults are in force before anyone is told the address.
    let end = tokio::select! {
        biased;
        () = stop => Ok(()),
        () = follow => Ok(()),
        end = ready => end,
    };
    shutdown.cancel();
    // Longpolls would wait for longer than anyone who ends the sandbox.
    let _ = tokio::time::timeout(LAST_REQUESTS, server).await;
    end
}

fn address(listener: &TcpListener) -> Result<String, Failure> {
    let address = listener.local_addr().map_err(|error| Failure::transient(format!("no local address: {error}")))?;
    Ok(format!("http://{address}"))
}

fn logged(server: &'static str, router: Router, log: Option<&Log>) -> Router {
    match log {
        Some(log) => log.around(server, router),
        None => router,
    }
}

/// What signs in to the ledger.
#[derive(Debug, Serialize, Deserialize)]
struct Access {
    client_id: String,
    client_secret: String,
}

/// Opens the ledger, with one tenancy whose credentials are kept in the state (the ledger itself keeps only their hash).
fn open_ledger(state: &Path, url: &str, script: Script) -> Result<(Ledger, Access), Failure> {
    let options =
        ledger::Options { public_url: Some(url.to_owned()), script, ..ledger::Options::new(state.join("ledger")) };
    let failure = |error: ledger::Error| Failure::transient(format!("the ledger: {error}"));
    let ledger = Ledger::open(options).map_err(failure)?;
    let file = state.join("tenancy.json");
    if let Some(access) = fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok()) {
        return Ok((ledger, access));
    }
    // The name is taken only if we were killed before the credentials were stored.
    let made = ledger.add_tenancy("sandbox", None);
    let made =
        made.or_else(|_| ledger.add_tenancy(&format!("sandbox-{}", uuid::Uuid::new_v4()), None)).map_err(failure)?;
    let access = Access { client_id: made.client_id, client_secret: made.client_secret };
    let text = serde_json::to_string(&access).unwrap_or_default();
    write_private(&file, &text).map_err(|error| Failure::transient(format!("{}: {error}", file.display())))?;
    Ok((ledger, access))
}

#[allow(clippy::print_stderr)]
fn tell_code(code: &str) {
    eprintln!("authorization code: {code}");
}

#[allow(clippy::print_stdout)]
fn print_ready(url: &str, sandbox: &Sandbox, ledger: &Access, config: &Path) {
    let credentials = sandbox.credentials();
    let line: Value = json!({
        "dropbox": {
            "api_url": url, "content_url": url, "notify_url": url, "www_url": url,
            "app_key": credentials.app_key, "refresh_token": credentials.refresh_token,
        },
        "ledger": {"url": url, "client_id": ledger.client_id, "client_secret": ledger.client_secret},
        "config": config,
    });
    println!("{line}");
}

/// A text as a TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn write_config(state: &Path, url: &str, sandbox: &Sandbox, ledger: &Access) -> Result<PathBuf, Failure> {
    let own = state.join("droptrail");
    let fail = |path: &Path, error: std::io::Error| Failure::transient(format!("{}: {error}", path.display()));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&own).map_err(|error| fail(&own, error))?;
    let credentials = sandbox.credentials();
    let secret = own.join("sandbox.secret");
    let config = state.join("config.toml");
    let url = quoted(url);
    let text = format!(
        "# Written by `droptrail sandbox` each time it starts.\n\
         state_dir = {own}\n\n\
         [dropbox]\napp_key = {app_key}\nrefresh_token_file = \"dropbox.token\"\n\
         api_url = {url}\ncontent_url = {url}\nnotify_url = {url}\nwww_url = {url}\n\
         longpoll = \"30s\"\npoll = \"30s\"\n\n\
         [[tenancy]]\nname = \"sandbox\"\nurl = {url}\nclient_id = {client_id}\nclient_secret_file = {secret_file}\n\n\
         [[link]]\nfolder = \"/\"\ntenancy = \"sandbox\"\n\n\
         [publish]\nsettle = \"5s\"\n\n\
         [retry]\ninitial = \"200ms\"\nmax = \"10s\"\n",
        own = quoted(&own.to_string_lossy()),
        app_key = quoted(&credentials.app_key),
        client_id = quoted(&ledger.client_id),
        secret_file = quoted(&secret.to_string_lossy()),
    );
    let token = own.join("dropbox.token");
    for (path, text) in
        [(&token, credentials.refresh_token + "\n"), (&secret, ledger.client_secret.clone() + "\n"), (&config, text)]
    {
        write_private(path, &text).map_err(|error| fail(path, error))?;
    }
    Ok(config)
}
