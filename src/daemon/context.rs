//! What every task of a shift is given.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::conditions::Conditions;
use crate::config::{Config, Environment, Hash, Names};
use crate::observe::Happening;
use crate::retry::Backoff;
use crate::store::{Policy, Store};

/// Something that was recorded, for those who watch a run from inside the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What happened.
    pub kind: NoticeKind,
    /// The tenancy's name.
    pub tenancy: String,
    /// Where the file is, for people of this machine.
    pub path: String,
    /// The asset's uuid.
    pub asset: String,
    /// `document_version`.
    pub document_version: u64,
    /// `document_hash_value`, hex.
    pub document_hash_value: String,
}

/// The kind of a [`Notice`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    /// A new asset.
    Registered,
    /// A Publish event.
    Published,
}

/// Shared by the tasks of one shift. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub config: Arc<Config>,
    pub environment: Arc<Environment>,
    pub store: Store,
    pub conditions: Conditions,
    /// Ends the shift.
    pub stop: CancellationToken,
    /// Rung when there may be work for hasher, publishers, settlers and confirmers.
    pub work: watch::Sender<u64>,
    /// Rung at SIGHUP: whatever waits for a person or slowly tries, tries now.
    pub nudge: watch::Sender<u64>,
    /// The account that the database belongs to, once known.
    pub account: watch::Sender<Option<String>>,
    /// A token of that account was admitted in this process.
    pub admitted: Arc<AtomicBool>,
    pub notices: Option<mpsc::Sender<Notice>>,
}

impl Context {
    /// There may be work.
    pub fn ring(&self) {
        self.work.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// A fresh series of failures under the configured policy.
    pub fn backoff(&self) -> Backoff {
        Backoff::new(self.config.retry)
    }

    /// How versions are queued.
    pub fn policy(&self) -> Policy {
        Policy {
            dropbox_hash: self.config.publish.hash == Hash::Dropbox,
            clear_names: self.config.publish.names == Names::Clear,
            hold_above: self.config.publish.hold_above,
        }
    }

    /// Sleeps, but not beyond the end of the shift nor a SIGHUP. `false`: the shift is over.
    pub async fn pause(&self, wait: Duration) -> bool {
        self.pause_until(Instant::now() + wait).await
    }

    /// As [`Context::pause`].
    pub async fn pause_until(&self, until: Instant) -> bool {
        let mut nudge = self.nudge.subscribe();
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep_until(until) => true,
            _ = nudge.changed() => true,
        }
    }

    /// Says, where it is worth a line, that a service is waited for and until when.
    pub fn say_waiting(&self, service: &str, wait: Duration, why: &str) {
        if wait >= Duration::from_secs(1) {
            Happening::Waiting { service, until: wall(wait), why }.emit();
        }
    }

    /// The account, once it is known. `None`: the shift is over.
    pub async fn known_account(&self) -> Option<String> {
        let mut account = self.account.subscribe();
        tokio::select! {
            () = self.stop.cancelled() => None,
            found = account.wait_for(Option::is_some) => found.ok().and_then(|found| found.clone()),
        }
    }
}

/// The wall-clock time at which a wait ends, for people.
pub(super) fn wall(wait: Duration) -> jiff::Timestamp {
    let now = jiff::Timestamp::now();
    let wait = jiff::SignedDuration::try_from(wait).unwrap_or(jiff::SignedDuration::from_hours(24));
    now.checked_add(wait).unwrap_or(now)
}

/// As [`wall`], as the store and `status` show it.
pub(super) fn wall_text(wait: Duration) -> String {
    format!("{:.0}", wall(wait))
}
