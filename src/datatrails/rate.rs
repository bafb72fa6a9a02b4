//! How long a server asks us to wait: `Archivist-Rate-Limit-Reset` (DataTrails' own, seconds as a float) and
//! `Retry-After` (seconds, or an HTTP date). Touches nothing but the wall clock.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use jiff::Timestamp;

/// DataTrails' header of a 429: SDK `HEADERS_RETRY_AFTER`.
const RATE_LIMIT_RESET: &str = "archivist-rate-limit-reset";
/// What a 429 waits when it does not say, or says zero.
const DEFAULT: Duration = Duration::from_secs(1);
/// No server holds us back for longer than this at a time.
const LONGEST: Duration = Duration::from_secs(3600);

/// The wait of a 429: the longer of both headers, 1 s where neither says anything above zero, at most 1 h.
pub(super) fn rate_limit_wait(headers: &HeaderMap) -> Duration {
    let reset = text(headers, RATE_LIMIT_RESET).and_then(seconds);
    let wait = reset.max(retry_after(headers)).unwrap_or_default();
    if wait.is_zero() { DEFAULT } else { wait }
}

/// `Retry-After`, at most 1 h; a date that has passed is zero, and what cannot be read is `None`.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = text(headers, RETRY_AFTER.as_str())?;
    seconds(value).or_else(|| until(value, Timestamp::now()))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn seconds(value: &str) -> Option<Duration> {
    let seconds: f64 = value.parse().ok().filter(|seconds: &f64| seconds.is_finite())?;
    Some(Duration::from_secs_f64(seconds.clamp(0.0, LONGEST.as_secs_f64())))
}

fn until(date: &str, now: Timestamp) -> Option<Duration> {
    let then = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    let wait = Duration::try_from(then.duration_since(now)).unwrap_or_default();
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().expect("value"))).collect()
    }

    fn wait(pairs: &[(&'static str, &str)]) -> f64 {
        rate_limit_wait(&headers(pairs)).as_secs_f64()
    }

    #[test]
    fn a_429_waits_for_the_longer_of_both_headers() {
        assert_eq!(wait(&[(RATE_LIMIT_RESET, "0.2")]), 0.2);
        assert_eq!(wait(&[(RATE_LIMIT_RESET, "2.5"), ("retry-after", "7")]), 7.0);
        assert_eq!(wait(&[(RATE_LIMIT_RESET, "9"), ("retry-after", "7")]), 9.0);
    }

    #[test]
    fn a_429_that_says_nothing_usable_waits_one_second_and_none_waits_for_ever() {
        assert_eq!(wait(&[]), 1.0);
        for nonsense in ["0", "-3", "NaN", "inf", "soon", ""] {
            assert_eq!(wait(&[(RATE_LIMIT_RESET, nonsense), ("retry-after", nonsense)]), 1.0, "{nonsense}");
        }
        assert_eq!(wait(&[(RATE_LIMIT_RESET, "1e300")]), 3600.0);
        assert_eq!(wait(&[("retry-after", "Sun, 06 Nov 2095 08:49:37 GMT")]), 3600.0);
    }

    #[test]
    fn retry_after_may_be_a_date() {
        let now: Timestamp = "1994-11-06T08:49:07Z".parse().expect("timestamp");
        assert_eq!(until("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(until("Sun, 06 Nov 1994 08:49:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(until("tomorrow", now), None);
    }
}
