//! The supervisor: lock, database, signals, reload, and one shift after another.
//!
//! A reload that changes something ends the shift (what is in flight is finished, bounded) and begins another under the
//! new configuration: every task takes up from the store, so that a change can lose nothing.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::conditions::Conditions;
use super::context::{Context, Notice};
use super::lock::{Lock, LockError};
use super::{session, tenancy};
use crate::config::{self, Config, Environment};
use crate::observe::{self, Code, Happening, notify};
use crate::store::{self, Found, LinkWanted, OpenError, Request, Store, TenancyWanted};

/// What an operator may ask of a running daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM, SIGINT: stop taking work, let requests in flight finish, exit 0.
    Stop,
    /// SIGHUP: read the configuration again and look for requests.
    Reload,
    /// SIGUSR1: log a summary now.
    Summary,
}

/// What a run is given beside its configuration.
pub struct Options {
    /// Where signals come from.
    pub signals: mpsc::Receiver<Signal>,
    /// Reads the configuration again.
    pub reload: Box<dyn Fn() -> Result<Config, config::Error> + Send + Sync>,
    /// The process environment, as far as it matters.
    pub environment: Environment,
    /// Told of each record, where somebody in this process watches.
    pub notices: Option<mpsc::Sender<Notice>>,
}

/// Why a run ended badly.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Another daemon holds the state, or it cannot be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The database cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database failed when it was set up.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The database belongs to another Dropbox account than the refresh token.
    #[error("the database belongs to Dropbox account {stored}, but the refresh token is of {named}")]
    Foreign {
        /// What it belongs to.
        stored: String,
        /// What the token names.
        named: String,
    },
}

/// In-flight requests and downloads get this long to finish when a shift ends; systemd is told to wait longer.
const GRACE: Duration = Duration::from_millis(1800);
/// The status line is renewed so often.
const STATUS: Duration = Duration::from_secs(5);
/// A line in the log so often, when there was anything to do.
const SUMMARY: Duration = Duration::from_secs(3600);

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// See [`Failure`]: only what a person must mend, or another daemon on the same state. Outages never end a run.
pub async fn run(config: Config, mut options: Options) -> Result<(), Failure> {
    let lock = Lock::take(&config.state_dir)?;
    let (store, found) = Store::open(&config.state_dir)?;
    store.conditions_clear().await?;
    let conditions = Conditions::new(store.clone());
    let mut supervisor = Supervisor {
        config: Arc::new(config),
        environment: Arc::new(options.environment.clone()),
        store: store.clone(),
        conditions,
        work: watch::channel(0).0,
        nudge: watch::channel(0).0,
        account: watch::channel(store.account().await?).0,
        admitted: Arc::default(),
        notices: options.notices.take(),
        summarised: String::new(),
    };
    let ended = supervisor.shifts(&mut options, found).await;
    Happening::Stopping.emit();
    drop(supervisor);
    store.close().await;
    drop(lock);
    ended
}

struct Supervisor {
    config: Arc<Config>,
    environment: Arc<Environment>,
    store: Store,
    conditions: Conditions,
    work: watch::Sender<u64>,
    nudge: watch::Sender<u64>,
    account: watch::Sender<Option<String>>,
    admitted: Arc<AtomicBool>,
    notices: Option<mpsc::Sender<Notice>>,
    summarised: String,
}

enum ShiftEnd {
    Stop,
    Reconfigured,
}

impl Supervisor {
    async fn shifts(&mut self, options: &mut Options, found: Found) -> Result<(), Failure> {
        let mut first = true;
        loop {
            while let Err(error) = self.sync().await {
                // A start says so and ends; a reload waits for the database.
                if first {
                    return Err(error.into());
                }
                self.conditions.store_failed(&error).await;
                tokio::select! {
                    signal = options.signals.recv() => if matches!(signal, None | Some(Signal::Stop)) { return Ok(()) },
                    () = tokio::time::sleep(Duration::from_secs(1)) => {}
                }
            }
            if first {
                first = false;
                notify::ready();
                let version = env!("CARGO_PKG_VERSION");
                let (links, tenancies) = (self.config.links.len(), self.config.tenancies.len());
                Happening::Started { version, links, tenancies }.emit();
                if found.unclean {
                    self.check_integrity();
                }
            }
            match self.shift(options).await? {
                ShiftEnd::Stop => return Ok(()),
                ShiftEnd::Reconfigured => {}
            }
        }
    }

    /// Brings the store in line with the configuration. What the last shift left in flight has an unknown outcome.
    async fn sync(&self) -> store::Result<()> {
        let tenancies = self.config.tenancies.iter().map(|tenancy| TenancyWanted {
            name: tenancy.name.clone(),
            url: tenancy.url.to_string().trim_end_matches('/').to_owned(),
            client_id: tenancy.client_id.clone(),
        });
        let links = self.config.links.iter().map(|link| LinkWanted {
            folder: link.folder.clone(),
            tenancy: link.tenancy.clone(),
            exclude: link.exclude.clone(),
        });
        let synced = self.store.sync(tenancies.collect(), links.collect()).await?;
        if synced.cancelled > 0 {
            let text = format!("unlinking cancelled {} publications that were not sent yet", synced.cancelled);
            Happening::Summary { text: &text }.emit();
        }
        self.store.doubt_in_flight().await?;
        let config = self.config.clone();
        self.conditions
            .forget_subjects(|_, subject| {
                subject.is_empty()
                    || subject == "dropbox"
                    || config.tenancy(subject).is_some()
                    || config.links.iter().any(|link| link.folder == subject)
            })
            .await;
        Ok(())
    }

    /// One shift: all tasks under one configuration, until it is to stop or the configuration changes.
    async fn shift(&mut self, options: &mut Options) -> Result<ShiftEnd, Failure> {
        let stop = CancellationToken::new();
        let context = Context {
            config: self.config.clone(),
            environment: self.environment.clone(),
            store: self.store.clone(),
            conditions: self.conditions.clone(),
            stop: stop.clone(),
            work: self.work.clone(),
            nudge: self.nudge.clone(),
            account: self.account.clone(),
            admitted: self.admitted.clone(),
            notices: self.notices.clone(),
        };
        self.requests().await;
        let mut tenancies: JoinSet<()> = JoinSet::new();
        for row in self.tenancies().await {
            if let Some(configured) = self.config.tenancy(&row.name).cloned() {
                tenancies.spawn(tenancy::run(context.clone(), configured, row));
            }
        }
        let mut dropbox = tokio::spawn(session::run(context.clone()));
        let mut status = tokio::time::interval(STATUS);
        status.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut summary = tokio::time::interval_at(Instant::now() + SUMMARY, SUMMARY);
        let mut foreign = None;
        let mut session_over = false;
        let end = loop {
            tokio::select! {
                signal = options.signals.recv() => match signal {
                    None | Some(Signal::Stop) => break ShiftEnd::Stop,
                    Some(Signal::Summary) => self.summarise(true).await,
                    Some(Signal::Reload) => if self.reload(options).await { break ShiftEnd::Reconfigured },
                },
                _ = status.tick() => self.status().await,
                _ = summary.tick() => self.summarise(false).await,
                // Not `is_finished`: a session that ended while another branch ran would never be heard.
                ended = &mut dropbox, if !session_over => {
                    session_over = true;
                    match ended {
                        Ok(session::End::Over) => {}
                        Ok(session::End::Foreign { stored, named }) => {
                            foreign = Some(Failure::Foreign { stored, named });
                            break ShiftEnd::Stop;
                        }
                        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
                    }
                }
                Some(ended) = tenancies.join_next() => if let Err(panic) = ended {
                    std::panic::resume_unwind(panic.into_panic());
                },
            }
        };
        if matches!(end, ShiftEnd::Stop) {
            notify::stopping();
        }
        stop.cancel();
        let finish = async {
            while tenancies.join_next().await.is_some() {}
            if !session_over {
                let _ = (&mut dropbox).await;
            }
        };
        let _ = tokio::time::timeout(GRACE, finish).await;
        tenancies.shutdown().await;
        dropbox.abort();
        foreign.map_or(Ok(end), Err)
    }

    /// The tenancies' rows; none while the database cannot be read, which is said.
    async fn tenancies(&self) -> Vec<store::Tenancy> {
        match self.store.tenancies().await {
            Ok(rows) => rows,
            Err(error) => {
                self.conditions.store_failed(&error).await;
                Vec::new()
            }
        }
    }

    /// SIGHUP. Whether the shift must end because the configuration changed.
    async fn reload(&mut self, options: &Options) -> bool {
        notify::reloading();
        let changed = match (options.reload)() {
            Err(error) => {
                let error = error.to_string();
                Happening::ReloadRefused { error: &error }.emit();
                self.conditions.begin(Code::ConfigInvalid, "", error).await;
                false
            }
            Ok(new) => {
                self.conditions.end(Code::ConfigInvalid, "").await;
                let keys = config::reload_differences(&self.config, &new);
                if keys.is_empty() {
                    self.conditions.end(Code::NeedsRestart, "").await;
                } else {
                    keys.iter().for_each(|key| Happening::NeedsRestart { key }.emit());
                    let text = format!("changed, but in force only after a restart: {}", keys.join(", "));
                    self.conditions.begin(Code::NeedsRestart, "", text).await;
                }
                let merged = config::with_reloadable(&self.config, &new);
                let changed = merged != *self.config;
                if changed {
                    observe::start(&merged.log);
                    self.config = Arc::new(merged);
                }
                Happening::Reloaded.emit();
                changed
            }
        };
        match self.store.unpark().await {
            Ok(_) => {}
            Err(error) => self.conditions.store_failed(&error).await,
        }
        self.requests().await;
        self.nudge.send_modify(|n| *n = n.wrapping_add(1));
        self.work.send_modify(|n| *n = n.wrapping_add(1));
        notify::ready();
        changed
    }

    /// Carries out what commands left in the database.
    async fn requests(&self) {
        let requests = match self.store.requests().await {
            Ok(requests) => requests,
            Err(error) => return self.conditions.store_failed(&error).await,
        };
        for (id, request) in requests {
            let done = match &request {
                Request::Approve(folder) => {
                    Happening::Approved { folder }.emit();
                    let approved = self.store.approve(folder).await.map(drop);
                    self.conditions.end(Code::PublicationsHeld, folder).await;
                    approved
                }
                Request::Retry => self.store.unpark().await.map(drop),
            };
            let written = match done {
                Ok(()) => self.store.request_done(id).await,
                Err(error) => Err(error),
            };
            if let Err(error) = written {
                self.conditions.store_failed(&error).await;
            }
        }
    }

    /// After an unclean end the database is checked, beside the work.
    fn check_integrity(&self) {
        let (conditions, dir) = (self.conditions.clone(), self.config.state_dir.clone());
        tokio::spawn(async move {
            let found = tokio::task::spawn_blocking(move || Store::check(&dir)).await;
            let trouble = match found {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => Some(error.to_string()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(text) = trouble {
                conditions.begin(Code::DatabaseDamaged, "", text).await;
            }
        });
    }

    /// One line that says how things stand.
    async fn line(&self) -> Option<String> {
        let tenancies = self.store.tenancies().await.ok()?;
        let mut words = vec![format!("{} linked", self.config.links.len())];
        for tenancy in tenancies {
            let counts = self.store.counts(tenancy.id).await.ok()?;
            let mut text = format!("{}: {} recorded", tenancy.name, counts.recorded + counts.confirmed);
            for (n, what) in [
                (counts.pending + counts.in_flight, "waiting"),
                (counts.uncertain, "uncertain"),
                (counts.parked, "parked"),
                (counts.unreadable, "unreadable"),
            ] {
                if n > 0 {
                    text.push_str(&format!(", {n} {what}"));
                }
            }
            words.push(text);
        }
        let conditions = self.conditions.summary();
        if !conditions.is_empty() {
            words.push(conditions);
        }
        Some(words.join("; "))
    }

    /// Renews the status line and feeds the watchdog: the store's answer is the proof of life.
    async fn status(&mut self) {
        let Ok(line) = tokio::time::timeout(STATUS, self.line()).await else { return };
        if let Some(line) = line {
            notify::status(&line);
            self.conditions.refresh().await;
        }
        notify::watchdog();
    }

    async fn summarise(&mut self, asked: bool) {
        let Some(line) = self.line().await else { return };
        if asked || line != self.summarised {
            Happening::Summary { text: &line }.emit();
            self.summarised = line;
        }
    }
}
