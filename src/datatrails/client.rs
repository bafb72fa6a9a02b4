//! The client: one value per tenancy, cheap to clone. Touches the network through the transport.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::auth::{Auth, Token};
use super::error::short;
use super::transport::{Answer, Ask, LIST, RECORD, Transport, What};
use super::{Asset, Assets, Error, Event, Events, Kind, PublicInfo, wire};
use crate::retry::Gate;

/// What a client is made of.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Base URL without a trailing slash.
    pub url: Url,
    /// Client id and secret; `None` for a client that only reads the public view.
    pub credentials: Option<(String, SecretString)>,
    /// Deadline of a request.
    pub timeout: Duration,
    /// A further certificate authority (PEM).
    pub ca_file: Option<PathBuf>,
}

/// Which side of the ledger is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// `/archivist/v2/assets…`, with a token; shows PENDING records, but is empty without read permission.
    Own,
    /// `/archivist/v2/publicassets…`, without a token; shows committed records of everybody.
    Public,
}

/// A listing's question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Names and values of filters, as `asset_attributes.droptrail_sequence` and `2`; ANDed.
    pub filters: Vec<(String, String)>,
    /// `page_size`.
    pub page_size: Option<u32>,
    /// From the page before; the filters are then not sent again.
    pub page_token: Option<String>,
}

/// Where a view begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    /// `/archivist/v2/assets`
    Own,
    /// `/archivist/v2/publicassets`
    Public,
    /// `/archivist/publicassets`, the spelling of `publicurl`.
    PublicUrl,
}

impl From<View> for Path {
    fn from(view: View) -> Path {
        match view {
            View::Own => Path::Own,
            View::Public => Path::Public,
        }
    }
}

/// A client for one tenancy, or for the public view of one ledger.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    transport: Transport,
    auth: Option<Auth>,
}

impl Client {
    /// Makes a client; no request is sent.
    ///
    /// # Errors
    /// If the certificate authority cannot be read or the TLS stack cannot start.
    pub fn new(settings: Settings) -> Result<Client, Error> {
        let transport = Transport::new(&settings)?;
        let auth = settings.credentials.map(|(client_id, secret)| Auth::new(client_id, secret));
        Ok(Client { inner: Arc::new(Inner { transport, auth }) })
    }

    /// The gate that a 429 closes; every request of this client waits at it.
    pub fn gate(&self) -> &Gate {
        &self.inner.transport.gate
    }

    /// The base URL.
    pub fn url(&self) -> &Url {
        &self.inner.transport.url
    }

    /// `{url}/archivist/publicassets/{uuid}`: where anyone can see an asset (`publicurl` of the reference).
    pub fn public_url(&self, asset: &str) -> Url {
        self.inner.transport.at(&["archivist", "publicassets", asset])
    }

    /// `jit_tenant_id` of the access token where it is a JWT that says so, as `tenant/<uuid>`; `None` before the first
    /// token or where the token says nothing. A hint only.
    pub fn tenant_hint(&self) -> Option<String> {
        self.inner.auth.as_ref()?.tenant_hint()
    }

    /// Sees to it that there is a valid access token, without asking for anything else.
    ///
    /// # Errors
    /// `Unauthorized` where the credentials are refused or there are none.
    pub async fn sign_in(&self) -> Result<(), Error> {
        self.token("token", None).await.map(drop)
    }

    /// `POST /archivist/v2/assets` with exactly this body.
    ///
    /// # Errors
    /// [`Error::outcome`] says whether the asset may have been made.
    pub async fn create_asset(&self, body: &str) -> Result<Asset, Error> {
        let url = self.records(Path::Own, &[]);
        self.with_token("create asset", &url, What::Create(body), RECORD).await?.read(wire::asset)
    }

    /// `POST /archivist/v2/assets/{asset}/events` with exactly this body.
    ///
    /// # Errors
    /// [`Error::outcome`] says whether the event may have been made.
    pub async fn create_event(&self, asset: &str, body: &str) -> Result<Event, Error> {
        const CALL: &str = "create event";
        let asset = bare(CALL, asset)?;
        let url = self.records(Path::Own, &[asset, "events"]);
        let answer = self.with_token(CALL, &url, What::Create(body), RECORD).await?;
        answer.read(|body| expect(wire::event(body)?, |event| same(&event.asset, asset)))
    }

    /// `GET …/{asset}`; `None` for 404.
    ///
    /// # Errors
    /// See [`super::Kind`].
    pub async fn get_asset(&self, view: View, asset: &str) -> Result<Option<Asset>, Error> {
        self.get_asset_at(view.into(), asset).await
    }

    pub(super) async fn get_asset_at(&self, path: Path, asset: &str) -> Result<Option<Asset>, Error> {
        const CALL: &str = "get asset";
        let asset = bare(CALL, asset)?;
        let answer = self.get(CALL, path, &self.records(path, &[asset]), RECORD).await?;
        found(answer, |body| expect(wire::asset(body)?, |got| same(&got.uuid, asset)))
    }

    /// `GET …/{asset}/events/{event}`; `None` for 404.
    ///
    /// # Errors
    /// See [`super::Kind`].
    pub async fn get_event(&self, view: View, asset: &str, event: &str) -> Result<Option<Event>, Error> {
        const CALL: &str = "get event";
        let (asset, path) = (bare(CALL, asset)?, view.into());
        let answer = self.get(CALL, path, &self.records(path, &[asset, "events", event]), RECORD).await?;
        found(answer, |body| expect(wire::event(body)?, |got| same(&got.asset, asset) && same(&got.uuid, event)))
    }

    /// `GET /archivist/v2/assets?…`: the tenancy's own assets (`tracked=ANY` is the caller's to say).
    ///
    /// # Errors
    /// See [`super::Kind`].
    pub async fn list_assets(&self, query: &Query) -> Result<Assets, Error> {
        let url = query.onto(self.records(Path::Own, &[]));
        self.get("list assets", Path::Own, &url, LIST).await?.read(wire::assets)
    }

    /// `GET …/{asset or "-"}/events?…`; `None` asks across all assets.
    ///
    /// # Errors
    /// See [`super::Kind`].
    pub async fn list_events(&self, view: View, asset: Option<&str>, query: &Query) -> Result<Events, Error> {
        self.list_events_at(view.into(), asset, query).await
    }

    pub(super) async fn list_events_at(&self, path: Path, asset: Option<&str>, query: &Query) -> Result<Events, Error> {
        const CALL: &str = "list events";
        let asset = asset.map_or(Ok("-"), |asset| bare(CALL, asset))?;
        let url = query.onto(self.records(path, &[asset, "events"]));
        self.get(CALL, path, &url, LIST).await?.read(wire::events)
    }

    /// `GET /archivist/v1/tenancies/{uuid}:publicinfo`; `tenant` is `tenant/<uuid>`. `None` where it is not told: 404,
    /// or 401 or 403 to a client without credentials (whether a token is needed is not documented; one is sent where
    /// there are credentials, as the SDK does).
    ///
    /// # Errors
    /// See [`super::Kind`].
    pub async fn public_info(&self, tenant: &str) -> Result<Option<PublicInfo>, Error> {
        const CALL: &str = "public info";
        let uuid = tenant.strip_prefix("tenant/").unwrap_or(tenant);
        let url = self.inner.transport.at(&["archivist", "v1", "tenancies", &format!("{uuid}:publicinfo")]);
        let anonymous = self.inner.auth.is_none();
        let path = if anonymous { Path::Public } else { Path::Own };
        let answer = self.get(CALL, path, &url, RECORD).await?;
        if anonymous && matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Ok(None);
        }
        found(answer, wire::public_info)
    }

    fn records(&self, path: Path, rest: &[&str]) -> Url {
        let beginning: &[&str] = match path {
            Path::Own => &["archivist", "v2", "assets"],
            Path::Public => &["archivist", "v2", "publicassets"],
            Path::PublicUrl => &["archivist", "publicassets"],
        };
        self.inner.transport.at(&[beginning, rest].concat())
    }

    /// A GET, with a token for the own view only.
    async fn get(&self, call: &'static str, path: Path, url: &Url, limit: usize) -> Result<Answer<'_>, Error> {
        match path {
            Path::Own => self.with_token(call, url, What::Read, limit).await,
            Path::Public | Path::PublicUrl => self.send(call, url, What::Read, limit, None).await,
        }
    }

    /// Sends with the present token; after a 401, which says that nothing was done, once more with a new one.
    async fn with_token(
        &self,
        call: &'static str,
        url: &Url,
        what: What<'_>,
        limit: usize,
    ) -> Result<Answer<'_>, Error> {
        let token = self.token(call, None).await?;
        let answer = self.send(call, url, what, limit, Some(&token)).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let token = self.token(call, Some(token.generation)).await?;
        self.send(call, url, what, limit, Some(&token)).await
    }

    async fn send(
        &self,
        call: &'static str,
        url: &Url,
        what: What<'_>,
        limit: usize,
        token: Option<&Token>,
    ) -> Result<Answer<'_>, Error> {
        let ask = Ask {
            call,
            url: url.clone(),
            what,
            authorization: token.map(|token| &token.authorization),
            secret: token.map(|token| token.text.expose_secret()),
            limit,
        };
        self.inner.transport.exchange(ask).await
    }

    async fn token(&self, call: &'static str, refused: Option<u64>) -> Result<Token, Error> {
        match &self.inner.auth {
            Some(auth) => auth.token(&self.inner.transport, refused).await,
            None => {
                Err(Error::unsent(call, Kind::Unauthorized, "this needs a client id and secret, and there are none"))
            }
        }
    }
}

impl Query {
    /// Form-encoded onto `url`. A page token carries the filters, which are then not sent again (as the SDK does).
    fn onto(&self, mut url: Url) -> Url {
        let filters = if self.page_token.is_some() { &[] } else { self.filters.as_slice() };
        if filters.is_empty() && self.page_size.is_none() && self.page_token.is_none() {
            return url;
        }
        let mut pairs = url.query_pairs_mut();
        pairs.extend_pairs(filters);
        if let Some(size) = self.page_size {
            pairs.append_pair("page_size", &size.to_string());
        }
        if let Some(token) = &self.page_token {
            pairs.append_pair("page_token", token);
        }
        drop(pairs);
        url
    }
}

/// The bare uuid of an asset that a caller names, in whatever spelling.
fn bare<'a>(call: &'static str, asset: &'a str) -> Result<&'a str, Error> {
    wire::asset_uuid(asset)
        .ok_or_else(|| Error::unsent(call, Kind::Invalid, format!("'{}' does not name an asset", short(asset))))
}

/// `None` where the ledger itself says that there is no such record.
fn found<T>(answer: Answer<'_>, read: impl FnOnce(&[u8]) -> Result<T, wire::Unreadable>) -> Result<Option<T>, Error> {
    if answer.is_clean_not_found() { Ok(None) } else { answer.read(read).map(Some) }
}

/// An answer about another record than the one that was asked for is none.
fn expect<T>(record: T, is_it: impl FnOnce(&T) -> bool) -> Result<T, wire::Unreadable> {
    if is_it(&record) { Ok(record) } else { Err("the answer is about another record".to_owned()) }
}

fn same(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
}

#[cfg(test)]
mod tests;
