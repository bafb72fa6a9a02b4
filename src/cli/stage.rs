//! A simulated Dropbox over a local folder with a ledger beside it, on one loopback address, and a configuration that
//! points at both: what `sandbox` serves and `demo` plays on.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Failure;
use crate::ledger::faults::{self, Script};
use crate::ledger::{self, Ledger, serve};
use crate::sandbox::log::Log;
use crate::sandbox::{Options, Sandbox, loopback_only, write_private};

/// How long requests in flight may take at the end: longpolls would wait for longer than anyone who ends us.
const LAST_REQUESTS: Duration = Duration::from_millis(700);

/// What a stage is made of.
pub(super) struct StageOptions {
    /// The root of the simulated Dropbox.
    pub folder: PathBuf,
    /// Where identities, contents, ledger and configuration are kept.
    pub state: PathBuf,
    /// Loopback; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The fault script, followed as it changes.
    pub faults: Option<PathBuf>,
    /// One line for each request goes here.
    pub log: Option<PathBuf>,
    /// Life of an access token of the simulated Dropbox, seconds (Dropbox's own: 14400).
    pub expires_in: u64,
    /// Synthetic files beside the real ones.
    pub entries: u64,
    /// The account is a team member's.
    pub team: bool,
}

impl StageOptions {
    pub fn new(folder: &Path, state: &Path) -> StageOptions {
        StageOptions {
            folder: folder.to_owned(),
            state: state.to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            faults: None,
            log: None,
            expires_in: 14_400,
            entries: 0,
            team: false,
        }
    }
}

/// What signs in to the ledger.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Access {
    pub client_id: String,
    pub client_secret: String,
}

/// Both services, running.
pub(super) struct Stage {
    /// Base URL of both.
    pub url: String,
    /// A ready configuration for `droptrail run`.
    pub config: PathBuf,
    pub access: Access,
    pub sandbox: Arc<Sandbox>,
    _ledger: Ledger,
    server: JoinHandle<()>,
    shutdown: CancellationToken,
}

impl Stage {
    /// Opens both and serves them.
    pub async fn open(options: StageOptions) -> Result<Stage, Failure> {
        let log = options.log.as_deref().map(Log::open).transpose();
        let log = log.map_err(|error| Failure::person(format!("--log: {error}")))?;
        let listener = TcpListener::bind(options.listen).await;
        let listener = listener.map_err(|error| Failure::transient(format!("--listen {}: {error}", options.listen)))?;
        let address =
            listener.local_addr().map_err(|error| Failure::transient(format!("no local address: {error}")))?;
        let url = format!("http://{address}");
        let script = Script::default();
        let (ledger, access) = open_ledger(&options.state, &url, script.clone())?;
        let dropbox = Options {
            expires_in: options.expires_in,
            entries: options.entries,
            team: options.team,
            on_code: Arc::new(tell_code),
            ..Options::new(&options.folder, options.state.join("dropbox"))
        };
        let sandbox = Arc::new(Sandbox::open(dropbox).map_err(|error| Failure::person(error.to_string()))?);
        let config = write_config(&options.state, &url, &sandbox, &access)?;
        let shutdown = CancellationToken::new();
        if let Some(path) = &options.faults {
            follow(path, sandbox.clone(), script, shutdown.clone())?;
        }
        // One address for everything: what the ledger has no route for is the Dropbox's.
        let router = logged("ledger", loopback_only(ledger.router()), log.as_ref());
        let router = router.merge(logged("dropbox", sandbox.router(), log.as_ref()));
        let server = tokio::spawn(serve::serve(listener, router, None, shutdown.clone()));
        Ok(Stage { url, config, access, sandbox, _ledger: ledger, server, shutdown })
    }

    /// Waits until the folder has been seen whole.
    pub async fn ready(&self) -> Result<(), Failure> {
        self.sandbox.ready().await.map_err(|error| Failure::transient(error.to_string()))
    }

    /// Ends both, within a second.
    pub async fn close(self) {
        self.shutdown.cancel();
        let _ = tokio::time::timeout(LAST_REQUESTS, self.server).await;
    }
}

/// Puts the faults in force before anybody is told the address, and follows the file as it changes.
fn follow(path: &Path, sandbox: Arc<Sandbox>, script: Script, shutdown: CancellationToken) -> Result<(), Failure> {
    let (watch, first) = faults::Watch::open(path).map_err(|error| Failure::person(format!("--faults: {error}")))?;
    let load = move |file: faults::File| {
        sandbox.load_faults(file.seed, file.dropbox);
        script.load(file.seed, file.ledger);
    };
    load(first);
    tokio::spawn(watch.run(load, shutdown));
    Ok(())
}

fn logged(server: &'static str, router: Router, log: Option<&Log>) -> Router {
    match log {
        Some(log) => log.around(server, router),
        None => router,
    }
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

#[allow(clippy::print_stderr, reason = "the sandbox's terminal is where a person reads the code")]
fn tell_code(code: &str) {
    eprintln!("authorization code: {code}");
}

/// A text as a TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn write_config(state: &Path, url: &str, sandbox: &Sandbox, ledger: &Access) -> Result<PathBuf, Failure> {
    let own = state.join("droptrail");
    let fail = |path: &Path, error: std::io::Error| Failure::transient(format!("{}: {error}", path.display()));
    fs::create_dir_all(&own).map_err(|error| fail(&own, error))?;
    let credentials = sandbox.credentials();
    let secret = own.join("sandbox.secret");
    let config = state.join("config.toml");
    let url = quoted(url);
    let text = format!(
        "# Written each time that the sandbox starts.\n\
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
