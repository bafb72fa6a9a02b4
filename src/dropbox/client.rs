//! The client: one value per signed-in account, cheap to clone. One method for each route; touches the network through
//! the transport.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, HeaderName};
use secrecy::SecretString;
use serde::Serialize;
use url::Url;

use super::arg::path_root;
use super::auth::Auth;
use super::classify::route;
use super::transport::{Answer, Transport};
use super::{Account, Entry, Error, Hashed, Kind, Page, PathRoot, Ring, download, wire};
use crate::digest::Digest;
use crate::retry::Gate;

/// Names the namespace that paths are relative to.
const PATH_ROOT: HeaderName = HeaderName::from_static("dropbox-api-path-root");

/// Entries of a page; the most that Dropbox allows, and it may give a bit more.
const PAGE: u32 = 2000;

/// The shortest and the longest longpoll that Dropbox takes, in seconds.
const LONGPOLL: (u64, u64) = (30, 480);

/// What the server may add to a longpoll at random (90 s), and time for the answer to travel.
const LONGPOLL_JITTER: Duration = Duration::from_secs(90 + 15);

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

/// A Dropbox client for one signed-in account.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    transport: Transport,
    auth: Auth,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("held_until", &self.gate().held_until()).finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a client; no request is sent.
    ///
    /// # Errors
    /// If the certificate authority cannot be read or the TLS stack cannot start.
    pub fn new(settings: Settings) -> Result<Client, Error> {
        let transport = Transport::new(&settings)?;
        Ok(Client(Arc::new(Inner { transport, auth: Auth::new(settings) })))
    }

    /// The gate that a 429 closes; every request of this client waits at it.
    pub fn gate(&self) -> &Gate {
        &self.0.transport.gate
    }

    /// The refresh token that Dropbox gave in place of the one in the settings, if it did: to be kept by the caller.
    /// Dropbox is not known to do so; OAuth 2 (RFC 6749, section 6) allows it.
    pub fn rotated_refresh_token(&self) -> Option<SecretString> {
        self.0.auth.rotated_refresh_token()
    }

    /// `users/get_current_account`.
    ///
    /// # Errors
    /// See [`super::Kind`].
    pub async fn get_current_account(&self) -> Result<Account, Error> {
        let answer = self.rpc(route::ACCOUNT, &PathRoot::Default, &(), &[]).await?;
        answer.read(wire::account).await
    }

    /// `files/get_metadata` of a path (`/…`) or an id (`id:…`).
    ///
    /// # Errors
    /// See [`super::Kind`].
    pub async fn get_metadata(&self, root: &PathRoot, path: &str) -> Result<Entry, Error> {
        #[derive(Serialize)]
        struct GetMetadataArg<'a> {
            path: &'a str,
        }
        let answer = self.rpc(route::METADATA, root, &GetMetadataArg { path }, &[path]).await?;
        answer.read(wire::metadata).await
    }

    /// `files/list_folder`, recursive, first page. `path` is `""` for the root, else `id:…` or `/…`.
    ///
    /// # Errors
    /// See [`super::Kind`].
    pub async fn list_folder(&self, root: &PathRoot, path: &str) -> Result<Page, Error> {
        #[derive(Serialize)]
        struct ListFolderArg<'a> {
            path: &'a str,
            recursive: bool,
            include_deleted: bool,
            include_mounted_folders: bool,
            include_non_downloadable_files: bool,
            limit: u32,
        }
        let arg = ListFolderArg {
            path,
            recursive: true,
            include_deleted: false,
            include_mounted_folders: true,
            include_non_downloadable_files: true,
            limit: PAGE,
        };
        let answer = self.rpc(route::LIST, root, &arg, &[path]).await?;
        answer.read(wire::page).await
    }

    /// `files/list_folder/continue`.
    ///
    /// # Errors
    /// See [`super::Kind`].
    pub async fn list_folder_continue(&self, root: &PathRoot, cursor: &str) -> Result<Page, Error> {
        #[derive(Serialize)]
        struct ListFolderContinueArg<'a> {
            cursor: &'a str,
        }
        let answer = self.rpc(route::CONTINUE, root, &ListFolderContinueArg { cursor }, &[cursor]).await?;
        answer.read(wire::page).await
    }

    /// `files/list_folder/longpoll`, without an Authorization header: with one, Dropbox refuses the request. `timeout` is
    /// brought into 30..=480 s. Drop the future to cancel at once.
    ///
    /// # Errors
    /// See [`super::Kind`].
    pub async fn longpoll(&self, cursor: &str, timeout: Duration) -> Result<Ring, Error> {
        #[derive(Serialize)]
        struct ListFolderLongpollArg<'a> {
            cursor: &'a str,
            timeout: u64,
        }
        let timeout = timeout.as_secs().clamp(LONGPOLL.0, LONGPOLL.1);
        let transport = &self.0.transport;
        let request =
            transport.notify("/2/files/list_folder/longpoll").json(&ListFolderLongpollArg { cursor, timeout });
        let within = Duration::from_secs(timeout) + LONGPOLL_JITTER;
        let answer = transport.send(route::LONGPOLL, request, within, &[cursor]).await?;
        answer.read(wire::ring).await
    }

    /// `files/download` by `rev:`, streamed through both hashes and dropped; resumed by Range where it broke.
    /// `content_hash` is what the listing said, `None` where it said nothing.
    ///
    /// # Errors
    /// [`super::Kind::ContentDiffers`] when what came is not what was asked for; else see [`super::Kind`].
    pub async fn download(
        &self,
        root: &PathRoot,
        rev: &str,
        size: u64,
        content_hash: Option<Digest>,
    ) -> Result<Hashed, Error> {
        download::download(self, root, rev, size, content_hash).await
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.0.transport
    }

    /// An RPC: `arg` as JSON, `null` for the Void argument `()`.
    async fn rpc(
        &self,
        call: &'static str,
        root: &PathRoot,
        arg: &impl Serialize,
        hidden: &[&str],
    ) -> Result<Answer, Error> {
        let path = format!("/2/{call}");
        self.signed(call, root, || self.transport().api(&path).json(arg), hidden).await
    }

    /// Sends with the access token. A refused one is replaced once, and the request sent once more.
    pub(super) async fn signed(
        &self,
        call: &'static str,
        root: &PathRoot,
        request: impl Fn() -> RequestBuilder,
        hidden: &[&str],
    ) -> Result<Answer, Error> {
        let Inner { transport, auth } = &*self.0;
        let mut refused = None;
        loop {
            // A token may run out while the gate is closed, so the gate comes first.
            transport.gate.pass().await;
            let token = auth.token(transport, refused.as_ref()).await?;
            let mut request = request().header(AUTHORIZATION, token.header.clone());
            if let Some(value) = path_root(root) {
                request = request.header(PATH_ROOT, value);
            }
            match transport.send(call, request, transport.timeout, hidden).await {
                Err(err) if err.kind == Kind::Revoked && refused.is_none() => refused = Some(token),
                outcome => return outcome,
            }
        }
    }
}
