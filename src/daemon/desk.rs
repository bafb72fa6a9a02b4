//! What the tasks of one tenancy share: client, account, what the ledger's listings have proven, and how things are shown.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::context::{Context, Notice, NoticeKind, wall_text};
use crate::datatrails::{Client, Error, Kind, View};
use crate::observe::{Code, Happening};
use crate::store::{self, Publication, Recorded, Tenancy, TenancyId};

/// After so many failures in a row the trouble is shown.
const LASTING: u32 = 3;

/// What of a tenancy's ledger has shown a record of ours, and who the tenancy is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Proven {
    /// Its own listing.
    pub own: bool,
    /// The public listing.
    pub public: bool,
    /// `tenant/<uuid>`.
    pub identity: Option<String>,
}

impl Proven {
    /// Some listing has shown a record of ours.
    pub fn any(&self) -> bool {
        self.own || self.public
    }
}

/// Shared by the three tasks of a tenancy. Cheap to clone.
#[derive(Clone)]
pub(super) struct Desk {
    pub context: Context,
    pub client: Client,
    pub id: TenancyId,
    pub name: String,
    pub account: String,
    proven: Arc<Mutex<Proven>>,
    /// Requests in a row that the ledger did not answer as it should.
    failures: Arc<AtomicU32>,
}

/// Why a tenancy's tasks ended.
#[derive(Debug)]
pub(super) enum End {
    Over,
    /// The client secret was refused.
    Secret(Error),
    /// What was recorded is another tenancy's than the records before: nothing more may be published.
    Differs(String),
}

/// What ends a round of work badly.
pub(super) enum Setback {
    /// The database refused: try again in a while.
    Store(store::Error),
    /// The client secret was refused: the tenancy starts over.
    Secret(Error),
}

impl From<store::Error> for Setback {
    fn from(error: store::Error) -> Self {
        Setback::Store(error)
    }
}

impl Desk {
    pub fn new(context: Context, client: Client, row: &Tenancy, account: &str, proven: Arc<Mutex<Proven>>) -> Desk {
        let (id, name, account) = (row.id, row.name.clone(), account.to_owned());
        Desk { context, client, id, name, account, proven, failures: Arc::default() }
    }

    pub fn proven(&self) -> Proven {
        self.proven.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes what a listing has shown. Written only when it is new.
    pub async fn prove(&self, own: bool, public: bool, identity: Option<&str>) {
        let changed = {
            let mut proven = self.proven.lock().unwrap_or_else(PoisonError::into_inner);
            let before = proven.clone();
            proven.own |= own;
            proven.public |= public;
            if proven.identity.is_none() {
                proven.identity = identity.map(str::to_owned);
            }
            *proven != before
        };
        if changed {
            let identity = identity.map(str::to_owned);
            if let Err(error) = self.context.store.tenancy_proven(self.id, own, public, identity).await {
                self.context.conditions.store_failed(&error).await;
            }
            self.context.ring();
        }
    }

    /// Who this tenancy is on the ledger, as far as known: from a record of ours, else from the access token.
    pub fn identity(&self) -> Option<String> {
        self.proven().identity.or_else(|| self.client.tenant_hint())
    }

    /// Writes down how the tenancy is, for `status`.
    pub async fn state(&self, state: &'static str, held: Option<Duration>) {
        let _ = self.context.store.tenancy_state(self.id, state, held.map(wall_text)).await;
    }

    /// The ledger answered as it should.
    pub async fn reached(&self) {
        self.failures.store(0, Ordering::Relaxed);
        let codes = [Code::LedgerUnreachable, Code::LedgerSecretRefused];
        self.context.conditions.end_all(&codes, &self.name).await;
    }

    /// The ledger did not answer a request as it should; trouble that lasts is shown.
    pub async fn failed(&self, error: &Error) {
        let lasting = self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= LASTING;
        if lasting && matches!(error.kind, Kind::Unavailable { .. }) {
            self.context.conditions.begin(Code::LedgerUnreachable, &self.name, error.to_string()).await;
        }
    }

    /// Tells log and onlookers of a record.
    pub async fn announce(&self, publication: &Publication, record: &Recorded) {
        let (tenancy, path) = (self.name.as_str(), publication.path.as_str());
        match &record.event {
            None => Happening::Registered { tenancy, asset: &record.asset, path }.emit(),
            Some(event) => {
                let document_version = publication.version;
                Happening::Published { tenancy, asset: &record.asset, event, document_version, path }.emit();
            }
        }
        if let Some(notices) = &self.context.notices {
            let notice = Notice {
                kind: if record.event.is_none() { NoticeKind::Registered } else { NoticeKind::Published },
                tenancy: self.name.clone(),
                path: publication.path.clone(),
                asset: record.asset.clone(),
                document_version: publication.version,
                document_hash_value: publication.document_hash.map(|hash| hash.to_string()).unwrap_or_default(),
            };
            let _ = notices.send(notice).await;
        }
    }
}

/// Whether a view may not be asked at all, as against one that did not answer this time. The public view takes no token,
/// so that a 401 there says nothing of our secret.
pub(super) fn may_not_ask(view: View, error: &Error) -> bool {
    matches!(error.kind, Kind::Forbidden | Kind::NotFound | Kind::Refused | Kind::Invalid)
        || (view == View::Public && error.kind == Kind::Unauthorized)
}

/// How long until a gate opens.
pub(super) fn remaining(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}
