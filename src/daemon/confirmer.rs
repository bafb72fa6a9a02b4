//! The confirmer of one tenancy: recorded → committed by the ledger. Polls in batches, backs off while the ledger commits
//! nothing, and asks about one record only while that one is not committed, so that a large backlog is cheap.
//!
//! It also proves the listings: the first registration of a tenancy travels alone until a listing has shown it.

use std::time::Duration;

use tokio::time::Instant;

use super::connect::number;
use super::desk::{Desk, End, Setback, may_not_ask};
use super::hasher::sleep_until;
use super::lookup::{Seen, look};
use crate::datatrails::{Confirmation, Error, Kind, Query, View, reference};
use crate::observe::{Code, Happening};
use crate::store::{self, Publication, PublicationId};

/// The pace of polling: from here, doubling while nothing is committed, to there.
const FASTEST: Duration = Duration::from_millis(150);
const SLOWEST: Duration = Duration::from_secs(30);
/// Up to so many are asked about one by one.
const SINGLY: usize = 4;
/// Records in a page of the batch.
const PAGE: u32 = 500;

struct Confirmer {
    desk: Desk,
    pace: Duration,
    /// Since when the first record waits to be shown by a listing.
    unproven_since: Option<Instant>,
    /// The batch listing proved useless here: ask singly.
    no_batch: bool,
}

/// Runs until the shift ends or the secret is refused.
pub(super) async fn run(desk: Desk) -> End {
    let mut work = desk.context.work.subscribe();
    let mut nudge = desk.context.nudge.subscribe();
    let stop = desk.context.stop.clone();
    let mut confirmer = Confirmer { desk, pace: FASTEST, unproven_since: None, no_batch: false };
    // What an earlier run recorded may be committed by now.
    let mut wake = Some(Instant::now());
    loop {
        tokio::select! {
            () = stop.cancelled() => return End::Over,
            // New records only start the clock: those that wait already are asked about at their pace.
            _ = work.changed(), if wake.is_none() => wake = Some(Instant::now() + FASTEST),
            _ = nudge.changed() => wake = Some(Instant::now()),
            () = sleep_until(wake) => {
                let round = tokio::select! {
                    () = stop.cancelled() => return End::Over,
                    round = confirmer.round() => round,
                };
                wake = match round {
                    Err(Setback::Secret(error)) => return End::Secret(error),
                    Ok(true) => Some(Instant::now() + confirmer.pace),
                    Ok(false) => None,
                    Err(Setback::Store(error)) => {
                        confirmer.desk.context.conditions.store_failed(&error).await;
                        Some(Instant::now() + Duration::from_secs(1))
                    }
                };
            }
        }
    }
}

impl Confirmer {
    /// One round; `false` when nothing waits.
    async fn round(&mut self) -> Result<bool, Setback> {
        let desk = self.desk.clone();
        let oldest = desk.context.store.unconfirmed(desk.id, SINGLY).await?;
        if oldest.is_empty() {
            self.pace = FASTEST;
            return Ok(false);
        }
        let progress = match self.ask(&oldest).await {
            Ok(progress) => {
                desk.reached().await;
                progress?
            }
            Err(error) if error.kind == Kind::Unauthorized => return Err(Setback::Secret(error)),
            Err(error) => {
                desk.failed(&error).await;
                self.pace = self.pace.max(error.floor().unwrap_or_default());
                false
            }
        };
        self.pace = if progress { FASTEST } else { (self.pace * 2).min(SLOWEST) };
        Ok(true)
    }

    /// Asks the ledger; whether anything went on. The outer error is the ledger's, the inner one the database's.
    async fn ask(&mut self, oldest: &[Publication]) -> Result<store::Result<bool>, Error> {
        let desk = self.desk.clone();
        if !desk.proven().any() && !self.prove(&oldest[0]).await? {
            // No listing shows what failed: that must not hold the tenancy back for ever.
            if self.single(&oldest[0]).await? == Confirmation::Failed {
                return Ok(self.failed(&oldest[0]).await.map(|()| true));
            }
            return Ok(Ok(false));
        }
        let mut progress = false;
        for (n, publication) in oldest.iter().enumerate() {
            match self.single(publication).await? {
                Confirmation::Committed => {
                    progress = true;
                    if let Err(error) = desk.context.store.confirmed(vec![publication.id]).await {
                        return Ok(Err(error));
                    }
                    desk.context.ring();
                }
                Confirmation::Failed => {
                    progress = true;
                    if let Err(error) = self.failed(publication).await {
                        return Ok(Err(error));
                    }
                }
                // While the oldest waits, the others mostly wait too: they are asked about at the slow pace only.
                Confirmation::Pending if n == 0 && oldest.len() == SINGLY && self.pace < SLOWEST => {
                    return Ok(Ok(false));
                }
                Confirmation::Pending => {}
            }
            // Many wait: the rest comes in pages.
            if oldest.len() == SINGLY && !self.no_batch {
                return Ok(self.batch().await?.map(|more| progress || more));
            }
        }
        Ok(Ok(progress))
    }

    /// Waits for a listing to show the first record of this tenancy.
    async fn prove(&mut self, first: &Publication) -> Result<bool, Error> {
        let desk = self.desk.clone();
        let since = *self.unproven_since.get_or_insert_with(Instant::now);
        let mut answered = Ok(());
        for view in [View::Own, View::Public] {
            match look(&desk, view, first).await {
                Ok(Seen::Found { identity, .. }) => {
                    desk.prove(view == View::Own, view == View::Public, identity.as_deref()).await;
                    desk.context.conditions.end(Code::RecordsNotFound, &desk.name).await;
                    return Ok(true);
                }
                Ok(_) => {}
                Err(error) if may_not_ask(view, &error) => {}
                Err(error) => answered = Err(error),
            }
        }
        if since.elapsed() > desk.context.config.publish.settle * 2 {
            let text = format!(
                "{} acknowledged a record that no listing shows; nothing more is published there until one does: give \
                 the integration the permission to read",
                desk.name
            );
            desk.context.conditions.begin(Code::RecordsNotFound, &desk.name, text).await;
        }
        answered.map(|()| false)
    }

    /// How far the ledger is with one record. One that no view shows is still pending.
    async fn single(&self, publication: &Publication) -> Result<Confirmation, Error> {
        let desk = &self.desk;
        let Some(asset) = publication.identity.as_deref() else { return Ok(Confirmation::Pending) };
        for view in [View::Own, View::Public] {
            let found = match &publication.event {
                None => desk
                    .client
                    .get_asset(view, asset)
                    .await
                    .map(|found| found.map(|asset| (asset.confirmation, asset.tenant_identity))),
                Some(event) => desk
                    .client
                    .get_event(view, asset, event)
                    .await
                    .map(|found| found.map(|event| (event.confirmation, event.tenant_identity))),
            };
            match found {
                Ok(Some((confirmation, identity))) => {
                    if confirmation == Confirmation::Committed {
                        desk.prove(false, false, identity.as_deref()).await;
                    }
                    return Ok(confirmation);
                }
                Ok(None) => {}
                Err(error) if may_not_ask(view, &error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Confirmation::Pending)
    }

    /// Walks the committed records of this account, newest first, for as long as pages bring some that wait.
    async fn batch(&mut self) -> Result<store::Result<bool>, Error> {
        let desk = self.desk.clone();
        let view = if desk.proven().own { View::Own } else { View::Public };
        let account = reference::account(&desk.account).to_string();
        let mut query = Query {
            filters: vec![
                ("asset.attributes.droptrail_account".into(), account),
                ("minimum_trust".into(), "COMMITTED".into()),
            ],
            page_size: Some(PAGE),
            page_token: None,
        };
        let mut total = 0;
        loop {
            let page = match desk.client.list_events(view, None, &query).await {
                Ok(page) => page,
                Err(error) if may_not_ask(view, &error) => {
                    self.no_batch = true;
                    return Ok(Ok(false));
                }
                Err(error) => return Err(error),
            };
            let committed: Vec<_> = page
                .events
                .iter()
                .filter(|event| event.confirmation == Confirmation::Committed)
                .map(|event| (event.asset.clone(), event.uuid.clone(), number(event)))
                .collect();
            let known = match desk.context.store.recognise(desk.id, committed).await {
                Ok(known) => known,
                Err(error) => return Ok(Err(error)),
            };
            let ids: Vec<PublicationId> = known.into_iter().flatten().collect();
            let n = ids.len() as u64;
            if n > 0
                && let Err(error) = desk.context.store.confirmed(ids).await
            {
                return Ok(Err(error));
            }
            if n > 0 {
                desk.context.ring();
            }
            total += n;
            if n == 0 || page.next_page_token.is_none() || page.next_page_token == query.page_token {
                break;
            }
            query.page_token = page.next_page_token;
        }
        if total > 0 {
            Happening::Confirmed { tenancy: &desk.name, n: total }.emit();
        }
        Ok(Ok(total > 0))
    }

    async fn failed(&self, publication: &Publication) -> store::Result<()> {
        let desk = &self.desk;
        let record = match (&publication.identity, &publication.event) {
            (Some(asset), Some(event)) => format!("assets/{asset}/events/{event}"),
            (Some(asset), None) => format!("assets/{asset}"),
            _ => "?".to_owned(),
        };
        Happening::Failed { tenancy: &desk.name, record: &record }.emit();
        desk.context.store.failed(publication.id).await?;
        desk.context.ring();
        Ok(())
    }
}
