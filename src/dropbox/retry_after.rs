//! How long a server asks us to stay away: the `Retry-After` header and the body's `retry_after`. Touches nothing.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::{rfc2822, strtime};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use serde_json::Value;

/// No server's hint is believed beyond this; after it we simply ask again.
const LONGEST: Duration = Duration::from_secs(3600);

/// The shortest pause after a 429.
const SHORTEST: Duration = Duration::from_secs(1);

/// The pause that a 429 asks for: the longest of the header, the body and one second. Both kinds of 429 are read: JSON
/// with `error.retry_after`, and text with the header only.
pub(super) fn rate_limited(headers: &HeaderMap, body: &[u8]) -> Duration {
    let hint = header(headers).unwrap_or_default();
    hint.max(in_body(body).unwrap_or_default()).max(SHORTEST)
}

/// `Retry-After`: seconds, or an HTTP date, which counts from the answer's own `Date` where it has one, so that a wrong
/// clock on either side does no harm.
pub(super) fn header(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return clamped(seconds);
    }
    let until = http_date(text)?;
    let now = headers.get(DATE).and_then(|date| http_date(date.to_str().ok()?)).unwrap_or_else(Timestamp::now);
    clamped(until.duration_since(now).as_secs_f64())
}

fn in_body(body: &[u8]) -> Option<Duration> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let hint = answer.get("error").and_then(|error| error.get("retry_after")).or_else(|| answer.get("retry_after"))?;
    clamped(hint.as_f64()?)
}

/// Seconds as a duration between zero and an hour; `None` for what is no number.
pub(super) fn clamped(seconds: f64) -> Option<Duration> {
    (!seconds.is_nan()).then(|| Duration::from_secs_f64(seconds.clamp(0.0, LONGEST.as_secs_f64())))
}

/// The three forms of RFC 9110, section 5.6.7.
fn http_date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(date) = rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text) {
        return Some(date);
    }
    ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"].iter().find_map(|form| {
        let civil = strtime::parse(form, text).ok()?.to_datetime().ok()?;
        civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(retry_after: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(DATE, "Sun, 06 Nov 1994 08:49:37 GMT".parse().expect("a header"));
        headers.insert(RETRY_AFTER, retry_after.parse().expect("a header"));
        headers
    }

    const JSON: &[u8] =
        br#"{"error_summary":"too_many_requests/..","error":{"reason":{".tag":"too_many_requests"},"retry_after":15}}"#;

    #[test]
    fn the_longest_of_header_body_and_one_second_is_kept() {
        let secs = Duration::from_secs;
        assert_eq!(rate_limited(&headers("3"), JSON), secs(15));
        assert_eq!(rate_limited(&headers("30"), JSON), secs(30));
        assert_eq!(rate_limited(&headers("15"), b"too many requests"), secs(15));
        assert_eq!(rate_limited(&HeaderMap::new(), JSON), secs(15));
        assert_eq!(rate_limited(&HeaderMap::new(), b""), secs(1));
        assert_eq!(rate_limited(&headers("0"), b"{}"), secs(1));
        assert_eq!(rate_limited(&headers("1.5"), b""), Duration::from_millis(1500));
    }

    #[test]
    fn all_three_forms_of_an_http_date_count_from_the_answers_own_date() {
        for date in ["Sun, 06 Nov 1994 08:50:07 GMT", "Sunday, 06-Nov-94 08:50:07 GMT", "Sun Nov  6 08:50:07 1994"] {
            assert_eq!(header(&headers(date)), Some(Duration::from_secs(30)), "{date}");
        }
        assert_eq!(header(&headers("Sun, 06 Nov 1994 08:00:00 GMT")), Some(Duration::ZERO), "a date in the past");
    }

    #[test]
    fn a_hint_without_measure_is_cut_to_an_hour_and_nonsense_is_none() {
        for endless in ["1e30", "inf", "99999999", "Sun, 06 Nov 2094 08:49:37 GMT"] {
            assert_eq!(header(&headers(endless)), Some(LONGEST), "{endless}");
        }
        for nonsense in ["NaN", "soon", "", "Sun, 99 Nov"] {
            assert_eq!(header(&headers(nonsense)), None, "{nonsense}");
        }
        assert_eq!(header(&headers("-5")), Some(Duration::ZERO));
    }

    proptest! {
        #[test]
        fn no_answer_makes_the_pause_leave_its_bounds(text in "[ -~]{0,40}", body in any::<Vec<u8>>()) {
            let pause = rate_limited(&headers(&text), &body);
            prop_assert!((SHORTEST..=LONGEST).contains(&pause));
        }
    }
}
