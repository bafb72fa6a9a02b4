//! Who the simulated account is, and which namespaces it has. The state directory's `credentials.json` keeps what must survive a
//! restart: keys, secrets, grants. Readable by its owner only.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::facts::Error;
use crate::digest::Digest;

/// All scopes that the simulated app has.
pub const SCOPES: &str = "account_info.read files.content.read files.metadata.read";

/// The member's folder in a team's root, where the account is a team's.
pub const HOME_PATH: &str = "/Sandbox User";

/// What survives a restart.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Identity {
    /// `dbid:…`, 40 characters.
    pub account_id: String,
    /// The app key.
    pub app_key: String,
    /// The app secret, for apps without PKCE.
    pub app_secret: String,
    /// Seals cursors and access tokens.
    pub key: String,
    /// The refresh token that is handed out at the start.
    pub refresh_token: String,
    /// SHA-256 of each refresh token → its scopes.
    pub grants: BTreeMap<String, String>,
}

/// Random text of `bytes` bytes' worth.
pub fn secret(bytes: usize) -> String {
    let random: Vec<u8> = (0..bytes).map(|_| rand::random()).collect();
    URL_SAFE_NO_PAD.encode(random)
}

fn lowercase(length: usize) -> String {
    (0..length).map(|_| char::from_digit(rand::random_range(0..36), 36).unwrap_or('0')).collect()
}

/// The name under which a refresh token is kept.
pub fn fingerprint(refresh_token: &str) -> String {
    Digest::sha256(refresh_token).to_string()
}

impl Identity {
    /// Reads the identity, or makes one. A refresh token that was revoked is replaced by a new one.
    ///
    /// # Errors
    /// If the file cannot be read or written, or is not one.
    pub fn open(path: &Path) -> Result<Identity, Error> {
        let mut identity = if path.exists() {
            let text = fs::read_to_string(path).map_err(Error::io(path))?;
            serde_json::from_str(&text).map_err(|error| Error::Other(format!("{}: {error}", path.display())))?
        } else {
            Identity {
                account_id: format!("dbid:{}", &secret(27)[..35]),
                app_key: lowercase(15),
                app_secret: lowercase(15),
                key: secret(32),
                refresh_token: String::new(),
                grants: BTreeMap::new(),
            }
        };
        if !identity.grants.contains_key(&fingerprint(&identity.refresh_token)) {
            identity.refresh_token = secret(48);
            identity.grants.insert(fingerprint(&identity.refresh_token), SCOPES.to_owned());
            identity.save(path)?;
        }
        Ok(identity)
    }

    /// Writes it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        write_private(path, &serde_json::to_string_pretty(self).unwrap_or_default()).map_err(Error::io(path))
    }
}

/// Writes a file that only its owner can read, whole or not at all.
///
/// # Errors
/// If it cannot be written.
pub fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let temporary = path.with_extension("new");
    let _ = fs::remove_file(&temporary);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    drop(file);
    fs::rename(temporary, path)
}

/// The account's namespaces.
#[derive(Debug, Clone)]
pub struct Namespaces {
    /// The account belongs to a team, so its root is not its home.
    pub team: bool,
    /// Root namespace id.
    pub root: String,
    /// Home namespace id.
    pub home: String,
}

impl Namespaces {
    /// Those of a personal account, or of a team member.
    pub fn new(team: bool) -> Namespaces {
        let root = if team { "3000000007" } else { "3000000001" };
        Namespaces { team, root: root.to_owned(), home: "3000000001".to_owned() }
    }

    /// `RootInfo` (common.stone).
    pub fn root_info(&self) -> Value {
        let mut info = json!({
            ".tag": if self.team { "team" } else { "user" },
            "root_namespace_id": self.root,
            "home_namespace_id": self.home,
        });
        if self.team {
            info["home_path"] = json!(HOME_PATH);
        }
        info
    }
}

/// `FullAccount` (users.stone).
pub fn full_account(account_id: &str, namespaces: &Namespaces) -> Value {
    json!({
        "account_id": account_id,
        "name": {
            "given_name": "Sandbox",
            "surname": "User",
            "familiar_name": "Sandbox",
            "display_name": "Sandbox User",
            "abbreviated_name": "SU",
        },
        "email": "sandbox@example.com",
        "email_verified": true,
        "disabled": false,
        "country": "GB",
        "locale": "en",
        "referral_link": "https://www.dropbox.com/referrals/sandbox",
        "is_paired": false,
        "account_type": {".tag": if namespaces.team { "business" } else { "basic" }},
        "root_info": namespaces.root_info(),
    })
}
