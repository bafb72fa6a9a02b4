//! The publisher of one tenancy: marks in flight (durable), sends, and writes down what became of it.
//!
//! Nothing leaves before its mark is on the disk. What the ledger certainly did not act on goes back to its place in the
//! order; what nobody knows goes to the settler, and is never sent again before the ledger has answered.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::desk::{Desk, End, remaining};
use super::hasher::sleep_until;
use crate::config::Names;
use crate::datatrails::{Error, Kind, Outcome, Registration, Version, Withdrawal, reference};
use crate::observe::{Code, Happening};
use crate::retry::Backoff;
use crate::store::{self, Counts, Fixed, Publication, PublicationId, Recorded};

/// So many more candidates than were refused are looked at while a tenancy refuses, so that the trial rotates.
const ROTATION: usize = 8;

type Answer = Result<(Recorded, Option<String>), Error>;

struct Publisher {
    desk: Desk,
    running: JoinSet<(Publication, Answer)>,
    /// After trouble: nothing new before this moment.
    not_before: Option<Instant>,
    backoff: Backoff,
    /// The tenancy refuses: one trial at a time.
    held: bool,
    /// When a publication was refused last.
    refused: HashMap<PublicationId, Instant>,
    last_success: Option<Instant>,
    /// What `status` was told last.
    told: &'static str,
}

/// Runs until the shift ends or the secret is refused; what is in flight is finished first.
pub(super) async fn run(desk: Desk) -> End {
    let backoff = desk.context.backoff();
    let mut work = desk.context.work.subscribe();
    let mut nudge = desk.context.nudge.subscribe();
    let stop = desk.context.stop.clone();
    let mut publisher = Publisher {
        desk,
        running: JoinSet::new(),
        not_before: None,
        backoff,
        held: false,
        refused: HashMap::new(),
        last_success: None,
        told: "ok",
    };
    let mut end = None;
    while !(stop.is_cancelled() || end.is_some()) {
        work.mark_unchanged();
        let wake = match publisher.fill().await {
            Ok(wake) => wake,
            Err(error) => {
                publisher.desk.context.conditions.store_failed(&error).await;
                Some(Instant::now() + Duration::from_secs(1))
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            _ = work.changed() => {}
            _ = nudge.changed() => publisher.not_before = None,
            () = sleep_until(wake) => {}
            Some(done) = publisher.running.join_next() => end = publisher.done(done).await,
        }
    }
    while let Some(done) = publisher.running.join_next().await {
        end = publisher.done(done).await.or(end);
    }
    end.unwrap_or(End::Over)
}

impl Publisher {
    /// Sends what may be sent now; gives when to look again, where only time can help.
    async fn fill(&mut self) -> store::Result<Option<Instant>> {
        let desk = self.desk.clone();
        let context = &desk.context;
        if let Some(until) = desk.client.gate().held_until() {
            let wait = remaining(until);
            let text = format!("{} asks to wait until {}", desk.name, super::context::wall_text(wait));
            context.conditions.begin(Code::RateLimited, &desk.name, text).await;
            self.tell("rate-limited", Some(wait)).await;
            return Ok(Some(until));
        }
        context.conditions.end(Code::RateLimited, &desk.name).await;
        if self.told == "rate-limited" {
            self.tell("ok", None).await;
        }
        if let Some(until) = self.not_before.filter(|until| *until > Instant::now()) {
            return Ok(Some(until));
        }
        self.not_before = None;
        let counts = context.store.counts(desk.id).await?;
        self.note_parked(&counts).await;
        let most = context.config.publish.concurrency;
        let unanswered = self.running.len() + counts.uncertain as usize;
        let mut free = most.saturating_sub(unanswered);
        if !desk.proven().any() {
            // The first registration travels alone until a listing has shown it.
            let alone = counts.in_flight + counts.uncertain + counts.recorded == 0 && self.running.is_empty();
            free = if alone { free.min(1) } else { 0 };
        }
        if self.held {
            free = if self.running.is_empty() { free.min(1) } else { 0 };
        }
        if free == 0 {
            return Ok(None);
        }
        let wanted = if self.held { self.refused.len() + ROTATION } else { free };
        let mut candidates = context.store.sendable(desk.id, wanted).await?;
        if self.held {
            // Rotate: what was never refused first, then what was refused longest ago.
            candidates.sort_by_key(|candidate| self.refused.get(&candidate.id).copied());
        }
        candidates.truncate(free);
        if candidates.is_empty() {
            return Ok(None);
        }
        let fixed: Vec<Fixed> = candidates.iter().filter_map(|candidate| fix(&desk, candidate)).collect();
        let marked = context.store.mark_in_flight(fixed.clone()).await?;
        for publication in candidates {
            let Some(fixed) = fixed.iter().find(|fixed| fixed.id == publication.id) else {
                self.park(&publication, "it has no hash: this is a defect, please report it".into()).await?;
                continue;
            };
            if !marked.contains(&publication.id) {
                continue;
            }
            let body = fixed.body.clone();
            let client = desk.client.clone();
            self.running.spawn(async move {
                let answer = if publication.is_registration() {
                    client
                        .create_asset(&body)
                        .await
                        .map(|asset| (Recorded { asset: asset.uuid, event: None }, asset.tenant_identity))
                } else {
                    let asset = publication.identity.clone().unwrap_or_default();
                    client
                        .create_event(&asset, &body)
                        .await
                        .map(|event| (Recorded { asset, event: Some(event.uuid) }, event.tenant_identity))
                };
                (publication, answer)
            });
        }
        Ok(None)
    }

    /// Writes down what became of a request. `Some`: the tenancy must start over.
    async fn done(&mut self, done: Result<(Publication, Answer), tokio::task::JoinError>) -> Option<End> {
        let (publication, answer) = match done {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        let written = match answer {
            Ok((record, identity)) => match self.made(&publication, record, identity).await {
                Ok(Some(end)) => return Some(end),
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            },
            Err(error) if error.outcome == Outcome::Unknown => self.unknown(&publication, &error).await,
            Err(error) if error.kind == Kind::Unauthorized => {
                let written = self.desk.context.store.not_made(publication.id, error.to_string()).await;
                if written.is_ok() {
                    return Some(End::Secret(error));
                }
                written
            }
            Err(error) => self.not_made(&publication, error).await,
        };
        if let Err(error) = written {
            // The row stays in flight: nobody knows what became of it, so it is looked up like after a crash.
            self.desk.context.conditions.store_failed(&error).await;
            super::settler::doubt(&self.desk, publication.id);
        }
        self.desk.context.ring();
        None
    }

    async fn made(
        &mut self,
        publication: &Publication,
        record: Recorded,
        identity: Option<String>,
    ) -> store::Result<Option<End>> {
        let desk = self.desk.clone();
        desk.context.store.recorded(publication.id, record.clone()).await?;
        self.backoff.reset();
        self.refused.remove(&publication.id);
        self.last_success = Some(Instant::now());
        self.held = false;
        self.tell("ok", None).await;
        let codes = [Code::LedgerQuota, Code::LedgerForbidden, Code::LedgerNotFound];
        desk.context.conditions.end_all(&codes, &desk.name).await;
        desk.reached().await;
        desk.announce(publication, &record).await;
        if let (Some(now), Some(before)) = (&identity, desk.proven().identity)
            && *now != before
        {
            let text = format!("{} records as {now}, but its records before are of {before}", desk.name);
            return Ok(Some(End::Differs(text)));
        }
        if let Some(identity) = identity {
            desk.prove(false, false, Some(&identity)).await;
        }
        Ok(None)
    }

    async fn unknown(&mut self, publication: &Publication, error: &Error) -> store::Result<()> {
        let desk = self.desk.clone();
        desk.context.store.unknown(publication.id, error.to_string()).await?;
        let why = error.to_string();
        Happening::Uncertain { tenancy: &desk.name, publication: publication.id.row(), why: &why }.emit();
        let wait = self.backoff.next(error.floor());
        self.not_before = Some(Instant::now() + wait);
        desk.context.say_waiting(&desk.name, wait, &why);
        if self.backoff.failures() >= 3 {
            desk.context.conditions.begin(Code::LedgerUnreachable, &desk.name, why).await;
            self.tell("unreachable", Some(wait)).await;
        }
        Ok(())
    }

    /// Certainly not made: what to do depends on whether the same request may succeed another time.
    async fn not_made(&mut self, publication: &Publication, error: Error) -> store::Result<()> {
        let desk = self.desk.clone();
        let (store, conditions) = (&desk.context.store, &desk.context.conditions);
        let reason = error.to_string();
        let (code, state) = match error.kind {
            Kind::Invalid => return self.park(publication, reason).await,
            Kind::Quota => (Code::LedgerQuota, "quota"),
            Kind::NotFound => (Code::LedgerNotFound, "not-found"),
            Kind::Forbidden | Kind::Refused | Kind::Unauthorized => (Code::LedgerForbidden, "forbidden"),
            Kind::RateLimited { .. } => return store.not_made(publication.id, reason).await,
            Kind::Unavailable { .. } => {
                store.not_made(publication.id, reason.clone()).await?;
                let wait = self.backoff.next(error.floor());
                self.not_before = Some(Instant::now() + wait);
                desk.context.say_waiting(&desk.name, wait, &reason);
                conditions.begin(Code::LedgerUnreachable, &desk.name, reason).await;
                self.tell("unreachable", Some(wait)).await;
                return Ok(());
            }
        };
        // Refused, another accepted since, and refused again: it is this one that is refused, not the tenancy.
        let before = self.refused.insert(publication.id, Instant::now());
        if let (Some(before), Some(success)) = (before, self.last_success)
            && success > before
        {
            self.refused.remove(&publication.id);
            return self.park(publication, reason).await;
        }
        store.not_made(publication.id, reason.clone()).await?;
        self.held = true;
        let wait = self.backoff.next(Some(desk.context.config.retry.initial));
        self.not_before = Some(Instant::now() + wait);
        desk.context.say_waiting(&desk.name, wait, &reason);
        conditions.begin(code, &desk.name, reason).await;
        self.tell(state, Some(wait)).await;
        Ok(())
    }

    /// Tells `status`, where that is new.
    async fn tell(&mut self, state: &'static str, held: Option<Duration>) {
        if state != "ok" || self.told != "ok" {
            self.told = state;
            self.desk.state(state, held).await;
        }
    }

    async fn park(&mut self, publication: &Publication, reason: String) -> store::Result<()> {
        let desk = &self.desk;
        Happening::Parked { tenancy: &desk.name, publication: publication.id.row(), reason: &reason }.emit();
        desk.context.store.park(publication.id, reason).await
    }

    async fn note_parked(&self, counts: &Counts) {
        let desk = &self.desk;
        if counts.parked > 0 {
            let text =
                format!("{} publications to {} wait for a person: see droptrail status", counts.parked, desk.name);
            desk.context.conditions.begin(Code::PublicationsParked, &desk.name, text).await;
        } else {
            desk.context.conditions.end(Code::PublicationsParked, &desk.name).await;
        }
    }
}

/// The request with its number, byte for byte. One that was sent before is sent again as it was, but for a name that the
/// configuration does not let out any more: nothing of it was made, so that nothing was said yet.
fn fix(desk: &Desk, publication: &Publication) -> Option<Fixed> {
    let masked = desk.context.config.publish.names == Names::Masked;
    let kept = publication.body.clone().filter(|_| !(masked && publication.clear_name.is_some()));
    let body = kept.or_else(|| body(publication, &desk.account, masked))?;
    Some(Fixed { id: publication.id, sequence: publication.sequence, version: publication.version, body })
}

/// `None` where there is no hash to publish.
fn body(publication: &Publication, account: &str, masked: bool) -> Option<String> {
    if publication.kind == store::Kind::Withdraw {
        return Some(Withdrawal { sequence: publication.sequence }.body());
    }
    let version = Version {
        document_hash: publication.document_hash?,
        document_hash_alg: if publication.alg == store::ALG_DROPBOX { store::ALG_DROPBOX } else { store::ALG_SHA256 },
        document_version: publication.version,
        content_hash: publication.content_hash,
        server_modified: publication.server_modified.clone(),
        revision_reference: reference::revision(account, &publication.file_id, &publication.rev),
        sequence: publication.sequence,
        clear_name: publication.clear_name.clone().filter(|_| !masked),
    };
    Some(if publication.is_registration() {
        let account_reference = reference::account(account);
        let file_reference = reference::file(account, &publication.origin);
        Registration { version, account_reference, file_reference }.body()
    } else {
        version.publish_body()
    })
}
