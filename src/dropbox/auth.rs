//! Access tokens: got with the refresh token, early, once for all who wait. Touches the network through the transport.
//!
//! The token endpoint is that of <https://developers.dropbox.com/oauth-guide>; an access token lives about four hours.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer};
use tokio::time::Instant;

use super::classify::route;
use super::transport::Transport;
use super::{Error, Kind, Settings};

/// How long before its end a token is replaced, unless half its life is shorter.
const EARLY: Duration = Duration::from_secs(300);

/// After an early refresh failed, how long the old token is used before the next try.
const LATER: Duration = Duration::from_secs(30);

/// No token is taken to live longer than this.
const LONGEST_LIFE: Duration = Duration::from_secs(366 * 86_400);

/// The sign-in of one account.
pub(super) struct Auth {
    app_key: String,
    app_secret: Option<SecretString>,
    refresh_token: SecretString,
    /// A refresh token that an answer brought, in place of the one that we were given.
    rotated: Mutex<Option<SecretString>>,
    /// How many refreshes have ended. Who finds it changed after waiting for the lock has had a refresh made for them.
    ended: AtomicU64,
    state: tokio::sync::Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<Held>,
    /// Why the last refresh failed.
    failure: Option<Error>,
    made: u64,
}

struct Held {
    token: Token,
    /// On the monotonic clock; `None` where the answer named no end.
    renew_at: Option<Instant>,
    ends_at: Option<Instant>,
}

/// An access token, ready for the Authorization header.
#[derive(Clone)]
pub(super) struct Token {
    /// `Bearer …`; marked sensitive.
    pub header: HeaderValue,
    serial: u64,
}

/// What the token endpoint answers to a refresh.
#[derive(Deserialize)]
struct Grant {
    #[serde(deserialize_with = "secret")]
    access_token: SecretString,
    expires_in: Option<f64>,
    #[serde(default, deserialize_with = "optional_secret")]
    refresh_token: Option<SecretString>,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

fn optional_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|text| text.map(SecretString::from))
}

impl Auth {
    /// Takes over the credentials; nothing is sent.
    pub fn new(settings: Settings) -> Auth {
        Auth {
            app_key: settings.app_key,
            app_secret: settings.app_secret,
            refresh_token: settings.refresh_token,
            rotated: Mutex::default(),
            ended: AtomicU64::new(0),
            state: tokio::sync::Mutex::default(),
        }
    }

    /// The refresh token that an answer brought in place of the one that was given, if one did.
    pub fn rotated_refresh_token(&self) -> Option<SecretString> {
        self.rotated.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// A token that is not `refused`. One refresh is under way at a time, and all who wait for it share its outcome.
    pub async fn token(&self, transport: &Transport, refused: Option<&Token>) -> Result<Token, Error> {
        let ended = self.ended.load(Ordering::Acquire);
        let mut state = self.state.lock().await;
        let now = Instant::now();
        let good =
            state.token.as_ref().filter(|held| refused.is_none_or(|refused| refused.serial != held.token.serial));
        if let Some(held) = good.filter(|held| held.renew_at.is_none_or(|at| now < at)) {
            return Ok(held.token.clone());
        }
        if self.ended.load(Ordering::Acquire) != ended {
            match (&state.failure, good) {
                (Some(failure), _) => return Err(failure.clone()),
                (None, Some(held)) => return Ok(held.token.clone()),
                (None, None) => {}
            }
        }
        // Counted from before the request, so that a slow answer shortens the token's life and never lengthens it.
        let result = self.refresh(transport).await;
        self.ended.fetch_add(1, Ordering::AcqRel);
        match result {
            Ok((header, asked_at, life)) => {
                state.made += 1;
                let token = Token { header, serial: state.made };
                let renew_at = life.map(|life| asked_at + (life - EARLY.min(life / 2)));
                state.token = Some(Held { token: token.clone(), renew_at, ends_at: life.map(|life| asked_at + life) });
                state.failure = None;
                Ok(token)
            }
            Err(err) => {
                let now = Instant::now();
                let still = state.token.as_mut().filter(|held| {
                    let accepted = refused.is_none_or(|refused| refused.serial != held.token.serial);
                    accepted && held.ends_at.is_some_and(|end| now < end)
                });
                if let Some(held) = still.filter(|_| err.heals()) {
                    held.renew_at = Some(now + LATER);
                    return Ok(held.token.clone());
                }
                state.failure = Some(err.clone());
                Err(err)
            }
        }
    }

    /// Asks for an access token; gives also when it was asked for and how long it lives.
    async fn refresh(&self, transport: &Transport) -> Result<(HeaderValue, Instant, Option<Duration>), Error> {
        let refresh_token = self.rotated_refresh_token().unwrap_or_else(|| self.refresh_token.clone());
        let mut form = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.expose_secret()),
            ("client_id", self.app_key.as_str()),
        ];
        let mut hidden = vec![refresh_token.expose_secret()];
        if let Some(secret) = &self.app_secret {
            form.push(("client_secret", secret.expose_secret()));
            hidden.push(secret.expose_secret());
        }
        let request = transport.api("/oauth2/token").form(&form);
        transport.gate.pass().await;
        let asked_at = Instant::now();
        let answer = transport.send(route::TOKEN, request, transport.timeout, &hidden).await?;
        let grant = answer.read(|body| serde_json::from_slice::<Grant>(body)).await?;
        let unusable = |message: &str| Error {
            call: route::TOKEN,
            kind: Kind::Unavailable { after: None },
            message: message.to_owned(),
            request_id: None,
        };
        let bearer = SecretString::from(format!("Bearer {}", grant.access_token.expose_secret()));
        let header = HeaderValue::from_str(bearer.expose_secret());
        let mut header = header.map_err(|_| unusable("the access token does not fit into a header"))?;
        header.set_sensitive(true);
        if grant.access_token.expose_secret().is_empty() {
            return Err(unusable("the access token is empty"));
        }
        if let Some(new) = grant.refresh_token.filter(|new| !new.expose_secret().is_empty())
            && new.expose_secret() != refresh_token.expose_secret()
        {
            *self.rotated.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(new);
        }
        let life = grant.expires_in.filter(|life| life.is_finite());
        let life = life.map(|life| Duration::from_secs_f64(life.clamp(0.0, LONGEST_LIFE.as_secs_f64())));
        Ok((header, asked_at, life))
    }
}
