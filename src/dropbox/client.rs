//! The client: one value per signed-in account, cheap to clone.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::{Account, Entry, Error, Page, PathRoot, Ring};
use crate::digest::Digest;
use crate::retry::Gate;

/// What a client is made of.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The app key.
    pub app_key: String,
    /// Only for an app authorised without PKCE.
    pub app_secret: Option<SecretString>,
    /// The long-lived refresh token.
    pub refresh_token: SecretString,
    /// Base of RPC routes and the token endpoint.
    pub api_url: Url,
    /// Base of download routes.
    pub content_url: Url,
    /// Base of the longpoll route.
    pub notify_url: Url,
    /// Deadline of an RPC; idle deadline of a download.
    pub timeout: Duration,
    /// A further certificate authority (PEM).
    pub ca_file: Option<PathBuf>,
}

/// What one streaming pass over a revision's content found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashed {
    /// SHA-256 of the bytes.
    pub sha256: Digest,
    /// Dropbox's content hash of the same bytes.
    pub content_hash: Digest,
    /// How many bytes there were.
    pub size: u64,
}

/// A Dropbox client for one signed-in account.
#[derive(Clone)]
pub struct Client {}

impl Client {
    /// Makes a client; no request is sent.
    ///
    /// # Errors
    /// If the certificate authority cannot be read or the TLS stack cannot start.
    pub fn new(_settings: Settings) -> Result<Client, Error> {
        unimplemented!()
    }

    /// The gate that a 429 closes; every request of this client waits at it.
    pub fn gate(&self) -> &Gate {
        unimplemented!()
    }

    /// `users/get_current_account`.
    ///
    /// # Errors
    /// See [`super::Kind`].
    pub async fn get_current_account(&self) -> Result<Account, Error> {
        unimplemented!()
    }

    /// `files/get_metadata` of a path (`/…`) or an id (`id:…`).
    ///
    /// # Errors
    /// See [`super::Kind`].
    pub async fn get_metadata(&self, _root: &PathRoot, _path: &str) -> Result<Entry, Error> {
        unimplemented!()
    }

    /// `files/list_folder`, recursive, first page. `path` is `""` for the root, else `id:…` or `/…`.
    ///
    /// # Errors
    /// See [`super::Kind`].
    pub async fn list_folder(&self, _root: &PathRoot, _path: &str) -> Result<Page, Error> {
        unimplemented!()
    }

    /// `files/list_folder/continue`.
    ///
    /// # Errors
    /// See [`super::Kind`].
    pub async fn list_folder_continue(&self, _root: &PathRoot, _cursor: &str) -> Result<Page, Error> {
        unimplemented!()
    }

    /// `files/list_folder/longpoll`, without an Authorization header. Drop the future to cancel at once.
    ///
    /// # Errors
    /// See [`super::Kind`].
    pub async fn longpoll(&self, _cursor: &str, _timeout: Duration) -> Result<Ring, Error> {
        unimplemented!()
    }

    /// `files/download` by `rev:`, streamed through both hashes and dropped; resumed by Range where it broke.
    /// `content_hash` is what the listing said, `None` where it said nothing.
    ///
    /// # Errors
    /// [`super::Kind::ContentDiffers`] when what came is not what was asked for; else see [`super::Kind`].
    pub async fn download(
        &self,
        _root: &PathRoot,
        _rev: &str,
        _size: u64,
        _content_hash: Option<Digest>,
    ) -> Result<Hashed, Error> {
        unimplemented!()
    }
}
