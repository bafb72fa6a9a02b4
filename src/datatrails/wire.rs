//! Reads what the ledger answers, leniently: an unknown field is ignored, a field of a wrong type counts as missing, a
//! record of a list that cannot be identified is skipped. Nothing is built up of what we do not keep, so that a hostile
//! answer costs no more memory than its own size. Touches nothing.

mod lenient;

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use uuid::Uuid;

use self::lenient::{Boolean, Flat, Number, Text};
use super::{Asset, Assets, Confirmation, Event, Events, PublicInfo};

/// More records than any page holds (the largest page size seen asks for far fewer).
const MAX_RECORDS: usize = 20_000;
/// More attributes than a page of honest records has.
const MAX_ATTRIBUTES: usize = 400_000;

/// Why an answer could not be read, for people.
pub(super) type Unreadable = String;

/// A token endpoint's answer.
pub(super) struct TokenAnswer {
    /// `access_token`.
    pub(super) access_token: String,
    /// `expires_in` in seconds; a number, or a number in a string.
    pub(super) expires_in: Option<f64>,
}

/// Reads `AssetResponse`.
pub(super) fn asset(body: &[u8]) -> Result<Asset, Unreadable> {
    record(body)?.into_asset().ok_or_else(|| "the answer names no asset".to_owned())
}

/// Reads `EventResponse`.
pub(super) fn event(body: &[u8]) -> Result<Event, Unreadable> {
    record(body)?.into_event().ok_or_else(|| "the answer names no event".to_owned())
}

/// Reads a page of assets.
pub(super) fn assets(body: &[u8]) -> Result<Assets, Unreadable> {
    let (records, next_page_token) = page(body, "assets")?;
    Ok(Assets { assets: records.into_iter().filter_map(Record::into_asset).collect(), next_page_token })
}

/// Reads a page of events.
pub(super) fn events(body: &[u8]) -> Result<Events, Unreadable> {
    let (records, next_page_token) = page(body, "events")?;
    Ok(Events { events: records.into_iter().filter_map(Record::into_event).collect(), next_page_token })
}

/// Reads `:publicinfo`.
pub(super) fn public_info(body: &[u8]) -> Result<PublicInfo, Unreadable> {
    let mut texts = record(body)?.texts;
    Ok(PublicInfo {
        identity: texts.remove("identity").unwrap_or_default(),
        verified_domain: texts
            .remove("verified_domain")
            .map(|domain| domain.trim().to_owned())
            .filter(|d| !d.is_empty()),
    })
}

/// Reads the token endpoint's answer.
pub(super) fn token(body: &[u8]) -> Result<TokenAnswer, Unreadable> {
    let mut record = record(body)?;
    let access_token = record.texts.remove("access_token").filter(|token| !token.is_empty());
    let access_token = access_token.ok_or_else(|| "the answer holds no access token".to_owned())?;
    let in_text = record.texts.get("expires_in").and_then(|text| text.trim().parse().ok());
    Ok(TokenAnswer { access_token, expires_in: record.expires_in.or(in_text).filter(|seconds| seconds.is_finite()) })
}

/// `jit_tenant_id` of a JWT's payload.
pub(super) fn jwt_tenant(payload: &[u8]) -> Option<String> {
    record(payload).ok()?.texts.remove("jit_tenant_id")
}

/// What an error body says: `message`, else `error_description`, `description` or `error`, else nothing.
pub(super) fn error_message(body: &[u8]) -> Option<String> {
    let mut texts = record(body).ok()?.texts;
    ["message", "error_description", "description", "error"].into_iter().find_map(|name| texts.remove(name))
}

/// Whether `body` is a JSON object.
pub(super) fn is_object(body: &[u8]) -> bool {
    record(body).is_ok()
}

/// The bare uuid of an asset's identity in either view: `assets/<uuid>`, `publicassets/<uuid>` or the uuid alone.
pub(super) fn asset_uuid(identity: &str) -> Option<&str> {
    let bare = identity.strip_prefix("publicassets/").or_else(|| identity.strip_prefix("assets/")).unwrap_or(identity);
    is_uuid(bare).then_some(bare)
}

/// The bare uuids of `assets/<uuid>/events/<uuid>`, in either view.
fn event_uuids(identity: &str) -> Option<(&str, &str)> {
    let (asset, event) = identity.split_once("/events/")?;
    is_uuid(event).then_some((asset_uuid(asset)?, event))
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && Uuid::try_parse(text).is_ok()
}

fn record(body: &[u8]) -> Result<Record, Unreadable> {
    match serde_json::from_slice::<Option<Record>>(body) {
        Ok(Some(record)) if record.is_object => Ok(record),
        Ok(_) => Err("the answer is no JSON object".to_owned()),
        Err(error) => Err(unreadable(&error)),
    }
}

fn unreadable(error: &serde_json::Error) -> Unreadable {
    // The error's own text may quote the answer; where it broke is enough.
    let what = match error.classify() {
        serde_json::error::Category::Eof => "the answer ends too early",
        serde_json::error::Category::Data => "the answer is not of the expected shape",
        _ => "the answer is no JSON",
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

/// The fields of any answer of ours that are kept, by their JSON names.
#[derive(Default)]
struct Record {
    is_object: bool,
    texts: BTreeMap<&'static str, String>,
    attributes: Flat,
    event_attributes: Flat,
    asset_attributes: Flat,
    public: bool,
    expires_in: Option<f64>,
}

/// The text fields that are kept.
const TEXTS: [&str; 17] = [
    "identity",
    "asset_identity",
    "confirmation_status",
    "tenant_identity",
    "at_time",
    "operation",
    "timestamp_declared",
    "timestamp_accepted",
    "timestamp_committed",
    "verified_domain",
    "access_token",
    "expires_in",
    "jit_tenant_id",
    "message",
    "error_description",
    "description",
    "error",
];

impl Record {
    fn count(&self) -> usize {
        self.attributes.0.len() + self.event_attributes.0.len() + self.asset_attributes.0.len()
    }

    fn text(&mut self, name: &str) -> String {
        self.texts.remove(name).unwrap_or_default()
    }

    fn confirmation(&self) -> Confirmation {
        match self.texts.get("confirmation_status").map(String::as_str) {
            Some("COMMITTED" | "CONFIRMED" | "UNEQUIVOCAL") => Confirmation::Committed,
            Some("FAILED") => Confirmation::Failed,
            _ => Confirmation::Pending,
        }
    }

    fn tenant(&mut self) -> Option<String> {
        self.texts.remove("tenant_identity").filter(|tenant| !tenant.is_empty())
    }

    fn into_asset(mut self) -> Option<Asset> {
        let uuid = asset_uuid(self.texts.get("identity").filter(|identity| identity.contains('/'))?)?.to_owned();
        Some(Asset {
            uuid,
            confirmation: self.confirmation(),
            tenant_identity: self.tenant(),
            public: self.public,
            at_time: self.text("at_time"),
            attributes: self.attributes.0,
        })
    }

    fn into_event(mut self) -> Option<Event> {
        let (asset, uuid) = event_uuids(self.texts.get("identity")?)?;
        let (asset, uuid) = (asset.to_owned(), uuid.to_owned());
        Some(Event {
            asset,
            uuid,
            operation: self.text("operation"),
            confirmation: self.confirmation(),
            tenant_identity: self.tenant(),
            timestamp_declared: self.text("timestamp_declared"),
            timestamp_accepted: self.text("timestamp_accepted"),
            timestamp_committed: self.text("timestamp_committed"),
            event_attributes: self.event_attributes.0,
            asset_attributes: self.asset_attributes.0,
        })
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Record;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a record")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
                let mut record = Record { is_object: true, ..Record::default() };
                while let Some(name) = map.next_key::<String>()? {
                    match name.as_str() {
                        "attributes" => record.attributes = map.next_value()?,
                        "event_attributes" => record.event_attributes = map.next_value()?,
                        "asset_attributes" => record.asset_attributes = map.next_value()?,
                        "public" => record.public = map.next_value::<Boolean>()?.0,
                        "expires_in" => {
                            let Number { value, text } = map.next_value()?;
                            record.expires_in = value;
                            record.texts.extend(text.map(|text| ("expires_in", text)));
                        }
                        other => match TEXTS.iter().find(|kept| **kept == other) {
                            Some(kept) => {
                                let text = map.next_value::<Text>()?.0;
                                record.texts.extend(text.map(|text| (*kept, text)));
                            }
                            None => drop(map.next_value::<IgnoredAny>()?),
                        },
                    }
                }
                Ok(record)
            }

            lenient::otherwise!(Record::default(); unit bool number str seq);
        }

        deserializer.deserialize_any(Fields)
    }
}

/// The records under `name` and the token of the next page.
fn page(body: &[u8], name: &'static str) -> Result<(Vec<Record>, Option<String>), Unreadable> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let page = deserializer.deserialize_map(Page { name });
    let page = page.and_then(|page| deserializer.end().map(|()| page)).map_err(|error| unreadable(&error))?;
    Ok(page)
}

struct Page {
    name: &'static str,
}

impl<'de> Visitor<'de> for Page {
    type Value = (Vec<Record>, Option<String>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a page")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut records, mut token, mut is_page, mut fields) = (None, None, false, 0_usize);
        while let Some(name) = map.next_key::<String>()? {
            fields += 1;
            if name == self.name {
                records = Some(map.next_value::<Records>()?.0.unwrap_or_default());
            } else if name == "next_page_token" {
                is_page = true;
                token = map.next_value::<Text>()?.0.filter(|token| !token.is_empty());
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        // An object about something else, as an error with status 200, is no empty list: absence would be believed.
        if records.is_none() && !is_page && fields > 0 {
            return Err(A::Error::missing_field(self.name));
        }
        Ok((records.unwrap_or_default(), token))
    }
}

/// A list of records, the unreadable ones left out; `None` for null.
struct Records(Option<Vec<Record>>);

impl<'de> Deserialize<'de> for Records {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Records;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of records")
            }

            fn visit_unit<E>(self) -> Result<Records, E> {
                Ok(Records(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Records, A::Error> {
                let (mut records, mut attributes) = (Vec::new(), 0);
                while let Some(record) = list.next_element::<Record>()? {
                    if !record.is_object {
                        continue;
                    }
                    attributes += record.count();
                    if records.len() == MAX_RECORDS || attributes > MAX_ATTRIBUTES {
                        return Err(A::Error::custom("more records than a page may hold"));
                    }
                    records.push(record);
                }
                Ok(Records(Some(records)))
            }
        }

        deserializer.deserialize_any(List)
    }
}

#[cfg(test)]
mod tests;
