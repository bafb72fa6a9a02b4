//! What goes into the store and comes out of it. Plain values; nothing here touches the database.

use crate::digest::Digest;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(super) i64);

        impl $name {
            /// The row's number, for the log.
            pub fn row(self) -> i64 {
                self.0
            }
        }

        impl rusqlite::ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
                self.0.to_sql()
            }
        }

        impl rusqlite::types::FromSql for $name {
            fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
                i64::column_result(value).map($name)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// A linked folder's row.
    WatchId;
    /// A tenancy's row.
    TenancyId;
    /// A link's row.
    LinkId;
    /// One file in one tenancy.
    AssetId;
    /// One thing to record.
    PublicationId;
}

impl rusqlite::ToSql for Digest {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        self.0.as_slice().to_sql()
    }
}

impl rusqlite::types::FromSql for Digest {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        Digest::from_bytes(value.as_blob()?).ok_or(rusqlite::types::FromSqlError::InvalidType)
    }
}

/// A file as Dropbox shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// `id:…`
    pub file_id: String,
    /// Revision.
    pub rev: String,
    /// Bytes.
    pub size: u64,
    /// Dropbox's content hash, optional on the wire.
    pub content_hash: Option<Digest>,
    /// RFC 3339, whole seconds, UTC: sorts as text.
    pub server_modified: String,
    /// The key of its place.
    pub path_lower: String,
    /// For people.
    pub path_display: String,
    /// Last component.
    pub name: String,
    /// Why its content cannot be published (`not-downloadable`, `symlink`), if so.
    pub skip: Option<&'static str>,
}

/// One entry of a page, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A file is here, with this content.
    File(Shown),
    /// A folder is here; a file that was here is not.
    Folder {
        /// Where.
        path_lower: String,
    },
    /// Nothing is here any more, nor below.
    Deleted {
        /// Where.
        path_lower: String,
    },
}

/// What `get_metadata` on an id answered, for a file about which a page alone cannot decide.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // short-lived, and mostly the large one
pub enum Current {
    /// It is there, in this revision.
    File(Shown),
    /// Dropbox does not have it (any more).
    Gone,
}

/// How versions are queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Publish Dropbox's content hash and download nothing.
    pub dropbox_hash: bool,
    /// Publish file names.
    pub clear_names: bool,
    /// `publish.hold_above`; 0 never holds.
    pub hold_above: u64,
}

/// `document_hash_alg` of a SHA-256.
pub const ALG_SHA256: &str = "sha256";
/// `document_hash_alg` of Dropbox's content hash.
pub const ALG_DROPBOX: &str = "dropbox-content-hash";

/// A linked folder as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// Its row.
    pub id: WatchId,
    /// As configured.
    pub folder: String,
    /// The folder's id, once resolved; `None` for the root or before.
    pub folder_id: Option<String>,
    /// Where it is, in the server's lower case; `""` is the root; `None` before it was resolved.
    pub path_lower: Option<String>,
    /// The path root that it was resolved under, as the daemon wrote it.
    pub root: Option<String>,
    /// Counts links anew.
    pub generation: i64,
    /// Everything up to here has been seen.
    pub cursor: Option<String>,
    /// A listing (first, or after a reset) is under way.
    pub listing: bool,
}

/// A tenancy as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenancy {
    /// Its row.
    pub id: TenancyId,
    /// Its name in the configuration.
    pub name: String,
    /// `tenant/<uuid>`, learned from the first record of ours.
    pub tenant_identity: Option<String>,
    /// Its own listing has shown a record of ours.
    pub own_listing: bool,
    /// The public listing has.
    pub public_listing: bool,
}

/// What kind of publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A registration where the asset has none, else a Publish event.
    Version,
    /// A Withdraw event.
    Withdraw,
}

/// Content to be hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unhashed {
    /// The oldest publication that waits for it.
    pub id: PublicationId,
    /// `id:…`
    pub file_id: String,
    /// Revision to read.
    pub rev: String,
    /// Bytes.
    pub size: u64,
    /// What the listing said.
    pub content_hash: Option<Digest>,
    /// Times that it was tried in vain.
    pub attempts: u32,
}

/// A publication that may be sent, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Its row.
    pub id: PublicationId,
    /// Its asset's row.
    pub asset: AssetId,
    /// Version or Withdraw.
    pub kind: Kind,
    /// What the asset's reference is made of: mostly a file id, but not to be taken for one.
    pub origin: String,
    /// The asset's uuid on the ledger; `None` makes this the registration.
    pub identity: Option<String>,
    /// The file's id at this version.
    pub file_id: String,
    /// Revision.
    pub rev: String,
    /// Dropbox's content hash.
    pub content_hash: Option<Digest>,
    /// RFC 3339.
    pub server_modified: String,
    /// `document_hash_alg`.
    pub alg: String,
    /// `document_hash_value`.
    pub document_hash: Option<Digest>,
    /// The file's name, where names are published.
    pub clear_name: Option<String>,
    /// `droptrail_sequence`: fixed already, or the next one.
    pub sequence: u64,
    /// `document_version`: fixed already, or the next one.
    pub version: u64,
    /// The request, once fixed.
    pub body: Option<String>,
    /// The event's uuid, once recorded; `None` for a registration.
    pub event: Option<String>,
    /// RFC 3339, milliseconds: when it was marked in flight last.
    pub sent_at: Option<String>,
    /// RFC 3339, milliseconds: when the ledger acknowledged it.
    pub recorded_at: Option<String>,
    /// Where the file is, for people.
    pub path: String,
}

impl Publication {
    /// Whether this makes the asset.
    pub fn is_registration(&self) -> bool {
        self.sequence == 1
    }
}

/// What a page did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// The page belongs to a link that is no more, or to a cursor that has moved: nothing was written.
    Dropped,
    /// Nothing was written: `get_metadata` must say what these ids are now, then apply again.
    Asks(Vec<String>),
    /// Written, with its cursor.
    Written {
        /// Publications queued by it.
        queued: u64,
        /// Links that its end of listing found to register more than allowed, with how many.
        held: Vec<(LinkId, u64)>,
        /// Files that a new listing did not show any more.
        swept: u64,
    },
}
