//! Looking our own records up (ARCHITECTURE.md, "Unknown outcomes"): a registration by `droptrail_file`, an event inside
//! its own asset by its number. Only records of this tenancy that have not FAILED count.

use super::desk::Desk;
use crate::datatrails::{Confirmation, Error, Query, View, reference};
use crate::observe::Happening;
use crate::store::{Publication, Recorded};

/// What a listing answered about one publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// It shows the record.
    Found {
        /// Which it is.
        record: Recorded,
        /// Who made it, where the listing says.
        identity: Option<String>,
    },
    /// It does not show one.
    Absent,
    /// It shows one that may be ours or another's: who we are there is not known.
    Unclear,
}

struct Candidate {
    uuid: String,
    asset: String,
    at: String,
    confirmation: Confirmation,
    identity: Option<String>,
}

/// Enough to see duplicates.
const PAGE: u32 = 20;

/// Asks one listing for a publication's record.
///
/// # Errors
/// When the listing did not answer.
pub(super) async fn look(desk: &Desk, view: View, publication: &Publication) -> Result<Seen, Error> {
    let candidates = match (publication.is_registration(), view) {
        (true, View::Own) => own_assets(desk, publication).await?,
        (true, View::Public) => {
            let file = reference::file(&desk.account, &publication.origin).to_string();
            events(desk, view, None, "droptrail_file", &file, Some("1")).await?
        }
        (false, _) => {
            let number = publication.sequence.to_string();
            events(desk, view, publication.identity.as_deref(), "droptrail_sequence", &number, None).await?
        }
    };
    Ok(choose(desk, view, publication, candidates).await)
}

async fn own_assets(desk: &Desk, publication: &Publication) -> Result<Vec<Candidate>, Error> {
    let file = reference::file(&desk.account, &publication.origin).to_string();
    let query = Query {
        filters: vec![("attributes.droptrail_file".into(), file.clone()), ("tracked".into(), "ANY".into())],
        page_size: Some(PAGE),
        page_token: None,
    };
    let page = desk.client.list_assets(&query).await?;
    let found = page.assets.into_iter().filter(|asset| asset.attributes.get("droptrail_file") == Some(&file));
    Ok(found
        .map(|asset| Candidate {
            uuid: asset.uuid.clone(),
            asset: asset.uuid,
            at: asset.at_time,
            confirmation: asset.confirmation,
            identity: asset.tenant_identity,
        })
        .collect())
}

async fn events(
    desk: &Desk,
    view: View,
    asset: Option<&str>,
    key: &str,
    value: &str,
    number: Option<&str>,
) -> Result<Vec<Candidate>, Error> {
    let query = Query {
        filters: vec![(format!("asset_attributes.{key}"), value.to_owned())],
        page_size: Some(PAGE),
        page_token: None,
    };
    let page = desk.client.list_events(view, asset, &query).await?;
    let matches = |attributes: &std::collections::BTreeMap<String, String>| {
        attributes.get(key).is_some_and(|found| found == value)
            && number.is_none_or(|number| attributes.get("droptrail_sequence").is_none_or(|found| found == number))
    };
    let found = page.events.into_iter().filter(|event| matches(&event.asset_attributes));
    Ok(found
        .map(|event| Candidate {
            uuid: event.uuid,
            asset: event.asset,
            at: event.timestamp_accepted,
            confirmation: event.confirmation,
            identity: event.tenant_identity,
        })
        .collect())
}

/// The record among the candidates: ours, not failed, and the oldest should there be several.
async fn choose(desk: &Desk, view: View, publication: &Publication, candidates: Vec<Candidate>) -> Seen {
    let us = desk.identity();
    let mut ours = Vec::new();
    let mut unclear = false;
    for candidate in candidates.into_iter().filter(|candidate| candidate.confirmation != Confirmation::Failed) {
        match (&candidate.identity, &us) {
            (Some(theirs), Some(us)) if theirs == us => ours.push(candidate),
            // The own listing may name nobody until the record is committed; inside our own asset only we can write.
            (None, _) if view == View::Own || !publication.is_registration() => ours.push(candidate),
            (Some(_), None) if view == View::Own || !publication.is_registration() => ours.push(candidate),
            (Some(theirs), None) => unclear |= !is_another_of_ours(desk, theirs).await,
            (None, _) => unclear = true,
            (Some(theirs), Some(_)) => {
                tracing::debug!("{}: a record with our reference is of {theirs} and was passed over", desk.name);
            }
        }
    }
    ours.sort_by(|a, b| (&a.at, &a.uuid).cmp(&(&b.at, &b.uuid)));
    let mut ours = ours.into_iter();
    let Some(oldest) = ours.next() else { return if unclear { Seen::Unclear } else { Seen::Absent } };
    let others: Vec<String> = ours.map(|other| other.uuid).collect();
    if !others.is_empty() {
        let listed = others.join(", ");
        Happening::DuplicateFound { tenancy: &desk.name, adopted: &oldest.uuid, others: &listed }.emit();
        if let Err(error) = desk.context.store.passed_over(desk.id, others).await {
            desk.context.conditions.store_failed(&error).await;
        }
    }
    let event = (!publication.is_registration()).then(|| oldest.uuid.clone());
    Seen::Found { record: Recorded { asset: oldest.asset, event }, identity: oldest.identity }
}

/// Whether a record belongs to another tenancy that this daemon publishes to: then certainly not to this one.
pub(super) async fn is_another_of_ours(desk: &Desk, identity: &str) -> bool {
    let tenancies = desk.context.store.tenancies().await.unwrap_or_default();
    tenancies.iter().any(|tenancy| tenancy.id != desk.id && tenancy.tenant_identity.as_deref() == Some(identity))
}

/// Whether a listing shows the record that the ledger acknowledged last: one that does not cannot be believed when it
/// shows another one as absent. True where nothing was recorded yet.
pub(super) async fn shows_newest(desk: &Desk, view: View) -> Result<bool, Error> {
    match desk.context.store.newest_record(desk.id).await {
        Ok(None) => Ok(true),
        Ok(Some(newest)) => Ok(matches!(look(desk, view, &newest).await?, Seen::Found { .. })),
        Err(_) => Ok(false),
    }
}
