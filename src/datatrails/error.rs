//! What can go wrong with a DataTrails call, classed where it is known; above all whether a creating request was made.

use std::time::Duration;

/// A failed call.
#[derive(Debug, thiserror::Error)]
#[error("ledger {call}: {message}")]
pub struct Error {
    /// What was asked, as `create asset`.
    pub call: &'static str,
    /// The class that decides what happens next.
    pub kind: Kind,
    /// Whether the ledger may have acted on it.
    pub outcome: Outcome,
    /// For people; no secret, no token; server text escaped and shortened.
    pub message: String,
}

/// Whether a request was made (DESIGN, "Exactly once", rule 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// No byte of the request was sent, or the answer is 3xx, 400, 401, 402, 403, 404, 429 or 501.
    NotMade,
    /// Everything else but a readable 2xx: look it up before it is ever sent again.
    Unknown,
}

/// The class of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Could not connect, time-out, connection lost, 5xx, an answer that cannot be read.
    Unavailable {
        /// `Retry-After`, where there was one.
        after: Option<Duration>,
    },
    /// 429. The client's gate is closed already.
    RateLimited {
        /// How long the gate was closed for.
        after: Duration,
    },
    /// 400: the request is refused as it stands.
    Invalid,
    /// The client secret was refused (401 or 4xx at the token endpoint), or 401 that a new token did not heal.
    Unauthorized,
    /// 402: quota reached.
    Quota,
    /// 403: no permission.
    Forbidden,
    /// 404, 410 and 3xx: not there, or the service is gone or elsewhere.
    NotFound,
    /// 501 and other 4xx.
    Refused,
}

impl Error {
    /// The server's own floor for the next try.
    pub fn floor(&self) -> Option<Duration> {
        match self.kind {
            Kind::Unavailable { after } => after,
            Kind::RateLimited { after } => Some(after),
            _ => None,
        }
    }
}
