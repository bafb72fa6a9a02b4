//! Tenancies: made by the operator, each with one client id and a secret that is kept only as its hash.

use rand::Rng as _;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::token::same;
use super::{Error, time};

/// What a tenancy signs in with. The secret is shown once and cannot be had again.
#[derive(Clone, Serialize)]
pub struct Credentials {
    /// The operator's name for the tenancy.
    pub name: String,
    /// `tenant/<uuid>`.
    pub tenant_identity: String,
    /// A uuid.
    pub client_id: String,
    /// 64 hex digits: 256 random bits.
    pub client_secret: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({}, {})", self.name, self.tenant_identity)
    }
}

/// A tenancy, as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tenancy {
    /// The operator's name for it.
    pub name: String,
    /// `tenant/<uuid>`.
    pub tenant_identity: String,
    /// A uuid.
    pub client_id: String,
    /// Empty where none was set.
    pub verified_domain: String,
}

/// A client that has proved who it is.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) uuid: String,
    pub(super) name: String,
}

pub(super) fn add(connection: &Connection, name: &str, domain: Option<&str>) -> Result<Credentials, Error> {
    check_name(name)?;
    let domain = domain.unwrap_or_default();
    check_domain(domain)?;
    let taken = connection.query_row("SELECT 1 FROM tenancies WHERE name = ?1", [name], |_| Ok(())).optional()?;
    if taken.is_some() {
        return Err(Error::Tenancy(format!("there is a tenancy named {name:?} already")));
    }
    let secret: [u8; 32] = rand::rng().random();
    let client_secret = hex::encode(secret);
    let uuid = uuid::Uuid::new_v4().to_string();
    let client_id = uuid::Uuid::new_v4().to_string();
    connection.execute(
        "INSERT INTO tenancies (uuid, name, verified_domain, client_id, secret_hash, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![uuid, name, domain, client_id, hash(&client_secret), time::now_ms()],
    )?;
    Ok(Credentials { name: name.to_owned(), tenant_identity: format!("tenant/{uuid}"), client_id, client_secret })
}

pub(super) fn set_domain(connection: &Connection, name: &str, domain: &str) -> Result<(), Error> {
    check_domain(domain)?;
    match connection.execute("UPDATE tenancies SET verified_domain = ?2 WHERE name = ?1", [name, domain])? {
        0 => Err(Error::Tenancy(format!("there is no tenancy named {name:?}"))),
        _ => Ok(()),
    }
}

pub(super) fn list(connection: &Connection) -> Result<Vec<Tenancy>, Error> {
    let mut statement =
        connection.prepare("SELECT name, uuid, client_id, verified_domain FROM tenancies ORDER BY id")?;
    let rows = statement.query_map([], |row| {
        Ok(Tenancy {
            name: row.get(0)?,
            tenant_identity: format!("tenant/{}", row.get::<_, String>(1)?),
            client_id: row.get(2)?,
            verified_domain: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The client, if the secret is its own.
pub(super) fn authenticate(connection: &Connection, client_id: &str, secret: &str) -> Result<Option<Client>, Error> {
    let found = connection
        .query_row("SELECT uuid, name, secret_hash FROM tenancies WHERE client_id = ?1", [client_id], |row| {
            Ok((Client { uuid: row.get(0)?, name: row.get(1)? }, row.get::<_, Vec<u8>>(2)?))
        })
        .optional()?;
    Ok(found.and_then(|(client, stored)| same(&stored, &hash(secret)).then_some(client)))
}

/// The verified domain of the tenancy with this uuid.
pub(super) fn verified_domain(connection: &Connection, uuid: &str) -> Result<Option<String>, Error> {
    Ok(connection
        .query_row("SELECT verified_domain FROM tenancies WHERE uuid = ?1", [uuid], |row| row.get(0))
        .optional()?)
}

/// SHA-256 is right here: 256 random bits cannot be guessed, so nothing is gained by a slow hash.
fn hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

fn check_name(name: &str) -> Result<(), Error> {
    if name.is_empty() || name.chars().count() > 128 || name.trim() != name || name.chars().any(char::is_control) {
        return Err(Error::Tenancy(
            "a tenancy's name has 1 to 128 characters, no control characters and no white space around it".into(),
        ));
    }
    Ok(())
}

fn check_domain(domain: &str) -> Result<(), Error> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if domain.is_empty() || (domain.len() <= 253 && domain.split('.').all(label)) {
        return Ok(());
    }
    Err(Error::Tenancy(format!("{domain:?} is not a domain name (as in example.com)")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domain_and_name_are_checked() {
        for good in ["", "example.com", "xn--bcher-kva.example", "localhost"] {
            assert!(check_domain(good).is_ok(), "{good}");
        }
        for bad in ["exa mple.com", ".com", "a..b", "-a.com", "a/b", "é.com"] {
            assert!(check_domain(bad).is_err(), "{bad}");
        }
        for bad in ["", " a", "a\n", &"x".repeat(129)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }
}
