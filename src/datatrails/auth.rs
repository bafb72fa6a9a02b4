//! Sign-in by client credentials: one access token, asked for once for all callers, renewed before it expires and when
//! the ledger no longer takes it. Touches the network through the transport.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::form_urlencoded;

use super::transport::{Ask, RECORD, Transport, What};
use super::{Error, Kind, Outcome, wire};

const CALL: &str = "token";
/// What is believed of a token whose answer does not say how long it lives.
const UNSAID: f64 = 300.0;
/// No token is believed to live for longer.
const LONGEST: f64 = 30.0 * 24.0 * 3600.0;
/// A token is renewed this long before it expires.
const EARLY: Duration = Duration::from_secs(60);
/// How long a token that is still valid is used on after a renewal failed.
const RENEW_AGAIN: Duration = Duration::from_secs(10);

/// An access token.
#[derive(Clone)]
pub(super) struct Token {
    /// The value of `Authorization`.
    pub(super) authorization: HeaderValue,
    /// The token itself, to keep it out of messages.
    pub(super) text: SecretString,
    /// Which token it is, counted from 1.
    pub(super) generation: u64,
    renew_at: Instant,
    expires_at: Instant,
}

/// The credentials of one custom integration, and its present token.
pub(super) struct Auth {
    client_id: String,
    client_secret: SecretString,
    state: Mutex<State>,
    /// How many requests to the token endpoint have ended.
    rounds: AtomicU64,
    hint: std::sync::Mutex<Option<String>>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    generation: u64,
    failure: Option<Error>,
}

impl Auth {
    /// Keeps the credentials; nothing is sent.
    pub(super) fn new(client_id: String, client_secret: SecretString) -> Auth {
        Auth {
            client_id,
            client_secret,
            state: Mutex::default(),
            rounds: AtomicU64::new(0),
            hint: std::sync::Mutex::default(),
        }
    }

    /// `jit_tenant_id` of the last token that had one.
    pub(super) fn tenant_hint(&self) -> Option<String> {
        self.hint.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// The present token, or a new one where there is none, it is due, or it is the one (`refused`, by generation) that
    /// the ledger answered with 401. Callers that waited while another's request failed share its failure.
    ///
    /// # Errors
    /// `Unauthorized` where the credentials are refused; otherwise as any request. Outcome: not made.
    pub(super) async fn token(&self, transport: &Transport, refused: Option<u64>) -> Result<Token, Error> {
        let rounds = self.rounds.load(Ordering::Acquire);
        let mut state = self.state.lock().await;
        if let Some(token) = &state.token
            && Some(token.generation) != refused
            && Instant::now() < token.renew_at
        {
            return Ok(token.clone());
        }
        if self.rounds.load(Ordering::Acquire) != rounds
            && let Some(failure) = &state.failure
        {
            return Err(failure.clone());
        }
        let fetched = self.fetch(transport, state.generation + 1).await;
        self.rounds.fetch_add(1, Ordering::Release);
        match fetched {
            Ok(token) => {
                state.generation = token.generation;
                state.failure = None;
                state.token = Some(token.clone());
                Ok(token)
            }
            Err(failure) => {
                let passing = matches!(failure.kind, Kind::Unavailable { .. } | Kind::RateLimited { .. });
                if let Some(token) = &mut state.token
                    && passing
                    && Some(token.generation) != refused
                    && Instant::now() < token.expires_at
                {
                    token.renew_at = Instant::now() + RENEW_AGAIN;
                    return Ok(token.clone());
                }
                state.failure = Some(failure.clone());
                Err(failure)
            }
        }
    }

    /// `POST /archivist/iam/v1/appidp/token`.
    async fn fetch(&self, transport: &Transport, generation: u64) -> Result<Token, Error> {
        let secret = self.client_secret.expose_secret();
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.client_id)
            .append_pair("client_secret", secret)
            .finish();
        transport.gate.pass().await;
        let asked = Instant::now();
        let answer = transport
            .exchange(Ask {
                call: CALL,
                url: transport.at(&["archivist", "iam", "v1", "appidp", "token"]),
                what: What::Form(&form),
                authorization: None,
                secret: Some(secret),
                limit: RECORD,
            })
            .await?;
        if matches!(answer.status.as_u16(), 400 | 401 | 403) {
            let message = format!("client id or secret refused ({})", answer.refusal().message);
            return Err(Error::unsent(CALL, Kind::Unauthorized, message));
        }
        let told = answer.read(wire::token)?;
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", told.access_token))
            .map_err(|_| Error::unavailable(CALL, Outcome::NotMade, "the access token is no text that can be sent"))?;
        authorization.set_sensitive(true);
        if let Some(tenant) = tenant_of(&told.access_token) {
            *self.hint.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(tenant);
        }
        let lives = Duration::from_secs_f64(told.expires_in.unwrap_or(UNSAID).clamp(0.0, LONGEST));
        let expires_at = asked + lives;
        let renew_at = expires_at - EARLY.min(lives / 2);
        Ok(Token { authorization, text: told.access_token.into(), generation, renew_at, expires_at })
    }
}

/// `jit_tenant_id` in the payload of a JWT; not verified, a hint only.
fn tenant_of(token: &str) -> Option<String> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let tenant = wire::jwt_tenant(&payload)?;
    let uuid = tenant.strip_prefix("tenant/").unwrap_or(&tenant);
    uuid::Uuid::try_parse(uuid).is_ok().then(|| format!("tenant/{uuid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(payload: &str) -> String {
        format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode("{}"), URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn a_tenant_is_read_from_a_jwt_that_names_one_and_from_nothing_else() {
        let uuid = "6ea5cd00-c711-3649-6914-7b125928bbb4";
        let named = jwt(&format!(r#"{{"jit_tenant_id":"tenant/{uuid}","exp":1}}"#));
        assert_eq!(tenant_of(&named), Some(format!("tenant/{uuid}")));
        assert_eq!(tenant_of(&jwt(&format!(r#"{{"jit_tenant_id":"{uuid}"}}"#))), Some(format!("tenant/{uuid}")));
        for other in ["opaque", "a.b.c", "a.b", &jwt("{}"), &jwt(r#"{"jit_tenant_id":7}"#), &format!("{named}.x")] {
            assert_eq!(tenant_of(other), None, "{other}");
        }
    }
}
