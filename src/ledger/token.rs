//! Access tokens: shaped as a JWT, signed with the ledger's own key, so that they stay valid across restarts and need no
//! look-up. Also signs page tokens. A leaf: touches nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Who holds a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) jit_tenant_id: String,
    pub(super) name: String,
    pub(super) jit_tier: String,
    pub(super) jti: String,
    pub(super) sub: String,
    pub(super) client_id: String,
    pub(super) iat: i64,
    pub(super) exp: i64,
    pub(super) iss: String,
    pub(super) aud: String,
}

/// The ledger's signing key.
#[derive(Clone)]
pub(super) struct Key(pub(super) [u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

const HEADER: &str = r#"{"alg":"HS256","typ":"at+jwt","kid":"ledger"}"#;

impl Key {
    /// `header.payload.signature`.
    pub(super) fn issue(&self, claims: &Claims) -> String {
        let payload = serde_json::to_vec(claims).expect("strings and numbers are JSON");
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(payload));
        let signature = URL_SAFE_NO_PAD.encode(hmac(&self.0, b"token", signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// The claims of a token of ours that has not expired at `now` (seconds since 1970).
    pub(super) fn claims(&self, token: &str, now: i64) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (_, payload) = signed.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        if !same(&signature, &hmac(&self.0, b"token", signed.as_bytes())) {
            return None;
        }
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        (now < claims.exp).then_some(claims)
    }

    /// Makes `content` an opaque text that only this ledger can have made.
    pub(super) fn seal(&self, content: &[u8]) -> String {
        let mut sealed = hmac(&self.0, b"page", content)[..16].to_vec();
        sealed.extend_from_slice(content);
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// Reads [`Key::seal`].
    pub(super) fn unseal(&self, text: &str) -> Option<Vec<u8>> {
        let mut sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        if sealed.len() < 16 {
            return None;
        }
        let content = sealed.split_off(16);
        same(&sealed, &hmac(&self.0, b"page", &content)[..16]).then_some(content)
    }
}

/// Compares without telling by the time taken where the difference is.
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && std::hint::black_box(a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b))) == 0
}

/// HMAC-SHA-256 (RFC 2104) of `purpose` and `message`, one after the other, with a key of at most 64 bytes.
fn hmac(key: &[u8], purpose: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(purpose).chain_update(message);
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner.finalize()).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_hmac_sha_256_by_the_test_vectors_of_rfc_4231() {
        let first = hmac(&[0x0b; 20], b"", b"Hi There");
        assert_eq!(hex::encode(first), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
        let second = hmac(b"Jefe", b"what do ya ", b"want for nothing?");
        assert_eq!(hex::encode(second), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn a_token_counts_only_unchanged_unexpired_and_with_its_own_key() {
        let key = Key([7; 32]);
        let claims = Claims {
            jit_tenant_id: "tenant/x".into(),
            name: "acme".into(),
            jit_tier: "FREE".into(),
            jti: "1".into(),
            sub: "client".into(),
            client_id: "client".into(),
            iat: 100,
            exp: 200,
            iss: "http://x/appidpv1".into(),
            aud: "http://x/archivist".into(),
        };
        let token = key.issue(&claims);
        assert_eq!(key.claims(&token, 199).as_ref(), Some(&claims));
        assert_eq!(key.claims(&token, 200), None);
        assert_eq!(Key([8; 32]).claims(&token, 150), None);
        let longer = key.issue(&Claims { exp: 900, ..claims });
        let forged =
            format!("{}.{}", longer.rsplit_once('.').expect("dots").0, token.rsplit_once('.').expect("dots").1);
        assert_eq!(key.claims(&forged, 150), None);
        for junk in ["", ".", "..", "a.b.c", "é.é.é"] {
            assert_eq!(key.claims(junk, 150), None);
        }
    }

    #[test]
    fn a_sealed_text_opens_only_unchanged() {
        let key = Key([7; 32]);
        let sealed = key.seal(b"content");
        assert_eq!(key.unseal(&sealed).as_deref(), Some(&b"content"[..]));
        assert_eq!(Key([8; 32]).unseal(&sealed), None);
        assert_eq!(key.unseal("AAAA"), None);
        assert_eq!(key.unseal(&format!("{sealed}AAAA")), None);
    }
}
