//! Answers, in exactly the shapes that Dropbox gives them.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

/// An answer that ends a request early. Boxed: it travels through many `Result`s.
#[derive(Debug)]
pub struct Refusal(pub Box<Response>);

impl From<Response> for Refusal {
    fn from(response: Response) -> Refusal {
        Refusal(Box::new(response))
    }
}

fn with(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    if !content_type.is_empty() {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    response
}

/// JSON with exactly `Content-Type: application/json`, which the official Python SDK insists on.
pub fn json(status: StatusCode, value: &Value) -> Response {
    with(status, "application/json", value.to_string())
}

/// Plain text.
pub fn text(status: StatusCode, text: impl Into<String>) -> Response {
    with(status, "text/plain; charset=utf-8", text.into())
}

/// A status without a body.
pub fn empty(status: StatusCode) -> Response {
    with(status, "", Body::empty())
}

/// HTML.
pub fn html(status: StatusCode, text: String) -> Response {
    with(status, "text/html; charset=utf-8", text)
}

/// The tags of an error joined with `/`, and a random number of dots: not to be relied on, as Dropbox says.
pub fn summary(error: &Value) -> String {
    let mut summary = String::new();
    let mut at = error;
    while let Some(tag) = at[".tag"].as_str() {
        summary.push_str(tag);
        summary.push('/');
        // What follows this tag is a description, not an error.
        at = if tag == "invalid_root" { &Value::Null } else { &at[tag] };
    }
    summary.push_str(&"...".chars().take(rand::random_range(0..4)).collect::<String>());
    summary
}

fn tagged(status: StatusCode, error: Value) -> Response {
    json(status, &json!({"error_summary": summary(&error), "error": error}))
}

/// 409: an error of the route.
pub fn conflict(error: Value) -> Response {
    tagged(StatusCode::CONFLICT, error)
}

/// 409 with a lookup error of the given tag under `path`.
pub fn path(tag: &str) -> Response {
    conflict(json!({".tag": "path", "path": {".tag": tag}}))
}

/// 401.
pub fn unauthorized(error: Value) -> Response {
    let mut response = tagged(StatusCode::UNAUTHORIZED, error);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Dropbox-API"));
    response
}

/// 422.
pub fn path_root(error: Value) -> Response {
    tagged(StatusCode::UNPROCESSABLE_ENTITY, error)
}

/// 400 of an API function.
pub fn bad_input(route: &str, what: impl std::fmt::Display) -> Response {
    text(StatusCode::BAD_REQUEST, format!("Error in call to API function \"{route}\": {what}"))
}

/// Something of ours failed.
pub fn broken(error: impl std::fmt::Display) -> Response {
    tracing::error!(%error, "the sandbox cannot answer");
    empty(StatusCode::INTERNAL_SERVER_ERROR)
}

/// JSON fit for a header: everything outside printable ASCII as `\uXXXX`, in UTF-16 units.
pub fn header_safe(value: &Value) -> String {
    let mut safe = String::new();
    for c in value.to_string().chars() {
        if c.is_ascii() && c != '\u{7f}' {
            safe.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_carry_ascii_with_surrogate_pairs() {
        assert_eq!(header_safe(&json!("ü😀\u{7f}\n")), r#""\u00fc\ud83d\ude00\u007f\n""#);
    }

    #[test]
    fn a_summary_is_the_tags_and_dots() {
        let text = summary(&json!({".tag": "path", "path": {".tag": "not_found"}}));
        assert!(text.starts_with("path/not_found/"), "{text}");
        assert!(text.trim_start_matches("path/not_found/").chars().all(|c| c == '.'));
    }
}
