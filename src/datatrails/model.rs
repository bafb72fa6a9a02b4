//! What the ledger says, as types: only what we use; unknown fields ignored, unknown names survived.

use std::collections::BTreeMap;

/// `confirmation_status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confirmation {
    /// `PENDING`, `STORED`, unspecified, or a name that this version does not know: not committed yet.
    Pending,
    /// `COMMITTED`, `CONFIRMED`, `UNEQUIVOCAL`: the leaf is in the Merkle log.
    Committed,
    /// `FAILED`: permanent failure.
    Failed,
}

/// `AssetResponse`, in either view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// The bare uuid: `assets/` or `publicassets/` is stripped.
    pub uuid: String,
    /// The string attributes; nested ones are dropped.
    pub attributes: BTreeMap<String, String>,
    /// How far the ledger is with it.
    pub confirmation: Confirmation,
    /// `tenant/<uuid>`; `None` while the ledger answers an empty string.
    pub tenant_identity: Option<String>,
    /// Whether it is public.
    pub public: bool,
    /// RFC 3339: the instant that the attributes describe.
    pub at_time: String,
}

/// `EventResponse`, in either view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The bare uuid of its asset.
    pub asset: String,
    /// Its own bare uuid.
    pub uuid: String,
    /// `NewAsset`, `Record`, …
    pub operation: String,
    /// String values of `event_attributes`.
    pub event_attributes: BTreeMap<String, String>,
    /// String values of `asset_attributes`.
    pub asset_attributes: BTreeMap<String, String>,
    /// How far the ledger is with it.
    pub confirmation: Confirmation,
    /// `tenant/<uuid>`; `None` while the ledger answers an empty string.
    pub tenant_identity: Option<String>,
    /// RFC 3339.
    pub timestamp_declared: String,
    /// RFC 3339.
    pub timestamp_accepted: String,
    /// RFC 3339; 1970 until committed.
    pub timestamp_committed: String,
}

/// A page of assets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assets {
    /// The records; the order is the server's.
    pub assets: Vec<Asset>,
    /// Where the next page begins; `None` at the end.
    pub next_page_token: Option<String>,
}

/// A page of events, newest first by default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Events {
    /// The records.
    pub events: Vec<Event>,
    /// Where the next page begins; `None` at the end.
    pub next_page_token: Option<String>,
}

/// `tenancies/{uuid}:publicinfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicInfo {
    /// `tenant/<uuid>` or as answered.
    pub identity: String,
    /// The tenancy's verified domain, where it has one.
    pub verified_domain: Option<String>,
}
