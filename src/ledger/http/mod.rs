//! The API over HTTP: routes, limits, and who is asking. The handlers are in the files beside.

mod assets;
mod events;
mod misc;
mod strikes;

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};

use super::api::Refusal;
use super::create::Caller;
use super::query::Page;
use super::records::Principal;
use super::{Shared, api, time};

/// What handlers get.
type Ledger = State<Arc<Shared>>;
/// What handlers give.
type Answer = Result<Response, Refusal>;

/// Bytes of a request's body.
const BODY: usize = 1024 * 1024;
/// How long a request may take.
const REQUEST: Duration = Duration::from_secs(60);

pub(super) fn router(shared: &Arc<Shared>) -> Router {
    let mut router = Router::new()
        .route("/archivist/iam/v1/appidp/token", post(misc::token))
        .route("/archivist/v2/assets", get(assets::list).post(assets::create))
        .route("/archivist/v2/assets:caps", get(misc::unsupported))
        .route("/archivist/v2/assets/{asset}", get(assets::read))
        .route("/archivist/v2/assets/{asset}/events", get(events::list).post(events::create))
        .route("/archivist/v2/assets/{asset}/events/{event}", get(events::read))
        .route("/archivist/v1/tenancies/{tenancy}", get(misc::public_info))
        .route("/archivist/v1/caps", get(misc::caps));
    for base in ["/archivist/v2/publicassets", "/archivist/publicassets"] {
        router = router
            .route(&format!("{base}/{{asset}}"), get(assets::read_public))
            .route(&format!("{base}/{{asset}}/events"), get(events::list_public))
            .route(&format!("{base}/{{asset}}/events/{{event}}"), get(events::read_public));
    }
    router
        .route("/archivist/{*rest}", axum::routing::any(unknown))
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(BODY))
        .layer(from_fn(in_time))
        .layer(from_fn_with_state(Arc::clone(shared), strikes::around))
        .with_state(Arc::clone(shared))
}

async fn unknown() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "Not Found")
}

async fn not_allowed() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
}

/// Gives up on a request that takes too long, its body included. What the framework refuses by itself (a path that is not
/// UTF-8) gets the API's error body.
async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST, next.run(request)).await {
        Ok(response) if response.status().is_client_error() && !is_json(&response) => {
            Refusal::new(response.status(), "the request could not be read").into_response()
        }
        Ok(response) => response,
        Err(_) => Refusal::new(StatusCode::GATEWAY_TIMEOUT, "the request took too long").into_response(),
    }
}

fn is_json(response: &Response) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}

/// A request's body, or why there is none.
fn body(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Refusal> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {BODY} bytes"))
        }
        _ => Refusal::invalid("the body could not be read"),
    })
}

/// How a fault script names a request.
fn label(method: &http::Method, path: &str) -> String {
    format!("{method} {path}")
}

impl Shared {
    /// Base URL for links.
    fn base_url(&self, headers: &HeaderMap) -> String {
        let set = self.public_url.read().unwrap_or_else(PoisonError::into_inner).clone();
        set.unwrap_or_else(|| {
            let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1");
            format!("http://{host}")
        })
    }

    /// Who is asking, by the bearer token.
    fn caller(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
        });
        let token = bearer.ok_or_else(|| Refusal::unauthenticated("a bearer token is needed"))?;
        let claims = self.key.claims(token, time::now_ms().div_euclid(1000));
        let claims = claims.ok_or_else(|| Refusal::unauthenticated("the token is invalid or has expired"))?;
        let tenancy = claims.jit_tenant_id.strip_prefix("tenant/").unwrap_or_default().to_owned();
        let principal = Principal {
            issuer: format!("{}/appidpv1", self.base_url(headers)),
            subject: claims.client_id,
            display_name: claims.name,
            email: String::new(),
        };
        Ok(Caller { tenancy, principal })
    }
}

/// A page as an answer: 206 where the listing was cut short.
fn page(name: &str, page: &Page, count: bool) -> Response {
    let token = &page.next_page_token;
    let body = format!(r#"{{"{name}":[{}],"next_page_token":"{token}"}}"#, page.records.join(","));
    let total = page.total.unwrap_or_default();
    let status = if page.truncated.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut response = api::answer(status, body);
    if let Some(limit) = page.truncated
        && let Ok(range) = format!("items 0-{limit}/{total}").parse()
    {
        response.headers_mut().insert(header::CONTENT_RANGE, range);
    }
    if count && let Ok(total) = total.to_string().parse() {
        response.headers_mut().insert("x-total-count", total);
    }
    response
}

/// Whether the total is asked for.
fn counts(headers: &HeaderMap) -> bool {
    headers.get("x-request-total-count").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
}

/// A uuid in a path, in its canonical form.
fn uuid(text: &str) -> Result<String, Refusal> {
    match uuid::Uuid::try_parse(text) {
        Ok(parsed) if text.len() == 36 => Ok(parsed.hyphenated().to_string()),
        _ => Err(Refusal::invalid("an identity in the path is not a uuid")),
    }
}
