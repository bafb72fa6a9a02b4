//! How a request is refused: the grpc-gateway's error body and status. A leaf: touches nothing.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;

use super::Error;

/// `Archivist-Rate-Limit-Reset`: seconds until requests are welcome again.
pub(super) const RATE_LIMIT_RESET: HeaderName = HeaderName::from_static("archivist-rate-limit-reset");
/// The content type of every JSON answer.
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// A refused request.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: u8,
    pub(super) message: String,
    pub(super) reset: Option<String>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Refusal {
        let code = match status.as_u16() {
            400 | 413 | 414 | 415 | 431 => 3,
            404 => 5,
            403 => 7,
            429 => 8,
            401 => 16,
            402 | 405 | 501 => 12,
            503 => 14,
            408 | 504 => 4,
            500..=599 => 13,
            _ => 2,
        };
        Refusal { status, code, message: message.into(), reset: None }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn not_found() -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, "entity not found")
    }

    pub(super) fn unauthenticated(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::UNAUTHORIZED, message)
    }

    pub(super) fn too_many(reset: Option<String>) -> Refusal {
        Refusal { reset, ..Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too many requests") }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        match error {
            Error::Busy | Error::Closed => Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            error => {
                tracing::error!(error = %error, "the ledger could not serve a request");
                Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
            }
        }
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Refusal {
        Error::from(error).into()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({"code": self.code, "message": self.message, "details": []});
        let mut response = answer(self.status, body.to_string());
        if let Some(reset) = self.reset.and_then(|reset| HeaderValue::try_from(reset).ok()) {
            response.headers_mut().insert(RATE_LIMIT_RESET, reset);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// An answer with a JSON body.
pub(super) fn answer(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, JSON)], body).into_response()
}

/// An answer as something in front of the service would give it.
pub(super) fn html(status: StatusCode, text: &str) -> Response {
    let body =
        format!("<!DOCTYPE html>\n<html><head><title>{text}</title></head><body><h1>{text}</h1></body></html>\n");
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], body).into_response()
}
