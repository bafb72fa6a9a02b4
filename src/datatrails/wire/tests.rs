//! What is survived in an answer, and what is not taken for one.

use super::*;

const A: &str = "a1b2c3d4-0000-4000-8000-000000000001";
const E: &str = "e1b2c3d4-0000-4000-8000-000000000002";

fn event_json(prefix: &str) -> String {
    format!(
        r#"{{"identity":"{prefix}/{A}/events/{E}","asset_identity":"{prefix}/{A}","operation":"Record",
        "event_attributes":{{"arc_display_type":"Publish","n":5,"d":{{"k":"v"}},"l":[{{"k":"v"}}]}},
        "asset_attributes":{{"document_version":"2"}},"confirmation_status":"CONFIRMED",
        "timestamp_declared":"2026-01-02T03:04:05Z","timestamp_accepted":"2026-01-02T03:04:06Z",
        "timestamp_committed":"1970-01-01T00:00:00Z","tenant_identity":"tenant/t","block_number":0,
        "merklelog_entry":{{"commit":null}},"principal_declared":{{"issuer":""}},"new":[1,[2,{{"x":null}}]]}}"#
    )
}

#[test]
fn an_event_is_read_in_both_views_and_nested_attributes_are_dropped() {
    for prefix in ["assets", "publicassets"] {
        let event = event(event_json(prefix).as_bytes()).expect("event");
        assert_eq!((event.asset.as_str(), event.uuid.as_str()), (A, E));
        assert_eq!(event.event_attributes, BTreeMap::from([("arc_display_type".into(), "Publish".into())]));
        assert_eq!(event.asset_attributes["document_version"], "2");
        assert_eq!(event.confirmation, Confirmation::Committed);
        assert_eq!(event.tenant_identity.as_deref(), Some("tenant/t"));
        assert_eq!(event.timestamp_accepted, "2026-01-02T03:04:06Z");
    }
}

#[test]
fn an_asset_needs_nothing_but_its_identity() {
    let bare = asset(format!(r#"{{"identity":"assets/{A}"}}"#).as_bytes()).expect("asset");
    assert_eq!((bare.uuid.as_str(), bare.confirmation, bare.public), (A, Confirmation::Pending, false));
    assert_eq!(bare.tenant_identity, None);
    let odd = format!(
        r#"{{"identity":"publicassets/{A}","public":"yes","attributes":[1],"tenant_identity":"","at_time":7,
        "confirmation_status":"SOMETHING_NEW"}}"#
    );
    let odd = asset(odd.as_bytes()).expect("asset");
    assert_eq!((odd.confirmation, odd.tenant_identity, odd.at_time.as_str()), (Confirmation::Pending, None, ""));
    let repeated = format!(r#"{{"identity":"assets/{A}","confirmation_status":"FAILED","tenant_identity":null}}"#);
    assert_eq!(asset(repeated.as_bytes()).expect("asset").confirmation, Confirmation::Failed);
}

#[test]
fn an_answer_without_a_readable_identity_is_no_record() {
    for body in [
        "",
        "null",
        "[]",
        "7",
        "\"assets\"",
        "{}",
        "{\"identity\":7}",
        "{\"identity\":\"\"}",
        "{\"identity\":\"assets/\"}",
        "{\"identity\":\"assets/not-a-uuid\"}",
        "{\"identity\":\"a1b2c3d4-0000-4000-8000-000000000001\"}",
        "{\"identity\":\"assets/a1b2c3d4-0000-4000-8000-000000000001\"",
        "<html><body>hello</body></html>",
    ] {
        assert!(asset(body.as_bytes()).is_err(), "{body}");
        assert!(event(body.as_bytes()).is_err(), "{body}");
    }
    assert!(event(format!(r#"{{"identity":"assets/{A}"}}"#).as_bytes()).is_err());
    assert!(asset(event_json("assets").as_bytes()).is_err());
}

#[test]
fn unreadable_records_of_a_list_are_skipped() {
    let body =
        format!(r#"{{"events":[null,7,{{}},[],{{"identity":"x"}},{}],"next_page_token":"t"}}"#, event_json("assets"));
    let page = events(body.as_bytes()).expect("page");
    assert_eq!(page.events.len(), 1);
    assert_eq!(page.next_page_token.as_deref(), Some("t"));
}

#[test]
fn a_missing_or_empty_page_token_is_the_end() {
    for body in
        [r#"{"assets":[]}"#, r#"{"assets":[],"next_page_token":""}"#, r#"{"assets":null,"next_page_token":null}"#]
    {
        assert_eq!(assets(body.as_bytes()).expect("page").next_page_token, None, "{body}");
    }
    assert!(assets(b"{}").expect("an empty page as proto JSON may write it").assets.is_empty());
}

#[test]
fn something_else_is_not_an_empty_list() {
    for body in [
        "",
        "[]",
        "null",
        "<html>",
        r#"{"code":13,"message":"internal"}"#,
        r#"{"events":"none"}"#,
        r#"{"events":{}}"#,
        r#"{"events":[]"#,
        r#"{"events":[]} trailing"#,
    ] {
        assert!(events(body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn a_page_of_absurdly_many_records_or_attributes_is_refused() {
    let many = format!(r#"{{"events":[{}{{}}]}}"#, "{},".repeat(MAX_RECORDS + 1));
    assert!(events(many.as_bytes()).is_err());
    let attributes: Vec<String> = (0..25_000).map(|n| format!(r#""{n}":"""#)).collect();
    let wide = format!(r#"{{"identity":"assets/{A}","attributes":{{{}}}}}"#, attributes.join(","));
    assert!(asset(wide.as_bytes()).is_err());
}

#[test]
fn deep_nesting_is_passed_over_without_harm() {
    let deep = format!(r#"{{"identity":"assets/{A}","x":{}{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
    assert!(asset(deep.as_bytes()).is_ok());
    let in_place = format!(r#"{{"identity":{}{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
    assert!(asset(in_place.as_bytes()).is_err());
}

#[test]
fn a_token_lives_for_a_number_or_a_number_in_a_string() {
    let lives = |expires: &str| {
        token(format!(r#"{{"access_token":"t","expires_in":{expires}}}"#).as_bytes()).expect("token").expires_in
    };
    assert_eq!(lives("3600"), Some(3600.0));
    assert_eq!(lives("\"660\""), Some(660.0));
    assert_eq!(lives("12.5"), Some(12.5));
    assert_eq!(lives("null"), None);
    assert_eq!(lives("\"soon\""), None);
    for body in ["{}", r#"{"access_token":""}"#, r#"{"access_token":7}"#, "<html>"] {
        assert!(token(body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn an_error_body_tells_its_message_in_any_of_its_shapes() {
    assert_eq!(error_message(br#"{"code":8,"message":"slow down","details":[]}"#).as_deref(), Some("slow down"));
    assert_eq!(error_message(br#"{"error":"invalid_client","error_description":"bad"}"#).as_deref(), Some("bad"));
    assert_eq!(error_message(br#"{"error":"invalid_client"}"#).as_deref(), Some("invalid_client"));
    assert_eq!(error_message(b"<html>"), None);
}
