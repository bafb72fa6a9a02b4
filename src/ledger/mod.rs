//! The embedded ledger: a DataTrails-compatible server over SQLite, for those who have no hosted tenancy.
//!
//! A real, persistent, append-only store: one writer thread groups waiting writes into one durable commit, a committer takes
//! records through their life, readers have connections of their own. `http` is the API, `serve` puts it on a socket; the
//! sandbox merges [`Ledger::router`] with its own routes. Touches its data directory and the listener it is given.

mod accounts;
mod api;
mod attributes;
mod committer;
mod create;
mod error;
pub mod faults;
mod http;
mod limiter;
mod query;
mod readers;
mod records;
mod schema;
pub mod sequence;
pub mod serve;
mod terms;
mod time;
mod token;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _};

pub use accounts::{Credentials, Tenancy};
pub use error::Error;

/// How a ledger is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data directory; made if it is not there.
    pub data: PathBuf,
    /// Base URL for the links it hands out; the request's `Host` when `None`.
    pub public_url: Option<String>,
    /// How long after its acceptance a record is COMMITTED, about.
    pub commit_delay: Duration,
    /// How long an access token lasts.
    pub token_ttl: Duration,
    /// Faults to simulate; an empty script for none.
    pub script: faults::Script,
}

impl Options {
    /// The defaults: commits within 50 ms, tokens for an hour, no faults.
    pub fn new(data: impl Into<PathBuf>) -> Options {
        Options {
            data: data.into(),
            public_url: None,
            commit_delay: Duration::from_millis(50),
            token_ttl: Duration::from_secs(3600),
            script: faults::Script::default(),
        }
    }
}

/// What requests share.
#[derive(Debug)]
struct Shared {
    writer: Arc<writer::Writer>,
    readers: Arc<readers::Readers>,
    bell: Mutex<Option<SyncSender<()>>>,
    key: token::Key,
    limiter: limiter::Limiter,
    script: faults::Script,
    token_ttl: Duration,
    public_url: RwLock<Option<String>>,
}

impl Shared {
    /// Tells the committer that there is work.
    fn ring(&self) {
        if let Some(bell) = self.bell.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            let _ = bell.try_send(());
        }
    }
}

/// A running ledger: the store with its writer and its committer. Closed when dropped.
#[derive(Debug)]
pub struct Ledger {
    shared: Arc<Shared>,
    committer: Mutex<Option<JoinHandle<()>>>,
    _lock: std::fs::File,
}

impl Ledger {
    /// Opens (or makes) the ledger in `options.data` and starts its writer and committer.
    ///
    /// # Errors
    /// [`Error::Locked`] if another ledger runs on that directory; otherwise if directory or database cannot be used.
    pub fn open(options: Options) -> Result<Ledger, Error> {
        prepare(&options.data)?;
        let lock = lock(&options.data)?;
        let connection = schema::open(&options.data)?;
        let key = signing_key(&connection)?;
        let writer = Arc::new(writer::Writer::start(connection)?);
        let (bell, rung) = sync_channel(1);
        let committer = {
            let (writer, script, delay) = (Arc::clone(&writer), options.script.clone(), options.commit_delay);
            std::thread::Builder::new()
                .name("ledger-committer".into())
                .spawn(move || committer::run(&writer, &rung, delay, &script))
                .map_err(Error::io("start the thread", "ledger-committer"))?
        };
        let shared = Shared {
            writer,
            readers: Arc::new(readers::Readers::new(options.data)),
            bell: Mutex::new(Some(bell)),
            key,
            limiter: limiter::Limiter::new(),
            script: options.script,
            token_ttl: options.token_ttl,
            public_url: RwLock::new(options.public_url.map(without_slash)),
        };
        Ok(Ledger { shared: Arc::new(shared), committer: Mutex::new(Some(committer)), _lock: lock })
    }

    /// All routes of the API, for [`serve::serve`] or for merging with others. Unknown paths are left to a fallback.
    pub fn router(&self) -> axum::Router {
        http::router(&self.shared)
    }

    /// Sets the base URL for links, as soon as it is known.
    pub fn set_public_url(&self, url: impl Into<String>) {
        *self.shared.public_url.write().unwrap_or_else(PoisonError::into_inner) = Some(without_slash(url.into()));
    }

    /// Makes a tenancy. May block for a moment.
    ///
    /// # Errors
    /// [`Error::Tenancy`] if the name is taken or unusable; otherwise if it could not be stored.
    pub fn add_tenancy(&self, name: &str, domain: Option<&str>) -> Result<Credentials, Error> {
        let (name, domain) = (name.to_owned(), domain.map(str::to_owned));
        self.shared.writer.write_blocking(move |connection| accounts::add(connection, &name, domain.as_deref()))
    }

    /// Sets a tenancy's verified domain; empty takes it away. May block for a moment.
    ///
    /// # Errors
    /// [`Error::Tenancy`] if there is no such tenancy or the domain is none.
    pub fn set_domain(&self, name: &str, domain: &str) -> Result<(), Error> {
        let (name, domain) = (name.to_owned(), domain.to_owned());
        self.shared.writer.write_blocking(move |connection| accounts::set_domain(connection, &name, &domain))
    }

    /// All tenancies, oldest first. May block for a moment.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn tenancies(&self) -> Result<Vec<Tenancy>, Error> {
        self.shared.writer.write_blocking(accounts::list)
    }

    /// Ends writer and committer after what waits is done. Requests that come later are refused.
    pub fn close(&self) {
        drop(self.shared.bell.lock().unwrap_or_else(PoisonError::into_inner).take());
        let committer = self.committer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(committer) = committer {
            let _ = committer.join();
        }
        self.shared.readers.close();
        self.shared.writer.close();
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.close();
    }
}

/// The operator's access to a ledger's tenancies, also beside a running ledger.
#[derive(Debug)]
pub struct Operator(Connection);

impl Operator {
    /// Opens the ledger's database in `data`, made if it is not there.
    ///
    /// # Errors
    /// If directory or database cannot be used.
    pub fn open(data: &Path) -> Result<Operator, Error> {
        prepare(data)?;
        Ok(Operator(schema::open(data)?))
    }

    /// Makes a tenancy, usable at once.
    ///
    /// # Errors
    /// [`Error::Tenancy`] if the name is taken or unusable; otherwise if it could not be stored.
    pub fn add_tenancy(&self, name: &str, domain: Option<&str>) -> Result<Credentials, Error> {
        accounts::add(&self.0, name, domain)
    }

    /// Sets the verified domain; empty takes it away.
    ///
    /// # Errors
    /// [`Error::Tenancy`] if there is no such tenancy or the domain is none.
    pub fn set_domain(&self, name: &str, domain: &str) -> Result<(), Error> {
        accounts::set_domain(&self.0, name, domain)
    }

    /// All tenancies, oldest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn tenancies(&self) -> Result<Vec<Tenancy>, Error> {
        accounts::list(&self.0)
    }
}

/// Makes the data directory, for its owner only.
fn prepare(data: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(Error::io("make the directory", data))
}

/// Makes sure that only one ledger serves the directory. The lock goes with the process, however it ends.
fn lock(data: &Path) -> Result<std::fs::File, Error> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = data.join("lock");
    let file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = file.map_err(Error::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::Locked(data.to_owned())),
        Err(std::fs::TryLockError::Error(error)) => Err(Error::io("lock", path)(error)),
    }
}

/// The key that signs tokens, made at the first start.
fn signing_key(connection: &Connection) -> Result<token::Key, Error> {
    let fresh: [u8; 32] = rand::random();
    connection.execute("INSERT OR IGNORE INTO keys (name, value) VALUES ('signing', ?1)", [fresh.as_slice()])?;
    let stored: Option<Vec<u8>> =
        connection.query_row("SELECT value FROM keys WHERE name = 'signing'", [], |row| row.get(0)).optional()?;
    let key = stored.and_then(|key| <[u8; 32]>::try_from(key).ok());
    key.map(token::Key).ok_or_else(|| Error::Corrupt("the signing key".into()))
}

fn without_slash(url: String) -> String {
    url.trim_end_matches('/').to_owned()
}
