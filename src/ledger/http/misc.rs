//! Signing in, tenancies' public information, caps.

use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::json;

use super::{Answer, Ledger, body, label, strikes, uuid};
use crate::ledger::api::{Refusal, answer};
use crate::ledger::token::Claims;
use crate::ledger::{accounts, time};

/// Services that caps are known of.
const SERVICES: [&str; 8] =
    ["access_policies", "applications", "assets", "blobs", "invites", "locations", "members", "tenancies/users"];

/// `POST /archivist/iam/v1/appidp/token`: client credentials, form-encoded.
pub(super) async fn token(State(shared): Ledger, headers: HeaderMap, sent: Result<Bytes, BytesRejection>) -> Answer {
    let too_many = |wait: std::time::Duration| Refusal::too_many(Some(format!("{:.3}", wait.as_secs_f64().max(0.001))));
    shared.limiter.anybody().map_err(too_many)?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
        return Err(Refusal::invalid("the body must be application/x-www-form-urlencoded"));
    }
    let sent = body(sent)?;
    let (mut grant, mut id, mut secret) = (String::new(), String::new(), String::new());
    for (name, value) in url::form_urlencoded::parse(&sent) {
        match &*name {
            "grant_type" => grant = value.into_owned(),
            "client_id" => id = value.into_owned(),
            "client_secret" => secret = value.into_owned(),
            _ => {}
        }
    }
    if grant != "client_credentials" {
        return Err(Refusal::invalid("grant_type: client_credentials was expected"));
    }
    let client_id = id.clone();
    let client = shared.readers.read(move |connection| accounts::authenticate(connection, &client_id, &secret)).await;
    let client = client.map_err(Refusal::from)?;
    // A stranger's guesses at ids that do not exist share one bucket.
    let bucket = if uuid::Uuid::try_parse(&id).is_ok() { id.as_str() } else { "" };
    shared.limiter.client(bucket, client.is_some()).map_err(too_many)?;
    let client = client.ok_or_else(|| Refusal::unauthenticated("client id or secret is wrong"))?;

    let struck = shared.script.strike("token_ttl", &label(&Method::POST, "/archivist/iam/v1/appidp/token"));
    let ttl = struck.and_then(|strike| strike.value).map_or(shared.token_ttl, strikes::seconds);
    let now = time::now_ms();
    let base = shared.base_url(&headers);
    // Rounded up, so that a token never ends before the time that was promised.
    let exp = (now + i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX / 2)).saturating_add(999).div_euclid(1000);
    let claims = Claims {
        jit_tenant_id: format!("tenant/{}", client.uuid),
        name: client.name,
        jit_tier: "FREE".into(),
        jti: uuid::Uuid::new_v4().to_string(),
        sub: id.clone(),
        client_id: id,
        iat: now.div_euclid(1000),
        exp,
        iss: format!("{base}/appidpv1"),
        aud: format!("{base}/archivist"),
    };
    let token = shared.key.issue(&claims);
    let granted = json!({"access_token": token, "expires_in": ttl.as_secs(), "token_type": "Bearer"});
    let mut response = answer(StatusCode::OK, granted.to_string());
    response.headers_mut().insert(header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    Ok(response)
}

/// `GET /archivist/v1/tenancies/{uuid}:publicinfo`, with or without a token.
pub(super) async fn public_info(State(shared): Ledger, Path(tenancy): Path<String>) -> Answer {
    let tenancy = uuid(tenancy.strip_suffix(":publicinfo").ok_or_else(Refusal::not_found)?)?;
    let identity = format!("tenant/{tenancy}");
    let domain = shared.readers.read(move |connection| accounts::verified_domain(connection, &tenancy)).await;
    let domain = domain.map_err(Refusal::from)?.ok_or_else(Refusal::not_found)?;
    Ok(answer(StatusCode::OK, json!({"identity": identity, "verified_domain": domain}).to_string()))
}

/// `GET /archivist/v1/caps?service=…`: nothing is capped here.
pub(super) async fn caps(State(shared): Ledger, headers: HeaderMap, RawQuery(query): RawQuery) -> Answer {
    shared.caller(&headers)?;
    let query = query.unwrap_or_default();
    let service = url::form_urlencoded::parse(query.as_bytes())
        .find_map(|(name, value)| (name == "service").then(|| value.into_owned()))
        .unwrap_or_default();
    if !SERVICES.contains(&service.as_str()) {
        return Err(Refusal::invalid("service: value not found"));
    }
    let resource: String = service.split(['_', '/']).map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect();
    let cap = json!({"resource_type": resource, "resource_remaining": "-1", "resource_cap": "-1"});
    Ok(answer(StatusCode::OK, json!({"caps": [cap]}).to_string()))
}

/// `GET /archivist/v2/assets:caps`: the service has it, flagged as unsupported.
pub(super) async fn unsupported() -> Refusal {
    Refusal::new(StatusCode::NOT_IMPLEMENTED, "not supported")
}
