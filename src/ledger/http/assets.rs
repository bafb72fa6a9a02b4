//! Assets: create, read (now or at a time), list, public URL.

use std::sync::Arc;

use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use rusqlite::{Connection, params};
use serde_json::json;

use super::{Answer, Ledger, Shared, body, counts, label, page, strikes, uuid};
use crate::ledger::api::{Refusal, answer};
use crate::ledger::attributes::Attributes;
use crate::ledger::create::{self, Caller, NewAsset, Whims, asset_by, tenancy};
use crate::ledger::query::{self, Ask, Query, Records};
use crate::ledger::records::{AssetRow, View, status};
use crate::ledger::time;

/// The path that assets are created at.
pub(super) const PATH: &str = "/archivist/v2/assets";

pub(super) async fn create(State(shared): Ledger, headers: HeaderMap, sent: Result<Bytes, BytesRejection>) -> Answer {
    let caller = shared.caller(&headers)?;
    let new = NewAsset::from_body(&body(sent)?)?;
    let doomed = shared.script.strike("fail", &label(&Method::POST, PATH)).is_some();
    let whims = Whims { doomed, ..Whims::default() };
    let asset = shared.writer.write(move |connection| create::asset(connection, &caller, &new, whims)).await?;
    shared.ring();
    Ok(answer(StatusCode::OK, asset))
}

pub(super) async fn list(State(shared): Ledger, headers: HeaderMap, RawQuery(query): RawQuery) -> Answer {
    let caller = shared.caller(&headers)?;
    listing(&shared, Records::Assets, Listed::Own(caller, None), PATH, &headers, query.as_deref()).await
}

/// Whose records are listed, and the asset (uuid) whose events they are.
pub(super) enum Listed {
    Own(Caller, Option<String>),
    Public(Option<String>),
}

/// Every listing.
pub(super) async fn listing(
    shared: &Arc<Shared>,
    records: Records,
    listed: Listed,
    path: &str,
    headers: &HeaderMap,
    query: Option<&str>,
) -> Answer {
    let query = Query::parse(records, query.unwrap_or_default())?;
    let label = label(&Method::GET, path);
    let lag = shared.script.strike("search_lag", &label).and_then(|strike| strike.value);
    let until_ms = lag.map(|lag| time::now_ms() - strikes::seconds(lag).as_millis() as i64);
    let limit = shared.script.strike("truncate_206", &label).and_then(|strike| strike.value).map(|limit| limit as u32);
    let blind = matches!(listed, Listed::Own(..)) && shared.script.strike("no_read", &label).is_some();
    let count = counts(headers);
    let key = shared.key.clone();
    let found = shared
        .readers
        .read(move |connection| {
            let (view, asset) = match &listed {
                Listed::Own(caller, asset) => (View::Own(tenancy(connection, caller)?), asset),
                Listed::Public(asset) => (View::Public, asset),
            };
            let asset = match asset {
                Some(uuid) => Some(visible(connection, view, uuid)?.0.id),
                None => None,
            };
            query::list(connection, &key, &Ask { view, records, asset, until_ms, count, limit, blind }, query)
        })
        .await?;
    Ok(page(if records == Records::Assets { "assets" } else { "events" }, &found, count))
}

/// The asset, if this view shows it; and the row id of its tenancy.
pub(super) fn visible(connection: &Connection, view: View, uuid: &str) -> Result<(AssetRow, i64), Refusal> {
    let asset = asset_by(connection, "a.uuid = ?1", &uuid)?.ok_or_else(Refusal::not_found)?;
    let owner: i64 = connection
        .prepare_cached("SELECT tenancy FROM assets WHERE id = ?1")?
        .query_row([asset.id], |row| row.get(0))?;
    let shown = match view {
        View::Own(tenancy) => owner == tenancy,
        View::Public => asset.public && status::is_committed(asset.status),
    };
    if shown { Ok((asset, owner)) } else { Err(Refusal::not_found()) }
}

pub(super) async fn read(
    State(shared): Ledger,
    Path(asset): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let caller = shared.caller(&headers)?;
    if let Some(asset) = asset.strip_suffix(":publicurl") {
        let id = uuid(asset)?;
        let url = format!("{}/archivist/publicassets/{id}", shared.base_url(&headers));
        shared.readers.read(move |connection| public_of(connection, &caller, &id).map(|_| ())).await?;
        return Ok(answer(StatusCode::OK, json!({"publicurl": url}).to_string()));
    }
    let (asset, at) = (uuid(&asset)?, at_time(query.as_deref())?);
    let json = shared
        .readers
        .read(move |connection| {
            let view = View::Own(tenancy(connection, &caller)?);
            shown(connection, view, &asset, at)
        })
        .await?;
    Ok(answer(StatusCode::OK, json))
}

pub(super) async fn read_public(State(shared): Ledger, Path(asset): Path<String>, RawQuery(query): RawQuery) -> Answer {
    let (asset, at) = (uuid(&asset)?, at_time(query.as_deref())?);
    let json = shared.readers.read(move |connection| shown(connection, View::Public, &asset, at)).await?;
    Ok(answer(StatusCode::OK, json))
}

/// A public asset of the caller.
pub(super) fn public_of(connection: &Connection, caller: &Caller, uuid: &str) -> Result<AssetRow, Refusal> {
    let view = View::Own(tenancy(connection, caller)?);
    let (asset, _) = visible(connection, view, uuid)?;
    if asset.public { Ok(asset) } else { Err(Refusal::invalid("the asset is not public")) }
}

fn shown(connection: &Connection, view: View, uuid: &str, at: Option<jiff::Timestamp>) -> Result<String, Refusal> {
    let (asset, _) = visible(connection, view, uuid)?;
    let Some(at) = at else { return Ok(asset.json(view)) };
    // Acceptance shows as whole seconds, so the state at such a time holds all of that second.
    let until = at.as_millisecond().div_euclid(1000) * 1000 + 999;
    let statuses = if view == View::Public { "(2, 5, 6)" } else { "(1, 2, 4, 5, 6)" };
    let sql = format!(
        "SELECT asset_attributes FROM events INDEXED BY events_asset \
         WHERE asset = ?1 AND accepted_ms <= ?2 AND (status IN {statuses} OR operation = 'NewAsset') ORDER BY id"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![asset.id, until])?;
    let mut state: Option<Attributes> = None;
    while let Some(row) = rows.next()? {
        state.get_or_insert_default().merge(&Attributes::from_json(&row.get::<_, String>(0)?)?);
    }
    let state = state.ok_or_else(Refusal::not_found)?;
    Ok(asset.json_at(view, &state.json(), &time::protojson(at)))
}

/// The one parameter of reading an asset.
fn at_time(query: Option<&str>) -> Result<Option<jiff::Timestamp>, Refusal> {
    let mut at = None;
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if name != "at_time" {
            return Err(Refusal::invalid("no parameter but at_time is known here"));
        }
        let time = time::parse(&value).ok_or_else(|| Refusal::invalid("at_time: an RFC 3339 time was expected"))?;
        at = Some(time);
    }
    Ok(at)
}
