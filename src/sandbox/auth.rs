//! Access tokens, refresh tokens and authorization codes. Access tokens are sealed and stored nowhere; grants are kept in the
//! identity; codes live as long as the process.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::account::{Identity, fingerprint, secret};
use super::facts::now;
use super::seal;

/// An authorization code is good for this long, once.
pub const CODE_LIFETIME: Duration = Duration::from_secs(600);

/// What an access token says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Access {
    /// Fingerprint of the refresh token that it came from; empty if there is none.
    #[serde(rename = "g")]
    pub grant: String,
    /// Scopes, separated by spaces.
    #[serde(rename = "s")]
    pub scope: String,
    /// Seconds since the epoch.
    #[serde(rename = "e")]
    expires: i64,
    #[serde(rename = "n")]
    nonce: String,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Not a token at all (400, text).
    Malformed,
    /// Not one of ours, or revoked.
    Invalid,
    /// Too old.
    Expired,
}

/// An authorization code, waiting to be used.
#[derive(Debug, Clone)]
pub struct Code {
    /// base64url of SHA-256 of the verifier, if PKCE is used.
    pub challenge: Option<String>,
    /// The redirect URI that the token request must name again.
    pub redirect_uri: Option<String>,
    /// Scopes, separated by spaces.
    pub scope: String,
    /// Whether a refresh token is wanted.
    pub offline: bool,
    /// When it was made.
    pub made: Instant,
}

/// The tokens of one sandbox.
#[derive(Debug)]
pub struct Auth {
    identity: Mutex<Identity>,
    file: PathBuf,
    /// Life of an access token, seconds.
    pub expires_in: u64,
    codes: Mutex<HashMap<String, Code>>,
    expired: Mutex<HashSet<String>>,
    revoked: Mutex<HashSet<String>>,
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Auth {
    /// Takes the identity, and the file that it is kept in.
    pub fn new(identity: Identity, file: PathBuf, expires_in: u64) -> Auth {
        Auth {
            identity: Mutex::new(identity),
            file,
            expires_in,
            codes: Mutex::default(),
            expired: Mutex::default(),
            revoked: Mutex::default(),
        }
    }

    /// A copy of the identity.
    pub fn identity(&self) -> Identity {
        hold(&self.identity).clone()
    }

    /// A new access token.
    pub fn issue(&self, grant: &str, scope: &str) -> String {
        let expires = now().saturating_add_unsigned(self.expires_in);
        let access = Access { grant: grant.to_owned(), scope: scope.to_owned(), expires, nonce: secret(9) };
        format!("sl.u.{}", seal::seal(&hold(&self.identity).key, "token", &access))
    }

    /// Who comes with this token.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn check(&self, token: &str) -> Result<Access, Refused> {
        let legible = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
        if token.is_empty() || !token.chars().all(legible) {
            return Err(Refused::Malformed);
        }
        let identity = hold(&self.identity);
        let access: Access = token
            .strip_prefix("sl.u.")
            .and_then(|sealed| seal::open(&identity.key, "token", sealed))
            .ok_or(Refused::Invalid)?;
        if hold(&self.revoked).contains(token)
            || (!access.grant.is_empty() && !identity.grants.contains_key(&access.grant))
        {
            return Err(Refused::Invalid);
        }
        if access.expires <= now() || hold(&self.expired).contains(token) {
            return Err(Refused::Expired);
        }
        Ok(access)
    }

    /// Makes a token expire now.
    pub fn expire(&self, token: &str) {
        hold(&self.expired).insert(token.to_owned());
    }

    /// Disables a token, and the grant that it came from.
    pub fn revoke(&self, token: &str, access: &Access) {
        hold(&self.revoked).insert(token.to_owned());
        let mut identity = hold(&self.identity);
        if identity.grants.remove(&access.grant).is_some() {
            self.save(&identity);
        }
    }

    fn save(&self, identity: &Identity) {
        if let Err(error) = identity.save(&self.file) {
            tracing::error!(%error, "the sandbox's credentials cannot be stored");
        }
    }

    /// Makes a code.
    pub fn make_code(&self, code: Code) -> String {
        let text = secret(32);
        hold(&self.codes).insert(text.clone(), code);
        text
    }

    /// Uses a code up.
    pub fn use_code(&self, text: &str) -> Option<Code> {
        hold(&self.codes).remove(text).filter(|code| code.made.elapsed() < CODE_LIFETIME)
    }

    /// Makes a refresh token.
    pub fn grant(&self, scope: &str) -> String {
        let refresh_token = secret(48);
        let mut identity = hold(&self.identity);
        identity.grants.insert(fingerprint(&refresh_token), scope.to_owned());
        self.save(&identity);
        refresh_token
    }

    /// The scopes of a refresh token, if it is good.
    pub fn scope_of(&self, refresh_token: &str) -> Option<String> {
        hold(&self.identity).grants.get(&fingerprint(refresh_token)).cloned()
    }
}
