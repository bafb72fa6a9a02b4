//! Rows as the API shows them: `AssetResponse` and `EventResponse`, in the own and in the public view, and the eleven leaf
//! fields. Every field is always there, in the API's order.

use rusqlite::Row;
use serde::{Deserialize, Serialize};

use super::time;

/// Who looks: decides identities, principals, and which records there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// The tenancy with this row id.
    Own(i64),
    /// Anybody.
    Public,
}

impl View {
    /// The space of `terms` that it may look into.
    pub(super) fn space(self) -> i64 {
        match self {
            View::Own(tenancy) => tenancy,
            View::Public => 0,
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            View::Own(_) => "assets",
            View::Public => "publicassets",
        }
    }
}

/// `confirmation_status`, by the API's enum numbers.
pub(super) mod status {
    pub(in crate::ledger) const PENDING: i64 = 1;
    pub(in crate::ledger) const CONFIRMED: i64 = 2;
    pub(in crate::ledger) const FAILED: i64 = 3;
    pub(in crate::ledger) const STORED: i64 = 4;
    pub(in crate::ledger) const COMMITTED: i64 = 5;
    pub(in crate::ledger) const UNEQUIVOCAL: i64 = 6;

    const NAMES: [&str; 7] =
        ["CONFIRMATION_STATUS_UNSPECIFIED", "PENDING", "CONFIRMED", "FAILED", "STORED", "COMMITTED", "UNEQUIVOCAL"];

    pub(in crate::ledger) fn name(number: i64) -> &'static str {
        usize::try_from(number).ok().and_then(|number| NAMES.get(number)).unwrap_or(&NAMES[0])
    }

    pub(in crate::ledger) fn number(name: &str) -> Option<i64> {
        NAMES.iter().position(|known| *known == name).and_then(|number| i64::try_from(number).ok())
    }

    pub(in crate::ledger) fn is_committed(number: i64) -> bool {
        matches!(number, COMMITTED | CONFIRMED | UNEQUIVOCAL)
    }
}

/// `principal_declared`, `principal_accepted`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Principal {
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) display_name: String,
    pub(super) email: String,
}

impl Principal {
    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).expect("strings are JSON")
    }
}

/// Writes a JSON object field by field, in the order given.
struct Object(String);

impl Object {
    fn new() -> Object {
        Object(String::with_capacity(1024))
    }

    /// A value that is JSON already.
    fn raw(mut self, name: &str, json: &str) -> Object {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
        self.0.push_str(json);
        self
    }

    fn text(self, name: &str, value: &str) -> Object {
        let json = serde_json::to_string(value).expect("a string is JSON");
        self.raw(name, &json)
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// The columns of [`AssetRow`], of `assets a` and `tenancies t`.
pub(super) const ASSET_COLUMNS: &str = "a.id, a.uuid, t.uuid, a.public, a.behaviours, a.proof_mechanism, a.chain_id, \
     a.status, a.tracked, a.attributes, a.at_ms, a.committed_attributes, a.committed_at_ms";

/// An asset.
#[derive(Debug)]
pub(super) struct AssetRow {
    pub(super) id: i64,
    uuid: String,
    tenant: String,
    pub(super) public: bool,
    behaviours: String,
    proof_mechanism: String,
    chain_id: String,
    pub(super) status: i64,
    tracked: bool,
    pub(super) attributes: String,
    pub(super) at_ms: i64,
    pub(super) committed_attributes: String,
    pub(super) committed_at_ms: i64,
}

impl AssetRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<AssetRow> {
        Ok(AssetRow {
            id: row.get(0)?,
            uuid: row.get(1)?,
            tenant: row.get(2)?,
            public: row.get(3)?,
            behaviours: row.get(4)?,
            proof_mechanism: row.get(5)?,
            chain_id: row.get(6)?,
            status: row.get(7)?,
            tracked: row.get(8)?,
            attributes: row.get(9)?,
            at_ms: row.get(10)?,
            committed_attributes: row.get(11)?,
            committed_at_ms: row.get(12)?,
        })
    }

    /// `AssetResponse` with the present state.
    pub(super) fn json(&self, view: View) -> String {
        match view {
            View::Own(_) => self.json_at(view, &self.attributes, &time::seconds(self.at_ms)),
            View::Public => self.json_at(view, &self.committed_attributes, &time::seconds(self.committed_at_ms)),
        }
    }

    /// `AssetResponse` with the state of some moment.
    pub(super) fn json_at(&self, view: View, attributes: &str, at_time: &str) -> String {
        let committed = status::is_committed(self.status);
        let tenant = if committed { format!("tenant/{}", self.tenant) } else { String::new() };
        Object::new()
            .text("identity", &format!("{}/{}", view.prefix(), self.uuid))
            .raw("behaviours", &self.behaviours)
            .raw("attributes", attributes)
            .text("confirmation_status", status::name(self.status))
            .text("tracked", if self.tracked { "TRACKED" } else { "NOT_TRACKED" })
            .text("owner", "")
            .text("at_time", at_time)
            .text("proof_mechanism", &self.proof_mechanism)
            .text("chain_id", &self.chain_id)
            .raw("public", if self.public { "true" } else { "false" })
            .text("tenant_identity", &tenant)
            .end()
    }
}

/// The columns of [`EventRow`], of `events e`, `assets a`, `tenancies t` and `leaves l`.
pub(super) const EVENT_COLUMNS: &str = "e.id, e.uuid, a.uuid, t.uuid, a.proof_mechanism, e.operation, e.behaviour, \
     e.event_attributes, e.asset_attributes, e.declared, e.accepted_ms, e.principal_declared, e.principal_accepted, \
     e.status, l.mmr_index, l.idtimestamp, l.committed_ms";

/// What belongs to [`EVENT_COLUMNS`] beside `events e`.
pub(super) const EVENT_JOINS: &str = "CROSS JOIN assets a ON a.id = e.asset CROSS JOIN tenancies t ON t.id = e.tenancy \
     LEFT JOIN leaves l ON l.event = e.id";

/// An event.
#[derive(Debug)]
pub(super) struct EventRow {
    pub(super) id: i64,
    uuid: String,
    asset: String,
    tenant: String,
    operation: String,
    behaviour: String,
    pub(super) event_attributes: String,
    pub(super) asset_attributes: String,
    declared: String,
    accepted_ms: i64,
    principal_declared: String,
    principal_accepted: String,
    status: i64,
    pub(super) leaf: Option<Leaf>,
}

/// What committed an event.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub(super) mmr_index: i64,
    pub(super) idtimestamp: String,
    pub(super) committed_ms: i64,
}

impl EventRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<EventRow> {
        let leaf = match row.get::<_, Option<i64>>(14)? {
            Some(mmr_index) => Some(Leaf { mmr_index, idtimestamp: row.get(15)?, committed_ms: row.get(16)? }),
            None => None,
        };
        Ok(EventRow {
            id: row.get(0)?,
            uuid: row.get(1)?,
            asset: row.get(2)?,
            tenant: row.get(3)?,
            operation: row.get(5)?,
            behaviour: row.get(6)?,
            event_attributes: row.get(7)?,
            asset_attributes: row.get(8)?,
            declared: row.get(9)?,
            accepted_ms: row.get(10)?,
            principal_declared: row.get(11)?,
            principal_accepted: row.get(12)?,
            status: row.get(13)?,
            leaf,
        })
    }

    fn identity(&self, view: View) -> String {
        format!("{}/{}/events/{}", view.prefix(), self.asset, self.uuid)
    }

    fn committed(&self) -> String {
        self.leaf.as_ref().map_or_else(|| time::UNSET.to_owned(), |leaf| time::milliseconds(leaf.committed_ms))
    }

    fn tenant_identity(&self) -> String {
        if self.leaf.is_some() { format!("tenant/{}", self.tenant) } else { String::new() }
    }

    fn principals(&self, view: View) -> (String, String) {
        match view {
            View::Own(_) => (self.principal_declared.clone(), self.principal_accepted.clone()),
            View::Public => (Principal::default().json(), Principal::default().json()),
        }
    }

    /// `EventResponse`.
    pub(super) fn json(&self, view: View) -> String {
        let (declared, accepted) = self.principals(view);
        let commit = self.leaf.as_ref().map_or_else(
            || "null".to_owned(),
            |leaf| format!(r#"{{"index":"{}","idtimestamp":"{}"}}"#, leaf.mmr_index, leaf.idtimestamp),
        );
        Object::new()
            .text("identity", &self.identity(view))
            .text("asset_identity", &format!("{}/{}", view.prefix(), self.asset))
            .raw("event_attributes", &self.event_attributes)
            .raw("asset_attributes", &self.asset_attributes)
            .text("operation", &self.operation)
            .text("behaviour", &self.behaviour)
            .text("timestamp_declared", &self.declared)
            .text("timestamp_accepted", &time::seconds(self.accepted_ms))
            .text("timestamp_committed", &self.committed())
            .raw("principal_declared", &declared)
            .raw("principal_accepted", &accepted)
            .text("confirmation_status", status::name(self.status))
            .text("transaction_id", "")
            .raw("block_number", "0")
            .raw("transaction_index", "0")
            .text("from", "")
            .text("tenant_identity", &self.tenant_identity())
            .raw("merklelog_entry", &format!(r#"{{"commit":{commit},"confirm":null,"unequivocal":null}}"#))
            .end()
    }

    /// The eleven fields that the leaf hash of a v2 event covers, exactly as [`EventRow::json`] shows them.
    pub(super) fn leaf_fields(&self, view: View) -> String {
        let (declared, accepted) = self.principals(view);
        Object::new()
            .text("identity", &self.identity(view))
            .raw("event_attributes", &self.event_attributes)
            .raw("asset_attributes", &self.asset_attributes)
            .text("operation", &self.operation)
            .text("behaviour", &self.behaviour)
            .text("timestamp_declared", &self.declared)
            .text("timestamp_accepted", &time::seconds(self.accepted_ms))
            .text("timestamp_committed", &self.committed())
            .raw("principal_accepted", &accepted)
            .raw("principal_declared", &declared)
            .text("tenant_identity", &self.tenant_identity())
            .end()
    }
}
