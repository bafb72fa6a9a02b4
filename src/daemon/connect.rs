//! Before anything is published to a tenancy: the newest record of this account there must be one that the database has
//! recorded or has in flight (ARCHITECTURE.md, invariant 14). The database may know less than the ledger: lost,
//! replaced, restored from a backup.

use super::desk::{Desk, may_not_ask};
use super::lookup::is_another_of_ours;
use crate::datatrails::{Confirmation, Error, Event, Kind, Query, View, reference};
use crate::observe::Code;
use crate::store::Publication;

/// What the check found.
#[derive(Debug)]
pub(super) enum Check {
    /// The database knows what the ledger shows.
    Known,
    /// Nothing may be published.
    Held {
        /// The condition that says so.
        code: Code,
        /// For `status`.
        state: &'static str,
        /// For people.
        text: String,
    },
}

/// How many of the newest records are compared: timestamps are whole seconds, so that several may be the newest.
const NEWEST: u32 = 20;

/// Asks the ledger for the newest records of this account.
///
/// # Errors
/// When the ledger did not answer the question.
pub(super) async fn check(desk: &Desk) -> Result<Check, Error> {
    let own = newest(desk, View::Own).await?;
    let absent = |asked: &Asked| matches!(asked, Err(Kind::NotFound));
    let stored = desk.proven().identity;
    if let (Some(stored), Some(hint)) = (&stored, desk.client.tenant_hint())
        && *stored != hint
    {
        let text =
            format!("{} is {hint}, but its records here are of {stored}: give the new tenancy a new name", desk.name);
        return Ok(Check::Held { code: Code::TenancyDiffers, state: "tenancy-differs", text });
    }
    if desk.proven().own
        && own.as_ref().is_ok_and(Vec::is_empty)
        && let Some(held) = own_shows_nothing(desk).await?
    {
        return Ok(held);
    }
    let (view, events) = match own {
        Ok(events) if !events.is_empty() => (View::Own, events),
        // Without read permission the own listing is empty, or forbidden: the public one needs none.
        own => {
            let public = newest(desk, View::Public).await?;
            if absent(&own) && absent(&public) {
                let text = format!("what answers at the url of {} knows no assets: it is gone or elsewhere", desk.name);
                return Ok(Check::Held { code: Code::LedgerNotFound, state: "not-found", text });
            }
            (View::Public, public.unwrap_or_default())
        }
    };
    let events: Vec<Event> = ours(desk, view, events).await;
    if events.is_empty() {
        return nothing_shown(desk).await;
    }
    let newest = events.iter().map(|event| event.timestamp_accepted.clone()).max().unwrap_or_default();
    let under_way = desk.context.store.under_way(desk.id, 1024).await.unwrap_or_default();
    for event in &events {
        if known(desk, event, &under_way).await {
            let (own, public) = (view == View::Own, view == View::Public);
            desk.prove(own, public, event.tenant_identity.as_deref()).await;
        } else if event.timestamp_accepted == newest {
            let text = format!(
                "{} has a record of this account (asset {}, accepted {}) that the database does not know; nothing is \
                 published there before its newest copy is back or droptrail recover has rebuilt it",
                desk.name, event.asset, event.timestamp_accepted
            );
            return Ok(Check::Held { code: Code::DatabaseBehind, state: "database-behind", text });
        }
    }
    Ok(Check::Known)
}

/// What a view says, or why it may not be asked.
type Asked = Result<Vec<Event>, Kind>;

/// The newest records of this account in a view.
async fn newest(desk: &Desk, view: View) -> Result<Asked, Error> {
    let account = reference::account(&desk.account).to_string();
    let query = Query {
        filters: vec![("asset.attributes.droptrail_account".into(), account)],
        page_size: Some(NEWEST),
        page_token: None,
    };
    match desk.client.list_events(view, None, &query).await {
        Ok(page) => Ok(Ok(page.events)),
        Err(error) if may_not_ask(view, &error) => Ok(Err(error.kind)),
        Err(error) => Err(error),
    }
}

/// Records of this tenancy that have not failed. In the public view records of others have the same account reference
/// when the folder is linked in several tenancies; where it is not known who we are there, those of nobody that we know
/// count as ours: better held for nothing than published twice.
async fn ours(desk: &Desk, view: View, events: Vec<Event>) -> Vec<Event> {
    let identity = desk.identity();
    let mut ours = Vec::new();
    for event in events.into_iter().filter(|event| event.confirmation != Confirmation::Failed) {
        let counts = match (&event.tenant_identity, &identity) {
            (Some(theirs), Some(ours)) => theirs == ours,
            (_, _) if view == View::Own => true,
            (Some(theirs), None) => !is_another_of_ours(desk, theirs).await,
            (None, _) => false,
        };
        if counts {
            ours.push(event);
        }
    }
    ours
}

/// The tenancy's own listing has shown records of ours before and shows none now.
async fn own_shows_nothing(desk: &Desk) -> Result<Option<Check>, Error> {
    let Ok(Some(newest)) = desk.context.store.newest_record(desk.id).await else { return Ok(None) };
    let Some(asset) = &newest.identity else { return Ok(None) };
    if matches!(desk.client.get_asset(View::Own, asset).await, Ok(Some(_))) {
        return Ok(None);
    }
    let text = format!(
        "{} does not show any more what was recorded there (asset {asset}): these are another tenancy's credentials, or \
         the integration may no longer read; nothing is published there",
        desk.name
    );
    Ok(Some(Check::Held { code: Code::RecordsNotFound, state: "records-not-found", text }))
}

async fn known(desk: &Desk, event: &Event, under_way: &[Publication]) -> bool {
    let number = number(event);
    let recorded = desk.context.store.knows(desk.id, &event.asset, &event.uuid, number).await.unwrap_or(false);
    recorded
        || under_way.iter().any(|publication| {
            let file = reference::file(&desk.account, &publication.origin).to_string();
            number == Some(publication.sequence)
                && if publication.is_registration() {
                    event.asset_attributes.get("droptrail_file") == Some(&file)
                } else {
                    publication.identity.as_ref() == Some(&event.asset)
                }
        })
}

/// `droptrail_sequence` of a record.
pub(super) fn number(event: &Event) -> Option<u64> {
    event.asset_attributes.get("droptrail_sequence")?.parse().ok()
}

/// No listing shows a record of this account. Fine where none was made; else either the listings are blind, or this is
/// another ledger.
async fn nothing_shown(desk: &Desk) -> Result<Check, Error> {
    let Ok(Some(newest)) = desk.context.store.newest_record(desk.id).await else { return Ok(Check::Known) };
    let Some(asset) = &newest.identity else { return Ok(Check::Known) };
    for view in [View::Own, View::Public] {
        match desk.client.get_asset(view, asset).await {
            Ok(Some(_)) => return Ok(Check::Known),
            Ok(None) => {}
            Err(error) if may_not_ask(view, &error) => {}
            Err(error) => return Err(error),
        }
    }
    let text = format!(
        "{} shows none of the records that were made there (asset {asset}): it is another ledger, or the integration may \
         not read; nothing is published there",
        desk.name
    );
    Ok(Check::Held { code: Code::RecordsNotFound, state: "records-not-found", text })
}
