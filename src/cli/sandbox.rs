//! `droptrail sandbox`: a simulated Dropbox over a local folder, with a ledger beside it, on one loopback address.

use std::fs;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::stage::{Stage, StageOptions};
use super::{Failure, Global, Output};
use crate::sandbox::fault_help;

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
    let colours = std::io::stderr().is_terminal();
    let _ = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(colours).with_target(false).try_init();
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
    let stage = Stage::open(StageOptions {
        folder: args.folder,
        state,
        listen: args.listen,
        faults: args.faults,
        log: args.log,
        expires_in: args.expires_in,
        entries: args.entries,
        team: args.team,
    })
    .await?;
    let stop = async {
        let [terminate, interrupt] = &mut stops[..] else { return };
        tokio::select! { _ = terminate.recv() => (), _ = interrupt.recv() => () }
    };
    let ready = async {
        stage.ready().await?;
        print_ready(&stage)?;
        std::future::pending().await
    };
    let end = tokio::select! { () = stop => Ok(()), end = ready => end };
    stage.close().await;
    end
}

/// One line, that a script can wait for.
fn print_ready(stage: &Stage) -> Result<(), Failure> {
    let (credentials, url) = (stage.sandbox.credentials(), &stage.url);
    let mut out = Output::stdout();
    out.json_line(&json!({
        "dropbox": {
            "api_url": url, "content_url": url, "notify_url": url, "www_url": url,
            "app_key": credentials.app_key, "refresh_token": credentials.refresh_token,
        },
        "ledger": {"url": url, "client_id": stage.access.client_id, "client_secret": stage.access.client_secret},
        "config": stage.config,
    }))?;
    out.flush()
}
