//! Creating assets and events: the only place that accepts something new. Runs inside the writer's transaction.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::Value;

use super::api::Refusal;
use super::attributes::{Attributes, KEY, check_size};
use super::records::{ASSET_COLUMNS, AssetRow, EVENT_COLUMNS, EVENT_JOINS, EventRow, Principal, View, status};
use super::terms::{self, Scope};
use super::{Error, time};

/// Who asks, as the token says.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// The tenancy's uuid.
    pub(super) tenancy: String,
    /// `principal_accepted`.
    pub(super) principal: Principal,
}

/// What the fault script wants of one creation.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Whims {
    /// The record goes to FAILED instead of COMMITTED.
    pub(super) doomed: bool,
    /// Events of an asset that is not yet committed are refused.
    pub(super) reject_uncommitted: bool,
}

/// `CreateAssetRequest`.
#[derive(Debug)]
pub(super) struct NewAsset {
    behaviours: Vec<String>,
    attributes: Attributes,
    public: bool,
    chain_id: String,
}

/// `CreateEventRequest`.
#[derive(Debug)]
pub(super) struct NewEvent {
    operation: String,
    behaviour: String,
    event_attributes: Attributes,
    asset_attributes: Attributes,
    declared: Option<Timestamp>,
    principal_declared: Option<Principal>,
}

/// The one proof mechanism there is.
const PROOF: &str = "MERKLE_LOG";

fn object(body: &[u8]) -> Result<serde_json::Map<String, Value>, Refusal> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Refusal::invalid("the body must be a JSON object")),
        Err(error) => Err(Refusal::invalid(format!("the body is not JSON: {error}"))),
    }
}

fn text(object: &serde_json::Map<String, Value>, name: &str) -> Result<String, Refusal> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) if text.chars().count() <= KEY => Ok(text.clone()),
        Some(Value::String(_)) => Err(Refusal::invalid(format!("{name}: at most {KEY} characters are allowed"))),
        Some(_) => Err(Refusal::invalid(format!("{name}: a string was expected"))),
    }
}

impl NewAsset {
    /// Reads and checks a request. Unknown fields are ignored, as the service does.
    pub(super) fn from_body(body: &[u8]) -> Result<NewAsset, Refusal> {
        let body = object(body)?;
        let asked: &[Value] = match body.get("behaviours") {
            None | Some(Value::Null) => &[],
            Some(Value::Array(list)) => list,
            Some(_) => return Err(Refusal::invalid("behaviours: a list was expected")),
        };
        let mut behaviours = Vec::new();
        for behaviour in asked {
            match behaviour {
                Value::String(name) if name.chars().count() <= KEY => behaviours.push(name.clone()),
                _ => return Err(Refusal::invalid(format!("behaviours: strings of at most {KEY} characters expected"))),
            }
        }
        for always in ["AssetCreator", "Builtin"] {
            if !behaviours.iter().any(|present| present == always) {
                behaviours.push(always.to_owned());
            }
        }
        let attributes = Attributes::from_request("attributes", body.get("attributes"))?;
        check_size(&[&attributes])?;
        let public = match body.get("public") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(public)) => *public,
            Some(_) => return Err(Refusal::invalid("public: true or false was expected")),
        };
        match text(&body, "proof_mechanism")?.as_str() {
            "" | PROOF | "PROOF_MECHANISM_UNSPECIFIED" => {}
            "SIMPLE_HASH" | "RESERVED1" => {
                return Err(Refusal::invalid("proof_mechanism: this ledger offers MERKLE_LOG only"));
            }
            _ => return Err(Refusal::invalid("proof_mechanism: value not found")),
        }
        Ok(NewAsset { behaviours, attributes, public, chain_id: text(&body, "chain_id")? })
    }
}

impl NewEvent {
    /// Reads and checks a request. Unknown fields are ignored, as the service does.
    pub(super) fn from_body(body: &[u8]) -> Result<NewEvent, Refusal> {
        let body = object(body)?;
        let (operation, behaviour) = (text(&body, "operation")?, text(&body, "behaviour")?);
        match (operation.as_str(), behaviour.as_str()) {
            ("Record", "RecordEvidence") | ("StartTracking" | "StopTracking", "Builtin") => {}
            ("", _) => return Err(Refusal::invalid("operation: missing")),
            (_, "") => return Err(Refusal::invalid("behaviour: missing")),
            _ => return Err(Refusal::invalid("operation: not one of that behaviour")),
        }
        let event_attributes = Attributes::from_request("event_attributes", body.get("event_attributes"))?;
        let asset_attributes = Attributes::from_request("asset_attributes", body.get("asset_attributes"))?;
        check_size(&[&event_attributes, &asset_attributes])?;
        let declared = match body.get("timestamp_declared") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(
                time::parse(text)
                    .ok_or_else(|| Refusal::invalid("timestamp_declared: an RFC 3339 time was expected"))?,
            ),
            Some(_) => return Err(Refusal::invalid("timestamp_declared: an RFC 3339 time was expected")),
        };
        let principal_declared = principal(body.get("principal_declared"))?;
        Ok(NewEvent { operation, behaviour, event_attributes, asset_attributes, declared, principal_declared })
    }
}

fn principal(value: Option<&Value>) -> Result<Option<Principal>, Refusal> {
    let fields = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(fields)) => fields,
        Some(_) => return Err(Refusal::invalid("principal_declared: an object was expected")),
    };
    // Both spellings of protojson are admitted; anything else is refused, as protojson does.
    let known = ["issuer", "subject", "display_name", "displayName", "email"];
    if fields.keys().any(|key| !known.contains(&key.as_str())) {
        return Err(Refusal::invalid("principal_declared: unknown field"));
    }
    let display_name = if fields.contains_key("displayName") { "displayName" } else { "display_name" };
    Ok(Some(Principal {
        issuer: text(fields, "issuer")?,
        subject: text(fields, "subject")?,
        display_name: text(fields, display_name)?,
        email: text(fields, "email")?,
    }))
}

/// The row id of the caller's tenancy.
pub(super) fn tenancy(connection: &Connection, caller: &Caller) -> Result<i64, Refusal> {
    connection
        .prepare_cached("SELECT id FROM tenancies WHERE uuid = ?1")?
        .query_row([&caller.tenancy], |row| row.get(0))
        .optional()?
        .ok_or_else(|| Refusal::unauthenticated("the token's tenancy does not exist"))
}

/// Stores an asset and its NewAsset event; gives the `AssetResponse`.
pub(super) fn asset(connection: &Connection, caller: &Caller, new: &NewAsset, whims: Whims) -> Result<String, Refusal> {
    let tenancy = tenancy(connection, caller)?;
    let now = time::now_ms();
    let attributes = new.attributes.json();
    let behaviours = serde_json::to_string(&new.behaviours).expect("strings are JSON");
    connection
        .prepare_cached(
            "INSERT INTO assets (uuid, tenancy, public, behaviours, proof_mechanism, chain_id, created_ms, status, tracked, \
             attributes, at_ms, committed_attributes, committed_at_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1, ?9, ?7, '{}', 0)",
        )?
        .execute(params![
            uuid::Uuid::new_v4().to_string(),
            tenancy,
            new.public,
            behaviours,
            PROOF,
            new.chain_id,
            now,
            status::PENDING,
            attributes,
        ])?;
    let id = connection.last_insert_rowid();
    terms::replace(connection, tenancy, Scope::Asset, id, &Attributes::default(), &new.attributes)?;
    let event = NewEvent {
        operation: "NewAsset".into(),
        behaviour: "AssetCreator".into(),
        event_attributes: Attributes::default(),
        asset_attributes: new.attributes.clone(),
        declared: None,
        principal_declared: None,
    };
    insert_event(connection, caller, Place { tenancy, asset: id, public: new.public }, &event, now, whims)?;
    let asset = asset_by(connection, "a.id = ?1", &id)?.ok_or_else(Refusal::not_found)?;
    Ok(asset.json(View::Own(tenancy)))
}

/// Stores an event; gives the `EventResponse`.
pub(super) fn event(
    connection: &Connection,
    caller: &Caller,
    asset: &str,
    new: &NewEvent,
    whims: Whims,
) -> Result<String, Refusal> {
    let tenancy = tenancy(connection, caller)?;
    let owner: Option<i64> = connection
        .prepare_cached("SELECT tenancy FROM assets WHERE uuid = ?1")?
        .query_row([asset], |row| row.get(0))
        .optional()?;
    let asset = asset_by(connection, "a.uuid = ?1", &asset)?.ok_or_else(Refusal::not_found)?;
    if owner != Some(tenancy) {
        return Err(if asset.public {
            Refusal::new(http::StatusCode::FORBIDDEN, "only the tenancy that created an asset can add events to it")
        } else {
            Refusal::not_found()
        });
    }
    if asset.status == status::FAILED {
        return Err(Refusal::invalid("the asset failed permanently"));
    }
    if whims.reject_uncommitted && !status::is_committed(asset.status) {
        return Err(Refusal::invalid("the asset is not committed yet"));
    }
    let now = time::now_ms();
    let place = Place { tenancy, asset: asset.id, public: asset.public };
    let id = insert_event(connection, caller, place, new, now, whims)?;
    let old = Attributes::from_json(&asset.attributes)?;
    let mut merged = old.clone();
    merged.merge(&new.asset_attributes);
    let tracked = match new.operation.as_str() {
        "StartTracking" => Some(true),
        "StopTracking" => Some(false),
        _ => None,
    };
    connection
        .prepare_cached("UPDATE assets SET attributes = ?2, at_ms = ?3, tracked = coalesce(?4, tracked) WHERE id = ?1")?
        .execute(params![asset.id, merged.json(), now, tracked])?;
    terms::replace(connection, tenancy, Scope::Asset, asset.id, &old, &merged)?;
    let event = event_by(connection, id)?;
    Ok(event.json(View::Own(tenancy)))
}

/// Where an event goes.
#[derive(Clone, Copy)]
struct Place {
    tenancy: i64,
    asset: i64,
    public: bool,
}

fn insert_event(
    connection: &Connection,
    caller: &Caller,
    place: Place,
    new: &NewEvent,
    now: i64,
    whims: Whims,
) -> Result<i64, Error> {
    let accepted_us = (now - now.rem_euclid(1000)) * 1000;
    let (declared, declared_us) = match new.declared {
        Some(time) => (time::protojson(time), time.as_microsecond()),
        None => (time::seconds(now), accepted_us),
    };
    let accepted = caller.principal.json();
    let principal_declared = new.principal_declared.as_ref().map_or_else(|| accepted.clone(), Principal::json);
    connection
        .prepare_cached(
            "INSERT INTO events (uuid, asset, tenancy, public, operation, behaviour, event_attributes, asset_attributes, \
             declared, declared_us, accepted_ms, principal_declared, principal_accepted, doomed, status) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute(params![
            uuid::Uuid::new_v4().to_string(),
            place.asset,
            place.tenancy,
            place.public,
            new.operation,
            new.behaviour,
            new.event_attributes.json(),
            new.asset_attributes.json(),
            declared,
            declared_us,
            now,
            principal_declared,
            accepted,
            whims.doomed,
            status::PENDING,
        ])?;
    let id = connection.last_insert_rowid();
    let none = Attributes::default();
    terms::replace(connection, place.tenancy, Scope::Event, id, &none, &new.event_attributes)?;
    terms::replace(connection, place.tenancy, Scope::AssetOfEvent, id, &none, &new.asset_attributes)?;
    Ok(id)
}

/// One asset, by a condition on `a` with one parameter.
pub(super) fn asset_by(
    connection: &Connection,
    condition: &str,
    parameter: &dyn rusqlite::ToSql,
) -> Result<Option<AssetRow>, Error> {
    let sql = format!("SELECT {ASSET_COLUMNS} FROM assets a JOIN tenancies t ON t.id = a.tenancy WHERE {condition}");
    Ok(connection.prepare_cached(&sql)?.query_row([parameter], AssetRow::read).optional()?)
}

/// The event with this row id.
pub(super) fn event_by(connection: &Connection, id: i64) -> Result<EventRow, Error> {
    let sql = format!("SELECT {EVENT_COLUMNS} FROM events e {EVENT_JOINS} WHERE e.id = ?1");
    Ok(connection.prepare_cached(&sql)?.query_row([id], EventRow::read)?)
}
