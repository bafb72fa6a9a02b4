//! What can go wrong with a Dropbox call, classed where it is known: nobody matches texts later.

use std::time::Duration;

/// A failed call.
#[derive(Debug, Clone, thiserror::Error)]
#[error("Dropbox {call}: {message}")]
pub struct Error {
    /// The route, as `files/list_folder`.
    pub call: &'static str,
    /// The class that decides what happens next.
    pub kind: Kind,
    /// For people; holds no secret, no token, and no cursor.
    pub message: String,
    /// `X-Dropbox-Request-Id`, where there was an answer.
    pub request_id: Option<String>,
}

/// The class of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// 5xx, time-out, connection lost, an answer that cannot be read. Heals by itself; `after` is the server's own floor.
    Unavailable {
        /// `Retry-After`, where there was one.
        after: Option<Duration>,
    },
    /// 429. The client's gate is closed already, so that no request leaves before.
    RateLimited {
        /// How long the gate was closed for.
        after: Duration,
    },
    /// 409 of `continue` or `longpoll` other than `path`, or 400 on a cursor: list again.
    Reset,
    /// 409 `path/not_found`.
    NotFound,
    /// 409 `path/not_folder` or `not_file`.
    WrongType,
    /// 409 `path/restricted_content`: permanent until the rev changes.
    Restricted,
    /// 409 `unsupported_file`, `unsupported_content_type` and other path errors: this content cannot be had.
    Unsupported,
    /// The content that came is not the one that was asked for: never publish its hash.
    ContentDiffers,
    /// The sign-in is no longer valid: 400 `invalid_grant` on refresh, or 401 that a refresh did not heal.
    Revoked,
    /// The app key or secret is wrong (`invalid_client`).
    InvalidClient,
    /// 401 `missing_scope`, or the 400 of an app without the scope.
    MissingScope(String),
    /// 401 `user_suspended` and 403: may heal.
    Forbidden,
    /// 422 `invalid_root` or `no_permission`.
    InvalidRoot,
    /// 400 "Path root is not supported for sandbox app": send no path root.
    RootNotSupported,
    /// Any other 4xx: our request was refused as it stands.
    BadRequest,
}

impl Error {
    /// Whether waiting and trying the same again may help.
    pub fn heals(&self) -> bool {
        matches!(self.kind, Kind::Unavailable { .. } | Kind::RateLimited { .. } | Kind::Forbidden)
    }

    /// The server's own floor for the next try.
    pub fn floor(&self) -> Option<Duration> {
        match self.kind {
            Kind::Unavailable { after } => after,
            Kind::RateLimited { after } => Some(after),
            _ => None,
        }
    }
}
