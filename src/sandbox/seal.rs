//! Strings that only this sandbox can have made: a payload with a keyed hash before it. For cursors and access tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

const TAG: usize = 16;

fn tag(key: &str, purpose: &str, payload: &[u8]) -> Vec<u8> {
    let inner = Sha256::new().chain_update(key).chain_update([0]).chain_update(purpose).chain_update([0]);
    let inner = inner.chain_update(payload).finalize();
    Sha256::new().chain_update(key).chain_update([1]).chain_update(inner).finalize()[..TAG].to_vec()
}

/// Seals a value for a purpose.
pub fn seal(key: &str, purpose: &str, value: &impl Serialize) -> String {
    let payload = serde_json::to_vec(value).unwrap_or_default();
    let mut bytes = tag(key, purpose, &payload);
    bytes.extend(payload);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads a sealed value back; `None` if this key did not seal it for this purpose.
pub fn open<T: DeserializeOwned>(key: &str, purpose: &str, text: &str) -> Option<T> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (mac, payload) = bytes.split_at_checked(TAG)?;
    if tag(key, purpose, payload) != mac {
        return None;
    }
    serde_json::from_slice(payload).ok()
}
