//! Times as the API writes and reads them. A leaf: touches the clock only.

use jiff::Timestamp;

/// What an unset time prints as.
pub(super) const UNSET: &str = "1970-01-01T00:00:00Z";

/// Milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// RFC 3339 in UTC with whole seconds.
pub(super) fn seconds(ms: i64) -> String {
    Timestamp::from_millisecond(ms - ms.rem_euclid(1000)).map_or_else(|_| UNSET.to_owned(), protojson)
}

/// RFC 3339 in UTC with exactly three digits: the leaf hash needs them, zeros included.
pub(super) fn milliseconds(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| UNSET.to_owned(), |time| format!("{time:.3}"))
}

/// RFC 3339 in UTC with 0, 3, 6 or 9 digits, as protojson prints it.
pub(super) fn protojson(time: Timestamp) -> String {
    match time.subsec_nanosecond() {
        0 => format!("{time:.0}"),
        n if n % 1_000_000 == 0 => format!("{time:.3}"),
        n if n % 1000 == 0 => format!("{time:.6}"),
        _ => format!("{time:.9}"),
    }
}

/// Reads strict RFC 3339 (`2024-03-14T23:24:51.850Z`, or with a numeric offset).
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let shaped = text.is_ascii()
        && bytes.len() >= 20
        && bytes.len() <= 35
        && bytes[..19].iter().enumerate().all(|(i, byte)| match i {
            4 | 7 => *byte == b'-',
            10 => *byte == b'T',
            13 | 16 => *byte == b':',
            _ => byte.is_ascii_digit(),
        });
    if !shaped {
        return None;
    }
    let rest = &text[19..];
    let zone = rest.trim_start_matches('.').trim_start_matches(|c: char| c.is_ascii_digit());
    let fraction = rest.len() - zone.len();
    let fraction_fits = match rest.as_bytes()[0] {
        b'.' => (2..=10).contains(&fraction),
        _ => fraction == 0,
    };
    let zone_fits = zone == "Z" || (zone.len() == 6 && zone.as_bytes()[3] == b':' && zone.starts_with(['+', '-']));
    if !fraction_fits || !zone_fits {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_as_protojson_prints_them() {
        for (text, printed) in [
            ("2024-03-14T23:24:51Z", "2024-03-14T23:24:51Z"),
            ("2024-03-14T23:24:51.2Z", "2024-03-14T23:24:51.200Z"),
            ("2024-03-14T23:24:51.850001Z", "2024-03-14T23:24:51.850001Z"),
            ("2024-03-14T23:24:51.000000001+02:00", "2024-03-14T21:24:51.000000001Z"),
        ] {
            assert_eq!(parse(text).map(protojson).as_deref(), Some(printed));
        }
        assert_eq!(milliseconds(1_710_458_691_850), "2024-03-14T23:24:51.850Z");
        assert_eq!(milliseconds(1_710_458_691_000), "2024-03-14T23:24:51.000Z");
        assert_eq!(seconds(1_710_458_691_850), "2024-03-14T23:24:51Z");
    }

    #[test]
    fn what_is_not_rfc_3339_is_refused() {
        for text in [
            "",
            "yesterday",
            "2024-03-14",
            "2024-03-14 23:24:51Z",
            "2024-03-14T23:24:51",
            "2024-13-14T23:24:51Z",
            "2024-03-14T23:24:51.Z",
            "2024-03-14T23:24:51..5Z",
            "2024-03-14T23:24:51+0200",
            "2024-03-14T23:24:51Z[UTC]",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
