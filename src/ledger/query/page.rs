//! Runs a listing: one page of records, the token of the next page, and the total where it is asked for.

use rusqlite::{Connection, params_from_iter};
use serde::{Deserialize, Serialize};

use super::sql::{Bounds, listing};
use super::{Query, Records};
use crate::ledger::api::Refusal;
use crate::ledger::records::{ASSET_COLUMNS, AssetRow, EVENT_COLUMNS, EVENT_JOINS, EventRow, View};
use crate::ledger::token::Key;

/// Records of a page where no `page_size` is given; more are announced by 206.
const UNSIZED: u32 = 1000;
/// Records of a page at most.
const LARGEST: u32 = 1000;
/// Bytes of a page, about; a page that would be larger ends early.
const BYTES: usize = 4 * 1024 * 1024;

/// What a page token carries: everything that the next page needs.
#[derive(Debug, Serialize, Deserialize)]
struct Next {
    /// Whose listing of what it is.
    listing: String,
    given: Vec<(String, String)>,
    page_size: Option<u32>,
    after: i64,
}

/// A page.
#[derive(Debug)]
pub(crate) struct Page {
    /// The records, as JSON.
    pub(crate) records: Vec<String>,
    pub(crate) next_page_token: String,
    /// How many match in all; there where it was asked for or the listing was cut short.
    pub(crate) total: Option<u64>,
    /// How many were the most to be given where no size was asked for, if more matched.
    pub(crate) truncated: Option<u32>,
}

/// What is asked of a listing beside its query.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) view: View,
    pub(crate) records: Records,
    /// Row id of the asset whose events are listed.
    pub(crate) asset: Option<i64>,
    /// Only records accepted at or before this moment (milliseconds).
    pub(crate) until_ms: Option<i64>,
    /// Whether the total is asked for.
    pub(crate) count: bool,
    /// Another limit for listings without `page_size`.
    pub(crate) limit: Option<u32>,
    /// Answers as if there were no records.
    pub(crate) blind: bool,
}

/// Lists one page.
pub(crate) fn list(connection: &Connection, key: &Key, ask: &Ask, query: Query) -> Result<Page, Refusal> {
    let name = format!("{:?} {:?} {:?}", ask.records, ask.view, ask.asset);
    let asked_size = query.page_size;
    let (query, after, size) = match &query.page_token {
        None => (query, None, asked_size),
        Some(token) => {
            let next: Next = key
                .unseal(token)
                .and_then(|content| serde_json::from_slice(&content).ok())
                .filter(|next: &Next| next.listing == name)
                .ok_or_else(|| Refusal::invalid("page_token: not a token of this listing"))?;
            // The token's filters count, whether or not filters are sent along.
            (Query::from_given(ask.records, next.given)?, Some(next.after), asked_size.or(next.page_size))
        }
    };
    let limit = size.map_or(ask.limit.unwrap_or(UNSIZED), |size| size.min(LARGEST)).max(1);
    let bounds = Bounds { view: ask.view, records: ask.records, asset: ask.asset, until_ms: ask.until_ms, after };
    let (rows, more) = if ask.blind { (Vec::new(), false) } else { page(connection, bounds, &query, limit)? };
    let truncated = (more && size.is_none()).then(|| u32::try_from(rows.len()).unwrap_or(limit));
    let total = match ask.count || truncated.is_some() {
        true if ask.blind => Some(0),
        true => Some(count(connection, Bounds { after: None, ..bounds }, &query)?),
        false => None,
    };
    let next_page_token = match rows.last() {
        Some((after, _)) if more => {
            let next = Next { listing: name, given: query.given, page_size: size, after: *after };
            key.seal(&serde_json::to_vec(&next).expect("strings and numbers are JSON"))
        }
        _ => String::new(),
    };
    Ok(Page { records: rows.into_iter().map(|(_, json)| json).collect(), next_page_token, total, truncated })
}

/// Row ids and JSON of at most `limit` records, and whether there are more.
fn page(
    connection: &Connection,
    bounds: Bounds,
    query: &Query,
    limit: u32,
) -> Result<(Vec<(i64, String)>, bool), Refusal> {
    let (columns, joins) = match bounds.records {
        Records::Assets => (ASSET_COLUMNS, "CROSS JOIN tenancies t ON t.id = a.tenancy"),
        Records::Events => (EVENT_COLUMNS, EVENT_JOINS),
    };
    let sql = listing(connection, bounds, query, joins)?;
    let text = format!("SELECT {columns}{}{} LIMIT {}", sql.text, sql.order, limit + 1);
    let mut statement = connection.prepare(&text)?;
    let mut rows = statement.query(params_from_iter(sql.parameters))?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        if found.len() >= limit as usize || bytes >= BYTES {
            return Ok((found, true));
        }
        let (id, json) = match bounds.records {
            Records::Assets => {
                let asset = AssetRow::read(row)?;
                (asset.id, asset.json(bounds.view))
            }
            Records::Events => {
                let event = EventRow::read(row)?;
                (event.id, event.json(bounds.view))
            }
        };
        bytes += json.len();
        found.push((id, json));
    }
    Ok((found, false))
}

fn count(connection: &Connection, bounds: Bounds, query: &Query) -> Result<u64, Refusal> {
    let joins = match bounds.records {
        Records::Assets => "",
        Records::Events => EVENT_JOINS,
    };
    let sql = listing(connection, bounds, query, joins)?;
    let total: i64 = connection
        .prepare(&format!("SELECT count(*){}", sql.text))?
        .query_row(params_from_iter(sql.parameters), |row| row.get(0))?;
    Ok(total.unsigned_abs())
}
