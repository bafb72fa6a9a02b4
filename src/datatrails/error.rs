//! What can go wrong with a DataTrails call, classed where it is known; above all whether a creating request was made.
//! Touches nothing.

use std::time::Duration;

use http::StatusCode;

use crate::observe::excerpt;

/// How much of a server's text gets into a message, in characters.
const SHORT: usize = 200;

/// A failed call.
#[derive(Debug, Clone, thiserror::Error)]
#[error("ledger {call}: {message}")]
pub struct Error {
    /// What was asked, as `create asset`.
    pub call: &'static str,
    /// The class that decides what happens next.
    pub kind: Kind,
    /// Whether the ledger may have acted on it. Means nothing for a call that only reads.
    pub outcome: Outcome,
    /// For people; no secret, no token; server text escaped and shortened.
    pub message: String,
}

/// Whether a request was made (ARCHITECTURE.md, "Unknown outcomes").
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

    /// An answer that cannot be read, or none at all, where a creating request may have been acted on.
    pub(super) fn unavailable(call: &'static str, outcome: Outcome, message: impl Into<String>) -> Error {
        Error { call, kind: Kind::Unavailable { after: None }, outcome, message: message.into() }
    }

    /// A failure that happened before anything was sent.
    pub(super) fn unsent(call: &'static str, kind: Kind, message: impl Into<String>) -> Error {
        Error { call, kind, outcome: Outcome::NotMade, message: message.into() }
    }
}

impl Kind {
    /// The class of an answer that is no success. `wait` is what its headers asked for.
    pub(super) fn of(status: StatusCode, wait: Option<Duration>) -> Kind {
        match status.as_u16() {
            400 => Kind::Invalid,
            401 => Kind::Unauthorized,
            402 => Kind::Quota,
            403 => Kind::Forbidden,
            300..=399 | 404 | 410 => Kind::NotFound,
            429 => Kind::RateLimited { after: wait.unwrap_or(Duration::from_secs(1)) },
            501 | 405..=499 => Kind::Refused,
            _ => Kind::Unavailable { after: wait },
        }
    }
}

impl Outcome {
    /// Whether a creating request that was answered like this was made.
    pub(super) fn of(status: StatusCode) -> Outcome {
        match status.as_u16() {
            300..=399 | 400..=404 | 429 | 501 => Outcome::NotMade,
            _ => Outcome::Unknown,
        }
    }
}

/// Text of others, fit for a message: escaped and short.
pub(super) fn short(text: &str) -> String {
    excerpt(text.trim(), SHORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16) -> Kind {
        Kind::of(StatusCode::from_u16(status).expect("status"), None)
    }

    fn outcome(status: u16) -> Outcome {
        Outcome::of(StatusCode::from_u16(status).expect("status"))
    }

    #[test]
    fn only_the_listed_answers_say_that_nothing_was_made() {
        for status in 100..=599 {
            let not_made = (300..400).contains(&status) || [400, 401, 402, 403, 404, 429, 501].contains(&status);
            assert_eq!(outcome(status) == Outcome::NotMade, not_made, "{status}");
        }
    }

    #[test]
    fn every_status_has_its_class() {
        assert_eq!(kind(400), Kind::Invalid);
        assert_eq!(kind(401), Kind::Unauthorized);
        assert_eq!(kind(402), Kind::Quota);
        assert_eq!(kind(403), Kind::Forbidden);
        for status in [301, 302, 304, 307, 308, 404, 410] {
            assert_eq!(kind(status), Kind::NotFound, "{status}");
        }
        for status in [405, 408, 409, 412, 413, 418, 422, 451, 501] {
            assert_eq!(kind(status), Kind::Refused, "{status}");
        }
        assert_eq!(kind(429), Kind::RateLimited { after: Duration::from_secs(1) });
        for status in [500, 502, 503, 504, 520] {
            assert_eq!(kind(status), Kind::Unavailable { after: None }, "{status}");
        }
    }
}
