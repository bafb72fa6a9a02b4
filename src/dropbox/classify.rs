//! Turns an answer that is no success into an [`Error`] of the right class. Decides by status and `.tag` alone, never by
//! `error_summary`; only the two 400 texts that have no tag are recognised by their text. Touches nothing.
//!
//! Statuses: <https://developers.dropbox.com/error-handling-guide>; tags: `files.stone`, `auth.stone`, `common.stone`.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::text::quoted;
use super::{Error, Kind, retry_after};

/// The routes that we call; the token endpoint among them.
pub(super) mod route {
    /// `oauth2/token`
    pub const TOKEN: &str = "oauth2/token";
    /// `users/get_current_account`
    pub const ACCOUNT: &str = "users/get_current_account";
    /// `files/get_metadata`
    pub const METADATA: &str = "files/get_metadata";
    /// `files/list_folder`
    pub const LIST: &str = "files/list_folder";
    /// `files/list_folder/continue`
    pub const CONTINUE: &str = "files/list_folder/continue";
    /// `files/list_folder/longpoll`
    pub const LONGPOLL: &str = "files/list_folder/longpoll";
    /// `files/download`
    pub const DOWNLOAD: &str = "files/download";
}

/// Classes an answer whose status is not 2xx. `hidden` is taken out of any text that is quoted.
pub(super) fn refusal(
    call: &'static str,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    hidden: &[&str],
) -> Error {
    let text = String::from_utf8_lossy(body);
    let said = || quoted(&text, hidden);
    let code = status.as_u16();
    let (kind, message) = match code {
        400 | 401 if call == route::TOKEN => token_refused(status, body, hidden),
        400 => bad_request(call, &text, said()),
        401 => unauthorised(call, body),
        403 => (Kind::Forbidden, format!("this account may not do that (403 {})", tag_text(body))),
        404 => (unavailable(), "404: the service has no such route; is the configured address right?".to_owned()),
        408 | 407 | 421 | 425 => (unavailable(), format!("{status}: not now")),
        409 => conflict(call, body),
        422 => {
            let message = format!("the path root is no longer this account's (422 {})", tag_text(body));
            (Kind::InvalidRoot, message)
        }
        429 => {
            let after = retry_after::rate_limited(headers, body);
            (Kind::RateLimited { after }, format!("too many requests; no request for {} s", after.as_secs_f64().ceil()))
        }
        500.. => {
            let after = retry_after::header(headers);
            (Kind::Unavailable { after }, format!("the service has trouble of its own ({status})"))
        }
        300..400 => (unavailable(), format!("{status}: redirected elsewhere, which is never followed")),
        _ if code < 300 => (unavailable(), format!("{status}: not an answer to this request")),
        _ => (Kind::BadRequest, format!("refused with {status}: {}", said())),
    };
    Error { call, kind, message, request_id: request_id(headers) }
}

/// A success whose content cannot be read.
pub(super) fn unreadable(call: &'static str, headers: &HeaderMap, why: &str) -> Error {
    let message = format!("the answer cannot be read: {why}");
    Error { call, kind: unavailable(), message, request_id: request_id(headers) }
}

/// `X-Dropbox-Request-Id`, as far as it looks like one.
pub(super) fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("x-dropbox-request-id")?.to_str().ok()?;
    (!id.is_empty() && id.len() <= 128).then(|| quoted(id, &[]))
}

fn unavailable() -> Kind {
    Kind::Unavailable { after: None }
}

fn token_refused(status: StatusCode, body: &[u8], hidden: &[&str]) -> (Kind, String) {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = answer.get("error").and_then(Value::as_str).unwrap_or_default();
    // The code may be followed by its description in the same field: "invalid_client: Invalid client_id or …".
    match error.split([':', ' ']).next().unwrap_or_default() {
        "invalid_grant" => (
            Kind::Revoked,
            "the sign-in was revoked or is not valid; connect again with a new refresh token".to_owned(),
        ),
        "invalid_client" | "unauthorized_client" => {
            (Kind::InvalidClient, "the app key or app secret is wrong; compare them with the App Console".to_owned())
        }
        _ => {
            let said = quoted(&String::from_utf8_lossy(body), hidden);
            (Kind::BadRequest, format!("no access token is given ({status}): {said}"))
        }
    }
}

fn bad_request(call: &'static str, text: &str, said: String) -> (Kind, String) {
    const SCOPE: &str = "does not have the required scope '";
    if text.contains("Path root is not supported for sandbox app") {
        let message = "an app-folder app takes no path root; leave dropbox.root at \"auto\"";
        return (Kind::RootNotSupported, message.to_owned());
    }
    if let Some((_, after)) = text.split_once(SCOPE) {
        let scope = quoted(after.split('\'').next().unwrap_or_default(), &[]);
        let message = format!(
            "the app lacks the scope {scope}: tick it on the Permissions tab of the App Console, submit, and \
             connect again with a new refresh token"
        );
        return (Kind::MissingScope(scope), message);
    }
    if text.contains("access token is malformed") {
        return (
            Kind::Revoked,
            "the access token is refused as malformed; connect again with a new refresh token".to_owned(),
        );
    }
    if call == route::CONTINUE || call == route::LONGPOLL {
        return (Kind::Reset, format!("the cursor is refused (400): {said}"));
    }
    (Kind::BadRequest, format!("our request was refused (400): {said}"))
}

fn unauthorised(call: &'static str, body: &[u8]) -> (Kind, String) {
    if call == route::LONGPOLL {
        return (Kind::BadRequest, "401 on a route that takes no sign-in".to_owned());
    }
    let tags = tags(body);
    match tags.first().map(String::as_str) {
        Some("missing_scope") => {
            let answer: Value = serde_json::from_slice(body).unwrap_or_default();
            let scope = answer.get("error").and_then(|error| error.get("required_scope")).and_then(Value::as_str);
            let scope = quoted(scope.unwrap_or_default(), &[]);
            let message =
                format!("the sign-in lacks the scope {scope}; grant it in the app's settings and connect again");
            (Kind::MissingScope(scope), message)
        }
        Some("user_suspended") => (Kind::Forbidden, "the Dropbox account is suspended".to_owned()),
        Some("route_access_denied") => (Kind::Forbidden, "the app may not use this route".to_owned()),
        Some(tag @ ("invalid_select_user" | "invalid_select_admin")) => {
            (Kind::BadRequest, format!("401 {tag}: a team's token; sign in with a member's own"))
        }
        _ => {
            let message = format!(
                "the sign-in is no longer valid (401 {}); connect again with a new refresh token",
                tag_text(body)
            );
            (Kind::Revoked, message)
        }
    }
}

fn conflict(call: &'static str, body: &[u8]) -> (Kind, String) {
    let tags = tags(body);
    let on_cursor = call == route::CONTINUE || call == route::LONGPOLL;
    let kind = match tags.first().map(String::as_str) {
        Some("path") => match tags.get(1).map(String::as_str) {
            Some("not_found") => Kind::NotFound,
            Some("not_folder" | "not_file") => Kind::WrongType,
            Some("restricted_content") => Kind::Restricted,
            Some("locked") => unavailable(),
            _ => Kind::Unsupported,
        },
        _ if on_cursor => Kind::Reset,
        None => unavailable(),
        Some(_) => Kind::Unsupported,
    };
    let message = match kind {
        Kind::NotFound => "not there (any more)",
        Kind::WrongType => "not of the kind that was asked for (file or folder)",
        Kind::Restricted => "the content is restricted by Dropbox, as after a legal complaint",
        Kind::Reset => "the cursor has run out; the folder must be listed again",
        Kind::Unsupported => "this cannot be had",
        _ => "not possible at the moment",
    };
    (kind, format!("{message} (409 {})", tag_text(body)))
}

/// The chain of `.tag`s under `error`, outermost first: `["path", "not_found"]`. A Void member may be a bare string.
fn tags(body: &[u8]) -> Vec<String> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut tags = Vec::new();
    let mut at = answer.get("error");
    while let Some(union) = at.filter(|_| tags.len() < 4) {
        let Some(tag) = union.as_str().or_else(|| union.get(".tag").and_then(Value::as_str)) else { break };
        tags.push(tag.to_owned());
        at = union.get(tag);
    }
    tags
}

fn tag_text(body: &[u8]) -> String {
    let tags = tags(body);
    if tags.is_empty() { "without a tag".to_owned() } else { quoted(&tags.join("/"), &[]) }
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
