//! Golden tests of the creating bodies: what is public for ever is pinned here byte for byte.

use super::*;

fn version() -> Version {
    Version {
        document_hash: Digest([0x11; 32]),
        document_hash_alg: "sha256",
        document_version: 1,
        content_hash: Some(Digest([0x22; 32])),
        server_modified: "2026-01-02T03:04:05Z".into(),
        revision_reference: Digest([0x33; 32]),
        sequence: 1,
        clear_name: None,
    }
}

fn registration(version: Version) -> Registration {
    Registration { version, account_reference: Digest([0x44; 32]), file_reference: Digest([0x55; 32]) }
}

fn hex(digit: char) -> String {
    String::from(digit).repeat(64)
}

#[test]
fn a_registration_says_exactly_what_the_contract_lists() {
    let expected = format!(
        concat!(
            r#"{{"behaviours":["RecordEvidence"],"public":true,"attributes":{{"#,
            r#""arc_profile":"Document","arc_display_name":"xxx...","arc_display_type":"Document","#,
            r#""document_hash_value":"{}","document_hash_alg":"sha256","document_version":"1","#,
            r#""document_status":"Published","dropbox_content_hash":"{}","#,
            r#""dropbox_server_modified":"2026-01-02T03:04:05Z","droptrail_account":"{}","droptrail_file":"{}","#,
            r#""droptrail_revision":"{}","droptrail_sequence":"1"}}}}"#,
        ),
        hex('1'),
        hex('2'),
        hex('4'),
        hex('5'),
        hex('3'),
    );
    assert_eq!(registration(version()).body(), expected);
    assert_eq!(registration(version()).body(), registration(version()).body());
}

#[test]
fn a_publish_event_says_exactly_what_the_contract_lists() {
    let second = Version { document_version: 2, sequence: 3, ..version() };
    let expected = format!(
        concat!(
            r#"{{"operation":"Record","behaviour":"RecordEvidence","timestamp_declared":"2026-01-02T03:04:05Z","#,
            r#""event_attributes":{{"arc_display_type":"Publish","droptrail_revision":"{}"}},"#,
            r#""asset_attributes":{{"document_hash_value":"{}","document_hash_alg":"sha256","document_version":"2","#,
            r#""document_status":"Published","dropbox_content_hash":"{}","#,
            r#""dropbox_server_modified":"2026-01-02T03:04:05Z","droptrail_revision":"{}","droptrail_sequence":"3"}}}}"#,
        ),
        hex('3'),
        hex('1'),
        hex('2'),
        hex('3'),
    );
    assert_eq!(second.publish_body(), expected);
}

#[test]
fn a_withdraw_event_says_exactly_what_the_contract_lists() {
    assert_eq!(
        Withdrawal { sequence: 7 }.body(),
        concat!(
            r#"{"operation":"Record","behaviour":"RecordEvidence","event_attributes":{"arc_display_type":"Withdraw"},"#,
            r#""asset_attributes":{"document_status":"Withdrawn","droptrail_sequence":"7"}}"#,
        )
    );
}

#[test]
fn an_unknown_content_hash_is_left_out() {
    let unknown = Version { content_hash: None, ..version() };
    assert!(!unknown.publish_body().contains("dropbox_content_hash"));
    assert!(!registration(unknown).body().contains("dropbox_content_hash"));
}

#[test]
fn a_clear_name_goes_out_in_both_requests_and_only_if_it_was_asked_for() {
    let named = Version { clear_name: Some("Q3 \"final\".pdf".into()), ..version() };
    assert!(registration(named.clone()).body().contains(r#""arc_display_name":"Q3 \"final\".pdf""#));
    assert!(named.publish_body().contains(r#""arc_display_name":"Q3 \"final\".pdf""#));
    assert!(!version().publish_body().contains("arc_display_name"));
}

#[test]
fn no_request_exceeds_eight_kib_whatever_the_name() {
    for name in ["\u{1}", "\"", "ä", "🎉", "x", "\u{7f}"] {
        for length in [255, 2_000, 100_000] {
            let named = Version { clear_name: Some(name.repeat(length)), ..version() };
            for body in [named.publish_body(), registration(named.clone()).body()] {
                assert!(body.len() <= 8192, "{}", body.len());
                let value: serde_json::Value = serde_json::from_str(&body).expect("JSON");
                let attributes = value.get("attributes").or(value.get("asset_attributes")).expect("attributes");
                let shown = attributes["arc_display_name"].as_str().expect("name");
                assert!(shown.chars().count() <= 4096);
                assert!(shown.starts_with(name));
            }
        }
    }
    let usual = "é".repeat(127);
    let named = Version { clear_name: Some(usual.clone()), ..version() };
    assert!(named.publish_body().contains(&usual), "a name of 255 bytes is not cut");
}

#[test]
fn the_longest_numbers_and_hashes_still_fit() {
    let largest = Version { document_version: u64::MAX, sequence: u64::MAX, ..version() };
    assert!(registration(largest.clone()).body().contains(&format!(r#""droptrail_sequence":"{}""#, u64::MAX)));
    assert!(largest.publish_body().contains(&format!(r#""document_version":"{}""#, u64::MAX)));
}
