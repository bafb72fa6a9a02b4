//! Events: create, read, list (of one asset, or of all), public URL.

use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use rusqlite::{Connection, OptionalExtension as _};
use serde_json::json;

use super::assets::{Listed, listing, public_of, visible};
use super::{Answer, Ledger, body, label, uuid};
use crate::ledger::api::{Refusal, answer};
use crate::ledger::create::{self, NewEvent, Whims, event_by, tenancy};
use crate::ledger::query::Records;
use crate::ledger::records::{EventRow, View};

pub(super) async fn create(
    State(shared): Ledger,
    Path(asset): Path<String>,
    headers: HeaderMap,
    sent: Result<Bytes, BytesRejection>,
) -> Answer {
    let caller = shared.caller(&headers)?;
    let asset = uuid(&asset)?;
    let new = NewEvent::from_body(&body(sent)?)?;
    let label = label(&Method::POST, &format!("/archivist/v2/assets/{asset}/events"));
    let strike = |fault: &str| shared.script.strike(fault, &label).is_some();
    let whims = Whims { doomed: strike("fail"), reject_uncommitted: strike("reject_uncommitted") };
    let event = shared.writer.write(move |connection| create::event(connection, &caller, &asset, &new, whims)).await?;
    shared.ring();
    Ok(answer(StatusCode::OK, event))
}

/// The asset of a listing; `-` means all.
fn of(asset: &str) -> Result<Option<String>, Refusal> {
    if asset == "-" { Ok(None) } else { uuid(asset).map(Some) }
}

pub(super) async fn list(
    State(shared): Ledger,
    Path(asset): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let listed = Listed::Own(shared.caller(&headers)?, of(&asset)?);
    let path = format!("/archivist/v2/assets/{asset}/events");
    listing(&shared, Records::Events, listed, &path, &headers, query.as_deref()).await
}

pub(super) async fn list_public(
    State(shared): Ledger,
    Path(asset): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let path = format!("/archivist/v2/publicassets/{asset}/events");
    listing(&shared, Records::Events, Listed::Public(of(&asset)?), &path, &headers, query.as_deref()).await
}

pub(super) async fn read(
    State(shared): Ledger,
    Path((asset, event)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let caller = shared.caller(&headers)?;
    let asset = uuid(&asset)?;
    if let Some(event) = event.strip_suffix(":publicurl") {
        let event = uuid(event)?;
        let url = format!("{}/archivist/publicassets/{asset}/events/{event}", shared.base_url(&headers));
        shared
            .readers
            .read(move |connection| {
                let asset = public_of(connection, &caller, &asset)?;
                found(connection, asset.id, &event).map(|_| ())
            })
            .await?;
        return Ok(answer(StatusCode::OK, json!({"publicurl": url}).to_string()));
    }
    let event = uuid(&event)?;
    let json = shared
        .readers
        .read(move |connection| {
            let view = View::Own(tenancy(connection, &caller)?);
            let (asset, _) = visible(connection, view, &asset)?;
            Ok::<_, Refusal>(found(connection, asset.id, &event)?.json(view))
        })
        .await?;
    Ok(answer(StatusCode::OK, json))
}

pub(super) async fn read_public(State(shared): Ledger, Path((asset, event)): Path<(String, String)>) -> Answer {
    let (asset, event) = (uuid(&asset)?, uuid(&event)?);
    let json = shared
        .readers
        .read(move |connection| {
            let (asset, _) = visible(connection, View::Public, &asset)?;
            let event = found(connection, asset.id, &event)?;
            if event.leaf.is_none() {
                return Err(Refusal::not_found());
            }
            Ok(event.json(View::Public))
        })
        .await?;
    Ok(answer(StatusCode::OK, json))
}

fn found(connection: &Connection, asset: i64, event: &str) -> Result<EventRow, Refusal> {
    let id: Option<i64> = connection
        .prepare_cached("SELECT id FROM events WHERE uuid = ?1 AND asset = ?2")?
        .query_row(rusqlite::params![event, asset], |row| row.get(0))
        .optional()?;
    Ok(event_by(connection, id.ok_or_else(Refusal::not_found)?)?)
}
