//! The client: one value per tenancy, cheap to clone.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::{Asset, Assets, Error, Event, Events, PublicInfo};
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

/// A client for one tenancy, or for the public view of one ledger.
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

    /// `jit_tenant_id` of the access token where it is a JWT that says so, as `tenant/<uuid>`; `None` before the first
    /// token or where the token says nothing. A hint only.
    pub fn tenant_hint(&self) -> Option<String> {
        unimplemented!()
    }

    /// `POST /archivist/v2/assets` with exactly this body.
    ///
    /// # Errors
    /// [`Error::outcome`] says whether the asset may have been made.
    pub async fn create_asset(&self, _body: &str) -> Result<Asset, Error> {
        unimplemented!()
    }

    /// `POST /archivist/v2/assets/{asset}/events` with exactly this body.
    ///
    /// # Errors
    /// [`Error::outcome`] says whether the event may have been made.
    pub async fn create_event(&self, _asset: &str, _body: &str) -> Result<Event, Error> {
        unimplemented!()
    }

    /// `GET …/{asset}`; `None` for 404.
    ///
    /// # Errors
    /// See [`super::Kind`].
    pub async fn get_asset(&self, _view: View, _asset: &str) -> Result<Option<Asset>, Error> {
        unimplemented!()
    }

    /// `GET …/{asset}/events/{event}`; `None` for 404.
    ///
    /// # Errors
    /// See [`super::Kind`].
    pub async fn get_event(&self, _view: View, _asset: &str, _event: &str) -> Result<Option<Event>, Error> {
        unimplemented!()
    }

    /// `GET /archivist/v2/assets?…`: the tenancy's own assets (`tracked=ANY` is the caller's to say).
    ///
    /// # Errors
    /// See [`super::Kind`].
    pub async fn list_assets(&self, _query: &Query) -> Result<Assets, Error> {
        unimplemented!()
    }

    /// `GET …/{asset or "-"}/events?…`; `None` asks across all assets.
    ///
    /// # Errors
    /// See [`super::Kind`].
    pub async fn list_events(&self, _view: View, _asset: Option<&str>, _query: &Query) -> Result<Events, Error> {
        unimplemented!()
    }

    /// `GET /archivist/v1/tenancies/{uuid}:publicinfo`; `tenant` is `tenant/<uuid>`. `None` where it is not told.
    ///
    /// # Errors
    /// See [`super::Kind`].
    pub async fn public_info(&self, _tenant: &str) -> Result<Option<PublicInfo>, Error> {
        unimplemented!()
    }
}
