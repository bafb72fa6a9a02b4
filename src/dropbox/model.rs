//! What Dropbox says, as types: only the fields that we use, unknown ones ignored, unknown tags survived.

use std::time::Duration;

use crate::digest::Digest;

/// `FullAccount` of `users/get_current_account`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// `dbid:…`
    pub account_id: String,
    /// Display only; never leaves this machine.
    pub email: String,
    /// Display only.
    pub display_name: String,
    /// The account's root and home namespaces.
    pub root_info: RootInfo,
}

/// `root_info` (common.stone).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootInfo {
    /// `.tag` is `team`: the root differs from the member's home.
    pub team: bool,
    /// Namespace id of the root.
    pub root_namespace_id: String,
    /// Namespace id of the member's home.
    pub home_namespace_id: String,
}

/// The value of the `Dropbox-API-Path-Root` header.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PathRoot {
    /// No header: the member's home, and the only choice for an app-folder app.
    #[default]
    Default,
    /// `{".tag":"home"}`
    Home,
    /// `{".tag":"root","root":ns}`: checked against the account's present root, else 422.
    Root(String),
    /// `{".tag":"namespace_id","namespace_id":ns}`
    Namespace(String),
}

/// `ListFolderResult`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In the order in which they must be applied.
    pub entries: Vec<Entry>,
    /// Opaque; replaces the one that was sent.
    pub cursor: String,
    /// Ask again at once with the new cursor. Says more than the number of entries, which may be 0.
    pub has_more: bool,
}

/// One entry of a page: `Metadata`, a closed union whose future tags we survive all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// `file`
    File(File),
    /// `folder`
    Folder(Folder),
    /// `deleted`: a file or a folder with everything below; carries no id.
    Deleted(Deleted),
    /// A tag that this version does not know, or an entry that could not be read; with the tag.
    Unknown(String),
}

/// `FileMetadata`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// `id:…`, case-sensitive, opaque.
    pub id: String,
    /// Last component, right case.
    pub name: String,
    /// The server's own lower-casing; `None` when the item is not mounted.
    pub path_lower: Option<String>,
    /// Display; parents may be wrongly cased.
    pub path_display: Option<String>,
    /// Hex, at least nine digits.
    pub rev: String,
    /// Bytes.
    pub size: u64,
    /// RFC 3339, whole seconds, UTC, verbatim.
    pub server_modified: String,
    /// Optional on the wire.
    pub content_hash: Option<Digest>,
    /// False for Paper and Google documents.
    pub is_downloadable: bool,
    /// `symlink_info` was present.
    pub is_symlink: bool,
}

/// `FolderMetadata`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// `id:…`
    pub id: String,
    /// Last component.
    pub name: String,
    /// As for files.
    pub path_lower: Option<String>,
    /// As for files.
    pub path_display: Option<String>,
}

/// `DeletedMetadata`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    /// Last component.
    pub name: String,
    /// What is gone, with everything below.
    pub path_lower: Option<String>,
    /// May be all lower case.
    pub path_display: Option<String>,
}

/// `ListFolderLongpollResult`: a doorbell, never a list of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ring {
    /// It rang; perhaps for nothing.
    pub changes: bool,
    /// At least this long before the next longpoll.
    pub backoff: Option<Duration>,
}
