//! Simulated faults around a request, as the fault script says. Without a script nothing happens here.
//!
//! A rule's `on` is looked for in `METHOD /path`. Faults, with what `value` and `text` mean:
//!
//! * of any request: `gone` (HTML 404); `cut_before`; `rate_limit` (429; seconds of `Archivist-Rate-Limit-Reset`, or text
//!   `zero` or `absent`); `status` (a status, with a JSON error or the text as body); `slow` (seconds before the answer leaves,
//!   after the work is done);
//! * of requests with a token: `unauthorized` (401), `forbidden` (403); of the public endpoints: `no_public` (HTML 404);
//! * of creations: `quota` (402), `reject_uncommitted` (400 on events of an uncommitted asset), `fail` (the record goes to
//!   FAILED); after they are stored: `commit_then_cut`, `commit_then_status` (a status), `unreadable_2xx` (200 with HTML);
//! * of listings: `search_lag` (seconds until a new record is shown), `truncate_206` (the limit), `no_read` (own ones are empty);
//! * of the token endpoint: `token_ttl` (seconds); of the committer (label `committer`): `committer_stall`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{Method, StatusCode};

use super::label;
use crate::ledger::api::{Refusal, html};
use crate::ledger::faults::Strike;
use crate::ledger::{Shared, serve};

pub(super) async fn around(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let label = label(request.method(), request.uri().path());
    let signs_in = request.uri().path().ends_with("/appidp/token");
    let is_public = request.uri().path().contains("/publicassets");
    let creates = request.method() == Method::POST && !signs_in;
    let strike = |fault: &str| shared.script.strike(fault, &label);

    let response = if strike("gone").is_some() || (is_public && strike("no_public").is_some()) {
        html(StatusCode::NOT_FOUND, "404 Not Found")
    } else if strike("cut_before").is_some() {
        serve::cut()
    } else if let Some(strike) = strike("rate_limit") {
        rate_limited(&strike).into_response()
    } else if let Some(strike) = strike("status") {
        told(&strike)
    } else if !signs_in && !is_public && strike("unauthorized").is_some() {
        Refusal::unauthenticated("the token is invalid or has expired").into_response()
    } else if creates && strike("quota").is_some() {
        Refusal::new(StatusCode::PAYMENT_REQUIRED, "QuotaReached Assets").into_response()
    } else if !signs_in && !is_public && strike("forbidden").is_some() {
        Refusal::new(StatusCode::FORBIDDEN, "permission denied").into_response()
    } else {
        let response = next.run(request).await;
        if creates && response.status().is_success() { afterwards(response, strike) } else { response }
    };
    if let Some(Strike { value, .. }) = strike("slow") {
        tokio::time::sleep(seconds(value.unwrap_or(1.0))).await;
    }
    response
}

/// What becomes of the answer to a creation that has been stored.
fn afterwards(response: Response, strike: impl Fn(&str) -> Option<Strike>) -> Response {
    if strike("commit_then_cut").is_some() {
        serve::cut()
    } else if let Some(strike) = strike("commit_then_status") {
        told(&strike)
    } else if strike("unreadable_2xx").is_some() {
        html(StatusCode::OK, "OK")
    } else {
        response
    }
}

fn told(strike: &Strike) -> Response {
    let number = strike.value.unwrap_or(503.0);
    let status = StatusCode::from_u16(number as u16).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    match &strike.text {
        Some(text) => (status, text.clone()).into_response(),
        None => Refusal::new(status, "a simulated fault").into_response(),
    }
}

fn rate_limited(strike: &Strike) -> Refusal {
    Refusal::too_many(match strike.text.as_deref() {
        Some("absent") => None,
        Some("zero") => Some("0".into()),
        _ => Some(strike.value.unwrap_or(1.0).to_string()),
    })
}

/// Seconds of a rule, kept to what a clock can wait.
pub(super) fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value.clamp(0.0, 86_400.0)).unwrap_or_default()
}
