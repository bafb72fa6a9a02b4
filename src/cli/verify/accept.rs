//! Whose records count as proof: anyone can register any hash. Reads the database, or secret files and signs in, to learn
//! who the configured tenancies are.

use std::collections::BTreeMap;
use std::str::FromStr;

use url::Url;
use uuid::Uuid;

use super::{WHOSE, complain, unreachable};
use crate::cli::Failure;
use crate::config::{Config, Environment, Tenancy, read_secret};
use crate::datatrails::{Client, Kind, Settings};
use crate::store::report::Report;

/// Whose records count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Accepted {
    /// `--any`.
    Anybody,
    /// `--by`, or the tenancies of the configuration.
    These(Vec<By>),
}

/// One whose records count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum By {
    /// `tenant/<uuid>`
    Tenant(String),
    /// A verified domain, in lower case.
    Domain(String),
}

impl Accepted {
    /// Whether records of this tenant identity and verified domain count.
    pub(super) fn has(&self, tenant: Option<&str>, domain: Option<&str>) -> bool {
        let is = |known: Option<&str>, wanted: &str| known.is_some_and(|known| known.eq_ignore_ascii_case(wanted));
        match self {
            Accepted::Anybody => true,
            Accepted::These(these) => these.iter().any(|by| match by {
                By::Tenant(wanted) => is(tenant, wanted),
                By::Domain(wanted) => is(domain, wanted),
            }),
        }
    }
}

impl FromStr for By {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let uuid = text.strip_prefix("tenant/").unwrap_or(text);
        if uuid.len() == 36 && Uuid::try_parse(uuid).is_ok() {
            return Ok(By::Tenant(format!("tenant/{}", uuid.to_ascii_lowercase())));
        }
        let domain = text.trim_end_matches('.').to_lowercase();
        let is_domain =
            domain.contains('.') && !domain.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control());
        if is_domain { Ok(By::Domain(domain)) } else { Err("neither tenant/UUID, nor a UUID, nor a domain".into()) }
    }
}

/// The identities of tenancies by name, as records of ours have named them. Empty where the database cannot be read: it
/// belongs to the daemon, and verifying needs no account.
fn recorded(config: &Config) -> BTreeMap<String, String> {
    let tenancies = Report::open(&config.state_dir).ok().flatten().and_then(|report| report.tenancies().ok());
    let named = tenancies.unwrap_or_default().into_iter();
    named.filter_map(|tenancy| Some((tenancy.name, tenancy.tenant_identity?))).collect()
}

/// The tenant identities of the configured tenancies of one ledger; a tenancy of another ledger is not the same even if
/// it has the same identity. At least one.
///
/// # Errors
/// The ledger cannot be asked (exit 1), or a person must say whose records count (exit 2).
pub(super) async fn accepted_tenancies(config: &Config, url: &Url) -> Result<Vec<String>, Failure> {
    let (mut known, mut failures) = (Vec::new(), Vec::new());
    let recorded = recorded(config);
    for tenancy in config.tenancies.iter().filter(|tenancy| tenancy.url == *url) {
        // A record of ours has named it already; else the ledger can say.
        if let Some(identity) = recorded.get(&tenancy.name) {
            known.push(identity.clone());
            continue;
        }
        match sign_in(tenancy).await {
            Ok(identity) => known.push(identity),
            Err(failure) => failures.push(failure),
        }
    }
    if known.is_empty() {
        return Err(failures.into_iter().next().unwrap_or_else(|| {
            Failure::person("no tenancy of the configuration is of this ledger, so no record there is yours")
                .hint(WHOSE)
        }));
    }
    for failure in failures {
        complain(&format!("{}; its records do not count", failure.message));
    }
    Ok(known)
}

/// Asks for a token, which says whose it is.
async fn sign_in(tenancy: &Tenancy) -> Result<String, Failure> {
    let name = &tenancy.name;
    let person = |message: String| Failure::person(message).hint(WHOSE);
    let secret = read_secret(&tenancy.client_secret_file, &Environment::from_process());
    let secret = secret.map_err(|error| person(format!("tenancy {name}: {error}")))?;
    let client = Client::new(Settings {
        url: tenancy.url.clone(),
        credentials: Some((tenancy.client_id.clone(), secret)),
        timeout: tenancy.timeout,
        ca_file: tenancy.ca_file.clone(),
    });
    let client = client.map_err(|error| person(format!("tenancy {name}: {error}")))?;
    client.sign_in().await.map_err(|error| match error.kind {
        Kind::Unauthorized => person(format!("tenancy {name}: {error}")),
        _ => Failure::transient(unreachable(&tenancy.url, &error)).hint(WHOSE),
    })?;
    client.tenant_hint().ok_or_else(|| person(format!("tenancy {name}: the ledger does not say whose sign-in it is")))
}
