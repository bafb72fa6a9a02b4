//! Instaproof: looks files up on the public ledger by the hash of their content alone, needing no account. The questions
//! are those of the reference's section 5.5. Touches the network through the client.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures_util::{StreamExt as _, stream};

use super::client::Path;
use super::{Asset, Client, Confirmation, Error, Event, Kind, Outcome, Query};
use crate::digest::Digest;

const CALL: &str = "instaproof";
/// Records a page.
const PAGE_SIZE: u32 = 100;
/// Pages of one listing: 100,000 records, more than any honest search finds.
const MAX_PAGES: usize = 1_000;
/// Documents by others that are looked at: anybody can register a hash any number of times.
const MAX_OTHERS: usize = 200;
/// Assets looked at a time.
const AT_A_TIME: usize = 4;

/// A public record of a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The hash that it was found by.
    pub hash: Digest,
    /// `document_hash_alg` as recorded.
    pub document_hash_alg: Option<String>,
    /// `tenant/<uuid>` of whoever recorded it; `None` where the ledger does not say.
    pub tenant_identity: Option<String>,
    /// That tenancy's verified domain, where the ledger tells one.
    pub verified_domain: Option<String>,
    /// Bare uuid of the asset.
    pub asset: String,
    /// Bare uuid of the event that recorded this content.
    pub event: String,
    /// `document_version` of that event, where it says.
    pub document_version: Option<String>,
    /// How it stands by now.
    pub standing: Standing,
    /// RFC 3339: when the ledger accepted it (`timestamp_accepted`).
    pub recorded_at: String,
    /// Whether it is in the ledger's log already.
    pub committed: bool,
    /// `{url}/archivist/publicassets/<uuid>`.
    pub public_url: String,
}

/// How a recorded version stands by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// The newest version of its document.
    Latest,
    /// A newer version of its document was published.
    Superseded,
    /// Its document was withdrawn and not published again.
    Withdrawn,
}

/// Verified domains already asked for, by tenant identity; of one ledger.
#[derive(Debug, Default)]
pub struct Domains(HashMap<String, Option<String>>);

impl Domains {
    /// The verified domain of a tenancy; `None` where there is none or the ledger does not tell.
    pub async fn of(&mut self, client: &Client, tenant: &str) -> Option<String> {
        if let Some(known) = self.0.get(tenant) {
            return known.clone();
        }
        let told = client.public_info(tenant).await.ok().flatten().and_then(|info| info.verified_domain);
        self.0.insert(tenant.to_owned(), told.clone());
        told
    }
}

/// What a search found.
#[derive(Debug, Clone)]
pub struct Search {
    /// The records, the newest first.
    pub found: Vec<Found>,
    /// Why there may be more than these: part of the ledger could not be asked, or its list does not end.
    pub incomplete: Option<Error>,
}

/// Whose records matter, by tenant identity and verified domain.
pub type Wanted<'a> = &'a (dyn Fn(Option<&str>, Option<&str>) -> bool + Sync);

/// Every public record of a content that has one of `hashes`, the newest first.
///
/// # Errors
/// Where the ledger cannot be asked, or could be asked in part only and no record was found.
pub async fn find(client: &Client, hashes: &[Digest]) -> Result<Vec<Found>, Error> {
    let search = find_with(client, hashes, &mut Domains::default(), &|_, _| true).await?;
    match search.incomplete {
        Some(error) if search.found.is_empty() => Err(error),
        _ => Ok(search.found),
    }
}

/// As [`find`], for many files of one ledger: each tenancy's domain is asked for once. Anybody can register any hash, so
/// that records by others than `wanted` neither end the search by being unreadable nor stretch it: at most 200 documents
/// of theirs are looked at.
///
/// # Errors
/// Where the ledger cannot be asked for the records of a hash.
pub async fn find_with(
    client: &Client,
    hashes: &[Digest],
    domains: &mut Domains,
    wanted: Wanted<'_>,
) -> Result<Search, Error> {
    let mut asked = HashSet::new();
    let mut matches: BTreeMap<String, Vec<(Digest, Event)>> = BTreeMap::new();
    let (mut path, mut incomplete) = (Path::Public, None);
    for hash in hashes.iter().copied().filter(|hash| asked.insert(*hash)) {
        let Listing { events, whole } = search(client, &mut path, hash).await?;
        if !whole {
            let message = "the ledger's list of records does not end";
            incomplete = Some(Error::unavailable(CALL, Outcome::NotMade, message));
        }
        for event in events.into_iter().filter(|event| records(event) == Some(hash)) {
            matches.entry(event.asset.clone()).or_default().push((hash, event));
        }
    }
    let (mut assets, mut others) = (Vec::new(), Vec::new());
    for (asset, events) in &matches {
        let tenant = events.iter().find_map(|(_, event)| event.tenant_identity.as_deref());
        let is_wanted = match tenant {
            Some(tenant) => wanted(Some(tenant), domains.of(client, tenant).await.as_deref()),
            None => true,
        };
        if is_wanted { &mut assets } else { &mut others }.push(asset.clone());
    }
    assets.extend(others.into_iter().take(MAX_OTHERS));
    let documents: Vec<(String, Result<Document, Error>)> = stream::iter(assets)
        .map(|asset| async move {
            let document = Document::ask(client, path, &asset).await;
            (asset, document)
        })
        .buffered(AT_A_TIME)
        .collect()
        .await;
    let mut found = Vec::new();
    for (asset, document) in documents {
        match document {
            Ok(document) => {
                let events = matches.remove(&asset).unwrap_or_default();
                found.extend(document.tell(client, domains, events).await);
            }
            Err(error) => incomplete = Some(error),
        }
    }
    found.sort_by(|a, b| {
        b.recorded_at.cmp(&a.recorded_at).then_with(|| (&a.asset, &a.event).cmp(&(&b.asset, &b.event)))
    });
    Ok(Search { found, incomplete })
}

/// The events that the ledger has for `hash`. Settles on the spelling of the path that this ledger serves.
async fn search(client: &Client, path: &mut Path, hash: Digest) -> Result<Listing, Error> {
    let filters = vec![("asset_attributes.document_hash_value".to_owned(), hash.to_string())];
    match listing(client, *path, None, filters.clone()).await {
        Err(error) if error.kind == Kind::NotFound && *path == Path::Public => {
            *path = Path::PublicUrl;
            // Where neither spelling is there, the answer to the documented one says more.
            listing(client, *path, None, filters).await.map_err(|other| match other.kind {
                Kind::NotFound => error,
                _ => other,
            })
        }
        other => other,
    }
}

/// Which content an event records; `None` for a failed event and for one that is about something else.
fn records(event: &Event) -> Option<Digest> {
    if event.confirmation == Confirmation::Failed {
        return None;
    }
    event.asset_attributes.get("document_hash_value")?.trim().parse().ok()
}

struct Listing {
    events: Vec<Event>,
    whole: bool,
}

/// All pages of a listing, each event once; not whole where a page token comes again or there are too many pages.
async fn listing(
    client: &Client,
    path: Path,
    asset: Option<&str>,
    filters: Vec<(String, String)>,
) -> Result<Listing, Error> {
    let mut query = Query { filters, page_size: Some(PAGE_SIZE), page_token: None };
    let (mut events, mut seen, mut tokens) = (Vec::new(), HashSet::new(), HashSet::new());
    for _ in 0..MAX_PAGES {
        let page = client.list_events_at(path, asset, &query).await?;
        events.extend(page.events.into_iter().filter(|event| seen.insert((event.asset.clone(), event.uuid.clone()))));
        let Some(token) = page.next_page_token else { return Ok(Listing { events, whole: true }) };
        if !tokens.insert(token.clone()) {
            break;
        }
        query.page_token = Some(token);
    }
    Ok(Listing { events, whole: false })
}

/// A document's present state and its history.
struct Document {
    asset: Option<Asset>,
    history: Vec<Event>,
}

impl Document {
    /// Asks for both. That either is not there (any more) is survived: what the other says counts.
    async fn ask(client: &Client, path: Path, asset: &str) -> Result<Document, Error> {
        let state = match client.get_asset_at(path, asset).await {
            Err(error) if error.kind == Kind::NotFound => None,
            other => other?,
        };
        let history = match listing(client, path, Some(asset), Vec::new()).await {
            Err(error) if error.kind == Kind::NotFound => Vec::new(),
            other => other?.events,
        };
        let history = history
            .into_iter()
            .filter(|event| event.asset.eq_ignore_ascii_case(asset) && event.confirmation != Confirmation::Failed);
        Ok(Document { asset: state, history: history.collect() })
    }

    /// What is to be told of `events`, those of this document that recorded a content that is looked for.
    async fn tell(&self, client: &Client, domains: &mut Domains, events: Vec<(Digest, Event)>) -> Vec<Found> {
        // What the search showed and the history does not (yet) counts all the same.
        let latest = self.latest(events.iter().map(|(_, event)| event));
        let mut found = Vec::new();
        for (hash, event) in events {
            let of_asset = || self.asset.as_ref().and_then(|asset| asset.tenant_identity.clone());
            let tenant_identity = event.tenant_identity.clone().or_else(of_asset);
            let verified_domain = match &tenant_identity {
                Some(tenant) => domains.of(client, tenant).await,
                None => None,
            };
            found.push(Found {
                hash,
                document_hash_alg: event.asset_attributes.get("document_hash_alg").cloned(),
                tenant_identity,
                verified_domain,
                public_url: client.public_url(&event.asset).into(),
                document_version: event.asset_attributes.get("document_version").cloned(),
                standing: self.standing(&event, latest.as_deref()),
                committed: event.confirmation == Confirmation::Committed,
                recorded_at: event.timestamp_accepted,
                asset: event.asset,
                event: event.uuid,
            });
        }
        found
    }

    /// The uuid of the newest event that recorded a content, also among `others`.
    fn latest<'a>(&'a self, others: impl Iterator<Item = &'a Event>) -> Option<String> {
        let mut versions: Vec<&Event> = self.history.iter().chain(others).filter(|e| records(e).is_some()).collect();
        newest_first(&mut versions);
        versions.first().map(|event| event.uuid.clone())
    }

    fn standing(&self, event: &Event, latest: Option<&str>) -> Standing {
        if self.is_withdrawn() {
            return Standing::Withdrawn;
        }
        // The asset's own state is as new as the ledger has it; a history may lag behind.
        let now = self.asset.as_ref().and_then(|asset| asset.attributes.get("document_hash_value"));
        let outdated =
            now.and_then(|now| now.trim().parse::<Digest>().ok()).is_some_and(|now| Some(now) != records(event));
        if outdated || latest != Some(event.uuid.as_str()) { Standing::Superseded } else { Standing::Latest }
    }

    fn is_withdrawn(&self) -> bool {
        let is_withdrawn = |status: &String| status.eq_ignore_ascii_case("withdrawn");
        if let Some(asset) = &self.asset {
            return asset.attributes.get("document_status").is_some_and(is_withdrawn);
        }
        let mut history: Vec<&Event> = self.history.iter().collect();
        newest_first(&mut history);
        history.into_iter().find_map(|event| event.asset_attributes.get("document_status")).is_some_and(is_withdrawn)
    }
}

/// By our own number where every event has one, else by the time of acceptance (whole seconds), and the
/// server's order, which is newest first, where that is equal.
fn newest_first(events: &mut [&Event]) {
    let number = |event: &Event| event.asset_attributes.get("droptrail_sequence")?.parse::<u64>().ok();
    if events.iter().all(|event| number(event).is_some()) {
        events.sort_by_key(|event| std::cmp::Reverse(number(event)));
    } else {
        let accepted = |event: &Event| event.timestamp_accepted.parse::<jiff::Timestamp>().ok();
        events.sort_by_key(|event| std::cmp::Reverse(accepted(event)));
    }
}

impl Standing {
    /// As `verify --json` says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Latest => "latest",
            Standing::Superseded => "superseded",
            Standing::Withdrawn => "withdrawn",
        }
    }
}

#[cfg(test)]
mod tests;
