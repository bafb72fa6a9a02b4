//! `oauth2/token` and `oauth2/authorize`. An authorization code is told to whoever runs the sandbox and never shown on the page,
//! so no web page can approve itself.

use std::time::Instant;

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::account::{SCOPES, fingerprint};
use super::auth::Code;
use super::reply::{self, Refusal};
use super::server::App;
use crate::digest::Digest;

/// A form field or URL parameter; of duplicates the first (a client is known that sends its verifier twice).
pub fn field(form: &[u8], name: &str) -> Option<String> {
    url::form_urlencoded::parse(form).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn refused(error: &str, description: Option<&str>) -> Refusal {
    let mut body = json!({"error": error});
    if let Some(description) = description {
        body["error_description"] = json!(description);
    }
    reply::json(StatusCode::BAD_REQUEST, &body).into()
}

fn scopes(wanted: Option<String>, granted: &str) -> Option<String> {
    let Some(wanted) = wanted.filter(|wanted| !wanted.trim().is_empty()) else { return Some(granted.to_owned()) };
    let known = |scope: &str| granted.split(' ').any(|granted| granted == scope);
    wanted.split_whitespace().all(known).then(|| wanted.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// `POST /oauth2/token`: code and refresh grants.
pub fn token(app: &App, headers: &HeaderMap, body: &[u8]) -> Result<Response, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Err(refused("invalid_request", Some("expecting application/x-www-form-urlencoded")));
    }
    let get = |name: &str| field(body, name);
    let basic = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
    let basic = basic.and_then(|value| String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok());
    let (client_id, client_secret) = match basic.as_deref().and_then(|basic| basic.split_once(':')) {
        Some((id, secret)) => (Some(id.to_owned()), Some(secret.to_owned()).filter(|secret| !secret.is_empty())),
        None => (get("client_id"), get("client_secret")),
    };
    let identity = app.auth.identity();
    let wrong_secret = client_secret.as_ref().is_some_and(|secret| *secret != identity.app_secret);
    if client_id.as_deref() != Some(&identity.app_key) || wrong_secret {
        return Err(refused("invalid_client: Invalid client_id or client_secret", None));
    }
    match get("grant_type").as_deref() {
        Some("authorization_code") => {
            let code =
                get("code").ok_or_else(|| refused("invalid_request", Some("missing required field \"code\"")))?;
            let code = app.auth.use_code(code.trim());
            let code = code.ok_or_else(|| refused("invalid_grant", Some("code doesn't exist or has expired")))?;
            prove(&code, get("code_verifier").as_deref(), client_secret.is_some())?;
            if code.redirect_uri != get("redirect_uri") {
                return Err(refused("invalid_grant", Some("redirect_uri mismatch")));
            }
            let refresh_token = code.offline.then(|| app.auth.grant(&code.scope));
            let grant = refresh_token.as_deref().map(fingerprint).unwrap_or_default();
            let mut answer = access(app, &grant, &code.scope);
            answer["scope"] = json!(code.scope);
            answer["uid"] = json!("12345");
            answer["account_id"] = json!(app.account_id);
            if let Some(refresh_token) = refresh_token {
                answer["refresh_token"] = json!(refresh_token);
            }
            Ok(reply::json(StatusCode::OK, &answer))
        }
        Some("refresh_token") => {
            let token = get("refresh_token").unwrap_or_default();
            let revoked = app.script.strike("revoked_refresh", "oauth2/token").is_some();
            let granted = app.auth.scope_of(&token).filter(|_| !revoked);
            let granted =
                granted.ok_or_else(|| refused("invalid_grant", Some("refresh token is invalid or revoked")))?;
            let scope = scopes(get("scope"), &granted);
            let scope = scope.ok_or_else(|| refused("invalid_scope", Some("scope was not granted")))?;
            Ok(reply::json(StatusCode::OK, &access(app, &fingerprint(&token), &scope)))
        }
        _ => Err(refused("unsupported_grant_type", Some("expecting authorization_code or refresh_token"))),
    }
}

fn access(app: &App, grant: &str, scope: &str) -> Value {
    json!({"access_token": app.auth.issue(grant, scope), "expires_in": app.auth.expires_in, "token_type": "bearer"})
}

/// The verifier must be the one whose hash came with the authorization; without PKCE the app secret must have been given.
fn prove(code: &Code, verifier: Option<&str>, secret: bool) -> Result<(), Refusal> {
    match (&code.challenge, verifier) {
        (Some(challenge), Some(verifier)) => {
            let legible = |b: u8| b.is_ascii_alphanumeric() || b"._~-".contains(&b);
            let formed = (43..=128).contains(&verifier.len()) && verifier.bytes().all(legible);
            if formed && URL_SAFE_NO_PAD.encode(Digest::sha256(verifier).0) == *challenge {
                Ok(())
            } else {
                Err(refused("invalid_grant", Some("invalid code verifier")))
            }
        }
        (Some(_), None) => Err(refused("invalid_grant", Some("missing code verifier"))),
        (None, _) if secret => Ok(()),
        (None, _) => Err(refused("invalid_client: Invalid client_id or client_secret", None)),
    }
}

fn page(status: StatusCode, text: &str) -> Response {
    let html = format!(
        "<!doctype html><meta charset=\"utf-8\"><title>Sandbox</title><h1>Simulated Dropbox</h1><p>{text}</p>\n"
    );
    reply::html(status, html)
}

/// `GET /oauth2/authorize`: makes a code and tells it to whoever runs the sandbox.
pub fn authorize(app: &App, query: &str) -> Result<Response, Refusal> {
    let get = |name: &str| field(query.as_bytes(), name);
    let wrong = |text: &str| Err(page(StatusCode::BAD_REQUEST, text).into());
    if get("client_id").as_deref() != Some(&app.auth.identity().app_key) {
        return wrong("Invalid client_id: this is not the sandbox's app key.");
    }
    if get("response_type").as_deref() != Some("code") {
        return wrong("Invalid response_type: only \"code\" is supported.");
    }
    let challenge = get("code_challenge");
    if challenge.is_some() && get("code_challenge_method").as_deref() != Some("S256") {
        return wrong("Invalid code_challenge_method: only \"S256\" is supported.");
    }
    let Some(scope) = scopes(get("scope"), SCOPES) else {
        return wrong("Invalid scope: the sandbox's app does not have it.");
    };
    let offline = get("token_access_type").as_deref() == Some("offline");
    let code = Code { challenge, redirect_uri: get("redirect_uri"), scope, offline, made: Instant::now() };
    (app.on_code)(&app.auth.make_code(code));
    Ok(page(
        StatusCode::OK,
        "A code was printed on the terminal in which the sandbox runs. Paste it where you were asked for it.",
    ))
}
