//! A simulated Dropbox over a real local folder, with fault switches. The folder is the root of one account's Dropbox; what
//! happens in it becomes revisions, moves and deletions, told by the same routes, in the same shapes and as strictly as Dropbox
//! tells them. Touches the folder (reading only), its own state directory, and the requests that its router is given.

mod account;
mod args;
mod auth;
mod blobs;
mod bulk;
mod cursor;
mod cut;
mod db;
mod download;
mod facts;
mod faults;
mod files;
mod hashing;
mod listing;
pub mod log;
mod longpoll;
mod mangle;
mod names;
mod oauth;
mod reply;
mod scan;
mod seal;
mod server;
mod tree;
mod view;
mod watch;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

pub use account::write_private;
pub use facts::Error;
pub use faults::help as fault_help;
pub use server::{OnCode, loopback_only};

use self::watch::{Message, Readiness};
use crate::ledger::faults::{Rule, Script};

/// What a sandbox is made of.
#[derive(Clone)]
pub struct Options {
    /// The local folder: the root of the simulated Dropbox.
    pub folder: PathBuf,
    /// Where ids, revisions, contents and credentials are kept; outside the folder.
    pub state: PathBuf,
    /// The fault script; see [`Sandbox::load_faults`].
    pub script: Script,
    /// Life of an access token, seconds (Dropbox's own: 14400).
    pub expires_in: u64,
    /// How many synthetic files there are in `/bulk`.
    pub entries: u64,
    /// The account is a team member's: the folder is the team's root, and `Sandbox User` in it is the home.
    pub team: bool,
    /// Told each authorization code; the authorize page never shows one.
    pub on_code: OnCode,
}

impl Options {
    /// A personal account over `folder`, without faults.
    pub fn new(folder: impl Into<PathBuf>, state: impl Into<PathBuf>) -> Options {
        Options {
            folder: folder.into(),
            state: state.into(),
            script: Script::default(),
            expires_in: 14_400,
            entries: 0,
            team: false,
            on_code: Arc::new(|_| ()),
        }
    }
}

/// What a client needs to sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The app key.
    pub app_key: String,
    /// The app secret, for clients without PKCE.
    pub app_secret: String,
    /// A refresh token with all scopes.
    pub refresh_token: String,
    /// `dbid:…`
    pub account_id: String,
}

/// A simulated Dropbox.
pub struct Sandbox {
    app: Arc<server::App>,
    scanner: watch::Handle,
    ready: tokio::sync::watch::Receiver<Readiness>,
}

impl Sandbox {
    /// Opens or makes the state and begins to look at the folder.
    ///
    /// # Errors
    /// If the folder or the state cannot be read or written, or one lies within the other.
    pub fn open(options: Options) -> Result<Sandbox, Error> {
        let folder = options.folder.canonicalize().map_err(Error::io(&options.folder))?;
        std::fs::create_dir_all(&options.state).map_err(Error::io(&options.state))?;
        let state = options.state.canonicalize().map_err(Error::io(&options.state))?;
        if state.starts_with(&folder) {
            return Err(Error::Other(format!("the state directory {} lies within the folder", state.display())));
        }
        let credentials = state.join("credentials.json");
        let identity = account::Identity::open(&credentials)?;
        let blob_dir = state.join("blobs");
        let blobs = Arc::new(blobs::Blobs::open(blob_dir.clone()).map_err(Error::io(&blob_dir))?);
        let file = state.join("sandbox.db");
        let writer = db::Db::open(&file)?;
        let (news, newest) = tokio::sync::watch::channel(writer.newest()?);
        let reserved = (options.entries > 0).then_some(bulk::FOLDER);
        let scanner =
            scan::Scanner::open(writer, folder.clone(), Arc::clone(&blobs), options.script.clone(), news, reserved)?;
        let app = Arc::new(server::App {
            account_id: identity.account_id.clone(),
            key: identity.key.clone(),
            auth: auth::Auth::new(identity, credentials, options.expires_in),
            db: Mutex::new(db::Db::open(&file)?),
            blobs,
            script: options.script,
            newest,
            bulk: options.entries,
            cache: listing::Cache::default(),
            namespaces: Mutex::new(account::Namespaces::new(options.team)),
            on_code: options.on_code,
        });
        let (sender, ready) = tokio::sync::watch::channel(Readiness::Looking);
        let scanner = watch::start(scanner, folder, sender)?;
        Ok(Sandbox { app, scanner, ready })
    }

    /// The routes of all four hosts.
    pub fn router(&self) -> axum::Router {
        server::router(Arc::clone(&self.app))
    }

    /// What a client needs to sign in.
    pub fn credentials(&self) -> Credentials {
        let identity = self.app.auth.identity();
        Credentials {
            app_key: identity.app_key,
            app_secret: identity.app_secret,
            refresh_token: identity.refresh_token,
            account_id: identity.account_id,
        }
    }

    /// Replaces the fault rules; rules that are deeds rather than conditions (`share_conversion`) are done once, now.
    pub fn load_faults(&self, seed: u64, rules: Vec<Rule>) {
        for rule in rules.iter().filter(|rule| !faults::KNOWN.iter().any(|(name, _)| *name == rule.fault)) {
            tracing::warn!(fault = rule.fault, "the simulated Dropbox has no such fault; the rule will never strike");
        }
        for rule in rules.iter().filter(|rule| rule.fault == "share_conversion") {
            self.scanner.tell(Message::ShareConversion(rule.text.clone().unwrap_or_default()));
        }
        self.app.script.load(seed, rules);
    }

    /// Waits until the folder has been looked at once.
    ///
    /// # Errors
    /// If it could not be.
    pub async fn ready(&self) -> Result<(), Error> {
        let mut ready = self.ready.clone();
        let state = ready.wait_for(|state| *state != Readiness::Looking).await;
        match state.map(|state| state.clone()) {
            Ok(Readiness::Failed(error)) => Err(Error::Other(error)),
            Ok(_) => Ok(()),
            Err(_) => Err(Error::Other("the scanner has ended".to_owned())),
        }
    }

    /// Ends the scanner. The state can be opened again at once.
    pub fn close(mut self) {
        self.scanner.stop();
    }
}
