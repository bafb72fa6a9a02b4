//! One tenancy's side of a shift: connects, then publishes, settles and confirms until the shift ends. One tenancy's
//! trouble never holds back another.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::connect::{Check, check};
use super::context::{Context, wall_text};
use super::session::{stamp, wait_for_change};
use super::{confirmer, publisher, settler};
use crate::config::{self, Tenancy as Configured};
use crate::datatrails::{Client, Error, Kind, Settings};
use crate::observe::{Code, Happening};
use crate::store::{Tenancy, TenancyId};

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
}

/// Why a tenancy's tasks ended.
#[derive(Debug)]
pub(super) enum End {
    Over,
    /// The client secret was refused.
    Secret(Error),
}

impl Desk {
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
        let codes = [Code::LedgerUnreachable, Code::LedgerSecretRefused];
        self.context.conditions.end_all(&codes, &self.name).await;
    }
}

/// Runs until the shift ends.
pub(super) async fn run(context: Context, configured: Configured, row: Tenancy) {
    let Some(account) = context.known_account().await else { return };
    let mut backoff = context.backoff();
    let proven = Arc::new(Mutex::new(Proven {
        own: row.own_listing,
        public: row.public_listing,
        identity: row.tenant_identity.clone(),
    }));
    loop {
        let file = configured.client_secret_file.clone();
        let known = stamp(&file);
        let client = match client(&context, &configured) {
            Ok(client) => client,
            Err(text) => {
                context.conditions.begin(Code::LedgerSecretRefused, &row.name, text).await;
                let _ = context.store.tenancy_state(row.id, "secret-refused", None).await;
                wait_for_change(&context, &file, known).await;
                if context.stop.is_cancelled() {
                    return;
                }
                continue;
            }
        };
        let desk = Desk {
            context: context.clone(),
            client,
            id: row.id,
            name: row.name.clone(),
            account: account.clone(),
            proven: proven.clone(),
        };
        let refused = match connect(&desk, &mut backoff).await {
            Some(Ok(())) => {
                backoff.reset();
                match work(&desk).await {
                    End::Over => return,
                    End::Secret(error) => error,
                }
            }
            Some(Err(error)) => error,
            None => return,
        };
        let wait = backoff.next(Some(context.config.retry.initial));
        context.conditions.begin(Code::LedgerSecretRefused, &row.name, refused.to_string()).await;
        desk.state("secret-refused", Some(wait)).await;
        tokio::select! {
            () = wait_for_change(&context, &file, known) => {}
            going = context.pause(wait) => if !going { return },
        }
        if stamp(&file) != known {
            Happening::SecretChanged { tenancy: &row.name }.emit();
        }
        if context.stop.is_cancelled() {
            return;
        }
    }
}

fn client(context: &Context, configured: &Configured) -> Result<Client, String> {
    let secret =
        config::read_secret(&configured.client_secret_file, &context.environment).map_err(|error| error.to_string())?;
    Client::new(Settings {
        url: configured.url.clone(),
        credentials: Some((configured.client_id.clone(), secret)),
        timeout: configured.timeout,
        ca_file: configured.ca_file.clone(),
    })
    .map_err(|error| error.to_string())
}

/// Makes sure, before anything is published, that the database knows what the ledger shows. `None`: the shift is over.
/// `Some(Err)`: the secret was refused.
async fn connect(desk: &Desk, backoff: &mut crate::retry::Backoff) -> Option<Result<(), Error>> {
    let conditions = &desk.context.conditions;
    let held = [Code::DatabaseBehind, Code::TenancyDiffers, Code::RecordsNotFound, Code::LedgerNotFound];
    loop {
        let checked = tokio::select! {
            () = desk.context.stop.cancelled() => return None,
            checked = check(desk) => checked,
        };
        let wait = match checked {
            Ok(Check::Known) => {
                conditions.end_all(&held, &desk.name).await;
                desk.reached().await;
                desk.state("ok", None).await;
                return Some(Ok(()));
            }
            Ok(Check::Held { code, state, text }) => {
                for other in held.iter().filter(|other| **other != code) {
                    conditions.end(*other, &desk.name).await;
                }
                desk.reached().await;
                conditions.begin(code, &desk.name, text).await;
                let wait = backoff.next(Some(Duration::from_secs(1)));
                desk.state(state, Some(wait)).await;
                wait
            }
            Err(error) if error.kind == Kind::Unauthorized => return Some(Err(error)),
            Err(error) => {
                let wait = backoff.next(error.floor());
                desk.context.say_waiting(&desk.name, wait, &error.to_string());
                conditions.begin(Code::LedgerUnreachable, &desk.name, error.to_string()).await;
                desk.state("unreachable", Some(wait)).await;
                wait
            }
        };
        if !desk.context.pause(wait).await {
            return None;
        }
    }
}

/// Publishes, settles and confirms.
async fn work(desk: &Desk) -> End {
    let stop = desk.context.stop.child_token();
    let mut child = desk.clone();
    child.context.stop = stop.clone();
    let mut tasks: JoinSet<End> = JoinSet::new();
    tasks.spawn(publisher::run(child.clone()));
    tasks.spawn(settler::run(child.clone()));
    tasks.spawn(confirmer::run(child));
    let mut end = End::Over;
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok(End::Over) => {}
            // The others finish what is in flight before the tenancy starts over.
            Ok(refused) => {
                end = refused;
                stop.cancel();
            }
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
    end
}

/// How long until a gate opens.
pub(super) fn remaining(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}
