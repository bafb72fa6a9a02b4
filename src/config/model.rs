//! What the daemon is told, as validated types: the rest of the program relies on what is promised here and checks
//! nothing again. Pure data; touches nothing.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::retry::Policy;

/// Everything that the daemon is told. All paths are absolute, all URLs without a trailing slash.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The file that this was read from.
    pub file: PathBuf,
    /// Where the database, the lock and the Dropbox refresh token live.
    pub state_dir: PathBuf,
    /// The Dropbox side.
    pub dropbox: Dropbox,
    /// The tenancies, by unique name.
    pub tenancies: Vec<Tenancy>,
    /// The links: one linked folder in one tenancy each.
    pub links: Vec<Link>,
    /// What is published, and how.
    pub publish: Publish,
    /// `[retry]`.
    pub retry: Policy,
    /// `[log]`.
    pub log: Log,
}

impl Config {
    /// The tenancy of that name.
    pub fn tenancy(&self, name: &str) -> Option<&Tenancy> {
        self.tenancies.iter().find(|tenancy| tenancy.name == name)
    }
}

/// `[dropbox]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Dropbox {
    /// The app key (public).
    pub app_key: String,
    /// File that holds the refresh token.
    pub refresh_token_file: PathBuf,
    /// Only for an app authorised without PKCE.
    pub app_secret_file: Option<PathBuf>,
    /// Which namespace paths are relative to.
    pub root: Root,
    /// Base of RPC routes and of the token endpoint.
    pub api_url: Url,
    /// Base of download routes.
    pub content_url: Url,
    /// Base of the longpoll route.
    pub notify_url: Url,
    /// Base of the authorize page.
    pub www_url: Url,
    /// How long one longpoll lasts, 30 s to 8 min (server jitter not included).
    pub longpoll: Duration,
    /// The unprompted look.
    pub poll: Duration,
    /// Deadline of an RPC; idle deadline of a download.
    pub timeout: Duration,
    /// A further certificate authority (PEM).
    pub ca_file: Option<PathBuf>,
}

/// `dropbox.root`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// The team's root where there is one.
    Auto,
    /// The member's home namespace.
    Home,
    /// A namespace id.
    Namespace(String),
}

/// `[[tenancy]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Tenancy {
    /// Our name for it.
    pub name: String,
    /// Base URL.
    pub url: Url,
    /// Client id of the custom integration.
    pub client_id: String,
    /// File that holds the client secret, already resolved.
    pub client_secret_file: PathBuf,
    /// Deadline of a request.
    pub timeout: Duration,
    /// A further certificate authority (PEM).
    pub ca_file: Option<PathBuf>,
}

/// `[[link]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Path of the folder as configured; `/` is the whole Dropbox.
    pub folder: String,
    /// Name of the tenancy.
    pub tenancy: String,
    /// Globs below the folder, matched case-insensitively; `*` does not cross `/`. Valid globs.
    pub exclude: Vec<String>,
}

/// `[publish]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// Which hash is published.
    pub hash: Hash,
    /// Publish real file names.
    pub names: Names,
    /// Requests to a tenancy at a time, at least 1.
    pub concurrency: usize,
    /// Files hashed at a time, at least 1.
    pub downloads: usize,
    /// How long answered look-ups must miss a record before its absence is believed.
    pub settle: Duration,
    /// A listing that would register more files waits for approval; 0 never holds.
    pub hold_above: u64,
}

impl Default for Publish {
    fn default() -> Self {
        Publish {
            hash: Hash::Sha256,
            names: Names::Masked,
            concurrency: 8,
            downloads: 4,
            settle: Duration::from_secs(120),
            hold_above: 10_000,
        }
    }
}

/// `publish.hash`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256 of the content, which is read for it.
    Sha256,
    /// Dropbox's own content hash: metadata only.
    Dropbox,
}

/// `publish.names`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// `xxx...`
    Masked,
    /// The file's name, for ever.
    Clear,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Level directive.
    pub level: String,
    /// Format.
    pub format: LogFormat,
    /// Whether file paths may appear in the local log.
    pub paths: bool,
}

impl Default for Log {
    fn default() -> Self {
        Log { level: "info".into(), format: LogFormat::Auto, paths: true }
    }
}

/// `log.format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// The journal's native protocol under systemd, else text.
    Auto,
    /// Text on standard error.
    Text,
    /// One JSON object a line on standard error.
    Json,
}
